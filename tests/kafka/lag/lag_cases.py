"""What the lag tests do to a real cluster: topics, transactions, groups at positions of their
choice; and waiting for what must become true.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from typing import Any, TypeVar

from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from jobs.lag.cluster import KafkaLagSource
from jobs.lag.settings import LagSettings
from jobs.lag.watching import Lag, Snapshot, Watch
from streams.log.kafka.cluster import Cluster

Found = TypeVar("Found")
PATIENCE_SECONDS = 60.0


def wait_for(what: Callable[[], Found | None], about: str) -> Found:
    """Ask until it is there. Fails with ``about`` after a minute."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        found = what()
        if found is not None and found is not False:
            return found
        time.sleep(0.05)
    raise AssertionError(f"not within {PATIENCE_SECONDS:g} s: {about}")


class LagCase:
    """One topic of its own, and the groups on it."""

    def __init__(self, cluster: Cluster, partitions: int = 1, **config: str) -> None:
        self.cluster = cluster
        self.topic = f"lag-{uuid.uuid4().hex[:10]}"
        self.admin = AdminClient({**cluster.client(), "log_level": 0})
        self.producers: dict[str, Producer] = {}
        self.watches: list[KafkaLagSource] = []
        self.make(self.topic, partitions, **config)

    def make(self, topic: str, partitions: int = 1, **config: str) -> None:
        """Create a topic; ``retention_ms="1000"`` sets ``retention.ms``."""
        settings = {key.replace("_", "."): value for key, value in config.items()}
        for answer in self.admin.create_topics(
            [NewTopic(topic, partitions, 1, config=settings)]
        ).values():
            answer.result(PATIENCE_SECONDS)

    def group(self, name: str = "g") -> str:
        """A group's name of this case alone."""
        return f"{self.topic}.{name}"

    def producer(self, transactional: str = "") -> Producer:
        """A producer; with a name, a transactional one."""
        if transactional not in self.producers:
            more: dict[str, Any] = (
                {"transactional.id": self.group(transactional), "retry.backoff.ms": 1}
                if transactional
                else {}
            )
            self.producers[transactional] = Producer(
                {**self.cluster.client(linger_ms=0), **more, "log_level": 0}
            )
            if transactional:
                self.producers[transactional].init_transactions(PATIENCE_SECONDS)
        return self.producers[transactional]

    def plain(self, count: int, partition: int = 0, timestamp_ms: int = 0, **record: Any) -> None:
        """Records without a transaction."""
        producer = self.producer()
        for _ in range(count):
            producer.produce(
                self.topic,
                record.get("value", b"x"),
                record.get("key"),
                partition=partition,
                timestamp=timestamp_ms,
            )
        assert producer.flush(PATIENCE_SECONDS) == 0

    def transaction(
        self, count: int, how: str = "commit", name: str = "p", partition: int = 0
    ) -> None:
        """Records in one transaction; ``how`` is commit, abort, or open (left open)."""
        producer = self.producer(name)
        producer.begin_transaction()
        for _ in range(count):
            producer.produce(self.topic, b"x", partition=partition)
        assert producer.flush(PATIENCE_SECONDS) == 0
        if how != "open":
            self.end(name, how)

    def end(self, name: str = "p", how: str = "commit") -> None:
        """End the transaction that was left open."""
        producer = self.producer(name)
        (producer.commit_transaction if how == "commit" else producer.abort_transaction)(
            PATIENCE_SECONDS
        )

    def read(self, count: int, group: str = "g", partition: int = 0) -> int:
        """A group reads so many committed records from the start and commits the way most consumers
        do: last offset + 1. Returns that.
        """
        consumer = self.consumer(group)
        consumer.assign([TopicPartition(self.topic, partition, 0)])
        last, seen = -1, 0
        while seen < count:
            for message in consumer.consume(count - seen, 1.0):
                if message.error() is None:
                    last, seen = message.offset(), seen + 1
        consumer.close()
        self.commit(last + 1, group, partition)
        return last + 1

    def commit(self, offset: int, group: str = "g", partition: int = 0) -> None:
        """Put a group at an offset."""
        consumer = self.consumer(group)
        consumer.commit(offsets=[TopicPartition(self.topic, partition, offset)], asynchronous=False)
        consumer.close()

    def consumer(self, group: str = "g", **settings: Any) -> Consumer:
        """A reader of committed records that commits nothing by itself."""
        own = self.cluster.client(
            isolation_level="read_committed",
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            **settings,
        )
        return Consumer({**own, "group.id": self.group(group), "log_level": 0})

    def watch(self, **settings: Any) -> Watch:
        """A watch of this case's groups alone."""
        chosen = LagSettings(**{"groups": f"{self.topic}.*", **settings})
        source = KafkaLagSource(self.cluster, chosen)
        self.watches.append(source)
        return Watch(source, chosen)

    def snapshot(self, watch: Watch | None = None) -> Snapshot:
        """One collection."""
        return (watch or self.watch()).collect()

    def lag(self, watch: Watch | None = None, group: str = "g") -> Lag:
        """The one row of a group."""
        (found,) = [lag for lag in self.snapshot(watch).lags if lag.group == self.group(group)]
        return found

    def close(self) -> None:
        """Remove what was made; an open transaction is aborted by the next owner of its id, so that
        it holds nothing.
        """
        for name in [name for name in self.producers if name]:
            Producer(
                {**self.cluster.client(), "transactional.id": self.group(name), "log_level": 0}
            ).init_transactions(PATIENCE_SECONDS)
        for source in self.watches:
            source.close()
        for answer in self.admin.delete_topics([self.topic]).values():
            answer.exception(PATIENCE_SECONDS)


MakeCase = Callable[..., LagCase]
