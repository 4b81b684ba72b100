"""The fault proxy does to a real broker's answers what it says. Oracle: a second client that talks
to the broker directly.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest
from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic
from fault_proxy import END_TXN, METADATA, PRODUCE, FaultProxy
from needs import need_broker

from infra.kafka.broker import Broker

pytestmark = pytest.mark.broker
TOPIC = "proxied"


@pytest.fixture(scope="module")
def proxied(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[FaultProxy, Broker]]:
    """A broker that advertises the proxy before it, with one topic."""
    need_broker()
    with (
        FaultProxy(seed=7) as proxy,
        Broker(
            tmp_path_factory.mktemp("proxied"), advertised=proxy.address, dies_with_parent=True
        ) as broker,
    ):
        proxy.target = broker.bootstrap
        broker.start()
        admin = AdminClient({"bootstrap.servers": proxy.address})
        admin.create_topics([NewTopic(TOPIC, 1)])[TOPIC].result(20)
        yield proxy, broker


@pytest.fixture
def proxy(proxied: tuple[FaultProxy, Broker]) -> Iterator[FaultProxy]:
    yield proxied[0]
    proxied[0].heal()


def produce(proxy: FaultProxy, value: bytes, **settings: Any) -> float:
    """Seconds until the record was acknowledged."""
    producer = Producer(
        {"bootstrap.servers": proxy.address, "log_level": 0, "enable.idempotence": True, **settings}
    )
    problems: list[Any] = []
    began = time.monotonic()
    producer.produce(
        TOPIC, value, partition=0, on_delivery=lambda problem, _: problems.append(problem)
    )
    producer.flush(60)
    assert problems == [None]
    return time.monotonic() - began


def values(broker: Broker) -> list[bytes]:
    """Every committed record, read without the proxy: the inner listener is the broker's own."""
    consumer = Consumer(
        {
            "bootstrap.servers": broker.inner,
            "group.id": "oracle",
            "isolation.level": "read_committed",
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


def test_clients_stay_behind_the_proxy_and_their_requests_are_counted(
    proxied: tuple[FaultProxy, Broker], proxy: FaultProxy
) -> None:
    before = proxy.requests[PRODUCE]
    produce(proxy, b"counted")
    assert proxy.requests[PRODUCE] == before + 1
    assert proxy.requests[METADATA] > 0
    assert b"counted" in values(proxied[1])


def test_latency_is_added_in_both_directions(proxy: FaultProxy) -> None:
    proxy.latency_seconds = 0.3
    assert produce(proxy, b"slow") > 4 * 0.3  # at least two round trips: metadata and produce


def test_a_narrow_line_takes_as_long_as_its_width_says(proxy: FaultProxy) -> None:
    proxy.bytes_per_second = 200_000
    assert produce(proxy, b"x" * 400_000, **{"message.max.bytes": 900_000}) > 1.5


def test_a_lost_produce_answer_is_tried_again_and_written_once(
    proxied: tuple[FaultProxy, Broker], proxy: FaultProxy
) -> None:
    before = proxy.requests[PRODUCE]
    loss = proxy.lose_answer(PRODUCE, "half")
    produce(proxy, b"once")
    assert loss.done.is_set()
    assert proxy.requests[PRODUCE] == before + 2
    assert values(proxied[1]).count(b"once") == 1


@pytest.mark.parametrize("how", ["cut", "swallow"])
def test_a_commit_whose_answer_is_lost_has_happened(
    proxied: tuple[FaultProxy, Broker], proxy: FaultProxy, how: Any
) -> None:
    value = f"committed {how}".encode()
    producer = Producer(
        {
            "bootstrap.servers": proxy.address,
            "transactional.id": f"lost-{how}",
            "log_level": 0,
            "retry.backoff.ms": 1,
        }
    )
    producer.init_transactions(30)
    producer.begin_transaction()
    producer.produce(TOPIC, value, partition=0)
    producer.flush(20)
    loss = proxy.lose_answer(END_TXN, how)
    try:
        producer.commit_transaction(3)
    except KafkaException as unknown:
        assert unknown.args[0].retriable()
    assert loss.done.wait(20)
    assert value in values(proxied[1])  # whatever the client believes, the broker has committed


def test_a_stall_holds_answers_back_until_healed(proxy: FaultProxy) -> None:
    producer = Producer({"bootstrap.servers": proxy.address, "log_level": 0})
    producer.list_topics(timeout=20)
    proxy.stall("down")
    landed: list[Any] = []
    producer.produce(
        TOPIC, b"held", partition=0, on_delivery=lambda problem, _: landed.append(problem)
    )
    producer.flush(1.5)
    assert landed == []
    proxy.heal()
    producer.flush(30)
    assert landed == [None]


def test_a_cut_broker_refuses_until_healed(proxy: FaultProxy) -> None:
    admin = AdminClient({"bootstrap.servers": proxy.address, "log_level": 0})
    admin.list_topics(timeout=20)
    proxy.cut()
    with pytest.raises(KafkaException):
        admin.list_topics(timeout=2)
    assert proxy.connections == 0
    proxy.heal()
    assert TOPIC in admin.list_topics(timeout=30).topics
