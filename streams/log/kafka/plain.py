"""An idempotent producer without transactions, by the protocol of a writer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from confluent_kafka import KafkaError, Producer

from streams.log.kafka.cluster import Cluster
from streams.log.kafka.silence import SILENT, silent
from streams.log.kafka.transport import Partition, TransportFailed

COMMIT_SECONDS = 30.0


class KafkaPlainWriter:
    """An idempotent producer without transactions: snapshots, claims, fed recordings."""

    def __init__(self, cluster: Cluster) -> None:
        self._producer = Producer(
            cluster.client(
                enable_idempotence=True,
                linger_ms=5,
                batch_size=1_000_000,
                message_max_bytes=8_388_608,
                queue_buffering_max_messages=2_000_000,
                queue_buffering_max_kbytes=1_048_576,
                reconnect_backoff_ms=50,
                reconnect_backoff_max_ms=1000,
                logger=SILENT,
                error_cb=silent,
            )
        )
        self._last: dict[Partition, int] = {}
        self._failed: KafkaError | None = None

    def _delivered(self, error: KafkaError | None, message: Any) -> None:
        if error is not None:
            self._failed = error
        else:
            self._last[message.topic(), message.partition()] = message.offset()

    def init(self) -> None:
        """Nothing to do."""

    def begin(self) -> None:
        """Forget what was delivered before."""
        self._last, self._failed = {}, None

    def produce(self, topic: str, partition: int, values: Sequence[bytes], keys: Sequence[bytes] | None = None) -> None:
        """Queue records; waits only while the local queue is full."""
        for number, value in enumerate(values):
            key = keys[number] if keys is not None else None
            while True:
                try:
                    self._producer.produce(topic, value, key=key, partition=partition, on_delivery=self._delivered)
                    break
                except BufferError:
                    self._producer.poll(0.01)
        self._producer.poll(0)

    def commit(self) -> Mapping[Partition, int]:
        """Wait until everything is delivered. Raises TransportFailed."""
        left = self._producer.flush(COMMIT_SECONDS)
        if self._failed is not None or left:
            what = f"{self._failed.str()} ({self._failed.name()})" if self._failed is not None else f"{left} records found no broker"
            raise TransportFailed(f"records were not delivered: {what}; check the broker and the topic")
        return self._last

    def abort(self) -> None:
        """Drop what waits."""
        self._producer.purge()

    def close(self) -> None:
        """Drop what waits."""
        self._producer.purge()
