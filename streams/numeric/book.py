"""The fast L2 book: one update in, best bid and ask kept, any level answered. Start here; memory
and invariants are in book_state.py.

Semantics (reference_book.py says the same in plain Python):

- Quantities are absolute; 0 removes a level, and removing an unknown one is normal. Levels a
  snapshot did not reach are unknown, not empty.
- sync.py decides which record is applied. A book that is not ``synced`` keeps its last levels after
  a gap but must not be published.
- A record with a negative quantity or a price outside 1 to 2^62 - 1 is refused whole, and changes
  nothing: the next record shows the gap.
- Crossed books: the venue is believed (policy *keep and flag*): nothing is dropped or resolved,
  ``top_flags`` says CROSSED, and whoever trades on quotes refuses flagged ones. Auctions cross for
  minutes, and resolving would invent a book the venue never had.
- Order is the update ids', never the event times': a record with an older time and the right ids is
  applied.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from streams.numeric import sync
from streams.numeric.book_levels import levels_of, restore, snapshot
from streams.numeric.book_queries import next_level, quantity_at, slot_of, top_flags
from streams.numeric.book_side import TOP_CHANGED, apply_side, empty, keep_top
from streams.numeric.book_state import TAIL_CAPACITY_FAULT, Books, new_books
from streams.numeric.borrowing import inlined_kernel, inner_kernel

__all__ = [
    "APPLIED", "BECAME_STALE", "BECAME_SYNCED", "IGNORED", "MALFORMED", "TOP_CHANGED", "Books",
    "apply", "clear", "levels_of", "new_books", "next_level", "quantity_at",
    "restore", "slot_of", "snapshot", "top_flags",
]  # fmt: skip

APPLIED = 1
BECAME_STALE = 4
BECAME_SYNCED = 8
IGNORED = 16
"""Old, or waiting for a snapshot."""
MALFORMED = 32
"""Refused: changes nothing."""


@inner_kernel
def apply(books: Any, slot: Any, update: Any, levels: Any) -> Any:
    """Take one depth record: returns a set of the bits above.

    ``update``: a row of the DepthUpdate dtype; its levels are rows ``first_level`` on of
    ``levels``, bids then asks. An unknown slot is MALFORMED. A full tail sets ``books.fault`` and
    leaves the book unsynced.
    """
    if slot < 0 or slot >= books.books.shape[0]:
        return MALFORMED
    book = books.books[slot]
    before = book.phase
    verdict, phase = sync.step(
        before,
        book.sequence,
        update.kind,
        update.flags,
        update.first_update_id,
        update.final_update_id,
        update.previous_update_id,
    )
    if verdict == sync.IGNORE:
        return IGNORED
    applies = verdict == sync.APPLY or verdict == sync.RESET
    if verdict == sync.REFUSE or (applies and not well_formed(update, levels)):
        return MALFORMED
    result = 0
    if verdict == sync.RESET or verdict == sync.DROP:
        empty(books, book)
    if applies:
        first = np.int64(update.first_level)
        middle = first + update.bid_count
        fits = apply_side(books, book.bids, levels, first, middle)
        fits &= apply_side(books, book.asks, levels, middle, middle + update.ask_count)
        book.bids.printed_front = book.asks.printed_front = 0
        book.sequence = update.final_update_id
        book.time = update.event_time
        if not fits:
            phase = sync.UNSYNCED
            _report_full_tail(books, book)
        result = APPLIED
    book.phase = phase
    book.synced = 1 if phase >= sync.AWAITING else 0
    if verdict != sync.GAP:
        result |= keep_top(books, book, phase >= sync.AWAITING)
    if before >= sync.AWAITING and phase < sync.AWAITING:
        result |= BECAME_STALE
    if before < sync.AWAITING and phase >= sync.AWAITING:
        result |= BECAME_SYNCED
    return result


@inlined_kernel
def well_formed(update: Any, levels: Any) -> Any:
    """True if all levels of the record exist and have a price from 1 to PRICE_MAX and no negative
    quantity.
    """
    first = np.int64(update.first_level)
    end = first + update.bid_count + update.ask_count
    if first < 0 or update.bid_count < 0 or update.ask_count < 0 or end > levels.shape[0]:
        return False
    signs = np.int64(0)
    for row in range(first, end):
        price = levels[row].price
        # shifted, a price above PRICE_MAX = 2^62 - 1 is negative
        signs |= price | (price << 1) | (price - 1) | levels[row].quantity
    return signs >= 0


@inner_kernel
def _report_full_tail(books: Any, book: Any) -> None:
    if books.fault[0] == 0:
        books.fault[0] = TAIL_CAPACITY_FAULT
        books.fault[1] = book.instrument
        books.fault[2] = max(book.bids.tail_count, book.asks.tail_count) + 1
        books.fault[3] = books.tail.shape[1]


@inner_kernel
def clear(books: Any, slot: Any) -> None:
    """Forget everything about a slot: no levels, unsynced, waiting for a snapshot."""
    book = books.books[slot]
    empty(books, book)
    book.phase = sync.UNSYNCED
    book.synced = book.sequence = book.time = 0
    keep_top(books, book, False)
