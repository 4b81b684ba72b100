"""An open-addressing table from a pair of int64 to an int64 at least 0, for kernels: an array of
``ENTRY``, or a ``table.Table`` of it.

Linear probing, deletion by shifting back, no tombstones: a table that has seen a million keys is as
fast as a new one. The layout is a function of the sequence of operations only. The owner sees to it
that at most half of the slots are used.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from streams.numeric.borrowing import borrowing_kernel, inlined_kernel, inner_kernel
from streams.numeric.identity import ORDINAL_BITS

ENTRY = np.dtype([("first", "i8"), ("second", "i8"), ("value_plus_one", "i8")])
"""One slot; ``value_plus_one`` 0 marks it empty, so that a table of zeros is an empty table."""

_MIX_FIRST = np.uint64(0x9E3779B97F4A7C15)
_MIX_SECOND = np.uint64(0xC2B2AE3D27D4EB4F)
_MIX_LAST = np.uint64(0xFF51AFD7ED558CCD)
_HALF = np.uint64(32)
NEIGHBOURS = 16
"""Ids of so many inputs in a row have their slots side by side."""
_NEAR = (NEIGHBOURS - 1) << ORDINAL_BITS


def slots_for(keys_max: int) -> int:
    """Slots of a table for at most ``keys_max`` keys: the power of two of at least twice as
    many.
    """
    return 1 << max(3, (2 * keys_max - 1).bit_length())


def new_index(keys_max: int) -> np.ndarray[Any, Any]:
    """An empty table for at most ``keys_max`` keys."""
    return np.zeros(slots_for(keys_max), ENTRY)


@inlined_kernel
def _home(table: Any, first: int, second: int) -> Any:
    """The slot at which the run of a key begins. Orders are made, filled and forgotten in the order
    of their ids, and a slot anywhere in a large table is a wait for memory each time.
    """
    near = second & _NEAR
    mixed = (np.uint64(first) * _MIX_FIRST) ^ (np.uint64(second - near) * _MIX_SECOND)
    mixed = (mixed ^ (mixed >> _HALF)) * _MIX_LAST
    place = (mixed ^ (mixed >> _HALF)) + np.uint64(near >> ORDINAL_BITS)
    return np.int64(place & np.uint64(len(table) - 1))


@inner_kernel
def find(table: Any, first: int, second: int) -> Any:
    """Value of the key, -1 where it is absent."""
    mask = len(table) - 1
    slot = _home(table, first, second)
    while table[slot].value_plus_one != 0:
        if table[slot].first == first and table[slot].second == second:
            return table[slot].value_plus_one - 1
        slot = (slot + 1) & mask
    return -1


@inner_kernel
def put(table: Any, first: int, second: int, value: int) -> None:
    """Set the value of the key, which may be new."""
    mask = len(table) - 1
    slot = _home(table, first, second)
    while table[slot].value_plus_one != 0 and (
        table[slot].first != first or table[slot].second != second
    ):
        slot = (slot + 1) & mask
    table[slot].first = first
    table[slot].second = second
    table[slot].value_plus_one = value + 1


@borrowing_kernel
def put_all(table: Any, first: Any, second: Any, values: Any) -> None:
    """The same for arrays of keys and values."""
    for place in range(len(values)):
        put(table, first[place], second[place], values[place])


@inner_kernel
def remove(table: Any, first: int, second: int) -> None:
    """Delete the key, which must be present; the entries of its run that may move back do."""
    mask = len(table) - 1
    hole = _home(table, first, second)
    while (
        table[hole].first != first
        or table[hole].second != second
        or table[hole].value_plus_one == 0
    ):
        hole = (hole + 1) & mask
    slot = (hole + 1) & mask
    while table[slot].value_plus_one != 0:
        home = _home(table, table[slot].first, table[slot].second)
        if ((slot - home) & mask) >= ((slot - hole) & mask):
            table[hole].first = table[slot].first
            table[hole].second = table[slot].second
            table[hole].value_plus_one = table[slot].value_plus_one
            hole = slot
        slot = (slot + 1) & mask
    table[hole].first = 0
    table[hole].second = 0
    table[hole].value_plus_one = 0
