"""Records taken by librdkafka's C interface are those that the ordinary client reads.

Oracle: confluent-kafka's own ``Consumer.consume`` on the same partitions, record by record: offset,
value, timestamp.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from confluent_kafka import Consumer, KafkaError, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from schemas.errors import WrongUse
from streams.log.kafka import native
from streams.log.kafka.bulk import BulkQueue, Fetch
from streams.log.kafka.cluster import Cluster
from streams.log.kafka.framing import NOT_FRAMED, FramedValues, header
from streams.log.kafka.reader import KafkaReader
from streams.log.kafka.transport import OffsetOutOfRange

SECONDS = 60
Record = tuple[str, int, int, bytes, int]
SETTINGS = {
    "enable_auto_commit": False,
    "auto_offset_reset": "error",
    "enable_partition_eof": True,
    "isolation_level": "read_committed",
}


@pytest.fixture
def topic(bare_cluster: Cluster) -> str:
    """Two partitions: transactions of some hundred records, every other one aborted, values framed
    and not, of many lengths, empty ones too.
    """
    name = bare_cluster.name("bulk")
    admin = AdminClient(bare_cluster.client())
    admin.create_topics([NewTopic(name, 2, 1)])[name].result()
    producer = Producer(bare_cluster.client(transactional_id=name))
    producer.init_transactions(SECONDS)
    for batch in range(6):
        producer.begin_transaction()
        for number in range(500):
            body = bytes([batch]) * (number % 97)
            value = [header(number) + body, b"\1" + body, b"", b"\0\0"][
                0 if number % 5 else number % 4
            ]
            producer.produce(name, value, partition=number % 2, key=str(number))
        producer.flush(SECONDS)
        producer.abort_transaction(SECONDS) if batch % 2 else producer.commit_transaction(SECONDS)
    return name


@pytest.fixture
def consumer(bare_cluster: Cluster) -> Iterator[Callable[..., Consumer]]:
    """Makes consumers; closed at the end."""
    made: list[Consumer] = []

    def make(**more: Any) -> Consumer:
        made.append(Consumer({**bare_cluster.client(**SETTINGS, group_id="bulk"), **more}))
        return made[-1]

    yield make
    for each in made:
        each.close()


def expected(consumer: Consumer, topic: str) -> list[Record]:
    """Every committed record, by the ordinary client."""
    consumer.assign([TopicPartition(topic, 0, 0), TopicPartition(topic, 1, 0)])
    found: list[Record] = []
    ended: set[int] = set()
    deadline = time.monotonic() + SECONDS
    while len(ended) < 2 and time.monotonic() < deadline:
        for message in consumer.consume(1000, 0.2):
            if message.error() is None:
                found.append(
                    (
                        topic,
                        message.partition(),
                        message.offset(),
                        message.value() or b"",
                        message.timestamp()[1],
                    )
                )
            else:
                assert message.error().code() == KafkaError._PARTITION_EOF
                ended.add(message.partition())
    assert len(found) == 1500
    return sorted(found)


def records_of(fetches: list[Fetch]) -> list[Record]:
    """The same form."""
    found: list[Record] = []
    for fetch in fetches:
        for offset, value, timestamp in zip(
            fetch.offsets.tolist(), fetch.values, fetch.timestamps_ms.tolist(), strict=True
        ):
            found.append((fetch.topic, fetch.partition, offset, value, timestamp))
    return found


def taken(queue: BulkQueue, count: int, limit: int) -> list[Record]:
    """Polls until ``count`` records came."""
    found: list[Record] = []
    deadline = time.monotonic() + SECONDS
    while len(found) < count and time.monotonic() < deadline:
        part = records_of(queue.poll(limit, 0.2))
        assert len(part) <= limit
        found += part
    return found


def wait_for_events(queue: BulkQueue, count: int) -> None:
    deadline = time.monotonic() + SECONDS
    while len(queue.events) < count and time.monotonic() < deadline:
        assert not queue.poll(1000, 0.2)


def test_the_c_interface_is_reached_with_the_locked_client() -> None:
    assert native.library() is not None


@pytest.mark.parametrize("limit", [1, 7, 100_000])
@pytest.mark.parametrize("direct", [True, False])
def test_records_are_those_of_the_ordinary_client(
    topic: str, consumer: Callable[..., Consumer], direct: bool, limit: int
) -> None:
    queue = BulkQueue(consumer(), direct)
    assert queue.is_direct is direct
    queue.assign({(topic, 0): 0, (topic, 1): 0})
    found = taken(queue, 1500, limit)
    assert sorted(found) == expected(consumer(), topic)
    for partition in (0, 1):
        offsets = [record[2] for record in found if record[1] == partition]
        assert offsets == sorted(offsets)
    wait_for_events(queue, 2)
    assert {(event.code, event.partition) for event in queue.events} == {
        (KafkaError._PARTITION_EOF, 0),
        (KafkaError._PARTITION_EOF, 1),
    }
    queue.close()


@pytest.mark.parametrize("direct", [True, False])
def test_partitions_are_moved_given_up_and_never_taken_back(
    topic: str, consumer: Callable[..., Consumer], direct: bool
) -> None:
    queue = BulkQueue(consumer(), direct)
    queue.assign({(topic, 0): 0, (topic, 1): 0})
    whole = taken(queue, 1500, 1000)
    for _ in range(5):
        queue.assign({(topic, 0): 0, (topic, 1): 0})
        assert sorted(taken(queue, 1500, 100)) == sorted(whole)
    queue.assign({(topic, 1): 0})
    assert sorted(taken(queue, 750, 1000)) == sorted(record for record in whole if record[1] == 1)
    with pytest.raises(WrongUse, match="given up"):
        queue.assign({(topic, 0): 0})
    queue.close()


@pytest.mark.parametrize("direct", [True, False])
def test_a_position_outside_the_partition_is_an_event_and_no_jump(
    topic: str, consumer: Callable[..., Consumer], direct: bool
) -> None:
    queue = BulkQueue(consumer(), direct)
    queue.assign({(topic, 0): 10**9})
    wait_for_events(queue, 1)
    assert queue.events[0].code in (KafkaError._AUTO_OFFSET_RESET, KafkaError.OFFSET_OUT_OF_RANGE)
    assert queue.events[0][1:3] == (topic, 0)
    queue.close()


def test_callbacks_of_the_client_are_served_by_its_own_poll_and_records_stay_in_the_queue(
    topic: str, consumer: Callable[..., Consumer]
) -> None:
    statistics: list[str] = []
    stored: list[Any] = []
    client = consumer(
        **{
            "statistics.interval.ms": 20,
            "stats_cb": statistics.append,
            "on_commit": lambda _error, places: stored.append(places),
        }
    )
    queue = BulkQueue(client)
    queue.assign({(topic, 0): 0, (topic, 1): 0})
    found: list[Record] = []
    deadline = time.monotonic() + SECONDS
    while (len(found) < 1500 or not statistics or len(stored) < 2) and time.monotonic() < deadline:
        found += records_of(queue.poll(100, 0.01))
        client.commit(offsets=[TopicPartition(topic, 0, 5)], asynchronous=True)
        client.commit(offsets=[TopicPartition(topic, 0, 6)], asynchronous=False)
        assert client.poll(0) is None
    assert statistics and len(stored) >= 2
    assert len(found) == 1500
    assert client.position([TopicPartition(topic, 0)])[0].offset > max(
        record[2] for record in found if record[1] == 0
    )
    queue.close()


def test_the_runners_reader_moves_between_partitions_and_says_what_is_gone(
    topic: str, bare_cluster: Cluster, consumer: Callable[..., Consumer]
) -> None:
    whole = expected(consumer(), topic)
    reader = KafkaReader(bare_cluster, "bulk")
    for partition in (0, 1, 0):
        for _ in range(2):
            reader.assign({(topic, partition): 0})
            found: list[tuple[int, bytes]] = []
            deadline = time.monotonic() + SECONDS
            while reader.is_behind((topic, partition)) and time.monotonic() < deadline:
                chunk = reader.fetch(100, 0.2)
                found += zip(chunk.offsets, chunk.values, strict=True)
            assert found == [(record[2], record[3]) for record in whole if record[1] == partition]
            assert reader.position((topic, partition)) == reader.end((topic, partition))
    reader.assign({(topic, 0): 10**9})
    with pytest.raises(OffsetOutOfRange, match=f"{topic}/0"):
        for _ in range(SECONDS * 5):
            reader.fetch(100, 0.2)
    reader.close()


def test_values_kept_as_one_body_are_a_sequence_of_what_was_read() -> None:
    values = [header(7) + b"abc", b"plain", header(1 << 30), b"", header(7) + b"z"]
    bodies = [b"abc", b"plain", b"", b"", b"z"]
    ends = np.cumsum([len(body) for body in bodies])
    kept = FramedValues(
        np.frombuffer(b"".join(bodies), np.uint8),
        ends,
        np.array([7, NOT_FRAMED, 1 << 30, NOT_FRAMED, 7]),
    )
    assert list(kept) == values
    assert [kept[at] for at in range(-5, 5)] == values * 2
    for first in range(6):
        for last in range(6):
            assert list(kept[first:last]) == values[first:last]
    assert list(kept[::-1]) == values[::-1]
    assert len(kept) == 5
    with pytest.raises(IndexError):
        kept[5]
