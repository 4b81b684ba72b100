"""Marks: best bid and ask and the last trade, conflated by event time for consumers that need no
tick.

A mark is due once the book was updated (its top, its time or its validity) or the last trade price
changed, and is published at the next multiple of ``mark_interval``; nothing is published while
nothing changes. Before the book's first sync a mark carries zeros and STALE; while the book is
stale it carries the last values, STALE and GAP.
"""

from __future__ import annotations

from typing import Any

from streams.aggregation.quotes import STALE
from streams.aggregation.state import NEVER
from streams.numeric.borrowing import inner_kernel

MARKS_A_CALL = 8


@inner_kernel
def want_mark(state: Any, top: Any) -> None:
    """Ask for a mark of this instrument at the next multiple of the interval after the clock."""
    top.mark_due = 1
    header = state.header[0]
    if header.mark_timer == NEVER:
        interval, clock = header.mark_interval, state.clock[0]
        header.mark_timer = clock - clock % interval + interval
        state.timer[0] = min(state.timer[0], header.mark_timer)


@inner_kernel
def emit_mark(state: Any, top: Any, out: Any) -> None:
    """Append the instrument's mark to md.marks, stamped with the clock."""
    rows, count = out.md_marks
    row = rows[count[0]]
    row.instrument = top.instrument
    row.event_time = state.clock[0]
    row.sequence = top.book_sequence
    row.bid_price = top.bid_price
    row.bid_quantity = top.bid_quantity
    row.ask_price = top.ask_price
    row.ask_quantity = top.ask_quantity
    row.last_price = top.last_price
    row.book_time = top.book_time
    row.flags = top.flags if top.published else STALE
    count[0] += 1
    top.mark_due = 0


@inner_kernel
def emit_due_marks(state: Any, out: Any) -> Any:
    """Publish due marks, at most ``MARKS_A_CALL``; returns True, and disarms the timer, when none
    is left.
    """
    published = 0
    for slot in range(state.tops.shape[0]):
        top = state.tops[slot]
        if top.mark_due:
            if published == MARKS_A_CALL:
                return False
            emit_mark(state, top, out)
            published += 1
    state.header[0].mark_timer = NEVER
    return True
