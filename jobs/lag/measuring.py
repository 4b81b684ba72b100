"""Lag of one position in records and seconds, proved by looking at the records, and remembered.

    raw = last stable offset - position             offsets, markers and aborted records included
    lag = records counted in [position, reached) + (last stable offset - reached)
    seconds = now - timestamp of the first record at or after the position

A short raw lag is looked through to its end, so what is left over is 0 and the lag is exact; if no
record is met, the position is effectively at the end, and lag is 0 in both units whatever markers
follow. A long one is looked at once, for its first record. What was seen in [position, reached)
does not change as long as the position does not move, so a stuck group costs one look, and then
only what was added since while it stays short.

A compacted topic is the exception: what was counted may be gone, and the offsets of what is gone
are no lag. Its lags are counted whatever their length, and a count is forgotten after
``recount_seconds`` (``Memory.expire``).
"""

from __future__ import annotations

from collections.abc import Mapping, Set
from typing import NamedTuple

from jobs.lag.reading import Bounds, Partition, Seen, Want


class Known(NamedTuple):
    """What is known of the records from a position on: see Seen."""

    records: int
    reached: int
    first_timestamp_ms: int | None
    failure: str = ""


class Measured(NamedTuple):
    """Lag of one position.

    ``records`` None and ``seconds`` None mean unknown, for ``reason``; ``position_time`` is the
    timestamp (seconds) of the record at the position. ``lost``: records the group has not read are
    gone.
    """

    records: int | None
    seconds: float | None
    reason: str = ""
    position_time: float | None = None
    lost: bool = False


def want(
    partition: Partition, position: int, bounds: Bounds, known: Known | None, exact_lag_records: int
) -> Want | None:
    """The look needed to measure this position, or None if what is known answers."""
    if position < bounds.log_start or position >= bounds.last_stable:
        return None
    short = bounds.last_stable - position <= exact_lag_records
    if known is None:
        return Want(*partition, position, bounds.last_stable, counted=short)
    if known.reached >= bounds.last_stable or (known.first_timestamp_ms is not None and not short):
        return None
    return Want(*partition, max(known.reached, bounds.log_start), bounds.last_stable, counted=short)


def learn(known: Known | None, asked: Want, seen: Seen) -> Known:
    """What is known after a look: the new piece is put behind what was known."""
    if known is None:
        return Known(seen.records, seen.reached, seen.first_timestamp_ms, seen.failure)
    first = (
        known.first_timestamp_ms
        if known.first_timestamp_ms is not None
        else seen.first_timestamp_ms
    )
    return Known(
        known.records + seen.records, max(known.reached, seen.reached), first, seen.failure
    )


def measure(position: int, bounds: Bounds, known: Known | None, now: float) -> Measured:
    """Lag of a position, from what is known of the records behind it.

    Args:
        position: next offset to read, as the group has committed it.
        bounds: the partition's offsets, read after the position (log start: before it).
        known: of this very position; None if nothing was looked at.
        now: wall-clock seconds.
    """
    if position > bounds.high_watermark:
        return Measured(None, None, "beyond_log_end")
    if position < bounds.log_start:
        if known is not None and known.records == 0 and known.reached >= bounds.log_start:
            # what was removed were markers only: looked at while they were there
            position = known.reached
        else:
            return Measured(
                bounds.last_stable - bounds.log_start, None, "below_log_start", lost=True
            )
    if position > bounds.last_stable:
        return Measured(0, None, "open_txn")  # only a reader of uncommitted records gets here
    if position == bounds.last_stable:
        return Measured(0, 0.0)
    if known is None:
        return Measured(bounds.last_stable - position, None, "fetch_timeout")
    records = known.records + max(0, bounds.last_stable - known.reached)
    if records == 0:
        return Measured(0, 0.0)
    if known.first_timestamp_ms is None:
        return Measured(records, None, known.failure or "fetch_timeout")
    if known.first_timestamp_ms < 0:
        return Measured(records, None, "no_timestamp")
    stamped = known.first_timestamp_ms / 1000
    return Measured(records, max(0.0, now - stamped), position_time=stamped)


class Memory:
    """What is known by (topic, partition, position): shared by all groups at that position,
    forgotten when no group is at it.
    """

    def __init__(self) -> None:
        self.known: dict[tuple[str, int, int], Known] = {}
        self.since: dict[tuple[str, int, int], float] = {}
        self.met: set[tuple[str, int, int]] = set()

    def at(self, partition: Partition, position: int) -> Known | None:
        """What is known from this position on."""
        return self.known.get((*partition, position))

    def expire(self, topics: Set[str], before: float) -> None:
        """Forget what was first learnt of these topics before a time: their records may be gone."""
        for key in [key for key, at in self.since.items() if at < before and key[0] in topics]:
            del self.known[key], self.since[key]

    def learn(
        self, partition: Partition, position: int, asked: Want, seen: Seen, now: float = 0.0
    ) -> bool:
        """Add a look; True if it was the first to meet a record here."""
        key = (*partition, position)
        self.since.setdefault(key, now)
        before = self.known.get(key)
        after = learn(before, asked, seen)
        self.known[key] = after
        is_first = after.first_timestamp_ms is not None and key not in self.met
        if is_first:
            self.met.add(key)
        return is_first

    def keep(
        self, positions: Mapping[tuple[str, int, int], object] | set[tuple[str, int, int]]
    ) -> None:
        """Forget every position but these."""
        self.known = {key: value for key, value in self.known.items() if key in positions}
        self.met = {key for key in self.met if key in positions}
        self.since = {key: value for key, value in self.since.items() if key in positions}
