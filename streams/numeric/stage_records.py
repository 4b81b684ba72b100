"""What the records of the order side's compiled stages have in common.

Their header holds a fault, the addresses of tables, among them ``instruments``, ``accounts`` and
the ``index`` that finds their rows, and ``instruments_used``, ``accounts_used`` and
``amount_precision``. Steps that need no more than that stand here once.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from streams.numeric.borrowing import inner_kernel
from streams.numeric.index import ENTRY, find, put
from streams.numeric.int128 import high, join, low, power_of_ten
from streams.numeric.table import table_at

INSTRUMENT_IDS = 1 << 12
STRATEGY_IDS = 1 << 20
ACCOUNT_KEY, INSTRUMENT_KEY = np.int64(1 << 40), np.int64(1 << 41)
"""Second half of a key in the index, where what a strategy holds has strategy and instrument."""
NOTHING, NO_ENTITY = np.int64(0), np.int64(-1)
UNKNOWN_INSTRUMENT, STRATEGY_OUT_OF_RANGE, INSTRUMENT_OUT_OF_RANGE, AMOUNT_TOO_LARGE = map(
    np.int64, range(1, 5)
)
"""Faults that end the run. (NumPy's integers, for Numba compiles a function anew for each of
Python's constants that it is called with.)"""
INSTRUMENTS_FULL, ACCOUNTS_FULL = map(np.int64, range(11, 13))
"""Faults after which the owner lets the table grow and calls again. A stage's own begin at 5 and
at 13."""
_UNSIGNED = 0xFFFFFFFF


def words(names: str) -> list[tuple[str, str]]:
    """Fields of 64 bits."""
    return [(name, "i8") for name in names.split()]


def amounts(*names: str) -> list[tuple[str, str]]:
    """Fields of amounts: two limbs each (``int128.py``)."""
    limbs = (("high", "i8"), ("low", "u8"))
    return [(f"{name}_{limb}", kind) for name in names for limb, kind in limbs]


def place_in(dtype: Any, name: str) -> int:
    """Bytes before a field in its record."""
    place: int = dtype.fields[name][1]
    return place


FAULT = np.dtype(words("code entity value limit"))
"""What a handler leaves in place of an exception; ``code`` 0 is none. Nothing was changed then."""


# -- keys of rows, for the owner of the tables (``stage_state.py``)


def key_of_instrument(row: Any) -> tuple[int, int]:
    """Of an instrument's row."""
    return int(row["instrument"]), int(INSTRUMENT_KEY)


def key_of_account(row: Any) -> tuple[int, int]:
    """Of an account's row."""
    return int(row["account"]) & _UNSIGNED, int(ACCOUNT_KEY)


def key_of_pair(row: Any) -> tuple[int, int]:
    """Of a row of what a strategy has in an instrument in an account."""
    pair = int(row["strategy"]) * INSTRUMENT_IDS + int(row["instrument"])
    return int(row["account"]) & _UNSIGNED, pair


# -- steps


@inner_kernel
def set_fault(header: Any, code: Any, entity: Any, value: Any, limit: Any) -> None:
    """Say what is wrong; the handler then returns without having changed anything."""
    header.fault.code = code
    header.fault.entity = entity
    header.fault.value = value
    header.fault.limit = limit


@inner_kernel
def place_of(header: Any, first: Any, second: Any) -> Any:
    """Place of an instrument or an account, of a pair by ``pair_place``; -1 if there is none."""
    return find(table_at(header.index, ENTRY), first & _UNSIGNED, second)


@inner_kernel
def pair_place(header: Any, account: Any, strategy: Any, instrument: Any) -> Any:
    """Place of what a strategy has in an instrument in an account, -1 if there is none; strategy
    and instrument are in range.
    """
    return place_of(header, account, strategy * INSTRUMENT_IDS + instrument)


@inner_kernel
def enter(header: Any, first: Any, second: Any, place: Any) -> None:
    """Let the index find a new row."""
    put(table_at(header.index, ENTRY), first & _UNSIGNED, second, place)


@inner_kernel
def enter_pair(header: Any, account: Any, strategy: Any, instrument: Any, place: Any) -> None:
    """The same for the row of a pair."""
    enter(header, account, strategy * INSTRUMENT_IDS + instrument, place)


@inner_kernel
def listing_place(header: Any, instruments: Any, instrument: Any) -> Any:
    """Where an instrument is listed: its place, the next free one if it is new; -1 with a fault
    left if it cannot be.
    """
    if instrument < 0 or instrument >= INSTRUMENT_IDS:
        limit = np.int64(INSTRUMENT_IDS - 1)
        set_fault(header, INSTRUMENT_OUT_OF_RANGE, instrument, instrument, limit)
        return np.int64(-1)
    place = place_of(header, instrument, INSTRUMENT_KEY)
    if place >= 0:
        return place
    if header.instruments_used == len(instruments):
        set_fault(header, INSTRUMENTS_FULL, instrument, NOTHING, len(instruments))
        return np.int64(-1)
    return header.instruments_used


@inner_kernel
def list_instrument(header: Any, instruments: Any, place: Any, specification: Any) -> None:
    """Write what a specification says into the row at ``listing_place``; ``amount_precision`` is
    at least its precision.
    """
    if place == header.instruments_used:
        header.instruments_used = place + 1
        enter(header, specification.instrument, INSTRUMENT_KEY, place)
    listed = instruments[place]
    scale = power_of_ten(header.amount_precision - specification.precision)
    listed.instrument = specification.instrument
    listed.precision = specification.precision
    listed.multiplier = specification.multiplier
    listed.scale_high = high(scale)
    listed.scale_low = low(scale)


@inner_kernel
def refine_scales(header: Any, instruments: Any, factor: Any) -> None:
    """Scales from an instrument's amounts to those of accounts, in units `factor` times finer."""
    for place in range(header.instruments_used):
        listed = instruments[place]
        scale = join(listed.scale_high, listed.scale_low) * factor
        listed.scale_high = high(scale)
        listed.scale_low = low(scale)
