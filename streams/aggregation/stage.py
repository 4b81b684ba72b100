"""The aggregation stage: one function per input record, tied to quotes, bars and marks."""

from __future__ import annotations

from typing import Any

from schemas.errors import AmountFault
from streams.aggregation.bars import BARS_A_CALL, bars_on_end, bars_on_timer, bars_on_trade
from streams.aggregation.marks import MARKS_A_CALL, emit_due_marks, want_mark
from streams.aggregation.quotes import quote_on_depth_update
from streams.aggregation.state import (
    COUNTERS,
    MAX_INTERVALS,
    NEVER,
    QUOTE_VOLUME_FAULT,
    Settings,
    State,
    new_state,
)
from streams.numeric import book, tape
from streams.numeric.borrowing import inlined_kernel, inner_kernel

NAME = "aggregation"
INPUTS = ("md.trades", "md.depth")
OUTPUTS = ("md.quotes", "md.bars", "md.marks")
VIEWS = ("book",)
STATE_VERSION = 2
ENDS_IN_PARTS = True
RESERVE = {"md.quotes": 1, "md.bars": max(BARS_A_CALL, MAX_INTERVALS), "md.marks": MARKS_A_CALL}
FAULTS = {
    QUOTE_VOLUME_FAULT: AmountFault(
        "the quote volume of the bar that opens at {value} ns passes 38 digits with trade {limit}"
    )
}

__all__ = [
    "ENDS_IN_PARTS",
    "COUNTERS",
    "FAULTS",
    "INPUTS",
    "NAME",
    "OUTPUTS",
    "RESERVE",
    "STATE_VERSION",
    "VIEWS",
    "Settings",
    "State",
    "new_state",
]


@inlined_kernel
def on_trade(state: Any, books: Any, trade: Any, out: Any) -> None:
    """A trade: off the book, into the bars, and its price into the next mark. A trade without
    quantity is counted and refused.
    """
    slot = book.slot_of(books, trade.instrument)
    if slot < 0 or trade.quantity <= 0:
        state.header[0].refused_trades += 1
        return
    top = state.tops[slot]
    if top.first_time == 0:
        top.first_time = trade.event_time
    tape.take(books, slot, trade.price, trade.quantity, trade.aggressor_side)
    note_trade(state, slot, trade, out)


@inlined_kernel
def note_trade(state: Any, slot: Any, trade: Any, out: Any) -> None:
    """Into the bars, and its price into the next mark."""
    top = state.tops[slot]
    bars_on_trade(state, slot, trade, top.first_time, out)
    if trade.event_time >= top.last_time:
        top.last_time = trade.event_time
        if trade.price != top.last_price:
            top.last_price = trade.price
            want_mark(state, top)


@inlined_kernel
def on_depth_update(state: Any, books: Any, update: Any, levels: Any, out: Any) -> None:
    """A depth update: into the book, and the quote and mark it makes."""
    slot = book.slot_of(books, update.instrument)
    if slot < 0:
        return
    top = state.tops[slot]
    if top.first_time == 0:
        top.first_time = update.event_time
    if quote_on_depth_update(top, books, slot, update, levels, out):
        want_mark(state, top)


@inner_kernel
def on_timer(state: Any, books: Any, deadline: Any, out: Any) -> None:
    """Close due bars, then publish due marks."""
    following = bars_on_timer(state, deadline, out)
    if state.header[0].mark_timer <= deadline and not emit_due_marks(state, out):
        following = deadline
    state.timer[0] = min(following, state.header[0].mark_timer)


@inner_kernel
def on_end(state: Any, books: Any, out: Any) -> None:
    """The input ends: open bars as PARTIAL and the marks still due; called again while the timer
    stands at the clock.
    """
    bars_done = bars_on_end(state, out)
    marks_done = emit_due_marks(state, out)
    state.timer[0] = NEVER if bars_done and marks_done else state.clock[0]
