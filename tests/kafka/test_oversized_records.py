"""Records that are too large: refused by name at producer and broker, read whole at the fetch
limit, dead-lettered with all their bytes.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import (
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    ResourceType,
)  # type: ignore[attr-defined]

from schemas.codec import codec
from streams.log.kafka.client import KafkaLog
from streams.log.kafka.cluster import Cluster
from streams.log.kafka.errors import RecordTooLarge
from streams.log.kafka.producing import NotDelivered, PlainProducer
from streams.log.kafka.topics import DEAD_LETTER_BYTES_MAX, MESSAGE_BYTES_MAX
from streams.log.kafka.transport import Writer
from tests.kafka.live_market import LiveMarket, run_to_end
from tests.scenario import make_recording

pytestmark = pytest.mark.broker


@pytest.fixture
def market(cluster: Cluster, tmp_path: Path) -> LiveMarket:
    return LiveMarket(cluster, make_recording(tmp_path / "recording", updates=60, trades=80))


def _limit(cluster: Cluster, topic: str, most: int) -> None:
    """The topic takes batches of so many bytes."""
    entry = ConfigEntry("max.message.bytes", str(most), incremental_operation=AlterConfigOpType.SET)
    resource = ConfigResource(ResourceType.TOPIC, cluster.name(topic), incremental_configs=[entry])
    admin = AdminClient(cluster.client())
    for future in admin.incremental_alter_configs([resource]).values():
        future.result(30)


def _writers(market: LiveMarket) -> list[Writer]:
    transactional = market.log.writer(market.cluster.name("test"))
    transactional.init()
    return [market.log.plain_writer(), transactional]


def _refused(writer: Writer, topic: str, length: int) -> str:
    writer.begin()
    with pytest.raises(RecordTooLarge) as problem:
        writer.produce(topic, 0, [b"small", b"x" * length, b"small"])
        writer.commit()
    writer.abort()
    return problem.value.text


@pytest.mark.smoke
def test_what_exceeds_the_producer_or_the_topic_is_refused_by_name_and_the_writer_goes_on(
    market: LiveMarket,
) -> None:
    """Nothing of the transaction is there; without one, what was queued before is, as for any
    failure.
    """
    topic = market.cluster.name("md.trades")
    _limit(market.cluster, "md.trades", 100_000)
    for writer in _writers(market):
        for length in (DEAD_LETTER_BYTES_MAX + 1, 200_000):  # the client's bound, the broker's
            text = _refused(writer, topic, length)
            assert (
                f"a record of {length} bytes for {topic}/0" in text
                and f"raise max.message.bytes of {topic}" in text
            )
    assert set(market.records("md.trades")) <= {b""}  # of five bytes, less their framing
    writer = market.log.writer(market.cluster.name("after"))
    writer.init()
    writer.begin()
    writer.produce(topic, 0, [b"\0\0\0\0\0fits"])
    writer.commit()
    assert market.records("md.trades")[-1] == b"fits"


def test_a_feed_is_told_which_record_is_too_large(market: LiveMarket) -> None:
    topic = market.cluster.name("md.trades")
    _limit(market.cluster, "md.trades", 100_000)
    producer = PlainProducer(market.cluster, "test")
    with pytest.raises(
        NotDelivered, match=f"200000 bytes for {topic}/0 is larger than the topic takes"
    ):
        producer.send(topic, [b"x" * 200_000], [None], [0])
        producer.flush()


def test_a_record_above_the_fetch_limit_is_read_whole(market: LiveMarket) -> None:
    """Oracle: KIP-74: a fetch gives at least one record, however large."""
    _limit(market.cluster, "md.trades", 20_000_000)
    value = b"\0\0\0\0\0" + b"y" * (MESSAGE_BYTES_MAX + 4_000_000)
    producer = Producer(market.cluster.client(message_max_bytes=20_000_000))
    for each in (b"\0\0\0\0\0a", value, b"\0\0\0\0\0b"):
        producer.produce(market.cluster.name("md.trades"), each, partition=0)
    assert producer.flush(30) == 0
    assert market.records("md.trades") == [b"a", value[5:], b"b"]


@pytest.mark.smoke
def test_the_largest_record_an_input_takes_becomes_a_dead_letter_with_all_its_bytes(
    market: LiveMarket,
) -> None:
    """A dead letter is larger than its record: its topic takes more than the inputs do."""
    largest = b"\x01" + b"z" * (MESSAGE_BYTES_MAX - 200)
    writer = market.log.plain_writer()
    writer.begin()
    writer.produce(market.cluster.name("md.trades"), 0, [largest])
    writer.commit()
    fed = 1 + market.feed()
    task = market.task()
    task.prepare()
    run_to_end(task, fed)
    task.drain()
    task.close()
    (letter,) = [
        codec("DeadLetter").decode_records(body, 1)[0] for body in market.records("pipeline.dlq")
    ]
    assert letter.payload == largest


def test_a_dead_letter_that_its_topic_does_not_take_halts_by_name_and_is_written_once_it_does(
    market: LiveMarket,
) -> None:
    largest = b"\x01" + b"z" * 300_000
    writer = KafkaLog(market.cluster).plain_writer()
    writer.begin()
    writer.produce(market.cluster.name("md.trades"), 0, [largest])
    writer.commit()
    fed = 1 + market.feed()
    _limit(market.cluster, "pipeline.dlq", 100_000)
    for _ in range(2):
        task = market.task()
        task.prepare()
        with pytest.raises(RecordTooLarge, match=r"pipeline\.dlq/0"):
            run_to_end(task, fed)
        task.close()
    assert market.records("pipeline.dlq") == []
    _limit(market.cluster, "pipeline.dlq", DEAD_LETTER_BYTES_MAX)
    task = market.task()
    task.prepare()
    run_to_end(task, fed)
    task.close()
    assert [
        codec("DeadLetter").decode_records(body, 1)[0].payload
        for body in market.records("pipeline.dlq")
    ] == [largest]
