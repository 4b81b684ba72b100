"""Committed records of a cluster, every failure a typed one.

Settings are part of the design, each for a measured reason:

- ``fetch.queue.backoff.ms=2``: by default a full local queue stops a partition's fetches for a
  second;
- ``auto.offset.reset=error``: a position that is gone is loss of data, never a silent jump;
- ``enable.partition.eof=true``: the end of a partition is told, so that markers at the end are not
  taken for records still to come.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from streams.log.kafka.admin import ADMIN_SECONDS
from streams.log.kafka.bulk import BulkQueue, Event, Fetch
from streams.log.kafka.cluster import Cluster
from streams.log.kafka.retrying import HEALING, TIMEOUT_SECONDS, retry
from streams.log.kafka.silence import PATIENT
from streams.log.kafka.transport import (
    NOTHING,
    Chunk,
    Fetched,
    OffsetOutOfRange,
    Partition,
    TransportFailed,
)

SERVE_SECONDS = 1.0
ARRIVING_SECONDS = 0.005
"""How long after the news of an end records may still be on their way that the watermark counts
already.
"""
GONE = frozenset((KafkaError.OFFSET_OUT_OF_RANGE, KafkaError._AUTO_OFFSET_RESET))


class KafkaReader:
    """A reader of committed records over one consumer with :meth:`assign`; ``isolation`` says which
    are read.
    """

    def __init__(self, cluster: Cluster, group: str, isolation: str = "read_committed") -> None:
        self._settings = cluster.client(
            group_id=group,
            isolation_level=isolation,
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
            **PATIENT,
        )
        self._open()
        self._positions: dict[Partition, int] = {}
        # high watermark at the news of an end, and when that came; until records come
        self._ends: dict[Partition, tuple[int, float]] = {}
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
            for offset, value, timestamp in zip(
                fetch.offsets.tolist(), fetch.values, fetch.timestamps_ms.tolist(), strict=True
            ):
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
            # the news of an end may come before a record of the same answer: a position never goes
            # back
            at = fetch.topic, fetch.partition
            self._positions[at] = max(self._positions[at], int(fetch.offsets[-1]) + 1)
            self._ends.pop(at, None)
        events, self._records.events = self._records.events, []
        for event in events:
            self._meet(event)
        now = time.monotonic()
        # otherwise taking records serves them
        if now - self._served > SERVE_SECONDS and self._records.is_direct:
            self._served = now
            self._consumer.poll(0)
        return fetches

    def _meet(self, event: Event) -> None:
        """The end of a partition is noted; errors that heal are left to the client, others raised.
        """
        partition, error = (event.topic, event.partition), KafkaError(event.code)
        if event.code == KafkaError._PARTITION_EOF:
            if event.offset >= self._positions[partition]:
                self._positions[partition] = event.offset
                self._ends[partition] = self._high(partition), time.monotonic()
            return
        where = f"{event.topic}/{event.partition}" if event.topic else "the cluster"
        if event.code in GONE:
            raise OffsetOutOfRange(
                f"{where}: offset {self._positions.get(partition)} is gone: retention has "
                "overtaken this reader, or the topic was made anew; restore the range from an "
                "archive, or close the topology and start a new one"
            )
        if event.code in HEALING or error.retriable():
            return
        raise TransportFailed(
            f"{where} cannot be read: {error.str()} ({error.name()}); check the topic and the "
            "credentials, then start again"
        )

    def position(self, partition: Partition) -> int:
        """See :class:`streams.log.kafka.transport.Reader`."""
        return self._positions[partition]

    def is_behind(self, partition: Partition) -> bool:
        """See :class:`streams.log.kafka.transport.Reader`."""
        high = self._high(partition)
        if high < 0:  # nothing was heard of it yet
            return True
        end, since = self._ends.get(partition, (-1, 0.0))
        if high > end or time.monotonic() - since < ARRIVING_SECONDS:
            return high > self._positions[partition]
        return False  # what lies between here and there is of transactions still open

    def _high(self, partition: Partition) -> int:
        return int(self._consumer.get_watermark_offsets(TopicPartition(*partition), cached=True)[1])

    def end(self, partition: Partition) -> int:
        """See :class:`streams.log.kafka.transport.Reader`."""
        return self._watermarks(partition, "end")[1]

    def start(self, partition: Partition) -> int:
        """See :class:`streams.log.kafka.transport.Reader`."""
        return self._watermarks(partition, "start")[0]

    def _watermarks(self, partition: Partition, which: str) -> tuple[int, int]:
        deadline = time.monotonic() + TIMEOUT_SECONDS
        while True:
            try:
                low, high = self._consumer.get_watermark_offsets(
                    TopicPartition(*partition), timeout=ADMIN_SECONDS
                )
            except KafkaException as problem:
                retry(
                    problem,
                    deadline,
                    f"the {which} of {partition[0]}/{partition[1]} cannot be asked",
                )
            else:
                return int(low), int(high)

    def commit_position(self, offsets: Mapping[Partition, int], wait: bool = False) -> None:
        """See :class:`streams.log.kafka.transport.Reader`."""
        if not offsets:
            return
        places = [
            TopicPartition(topic, partition, offset)
            for (topic, partition), offset in offsets.items()
        ]
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
