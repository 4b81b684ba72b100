"""Writing into a book: the hot loop of one side, clearing, the stored top, loading a stored state.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from streams.numeric import sync, tail, tape, window
from streams.numeric.book_queries import best_level
from streams.numeric.borrowing import borrowing_kernel, inlined_kernel, inner_kernel

TOP_CHANGED = 2
"""Best price or quantity of a side differs from before."""


@inlined_kernel
def apply_side(books: Any, side: Any, levels: Any, first: Any, end: Any) -> Any:
    """Write levels ``first`` to ``end`` into one side. False: the tail is full.

    The loop only writes; ``high`` bounds the highest occupied place from above, and one bitmap scan
    at the end makes it exact.
    """
    fits = True
    sign, tick, reciprocal = side.sign, side.tick, side.reciprocal
    first_key, high = side.first_key, side.top
    quantities, printed, occupied = (
        books.quantity[side.row],
        books.printed[side.row],
        books.occupied[side.row],
    )
    has_printed = side.printed_levels != 0
    for row in range(first, end):
        price = levels[row].price
        quantity = levels[row].quantity
        unit = window.units(price, tick, reciprocal)
        place = sign * unit - first_key
        if 0 <= place < quantities.shape[0] and unit * tick == price:
            quantities[place] = quantity
            if has_printed and printed[place] != 0:
                printed[place] = 0
                side.printed_levels -= 1
            bit = window.ONE << np.uint64(place & 63)
            if quantity != 0:
                occupied[place >> 6] |= bit
                high = max(high, place)
            else:
                occupied[place >> 6] &= ~bit
        elif unit * tick != price:
            fits &= _put_off_tick(books, side, price, quantity)
        elif quantity == 0:
            if place < 0:
                tail.remove(books, side, price)
        elif place < 0 and high >= 0:
            fits &= tail.put(books, side, price, quantity, 0) >= 0
        else:
            fits &= window.move(books, side, sign * unit)
            first_key = side.first_key
            high = window.home_place(books)
            window.occupy(books, side, high, quantity)
    return _settle(books, side, high) and fits


@inlined_kernel
def _settle(books: Any, side: Any, high: Any) -> Any:
    """Find the top, and re-centre when it left the window or came within a quarter of its lower
    edge. False: the tail is full.
    """
    top = window.highest_from(books.occupied[side.row], high)
    key = side.first_key + top
    if top < 0 and side.tail_count > side.off_tick_count:
        key = _best_on_tick(books, side)
    elif top < 0 or 4 * top >= books.quantity.shape[1]:
        side.top = top
        return True
    fits = window.move(books, side, key)
    side.top = window.home_place(books)
    return fits


@inner_kernel
def _best_on_tick(books: Any, side: Any) -> Any:
    """Key of the best on-tick tail level; one exists."""
    limit = np.int64(0)
    while True:
        limit = tail.best_after(books, side, limit, False)
        if limit % side.tick == 0:
            return side.sign * (limit // side.tick)


@inner_kernel
def _put_off_tick(books: Any, side: Any, price: Any, quantity: Any) -> Any:
    """Set or remove a level off the tick, keeping their count and best. False: the tail is full."""
    best = side.off_tick_best
    if quantity != 0:
        added = tail.put(books, side, price, quantity, 0)
        if added > 0:
            side.off_tick_count += 1
            if best == 0 or side.sign * price > side.sign * best:
                side.off_tick_best = price
        return added >= 0
    if tail.remove(books, side, price):
        side.off_tick_count -= 1
        if price == best:
            side.off_tick_best = tail.best_after(books, side, 0, True)
    return True


@inner_kernel
def empty(books: Any, book: Any) -> None:
    """Delete every level of both sides."""
    _empty_side(books, book.bids)
    _empty_side(books, book.asks)


@inner_kernel
def _empty_side(books: Any, side: Any) -> None:
    window.clear_window(books, side)
    tail.clear_tail(books, side)
    side.off_tick_count = side.off_tick_best = side.printed_levels = side.printed_front = 0


@inlined_kernel
def keep_top(books: Any, book: Any, shown: Any) -> Any:
    """Store the best levels, or none if they are not to be shown. Returns TOP_CHANGED or 0."""
    bids, asks = book.bids, book.asks
    bid_price = bid_quantity = ask_price = ask_quantity = np.int64(0)
    if shown:
        bid_price, bid_quantity = best_level(books, bids)
        ask_price, ask_quantity = best_level(books, asks)
    difference = bid_price ^ bids.price
    difference |= bid_quantity ^ bids.quantity
    difference |= ask_price ^ asks.price
    difference |= ask_quantity ^ asks.quantity
    if difference == 0:
        return 0
    bids.price, bids.quantity = bid_price, bid_quantity
    asks.price, asks.quantity = ask_price, ask_quantity
    return TOP_CHANGED


@borrowing_kernel
def load(
    books: Any, slot: Any, phase: Any, sequence: Any, time: Any, levels: Any, bid_count: Any
) -> Any:
    """Put a book into a stored state: ``levels`` holds ``bid_count`` bids, then asks, each quantity
    > 0 and what printed of it.

    False: the tail is full.
    """
    book = books.books[slot]
    empty(books, book)
    fits = apply_side(books, book.bids, levels, 0, bid_count)
    fits &= apply_side(books, book.asks, levels, bid_count, levels.shape[0])
    if fits:
        for row in range(levels.shape[0]):
            side = book.bids if row < bid_count else book.asks
            tape.print_on(books, side, levels[row].price, levels[row].printed)
    book.phase = phase
    book.synced = 1 if phase >= sync.AWAITING else 0
    book.sequence = sequence
    book.time = time
    keep_top(books, book, phase != sync.LOADING)
    return fits
