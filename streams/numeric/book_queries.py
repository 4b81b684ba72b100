"""Questions to a book, for kernels: best level, any level, the next one. ``side`` is Side.BUY for
bids, Side.SELL for asks.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from schemas.vocabulary import Flag, Side
from streams.numeric import tail, window
from streams.numeric.book_state import INSTRUMENTS_MAX
from streams.numeric.borrowing import borrowing_kernel, inlined_kernel, inner_kernel

SELL = int(Side.SELL)
STALE = int(Flag.STALE)
CROSSED = int(Flag.CROSSED)
ONE_SIDED = int(Flag.ONE_SIDED)


@inlined_kernel
def slot_of(books: Any, instrument: Any) -> Any:
    """Slot of an instrument id, -1 for an unknown or impossible one."""
    if instrument < 0 or instrument >= INSTRUMENTS_MAX:
        return np.int64(-1)
    return np.int64(books.slots[instrument])


@inlined_kernel
def side_of(books: Any, slot: Any, side: Any) -> Any:
    """Record of a side of a book. ``side``: BUY gives bids, SELL asks."""
    book = books.books[slot]
    return book.asks if side == SELL else book.bids


@inlined_kernel
def best_level(books: Any, side: Any) -> Any:
    """Best level of a side: (price, quantity), (0, 0) for none. ``side``: its record, as below."""
    price = np.int64(0)
    quantity = np.int64(0)
    top = side.top
    if top >= 0:
        price = side.sign * (side.first_key + top) * side.tick
        quantity = books.quantity[side.row, top]
    off = side.off_tick_best
    if off != 0 and (price == 0 or side.sign * off > side.sign * price):
        price = off
        quantity = tail.quantity_in_tail(books, side, off)
    return price, quantity


@inlined_kernel
def place_in_window(books: Any, side: Any, price: Any) -> Any:
    """Place of a price (at least 1) in the side's window, -1 if it lies outside or off the tick."""
    unit = window.units(price, side.tick, side.reciprocal)
    place = side.sign * unit - side.first_key
    return (
        place
        if 0 <= place < books.quantity.shape[1] and unit * side.tick == price
        else np.int64(-1)
    )


@inner_kernel
def quantity_at(books: Any, slot: Any, side: Any, price: Any) -> Any:
    """Displayed quantity at a price, 0 for none. ``side``: BUY reads bids, SELL asks."""
    return quantity_of(books, side_of(books, slot, side), price)


@inlined_kernel
def quantity_of(books: Any, side: Any, price: Any) -> Any:
    """``quantity_at`` by the record of the side."""
    if price < 1:
        return np.int64(0)
    place = place_in_window(books, side, price)
    if place >= 0:
        return books.quantity[side.row, place]
    return tail.quantity_in_tail(books, side, price)


@inner_kernel
def next_level(books: Any, slot: Any, side: Any, price: Any) -> Any:
    """Price of the next worse level than ``price`` (0: the best one), 0 for none. Cheap inside the
    window; a scan of the tail beyond it.
    """
    return next_price(books, side_of(books, slot, side), price)


@inlined_kernel
def next_price(books: Any, side: Any, price: Any) -> Any:
    """``next_level`` by the record of the side."""
    if price < 1:
        return best_level(books, side)[0]
    sign, tick = side.sign, side.tick
    unit = window.units(price, tick, side.reciprocal)
    if sign < 0 or unit * tick == price:
        start = sign * unit - side.first_key - 1
    else:
        start = unit - side.first_key
    place = window.highest_from(books.occupied[side.row], min(start, side.top))
    on_tick = sign * (side.first_key + place) * tick if place >= 0 else np.int64(0)
    if place >= 0 and side.off_tick_count == 0:
        return on_tick
    other = tail.best_after(books, side, price, place >= 0)
    if on_tick == 0 or (other != 0 and sign * other > sign * on_tick):
        return other
    return on_tick


@inlined_kernel
def top_flags(books: Any, slot: Any) -> Any:
    """Quality flags of the top: STALE if not synced, ONE_SIDED if a side is empty, CROSSED if bid
    >= ask (locked included).
    """
    book = books.books[slot]
    flags = 0 if book.synced else STALE
    bid, ask = book.bids.price, book.asks.price
    if bid == 0 or ask == 0:
        return flags | ONE_SIDED
    return flags | CROSSED if bid >= ask else flags


@borrowing_kernel
def best_levels(books: Any, slot: Any, side: Any, found: Any) -> Any:
    """Write (price, quantity) of the best levels into the rows of ``found``, int64 of shape (n, 2);
    returns how many there are.
    """
    levels = side_of(books, slot, side)
    price = np.int64(0)
    for row in range(found.shape[0]):
        price = next_price(books, levels, price)
        if price == 0:
            return row
        found[row, 0] = price
        found[row, 1] = quantity_of(books, levels, price)
    return found.shape[0]
