"""A pool of rows that come and go, for kernels: an index from keys to rows, a list of free rows,
chains through the rows in the order they came.

Open orders by id, oldest first, are a pool and a chain; so are the ids remembered last
(``remember``), and the fills of an order (a pool for all of them, a chain in each order's row).

A pool is a record ``POOL`` in the header of a stage, a chain a record ``CHAIN``. The rows are a
``table.Table`` of any record that has LINKS among its fields; a key is a pair of int64. A row keeps
its place while it is in the pool. The owner (``pooled_state.py``) makes the tables and lets them
grow; a handler asks ``has_room`` before its first store.

Walk a chain::

    place = chain.first
    while place >= 0:
        ...rows[place]...
        place = rows[place].next_row
"""

from __future__ import annotations

from typing import Any

import numpy as np

from streams.numeric.borrowing import inner_kernel
from streams.numeric.index import ENTRY, find, put, remove
from streams.numeric.stage_records import words
from streams.numeric.table import table_at

POOL = np.dtype(words("taken used free rows index"))
"""``taken``: rows in use; ``used``: rows that ever were; ``free``: the first of those given back,
-1 without one; addresses of the rows and of the index."""
CHAIN = np.dtype(words("first last count"))
"""Places of its ends, -1 where it is empty."""
LINKS = words("next_row previous_row")
"""Fields of a row: its neighbours in its chain, -1 at the ends; in a free row the next free one."""
ID_ROW = np.dtype(words("order_id_high order_id_low") + LINKS)
"""A row of remembered order ids."""
NO_ROW = np.int64(-1)


@inner_kernel
def has_room(pool: Any, rows: Any) -> Any:
    """True if a row can be taken."""
    return pool.taken < len(rows)


@inner_kernel
def find_row(pool: Any, first: Any, second: Any) -> Any:
    """Place of the row with this key, -1 if there is none."""
    return find(table_at(pool.index, ENTRY), first, second)


@inner_kernel
def take_row(pool: Any, rows: Any, first: Any, second: Any) -> Any:
    """Place of a row that has this key from now on, which must be new; there must be room.

    What the row held before is still in it.
    """
    place = pool.free
    if place >= 0:
        pool.free = rows[place].next_row
    else:
        place = pool.used
        pool.used = place + 1
    pool.taken += 1
    put(table_at(pool.index, ENTRY), first, second, place)
    return place


@inner_kernel
def give_row(pool: Any, rows: Any, place: Any, first: Any, second: Any) -> None:
    """Give the row with this key back; it is in no chain."""
    remove(table_at(pool.index, ENTRY), first, second)
    rows[place].next_row = pool.free
    pool.free = place
    pool.taken -= 1


@inner_kernel
def append(chain: Any, rows: Any, place: Any) -> None:
    """Put a row, which is in no chain, at the end of one."""
    rows[place].next_row = NO_ROW
    rows[place].previous_row = chain.last
    if chain.last < 0:
        chain.first = place
    else:
        rows[chain.last].next_row = place
    chain.last = place
    chain.count += 1


@inner_kernel
def unlink(chain: Any, rows: Any, place: Any) -> None:
    """Take a row out of its chain."""
    before, behind = rows[place].previous_row, rows[place].next_row
    if before < 0:
        chain.first = behind
    else:
        rows[before].next_row = behind
    if behind < 0:
        chain.last = before
    else:
        rows[behind].previous_row = before
    chain.count -= 1


# -- the ids remembered last: a pool of ID_ROW with one chain


@inner_kernel
def can_remember(pool: Any, chain: Any, rows: Any, capacity: Any) -> Any:
    """True if there is room for one more id, which may be that of the oldest."""
    return chain.count >= capacity or has_room(pool, rows)


@inner_kernel
def remember(pool: Any, chain: Any, rows: Any, capacity: Any, high: Any, low: Any) -> None:
    """Keep an id that is not kept; the oldest is forgotten where `capacity`, at least 1, are."""
    if chain.count >= capacity:
        oldest = chain.first
        unlink(chain, rows, oldest)
        give_row(pool, rows, oldest, rows[oldest].order_id_high, rows[oldest].order_id_low)
    place = take_row(pool, rows, high, low)
    rows[place].order_id_high = high
    rows[place].order_id_low = low
    append(chain, rows, place)
