"""The real log does what the simulated one does: the scenarios of
``tests/simulation/conformance.py`` on a real broker.

Oracle: Apache Kafka itself. What passes here and in ``tests/simulation/test_simulated_log.py`` is
what the simulator may be trusted with.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from typing import Any

import pytest
from confluent_kafka import KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic, OffsetSpec

from streams.log.kafka.client import KafkaLog
from streams.log.kafka.cluster import Cluster
from streams.log.kafka.transport import Partition
from tests.simulation.conformance import SCENARIOS, Bench

pytestmark = pytest.mark.broker
SECONDS = 30.0


class BrokerBench:
    """Topics and ids of one test on a real broker."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.admin = AdminClient(cluster.client())
        self.numbers = itertools.count(1)

    def log(self) -> KafkaLog:
        return KafkaLog(self.cluster)

    def _create(self, topic: str, partitions: int) -> None:
        deadline = time.monotonic() + SECONDS
        while True:
            try:
                self.admin.create_topics([NewTopic(topic, partitions, 1)])[topic].result()
                break
            except KafkaException:  # a topic that was just deleted is not gone yet
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.1)
        while topic not in self.admin.list_topics(timeout=5).topics:
            assert time.monotonic() < deadline, f"{topic} does not appear"
            time.sleep(0.05)

    def topic(self, partitions: int = 1) -> str:
        topic = self.cluster.name(f"conformance-{next(self.numbers)}")
        self._create(topic, partitions)
        return topic

    def transactional_id(self) -> str:
        return self.cluster.name(f"writer-{next(self.numbers)}")

    def delete_records(self, partition: Partition, before: int) -> None:
        for future in self.admin.delete_records([TopicPartition(*partition, before)]).values():
            future.result()

    def recreate(self, topic: str) -> None:
        partitions = len(self.admin.list_topics(topic, timeout=5).topics[topic].partitions)
        self.admin.delete_topics([topic])[topic].result()
        self._create(topic, partitions)

    def wait_for_prefetch(self) -> None:
        """Nothing tells what lies in a consumer's queue; too short a wait makes the scenario
        easier, never wrong.
        """
        time.sleep(1.0)

    def wait_for_high_watermark(self, partition: Partition, high_watermark: int) -> None:
        """Until so many entries lie in the partition, committed or not."""
        place = TopicPartition(*partition)
        deadline = time.monotonic() + SECONDS
        while True:
            latest: Any = OffsetSpec.latest()
            if self.admin.list_offsets({place: latest})[place].result().offset >= high_watermark:
                return
            assert time.monotonic() < deadline, f"nothing was sent to {partition}"
            time.sleep(0.02)


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.__name__)
def test_the_real_log(scenario: Callable[[Bench], None], bare_cluster: Cluster) -> None:
    scenario(BrokerBench(bare_cluster))
