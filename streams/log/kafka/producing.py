"""Writing to a cluster without transactions: what connectors and tools use, never a task.

Idempotent, so that a retry duplicates nothing and reorders nothing; the timestamp of a record is
the wall clock at which it is handed over (design section 3: transport only).
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Producer

from schemas.errors import ShrivenError
from streams.log.kafka.cluster import Cluster
from streams.log.kafka.errors import LOGGER, MissingTopic, explain, reach
from streams.log.kafka.ranges import held_ranges

ANSWER_SECONDS = 10.0
DELIVERY_SECONDS = 120
QUEUE_RECORDS = 400_000
QUEUE_KILOBYTES = 256 << 10


class NotDelivered(ShrivenError):
    """A record was refused by the broker, or not acknowledged in time."""

    code = "not_delivered"


def partition_ends(cluster: Cluster, topics: Sequence[str]) -> dict[str, list[int]]:
    """Last stable offset of every partition, by topic (names without prefix).

    Raises:
        BrokerUnreachable: no broker answers within 10 s. CredentialsRefused, NotAllowed: it refuses
            this user.
        MissingTopic: names those that are not there.
    """
    admin = reach(cluster)
    try:
        found = admin.list_topics(timeout=ANSWER_SECONDS).topics
    except KafkaException as problem:
        raise explain(problem, cluster, "listing topics") from None
    names = {topic: cluster.name(topic) for topic in topics}
    missing = [name for name in names.values() if name not in found]
    if missing:
        raise MissingTopic(
            f"{', '.join(missing)} {'is' if len(missing) == 1 else 'are'} not on "
            f"{cluster.bootstrap}; run 'sq topics apply'"
        )
    held = held_ranges(
        admin,
        [(name, partition) for name in names.values() for partition in found[name].partitions],
    )
    return {
        topic: [held[name, partition][1] for partition in sorted(found[name].partitions)]
        for topic, name in names.items()
    }


class PlainProducer:
    """An idempotent producer. Records of one partition keep their order.

    Args:
        cluster: where to.
        client_id: how the broker's logs name this process.
        on_trouble: told in words when every broker is away, at most once every 10 s; the client
            goes on trying for two minutes.
    """

    def __init__(
        self, cluster: Cluster, client_id: str, on_trouble: Any = lambda _text: None
    ) -> None:
        self._cluster = cluster
        self._on_trouble = on_trouble
        self._told_at = -ANSWER_SECONDS
        self._failure: tuple[KafkaError, Any] | None = None
        self._purged = 0
        settings = cluster.client(
            client_id=client_id,
            enable_idempotence=True,
            linger_ms=5,
            batch_size=1_000_000,
            queue_buffering_max_messages=QUEUE_RECORDS,
            queue_buffering_max_kbytes=QUEUE_KILOBYTES,
            message_timeout_ms=1000 * DELIVERY_SECONDS,
            retry_backoff_ms=1,
        )
        # told only of records that failed: a callback for each delivered one would cost more than
        # the record itself
        settings |= {
            "logger": LOGGER,
            "delivery.report.only.error": True,
            "on_delivery": self._delivered,
            "error_cb": self._error,
        }
        self._producer = Producer(settings)

    def send(
        self,
        topic: str,
        values: Sequence[bytes],
        keys: Sequence[bytes | None],
        partitions: Sequence[int],
    ) -> None:
        """Hand records over; waits while the queue is full.

        Args:
            topic: as it is called on the cluster.
            values: framed bodies.
            keys, partitions: one for each.

        Raises:
            NotDelivered: a record handed over before, or one of these, was refused.
        """
        produce, poll = self._producer.produce, self._producer.poll
        for value, key, partition in zip(values, keys, partitions, strict=True):
            while True:
                try:
                    produce(topic, value, key, partition)
                    break
                except BufferError:
                    poll(0.05)
                    self._check()
                except KafkaException as problem:
                    raise self._refused(problem.args[0], topic, partition, len(value)) from None
        poll(0)
        self._check()

    def flush(self) -> None:
        """Wait until every record is acknowledged. Raises NotDelivered."""
        while self._producer.flush(0.5):
            self._check()
        self._check()

    def abandon(self) -> int:
        """Give up what is queued and not sent yet, wait for what is on its way; returns how many
        records were never sent.
        """
        self._producer.purge(in_flight=False)
        self._producer.flush(ANSWER_SECONDS)
        return self._purged

    def _delivered(self, error: KafkaError | None, message: Any) -> None:
        if error is None:
            return
        if error.code() == KafkaError._PURGE_QUEUE:
            self._purged += 1
        elif self._failure is None:
            self._failure = error, message

    def _error(self, error: KafkaError) -> None:
        """Told by the client: fatal errors, and brokers that are away."""
        if error.fatal():
            self._failure = self._failure or (error, None)
        elif (
            error.code() == KafkaError._ALL_BROKERS_DOWN
            and time.monotonic() - self._told_at >= ANSWER_SECONDS
        ):
            self._told_at = time.monotonic()
            self._on_trouble(
                f"no broker of {self._cluster.bootstrap} answers; trying for {DELIVERY_SECONDS} s"
            )

    def _check(self) -> None:
        if self._failure is None:
            return
        error, message = self._failure
        if message is None:
            raise NotDelivered(
                f"{self._cluster.bootstrap} refuses this producer ({error.str()}); start the "
                "command again"
            )
        raise self._refused(
            error, message.topic(), message.partition(), len(message.value() or b"")
        )

    def _refused(self, error: KafkaError, topic: str, partition: int, length: int) -> NotDelivered:
        where = f"a record of {length} bytes for {topic}/{partition}"
        if error.code() in (KafkaError.MSG_SIZE_TOO_LARGE, KafkaError.RECORD_LIST_TOO_LARGE):
            advice = (
                f"raise max.message.bytes of {topic}, and message.max.bytes in the cluster's "
                "settings"
            )
            return NotDelivered(f"{where} is larger than the topic takes; {advice}")
        if error.code() == KafkaError._MSG_TIMED_OUT:
            return NotDelivered(
                f"{where} was not acknowledged within {DELIVERY_SECONDS} s; see 'sq kafka status' "
                "and start the command again"
            )
        if error.code() in (
            KafkaError.UNKNOWN_TOPIC_OR_PART,
            KafkaError._UNKNOWN_TOPIC,
            KafkaError._UNKNOWN_PARTITION,
        ):
            return NotDelivered(f"{where}: the topic or partition is gone; run 'sq topics drift'")
        return NotDelivered(
            f"{where} was refused: {explain(error, self._cluster).text}; what was acknowledged "
            "before it stays"
        )


def framed(head: bytes, body: bytes, ends: Sequence[int]) -> list[bytes]:
    """Records as values: ``head`` (see :func:`streams.log.kafka.framing.header`) before each record
    of ``body``.

    Args:
        head: five bytes.
        body: the records' bytes, one after the other.
        ends: end position of each in ``body``.
    """
    values, start = [], 0
    for end in ends:
        values.append(head + body[start:end])
        start = end
    return values
