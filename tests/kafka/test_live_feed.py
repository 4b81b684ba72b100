"""``sq feed``: a recording becomes a live feed on a real broker.

Oracle: the recording itself, read by fastavro; the broker's own timestamps.
"""

from __future__ import annotations

import io
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

import fastavro
import pytest
from confluent_kafka import Consumer, TopicPartition

from connectors.simulators.market import generate
from streams.log.kafka.cluster import Cluster
from streams.log.kafka.partitions import partition_of_instrument
from tests.kafka.edge_topics import EdgeTopics
from tests.scenario import records_in

pytestmark = pytest.mark.broker
FED = ("control", "ref.instruments", "md.trades", "md.depth", "md.book_tickers")


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One minute of a generated market."""
    path = tmp_path_factory.mktemp("feed") / "toy"
    generate(1, 5, path)
    return path


@pytest.fixture
def topics(cluster: Cluster) -> EdgeTopics:
    return EdgeTopics(cluster, FED, partitions=2)


def fed(topics: EdgeTopics, recording: Path) -> dict[str, list[tuple[int, Any, int, Any]]]:
    """By topic, (partition, key, timestamp in ms, record) as a plain consumer sees them."""
    consumer = Consumer(
        topics.cluster.client(
            group_id="look", enable_partition_eof=True, auto_offset_reset="earliest"
        )
    )
    found: dict[str, list[tuple[int, Any, int, Any]]] = defaultdict(list)
    for topic in FED:
        schema = (
            fastavro.parse_schema(_schema(recording, topic))
            if (recording / topic).exists()
            else None
        )
        for partition in (0, 1) if topic.startswith("md.") else (0,):
            consumer.assign([TopicPartition(topics.cluster.name(topic), partition, 0)])
            while True:
                message = consumer.poll(10)
                assert message is not None, "a partition says where it ends"
                if message.error():
                    break
                value: Any = message.value()
                assert value[0] == 0 and int.from_bytes(value[1:5], "big") == topics.ids[topic]
                assert schema is not None
                record = fastavro.schemaless_reader(io.BytesIO(value[5:]), schema, None)
                found[topic].append((partition, message.key(), message.timestamp()[1], record))
    consumer.close()
    return dict(found)


def _schema(recording: Path, topic: str) -> Any:
    with next((recording / topic / "0").glob("*.avro")).open("rb") as file:
        return fastavro.reader(file).writer_schema


def test_every_record_is_fed_once_framed_keyed_and_stamped_with_the_wall_clock(
    topics: EdgeTopics, recording: Path
) -> None:
    before = time.time_ns() // 1_000_000
    ended = topics.sq("feed", str(recording), "--speed", "max")
    after = time.time_ns() // 1_000_000
    assert ended.returncode == 0, ended.stderr
    found = fed(topics, recording)
    for topic in FED[1:]:
        assert [record for *_, record in found[topic]] == records_in(recording, topic)
        for partition, key, timestamp, record in found[topic]:
            assert key == str(record["instrument"]).encode()
            assert partition == (
                partition_of_instrument(record["instrument"], 2) if topic.startswith("md.") else 0
            )
            assert before <= timestamp <= after, "the wall clock, never event time"
    assert max(timestamp for _, _, timestamp, _ in found["ref.instruments"]) <= min(
        timestamp for _, _, timestamp, _ in found["md.depth"]
    )
    again = topics.sq("feed", str(recording), "--speed", "max")
    assert again.returncode == 0
    assert "already holds md.trades" in again.stderr
    assert len(fed(topics, recording)["md.trades"]) == 2 * len(found["md.trades"])


def test_no_record_is_fed_before_its_time(topics: EdgeTopics, recording: Path) -> None:
    """Property: with speed s, a record of event time t is not on the broker before (t - first t) /
    s of wall time have gone by.
    """
    speed = 30
    assert topics.sq("feed", str(recording), "--speed", str(speed)).returncode == 0
    market = [
        row
        for topic, rows in fed(topics, recording).items()
        if topic != "ref.instruments"
        for row in rows
    ]
    found = [(timestamp, record["event_time"]) for *_, timestamp, record in market]
    first_wall = min(timestamp for timestamp, _ in found)
    first_event = min(event for _, event in found)
    assert max(event for _, event in found) - first_event > 50e9
    # the first record's own stamp may come some milliseconds after the pace's clock has started
    for timestamp, event in found:
        assert timestamp - first_wall >= (event - first_event) / 1e6 / speed - 250, (
            timestamp,
            event,
        )


def test_a_feed_without_its_topics_is_refused_by_name(cluster: Cluster, recording: Path) -> None:
    topics = EdgeTopics(cluster, ("control", "ref.instruments", "md.trades"))
    ended = topics.sq("feed", str(recording))
    assert ended.returncode == 2
    assert (
        f"{cluster.name('md.depth')}, {cluster.name('md.book_tickers')} are not on" in ended.stderr
    )
    assert "sq topics apply" in ended.stderr


def test_a_run_folder_or_nothing_is_refused(topics: EdgeTopics, tmp_path: Path) -> None:
    assert "does not exist" in topics.sq("feed", str(tmp_path / "none")).stderr
    for speed in ("0", "-1", "fast"):
        ended = topics.sq("feed", str(tmp_path), "--speed", speed)
        assert ended.returncode == 2 and "is no speed" in ended.stderr
