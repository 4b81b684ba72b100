"""The memory of the fast L2 books: one slot per instrument, arrays only, so that kernels of several stages can share it.

A book side is a dense *window* over prices in units of the tick, anchored near the touch, and a sparse *tail* for everything else. Keys make
both sides alike: key = unit for bids and -unit for asks, so that a better price always has the greater key and lies further up the window.
```
             base                      top            base + window
tail (worse) |....x..x....xxx..xx.xxxxx|..............|      no level of the book lies above
```
Invariants between calls, per side: ``top`` is the highest occupied place of the window, -1 only if no on-tick level exists on that side; so
every on-tick tail level is worse than every window level. Off-tick levels live in the tail whatever their price; the best one is remembered.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from schemas.errors import CapacityExceeded, WrongUse

INSTRUMENTS_MAX = 4096
"""Instrument ids are below this."""
WINDOW_MIN = 64
TAIL_CAPACITY_FAULT = 1

Integers = NDArray[np.int64]


class Books(NamedTuple):
    """Fast L2 books. Sides are rows 2 * slot (bids) and 2 * slot + 1 (asks); prices and quantities in the instrument's own units."""

    slots: NDArray[np.int32]
    """(4096,): slot of an instrument id, -1 unknown."""
    instrument: Integers
    """(slots,): instrument id of a slot."""
    tick: Integers
    """(slots,): tick size."""
    phase: NDArray[np.uint8]
    """(slots,): see sync.py."""
    synced: NDArray[np.uint8]
    """(slots,): 1 while the book may be published."""
    sequence: Integers
    """(slots,): final update id last applied; the snapshot's own id while one is loading; 0 before any."""
    time: Integers
    """(slots,): event time of the record last applied, ns UTC."""
    bid_price: Integers
    bid_quantity: Integers
    ask_price: Integers
    ask_quantity: Integers
    """(slots,): best level; price and quantity 0 for an empty side."""
    fault: Integers
    """(4,): code, instrument, value, limit; code 1: book.tail_capacity reached."""
    base: Integers
    """(sides,): key of window place 0."""
    top: Integers
    """(sides,): highest occupied window place, -1 for none."""
    quantity: Integers
    """(sides, window): quantity by window place, 0 for no level."""
    occupied: NDArray[np.uint64]
    """(sides, window / 64): bit per non-zero quantity."""
    tail_count: Integers
    """(sides,): levels in the tail."""
    tail_price: Integers
    tail_quantity: Integers
    """(sides, capacity): tail levels, packed, unsorted."""
    tail_index: NDArray[np.int32]
    """(sides, places): hash of price to tail entry + 1; 0 empty."""
    off_tick_count: Integers
    """(sides,): tail levels off the tick."""
    off_tick_best: Integers
    """(sides,): price of the best of them, 0 for none."""
    printed_levels: Integers
    """(sides,): levels that printed since their last update (tape.py)."""
    printed_front: Integers
    """(sides,): every level better than this price printed away; 0 unknown, -1: every level did."""
    printed: Integers
    """(sides, window): what printed of a level since its last update, by window place, at most its quantity."""
    tail_printed: Integers
    """(sides, capacity): the same of the tail's levels."""


def new_books(instruments: Sequence[Any], window: int = 1 << 16, tail_capacity: int = 1 << 16) -> Books:
    """Empty, unsynced books, one slot per instrument in the order given.

    ``instruments``: records with ``instrument`` (id, unique, below 4096) and ``tick_size`` (> 0). ``window``: places a side, a power of two,
    at least 64. ``tail_capacity``: levels a side that may lie outside the window. 16 bytes a place and about 56 a tail level, touched
    only where used. Raises WrongUse, or CapacityExceeded for an id of 4096 or more.
    """
    if window < WINDOW_MIN or window & (window - 1):
        raise WrongUse(f"book window {window} is not a power of two of at least {WINDOW_MIN}; choose 64, 128 .. 65536")
    if not 1 <= tail_capacity < 1 << 30:
        raise WrongUse(f"book tail_capacity {tail_capacity} is outside 1 .. 2^30 - 1")
    slots = np.full(INSTRUMENTS_MAX, -1, np.int32)
    for slot, instrument in enumerate(instruments):
        number, tick = int(instrument.instrument), int(instrument.tick_size)
        if number >= INSTRUMENTS_MAX:
            raise CapacityExceeded("book.instruments", INSTRUMENTS_MAX)
        if number < 0 or slots[number] >= 0:
            raise WrongUse(f"instrument id {number} is negative or given twice; every instrument of a run needs its own id from 0 to 4095")
        if tick < 1:
            raise WrongUse(f"instrument id {number} has tick_size {tick}; correct it in the instrument table to at least 1 price unit")
        slots[number] = slot
    count, sides = len(instruments), 2 * len(instruments)
    places = 1 << (2 * tail_capacity - 1).bit_length()
    return Books(
        slots=slots,
        instrument=np.array([item.instrument for item in instruments], np.int64),
        tick=np.array([item.tick_size for item in instruments], np.int64),
        phase=np.zeros(count, np.uint8),
        synced=np.zeros(count, np.uint8),
        sequence=np.zeros(count, np.int64),
        time=np.zeros(count, np.int64),
        bid_price=np.zeros(count, np.int64),
        bid_quantity=np.zeros(count, np.int64),
        ask_price=np.zeros(count, np.int64),
        ask_quantity=np.zeros(count, np.int64),
        fault=np.zeros(4, np.int64),
        base=np.zeros(sides, np.int64),
        top=np.full(sides, -1, np.int64),
        quantity=np.zeros((sides, window), np.int64),
        occupied=np.zeros((sides, window // 64), np.uint64),
        tail_count=np.zeros(sides, np.int64),
        tail_price=np.zeros((sides, tail_capacity), np.int64),
        tail_quantity=np.zeros((sides, tail_capacity), np.int64),
        tail_index=np.zeros((sides, places), np.int32),
        off_tick_count=np.zeros(sides, np.int64),
        off_tick_best=np.zeros(sides, np.int64),
        printed_levels=np.zeros(sides, np.int64),
        printed_front=np.zeros(sides, np.int64),
        printed=np.zeros((sides, window), np.int64),
        tail_printed=np.zeros((sides, tail_capacity), np.int64),
    )
