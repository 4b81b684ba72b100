"""Writing into a book: the hot loop of one side, clearing, the stored top, loading a stored state.

``side`` is the row of the book's arrays (2 * slot for bids, 2 * slot + 1 for asks), ``sign`` +1 for bids and -1 for asks.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from streams.numeric import sync, tail, tape, window
from streams.numeric.book_queries import best_level
from streams.numeric.borrowing import borrowing_kernel, inlined_kernel

TOP_CHANGED = 2
"""Best price or quantity of a side differs from before."""


@inlined_kernel
def apply_side(books: Any, side: Any, sign: Any, tick: Any, levels: Any, first: Any, end: Any) -> Any:
    """Write levels ``first`` to ``end`` into one side. False: the tail is full.

    The loop only writes; ``high`` bounds the highest occupied place from above, and one bitmap scan at the end makes it exact.
    """
    fits = True
    size = books.quantity.shape[1]
    base = books.base[side]
    high = books.top[side]
    quantities = books.quantity[side]
    occupied = books.occupied[side]
    printed = books.printed[side]
    has_printed = books.printed_levels[side] != 0
    for row in range(first, end):
        price = levels[row].price
        quantity = levels[row].quantity
        unit = price if tick == 1 else price // tick
        place = sign * unit - base
        if 0 <= place < size and unit * tick == price:
            quantities[place] = quantity
            if has_printed and printed[place] != 0:
                printed[place] = 0
                books.printed_levels[side] -= 1
            bit = window.ONE << np.uint64(place & 63)
            if quantity != 0:
                occupied[place >> 6] |= bit
                high = max(high, place)
            else:
                occupied[place >> 6] &= ~bit
        elif unit * tick != price:
            fits &= _put_off_tick(books, side, sign, tick, price, quantity)
        elif quantity == 0:
            if place < 0:
                tail.remove(books, side, price)
        elif place < 0 and high >= 0:
            fits &= tail.put(books, side, price, quantity, 0) >= 0
        else:
            fits &= window.move(books, side, sign, tick, sign * unit)
            base = books.base[side]
            high = window.home_place(books)
            window.occupy(books, side, high, quantity)
    return _settle(books, side, sign, tick, high) and fits


@inlined_kernel
def _settle(books: Any, side: Any, sign: Any, tick: Any, high: Any) -> Any:
    """Find the top, and re-centre when it left the window or came within a quarter of its lower edge. False: the tail is full."""
    top = window.highest_from(books.occupied[side], high)
    key = books.base[side] + top
    if top < 0 and books.tail_count[side] > books.off_tick_count[side]:
        key = _best_on_tick(books, side, sign, tick)
    elif top < 0 or 4 * top >= books.quantity.shape[1]:
        books.top[side] = top
        return True
    fits = window.move(books, side, sign, tick, key)
    books.top[side] = window.home_place(books)
    return fits


@borrowing_kernel
def _best_on_tick(books: Any, side: Any, sign: Any, tick: Any) -> Any:
    """Key of the best on-tick tail level; one exists."""
    limit = np.int64(0)
    while True:
        limit = tail.best_after(books, side, sign, limit, tick, False)
        if limit % tick == 0:
            return sign * (limit // tick)


@borrowing_kernel
def _put_off_tick(books: Any, side: Any, sign: Any, tick: Any, price: Any, quantity: Any) -> Any:
    """Set or remove a level off the tick, keeping their count and best. False: the tail is full."""
    best = books.off_tick_best[side]
    if quantity != 0:
        added = tail.put(books, side, price, quantity, 0)
        if added > 0:
            books.off_tick_count[side] += 1
            if best == 0 or sign * price > sign * best:
                books.off_tick_best[side] = price
        return added >= 0
    if tail.remove(books, side, price):
        books.off_tick_count[side] -= 1
        if price == best:
            books.off_tick_best[side] = tail.best_after(books, side, sign, 0, tick, True)
    return True


@borrowing_kernel
def empty(books: Any, slot: Any) -> None:
    for side in range(2 * slot, 2 * slot + 2):
        window.clear_window(books, side)
        tail.clear_tail(books, side)
        books.off_tick_count[side] = 0
        books.off_tick_best[side] = 0
        books.printed_levels[side] = 0
        books.printed_front[side] = 0


@inlined_kernel
def keep_top(books: Any, slot: Any, shown: Any) -> Any:
    """Store the best levels, or none if they are not to be shown. Returns TOP_CHANGED or 0."""
    bid_price = bid_quantity = ask_price = ask_quantity = np.int64(0)
    if shown:
        bid_price, bid_quantity = best_level(books, 2 * slot, 1, books.tick[slot])
        ask_price, ask_quantity = best_level(books, 2 * slot + 1, -1, books.tick[slot])
    difference = bid_price ^ books.bid_price[slot]
    difference |= bid_quantity ^ books.bid_quantity[slot]
    difference |= ask_price ^ books.ask_price[slot]
    difference |= ask_quantity ^ books.ask_quantity[slot]
    if difference == 0:
        return 0
    books.bid_price[slot] = bid_price
    books.bid_quantity[slot] = bid_quantity
    books.ask_price[slot] = ask_price
    books.ask_quantity[slot] = ask_quantity
    return TOP_CHANGED


@borrowing_kernel
def load(books: Any, slot: Any, phase: Any, sequence: Any, time: Any, levels: Any, bid_count: Any) -> Any:
    """Put a book into a stored state: ``levels`` holds ``bid_count`` bids, then asks, each quantity > 0 and what printed of it.

    False: the tail is full.
    """
    empty(books, slot)
    fits = apply_side(books, 2 * slot, 1, books.tick[slot], levels, 0, bid_count)
    fits &= apply_side(books, 2 * slot + 1, -1, books.tick[slot], levels, bid_count, levels.shape[0])
    if fits:
        for row in range(levels.shape[0]):
            side, sign = (2 * slot, 1) if row < bid_count else (2 * slot + 1, -1)
            tape.print_on(books, side, sign, books.tick[slot], levels[row].price, levels[row].printed)
    books.phase[slot] = phase
    books.synced[slot] = 1 if phase >= sync.AWAITING else 0
    books.sequence[slot] = sequence
    books.time[slot] = time
    keep_top(books, slot, phase != sync.LOADING)
    return fits
