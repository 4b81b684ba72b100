"""A compiled strategy of the order side that does everything at once: wakes on all there is, sets
its timer, orders in every way, cancels and signals. ``busy_twin.py`` is the same in plain Python.

What it does next comes from a generator kept in its state.
"""

from typing import Any, NamedTuple

import msgspec
import numpy as np

from streams.numeric.borrowing import borrowing_kernel
from streams.numeric.order_requests import (
    BUY,
    GTC,
    IOC,
    SELL,
    cancel_order,
    limit_order,
    market_order,
)

NAME = "busy-kernel"
INPUTS = (
    "md.trades", "md.quotes", "md.bars", "md.marks", "md.features", "md.toxicity", "orders.events",
    "orders.decisions", "fills", "positions", "pnl",
)  # fmt: skip
OUTPUTS = ("signals", "orders.requests")
RESERVE = {"signals": 1, "orders.requests": 2}
STATE_VERSION = 1
STRATEGY = 3
NEVER = 2**63 - 1
PAST = 8  # orders it remembers


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    seed: int = 1
    rate: int = 40


ORDER = np.dtype([("order_high", "i8"), ("order_low", "i8"), ("instrument", "i8"), ("side", "i8")])


class State(NamedTuple):
    clock: Any
    timer: Any
    fault: Any
    draw: Any
    rate: Any
    touch: Any  # bid, ask
    made: Any  # orders so far
    orders: Any  # ORDER[PAST]


def new_state(instruments: Any, settings: Settings) -> State:
    return State(
        clock=np.zeros(1, np.int64),
        timer=np.full(1, NEVER, np.int64),
        fault=np.zeros(4, np.int64),
        draw=np.array([settings.seed], np.int64),
        rate=np.array([settings.rate], np.int64),
        touch=np.zeros(2, np.int64),
        made=np.zeros(1, np.int64),
        orders=np.zeros(PAST, ORDER),
    )


@borrowing_kernel
def drawn(state: Any, given: Any) -> Any:
    """The next draw, mixed with what is given."""
    state.draw[0] = (state.draw[0] * 1103515245 + 12345 + given % 1000003) % 2147483648
    return state.draw[0] >> 8


@borrowing_kernel
def remember(state: Any, order_high: Any, order_low: Any, instrument: Any, side: Any) -> None:
    order = state.orders[state.made[0] % PAST]
    order.order_high = order_high
    order.order_low = order_low
    order.instrument = instrument
    order.side = side
    state.made[0] += 1


@borrowing_kernel
def act(state: Any, instrument: Any, given: Any, out: Any) -> None:
    draw = drawn(state, given)
    bid, ask = state.touch[0], state.touch[1]
    if draw % 100 >= state.rate[0] or bid <= 0 or ask <= 0:
        return
    side = BUY if (draw >> 7) % 2 == 0 else SELL
    near, far = (bid, ask) if side == BUY else (ask, bid)
    quantity = 1 + (draw >> 9) % 50
    what = (draw >> 4) % 7
    if what == 0:
        high, low = market_order(out, instrument, side, quantity)
        remember(state, high, low, instrument, side)
    elif what == 1:
        high, low = limit_order(out, instrument, side, quantity, near, GTC, True)
        remember(state, high, low, instrument, side)
    elif what == 2:
        high, low = limit_order(out, instrument, side, quantity, far, IOC, False)
        remember(state, high, low, instrument, side)
    elif what == 3:
        high, low = limit_order(out, instrument, side, quantity, near, GTC, False)
        remember(state, high, low, instrument, side)
        cancel_order(out, high, low, instrument, side)
    elif what == 4:
        rows, count = out.signals
        row = rows[count[0]]
        row.instrument = instrument
        row.event_time = state.clock[0]
        row.sequence = 0
        row.strategy = STRATEGY
        row.direction = 1 if side == BUY else -1
        row.strength = 1.0
        row.size = quantity
        row.fast = 0.0
        row.slow = 0.0
        row.flags = 0
        count[0] += 1
    elif state.made[0] > 0:
        order = state.orders[draw % min(state.made[0], PAST)]
        cancel_order(out, order.order_high, order.order_low, order.instrument, order.side)
    if draw % 5 == 0:
        state.timer[0] = state.clock[0] + 1 + (draw % 4) * 700_000_000


@borrowing_kernel
def on_trade(state: Any, trade: Any, out: Any) -> None:
    act(state, trade.instrument, trade.trade_id, out)


@borrowing_kernel
def on_quote(state: Any, quote: Any, out: Any) -> None:
    state.touch[0] = quote.bid_price
    state.touch[1] = quote.ask_price
    act(state, quote.instrument, quote.sequence, out)


@borrowing_kernel
def on_bar(state: Any, bar: Any, out: Any) -> None:
    act(state, bar.instrument, bar.close, out)


@borrowing_kernel
def on_mark(state: Any, mark: Any, out: Any) -> None:
    act(state, mark.instrument, mark.bid_price, out)


@borrowing_kernel
def on_market_features(state: Any, features: Any, out: Any) -> None:
    act(state, features.instrument, 3, out)


@borrowing_kernel
def on_toxicity(state: Any, toxicity: Any, out: Any) -> None:
    act(state, toxicity.instrument, 4, out)


@borrowing_kernel
def on_order_event(state: Any, event: Any, out: Any) -> None:
    drawn(state, event.status)


@borrowing_kernel
def on_risk_decision(state: Any, decision: Any, out: Any) -> None:
    drawn(state, decision.code)


@borrowing_kernel
def on_fill(state: Any, fill: Any, out: Any) -> None:
    act(state, fill.instrument, fill.price, out)


@borrowing_kernel
def on_position(state: Any, position: Any, out: Any) -> None:
    drawn(state, abs(position.quantity))


@borrowing_kernel
def on_pnl(state: Any, pnl: Any, out: Any) -> None:
    act(state, 1, pnl.event_time, out)


@borrowing_kernel
def on_timer(state: Any, deadline: Any, out: Any) -> None:
    state.timer[0] = NEVER
    act(state, 1, deadline, out)


@borrowing_kernel
def on_end(state: Any, out: Any) -> None:
    if state.made[0] > 0:
        order = state.orders[(state.made[0] - 1) % PAST]
        cancel_order(out, order.order_high, order.order_low, order.instrument, order.side)
