"""Where an input's records come from: the protocol behind a feed.

Two implementations: :class:`streams.runtime.order.blocks.BlockSource`, the blocks of a log folder,
and :class:`streams.runtime.live.partition.PartitionSource`, a partition of a cluster.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from schemas.errors import BadData, ShrivenError

if TYPE_CHECKING:
    from streams.runtime.order.feed import Feed

Array = np.ndarray[Any, Any]


class Source(Protocol):
    """Hands the records of one partition to a feed, in the order of their offsets.

    Attributes:
        partition: topic as it is called on the log, and number.
        start_offset, end_offset: what is read; where a log goes on, the end is beyond every offset.
        has_holes: offsets rise and need not follow one another.
        is_bounded: what it holds now is all that it will hold. The order then waits for every
            record. Where a log goes on, whoever chooses the order says what it waits for.
        timestamp_ms: when the last record was written, by its log; transport only.
    """

    partition: tuple[str, int]
    start_offset: int
    end_offset: int
    has_holes: bool
    is_bounded: bool
    timestamp_ms: int

    def seek(self, offset: int) -> None:
        """Read on at this offset."""

    def position(self) -> int:
        """Offset of the next record to read, past holes that were met."""

    def start(self) -> int:
        """The first offset that the log holds, asked of it now."""

    def end(self) -> int:
        """The offset behind the last record that the log holds, asked of it now."""

    def is_behind(self) -> bool:
        """True while the log is known to hold records that were not read."""

    def fill(self, feed: Feed, wait_seconds: float) -> int:
        """Give the feed what is there; wait for something if nothing is. Returns how many records.
        """

    def decode(self, feed: Feed, held: Any) -> None:
        """Decode what the feed held back (:meth:`streams.runtime.order.feed.Feed.hold`)."""

    def require(self, feed: Feed, runs: Array) -> None:
        """Refuse a journal's runs of this input that are not what the feed is given next.

        Raises:
            BadData: they are not, or are gone; names the offsets.
        """

    def schema_problem(self, feed: Feed, row: int) -> ShrivenError | None:
        """What a record of a schema that nobody knows ends the task with; None if all are known."""

    def close(self) -> None:
        """Give the connection back."""


def require_rows(feed: Feed, runs: Array, holder: str, advice: str = "") -> None:
    """Refuse a journal's runs that are not the feed's next rows, where offsets may have holes.

    What is not decoded yet is decoded, and waited for where the source goes on.

    Args:
        feed: of the input that the runs name.
        runs: elements of the journal's order, of this input alone.
        holder: who holds the records, for messages.
        advice: what to do; ends the messages.

    Raises:
        BadData: the holder has other records there, or none any more.
    """
    ends = np.cumsum(runs["count"])
    while feed.count - feed.first < ends[-1] and feed.refill():
        pass
    rows = feed.first + ends
    names = "input changed: the journal names"
    if feed.count < rows[-1]:
        last = int(runs["last_offset"][-1])
        raise BadData(
            f"{names} {feed.topic} offsets up to {last}, {holder} holds no such record any "
            f"more{advice}"
        )
    offsets = feed.offsets
    assert offsets is not None
    firsts, lasts = offsets[rows - runs["count"]], offsets[rows - 1]
    wrong = np.flatnonzero((firsts != runs["first_offset"]) | (lasts != runs["last_offset"]))
    if len(wrong):
        _, first, last, count = runs[wrong[0]].tolist()
        raise BadData(
            f"{names} {count} records of {feed.topic} at offsets {first} to {last}, {holder} holds "
            f"others there{advice}"
        )
