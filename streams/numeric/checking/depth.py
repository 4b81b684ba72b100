"""What is checked of md.depth: the chain of update ids and the book it makes, by the book that the
pipeline has (``streams.numeric.book``); and its top against the venue's own best bid and ask.

The rule of that comparison: after a delta with final id ``u``, the best bid and ask, price and
quantity, equal those of the last ticker whose id is at most ``u``, and not below that of a snapshot
that replaced the book. It holds where the ids of both streams are of one numbering, as Binance's
are.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from streams.numeric import book, sync
from streams.numeric.borrowing import borrowing_kernel, inlined_kernel, inner_kernel
from streams.numeric.checking.codes import Code
from streams.numeric.checking.records import (
    OFF_LOT,
    OFF_TICK,
    SOUND,
    UNSYNCED,
    UPDATE_REPEATED,
    enter_state,
    fault_of_top,
    timed,
)
from streams.numeric.checking.tally import count_in, distance, row_of
from streams.numeric.window import units

DEPTH_GAP = int(Code.DEPTH_GAP)
BEFORE_SNAPSHOT = int(Code.BEFORE_SNAPSHOT)
UPDATE_OVERLAP = int(Code.UPDATE_OVERLAP)
MALFORMED_UPDATE = int(Code.MALFORMED_UPDATE)
BOOK_TOO_DEEP = int(Code.BOOK_TOO_DEEP)
TICKER_DIFFERS = int(Code.TICKER_DIFFERS)

TOP = np.dtype([
    ("slot", "i8"), ("update_id", "i8"), ("offset", "i8"), ("time", "i8"),
    ("bid_price", "i8"), ("bid_quantity", "i8"), ("ask_price", "i8"), ("ask_quantity", "i8"),
    ("snapshot", "i8"),        # RENEWED, ANEW: a later snapshot, no top to compare; else 0
])  # fmt: skip
"""The top of a book after an update, to be compared."""
RENEWED = 1
"""A snapshot replaced the book: tickers from before it tell nothing of the book."""
ANEW = 2
"""The same with an id below those before: the venue numbers anew."""


@borrowing_kernel
def check_depth(
    checks: Any, books: Any, rows: Any, levels: Any, offsets: Any, tops: Any
) -> Any:
    """Rows of md.depth and their levels. Tops to compare go to ``tops``, which has room for one a
    row; returns how many.
    """
    found = 0
    unknown = checks.streams.shape[0] - 1
    for at in range(len(rows)):
        row = rows[at]
        slot, offset = row_of(checks, row.instrument), offsets[at]
        is_delta = row.kind == sync.DELTA
        # a snapshot is asked for, and stands before the updates that continue it
        received = row.receive_time if is_delta else np.int64(0)
        timed(checks, slot, row.event_time, received, row.flags, offset)
        if slot == unknown:
            continue
        known, stream = books.books[slot], checks.streams[slot]
        before, was_synced = known.sequence, known.phase == sync.SYNCED
        has_begun = stream.was_synced == 1
        result = book.apply(books, slot, row, levels)
        if books.fault[0] != 0:
            count_in(checks.tallies[slot, BOOK_TOO_DEEP], offset, row.event_time, books.fault[2])
            books.fault[0] = 0
        if is_delta and not result & book.MALFORMED:
            chained(checks, slot, row, result, before, was_synced, offset)
        if result & book.MALFORMED:
            count_in(checks.tallies[slot, MALFORMED_UPDATE], offset, row.event_time, np.int64(0))
        elif result & book.APPLIED:
            on_grid(checks, slot, row, levels, offset)
        book_state(checks, books, slot, offset)
        if result & book.APPLIED and known.synced == 1:
            if is_delta or has_begun:
                snapshot = RENEWED if row.final_update_id >= stream.last_id else ANEW
                snapshot = 0 if is_delta else snapshot
                keep(tops[found], known, slot, offset, row.event_time, snapshot)
                found += 1
    return found


@inner_kernel
def chained(
    checks: Any, slot: Any, row: Any, result: Any, before: Any, was_synced: Any, offset: Any
) -> None:
    """How a delta continues the one before. ``before``: the book's id before it."""
    stream, tallies, time = checks.streams[slot], checks.tallies[slot], row.event_time
    if result & book.BECAME_STALE:
        missing = distance(max(row.first_update_id, before), before) - 1
        count_in(tallies[DEPTH_GAP], offset, time, max(missing, np.int64(0)))
    elif stream.last_id >= 0 and row.final_update_id <= stream.last_id:
        behind = distance(stream.last_id, row.final_update_id)
        count_in(tallies[UPDATE_REPEATED], offset, time, behind)
    elif result & book.IGNORED and stream.was_synced == 0:
        count_in(tallies[BEFORE_SNAPSHOT], offset, time, np.int64(0))
    elif (
        was_synced
        and result & book.APPLIED
        and not row.flags & sync.FUTURES_CHAIN
        and row.first_update_id <= before
    ):
        again = distance(before, row.first_update_id) + 1
        count_in(tallies[UPDATE_OVERLAP], offset, time, again)
    stream.last_id = row.final_update_id


@inlined_kernel
def on_grid(checks: Any, slot: Any, row: Any, levels: Any, offset: Any) -> None:
    """Levels off the tick or the lot: one finding of each an update, its amount the levels."""
    stream = checks.streams[slot]
    off_tick = off_lot = np.int64(0)
    first = np.int64(row.first_level)
    for place in range(first, first + row.bid_count + row.ask_count):
        price, quantity = levels[place].price, levels[place].quantity
        if units(price, stream.tick, stream.tick_reciprocal) * stream.tick != price:
            off_tick += 1
        if units(quantity, stream.lot, stream.lot_reciprocal) * stream.lot != quantity:
            off_lot += 1
    if off_tick:
        count_in(checks.tallies[slot, OFF_TICK], offset, row.event_time, off_tick)
    if off_lot:
        count_in(checks.tallies[slot, OFF_LOT], offset, row.event_time, off_lot)


@inlined_kernel
def book_state(checks: Any, books: Any, slot: Any, offset: Any) -> None:
    """What is wrong with the book as it is now. Before the first snapshot it is nothing's fault."""
    stream, known = checks.streams[slot], books.books[slot]
    if known.synced == 0:
        enter_state(checks, slot, UNSYNCED if stream.was_synced else SOUND, offset)
        return
    stream.was_synced = 1
    enter_state(checks, slot, fault_of_top(known.bids.price, known.asks.price), offset)


@inlined_kernel
def keep(top: Any, known: Any, slot: Any, offset: Any, time: Any, snapshot: Any) -> None:
    """Write down the top of a book."""
    top.slot = slot
    top.update_id = known.sequence
    top.offset = offset
    top.time = time
    top.bid_price, top.bid_quantity = known.bids.price, known.bids.quantity
    top.ask_price, top.ask_quantity = known.asks.price, known.asks.quantity
    top.snapshot = snapshot


@borrowing_kernel
def compare_tops(checks: Any, tops: Any, tickers: Any) -> Any:
    """Compare tops of one instrument with its tickers, both in their order. Returns how many
    tickers are done with: the last one that counted and those behind it are still needed.
    """
    following = 0
    for at in range(len(tops)):
        top = tops[at]
        stream = checks.streams[top.slot]
        if top.snapshot != 0:
            stream.snapshot_id = top.update_id
            if top.snapshot == ANEW:
                following = _after_reset(tickers, following)
            continue
        while following < len(tickers) and tickers[following].update_id <= top.update_id:
            following += 1
        if following == 0 or tickers[following - 1].update_id < stream.snapshot_id:
            continue
        ticker = tickers[following - 1]
        stream.compared += 1
        if (
            ticker.bid_price == top.bid_price
            and ticker.bid_quantity == top.bid_quantity
            and ticker.ask_price == top.ask_price
            and ticker.ask_quantity == top.ask_quantity
        ):
            stream.equal += 1
        else:
            tally = checks.tallies[top.slot, TICKER_DIFFERS]
            count_in(tally, top.offset, top.time, np.int64(0))
    return max(following - 1, 0)


@inner_kernel
def _after_reset(tickers: Any, following: Any) -> Any:
    """The ids began anew: place of the first ticker of the new numbering, if it is there."""
    for place in range(max(following, 1), len(tickers)):
        if tickers[place].update_id < tickers[place - 1].update_id:
            return place
    return following
