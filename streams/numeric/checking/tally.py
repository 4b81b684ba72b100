"""Tallies: how often each kind of finding occurs for each instrument, and where first and last.

Gaps between records are counted by size as well: a silence is judged by the median gap, which is
known at the end only. Sizes go into buckets of a width of 1/16 of their power of two, so that the
memory does not depend on the number of records.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from schemas.records import Instrument
from streams.numeric.bits import leading_zeros
from streams.numeric.book_state import INSTRUMENTS_MAX, reciprocal_of
from streams.numeric.borrowing import inlined_kernel
from streams.numeric.bounds import COUNT_MAX, add_count
from streams.numeric.checking.codes import Code
from streams.numeric.state_arrays import StateArrays, array_of

CODES = len(Code)
BUCKETS = 1024
NEVER = 2**63 - 1

TALLY = np.dtype([
    ("count", "i8"),
    ("first_offset", "i8"), ("first_time", "i8"),
    ("last_offset", "i8"), ("last_time", "i8"),
    ("worst", "i8"), ("total", "i8"),  # greatest and sum of what the kind measures
])  # fmt: skip
"""Findings of one kind."""

SIZE = np.dtype([("count", "i8"), ("total", "i8")])
"""Values of one bucket: how many, and their sum."""

STREAM = np.dtype([
    ("rows", "i8"),
    ("first_time", "i8"), ("last_time", "i8"),  # lowest event time, running maximum; 0 before any
    ("first_offset", "i8"), ("last_offset", "i8"),
    ("received", "i8"),        # receive time of the last record that has one
    ("delay", "i8"),           # its receive time less its event time
    ("has_delay", "i8"),
    ("delayed_rows", "i8"),    # records whose delay was measured
    ("tick", "i8"), ("tick_reciprocal", "i8"),
    ("lot", "i8"), ("lot_reciprocal", "i8"),
    ("price", "i8"),           # last print's, 0 before any
    ("next_id", "i8"),         # id that continues the trades
    ("chained", "i8"),         # trades whose id continues the one before
    ("is_chained", "i8"),      # 1: the last one did
    ("last_id", "i8"),         # final id of the last delta or ticker, -1 before any
    ("was_synced", "i8"),
    ("state", "i8"), ("state_since", "i8"),  # code of the book's or quote's fault, -1 for none
    ("compared", "i8"), ("equal", "i8"),     # with the venue's own best bid and ask, or bars
    ("snapshot_id", "i8"),     # tickers with lower ids are older than the book, 0 before any
])  # fmt: skip
"""What one instrument's records of a topic have shown so far. Times and delays in ns."""

LIMITS = np.dtype([
    ("silence", "i8"),         # ns; NEVER: judged by the median gap
    ("jump", "f8"),            # share of the price
])  # fmt: skip


class Checks(StateArrays):
    """All that is counted of one topic. The row behind the last instrument's is that of records of
    unknown instruments.
    """

    slots: Any = array_of(np.int32)
    """(4096,): row of an instrument id, the last one where it is unknown."""
    streams: Any = array_of(STREAM)
    """(rows,)"""
    tallies: Any = array_of(TALLY, 2)
    """(rows, codes)"""
    gaps: Any = array_of(TALLY, 2)
    """(rows, BUCKETS): times between records, by size."""
    delays: Any = array_of(SIZE, 2)
    """(rows, 2 * BUCKETS): delays by size, the negative ones first, mirrored."""
    limits: Any = array_of(LIMITS)
    """(1,)"""


def new_checks(instruments: Sequence[Instrument], silence: int, jump: float) -> Checks:
    """Nothing counted yet. ``silence``: ns, NEVER by the median; ``jump``: share of the price."""
    count = len(instruments)
    slots = np.full(INSTRUMENTS_MAX, count, np.int32)
    streams = np.zeros(count + 1, STREAM)
    streams["last_id"] = streams["state"] = -1
    streams["tick"] = streams["lot"] = 1
    for slot, each in enumerate(instruments):
        slots[each.instrument] = slot
        for name, size in (("tick", each.tick_size), ("lot", each.lot_size)):
            streams[slot][name] = max(1, size)
            streams[slot][f"{name}_reciprocal"] = reciprocal_of(max(1, size))
    limits = np.zeros(1, LIMITS)
    limits["silence"], limits["jump"] = silence, jump
    return Checks(
        slots=slots,
        streams=streams,
        tallies=np.zeros((count + 1, CODES), TALLY),
        gaps=np.zeros((count + 1, BUCKETS), TALLY),
        delays=np.zeros((count + 1, 2 * BUCKETS), SIZE),
        limits=limits,
    )


@inlined_kernel
def row_of(checks: Any, instrument: Any) -> Any:
    """Row of an instrument id; the last one for an unknown or impossible id."""
    if instrument < 0 or instrument >= INSTRUMENTS_MAX:
        return np.int64(checks.streams.shape[0] - 1)
    return np.int64(checks.slots[instrument])


@inlined_kernel
def count_in(tally: Any, offset: Any, time: Any, amount: Any) -> None:
    """Count one finding at a place. ``amount``: what the kind measures, not negative."""
    if tally.count == 0:
        tally.first_offset = offset
        tally.first_time = time
    tally.count += 1
    tally.last_offset = offset
    tally.last_time = time
    tally.worst = max(tally.worst, amount)
    tally.total = add_count(tally.total, amount)


@inlined_kernel
def distance(high: Any, low: Any) -> Any:
    """high - low of two numbers that a record may hold, at most COUNT_MAX; high is not lower."""
    if low < 0 and high > COUNT_MAX + low:
        return np.int64(COUNT_MAX)
    return min(high - low, COUNT_MAX)


@inlined_kernel
def bucket_of(value: Any) -> Any:
    """Bucket of a value that is not negative: 16 buckets for each power of two."""
    if value < 16:
        return np.int64(value)
    power = np.int64(63 - leading_zeros(np.uint64(value)))
    return 16 * (power - 3) + ((value >> (power - 4)) & 15)


@inlined_kernel
def size_in(size: Any, value: Any) -> None:
    """Count a value, which is not negative, in its bucket."""
    size.count += 1
    size.total = add_count(size.total, value)


def lower_bound(bucket: int) -> int:
    """The least value of a bucket."""
    if bucket < 16:
        return bucket
    power = bucket // 16 + 3
    return (16 + bucket % 16) << (power - 4)
