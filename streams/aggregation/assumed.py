"""The aggregation stage where there is no order book: the venue's own best prices, trades or bars
in; quotes, bars and marks out, as from a book (``numeric/assumed_top.py``).

Bars of the data come when they open, for the simulated venue: here they wait until they close.
Then a bar is published, its close makes the quote, and the mark is published at once, so that an
order decided on the bar is judged by it. The last bars of the input are published where it ends.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from schemas.codec import LEVEL
from schemas.compiled.depth_update import DTYPE as UPDATE
from schemas.records import Instrument
from schemas.vocabulary import Side
from streams.aggregation import stage, state
from streams.aggregation.bars import BARS_A_CALL, bars_on_end, bars_on_timer
from streams.aggregation.from_bars import GIVEN, bars_on_bar, copy_bar
from streams.aggregation.marks import MARKS_A_CALL, emit_due_marks, emit_mark, want_mark
from streams.aggregation.quotes import quote_on_depth_update
from streams.aggregation.stage import FAULTS, note_trade
from streams.aggregation.state import COUNTERS, MAX_INTERVALS, NEVER
from streams.numeric import assumed_top, book, tape
from streams.numeric.assumed_top import DATA, QUOTES, SPREAD_MAX, TOP, TRADES, UNSIZED
from streams.numeric.borrowing import inlined_kernel, inner_kernel
from streams.numeric.state_arrays import array_of

NAME = stage.NAME
INPUTS = ("md.trades", "md.book_tickers", "md.imported_bars")
OUTPUTS = ("md.marks", "md.quotes", "md.bars")
VIEWS = stage.VIEWS
STATE_VERSION = 1
ENDS_IN_PARTS = True
RESERVE = {"md.quotes": 1, "md.bars": max(BARS_A_CALL, MAX_INTERVALS), "md.marks": MARKS_A_CALL}
UNKNOWN = np.int64(Side.UNKNOWN)

__all__ = ["COUNTERS", "FAULTS", "INPUTS", "NAME", "OUTPUTS", "RESERVE", "STATE_VERSION", "VIEWS"]


class Settings(state.Settings, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Those of the stage, and what is assumed.

    data: ``quotes``, ``trades`` or ``bars``. spread: ticks from a print to the price that an order
    gets. unsized: instruments of which the data have no quantities at all.
    """

    data: str = "trades"
    spread: int = 1
    unsized: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        state.Settings.__post_init__(self)
        if self.data not in DATA[QUOTES:]:
            raise ValueError(f"data is {self.data!r}; give one of: {', '.join(DATA[QUOTES:])}")
        if not 0 <= self.spread <= SPREAD_MAX:
            raise ValueError(f"spread is {self.spread} ticks; give 0 to {SPREAD_MAX}")


ASSUMED = np.dtype([("data", "i8"), ("waiting", "i8")])
"""What the run trades on; how many instruments have a bar that waits for its close."""


class State(state.State):
    """The stage's state, and the assumed books."""

    assumed: Any = array_of(ASSUMED)
    """(1,)"""
    shown: Any = array_of(TOP)
    """(instruments,)"""
    waiting: Any = array_of(GIVEN)
    """(instruments,): the bar that waits for its close; close_time 0 where none does."""
    update: Any = array_of(UPDATE)
    """(1,): the depth update in the making."""
    levels: Any = array_of(LEVEL)
    """(4,): its levels."""


def new_state(instruments: Sequence[Instrument], settings: Settings) -> State:
    """State before the first record."""
    assumed = np.array([(DATA.index(settings.data), 0)], ASSUMED)
    return State(
        **state.new_state(instruments, settings)._asdict(),
        assumed=assumed,
        shown=assumed_top.new_tops(instruments, settings),
        waiting=np.zeros(len(instruments), GIVEN),
        update=np.zeros(1, UPDATE),
        levels=np.zeros(4, LEVEL),
    )


@inlined_kernel
def on_trade(state: Any, books: Any, trade: Any, out: Any) -> None:
    """A trade: into the bars and the next mark. It makes the quote where trades are all there is;
    beside the venue's best prices it takes from them.
    """
    slot = book.slot_of(books, trade.instrument)
    if slot < 0 or trade.quantity <= 0:
        state.header[0].refused_trades += 1
        return
    _begin(state, slot, trade.event_time)
    if state.assumed[0].data == QUOTES:
        tape.take(books, slot, trade.price, trade.quantity, trade.aggressor_side)
    note_trade(state, slot, trade, out)
    if state.assumed[0].data == TRADES:
        assumed_top.show_print(
            state.shown[slot], state.update[0], state.levels, trade.instrument, trade.event_time,
            trade.flags, trade.price, trade.quantity, trade.aggressor_side,
        )  # fmt: skip
        _publish_top(state, books, slot, out)


@inlined_kernel
def on_book_ticker(state: Any, books: Any, ticker: Any, out: Any) -> None:
    """The venue's best prices: the quote they make."""
    slot = book.slot_of(books, ticker.instrument)
    if slot < 0 or state.assumed[0].data != QUOTES:
        return
    _begin(state, slot, ticker.event_time)
    assumed_top.show_ticker(state.shown[slot], state.update[0], state.levels, ticker)
    _publish_top(state, books, slot, out)


@inlined_kernel
def on_bar(state: Any, books: Any, bar: Any, out: Any) -> None:
    """A bar opens: it waits for its close. One that opens before the bar before it has closed is
    counted and refused.
    """
    slot = book.slot_of(books, bar.instrument)
    if slot < 0 or state.waiting[slot].close_time != 0:
        state.header[0].refused_trades += 1
        return
    _begin(state, slot, bar.open_time)
    copy_bar(state.waiting[slot], bar)
    state.assumed[0].waiting += 1
    state.timer[0] = min(state.timer[0], bar.close_time)


@inner_kernel
def on_timer(state: Any, books: Any, deadline: Any, out: Any) -> None:
    """Publish what closes, one instrument a call, then longer bars, then due marks."""
    following = NEVER
    if state.assumed[0].waiting != 0:
        for slot in range(len(state.waiting)):
            close_time = state.waiting[slot].close_time
            if close_time != 0 and close_time <= deadline:
                _close(state, books, slot, out)
                state.timer[0] = deadline
                return
            if close_time != 0:
                following = min(following, close_time)
    following = min(following, bars_on_timer(state, deadline, out))
    if state.header[0].mark_timer <= deadline and not emit_due_marks(state, out):
        following = deadline
    state.timer[0] = min(following, state.header[0].mark_timer)


@inner_kernel
def on_end(state: Any, books: Any, out: Any) -> None:
    """The input ends: the bars that wait, then the longer ones and the marks, as of a book."""
    for slot in range(len(state.waiting)):
        if state.waiting[slot].close_time != 0:
            _close(state, books, slot, out)
            state.timer[0] = state.clock[0]
            return
    bars_done = bars_on_end(state, out)
    marks_done = emit_due_marks(state, out)
    state.timer[0] = NEVER if bars_done and marks_done else state.clock[0]


@inlined_kernel
def _begin(state: Any, slot: Any, time: Any) -> None:
    """Note the instrument's first record."""
    if state.tops[slot].first_time == 0:
        state.tops[slot].first_time = time


@inlined_kernel
def _publish_top(state: Any, books: Any, slot: Any, out: Any) -> Any:
    """Into the book, and the quote and mark it makes."""
    top = state.tops[slot]
    if quote_on_depth_update(top, books, slot, state.update[0], state.levels, out):
        want_mark(state, top)


@inner_kernel
def _close(state: Any, books: Any, slot: Any, out: Any) -> None:
    """Publish the bar that waits: its quote and mark, itself, and the longer bars that it ends."""
    bar = state.waiting[slot]
    top = state.tops[slot]
    top.last_price = bar.close
    top.last_time = state.clock[0]
    quantity = max(bar.volume, 1)
    if state.shown[slot].is_unsized != 0:
        quantity = UNSIZED
    assumed_top.show_print(
        state.shown[slot], state.update[0], state.levels, bar.instrument, state.clock[0],
        bar.flags, bar.close, quantity, UNKNOWN,
    )  # fmt: skip
    quote_on_depth_update(top, books, slot, state.update[0], state.levels, out)
    emit_mark(state, top, out)
    bars_on_bar(state, slot, bar, top.first_time, out)
    bar.close_time = 0
    state.assumed[0].waiting -= 1
