"""What the runner needs of a log with partitions and transactions, as protocols.

``streams.log.kafka.client`` implements them over confluent-kafka; the simulator of the tests over
an in-memory log with virtual time. The runner knows nothing else of Kafka, so every crash and race
that the simulator finds is one of the runner's own.

Values are framed bodies (registry framing). Offsets are a partition's own: markers and aborted
records leave holes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, Protocol

from schemas.errors import ShrivenError

Partition = tuple[str, int]
"""(topic as it is called on the cluster, partition)."""


class Fetched(NamedTuple):
    """One committed record as it was read. ``timestamp_ms`` is transport only."""

    topic: str
    partition: int
    offset: int
    value: bytes
    timestamp_ms: int


class Chunk(NamedTuple):
    """Committed records of one partition in offset order: offsets, values, and the timestamp of the
    last one (transport only).

    Values may be kept as one body (``framing.FramedValues``): making bytes of them all is the slow
    way then.
    """

    offsets: list[int]
    values: Sequence[bytes]
    timestamp_ms: int


NOTHING = Chunk([], [], 0)


VOID = b"void"
"""Key and value of a record written to be aborted; a compacted topic takes none without a key."""


class TransportFailed(ShrivenError):
    """The log cannot be used any more by this task: it ends, and the next owner recovers from the
    journal.
    """

    code = "transport_failed"


class Fenced(TransportFailed):
    """Another owner has taken the transactional id over."""

    code = "fenced"


class OutcomeUnknown(TransportFailed):
    """A commit was sent and its answer never came; the journal's end says whether it happened."""

    code = "outcome_unknown"


class OffsetOutOfRange(TransportFailed):
    """The records at a position are gone: retention has overtaken it, or the topic was made anew.
    """

    code = "offset_out_of_range"


class TopicChanged(TransportFailed):
    """A topic is not the one that was read before: another UUID, or another number of partitions.
    """

    code = "topic_changed"
    restart_helps = False


class Reader(Protocol):
    """Reads committed records of assigned partitions, each in offset order."""

    def assign(self, positions: Mapping[Partition, int]) -> None:
        """Read these partitions from these offsets on, and no others."""

    def poll(self, limit: int, wait_seconds: float) -> Sequence[Fetched]:
        """At most ``limit`` records, in the order fetched; waits for the first one only.

        Raises:
            OffsetOutOfRange: a position lies outside its partition.
            TransportFailed: an error that does not heal by waiting (authorization, a topic that is
                gone).
        """

    def fetch(self, limit: int, wait_seconds: float) -> Chunk:
        """As :meth:`poll`, for a reader of one partition: the fast path, no object made for each
        record.

        Raises:
            OffsetOutOfRange, TransportFailed: as :meth:`poll`.
        """

    def position(self, partition: Partition) -> int:
        """Offset of the next record to read; it steps over markers and aborted records once a poll
        has met them.
        """

    def is_behind(self, partition: Partition) -> bool:
        """True while the log is known, without asking it, to hold something past what was read;
        markers met at the end do not count.
        """

    def end(self, partition: Partition) -> int:
        """The last stable offset, asked of the log now: committed records lie before it."""

    def start(self, partition: Partition) -> int:
        """The log-start offset, asked of the log now."""

    def commit_position(self, offsets: Mapping[Partition, int], wait: bool = False) -> None:
        """Store group offsets, without waiting unless asked to: for tools and dashboards, never
        read back, so a failure is no error.
        """

    def close(self) -> None:
        """Give everything back."""


class Writer(Protocol):
    """One transactional producer.

    Every method raises Fenced or TransportFailed when this producer can go on no more; ``commit``
    may raise OutcomeUnknown. Neither is ever retried or rebuilt by the task: the process ends.
    """

    def init(self) -> None:
        """Fence every former owner of the transactional id and abort what it left open."""

    def begin(self) -> None:
        """Begin a transaction; calls nothing remote."""

    def produce(
        self,
        topic: str,
        partition: int,
        values: Sequence[bytes],
        keys: Sequence[bytes] | None = None,
    ) -> None:
        """Add records to the open transaction."""

    def commit(self) -> Mapping[Partition, int]:
        """Commit; returns the offset of the last record written to each partition by this
        transaction.
        """

    def abort(self) -> None:
        """Abort the open transaction, if there is one and if that is possible."""

    def void(self, partitions: Sequence[Partition]) -> None:
        """Write one record to each partition and abort it.

        What an earlier transaction of this id left open there, because the brokers lost its marker,
        is aborted by the same marker.
        """

    def close(self) -> None:
        """Give everything back, without waiting for what is open."""


class TopicFacts(NamedTuple):
    """What a topic is: its UUID and its number of partitions."""

    topic_id: str
    partitions: int


class Admin(Protocol):
    """What the runner asks of the cluster besides records."""

    def describe(self, topics: Sequence[str]) -> Mapping[str, TopicFacts]:
        """Facts of the topics that exist."""

    def trim(self, partition: Partition, before: int) -> None:
        """Delete the records before this offset, without waiting for it; where it fails, they stay.
        """

    def open_ranges(self, partitions: Sequence[Partition]) -> Mapping[Partition, tuple[int, int]]:
        """(last stable offset, high watermark) of those partitions in which they differ: a
        transaction is open there.
        """


class Log(Protocol):
    """Makes the above, each a connection of its own."""

    def reader(self, group: str) -> Reader:
        """A reader of committed records. ``group`` names the group that
        :meth:`Reader.commit_position` stores offsets of.
        """

    def uncommitted(self, group: str) -> Reader:
        """A reader of every record up to the high watermark, whatever became or becomes of its
        transaction.
        """

    def writer(self, transactional_id: str) -> Writer:
        """A transactional producer."""

    def plain_writer(self) -> Writer:
        """An idempotent producer without transactions: ``init``, ``begin`` and ``abort`` do
        nothing, ``commit`` waits for delivery.
        """

    def admin(self) -> Admin:
        """The cluster's facts."""

    def beside(self, work: Callable[[], None]) -> Callable[[], None]:
        """Do calls of this log beside the caller's own work; what is returned waits for their end,
        and raises what they raised.
        """
