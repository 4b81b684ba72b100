"""When committed records became visible: a read_committed reader on a thread of its own."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import NamedTuple

from confluent_kafka import Consumer, KafkaException, TopicPartition

from streams.log.kafka.cluster import Cluster
from tests.benchmarks.kafka.topics import CATCH_UP

START_SECONDS = 900
"""Compilation on a busy machine included."""


class Seen(NamedTuple):
    """How many records had been seen at a time of ``time.time_ns``."""

    time_ns: int
    records: int


class Watcher:
    """Reads partition 0 of a topic from ``offset`` on, until it is closed; a context manager."""

    def __init__(self, cluster: Cluster, topic: str, offset: int = 0) -> None:
        settings = {
            **CATCH_UP,
            "group_id": "bench-watch",
            "fetch_wait_max_ms": 10,
            "queued_min_messages": 10_000,
        }
        self._consumer = Consumer(cluster.client(**settings))
        self._consumer.assign([TopicPartition(topic, 0, offset)])
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"watch {topic}", daemon=True)
        self.values: list[bytes] = []
        self.seen: list[Seen] = []
        self.problem: Exception | None = None

    def __enter__(self) -> Watcher:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        self._consumer.close()

    def wait_for(
        self, count: int, stalled_seconds: float, check: Callable[[], None] = lambda: None
    ) -> bool:
        """True when ``count`` records were seen; False when none came for ``stalled_seconds``;
        ``check`` may raise meanwhile.
        """
        last, since = 0, time.monotonic()
        while (reached := self.count) < count:
            if self.problem is not None:
                raise self.problem
            check()
            if reached != last:
                last, since = reached, time.monotonic()
            elif time.monotonic() - since > (
                stalled_seconds if last else max(stalled_seconds, START_SECONDS)
            ):
                return False
            time.sleep(0.02)
        return True

    @property
    def count(self) -> int:
        """Records seen so far."""
        return self.seen[-1].records if self.seen else 0

    def _run(self) -> None:
        while not self._stop.is_set():
            first = self._consumer.poll(0.1)
            if first is None:
                continue
            now = time.time_ns()
            for message in (first, *self._consumer.consume(5_000, 0)):
                if message.error() is not None:
                    self.problem = KafkaException(message.error())
                    return
                self.values.append(message.value() or b"")
            self.seen.append(Seen(now, len(self.values)))
