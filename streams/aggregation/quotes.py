"""Quotes: the best bid and ask of our own book, published when they change.

The rules (BOK-4, design section 5 of the issue):

1. One quote per depth update at most, when a best price or quantity or a validity flag differs from
   the last quote; ``sequence`` is the update's final id and ``event_time`` its event time.
2. A book that is not in sync publishes nothing, except one quote at the moment a synced book goes
   stale: the last values, STALE and GAP.
3. When the book is in sync again, a fresh quote is published whatever its values.
4. A crossed or locked book is published as it is, CROSSED; a book with an empty side is ONE_SIDED,
   price and quantity of that side 0.
"""

from __future__ import annotations

from typing import Any

from schemas.vocabulary import Flag
from streams.numeric import book
from streams.numeric.borrowing import inner_kernel
from streams.numeric.quality import OF_RECORDS, VALIDITY

STALE = int(Flag.STALE)
STALE_AND_GAP = int(Flag.STALE | Flag.GAP)
# Flags of an update that say something about the quote made from it; a quote amends nothing.
CARRIED = OF_RECORDS & ~int(Flag.AMENDED)
LAST_OF_SNAPSHOT = int(Flag.LAST_OF_SNAPSHOT)


@inner_kernel
def emit_quote(top: Any, event_time: Any, of_snapshot: Any, out: Any) -> None:
    """Append the top to md.quotes; ``of_snapshot`` is LAST_OF_SNAPSHOT where the book was replaced,
    for no order moved it there.
    """
    rows, count = out.md_quotes
    row = rows[count[0]]
    row.instrument = top.instrument
    row.event_time = event_time
    row.sequence = top.sequence
    row.bid_price = top.bid_price
    row.bid_quantity = top.bid_quantity
    row.ask_price = top.ask_price
    row.ask_quantity = top.ask_quantity
    row.flags = top.flags | of_snapshot
    count[0] += 1


@inner_kernel
def quote_on_depth_update(
    top: Any, books: Any, slot: Any, update: Any, levels: Any, out: Any
) -> Any:
    """Apply the update to the book and publish what changed; returns True when a mark is due
    because the book moved or went stale.
    """
    known = books.books[slot]
    before = known.sequence
    result = book.apply(books, slot, update, levels)
    if not known.synced:
        if top.published == 0 or not result & book.BECAME_STALE:
            return False
        top.sequence = update.final_update_id
        top.flags = (update.flags & CARRIED) | (top.flags & VALIDITY) | STALE_AND_GAP
        emit_quote(top, update.event_time, 0, out)
        return True
    bid_price, bid_quantity = known.bids.price, known.bids.quantity
    ask_price, ask_quantity = known.asks.price, known.asks.quantity
    validity = book.top_flags(books, slot)
    moved = known.sequence != before or top.book_time != known.time
    top.book_time = known.time
    top.book_sequence = known.sequence
    same = (
        bid_price == top.bid_price
        and bid_quantity == top.bid_quantity
        and ask_price == top.ask_price
        and ask_quantity == top.ask_quantity
        and validity == top.flags & VALIDITY
        and top.published == 1
    )
    if not same:
        top.published = 1
        top.sequence = update.final_update_id
        top.bid_price, top.bid_quantity = bid_price, bid_quantity
        top.ask_price, top.ask_quantity = ask_price, ask_quantity
        top.flags = (update.flags & CARRIED) | validity
        emit_quote(top, update.event_time, update.flags & LAST_OF_SNAPSHOT, out)
    return moved or not same
