"""The dense part of a book side, and its moves: see book_state.py for the picture and the invariants.

``side`` is the row of the book's arrays, ``sign`` +1 for bids and -1 for asks, ``place`` an index into the window.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from streams.numeric import tail
from streams.numeric.bits import leading_zeros, trailing_zeros
from streams.numeric.borrowing import borrowing_kernel, inlined_kernel

ONE = np.uint64(1)


@inlined_kernel
def highest_from(occupied: Any, place: Any) -> Any:
    """Highest occupied place at or below ``place``, -1 for none. ``occupied``: one side's bitmap, (words,) uint64."""
    if place < 0:
        return -1
    word = place >> 6
    bits = occupied[word] & (~np.uint64(0) >> np.uint64(63 - (place & 63)))
    while bits == 0:
        word -= 1
        if word < 0:
            return -1
        bits = occupied[word]
    return (word << 6) + 63 - leading_zeros(bits)


@borrowing_kernel
def occupy(books: Any, side: Any, place: Any, quantity: Any) -> None:
    """Set the level at a place of the window, quantity > 0."""
    books.quantity[side, place] = quantity
    books.occupied[side, place >> 6] |= ONE << np.uint64(place & 63)


@borrowing_kernel
def clear_window(books: Any, side: Any) -> None:
    """Delete every level of the window."""
    for word in range(books.occupied.shape[1]):
        bits = books.occupied[side, word]
        while bits != 0:
            place = (word << 6) + trailing_zeros(bits)
            books.quantity[side, place] = 0
            books.printed[side, place] = 0
            bits &= bits - ONE
        books.occupied[side, word] = 0
    books.top[side] = -1


@borrowing_kernel
def home_place(books: Any) -> Any:
    """Place where a move puts the best level: a quarter of the window above it, three quarters below."""
    return 3 * (books.quantity.shape[1] >> 2)


@borrowing_kernel
def move(books: Any, side: Any, sign: Any, tick: Any, key: Any) -> Any:
    """Re-centre: bring ``key``, no worse than the best of the side or of the window, to the home place. False: the tail is full.

    Levels the window leaves behind go to the tail, on-tick tail levels it now covers come in. ``top`` is not kept, the caller sets it.
    """
    window = books.quantity.shape[1]
    base = key - home_place(books)
    shift = base - books.base[side]
    fits = _shift_down(books, side, sign, tick, shift) if shift > 0 else _shift_up(books, side, -shift)
    books.base[side] = base
    entry = books.tail_count[side] - 1
    while shift < 0 and entry >= 0:
        price = books.tail_price[side, entry]
        place = sign * (price // tick) - base
        if 0 <= place < window and price % tick == 0:
            occupy(books, side, place, books.tail_quantity[side, entry])
            books.printed[side, place] = books.tail_printed[side, entry]
            tail.take_out(books, side, price)
        entry -= 1
    return fits


@borrowing_kernel
def _shift_down(books: Any, side: Any, sign: Any, tick: Any, shift: Any) -> Any:
    """The base rises: every level moves ``shift`` places down, those below place 0 into the tail. False: the tail is full, levels are lost."""
    fits = True
    base = books.base[side]
    for word in range(books.occupied.shape[1]):
        bits = books.occupied[side, word]
        books.occupied[side, word] = 0
        while bits != 0:
            place = (word << 6) + trailing_zeros(bits)
            bits &= bits - ONE
            quantity, printed = books.quantity[side, place], books.printed[side, place]
            books.quantity[side, place] = books.printed[side, place] = 0
            if place >= shift:
                occupy(books, side, place - shift, quantity)
                books.printed[side, place - shift] = printed
            else:
                fits &= tail.put(books, side, sign * (base + place) * tick, quantity, printed) >= 0
    return fits


@borrowing_kernel
def _shift_up(books: Any, side: Any, shift: Any) -> Any:
    """The base falls: every level moves ``shift`` places up. None leaves: the best comes to the home place."""
    for reverse in range(books.occupied.shape[1]):
        word = books.occupied.shape[1] - 1 - reverse
        bits = books.occupied[side, word]
        books.occupied[side, word] = 0
        while bits != 0:
            place = (word << 6) + 63 - leading_zeros(bits)
            bits &= ~(ONE << np.uint64(place & 63))
            quantity, printed = books.quantity[side, place], books.printed[side, place]
            books.quantity[side, place] = books.printed[side, place] = 0
            occupy(books, side, place + shift, quantity)
            books.printed[side, place + shift] = printed
    return True
