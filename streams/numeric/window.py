"""The dense part of a book side, and its moves: see book_state.py for the picture and the
invariants.

``side`` is the side's record, ``place`` an index into its window.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from streams.numeric import tail
from streams.numeric.bits import leading_zeros, multiply_high, trailing_zeros
from streams.numeric.borrowing import inlined_kernel, inner_kernel

ONE = np.uint64(1)


@inlined_kernel
def highest_from(occupied: Any, place: Any) -> Any:
    """Highest occupied place at or below ``place``, -1 for none. ``occupied``: one side's bitmap,
    (words,) uint64.
    """
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


@inlined_kernel
def units(price: Any, tick: Any, reciprocal: Any) -> Any:
    """``price // tick`` of a price from 1 to 2^62, by a product, which is faster than a division
    and is done for every level of an update.

    With r = 2^64 // tick + 1 the high half of price * r is the quotient or one more: r * tick -
    2^64 is from 1 to tick, so it errs by less than price / 2^64. ``reciprocal``: that of the side's
    record.
    """
    if tick == 1:
        return price
    quotient = np.int64(multiply_high(np.uint64(price), np.uint64(reciprocal)))
    return quotient - 1 if quotient * tick > price else quotient


@inner_kernel
def occupy(books: Any, side: Any, place: Any, quantity: Any) -> None:
    """Set the level at a place of the window, quantity > 0."""
    books.quantity[side.row, place] = quantity
    books.occupied[side.row, place >> 6] |= ONE << np.uint64(place & 63)


@inner_kernel
def clear_window(books: Any, side: Any) -> None:
    """Delete every level of the window."""
    quantities, printed, occupied = (
        books.quantity[side.row],
        books.printed[side.row],
        books.occupied[side.row],
    )
    for word in range(occupied.shape[0]):
        bits = occupied[word]
        while bits != 0:
            place = (word << 6) + trailing_zeros(bits)
            quantities[place] = printed[place] = 0
            bits &= bits - ONE
        occupied[word] = 0
    side.top = -1


@inner_kernel
def home_place(books: Any) -> Any:
    """Place where a move puts the best level: a quarter of the window above it, three quarters
    below.
    """
    return 3 * (books.quantity.shape[1] >> 2)


@inner_kernel
def move(books: Any, side: Any, key: Any) -> Any:
    """Re-centre: bring ``key``, no worse than the best of the side or of the window, to the home
    place. False: the tail is full.

    Levels the window leaves behind go to the tail, on-tick tail levels it now covers come in.
    ``top`` is not kept, the caller sets it.
    """
    window = books.quantity.shape[1]
    first_key = key - home_place(books)
    shift = first_key - side.first_key
    fits = _shift_down(books, side, shift) if shift > 0 else _shift_up(books, side, -shift)
    side.first_key = first_key
    entry = side.tail_count - 1
    while shift < 0 and entry >= 0:
        level = books.tail[side.row, entry]
        price = level.price
        unit = units(price, side.tick, side.reciprocal)
        place = side.sign * unit - first_key
        if 0 <= place < window and unit * side.tick == price:
            occupy(books, side, place, level.quantity)
            books.printed[side.row, place] = level.printed
            tail.take_out(books, side, price)
        entry -= 1
    return fits


@inner_kernel
def _shift_down(books: Any, side: Any, shift: Any) -> Any:
    """Every level moves ``shift`` places down, those below place 0 into the tail. False: the tail
    is full, levels are lost.
    """
    fits = True
    quantities, printed, occupied = (
        books.quantity[side.row],
        books.printed[side.row],
        books.occupied[side.row],
    )
    for word in range(occupied.shape[0]):
        bits = occupied[word]
        occupied[word] = 0
        while bits != 0:
            place = (word << 6) + trailing_zeros(bits)
            bits &= bits - ONE
            quantity, gone = quantities[place], printed[place]
            quantities[place] = printed[place] = 0
            if place >= shift:
                occupy(books, side, place - shift, quantity)
                printed[place - shift] = gone
            else:
                fits &= (
                    tail.put(
                        books,
                        side,
                        side.sign * (side.first_key + place) * side.tick,
                        quantity,
                        gone,
                    )
                    >= 0
                )
    return fits


@inner_kernel
def _shift_up(books: Any, side: Any, shift: Any) -> Any:
    """Every level moves ``shift`` places up. None leaves: the best comes to the home place."""
    quantities, printed, occupied = (
        books.quantity[side.row],
        books.printed[side.row],
        books.occupied[side.row],
    )
    for reverse in range(occupied.shape[0]):
        word = occupied.shape[0] - 1 - reverse
        bits = occupied[word]
        occupied[word] = 0
        while bits != 0:
            place = (word << 6) + 63 - leading_zeros(bits)
            bits &= ~(ONE << np.uint64(place & 63))
            quantity, gone = quantities[place], printed[place]
            quantities[place] = printed[place] = 0
            occupy(books, side, place + shift, quantity)
            printed[place + shift] = gone
    return True
