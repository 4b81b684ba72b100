"""Settings and state of the aggregation stage."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np

from schemas.records import Instrument
from streams.numeric.state_arrays import StateArrays, array_of

NEVER = 2**63 - 1  # a time that does not come
SECOND = 1_000_000_000
DAY = 86_400 * SECOND
WEEK = 7 * DAY
MONDAY = 4 * DAY  # 1970-01-05: weekly bars start on a Monday, 1970-01-01 was a Thursday

MAX_INTERVALS = 8
MAX_KEPT = 1024


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the stage computes; every time is in nanoseconds.

    intervals: bar lengths, at most 8, from 1 ms to a week, each once. Bars are aligned to the epoch
    in UTC, weekly ones to Monday. fill_empty: True makes a flat SYNTHETIC bar at the last close for
    an interval without trades. kept_bars: closed bars a series remembers so that a late trade can
    amend them. mark_interval: marks are conflated to multiples of this much event time.
    """

    intervals: tuple[int, ...] = (60 * SECOND,)
    fill_empty: bool = False
    kept_bars: int = 4
    mark_interval: int = SECOND

    def __post_init__(self) -> None:
        if not 0 <= len(self.intervals) <= MAX_INTERVALS:
            raise ValueError(
                f"intervals: at most {MAX_INTERVALS} bar lengths, not {len(self.intervals)}"
            )
        if list(self.intervals) != sorted(dict.fromkeys(self.intervals)):
            raise ValueError(
                f"intervals: name each length once and in ascending order, not {self.intervals}"
            )
        for interval in self.intervals:
            if not SECOND // 1000 <= interval <= WEEK:
                raise ValueError(
                    f"intervals: from {SECOND // 1000} ns (1 ms) to {WEEK} ns (a week), not "
                    f"{interval}"
                )
        if not 1 <= self.kept_bars <= MAX_KEPT:
            raise ValueError(f"kept_bars: from 1 to {MAX_KEPT}, not {self.kept_bars}")
        if not SECOND // 1000 <= self.mark_interval <= DAY:
            raise ValueError(
                f"mark_interval: from {SECOND // 1000} ns (1 ms) to {DAY} ns (a day), not "
                f"{self.mark_interval}"
            )


# One bar in the making or kept for amendment. Only 8-byte fields, so that no padding can reach the
# snapshot; volumes are two limbs. ``prints`` counts the trades in it: a bar is empty where that is
# 0, whatever its volume.
BAR = np.dtype(
    [
        (name, np.int64)
        for name in (
            "instrument", "interval", "origin", "open_time", "close_time", "version", "open",
            "high", "low", "close", "prints", "trade_count",
            "flags", "first_time", "first_id", "last_time", "last_id",
            "volume_high", "taker_buy_volume_high", "quote_volume_high",
            "taker_buy_quote_volume_high",
        )
    ]
    + [(name, np.uint64) for name in ("volume_low", "taker_buy_volume_low", "quote_volume_low",
    "taker_buy_quote_volume_low")]
)  # fmt: skip

# What a series of bars knows besides its open bar: up to where it is closed, how many bars it
# keeps, and a stretch still to be filled.
SERIES = np.dtype(
    [(name, np.int64) for name in ("closed_until", "kept", "gap_next", "gap_until", "gap_price")]
)

# The last published top of one instrument's book and its last trade: what quotes and marks are
# compared with.
TOP = np.dtype(
    [
        (name, np.int64)
        for name in (
            "instrument", "first_time", "published", "sequence", "bid_price", "bid_quantity",
            "ask_price", "ask_quantity", "flags",
            "last_price", "last_time", "book_time", "book_sequence", "mark_due",
        )
    ]
)  # fmt: skip

COUNTERS = ("late_trades", "amended_bars", "fragments", "refused_trades")

HEADER = np.dtype([
    ("lengths", "i8"),        # intervals a slot
    ("fill_empty", "i8"),
    ("mark_interval", "i8"),
    ("mark_timer", "i8"),     # next multiple of mark_interval with a mark due, else NEVER
    *((name, "i8") for name in COUNTERS),
])  # fmt: skip
"""Settings that the kernels need, the marks' timer, and counters."""

QUOTE_VOLUME_FAULT = 1
"""A bar's quote volume passed 38 digits: fault, instrument, the bar's open time, the trade's id."""


class State(StateArrays):
    """All the stage remembers; the series of slot s are numbers s * lengths to (s + 1) * lengths -
    1, one per interval.
    """

    clock: Any = array_of(np.int64)
    """(1,), set by the runtime before each call."""
    timer: Any = array_of(np.int64)
    """(1,), the next deadline."""
    fault: Any = array_of(np.int64)
    """(4,), see QUOTE_VOLUME_FAULT."""
    header: Any = array_of(HEADER)
    """(1,)"""
    bars: Any = array_of(BAR)
    """(series,), the open bar; open_time NEVER where none is open."""
    kept: Any = array_of(BAR, 2)
    """(series, kept_bars), closed bars in order of open_time, the first series[s].kept of them."""
    series: Any = array_of(SERIES)
    """(series,)"""
    tops: Any = array_of(TOP)
    """(instruments,)"""
    scratch: Any = array_of(BAR)
    """(1,), the working row of a fragment."""


def new_state(instruments: Sequence[Instrument], settings: Settings) -> State:
    """State before the first record."""
    lengths = len(settings.intervals)
    bars = np.zeros(len(instruments) * lengths, BAR)
    tops = np.zeros(len(instruments), TOP)
    for slot, instrument in enumerate(instruments):
        tops[slot]["instrument"] = instrument.instrument
        for at, interval in enumerate(settings.intervals):
            bar = bars[slot * lengths + at]
            bar["instrument"], bar["interval"] = instrument.instrument, interval
            bar["origin"] = MONDAY if interval == WEEK else 0
    bars["open_time"] = bars["close_time"] = NEVER
    series = np.zeros(len(bars), SERIES)
    series["closed_until"] = -NEVER
    header = np.zeros(1, HEADER)
    header["lengths"] = lengths
    header["fill_empty"] = settings.fill_empty
    header["mark_interval"] = settings.mark_interval
    header["mark_timer"] = NEVER
    return State(
        clock=np.zeros(1, np.int64),
        timer=np.full(1, NEVER, np.int64),
        fault=np.zeros(4, np.int64),
        header=header,
        bars=bars,
        kept=np.zeros((len(bars), settings.kept_bars), BAR),
        series=series,
        tops=tops,
        scratch=np.zeros(1, BAR),
    )
