"""The transport over confluent-kafka: committed records in, transactions out, every failure a typed one.

Settings are part of the design, each for a measured reason:

- ``retry.backoff.ms=1``: by default the client sleeps 100 ms whenever the broker is still writing the markers of the transaction before;
- ``fetch.queue.backoff.ms=2``: by default a full local queue stops a partition's fetches for a second;
- ``auto.offset.reset=error``: a position that is gone is loss of data, never a silent jump;
- ``enable.partition.eof=true``: the end of a partition is told, so that markers at the end are not taken for records still to come;
- ``transaction.timeout.ms=10000``: a dead task holds readers back for no longer.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition

from streams.log.kafka.admin import ADMIN_SECONDS, KafkaAdmin, admin_of
from streams.log.kafka.bulk import BulkQueue, Event, Fetch
from streams.log.kafka.cluster import Cluster
from streams.log.kafka.errors import Refusals, is_too_large, too_large
from streams.log.kafka.plain import COMMIT_SECONDS, KafkaPlainWriter
from streams.log.kafka.silence import SILENT, silent
from streams.log.kafka.topics import DEAD_LETTER_BYTES_MAX
from streams.log.kafka.transport import (
    NOTHING,
    Chunk,
    Fenced,
    Fetched,
    OffsetOutOfRange,
    OutcomeUnknown,
    Partition,
    TransportFailed,
)

TIMEOUT_SECONDS = 30.0
SERVE_SECONDS = 1.0
FENCED = frozenset(
    (
        KafkaError._FENCED,
        KafkaError.PRODUCER_FENCED,
        KafkaError.INVALID_PRODUCER_EPOCH,
        KafkaError.INVALID_PRODUCER_ID_MAPPING,
    )
)
GONE = frozenset((KafkaError.OFFSET_OUT_OF_RANGE, KafkaError._AUTO_OFFSET_RESET))
HEALING = frozenset(
    (
        KafkaError._TRANSPORT,
        KafkaError._ALL_BROKERS_DOWN,
        KafkaError._RESOLVE,
        KafkaError._TIMED_OUT,
        KafkaError._TIMED_OUT_QUEUE,
        KafkaError._NODE_UPDATE,
        KafkaError.NOT_LEADER_FOR_PARTITION,
        KafkaError.LEADER_NOT_AVAILABLE,
        KafkaError.UNKNOWN_TOPIC_OR_PART,
        KafkaError.COORDINATOR_NOT_AVAILABLE,
        KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
        KafkaError.NOT_COORDINATOR,
    )
)


class KafkaReader:
    """A reader of committed records over one consumer with :meth:`assign`."""

    def __init__(self, cluster: Cluster, group: str) -> None:
        self._settings = cluster.client(
            group_id=group,
            isolation_level="read_committed",
            enable_auto_commit=False,
            enable_auto_offset_store=False,
            auto_offset_reset="error",
            enable_partition_eof=True,
            fetch_queue_backoff_ms=2,
            fetch_wait_max_ms=100,
            fetch_message_max_bytes=8_388_608,
            queued_min_messages=100_000,
            queued_max_messages_kbytes=65_536,
            retry_backoff_ms=1,
            reconnect_backoff_ms=50,
            reconnect_backoff_max_ms=1000,
            logger=SILENT,
            error_cb=silent,
        )
        self._open()
        self._positions: dict[Partition, int] = {}
        self._ends: dict[Partition, int] = {}
        self._served = time.monotonic()

    def _open(self) -> None:
        self._consumer = Consumer(self._settings)
        self._records = BulkQueue(self._consumer)

    def assign(self, positions: Mapping[Partition, int]) -> None:
        """See :class:`streams.log.kafka.transport.Reader`."""
        if self._positions and set(positions) != set(self._positions):
            self.close()
            self._open()
        self._positions = dict(positions)
        self._ends = {}
        self._records.assign(positions)

    def poll(self, limit: int, wait_seconds: float) -> Sequence[Fetched]:
        """See :class:`streams.log.kafka.transport.Reader`."""
        found: list[Fetched] = []
        for fetch in self._take(limit, wait_seconds):
            for offset, value, timestamp in zip(fetch.offsets.tolist(), fetch.values, fetch.timestamps_ms.tolist(), strict=True):
                found.append(Fetched(fetch.topic, fetch.partition, offset, value, timestamp))
        return found

    def fetch(self, limit: int, wait_seconds: float) -> Chunk:
        """See :class:`streams.log.kafka.transport.Reader`."""
        for fetch in self._take(limit, wait_seconds):
            return Chunk(fetch.offsets.tolist(), fetch.values, int(fetch.timestamps_ms[-1]))
        return NOTHING

    def _take(self, limit: int, wait_seconds: float) -> list[Fetch]:
        """What has arrived; the client's callbacks are served once a second."""
        fetches = self._records.poll(limit, wait_seconds)
        for fetch in fetches:
            at = fetch.topic, fetch.partition  # the news of an end may come before a record of the same answer: a position never goes back
            self._positions[at] = max(self._positions[at], int(fetch.offsets[-1]) + 1)
        events, self._records.events = self._records.events, []
        for event in events:
            self._meet(event)
        now = time.monotonic()
        if now - self._served > SERVE_SECONDS and self._records.is_direct:  # otherwise taking records serves them
            self._served = now
            self._consumer.poll(0)
        return fetches

    def _meet(self, event: Event) -> None:
        """The end of a partition is noted; errors that heal are left to the client, others raised."""
        partition, error = (event.topic, event.partition), KafkaError(event.code)
        if event.code == KafkaError._PARTITION_EOF:
            self._ends[partition] = self._high(partition)  # what lies between here and there is of transactions still open
            self._positions[partition] = max(self._positions[partition], event.offset)
            return
        where = f"{event.topic}/{event.partition}" if event.topic else "the cluster"
        if event.code in GONE:
            raise OffsetOutOfRange(
                f"{where}: offset {self._positions.get(partition)} is gone: retention has overtaken this reader, "
                "or the topic was made anew; restore the range from an archive, or close the topology and start a new one"
            )
        if event.code in HEALING or error.retriable():
            return
        raise TransportFailed(f"{where} cannot be read: {error.str()} ({error.name()}); check the topic and the credentials, then start again")

    def position(self, partition: Partition) -> int:
        """See :class:`streams.log.kafka.transport.Reader`."""
        return self._positions[partition]

    def is_behind(self, partition: Partition) -> bool:
        """See :class:`streams.log.kafka.transport.Reader`."""
        high = self._high(partition)
        return high < 0 or high > max(self._positions[partition], self._ends.get(partition, -1))  # below 0: nothing was heard of it yet

    def _high(self, partition: Partition) -> int:
        return int(self._consumer.get_watermark_offsets(TopicPartition(*partition), cached=True)[1])

    def end(self, partition: Partition) -> int:
        """See :class:`streams.log.kafka.transport.Reader`."""
        deadline = time.monotonic() + TIMEOUT_SECONDS
        while True:
            try:
                return int(self._consumer.get_watermark_offsets(TopicPartition(*partition), timeout=ADMIN_SECONDS)[1])
            except KafkaException as problem:
                _retry(problem, deadline, f"the end of {partition[0]}/{partition[1]} cannot be asked")

    def start(self, partition: Partition) -> int:
        """See :class:`streams.log.kafka.transport.Reader`."""
        deadline = time.monotonic() + TIMEOUT_SECONDS
        while True:
            try:
                return int(self._consumer.get_watermark_offsets(TopicPartition(*partition), timeout=ADMIN_SECONDS)[0])
            except KafkaException as problem:
                _retry(problem, deadline, f"the start of {partition[0]}/{partition[1]} cannot be asked")

    def pause(self, partitions: Sequence[Partition]) -> None:
        """See :class:`streams.log.kafka.transport.Reader`."""
        self._consumer.pause([TopicPartition(*each) for each in partitions])

    def resume(self, partitions: Sequence[Partition]) -> None:
        """See :class:`streams.log.kafka.transport.Reader`."""
        self._consumer.resume([TopicPartition(*each) for each in partitions])

    def commit_position(self, offsets: Mapping[Partition, int], wait: bool = False) -> None:
        """See :class:`streams.log.kafka.transport.Reader`."""
        if not offsets:
            return
        places = [TopicPartition(topic, partition, offset) for (topic, partition), offset in offsets.items()]
        try:
            if wait:
                self._consumer.commit(offsets=places, asynchronous=False)
            else:
                self._consumer.commit(offsets=places, asynchronous=True)
        except KafkaException:
            return  # offsets are for tools; the next ones say more

    def close(self) -> None:
        """See :class:`streams.log.kafka.transport.Reader`."""
        self._records.close()
        self._consumer.close()


def _retry(problem: KafkaException, deadline: float, what: str) -> None:
    """Return to try again; raise once the deadline has passed or where trying again cannot help."""
    error = problem.args[0]
    if time.monotonic() < deadline and (error.code() in HEALING or error.retriable()):
        time.sleep(0.05)
        return
    raise TransportFailed(f"{what}: {error.str()} ({error.name()}); check that the broker is up and the topic exists") from problem


class KafkaWriter:
    """A transactional producer; never rebuilt: any error that ends a transaction ends its owner."""

    def __init__(self, cluster: Cluster, transactional_id: str) -> None:
        self.transactional_id = transactional_id
        self._producer = Producer(
            cluster.client(
                transactional_id=transactional_id,
                transaction_timeout_ms=10_000,
                retry_backoff_ms=1,
                linger_ms=0,
                batch_num_messages=100_000,
                batch_size=1_000_000,
                message_max_bytes=DEAD_LETTER_BYTES_MAX,
                queue_buffering_max_messages=2_000_000,
                queue_buffering_max_kbytes=1_048_576,
                reconnect_backoff_ms=50,
                reconnect_backoff_max_ms=1000,
                logger=SILENT,
                error_cb=silent,
            )
        )
        self._last: dict[Partition, int] = {}
        self._refusals = Refusals()
        self._is_open = False

    def _delivered(self, error: KafkaError | None, message: Any) -> None:
        if error is not None:
            self._refusals.take(error, message)
        else:
            self._last[message.topic(), message.partition()] = message.offset()

    def _lost(self, error: KafkaError | None, message: Any) -> None:
        if error is not None:
            self._refusals.take(error, message)

    def init(self) -> None:
        """See :class:`streams.log.kafka.transport.Writer`."""
        deadline = time.monotonic() + TIMEOUT_SECONDS
        while True:
            try:
                self._producer.init_transactions(TIMEOUT_SECONDS)
                return
            except KafkaException as problem:
                self._raise_fatal(problem, "taking over")
                _retry(problem, deadline, f"transactional id {self.transactional_id} cannot be taken over")

    def begin(self) -> None:
        """See :class:`streams.log.kafka.transport.Writer`."""
        self._last = {}
        self._refusals = Refusals()
        try:
            self._producer.begin_transaction()
        except KafkaException as problem:
            self._raise_fatal(problem, "beginning a transaction")
            raise TransportFailed(f"{self.transactional_id}: no transaction can begin: {problem.args[0].str()}") from problem
        self._is_open = True

    def produce(self, topic: str, partition: int, values: Sequence[bytes], keys: Sequence[bytes] | None = None) -> None:
        """See :class:`streams.log.kafka.transport.Writer`."""
        produce = self._producer.produce
        last = len(values) - 1
        try:
            for number, value in enumerate(values):
                key = keys[number] if keys is not None else None
                while True:
                    try:
                        produce(topic, value, key=key, partition=partition, on_delivery=self._delivered if number == last else self._lost)
                        break
                    except BufferError:
                        self._producer.poll(0.01)
        except KafkaException as problem:
            self._raise_fatal(problem, f"writing to {topic}")
            if is_too_large(problem.args[0]):
                raise too_large(topic, partition, len(value)) from problem
            raise TransportFailed(f"{topic}/{partition} takes no record: {problem.args[0].str()}; the batch is aborted and made again") from problem

    def commit(self) -> Mapping[Partition, int]:
        """See :class:`streams.log.kafka.transport.Writer`."""
        deadline = time.monotonic() + COMMIT_SECONDS
        while True:
            try:
                self._producer.commit_transaction(max(0.1, deadline - time.monotonic()))
                break
            except KafkaException as problem:
                error = problem.args[0]
                self._raise_fatal(problem, "committing")
                self._refusals.check_size()
                if error.txn_requires_abort():
                    reason = self._refusals.error or error
                    what = f"{reason.str()} ({reason.name()})"
                    raise TransportFailed(f"{self.transactional_id}: the transaction cannot be committed: {what}") from problem
                if time.monotonic() >= deadline or not error.retriable():
                    raise OutcomeUnknown(
                        f"{self.transactional_id}: no answer to a commit within {COMMIT_SECONDS:.0f} s ({error.str()}); "
                        "the journal will tell whether it happened"
                    ) from problem
        self._is_open = False
        if self._refusals.error is not None:
            raise TransportFailed(f"{self.transactional_id}: a record was not delivered: {self._refusals.error.str()}")
        return self._last

    def abort(self) -> None:
        """See :class:`streams.log.kafka.transport.Writer`."""
        if not self._is_open:
            return
        self._is_open = False
        try:
            self._producer.abort_transaction(2.0)
        except KafkaException:
            return  # the next owner's init aborts it

    def close(self) -> None:
        """See :class:`streams.log.kafka.transport.Writer`."""
        self._producer.purge()

    def _raise_fatal(self, problem: KafkaException, doing: str) -> None:
        error = problem.args[0]
        if error.code() in FENCED or (error.fatal() and "fenced" in error.str().lower()):
            raise Fenced(f"{self.transactional_id} was taken over by another owner while {doing}; this process ends, the other goes on") from problem
        if error.fatal():
            raise TransportFailed(f"{self.transactional_id}: {doing} failed for good: {error.str()} ({error.name()})") from problem


class KafkaLog:
    """The cluster as the runner's log."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster

    def reader(self, group: str) -> KafkaReader:
        """See :class:`streams.log.kafka.transport.Log`."""
        return KafkaReader(self.cluster, group)

    def writer(self, transactional_id: str) -> KafkaWriter:
        """See :class:`streams.log.kafka.transport.Log`."""
        return KafkaWriter(self.cluster, transactional_id)

    def plain_writer(self) -> KafkaPlainWriter:
        """See :class:`streams.log.kafka.transport.Log`."""
        return KafkaPlainWriter(self.cluster)

    def admin(self) -> KafkaAdmin:
        """See :class:`streams.log.kafka.transport.Log`."""
        return admin_of(self.cluster)
