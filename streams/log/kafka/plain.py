"""An idempotent producer without transactions, by the protocol of a writer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Producer

from streams.log.kafka.cluster import Cluster
from streams.log.kafka.errors import Refusals, is_too_large, too_large
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
        self._refusals = Refusals()

    def _delivered(self, error: KafkaError | None, message: Any) -> None:
        if error is not None:
            self._refusals.take(error, message)
        else:
            self._last[message.topic(), message.partition()] = message.offset()

    def init(self) -> None:
        """Nothing to do."""

    def begin(self) -> None:
        """Forget what was delivered before."""
        self._last, self._refusals = {}, Refusals()

    def produce(self, topic: str, partition: int, values: Sequence[bytes], keys: Sequence[bytes] | None = None) -> None:
        """Queue records; waits only while the local queue is full. Raises RecordTooLarge."""
        for number, value in enumerate(values):
            key = keys[number] if keys is not None else None
            while True:
                try:
                    self._producer.produce(topic, value, key=key, partition=partition, on_delivery=self._delivered)
                    break
                except BufferError:
                    self._producer.poll(0.01)
                except KafkaException as problem:
                    if is_too_large(problem.args[0]):
                        raise too_large(topic, partition, len(value)) from problem
                    raise TransportFailed(f"{topic}/{partition} takes no record: {problem.args[0].str()}") from problem
        self._producer.poll(0)

    def commit(self) -> Mapping[Partition, int]:
        """Wait until everything is delivered. Raises TransportFailed, RecordTooLarge."""
        left = self._producer.flush(COMMIT_SECONDS)
        self._refusals.check_size()
        failed = self._refusals.error
        if failed is not None or left:
            what = f"{failed.str()} ({failed.name()})" if failed is not None else f"{left} records found no broker"
            raise TransportFailed(f"records were not delivered: {what}; check the broker and the topic")
        return self._last

    def abort(self) -> None:
        """Drop what waits."""
        self._producer.purge()

    def close(self) -> None:
        """Drop what waits."""
        self._producer.purge()
