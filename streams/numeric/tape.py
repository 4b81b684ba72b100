"""The tape takes from the book it printed against: until a level's next update what printed there
is not there to be taken.

A depth feed tells of a trade later than the trade does (Binance: up to 100 ms). Without this rule
an order could lift what the tape just showed to be gone. A print at a price takes from the level it
names, at most all of it; one beyond better levels proves that those are gone. A print without an
aggressor hits the side that displays its price or a better one. What prints moves no queue
position.

What printed stands in the book beside the displayed quantity, which it does not change: quotes and
marks are those of the feed.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from schemas.vocabulary import Side
from streams.numeric import tail
from streams.numeric.book_queries import next_price, place_in_window, side_of
from streams.numeric.borrowing import inlined_kernel, inner_kernel

BUY = np.int64(Side.BUY)
SELL = np.int64(Side.SELL)
ALL = np.int64(2**63 - 1)
NO_MORE = np.int64(-1)


@inlined_kernel
def take(books: Any, slot: Any, price: Any, quantity: Any, aggressor_side: Any) -> None:
    """Take a print's volume from the displayed levels: all of those better than its price,
    ``quantity`` of the one at it.

    Nothing is taken where the book is out of sync, or displays neither the price nor a better one.
    """
    book = books.books[slot]
    if book.synced == 0:
        return
    bid, ask = book.bids.price, book.asks.price
    if ask != 0 and price >= ask and aggressor_side != SELL:
        side = book.asks
    elif bid != 0 and price <= bid and aggressor_side != BUY:
        side = book.bids
    else:
        return
    front = side.printed_front
    if front == price or (front == 0 and side.price == price):
        print_on(books, side, price, quantity)
    elif front != NO_MORE:
        _walk(books, side, side.price if front == 0 else front, price, quantity)


@inner_kernel
def _walk(books: Any, side: Any, at: Any, price: Any, quantity: Any) -> None:
    """Walk from the front to the print's price: levels better than the front are taken already,
    until the next update.
    """
    while at > 0 and side.sign * at >= side.sign * price:
        print_on(books, side, at, quantity if at == price else ALL)
        if at == price:
            break
        at = next_price(books, side, at)
    side.printed_front = at if at != 0 else NO_MORE


@inlined_kernel
def print_on(books: Any, side: Any, price: Any, quantity: Any) -> None:
    """Remember that the tape took this much of what the level displays, at most all of it.
    ``side``: its record.
    """
    place = place_in_window(books, side, price)
    if place >= 0:
        before = books.printed[side.row, place]
        after = before + min(quantity, books.quantity[side.row, place] - before)
        books.printed[side.row, place] = after
    else:
        level = books.tail[side.row, tail.entry_of(books, side, price)]
        before = level.printed
        after = before + min(quantity, level.quantity - before)
        level.printed = after
    if before == 0 and after != 0:
        side.printed_levels += 1


@inner_kernel
def printed_at(books: Any, slot: Any, side: Any, price: Any) -> Any:
    """What printed of a level since its last update, 0 for no level. ``side``: BUY reads bids, SELL
    asks.
    """
    return printed_of(books, side_of(books, slot, side), price)


@inlined_kernel
def printed_of(books: Any, side: Any, price: Any) -> Any:
    """``printed_at`` by the record of the side."""
    if price < 1 or side.printed_levels == 0:
        return np.int64(0)
    place = place_in_window(books, side, price)
    if place >= 0:
        return books.printed[side.row, place]
    entry = tail.entry_of(books, side, price)
    return books.tail[side.row, entry].printed if entry >= 0 else np.int64(0)
