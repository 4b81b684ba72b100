"""A compiled strategy of the order side that reads its account, its places in the queues, the book
and the last quote, modifies its orders and aims at positions by what it finds.
"""

from typing import Any, NamedTuple

import msgspec
import numpy as np

from streams.numeric.borrowing import borrowing_kernel
from streams.numeric.int128 import low
from streams.numeric.order_changes import modify
from streams.numeric.order_requests import BUY, GTC, SELL, limit_order
from streams.numeric.order_targets import order_target
from streams.numeric.strategy_log import log
from streams.numeric.strategy_reads import (
    book,
    equity,
    first_order,
    has_equity,
    last_quote,
    next_order,
    open_order,
    position,
    queue_estimate,
    working,
)
from streams.numeric.timers import set_timer

NAME = "see-all"
INPUTS = ("md.quotes", "md.trades", "orders.events", "fills", "orders.requests")
OUTPUTS = ("orders.requests",)
READS = ("account", "queue", "book", "quotes")
RESERVE = {"orders.requests": 3, "strategy.log": 1}
TIMERS = ("aim",)
LOGS = ("{symbol}: {} seen",)
STATE_VERSION = 1
STRATEGY = 3
ALL = -1


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    pass


class State(NamedTuple):
    clock: Any
    timer: Any
    fault: Any
    seen: Any


def new_state(instruments: Any, settings: Settings) -> State:
    timer, seen = np.full(1, -1, np.int64), np.array([1, instruments[0].instrument], np.int64)
    return State(np.zeros(1, np.int64), timer, np.zeros(4, np.int64), seen)


@borrowing_kernel
def look(state: Any, number: Any, out: Any) -> None:
    """All that is read goes into what is done next."""
    seen, held = state.seen[0], position(out, number)
    seen = seen * 31 + held.quantity + held.average_price + working(out, number)
    if has_equity(out):
        seen += np.int64(low(equity(out)) & np.uint64(0xFFFF))
    place = first_order(out, ALL)
    while place >= 0:
        order = open_order(out, place)
        seen = seen * 7 + order.remaining + order.status + 3 * queue_estimate(out, place) + place
        place = next_order(out, place, ALL)
    levels = book(out, number, 0)
    for place in range(len(levels.bids)):
        seen = seen * 3 + levels.bids[place][0] + levels.bids[place][1]
    for place in range(len(levels.asks)):
        seen = seen * 3 + levels.asks[place][0] - levels.asks[place][1]
    state.seen[0] = (seen + last_quote(out, number).sequence) % 2147483647


@borrowing_kernel
def act(state: Any, number: Any, out: Any) -> None:
    look(state, number, out)
    draw, quote = state.seen[0] >> 5, last_quote(out, number)
    if draw % 4 != 0 or quote.bid_price <= 0 or quote.ask_price <= 0:
        return
    place, buys = first_order(out, number), (draw >> 4) % 2 == 0
    if place < 0:
        side, price = (BUY, quote.bid_price) if buys else (SELL, quote.ask_price)
        limit_order(out, number, side, 1 + draw % 9, price, GTC, True)
    elif (draw >> 2) % 3 == 0 or open_order(out, place).price == 0:
        set_timer(out, 0, state.clock[0] + 70_000_000)
    else:
        order = open_order(out, place)
        away = 10 * (draw % 3)
        price = quote.bid_price - away if order.side == BUY else quote.ask_price + away
        new_high, new_low = modify(out, order.order_high, order.order_low, 0, price, False)
        if draw % 16 == 0:
            modify(out, new_high, new_low, 1 + draw % 20, 0, True)
    look(state, number, out)


@borrowing_kernel
def on_quote(state: Any, quote: Any, out: Any) -> None:
    act(state, quote.instrument, out)


@borrowing_kernel
def on_trade(state: Any, trade: Any, out: Any) -> None:
    look(state, trade.instrument, out)


@borrowing_kernel
def on_order_request(state: Any, request: Any, out: Any) -> None:
    state.seen[0] += request.quantity


@borrowing_kernel
def on_order_event(state: Any, event: Any, out: Any) -> None:
    look(state, event.instrument, out)


@borrowing_kernel
def on_fill(state: Any, fill: Any, out: Any) -> None:
    act(state, fill.instrument, out)


@borrowing_kernel
def on_timer(state: Any, timer: Any, out: Any) -> None:
    look(state, state.seen[1], out)
    order_target(out, state.seen[1], state.seen[0] % 21 - 10, 0, False)
    log(out, 0, state.seen[1], state.seen[0])


@borrowing_kernel
def on_end(state: Any, out: Any) -> None:
    order_target(out, state.seen[1], 0, 0, False)
