"""A compiled strategy that reads all there is to read each time it is woken, before and after it
acts, and does what comes of it. ``reading_twin.py`` is the same in plain Python.
"""

from typing import Any, NamedTuple

import msgspec
import numpy as np

from streams.numeric.borrowing import borrowing_kernel
from streams.numeric.int128 import low
from streams.numeric.order_requests import (
    BUY,
    GTC,
    IOC,
    SELL,
    cancel_order,
    limit_order,
    market_order,
)
from streams.numeric.strategy_reads import (
    amount_precision,
    book,
    cash,
    equity,
    features,
    find_order,
    first_order,
    has_equity,
    instrument,
    last_bar,
    last_mark,
    last_quote,
    last_trade,
    next_order,
    open_order,
    position,
    queue_estimate,
    toxicity,
    working,
)

NAME = "reading"
INPUTS = (
    "md.trades", "md.quotes", "md.bars", "md.marks", "md.features", "md.toxicity", "orders.events",
    "fills", "positions",
)  # fmt: skip
OUTPUTS = ("signals", "orders.requests")
READS = (
    "account", "book", "queue", "trades", "quotes", "bars", "marks", "features", "toxicity",
)  # fmt: skip
RESERVE = {"signals": 1, "orders.requests": 2}
STATE_VERSION = 1
STRATEGY = 2
NEVER = 2**63 - 1
LAST_BITS = np.uint64(0x7FFFFFFF)
ALL = -1


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    seed: int = 1
    rate: int = 20


class State(NamedTuple):
    clock: Any
    timer: Any
    fault: Any
    draw: Any
    rate: Any


def new_state(instruments: Any, settings: Settings) -> State:
    return State(
        clock=np.zeros(1, np.int64),
        timer=np.full(1, NEVER, np.int64),
        fault=np.zeros(4, np.int64),
        draw=np.array([settings.seed], np.int64),
        rate=np.array([settings.rate], np.int64),
    )


@borrowing_kernel
def mix(state: Any, given: Any) -> None:
    state.draw[0] = (state.draw[0] * 1103515245 + 12345 + (given & 0x7FFFFFFF)) % 2147483648


@borrowing_kernel
def bits(amount: Any) -> Any:
    return np.int64(low(amount) & LAST_BITS)


@borrowing_kernel
def look(state: Any, number: Any, out: Any) -> None:
    held = position(out, number)
    mix(state, held.quantity)
    mix(state, held.average_price)
    mix(state, bits(held.cost))
    mix(state, bits(held.realized))
    mix(state, bits(held.unrealized) if held.is_valued else 77)
    mix(state, bits(held.fees))
    mix(state, bits(cash(out)))
    mix(state, bits(equity(out)) if has_equity(out) else 78)
    mix(state, amount_precision(out))
    place = first_order(out, ALL)
    while place >= 0:
        order = open_order(out, place)
        mix(state, order.order_low)
        mix(state, order.instrument + 10 * order.side + 100 * order.status)
        mix(state, order.quantity)
        mix(state, order.remaining)
        mix(state, order.price)
        mix(state, queue_estimate(out, place))
        mix(state, 1 if find_order(out, order.order_high, order.order_low) == place else 0)
        place = next_order(out, place, ALL)
    place = first_order(out, number)
    while place >= 0:
        mix(state, open_order(out, place).order_low)
        place = next_order(out, place, number)
    mix(state, working(out, number))
    known = instrument(out, number)
    mix(state, known.tick_size + 10 * known.lot_size + 100 * known.multiplier)
    mix(state, known.price_precision + 100 * known.quantity_precision)
    seen, few = book(out, number, 0), book(out, number, 2)
    mix_levels(state, seen.bids, few.bids)
    mix_levels(state, seen.asks, few.asks)
    mix(state, seen.flags + 100 * few.flags)
    mix(state, last_trade(out, number).trade_id)
    mix(state, last_quote(out, number).sequence)
    mix(state, last_bar(out, number, 0).close_time)
    mix(state, last_bar(out, number, 60_000_000_000).close_time)
    mix(state, last_mark(out, number).event_time)
    mix(state, features(out, number).event_time)
    mix(state, toxicity(out, number).event_time)


@borrowing_kernel
def mix_levels(state: Any, levels: Any, few: Any) -> None:
    mix(state, len(levels) + 1000 * len(few))
    for place in range(len(levels)):
        mix(state, levels[place][0])
        mix(state, levels[place][1])
    for place in range(len(few)):
        mix(state, few[place][0] + few[place][1])


@borrowing_kernel
def act(state: Any, number: Any, out: Any) -> None:
    look(state, number, out)
    draw, quote = state.draw[0] >> 8, last_quote(out, number)
    bid, ask = quote.bid_price, quote.ask_price
    if draw % 100 >= state.rate[0] or bid <= 0 or ask <= 0:
        return
    side = BUY if (draw >> 7) % 2 == 0 else SELL
    near, far = (bid, ask) if side == BUY else (ask, bid)
    quantity = 1 + (draw >> 9) % 50
    what = (draw >> 4) % 7
    if what == 0:
        market_order(out, number, side, quantity)
    elif what == 1:
        limit_order(out, number, side, quantity, near, GTC, True)
    elif what == 2:
        limit_order(out, number, side, quantity, far, IOC, False)
    elif what == 3:
        high, low_half = limit_order(out, number, side, quantity, near, GTC, False)
        look(state, number, out)
        cancel_order(out, high, low_half, number, side)
    elif what == 4:
        publish(state, number, side, quantity, out)
    else:
        place = first_order(out, ALL)
        if place >= 0:
            order = open_order(out, place)
            cancel_order(out, order.order_high, order.order_low, order.instrument, order.side)
    look(state, number, out)


@borrowing_kernel
def publish(state: Any, number: Any, side: Any, quantity: Any, out: Any) -> None:
    rows, count = out.signals
    row = rows[count[0]]
    row.instrument = number
    row.event_time = state.clock[0]
    row.sequence = state.draw[0]
    row.strategy = STRATEGY
    row.direction = 1 if side == BUY else -1
    row.strength = 1.0
    row.size = quantity
    row.fast = 0.0
    row.slow = 0.0
    row.flags = 0
    count[0] += 1


@borrowing_kernel
def on_trade(state: Any, trade: Any, out: Any) -> None:
    act(state, trade.instrument, out)


@borrowing_kernel
def on_quote(state: Any, quote: Any, out: Any) -> None:
    act(state, quote.instrument, out)


@borrowing_kernel
def on_bar(state: Any, bar: Any, out: Any) -> None:
    act(state, bar.instrument, out)


@borrowing_kernel
def on_mark(state: Any, mark: Any, out: Any) -> None:
    act(state, mark.instrument, out)


@borrowing_kernel
def on_market_features(state: Any, record: Any, out: Any) -> None:
    act(state, record.instrument, out)


@borrowing_kernel
def on_toxicity(state: Any, record: Any, out: Any) -> None:
    act(state, record.instrument, out)


@borrowing_kernel
def on_order_event(state: Any, event: Any, out: Any) -> None:
    look(state, event.instrument, out)


@borrowing_kernel
def on_fill(state: Any, fill: Any, out: Any) -> None:
    act(state, fill.instrument, out)


@borrowing_kernel
def on_position(state: Any, record: Any, out: Any) -> None:
    look(state, record.instrument, out)
