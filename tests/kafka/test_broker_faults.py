"""What a test may do to a broker of its own, and what is left afterwards. Oracle: records read back
through a client made anew.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from infra.kafka.broker import Broker
from infra.kafka.ready import broker_answers

pytestmark = pytest.mark.broker
TOPIC = "kept"


def write(broker: Broker, value: bytes) -> None:
    producer = Producer({"bootstrap.servers": broker.bootstrap, "log_level": 0})
    problems: list[object] = []
    producer.produce(
        TOPIC, value, partition=0, on_delivery=lambda problem, _: problems.append(problem)
    )
    producer.flush(30)
    assert problems == [None]


def read(broker: Broker) -> list[bytes]:
    consumer = Consumer(
        {
            "bootstrap.servers": broker.bootstrap,
            "group.id": "r",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
        }
    )
    consumer.assign([TopicPartition(TOPIC, 0, 0)])
    found = []
    while (message := consumer.poll(20)) is not None and message.error() is None:
        found.append(message.value())
    consumer.close()
    return found


def test_records_survive_a_kill_a_pause_and_a_clean_restart(
    own_broker: Callable[..., Broker],
) -> None:
    broker = own_broker(properties={"log.segment.bytes": "1048576"})
    broker.start()
    address = broker.bootstrap
    admin = AdminClient({"bootstrap.servers": address, "log_level": 0})
    admin.create_topics([NewTopic(TOPIC, 1)])[TOPIC].result(20)
    write(broker, b"before")

    broker.pause()
    assert broker.alive and not broker_answers(address, seconds=1)
    broker.resume()
    write(broker, b"after the pause")

    broker.kill()
    assert not broker.alive and not broker_answers(address, seconds=1)
    broker.start()
    write(broker, b"after the kill")

    broker.restart()
    assert broker.bootstrap == address
    assert read(broker) == [b"before", b"after the pause", b"after the kill"]
    assert list(broker.partition_folder(TOPIC, 0).glob("*.log"))
    assert "log.segment.bytes=1048576" in (broker.folder / "server.properties").read_text()

    broker.wipe()
    assert not Path(broker.folder).exists()
