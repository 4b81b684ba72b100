"""What a batch holds of its inputs, for whoever must know where a process died."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from streams.runtime.order.feed import Feed
    from streams.runtime.order.merge import InputBatch


class Run(NamedTuple):
    """Input records of one batch and one partition; ``topic`` as the catalogue has it."""

    topic: str
    partition: int
    first_offset: int
    last_offset: int
    records: int


InFlightMarker = Callable[[Sequence[Run]], None]
"""Told of the records that are executed next, and with none of them that it is done."""


def runs_of(input_batch: InputBatch, feeds: Sequence[Feed]) -> list[Run]:
    """The input batch's records by partition; they lie next in their feeds."""
    runs = []
    for feed in feeds:
        count = input_batch.count_of(feed)
        if count:
            first, last = feed.offset_at(feed.first), feed.offset_at(feed.first + count - 1)
            runs.append(Run(feed.topic, feed.partition[1], first, last, count))
    return runs
