"""An idempotent producer without transactions, by the protocol of a writer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from confluent_kafka import KafkaException

from streams.log.kafka.cluster import Cluster
from streams.log.kafka.outbox import COMMIT_SECONDS, Outbox
from streams.log.kafka.transport import Partition, TransportFailed


class KafkaPlainWriter:
    """An idempotent producer without transactions: snapshots, claims, fed recordings."""

    def __init__(self, cluster: Cluster) -> None:
        self._outbox = Outbox(cluster, enable_idempotence=True, linger_ms=5)

    def init(self) -> None:
        """Nothing to do."""

    def begin(self) -> None:
        """Forget what was delivered before."""
        self._outbox.forget()

    def produce(
        self,
        topic: str,
        partition: int,
        values: Sequence[bytes],
        keys: Sequence[bytes] | None = None,
    ) -> None:
        """Queue records; waits only while the local queue is full. Raises RecordTooLarge,
        TransportFailed.
        """
        try:
            self._outbox.send(topic, partition, values, keys)
        except KafkaException as problem:
            raise TransportFailed(
                f"{topic}/{partition} takes no record: {problem.args[0].str()}"
            ) from problem
        self._outbox.producer.poll(0)

    def commit(self) -> Mapping[Partition, int]:
        """Wait until everything is delivered. Raises TransportFailed, RecordTooLarge."""
        left, failed = self._outbox.producer.flush(COMMIT_SECONDS), self._outbox.failed
        self._outbox.check_size()
        if failed is not None or left:
            what = (
                f"{failed.str()} ({failed.name()})"
                if failed is not None
                else f"{left} records found no broker"
            )
            raise TransportFailed(
                f"records were not delivered: {what}; check the broker and the topic"
            )
        return self._outbox.last

    def abort(self) -> None:
        """Drop what waits."""
        self._outbox.producer.purge()

    def void(self, partitions: Sequence[Partition]) -> None:
        """Nothing of it is ever open."""

    def close(self) -> None:
        """Drop what waits."""
        self._outbox.producer.purge()
