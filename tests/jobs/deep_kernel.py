"""A compiled strategy of the upstream pass that wakes on all that there is, and reads the whole
book each time.
"""

from typing import Any, NamedTuple

import msgspec
import numpy as np

from streams.numeric.book import next_level, quantity_at, slot_of, top_flags
from streams.numeric.borrowing import borrowing_kernel

NAME = "deep-down"
INPUTS = (
    "md.quotes", "md.trades", "md.features", "md.toxicity", "md.bars", "md.marks", "md.depth",
    "md.book_tickers",
)  # fmt: skip
OUTPUTS = ("signals",)
VIEWS = ("book",)
RESERVE = {"signals": 1}
STATE_VERSION = 1
SECOND = 1_000_000_000
NEVER = 2**63 - 1


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    pass


class State(NamedTuple):
    clock: Any
    timer: Any
    fault: Any
    seen: Any


def new_state(instruments: Any, settings: Settings) -> State:
    timer = np.full(1, NEVER, np.int64)
    return State(np.zeros(1, np.int64), timer, np.zeros(4, np.int64), np.zeros(2, np.int64))


@borrowing_kernel
def say(state: Any, books: Any, number: Any, out: Any) -> None:
    """Every level goes into what is said."""
    slot = slot_of(books, number)
    seen = state.seen[0] + top_flags(books, slot)
    for side in (1, 2):
        price = next_level(books, slot, side, 0)
        while price != 0:
            quantity = quantity_at(books, slot, side, price)
            seen = (seen * 31 + price + 7 * quantity) % 2147483647
            price = next_level(books, slot, side, price)
    state.seen[0], state.seen[1] = seen, number
    if seen % 8 != 0:
        return
    rows, count = out.signals
    row = rows[count[0]]
    row.instrument, row.event_time, row.sequence = number, state.clock[0], seen
    row.strategy, row.direction, row.strength = 1, seen % 3 - 1, 1.0
    row.size, row.fast, row.slow, row.flags = 1 + seen % 5, 1.0 * seen, 0.0, 0
    count[0] += 1


@borrowing_kernel
def on_quote(state: Any, books: Any, quote: Any, out: Any) -> None:
    say(state, books, quote.instrument, out)
    if state.timer[0] == NEVER:
        state.timer[0] = (state.clock[0] // SECOND + 1) * SECOND


@borrowing_kernel
def on_trade(state: Any, books: Any, trade: Any, out: Any) -> None:
    say(state, books, trade.instrument, out)


@borrowing_kernel
def on_market_features(state: Any, books: Any, record: Any, out: Any) -> None:
    say(state, books, record.instrument, out)


@borrowing_kernel
def on_toxicity(state: Any, books: Any, record: Any, out: Any) -> None:
    say(state, books, record.instrument, out)


@borrowing_kernel
def on_bar(state: Any, books: Any, record: Any, out: Any) -> None:
    say(state, books, record.instrument, out)


@borrowing_kernel
def on_mark(state: Any, books: Any, record: Any, out: Any) -> None:
    say(state, books, record.instrument, out)


@borrowing_kernel
def on_book_ticker(state: Any, books: Any, record: Any, out: Any) -> None:
    say(state, books, record.instrument, out)


@borrowing_kernel
def on_depth_update(state: Any, books: Any, update: Any, levels: Any, out: Any) -> None:
    state.seen[0] += update.final_update_id % 1000
    say(state, books, update.instrument, out)


@borrowing_kernel
def on_timer(state: Any, books: Any, deadline: Any, out: Any) -> None:
    state.timer[0] = deadline + SECOND
    say(state, books, state.seen[1], out)


@borrowing_kernel
def on_end(state: Any, books: Any, out: Any) -> None:
    state.timer[0] = NEVER
    say(state, books, state.seen[1], out)
