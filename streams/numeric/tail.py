"""The sparse part of a book side: levels outside the dense window, and levels off the tick.

Levels lie unsorted and packed in ``tail_price``/``tail_quantity``; an open-addressing hash (linear probing, backward-shift deletion) maps a
price to its place, plus one, in ``tail_index``. So an update costs one probe, and a scan costs the levels there are, not the capacity. A
sorted array was measured slower by far: 3-5 % of real rows land here, and each would move half of it.

``side`` is the row of the book's arrays: 2 * slot for bids, 2 * slot + 1 for asks.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from streams.numeric.borrowing import borrowing_kernel

GOLDEN = np.uint64(0x9E3779B97F4A7C15)


@borrowing_kernel
def home(price: Any, mask: Any) -> Any:
    """Place in the hash where a price would like to be: the product's well-mixed high bits."""
    return np.int64((np.uint64(price) * GOLDEN) >> np.uint64(32)) & mask


@borrowing_kernel
def find(books: Any, side: Any, price: Any) -> Any:
    """Hash place that holds the price, or the empty one where it would go."""
    index = books.tail_index[side]
    prices = books.tail_price[side]
    mask = index.shape[0] - 1
    place = home(price, mask)
    while index[place] != 0 and prices[index[place] - 1] != price:
        place = (place + 1) & mask
    return place


@borrowing_kernel
def quantity_in_tail(books: Any, side: Any, price: Any) -> Any:
    """Quantity of a tail level, 0 where there is none."""
    entry = entry_of(books, side, price)
    return books.tail_quantity[side, entry] if entry >= 0 else np.int64(0)


@borrowing_kernel
def entry_of(books: Any, side: Any, price: Any) -> Any:
    """Entry of a price in ``tail_price`` and beside it, -1 where there is none."""
    return np.int64(books.tail_index[side, find(books, side, price)]) - 1 if books.tail_count[side] != 0 else np.int64(-1)


@borrowing_kernel
def put(books: Any, side: Any, price: Any, quantity: Any, printed: Any) -> Any:
    """Set a level, quantity > 0; one that is there is updated, and what printed of it forgotten. ``printed``: of a new one.

    Returns +1 new, 0 changed, -1 no room: the capacity is reached and nothing changed.
    """
    place = find(books, side, price)
    entry = np.int64(books.tail_index[side, place])
    if entry != 0:
        books.tail_quantity[side, entry - 1] = quantity
        _forget_printed(books, side, entry - 1)
        return 0
    count = books.tail_count[side]
    if count >= books.tail_price.shape[1]:
        return -1
    books.tail_price[side, count] = price
    books.tail_quantity[side, count] = quantity
    books.tail_printed[side, count] = printed
    books.tail_count[side] = count + 1
    books.tail_index[side, place] = count + 1
    return 1


@borrowing_kernel
def remove(books: Any, side: Any, price: Any) -> Any:
    """Delete a level by an update; False where there was none (deleting an unknown level is normal)."""
    if books.printed_levels[side] != 0:
        entry = entry_of(books, side, price)
        if entry >= 0:
            _forget_printed(books, side, entry)
    return take_out(books, side, price)


@borrowing_kernel
def _forget_printed(books: Any, side: Any, entry: Any) -> None:
    """A level is updated: it shows what is left after the prints."""
    if books.tail_printed[side, entry] != 0:
        books.tail_printed[side, entry] = 0
        books.printed_levels[side] -= 1


@borrowing_kernel
def take_out(books: Any, side: Any, price: Any) -> Any:
    """Take a level out of the tail; False where there was none."""
    if books.tail_count[side] == 0:
        return False
    place = find(books, side, price)
    entry = np.int64(books.tail_index[side, place])
    if entry == 0:
        return False
    _vacate(books, side, place)
    last = books.tail_count[side]
    if entry != last:
        moved = books.tail_price[side, last - 1]
        books.tail_index[side, find(books, side, moved)] = entry
        books.tail_price[side, entry - 1] = moved
        books.tail_quantity[side, entry - 1] = books.tail_quantity[side, last - 1]
        books.tail_printed[side, entry - 1] = books.tail_printed[side, last - 1]
    books.tail_count[side] = last - 1
    return True


@borrowing_kernel
def _vacate(books: Any, side: Any, place: Any) -> Any:
    """Empty a hash place and shift back the entries behind it that may not be separated from their home (Knuth 6.4, algorithm R)."""
    index = books.tail_index[side]
    prices = books.tail_price[side]
    mask = index.shape[0] - 1
    hole = place
    follower = (place + 1) & mask
    while index[follower] != 0:
        wanted = home(prices[index[follower] - 1], mask)
        if ((follower - wanted) & mask) >= ((follower - hole) & mask):
            index[hole] = index[follower]
            hole = follower
        follower = (follower + 1) & mask
    index[hole] = 0


@borrowing_kernel
def clear_tail(books: Any, side: Any) -> None:
    """Delete every level, at a cost of the levels there are."""
    while books.tail_count[side] > 0:
        take_out(books, side, books.tail_price[side, books.tail_count[side] - 1])


@borrowing_kernel
def best_after(books: Any, side: Any, sign: Any, limit: Any, tick: Any, off_tick_only: Any) -> Any:
    """Best tail price strictly worse than ``limit`` (0: no limit), 0 where there is none.

    ``sign`` is +1 for bids, -1 for asks: a price is better where sign * price is greater. ``off_tick_only``: levels off the tick alone.
    """
    best = np.int64(0)
    for entry in range(books.tail_count[side]):
        price = books.tail_price[side, entry]
        if limit != 0 and sign * price >= sign * limit:
            continue
        if best != 0 and sign * price <= sign * best:
            continue
        if off_tick_only and price % tick == 0:
            continue
        best = price
    return best
