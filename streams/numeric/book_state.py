"""The memory of the fast L2 books: a record per book, and arrays of what has no fixed length, which
kernels of several stages share.

A book side is a dense *window* over prices in units of the tick, anchored near the touch, and a
sparse *tail* for everything else. Keys make both sides alike: key = unit for bids and -unit for
asks, so that a better price always has the greater key and lies further up the window. ```
          first_key                    top         first_key + window
tail (worse) |....x..x....xxx..xx.xxxxx|..............|      no level of the book lies above
```
Invariants between calls, per side: ``top`` is the highest occupied place of the window, -1 only if
no on-tick level exists on that side; so every on-tick tail level is worse than every window level.
Off-tick levels live in the tail whatever their price; the best one is remembered.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from schemas.errors import CapacityExceeded, WrongUse
from streams.numeric.state_arrays import StateArrays, array_of

INSTRUMENTS_MAX = 4096
"""Instrument ids are below this."""
WINDOW_MIN = 64
TAIL_CAPACITY_FAULT = 1

SIDE = np.dtype([
    ("row", "i8"),             # row of the side in the arrays of the group
    ("sign", "i8"),            # +1 bids, -1 asks
    ("tick", "i8"),
    ("reciprocal", "i8"),      # bits of the uint64 2^64 // tick + 1; 0 for a tick of 1
    ("price", "i8"), ("quantity", "i8"),  # best level, if it may be shown; both 0 for none
    ("first_key", "i8"),       # key of window place 0
    ("top", "i8"),             # highest occupied window place, -1 for none
    ("tail_count", "i8"),      # levels in the tail
    ("off_tick_count", "i8"),  # those of them that are off the tick
    ("off_tick_best", "i8"),   # price of the best of these, 0 for none
    ("printed_levels", "i8"),  # levels that printed since their last update (tape.py)
    # every level better than this price printed away; 0 unknown, -1: every level did
    ("printed_front", "i8"),
])  # fmt: skip
"""One side of a book. Prices and quantities in the instrument's own units."""

BOOK = np.dtype([
    ("instrument", "i8"),
    ("phase", "i8"),           # see sync.py
    ("synced", "i8"),          # 1 while the book may be published
    # final update id last applied; the snapshot's own id while one is loading; 0 before any
    ("sequence", "i8"),
    ("time", "i8"),            # event time of the record last applied, ns UTC
    ("bids", SIDE), ("asks", SIDE),
])  # fmt: skip
"""One book."""

TAIL_LEVEL = np.dtype([("price", "i8"), ("quantity", "i8"), ("printed", "i8")])
"""A level outside the window, and what printed of it since its last update."""


class Books(StateArrays):
    """Fast L2 books, a slot for each instrument; ``sides`` are two for each slot, bids first."""

    slots: Any = array_of(np.int32)
    """(4096,): slot of an instrument id, -1 unknown."""
    fault: Any = array_of(np.int64)
    """(4,): code, instrument, value, limit; code 1: book.tail_capacity reached."""
    books: Any = array_of(BOOK)
    """(slots,)"""
    quantity: Any = array_of(np.int64, 2)
    """(sides, window): quantity by window place, 0 for no level."""
    printed: Any = array_of(np.int64, 2)
    """(sides, window): what printed of a level since its last update, at most its quantity."""
    occupied: Any = array_of(np.uint64, 2)
    """(sides, window / 64): bit per non-zero quantity."""
    tail: Any = array_of(TAIL_LEVEL, 2)
    """(sides, capacity): tail levels, packed, unsorted."""
    tail_index: Any = array_of(np.int32, 2)
    """(sides, places): hash of price to tail entry + 1; 0 empty."""


def reciprocal_of(tick: int) -> int:
    """The factor by which ``window.units`` divides by the tick, as an int64 of the same bits."""
    factor = ((1 << 64) // tick + 1) & (2**64 - 1) if tick > 1 else 0
    return factor - (factor >> 63 << 64)


def new_books(
    instruments: Sequence[Any], window: int = 1 << 16, tail_capacity: int = 1 << 16
) -> Books:
    """Empty, unsynced books, one slot per instrument in the order given.

    ``instruments``: records with ``instrument`` (id, unique, below 4096) and ``tick_size`` (> 0).
    ``window``: places a side, a power of two, at least 64. ``tail_capacity``: levels a side that
    may lie outside the window. 16 bytes a place and about 56 a tail level, touched only where used.
    Raises WrongUse, or CapacityExceeded for an id of 4096 or more.
    """
    if window < WINDOW_MIN or window & (window - 1):
        raise WrongUse(
            f"book window {window} is not a power of two of at least {WINDOW_MIN}; choose 64, 128 "
            ".. 65536"
        )
    if not 1 <= tail_capacity < 1 << 30:
        raise WrongUse(f"book tail_capacity {tail_capacity} is outside 1 .. 2^30 - 1")
    slots = np.full(INSTRUMENTS_MAX, -1, np.int32)
    for slot, instrument in enumerate(instruments):
        number, tick = int(instrument.instrument), int(instrument.tick_size)
        if number >= INSTRUMENTS_MAX:
            raise CapacityExceeded("book.instruments", INSTRUMENTS_MAX)
        if number < 0 or slots[number] >= 0:
            raise WrongUse(
                f"instrument id {number} is negative or given twice; every instrument of a run "
                "needs its own id from 0 to 4095"
            )
        if tick < 1:
            raise WrongUse(
                f"instrument id {number} has tick_size {tick}; correct it in the instrument table "
                "to at least 1 price unit"
            )
        slots[number] = slot
    books = np.zeros(len(instruments), BOOK)
    for slot, (book, instrument) in enumerate(zip(books, instruments, strict=True)):
        tick = int(instrument.tick_size)
        book["instrument"] = instrument.instrument
        for row, side, sign in ((2 * slot, "bids", 1), (2 * slot + 1, "asks", -1)):
            for name, value in (
                ("row", row),
                ("sign", sign),
                ("tick", tick),
                ("reciprocal", reciprocal_of(tick)),
                ("top", -1),
            ):
                book[side][name] = value
    sides = 2 * len(instruments)
    places = 1 << (2 * tail_capacity - 1).bit_length()
    return Books(
        slots=slots,
        fault=np.zeros(4, np.int64),
        books=books,
        quantity=np.zeros((sides, window), np.int64),
        printed=np.zeros((sides, window), np.int64),
        occupied=np.zeros((sides, window // 64), np.uint64),
        tail=np.zeros((sides, tail_capacity), TAIL_LEVEL),
        tail_index=np.zeros((sides, places), np.int32),
    )
