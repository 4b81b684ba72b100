"""Records on their way to a cluster: queued, delivered, refused."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Producer

from streams.log.kafka.cluster import Cluster
from streams.log.kafka.errors import is_too_large, too_large
from streams.log.kafka.silence import PATIENT
from streams.log.kafka.topics import DEAD_LETTER_BYTES_MAX
from streams.log.kafka.transport import Partition

COMMIT_SECONDS = 30.0


class Outbox:
    """A producer, and what became of the records it was given.

    Args:
        cluster: where to.
        settings: of the producer, beside those that every writer has.

    Attributes:
        last: offset of the last delivered record of every partition.
        failed: why a record was not delivered, or None; its size before any other reason, for it is
            the cause of the rest.
    """

    def __init__(self, cluster: Cluster, **settings: Any) -> None:
        self.producer = Producer(
            cluster.client(
                batch_size=1_000_000,
                message_max_bytes=DEAD_LETTER_BYTES_MAX,
                queue_buffering_max_messages=2_000_000,
                queue_buffering_max_kbytes=1_048_576,
                **PATIENT,
                **settings,
            )
        )
        self.forget()

    def forget(self) -> None:
        """What was delivered before is nothing to what comes."""
        self.last: dict[Partition, int] = {}
        self.failed: KafkaError | None = None
        self._largest = ("", 0, 0)

    def send(
        self,
        topic: str,
        partition: int,
        values: Sequence[bytes],
        keys: Sequence[bytes] | None = None,
    ) -> None:
        """Queue records; waits only while the queue is full.

        Raises:
            RecordTooLarge: the client refuses one for its size. KafkaException: for anything else.
        """
        produce = self.producer.produce
        last = len(values) - 1
        for number, value in enumerate(values):
            key = keys[number] if keys is not None else None
            while True:
                try:
                    produce(
                        topic,
                        value,
                        key=key,
                        partition=partition,
                        on_delivery=self._delivered if number == last else self._lost,
                    )
                    break
                except BufferError:
                    self.producer.poll(0.01)
                except KafkaException as problem:
                    if is_too_large(problem.args[0]):
                        raise too_large(topic, partition, len(value)) from problem
                    raise

    def check_size(self) -> None:
        """Raise RecordTooLarge if the broker refused a record for its size. It refuses a batch
        whole: the largest of its records is to blame.
        """
        if is_too_large(self.failed):
            raise too_large(*self._largest)

    def _delivered(self, error: KafkaError | None, message: Any) -> None:
        if error is not None:
            self._lost(error, message)
        else:
            self.last[message.topic(), message.partition()] = message.offset()

    def _lost(self, error: KafkaError | None, message: Any) -> None:
        if error is None:
            return
        if is_too_large(error):
            self._largest = max(
                self._largest,
                (message.topic(), message.partition(), len(message.value() or b"")),
                key=lambda found: found[2],
            )
        if is_too_large(error) or not is_too_large(self.failed):
            self.failed = error
