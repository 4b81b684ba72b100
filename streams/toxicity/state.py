"""Settings and state of the toxicity stage."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import msgspec
import numpy as np

from schemas.records import Instrument
from streams.numeric import fixed

NEVER = 2**63 - 1  # a time that does not come
SECOND = 1_000_000_000
DAY = 86_400 * SECOND
MAX_WINDOW = 10_000
MAX_SUM = 2**62  # the window sum of absolute imbalances stays below this


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the stage computes.

    feature_interval: nanoseconds between feature records, aligned to its multiples.
    bucket_volume: volume of a VPIN bucket as decimal text in base units (coins, shares); never read off the data.
    bucket_volumes: the same by symbol, for instruments that need another one.
    window: buckets in the VPIN window.
    sign_method: how trades without an exchange flag are signed.
    """

    feature_interval: int = SECOND
    bucket_volume: str = "10"
    bucket_volumes: dict[str, str] = {}
    window: int = 50
    sign_method: Literal["lee_ready", "tick_rule"] = "lee_ready"

    def __post_init__(self) -> None:
        if not SECOND // 1000 <= self.feature_interval <= DAY:
            raise ValueError(f"feature_interval: from {SECOND // 1000} ns (1 ms) to {DAY} ns (a day), not {self.feature_interval}")
        if not 1 <= self.window <= MAX_WINDOW:
            raise ValueError(f"window: from 1 to {MAX_WINDOW} buckets, not {self.window}")


# Everything about one instrument. All int64, so that no padding can reach the snapshot.
FLOW = np.dtype(
    [
        (name, np.int64)
        for name in (
            "instrument",
            # the last quote, and the doubled mid of the last quote strictly before it in time (_known 0: none, stale or one-sided)
            "quote_known", "quote_time", "bid_price", "bid_quantity", "ask_price", "ask_quantity", "quote_flags",
            "mid_before", "mid_before_known", "time_before",
            # the tick rule
            "last_price", "last_sign",
            # the feature interval
            "active", "window_buy", "window_sell", "window_trades", "window_ofi", "window_events", "window_method", "window_flags",
            # the open bucket
            "bucket_size", "bucket", "bucket_filled", "bucket_buy", "bucket_sell", "bucket_prints", "bucket_ofi", "bucket_method", "bucket_flags",
            # what is left of a print that spans more buckets than one call may publish
            "pending", "pending_sign", "pending_method", "pending_flags",
            # the VPIN window: place of the next bucket in the rings, buckets so far, sums over the window
            "ring_next", "ring_count", "imbalance_sum", "prints_sum",
        )
    ]
)  # fmt: skip


class State(NamedTuple):
    """All the stage remembers."""

    clock: Any  # int64[1], set by the runtime before each call
    timer: Any  # int64[1], the next deadline
    fault: Any  # int64[4], unused: nothing here has a capacity that data can reach
    lee_ready: Any  # int64[1], 1 where unflagged trades are signed by Lee-Ready, 0 by the tick rule
    feature_interval: Any  # int64[1]
    feature_timer: Any  # int64[1], next multiple of feature_interval with features due, else NEVER
    flows: Any  # FLOW[instruments]
    imbalances: Any  # int64[instruments, window], absolute imbalance of the last buckets, a ring
    prints: Any  # int64[instruments, window], prints that fell in each of those buckets, a ring


def bucket_size(instrument: Instrument, settings: Settings) -> int:
    """Volume of a bucket of this instrument in its quantity units.

    Raises ValueError: the setting is no positive decimal of the instrument's precision, or too large for the window.
    """
    text = settings.bucket_volumes.get(instrument.symbol, settings.bucket_volume)
    try:
        size = fixed.parse(text, instrument.quantity_precision)
    except Exception as error:
        raise ValueError(f"bucket_volume of {instrument.symbol}: {text!r} is not a decimal of {instrument.quantity_precision} places") from error
    if not 1 <= size <= MAX_SUM // settings.window:
        raise ValueError(f"bucket_volume of {instrument.symbol}: from 1 to {MAX_SUM // settings.window} quantity units, not {size}")
    return size


def new_state(instruments: Sequence[Instrument], settings: Settings) -> State:
    """State before the first record."""
    flows = np.zeros(len(instruments), FLOW)
    for slot, instrument in enumerate(instruments):
        flows[slot]["instrument"] = instrument.instrument
        flows[slot]["bucket_size"] = bucket_size(instrument, settings)
    return State(
        clock=np.zeros(1, np.int64),
        timer=np.full(1, NEVER, np.int64),
        fault=np.zeros(4, np.int64),
        lee_ready=np.array([settings.sign_method == "lee_ready"], np.int64),
        feature_interval=np.array([settings.feature_interval], np.int64),
        feature_timer=np.full(1, NEVER, np.int64),
        flows=flows,
        imbalances=np.zeros((len(instruments), settings.window), np.int64),
        prints=np.zeros((len(instruments), settings.window), np.int64),
    )
