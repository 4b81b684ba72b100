"""Topics of the Kafka benchmarks: made anew, filled, read to their end."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence

from confluent_kafka import (
    OFFSET_BEGINNING,
    Consumer,
    KafkaError,
    KafkaException,
    Producer,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient, NewTopic  # type: ignore[attr-defined]

from streams.log.kafka.cluster import Cluster

WAIT_SECONDS = 60
FILL = {
    "enable_idempotence": True,
    "linger_ms": 5,
    "batch_size": 1_000_000,
    "queue_buffering_max_messages": 1_000_000,
}
# reference/kafka.md 11.4
CATCH_UP = {
    "enable_auto_commit": False,
    "enable_auto_offset_store": False,
    "isolation_level": "read_committed",
    "auto_offset_reset": "error",
    "fetch_queue_backoff_ms": 2,
    "queued_min_messages": 100_000,
    "fetch_message_max_bytes": 8_388_608,
}


def renew(cluster: Cluster, names: Iterable[str], **config: str) -> None:
    """Make the topics with one partition each; what had these names is deleted first."""
    wanted = list(names)
    remove(cluster, wanted)
    admin = AdminClient(cluster.client())
    deadline = time.monotonic() + WAIT_SECONDS
    while wanted:
        made = admin.create_topics(
            [NewTopic(name, 1, 1, config=config) for name in wanted], operation_timeout=30
        )
        left = []
        for name, future in made.items():
            try:
                future.result()
            except KafkaException as problem:
                if (
                    problem.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS
                    or time.monotonic() > deadline
                ):
                    raise
                left.append(name)  # its deletion is still under way
        wanted = left
        time.sleep(0.1 if left else 0)


def remove(cluster: Cluster, names: Iterable[str]) -> None:
    """Delete topics; those that are not there are no error."""
    admin = AdminClient(cluster.client())
    for future in admin.delete_topics(list(names), operation_timeout=30).values():
        try:
            future.result()
        except KafkaException as problem:
            if problem.args[0].code() != KafkaError.UNKNOWN_TOPIC_OR_PART:
                raise


def existing(cluster: Cluster) -> set[str]:
    """Names of all topics."""
    return set(AdminClient(cluster.client()).list_topics(timeout=WAIT_SECONDS).topics)


def fill(
    cluster: Cluster, name: str, blocks: Iterable[list[bytes]], keys: Sequence[bytes] | None = None
) -> int:
    """Append the values to partition 0, with ``keys`` one for each; returns how many there were."""
    producer = Producer(cluster.client(**FILL))
    count = 0
    for block in blocks:
        for number, value in enumerate(block, count):
            producer.produce(name, value, key=None if keys is None else keys[number], partition=0)
        count += len(block)
        while len(producer) > 500_000:
            producer.poll(0.01)
    if producer.flush(WAIT_SECONDS):
        raise TimeoutError(
            f"{name}: {len(producer)} records were not delivered within {WAIT_SECONDS} s"
        )
    return count


def end(cluster: Cluster, name: str) -> int:
    """Last stable offset of partition 0."""
    reader = Consumer(cluster.client(group_id="bench-ends", isolation_level="read_committed"))
    try:
        return int(
            reader.get_watermark_offsets(
                TopicPartition(name, 0), timeout=WAIT_SECONDS, cached=False
            )[1]
        )
    finally:
        reader.close()


def values(cluster: Cluster, name: str, isolation: str = "read_committed") -> Iterator[bytes]:
    """All values of partition 0 up to its present end."""
    reader = Consumer(
        cluster.client(**{**CATCH_UP, "group_id": "bench-values", "isolation_level": isolation})
    )
    try:
        last = reader.get_watermark_offsets(
            TopicPartition(name, 0), timeout=WAIT_SECONDS, cached=False
        )[1]
        reader.assign([TopicPartition(name, 0, OFFSET_BEGINNING)])
        deadline = time.monotonic() + WAIT_SECONDS
        while last > 0 and reader.position([TopicPartition(name, 0)])[0].offset < last:
            for message in reader.consume(10_000, 0.2):
                if message.error() is not None:
                    raise KafkaException(message.error())
                deadline = time.monotonic() + WAIT_SECONDS
                yield message.value() or b""
            if time.monotonic() > deadline:
                raise TimeoutError(
                    f"{name}: no record came for {WAIT_SECONDS} s before offset {last}"
                )
    finally:
        reader.close()
