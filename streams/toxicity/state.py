"""Settings and state of the toxicity stage."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import msgspec
import numpy as np

from schemas.errors import BadData, WrongUse
from schemas.records import Instrument
from streams.numeric import fixed
from streams.numeric.measures import signing
from streams.numeric.state_arrays import StateArrays, array_of

NEVER = 2**63 - 1  # a time that does not come
SECOND = 1_000_000_000
DAY = 86_400 * SECOND
MAX_WINDOW = 10_000
MAX_SUM = 2**62  # the window sum of absolute imbalances stays below this
BASE_UNITS = 10  # the default bucket of a coin that is dear, such as bitcoin
BUCKETS_AN_ORDER = 2000  # buckets that the largest order of an instrument spans at most, by default


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the stage computes.

    feature_interval: nanoseconds between feature records, aligned to its multiples.
    bucket_volume: volume of a VPIN bucket as decimal text in base units (coins, shares); never read
    off the data. "": see ``bucket_size``. bucket_volumes: the same by symbol, for instruments that
    need another one. window: buckets in the VPIN window.
    sign_method: how trades without an exchange flag are signed.
    """

    feature_interval: int = SECOND
    bucket_volume: str = ""
    bucket_volumes: dict[str, str] = {}
    window: int = 50
    sign_method: Literal["lee_ready", "tick_rule"] = "lee_ready"

    def __post_init__(self) -> None:
        if not SECOND // 1000 <= self.feature_interval <= DAY:
            raise ValueError(
                f"feature_interval: from {SECOND // 1000} ns (1 ms) to {DAY} ns (a day), not "
                f"{self.feature_interval}"
            )
        if not 1 <= self.window <= MAX_WINDOW:
            raise ValueError(f"window: from 1 to {MAX_WINDOW} buckets, not {self.window}")


# Everything about one instrument. Only 8-byte fields, so that no padding can reach the snapshot;
# sums of quantities are two limbs, but for the volumes of a bucket, which its size bounds.
FLOW = np.dtype(
    [
        (name, np.int64)
        for name in (
            "instrument", *signing.FIELDS,
            # the feature interval
            "active", "window_buy_high", "window_sell_high", "window_trades", "window_ofi_high",
            "window_events", "window_method", "window_flags",
            # the open bucket
            "bucket_size", "bucket", "bucket_filled", "bucket_buy", "bucket_sell", "bucket_prints",
            "bucket_ofi_high", "bucket_method",
            "bucket_flags",
            # what is left of a print that spans more buckets than one call may publish
            "pending", "pending_sign", "pending_method", "pending_flags",
            # the VPIN window: place of the next bucket in the rings, buckets so far, sums over the
            # window
            "ring_next", "ring_count", "imbalance_sum", "prints_sum",
        )
    ]
    + [(name, np.uint64) for name in ("window_buy_low", "window_sell_low", "window_ofi_low",
    "bucket_ofi_low")]
)  # fmt: skip


HEADER = np.dtype([
    # 1 where unflagged trades are signed by Lee-Ready, 0 by the tick rule
    ("lee_ready", "i8"),
    ("feature_interval", "i8"),
    ("feature_timer", "i8"),     # next multiple of feature_interval with features due, else NEVER
])  # fmt: skip
"""Settings that the kernels need, and the features' timer."""


class State(StateArrays):
    """All the stage remembers."""

    clock: Any = array_of(np.int64)
    """(1,), set by the runtime before each call."""
    timer: Any = array_of(np.int64)
    """(1,), the next deadline."""
    fault: Any = array_of(np.int64)
    """(4,), unused: nothing here has a capacity that data can reach."""
    header: Any = array_of(HEADER)
    """(1,)"""
    flows: Any = array_of(FLOW)
    """(instruments,)"""
    imbalances: Any = array_of(np.int64, 2)
    """(instruments, window), absolute imbalance of the last buckets, a ring."""
    prints: Any = array_of(np.int64, 2)
    """(instruments, window), prints that fell in each of those buckets, a ring."""


class BadBucket(WrongUse):
    """A setting of a VPIN bucket's volume that does not fit the instrument."""

    code = "bad_bucket"


def bucket_size(instrument: Instrument, settings: Settings) -> int:
    """Volume of a bucket of this instrument in its quantity units.

    Where no setting names one it is the largest of ``BASE_UNITS``, a lot, and the instrument's
    largest order divided by ``BUCKETS_AN_ORDER``: reference data alone, so that it never depends on
    what is traded.

    Raises:
        BadBucket: the setting is no positive decimal of the instrument's precision, or too large
            for the window.
    """
    most = MAX_SUM // settings.window
    name = "bucket_volumes" if instrument.symbol in settings.bucket_volumes else "bucket_volume"
    text = settings.bucket_volumes.get(instrument.symbol, settings.bucket_volume)
    if not text:
        base_units: int = BASE_UNITS * 10**instrument.quantity_precision
        return min(
            max(base_units, instrument.lot_size, instrument.maximum_quantity // BUCKETS_AN_ORDER),
            most,
        )
    given = f"[toxicity] {name} of {instrument.symbol} is {text!r}"
    try:
        size = fixed.parse(text, instrument.quantity_precision)
    except fixed.OutOfRange:
        size = most + 1
    except BadData as error:
        raise BadBucket(
            f"{given}, which is not a decimal of at most {instrument.quantity_precision} places"
        ) from error
    if size < 1:
        raise BadBucket(
            f"{given}; a bucket holds at least {fixed.format(1, instrument.quantity_precision)}"
        )
    if size > most:
        largest = fixed.format(most, instrument.quantity_precision)
        example = (
            f"bucket_volumes = {{ {instrument.symbol} = "
            f'"{fixed.format(most // 100, instrument.quantity_precision)}" }}'
        )
        raise BadBucket(
            f"{given}; a window of {settings.window} such buckets is counted up to {largest} a "
            f"bucket: give less, as in {example}"
        )
    return size


def new_state(instruments: Sequence[Instrument], settings: Settings) -> State:
    """State before the first record."""
    flows = np.zeros(len(instruments), FLOW)
    for slot, instrument in enumerate(instruments):
        flows[slot]["instrument"] = instrument.instrument
        flows[slot]["bucket_size"] = bucket_size(instrument, settings)
    header = np.zeros(1, HEADER)
    header["lee_ready"] = settings.sign_method == "lee_ready"
    header["feature_interval"] = settings.feature_interval
    header["feature_timer"] = NEVER
    return State(
        clock=np.zeros(1, np.int64),
        timer=np.full(1, NEVER, np.int64),
        fault=np.zeros(4, np.int64),
        header=header,
        flows=flows,
        imbalances=np.zeros((len(instruments), settings.window), np.int64),
        prints=np.zeros((len(instruments), settings.window), np.int64),
    )
