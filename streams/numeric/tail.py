"""The sparse part of a book side: levels outside the dense window, and levels off the tick.

Levels lie unsorted and packed in ``tail``; an open-addressing hash (linear probing, backward-shift
deletion) maps a price to its place, plus one, in ``tail_index``. So an update costs one probe, and
a scan costs the levels there are, not the capacity. A sorted array was measured slower by far: 3-5
% of real rows land here, and each would move half of it.

``side`` is the side's record.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from streams.numeric.borrowing import inner_kernel

GOLDEN = np.uint64(0x9E3779B97F4A7C15)


@inner_kernel
def home(price: Any, mask: Any) -> Any:
    """Place in the hash where a price would like to be: the product's well-mixed high bits."""
    return np.int64((np.uint64(price) * GOLDEN) >> np.uint64(32)) & mask


@inner_kernel
def find(books: Any, side: Any, price: Any) -> Any:
    """Hash place that holds the price, or the empty one where it would go."""
    index = books.tail_index[side.row]
    levels = books.tail[side.row]
    mask = index.shape[0] - 1
    place = home(price, mask)
    while index[place] != 0 and levels[index[place] - 1].price != price:
        place = (place + 1) & mask
    return place


@inner_kernel
def quantity_in_tail(books: Any, side: Any, price: Any) -> Any:
    """Quantity of a tail level, 0 where there is none."""
    entry = entry_of(books, side, price)
    return books.tail[side.row, entry].quantity if entry >= 0 else np.int64(0)


@inner_kernel
def entry_of(books: Any, side: Any, price: Any) -> Any:
    """Entry of a price in ``tail``, -1 where there is none."""
    return (
        np.int64(books.tail_index[side.row, find(books, side, price)]) - 1
        if side.tail_count != 0
        else np.int64(-1)
    )


@inner_kernel
def put(books: Any, side: Any, price: Any, quantity: Any, printed: Any) -> Any:
    """Set a level, quantity > 0; one that is there is updated, and what printed of it forgotten.
    ``printed``: of a new one.

    Returns +1 new, 0 changed, -1 no room: the capacity is reached and nothing changed.
    """
    place = find(books, side, price)
    entry = np.int64(books.tail_index[side.row, place])
    if entry != 0:
        level = books.tail[side.row, entry - 1]
        level.quantity = quantity
        _forget_printed(side, level)
        return 0
    count = side.tail_count
    if count >= books.tail.shape[1]:
        return -1
    level = books.tail[side.row, count]
    level.price = price
    level.quantity = quantity
    level.printed = printed
    side.tail_count = count + 1
    books.tail_index[side.row, place] = count + 1
    return 1


@inner_kernel
def remove(books: Any, side: Any, price: Any) -> Any:
    """Delete a level by an update; False where there was none (deleting an unknown level is
    normal).
    """
    if side.printed_levels != 0:
        entry = entry_of(books, side, price)
        if entry >= 0:
            _forget_printed(side, books.tail[side.row, entry])
    return take_out(books, side, price)


@inner_kernel
def _forget_printed(side: Any, level: Any) -> None:
    """A level is updated: it shows what is left after the prints."""
    if level.printed != 0:
        level.printed = 0
        side.printed_levels -= 1


@inner_kernel
def take_out(books: Any, side: Any, price: Any) -> Any:
    """Take a level out of the tail; False where there was none."""
    if side.tail_count == 0:
        return False
    place = find(books, side, price)
    entry = np.int64(books.tail_index[side.row, place])
    if entry == 0:
        return False
    _vacate(books, side, place)
    last = side.tail_count
    if entry != last:
        moved = books.tail[side.row, last - 1]
        books.tail_index[side.row, find(books, side, moved.price)] = entry
        books.tail[side.row, entry - 1] = moved
    side.tail_count = last - 1
    return True


@inner_kernel
def _vacate(books: Any, side: Any, place: Any) -> None:
    """Empty a hash place and shift back the entries behind it that may not be separated from their
    home (Knuth 6.4, algorithm R).
    """
    index = books.tail_index[side.row]
    levels = books.tail[side.row]
    mask = index.shape[0] - 1
    hole = place
    follower = (place + 1) & mask
    while index[follower] != 0:
        wanted = home(levels[index[follower] - 1].price, mask)
        if ((follower - wanted) & mask) >= ((follower - hole) & mask):
            index[hole] = index[follower]
            hole = follower
        follower = (follower + 1) & mask
    index[hole] = 0


@inner_kernel
def clear_tail(books: Any, side: Any) -> None:
    """Delete every level, at a cost of the levels there are."""
    while side.tail_count > 0:
        take_out(books, side, books.tail[side.row, side.tail_count - 1].price)


@inner_kernel
def best_after(books: Any, side: Any, limit: Any, off_tick_only: Any) -> Any:
    """Best tail price strictly worse than ``limit`` (0: no limit), 0 where there is none;
    ``off_tick_only``: of levels off the tick.
    """
    sign = side.sign
    best = np.int64(0)
    for entry in range(side.tail_count):
        price = books.tail[side.row, entry].price
        if limit != 0 and sign * price >= sign * limit:
            continue
        if best != 0 and sign * price <= sign * best:
            continue
        if off_tick_only and price % side.tick == 0:
            continue
        best = price
    return best
