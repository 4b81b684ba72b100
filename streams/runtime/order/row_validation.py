"""Which records reach the stages, and what time each stands for in its partition: decided row by
row as a block is decoded.

Both loops give the interpreter's lock back, and read the three fields they need where the record's
layout has them, so that one machine code does for all records.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from schemas.reasons import (
    BAD_TIME,
    CLOCK_JUMP,
    GOOD,
    NEIGHBOUR,
    NOT_SELECTED,
    PRICE_RANGE,
    UNKNOWN_INSTRUMENT,
)
from schemas.shapes import time_field
from streams.numeric.bar_prices import have_wrong_prices
from streams.numeric.borrowing import unlocked_borrowing_kernel
from streams.numeric.bounds import PRICE_MAX
from streams.runtime.order.canary import CANARY_ID
from streams.runtime.tools.pointers import view

if TYPE_CHECKING:
    from streams.runtime.order.feed import Feed

Array = np.ndarray[Any, Any]
LATEST = 1 << 62
"""ns UTC, the year 2116: later times leave no room for deadlines in 64 bits."""
INSTRUMENTS_LIMIT = 4096


@unlocked_borrowing_kernel
def _validate(
    rows: Any,
    width: Any,
    places: Any,
    first: Any,
    stop: Any,
    table: Any,
    clock_jump_max: Any,
    status: Any,
) -> None:
    """``rows``: address of rows ``width`` bytes apart; ``places``: of instrument, event time and
    receive time in a row.
    """
    for row in range(first, stop):
        at = rows + row * width
        instrument = np.int64(view(at + places[0], (1,), np.int32)[0])
        event_time = view(at + places[1], (1,), np.int64)[0]
        receive_time = view(at + places[2], (1,), np.int64)[0]
        found = UNKNOWN_INSTRUMENT
        if 0 <= instrument < len(table):
            found = table[instrument]
        if found in (GOOD, NEIGHBOUR):
            is_seen = found == GOOD
            if event_time < 0 or event_time > LATEST:
                found = BAD_TIME if is_seen else NOT_SELECTED
            elif receive_time > 0 and event_time - receive_time > clock_jump_max:
                found = CLOCK_JUMP if is_seen else NOT_SELECTED
        status[row] = found


@unlocked_borrowing_kernel
def _validate_prices(rows: Any, width: Any, place: Any, first: Any, stop: Any, status: Any) -> None:
    """Good trades at a price whose size is above PRICE_MAX; ``place``: of the price in a row. A
    book validates its own levels.
    """
    for row in range(first, stop):
        price = view(rows + row * width + place, (1,), np.int64)[0]
        if price > PRICE_MAX or price < -PRICE_MAX:
            if status[row] == GOOD:
                status[row] = PRICE_RANGE
            elif status[row] == NEIGHBOUR:
                status[row] = NOT_SELECTED


def _validate_bars(rows: Array, status: Array) -> None:
    """Bars that do not end after they begin, or whose prices or volume cannot be."""
    found = np.full(len(rows), GOOD, np.uint8)
    is_beyond = (rows["low"] < 1) | (rows["high"] > PRICE_MAX) | (rows["volume"] < 0)
    found[is_beyond | have_wrong_prices(rows)] = PRICE_RANGE
    ends = rows["close_time"]
    found[(ends <= rows["open_time"]) | (ends > LATEST)] = BAD_TIME
    is_bad = (found != GOOD) & ((status == GOOD) | (status == NEIGHBOUR))
    status[is_bad] = np.where(status == GOOD, found, NOT_SELECTED)[is_bad]


@unlocked_borrowing_kernel
def _set_keys(
    rows: Any, width: Any, place: Any, first: Any, stop: Any, status: Any, keys: Any, maximum: Any
) -> Any:
    """``rows``: address of rows ``width`` bytes apart; ``place``: of event time in a row. Returns
    the running maximum behind them.
    """
    for row in range(first, stop):
        if status[row] in (GOOD, NEIGHBOUR):
            maximum = max(maximum, view(rows + row * width + place, (1,), np.int64)[0])
        keys[row] = maximum
    return maximum


class Validator:
    """Marks records that must not reach a stage.

    Unknown or unselected instruments, times before 1970 or after 2116, and times far ahead of their
    own receipt. The canary is known everywhere, and selected only where a topology has it as an
    instrument.

    Args:
        has_neighbours: records of instruments that are not selected move the clock, so that a
            recording ends when it ends, whichever are.
    """

    def __init__(
        self,
        known: Sequence[int],
        selected: Sequence[int],
        clock_jump_max: int,
        has_neighbours: bool = False,
    ) -> None:
        self.table = np.full(INSTRUMENTS_LIMIT, UNKNOWN_INSTRUMENT, np.uint8)
        self.table[list(known)] = NEIGHBOUR if has_neighbours else NOT_SELECTED
        self.table[CANARY_ID] = NOT_SELECTED
        self.table[list(selected)] = GOOD
        self.clock_jump_max = clock_jump_max

    def __call__(self, feed: Feed, first: int, stop: int) -> None:
        """Set ``feed.status`` for rows ``first`` to ``stop``."""
        if feed.is_market_data:
            rows = feed.rows
            _validate(
                rows.ctypes.data,
                rows.itemsize,
                places_of(rows.dtype),
                first,
                stop,
                self.table,
                self.clock_jump_max,
                feed.status,
            )
            address, width, fields = rows.ctypes.data, rows.itemsize, rows.dtype.fields
            if "price" in fields:
                _validate_prices(address, width, fields["price"][1], first, stop, feed.status)
            if "open_time" in fields:
                _validate_bars(rows[first:stop], feed.status[first:stop])


@functools.cache
def places_of(dtype: np.dtype[Any]) -> Array:
    """Where a row of market data has instrument (int32), event time and receive time (int64), as
    bytes from its start; int64[3]. Of a bar both times are that of its open.

    Raises:
        TypeError: a field is of another width.
    """
    fields = dtype.fields
    assert fields is not None
    time = time_field(fields)
    received = "receive_time" if "receive_time" in fields else time
    wanted = (("instrument", np.int32), (time, np.int64), (received, np.int64))
    for name, kind in wanted:
        if fields[name][0] != kind:
            raise TypeError(f"{name} is {fields[name][0]}, not {np.dtype(kind)}")
    return np.array([fields[name][1] for name, _ in wanted], np.int64)


def set_keys(feed: Feed, first: int, stop: int) -> None:
    """Running maximum of good event times, from ``feed.running_maximum`` on, into ``feed.keys`` of
    decoded rows ``first`` to ``stop``.
    """
    rows = feed.rows
    place = int(places_of(rows.dtype)[1])
    feed.running_maximum = _set_keys(
        rows.ctypes.data,
        rows.itemsize,
        place,
        first,
        stop,
        feed.status,
        feed.keys,
        feed.running_maximum,
    )
