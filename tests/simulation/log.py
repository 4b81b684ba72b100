"""The simulated broker behind the runner's protocols (``streams/log/kafka/transport.py``).

Reader, writer and admin behave as librdkafka's do where it matters: a local queue that is filled by
fetches, a position that steps over a marker only when a later poll meets it, produced records that
may travel at once or with the commit's flush, fencing that is seen at the next call that reaches a
broker.
"""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from schemas.errors import WrongUse
from streams.log.kafka.transport import (
    NOTHING,
    VOID,
    Chunk,
    Fetched,
    OutcomeUnknown,
    Partition,
    TransportFailed,
)
from tests.simulation.admin import SimulatedAdmin
from tests.simulation.broker import SimulatedBroker
from tests.simulation.clock import MILLISECOND, SECOND
from tests.simulation.network import Fate, Network

SHORTEST_WAIT = 50 * MILLISECOND


class Read(NamedTuple):
    """One delivered record or assignment, for the history checker. ``offset`` -1: the partition was
    (re)assigned at ``value``'s place.
    """

    moment: int
    poll: int
    partition: Partition
    offset: int
    value: bytes


class SimulatedLog:
    """One process's connections to a simulated cluster.

    Args:
        broker: the cluster.
        network: between the two; its faults are this process's.
        history: where readers of this log write down what they were given; None: nowhere.
    """

    def __init__(
        self, broker: SimulatedBroker, network: Network, history: list[list[Read]] | None = None
    ) -> None:
        self.broker = broker
        self.network = network
        self.history = history

    def reader(self, group: str) -> SimulatedReader:
        """A reader of committed records."""
        reads: list[Read] = []
        if self.history is not None:
            self.history.append(reads)
        return SimulatedReader(self.broker, self.network, group, reads)

    def uncommitted(self, group: str) -> UncommittedReader:
        """A reader of everything."""
        return UncommittedReader(self.broker, self.network, group, [])

    def writer(self, transactional_id: str) -> SimulatedWriter:
        """A transactional producer."""
        return SimulatedWriter(self.broker, self.network, transactional_id)

    def plain_writer(self) -> SimulatedPlainWriter:
        """A producer without transactions."""
        return SimulatedPlainWriter(self.broker, self.network)

    def admin(self) -> SimulatedAdmin:
        """The cluster's facts."""
        return SimulatedAdmin(self.broker, self.network)

    def beside(self, work: Callable[[], None]) -> Callable[[], None]:
        """At once or when it is waited for, by the seed: the two ends of what a thread may do. What
        fails at once is told then as well.
        """
        if self.network.random.random() < 0.5:
            return work
        failed: list[TransportFailed] = []
        try:
            work()
        except TransportFailed as problem:
            failed.append(problem)

        def wait() -> None:
            if failed:
                raise failed[0]

        return wait


class Queued(NamedTuple):
    """What a fetch brought: a record, or the news that a partition ends here for now (``high``: the
    high watermark then; -1: no news).
    """

    partition: Partition
    position: int
    fetched: Fetched | None
    high: int


class SimulatedReader:
    """Implements ``transport.Reader``.

    A poll that may not wait takes what was fetched in the background: nothing of it is a request,
    so it meets no fault when it brings nothing. A wait may take longer than asked, as on any host:
    at least 50 ms of virtual time, or idle time would cost more than the schedule.
    """

    def __init__(
        self, broker: SimulatedBroker, network: Network, group: str, reads: list[Read]
    ) -> None:
        self.broker = broker
        self.network = network
        self.group = group
        self.reads = reads
        self._polls = 0
        self._fetched: dict[Partition, int] = {}
        self._positions: dict[Partition, int] = {}
        self._high: dict[Partition, int] = {}
        self._told: dict[Partition, int] = {}
        self._ends: dict[Partition, int] = {}
        self._queue: deque[Queued] = deque()
        self._version = -1
        self._is_current = False

    def assign(self, positions: Mapping[Partition, int]) -> None:
        """Read these partitions from these offsets on, and no others."""
        self._positions = dict(positions)
        self._fetched = dict(positions)
        self._high, self._told, self._ends = {}, {}, {}
        self._queue.clear()
        self._is_current = False
        for key, offset in positions.items():
            self.reads.append(Read(self.network.moment, self._polls, key, -1, b"%d" % offset))

    def poll(self, limit: int, wait_seconds: float) -> Sequence[Fetched]:
        """At most ``limit`` records; waits for the first one only."""
        self._polls += 1
        found: list[Fetched] = []
        self._fetch()
        if wait_seconds > 0 or self._queue:
            self.network.before("poll")
        deadline = self.network.clock.now + max(int(wait_seconds * SECOND), SHORTEST_WAIT)
        while True:
            self._serve(limit, found)
            if found or wait_seconds <= 0 or self.network.clock.now >= deadline:
                break
            self.network.wait_until(deadline)
            self.broker.settle()
            self._fetch()
        if found:
            self.network.after("poll")
        return found

    def fetch(self, limit: int, wait_seconds: float) -> Chunk:
        """As :meth:`poll`, for a reader of one partition."""
        found = self.poll(limit, wait_seconds)
        if not found:
            return NOTHING
        return Chunk(
            [item.offset for item in found], [item.value for item in found], found[-1].timestamp_ms
        )

    def _fetch(self) -> None:
        """What the client does in the background: nothing while nothing has changed at the brokers.
        """
        if self._is_current and self._version == self.broker.version:
            return
        self._version, self._is_current = self.broker.version, True
        keys = list(self._fetched)
        if len(keys) > 1:
            first = self.network.random.randrange(len(keys))
            keys = keys[first:] + keys[:first]
        for key in keys:
            limit = self.network.fetch_limit()
            if not limit:
                self._is_current = False
                continue
            before = self._fetched[key]
            records, after = self.broker.fetch(key, before, limit)
            partition = self.broker.partition(key)
            high = self._high[key] = partition.end
            for record in records:
                assert record.value is not None
                self._queue.append(
                    Queued(
                        key,
                        record.offset + 1,
                        Fetched(*key, record.offset, record.value, record.timestamp_ms),
                        -1,
                    )
                )
            at_the_end = after >= partition.last_stable_offset and self._told.get(key) != high
            if at_the_end or after > (records[-1].offset + 1 if records else before):
                self._queue.append(Queued(key, after, None, high if at_the_end else -1))
            if at_the_end:
                self._told[key] = high
            if after < partition.last_stable_offset:
                self._is_current = False
            self._fetched[key] = after

    def _serve(self, limit: int, found: list[Fetched]) -> None:
        while self._queue and len(found) < limit:
            key, position, fetched, high = self._queue.popleft()
            self._positions[key] = position
            if fetched is not None:
                self._ends.pop(key, None)
                found.append(fetched)
                self.reads.append(
                    Read(self.network.moment, self._polls, key, fetched.offset, fetched.value)
                )
            elif high >= 0:
                self._ends[key] = high

    def position(self, partition: Partition) -> int:
        """Offset of the next record to read; local."""
        return self._positions[partition]

    def is_behind(self, partition: Partition) -> bool:
        """True while the high watermark, as the last fetch brought it, lies past what was read and
        past the last end that was told.
        """
        high = self._high.get(partition, -1)
        return high < 0 or high > max(self._positions[partition], self._ends.get(partition, -1))

    def end(self, partition: Partition) -> int:
        """The last stable offset, asked of the broker now."""
        self.network.before("end")
        self.broker.settle()
        stable = self.broker.partition(partition).last_stable_offset
        self.network.after("end")
        return stable

    def start(self, partition: Partition) -> int:
        """The log-start offset, asked of the broker now."""
        self.network.before("start")
        start = self.broker.partition(partition).start
        self.network.after("start")
        return start

    def commit_position(self, offsets: Mapping[Partition, int], wait: bool = False) -> None:
        """Store group offsets; a failure is silent."""
        with contextlib.suppress(TransportFailed):
            self.network.before("commit_position")
            for key, offset in offsets.items():
                self.broker.group_offsets[(self.group, key)] = offset
            self.network.after("commit_position")

    def close(self) -> None:
        """Nothing to give back."""
        self._queue.clear()


class UncommittedReader(SimulatedReader):
    """Gives every record up to the high watermark; for a range that is known to be there."""

    def poll(self, limit: int, wait_seconds: float) -> Sequence[Fetched]:
        """At once: a request."""
        self.network.before("poll uncommitted")
        ((key, position),) = self._positions.items()
        entries = self.broker.partition(key).records[position : position + limit]
        self._positions[key] = position + len(entries)
        self.network.after("poll uncommitted")
        return [
            Fetched(*key, entry.offset, entry.value, entry.timestamp_ms)
            for entry in entries
            if entry.value is not None
        ]


class SimulatedWriter:
    """Implements ``transport.Writer`` with transactions v1: one epoch from ``init`` to the end."""

    def __init__(self, broker: SimulatedBroker, network: Network, transactional_id: str) -> None:
        self.broker = broker
        self.network = network
        self.transactional_id = transactional_id
        self.epoch = -1
        self._begun = False
        self._waiting: list[tuple[Partition, list[bytes]]] = []
        self._written: dict[Partition, int] = {}

    def init(self) -> None:
        """Fence every former owner and abort what it left open."""
        self.network.before("init")
        self.epoch = self.broker.init(self.transactional_id)
        self.network.after("init")

    def begin(self) -> None:
        """Begin a transaction; local."""
        if self.epoch < 0 or self._begun:
            raise WrongUse("begin without init, or twice")
        self._begun = True
        self._waiting.clear()
        self._written = {}

    def produce(
        self,
        topic: str,
        partition: int,
        values: Sequence[bytes],
        keys: Sequence[bytes] | None = None,
    ) -> None:
        """Add records to the open transaction. In a real client an error shows here or at the
        commit; here at whichever call sends them.
        """
        if not self._begun:
            raise WrongUse("produce outside a transaction")
        self._waiting.append(((topic, partition), list(values)))
        if self.network.sends_at_once():
            self._flush()

    def _flush(self) -> None:
        while self._waiting:
            key, values = self._waiting[0]
            self.network.before("produce")
            self._written[key] = self.broker.produce(self.transactional_id, self.epoch, key, values)
            self._waiting.pop(0)
            self.network.after("produce")

    def commit(self) -> Mapping[Partition, int]:
        """Commit; returns the last offset written to each partition."""
        if not self._begun:
            raise WrongUse("commit outside a transaction")
        self._flush()
        if not self._written:
            self._begun = False
            return {}
        self.network.before("commit")
        state = self.broker.coordinated[self.transactional_id]
        if state.epoch == self.epoch and state.transaction is not None:
            state.transaction.commit_asked = self.network.moment
        fate = self.network.fate()
        if fate is Fate.LATE:
            moment = self.network.clock.now + self.network.late()
            self.broker.end_later(moment, self.transactional_id, self.epoch, commit=True)
        elif fate is not Fate.REQUEST_LOST:
            self.broker.end(self.transactional_id, self.epoch, commit=True)
        self.network.after("commit")
        if fate is not Fate.ANSWERED:
            raise OutcomeUnknown(
                f"the commit of {self.transactional_id} was not answered ({fate.value})"
            )
        self._begun = False
        return dict(self._written)

    def abort(self) -> None:
        """Abort the open transaction, if there is one and if that is possible."""
        if not self._begun:
            return
        self._begun = False
        self._waiting.clear()
        if not self._written:
            return
        with contextlib.suppress(TransportFailed):  # the next owner's init aborts it
            self.network.before("abort")
            self.broker.end(self.transactional_id, self.epoch, commit=False)
            self.network.after("abort")

    def void(self, partitions: Sequence[Partition]) -> None:
        """Write a record to each partition and abort it."""
        self.begin()
        self._waiting = [(key, [VOID]) for key in partitions]
        self._flush()
        self.network.before("abort")
        self.broker.end(self.transactional_id, self.epoch, commit=False)
        self.network.after("abort")
        self._begun = False

    def close(self) -> None:
        """What is open stays open."""
        self._begun = False


class SimulatedPlainWriter:
    """Implements ``transport.Writer`` without transactions."""

    def __init__(self, broker: SimulatedBroker, network: Network) -> None:
        self.broker = broker
        self.network = network
        self._waiting: list[tuple[Partition, bytes]] = []
        self._written: dict[Partition, int] = {}

    def init(self) -> None:
        """Nothing."""

    def begin(self) -> None:
        """Nothing."""

    def produce(
        self,
        topic: str,
        partition: int,
        values: Sequence[bytes],
        keys: Sequence[bytes] | None = None,
    ) -> None:
        """Queue records; a process that dies before :meth:`commit` may have sent some."""
        self._waiting += [((topic, partition), value) for value in values]
        while self._waiting and self.network.sends_at_once():
            self._send()

    def _send(self) -> None:
        self.network.before("produce plain")
        key, value = self._waiting.pop(0)
        self._written[key] = self.broker.append(key, [value])
        self.network.after("produce plain")

    def commit(self) -> Mapping[Partition, int]:
        """Wait for delivery; returns the last offset written to each partition since the last call.
        """
        while self._waiting:
            self._send()
        written, self._written = self._written, {}
        return written

    def abort(self) -> None:
        """Nothing."""

    def void(self, partitions: Sequence[Partition]) -> None:
        """Nothing of it is ever open."""

    def close(self) -> None:
        """What waits is lost."""
        self._waiting.clear()
