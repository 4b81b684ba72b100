"""A cluster in memory for the lag tests: partitions with transactions, markers, aborted records,
retention, group offsets; and what is true of it.

Between any two steps of a reading, and before every look, ``between`` runs: a test puts concurrent
producers and consumers there. ``truth`` counts by brute force over the entries, and knows nothing
of last stable offsets, looks or memory.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from jobs.lag.reading import (
    Bounds,
    Group,
    Member,
    Partition,
    Reading,
    Seen,
    TopicSettings,
    TopologyFacts,
    Want,
)

OPEN, COMMITTED, ABORTED, MARKER = "open", "committed", "aborted", "marker"


@dataclass
class Entry:
    """One offset of a partition."""

    kind: str
    timestamp_ms: int
    producer: int = -1


@dataclass
class SimulatedPartition:
    """Offsets 0, 1, 2 ... of one partition."""

    entries: list[Entry] = field(default_factory=list)
    log_start: int = 0

    @property
    def last_stable(self) -> int:
        """First offset of the oldest open transaction, else the end."""
        return next(
            (at for at, entry in enumerate(self.entries) if entry.kind == OPEN), len(self.entries)
        )

    def append(self, timestamp_ms: int, producer: int = -1) -> None:
        """A record; with a producer it belongs to that producer's open transaction."""
        self.entries.append(Entry(COMMITTED if producer < 0 else OPEN, timestamp_ms, producer))

    def end(self, producer: int, committed: bool, timestamp_ms: int) -> None:
        """End a producer's transaction, with its marker; nothing if none is open."""
        mine = [
            entry for entry in self.entries if entry.kind == OPEN and entry.producer == producer
        ]
        for entry in mine:
            entry.kind = COMMITTED if committed else ABORTED
        if mine:
            self.entries.append(Entry(MARKER, timestamp_ms))

    def bounds(self) -> Bounds:
        """As they are now."""
        return Bounds(self.log_start, len(self.entries), self.last_stable)

    def truth(self, position: int, end: int) -> list[int]:
        """Offsets of committed records in [position, end) that retention has left."""
        return [
            at
            for at in range(max(position, self.log_start), end)
            if self.entries[at].kind == COMMITTED
        ]


class SimulatedCluster:
    """A LagSource over partitions in memory.

    ``ends_first`` plants the mistake of reading the ends before the positions. ``look_limit``
    bounds what one look may pass over, like a time limit.
    """

    def __init__(
        self,
        between: Callable[[], None] = lambda: None,
        ends_first: bool = False,
        look_limit: int = 10**9,
    ) -> None:
        self.partitions: dict[Partition, SimulatedPartition] = {}
        self.offsets: dict[str, dict[Partition, int]] = {}
        self.members: dict[str, tuple[Member, ...]] = {}
        self.settings: dict[str, TopicSettings] = {}
        self.notes: dict[str, dict[Partition, str]] = {}
        self.topologies: tuple[TopologyFacts, ...] = ()
        self.topics: set[str] = set()
        self.now = 1_000.0
        self.between = between
        self.ends_first = ends_first
        self.look_limit = look_limit
        self.looked = 0
        self.read_positions: dict[str, dict[Partition, int]] = {}
        self.read_ends: dict[Partition, int] = {}

    def read(self) -> Reading:
        """One reading, in the real one's order."""
        starts = {at: partition.log_start for at, partition in self.partitions.items()}
        self.between()
        if self.ends_first:
            self._read_ends()
            self.between()
        groups = tuple(
            Group(name, False, self.members.get(name, ()), dict(offsets), self.notes.get(name, {}))
            for name, offsets in sorted(self.offsets.items())
        )
        self.read_positions = {group.name: dict(group.offsets) for group in groups}
        self.between()
        highs = {at: len(partition.entries) for at, partition in self.partitions.items()}
        self.between()
        if not self.ends_first:
            self._read_ends()
        self.between()
        bounds = {
            at: Bounds(starts[at], highs[at], self.read_ends[at])
            for at in self.partitions
            if at in self.read_ends
        }
        topics = frozenset(topic for topic, _ in self.partitions) | self.topics
        return Reading(
            self.now, self.now, groups, bounds, topics, self.settings, {}, {}, self.topologies
        )

    def _read_ends(self) -> None:
        self.read_ends = {at: partition.last_stable for at, partition in self.partitions.items()}

    def look(self, wants: Sequence[Want]) -> Mapping[Want, Seen]:
        """Looks, each at the partition as it is by then."""
        return {want: self._look(want) for want in wants}

    def _look(self, want: Want) -> Seen:
        self.between()
        self.looked += 1
        partition = self.partitions[(want.topic, want.partition)]
        if want.start < partition.log_start:
            return Seen(0, want.start, None, "below_log_start")
        visible = (COMMITTED,) if want.committed else (COMMITTED, ABORTED, OPEN)
        records, first = 0, None
        for at in range(want.start, want.stop):
            if at - want.start >= self.look_limit:
                return Seen(records, at if records else want.start, first, "fetch_timeout")
            entry = partition.entries[at]
            if entry.kind in visible:
                records += 1
                first = entry.timestamp_ms if first is None else first
                if not want.counted:
                    return Seen(records, at + 1, first)
        return Seen(records, want.stop, first)
