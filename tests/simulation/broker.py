"""What the brokers of a cluster know: partitions, transactions and their coordinator, group
offsets. No network here, no faults, no threads.

Semantics are those of Apache Kafka 4 towards a client that speaks transactions v1
(reference/kafka.md 2.4, 7 and 11), which librdkafka does:

- a transaction's records lie in the partition at once; a control marker, which takes an offset of
  its own, says later what became of them;
- the last stable offset is the first record of the earliest transaction without a marker;
- EndTxn is decided at the coordinator first; markers reach each partition later, each at its own
  time;
- one producer epoch lives through many transactions, so an EndTxn that was delayed on its way ends
  whatever is open when it lands;
- ``init`` ends what is pending, aborts what is open and bumps the epoch: every later call with an
  older epoch is fenced;
- a transaction open longer than its time-out is aborted by the coordinator, which bumps the epoch
  too;
- brokers that end uncleanly may lose the markers of what they had decided, or decide while they
  start, and call it complete (decision 36): the transaction hangs in its partitions, and the next
  marker of the same transactional id there decides about its records as well.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from streams.log.kafka.transport import (
    Fenced,
    OffsetOutOfRange,
    Partition,
    TopicFacts,
    TransportFailed,
)
from tests.simulation.clock import MILLISECOND, SECOND, VirtualClock

TRANSACTION_TIMEOUT = 10 * SECOND
OPEN, COMMITTED, ABORTED = "open", "committed", "aborted"


class Transaction:
    """One transaction as its coordinator sees it. ``state`` is decided before the markers lie in
    the partitions.
    """

    __slots__ = (
        "began",
        "commit_asked",
        "decided",
        "epoch",
        "number",
        "partitions",
        "state",
        "transactional_id",
    )

    def __init__(self, number: int, transactional_id: str, epoch: int, began: int) -> None:
        self.number = number
        self.transactional_id = transactional_id
        self.epoch = epoch
        self.began = began
        self.state = OPEN
        self.partitions: dict[Partition, int] = {}
        self.commit_asked = -1
        self.decided = 0

    def __repr__(self) -> str:
        return (
            f"transaction {self.number} of {self.transactional_id} epoch {self.epoch}, {self.state}"
        )


class Record(NamedTuple):
    """One entry of a partition. ``value`` is None for a control marker, ``transaction`` None for a
    record outside any.
    """

    offset: int
    value: bytes | None
    timestamp_ms: int
    transaction: Transaction | None


class SimulatedPartition:
    """One partition. Offsets are dense here: markers and aborted records have theirs."""

    def __init__(self) -> None:
        self.records: list[Record] = []
        self.start = 0
        self.undecided: dict[Transaction, int] = {}
        self.overruled: dict[Transaction, str] = {}
        """Transactions whose own marker was lost, and what a later one of the same producer made of
        their records.
        """

    @property
    def end(self) -> int:
        """The high watermark: offset of the next entry."""
        return len(self.records)

    @property
    def last_stable_offset(self) -> int:
        """Committed records lie before it."""
        for first in self.undecided.values():
            return first
        return len(self.records)

    def append(
        self, value: bytes | None, timestamp_ms: int, transaction: Transaction | None
    ) -> int:
        """Returns the entry's offset."""
        offset = len(self.records)
        self.records.append(Record(offset, value, timestamp_ms, transaction))
        if transaction is not None:
            if value is None:
                self.undecided.pop(transaction, None)
                for other in [
                    each
                    for each in self.undecided
                    if each.transactional_id == transaction.transactional_id
                ]:
                    del self.undecided[other]
                    self.overruled[other] = transaction.state
            else:
                self.undecided.setdefault(transaction, offset)
        return offset

    def is_visible(self, record: Record) -> bool:
        """True for what a read_committed reader is given once the last stable offset has passed it.
        """
        if record.value is None:
            return False
        return (
            record.transaction is None
            or self.overruled.get(record.transaction, record.transaction.state) == COMMITTED
        )

    def committed(self, first: int = 0, stop: int | None = None) -> Iterator[Record]:
        """Records a read_committed reader is given between two offsets; none at or after the last
        stable offset, whatever ``stop``.
        """
        stable = self.last_stable_offset
        for offset in range(max(first, self.start), stable if stop is None else min(stop, stable)):
            record = self.records[offset]
            if self.is_visible(record):
                yield record


class Coordinated:
    """What the transaction coordinator keeps for one transactional id."""

    __slots__ = ("epoch", "last_ended", "transaction")

    def __init__(self) -> None:
        self.epoch = -1
        self.transaction: Transaction | None = None
        self.last_ended: Transaction | None = None


class Topic:
    """A topic's facts and partitions."""

    def __init__(self, topic_id: str, partitions: int) -> None:
        self.topic_id = topic_id
        self.partitions = [SimulatedPartition() for _ in range(partitions)]


class SimulatedBroker:
    """A cluster.

    Args:
        clock: virtual time, for time-outs, markers and record timestamps.
        marker_delay: ns until a marker lies in its partition, asked once per marker; 0 writes it at
            once.
        transaction_timeout: ns.
    """

    def __init__(
        self,
        clock: VirtualClock,
        marker_delay: Callable[[], int] = lambda: 0,
        transaction_timeout: int = TRANSACTION_TIMEOUT,
    ) -> None:
        self.clock = clock
        self.marker_delay = marker_delay
        self.transaction_timeout = transaction_timeout
        self.topics: dict[str, Topic] = {}
        self.coordinated: dict[str, Coordinated] = {}
        self.group_offsets: dict[tuple[str, Partition], int] = {}
        self.transactions: list[Transaction] = []
        self.version = 0
        self._markers: list[tuple[int, int, Transaction, Partition]] = []
        self._late: list[tuple[int, int, str, int, bool]] = []
        self._numbers = 0
        self._topic_ids = 0

    # topics

    def create_topic(self, name: str, partitions: int = 1) -> None:
        """Create a topic, with a UUID of its own."""
        self._topic_ids += 1
        self.topics[name] = Topic(f"uuid-{self._topic_ids:04d}", partitions)
        self.version += 1

    def recreate_topic(self, name: str) -> None:
        """Delete a topic and create another of its name: offsets begin at 0 again, and the UUID is
        another.
        """
        count = len(self.topics[name].partitions)
        for transaction in self.transactions:
            for partition in [key for key in transaction.partitions if key[0] == name]:
                del transaction.partitions[partition]
        self._markers = [item for item in self._markers if item[3][0] != name]
        self.create_topic(name, count)

    def add_partitions(self, name: str, count: int) -> None:
        """Raise the number of partitions."""
        topic = self.topics[name]
        topic.partitions += [SimulatedPartition() for _ in range(count - len(topic.partitions))]
        self.version += 1

    def describe(self, names: Sequence[str]) -> dict[str, TopicFacts]:
        """Facts of the topics that exist."""
        found = {name: self.topics[name] for name in names if name in self.topics}
        return {
            name: TopicFacts(topic.topic_id, len(topic.partitions)) for name, topic in found.items()
        }

    def partition(self, key: Partition) -> SimulatedPartition:
        """The partition. Raises TransportFailed if there is none."""
        topic = self.topics.get(key[0])
        if topic is None or key[1] >= len(topic.partitions):
            raise TransportFailed(f"there is no partition {key[1]} of topic {key[0]}")
        return topic.partitions[key[1]]

    def delete_records(self, key: Partition, before: int) -> None:
        """Retention: the log starts at this offset from now on."""
        partition = self.partition(key)
        partition.start = max(partition.start, min(before, partition.end))
        self.version += 1

    # records outside transactions

    def append(self, key: Partition, values: Sequence[bytes]) -> int:
        """Append outside any transaction; returns the last offset."""
        partition = self.partition(key)
        timestamp = self.clock.now // MILLISECOND
        for value in values:
            partition.append(value, timestamp, None)
        self.version += 1
        return partition.end - 1

    # transactions

    def init(self, transactional_id: str) -> int:
        """InitProducerId: end what is pending, abort what is open, bump the epoch; returns the new
        epoch.
        """
        self.settle()
        state = self.coordinated.setdefault(transactional_id, Coordinated())
        if state.transaction is not None and state.transaction.state == OPEN:
            self._decide(state, ABORTED, at_once=True)
        self._finish(transactional_id)
        state.epoch += 1
        state.last_ended = None
        return state.epoch

    def _current(self, transactional_id: str, epoch: int) -> Coordinated:
        state = self.coordinated[transactional_id]
        if state.epoch != epoch:
            why = "another owner took over, or its transaction timed out"
            raise Fenced(
                f"the producer {transactional_id} has epoch {state.epoch} now, this one has "
                f"{epoch}: {why}"
            )
        return state

    def produce(
        self, transactional_id: str, epoch: int, key: Partition, values: Sequence[bytes]
    ) -> int:
        """AddPartitionsToTxn and Produce; returns the last offset. The first of a transaction opens
        it.
        """
        self.settle()
        state = self._current(transactional_id, epoch)
        partition = self.partition(key)
        if state.transaction is None:
            self._finish(transactional_id)
            self._numbers += 1
            state.transaction = Transaction(self._numbers, transactional_id, epoch, self.clock.now)
            state.last_ended = None
            self.transactions.append(state.transaction)
        transaction = state.transaction
        transaction.partitions.setdefault(key, partition.end)
        timestamp = self.clock.now // MILLISECOND
        for value in values:
            partition.append(value, timestamp, transaction)
        self.version += 1
        return partition.end - 1

    def end(self, transactional_id: str, epoch: int, commit: bool) -> None:
        """EndTxn. Repeating the end of the last transaction is answered as its first time was.

        Raises:
            Fenced: another epoch.
            TransportFailed: nothing is open, or it ended the other way.
        """
        self.settle()
        state = self._current(transactional_id, epoch)
        if state.transaction is None:
            last = state.last_ended
            if last is not None and last.state == (COMMITTED if commit else ABORTED):
                return
            raise TransportFailed(f"{transactional_id}: no transaction is open")
        self._decide(state, COMMITTED if commit else ABORTED)

    def end_later(self, moment: int, transactional_id: str, epoch: int, commit: bool) -> None:
        """An EndTxn that is still on its way and lands at ``moment``; its sender hears nothing of
        it.
        """
        self._numbers += 1
        self._late.append((moment, self._numbers, transactional_id, epoch, commit))

    def _decide(self, state: Coordinated, outcome: str, at_once: bool = False) -> None:
        transaction = state.transaction
        assert transaction is not None
        self._numbers += 1
        transaction.state, transaction.decided = outcome, self._numbers
        state.transaction, state.last_ended = None, transaction
        for key in transaction.partitions:
            self._numbers += 1
            self._markers.append(
                (
                    self.clock.now + (0 if at_once else self.marker_delay()),
                    self._numbers,
                    transaction,
                    key,
                )
            )
        self.version += 1
        self._write_markers(self.clock.now)

    def _write_markers(self, until: int, only: str | None = None) -> None:
        if not self._markers:
            return
        due = sorted(
            item
            for item in self._markers
            if item[0] <= until and (only is None or item[2].transactional_id == only)
        )
        if not due:
            return
        written = {item[1] for item in due}
        self._markers = [item for item in self._markers if item[1] not in written]
        for _, _, transaction, key in due:
            self.partition(key).append(None, self.clock.now // MILLISECOND, transaction)
        self.version += 1

    def _finish(self, transactional_id: str) -> None:
        """CONCURRENT_TRANSACTIONS: the client retries until the former transaction's markers are
        written.
        """
        self._write_markers(1 << 62, transactional_id)

    def settle(self) -> None:
        """Whatever is due by now: late EndTxns land, markers are written, time-outs abort."""
        now = self.clock.now
        self._write_markers(now)
        if self._late:
            due = sorted(item for item in self._late if item[0] <= now)
            self._late = [item for item in self._late if item[0] > now]
            for _, _, transactional_id, epoch, commit in due:
                state = self.coordinated[transactional_id]
                if state.epoch == epoch and state.transaction is not None:
                    self._decide(state, COMMITTED if commit else ABORTED)
        for state in self.coordinated.values():
            transaction = state.transaction
            if transaction is not None and now - transaction.began > self.transaction_timeout:
                self._decide(state, ABORTED, at_once=True)
                state.epoch += 1

    def owes(self, spared: str = "") -> bool:
        """True while a transaction is open or its markers are not all written, those of one
        transactional id left out.
        """
        is_open = any(
            state.transaction is not None
            for key, state in self.coordinated.items()
            if key != spared
        )
        return is_open or any(item[2].transactional_id != spared for item in self._markers)

    def end_uncleanly(self, spared: str = "") -> int:
        """The brokers lose power; returns how many transactions hang.

        Back again they abort what is open, and markers that they owe are never written.
        Markers are written transaction after transaction: with the marker of a later one, those of
        an earlier one are there.

        Args:
            spared: transactional id of which nothing hangs and nothing is aborted.
        """
        self.settle()
        owed: dict[Transaction, int] = {}
        for _, _, transaction, _ in self._markers:
            owed[transaction] = owed.get(transaction, 0) + 1
        written = max(
            (
                each.decided
                for each in self.transactions
                if owed.get(each, 0) < len(each.partitions)
            ),
            default=0,
        )
        hung = {each for each in owed if each.decided > written and each.transactional_id != spared}
        for transactional_id, state in self.coordinated.items():
            if state.transaction is not None and transactional_id != spared:
                hung.add(state.transaction)
                state.transaction.state = ABORTED
                state.transaction, state.last_ended = None, state.transaction
                state.epoch += 1
        self._markers = [item for item in self._markers if item[2] not in hung]
        self._write_markers(1 << 62)
        self.version += 1
        return len(hung)

    def next_event(self) -> int | None:
        """ns of the next thing that happens by itself, or None."""
        moments = [item[0] for item in self._markers] + [item[0] for item in self._late]
        for state in self.coordinated.values():
            if state.transaction is not None:
                moments.append(state.transaction.began + self.transaction_timeout + 1)
        return min(moments, default=None)

    # readers

    def fetch(self, key: Partition, position: int, limit: int) -> tuple[list[Record], int]:
        """Committed records from a position on, at most ``limit``, and the position after what was
        looked at.

        Raises:
            OffsetOutOfRange: the position is before the log's start or after its end.
        """
        self.settle()
        partition = self.partition(key)
        if position < partition.start or position > partition.end:
            raise OffsetOutOfRange(
                f"{key[0]}/{key[1]}: offset {position} is outside "
                f"{partition.start}..{partition.end}"
            )
        found: list[Record] = []
        stable = partition.last_stable_offset
        while position < stable and len(found) < limit:
            record = partition.records[position]
            if partition.is_visible(record):
                found.append(record)
            position += 1
        return found, position

    def committed(self, topic: str, partition: int = 0) -> list[Record]:
        """Every committed record of a partition, for checks; retention does not hide any."""
        held = self.partition((topic, partition))
        stable = held.last_stable_offset
        return [record for record in held.records[:stable] if held.is_visible(record)]

    def at(self, key: Partition, offset: int) -> Record | None:
        """The entry at an offset, for checks."""
        records = self.partition(key).records
        place = bisect_left(records, offset, key=lambda record: record.offset)
        return records[place] if place < len(records) else None
