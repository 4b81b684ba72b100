"""What one reading of a cluster holds, and the protocol of what reads it.

The order of reading is the contract: log starts, then group offsets, then high watermarks, then
last stable offsets. Each of these only grows, so

- a position below a log start read *before* it is really below it;
- a position is never behind an end read *after* it: lag is never negative by construction, without
  a clamp that would hide anything;
- ``high watermark - last stable offset`` of a partition without open transactions is never above
  zero.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

Partition = tuple[str, int]
"""(topic, partition)."""


class Bounds(NamedTuple):
    """Offsets of one partition: the first kept, the end of what is replicated, the end of what is
    decided.
    """

    log_start: int
    high_watermark: int
    last_stable: int

    @property
    def hold(self) -> int:
        """Offsets that open transactions hold back."""
        return max(0, self.high_watermark - self.last_stable)


class Member(NamedTuple):
    """A group's member. ``name`` is its instance id, else the id the broker drew for it."""

    name: str
    host: str
    job_version: str
    partitions: tuple[Partition, ...]


class Group(NamedTuple):
    """One group: what it has committed, who is in it.

    ``simple``: it has only ever committed; nobody joins it (``assign()`` users). ``offsets`` leaves
    out partitions without a commit; ``notes`` are the words stored with them, where there are any.
    """

    name: str
    simple: bool
    members: tuple[Member, ...]
    offsets: Mapping[Partition, int]
    notes: Mapping[Partition, str] = {}


class TopologyFacts(NamedTuple):
    """A topology that has claimed topics in an environment; closed ones are kept, so that what they
    left behind is known for it.
    """

    environment: str
    name: str
    shards: int
    is_open: bool


class TopicSettings(NamedTuple):
    """``retention_seconds`` is None if nothing is removed by time; ``timestamp_type`` is CreateTime
    or LogAppendTime.

    ``is_compacted``: records that were counted may go at any time.
    """

    retention_seconds: float | None
    timestamp_type: str
    is_compacted: bool = False


class Reading(NamedTuple):
    """One reading, from ``began`` to ``time`` in wall-clock seconds; ``failures`` are causes and
    how often.
    """

    began: float
    time: float
    groups: tuple[Group, ...]
    bounds: Mapping[Partition, Bounds]
    topics: frozenset[str]
    settings: Mapping[str, TopicSettings]
    failures: Mapping[str, int]
    unreadable: Mapping[Partition, str]
    topologies: tuple[TopologyFacts, ...] = ()


class Want(NamedTuple):
    """A look at committed records from ``start`` on.

    ``stop``: the last stable offset of the reading; ``counted``: look at all of them, else at the
    first only; ``committed`` False looks at what is not decided yet (the first record of an open
    transaction).
    """

    topic: str
    partition: int
    start: int
    stop: int
    counted: bool
    committed: bool = True


class Seen(NamedTuple):
    """What a look saw: ``records`` in [start, reached), every one of them counted.

    ``first_timestamp_ms`` is None when there was no record, negative when the record carries no
    timestamp. ``reached`` may lie behind ``stop``. ``failure`` is empty or a reason of
    ``metrics.REASONS``.
    """

    records: int
    reached: int
    first_timestamp_ms: int | None
    failure: str = ""


class LagSource(Protocol):
    """Reads a cluster; ``jobs.lag.cluster`` does it over confluent-kafka, the tests over an
    in-memory log.
    """

    def read(self) -> Reading:
        """Read everything but records, in the order of this module's head. Raises a ShrivenError
        when the cluster does not answer.
        """

    def look(self, wants: Sequence[Want]) -> Mapping[Want, Seen]:
        """Bounded looks at records; a want that could not be met has a failure."""
