"""The tape takes from the book it printed against: until a level's next update what printed there is not there to be taken.

A depth feed tells of a trade later than the trade does (Binance: up to 100 ms). Without this rule an order could lift what the tape
just showed to be gone. A print at a price takes from the level it names, at most all of it; one beyond better levels proves that those
are gone. A print without an aggressor hits the side that displays its price or a better one. What prints moves no queue position.

What printed stands in the book beside the displayed quantity, which it does not change: quotes and marks are those of the feed.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from schemas.vocabulary import Side
from streams.numeric import tail
from streams.numeric.book_queries import next_price, place_in_window
from streams.numeric.borrowing import borrowing_kernel, inlined_kernel

BUY = np.int64(Side.BUY)
SELL = np.int64(Side.SELL)
ALL = np.int64(2**63 - 1)
NO_MORE = np.int64(-1)


@inlined_kernel
def take(books: Any, slot: Any, price: Any, quantity: Any, aggressor_side: Any) -> None:
    """Take a print's volume from the displayed levels: all of those better than its price, ``quantity`` of the one at it.

    Nothing is taken where the book is out of sync, or displays neither the price nor a better one.
    """
    bid = books.bid_price[slot]
    ask = books.ask_price[slot]
    if books.synced[slot] == 0:
        return
    if ask != 0 and price >= ask and aggressor_side != SELL:
        row, sign, best = 2 * slot + 1, -1, ask
    elif bid != 0 and price <= bid and aggressor_side != BUY:
        row, sign, best = 2 * slot, 1, bid
    else:
        return
    front = books.printed_front[row]
    if front == price or (front == 0 and best == price):
        print_on(books, row, sign, books.tick[slot], price, quantity)
    elif front != NO_MORE:
        _walk(books, row, sign, books.tick[slot], best if front == 0 else front, price, quantity)


@borrowing_kernel
def _walk(books: Any, row: Any, sign: Any, tick: Any, at: Any, price: Any, quantity: Any) -> None:
    """Walk from the front to the print's price: levels better than the front are taken already, until the next update."""
    while at > 0 and sign * at >= sign * price:
        print_on(books, row, sign, tick, at, quantity if at == price else ALL)
        if at == price:
            break
        at = next_price(books, row, sign, tick, at)
    books.printed_front[row] = at if at != 0 else NO_MORE


@inlined_kernel
def print_on(books: Any, row: Any, sign: Any, tick: Any, price: Any, quantity: Any) -> None:
    """Remember that the tape took this much of what the level displays, at most all of it. ``row``, ``sign``: as in book_side.py."""
    place = place_in_window(books, row, sign, tick, price)
    if place >= 0:
        before = books.printed[row, place]
        after = before + min(quantity, books.quantity[row, place] - before)
        books.printed[row, place] = after
    else:
        entry = tail.entry_of(books, row, price)
        before = books.tail_printed[row, entry]
        after = before + min(quantity, books.tail_quantity[row, entry] - before)
        books.tail_printed[row, entry] = after
    if before == 0 and after != 0:
        books.printed_levels[row] += 1


@borrowing_kernel
def printed_at(books: Any, slot: Any, side: Any, price: Any) -> Any:
    """What printed of a level since its last update, 0 for no level. ``side``: BUY reads bids, SELL asks."""
    row = 2 * slot + (side == SELL)
    if price < 1 or books.printed_levels[row] == 0:
        return np.int64(0)
    place = place_in_window(books, row, -1 if side == SELL else 1, books.tick[slot], price)
    if place >= 0:
        return books.printed[row, place]
    entry = tail.entry_of(books, row, price)
    return books.tail_printed[row, entry] if entry >= 0 else np.int64(0)
