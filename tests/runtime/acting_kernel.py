"""A compiled strategy that acts in every way there is beside plain orders, by draws into which it
mixes what comes of it. ``acting_twin.py`` is the same in plain Python.
"""

from typing import Any, NamedTuple

import msgspec
import numpy as np

from streams.numeric.borrowing import borrowing_kernel
from streams.numeric.int128 import wide
from streams.numeric.order_changes import modify
from streams.numeric.order_requests import cancel_order
from streams.numeric.order_targets import order_target, order_target_percent, order_target_value
from streams.numeric.strategy_log import log
from streams.numeric.strategy_reads import (
    equity,
    first_order,
    has_equity,
    instrument,
    last_quote,
    next_order,
    open_order,
    position,
    working,
)
from streams.numeric.timers import cancel_timer, set_timer

NAME = "acting"
INPUTS = ("md.quotes", "md.marks", "orders.events", "fills")
OUTPUTS = ("orders.requests",)
READS = ("account", "quotes")
RESERVE = {"orders.requests": 4, "strategy.log": 9}
LOGS = (
    "woken", "{symbol} {} at {}: equity {}", "event of {order} {}", "timer {}: {}{}",
)  # fmt: skip
WOKEN = 0
AIMED = 1
EVENT = 2
TIMED = 3
STATE_VERSION = 1
STRATEGY = 2
TIMERS = ("a", "b", "c", "d", "e")
NEVER = 2**63 - 1
ALL = -1


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    seed: int = 1
    rate: int = 20
    unit: int = 1_000_000


class State(NamedTuple):
    clock: Any
    timer: Any
    fault: Any
    draw: Any
    rate: Any
    unit: Any
    first: Any


def new_state(instruments: Any, settings: Settings) -> State:
    return State(
        clock=np.zeros(1, np.int64),
        timer=np.full(1, NEVER, np.int64),
        fault=np.zeros(4, np.int64),
        draw=np.array([settings.seed], np.int64),
        rate=np.array([settings.rate], np.int64),
        unit=np.array([settings.unit], np.int64),
        first=np.array([instruments[0].instrument], np.int64),
    )


@borrowing_kernel
def mix(state: Any, given: Any) -> None:
    state.draw[0] = (state.draw[0] * 1103515245 + 12345 + (given & 0x7FFFFFFF)) % 2147483648


@borrowing_kernel
def drawn(state: Any, bound: Any) -> Any:
    mix(state, 1)
    return (state.draw[0] >> 8) % bound


@borrowing_kernel
def act(state: Any, number: Any, out: Any) -> None:
    mix(state, position(out, number).quantity)
    mix(state, working(out, number))
    quote = last_quote(out, number)
    bid, ask = quote.bid_price, quote.ask_price
    if drawn(state, 100) >= state.rate[0] or bid <= 0 or ask <= 0:
        return
    what = drawn(state, 10)
    if what < 3:
        aim(state, what, number, bid if drawn(state, 2) == 0 else ask, out)
    elif what == 3:
        place = first_order(out, ALL)
        if place >= 0:
            order = open_order(out, place)
            cancel_order(out, order.order_high, order.order_low, order.instrument, order.side)
    elif what < 6:
        change(state, out)
    elif what > 7:
        wind(state, out)
    mix(state, working(out, number))


@borrowing_kernel
def wind(state: Any, out: Any) -> None:
    """Set or cancel timers; some wake at one instant."""
    for _ in range(3):
        timer = drawn(state, 5)
        if drawn(state, 4) == 0:
            cancel_timer(out, timer)
        else:
            second = 1_000_000_000
            at = (state.clock[0] // second + 1 + drawn(state, 3)) * second
            set_timer(out, timer, at)


@borrowing_kernel
def on_timer(state: Any, timer: Any, out: Any) -> None:
    mix(state, timer + state.clock[0])
    log(out, TIMED, timer, -state.clock[0], wide(state.clock[0]) * 1_000_000_000_000_000_000)
    wind(state, out)
    if timer == 2:
        act(state, state.first[0], out)


@borrowing_kernel
def change(state: Any, out: Any) -> None:
    """Modify the oldest open limit order; again, modify or cancel what takes its place."""
    place = first_order(out, ALL)
    while place >= 0 and open_order(out, place).price == 0:
        place = next_order(out, place, ALL)
    if place < 0:
        return
    order = open_order(out, place)
    quantity = drawn(state, 3) * 25 * instrument(out, order.instrument).lot_size
    step = instrument(out, order.instrument).tick_size * (drawn(state, 5) - 2)
    price = order.price + step if drawn(state, 3) != 0 else 0
    high, low_half = modify(out, order.order_high, order.order_low, quantity, price, False)
    mix(state, low_half)
    mix(state, working(out, order.instrument))
    what = drawn(state, 6)
    if what == 0:
        high, low_half = modify(out, high, low_half, 0, order.price, True)
        mix(state, low_half)
    elif what == 1:
        cancel_order(out, high, low_half, order.instrument, order.side)
    elif what == 2:
        cancel_order(out, order.order_high, order.order_low, order.instrument, order.side)


@borrowing_kernel
def aim(state: Any, kind: Any, number: Any, near: Any, out: Any) -> None:
    size = drawn(state, 401) - 200
    price = near if drawn(state, 2) == 0 else 0
    post_only = price != 0 and drawn(state, 2) == 0
    if kind == 0:
        target = size * instrument(out, number).lot_size
        high, low_half = order_target(out, number, target, price, post_only)
    elif kind == 1:
        value = wide(size) * state.unit[0] * 1000
        high, low_half = order_target_value(out, number, value, price, post_only)
    else:
        high, low_half = order_target_percent(out, number, size / 300.0, price, post_only)
    mix(state, low_half)
    worth = equity(out) if has_equity(out) else wide(0)
    log(out, AIMED, number, position(out, number).quantity, price, worth)


@borrowing_kernel
def on_quote(state: Any, quote: Any, out: Any) -> None:
    act(state, quote.instrument, out)


@borrowing_kernel
def on_mark(state: Any, mark: Any, out: Any) -> None:
    act(state, mark.instrument, out)


@borrowing_kernel
def on_order_event(state: Any, event: Any, out: Any) -> None:
    mix(state, event.order_id_low + event.status)
    log(out, EVENT, event.order_id_high, event.order_id_low, event.status)
    mix(state, working(out, event.instrument))


@borrowing_kernel
def on_fill(state: Any, fill: Any, out: Any) -> None:
    log(out, WOKEN)
    act(state, fill.instrument, out)
