"""The transport over confluent-kafka: committed records in, transactions out."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future

from streams.log.kafka.admin import KafkaAdmin, admin_of
from streams.log.kafka.cluster import Cluster
from streams.log.kafka.plain import KafkaPlainWriter
from streams.log.kafka.reader import KafkaReader
from streams.log.kafka.writer import KafkaWriter


class KafkaLog:
    """The cluster as the runner's log."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster

    def reader(self, group: str) -> KafkaReader:
        """See :class:`streams.log.kafka.transport.Log`."""
        return KafkaReader(self.cluster, group)

    def uncommitted(self, group: str) -> KafkaReader:
        """See :class:`streams.log.kafka.transport.Log`."""
        return KafkaReader(self.cluster, group, "read_uncommitted")

    def writer(self, transactional_id: str) -> KafkaWriter:
        """See :class:`streams.log.kafka.transport.Log`."""
        return KafkaWriter(self.cluster, transactional_id)

    def plain_writer(self) -> KafkaPlainWriter:
        """See :class:`streams.log.kafka.transport.Log`."""
        return KafkaPlainWriter(self.cluster)

    def admin(self) -> KafkaAdmin:
        """See :class:`streams.log.kafka.transport.Log`."""
        return admin_of(self.cluster)

    def beside(self, work: Callable[[], None]) -> Callable[[], None]:
        """See :class:`streams.log.kafka.transport.Log`."""
        future: Future[None] = Future()

        def run() -> None:
            try:
                work()
                future.set_result(None)
            except BaseException as problem:  # noqa: BLE001 - raised again by who waits
                future.set_exception(problem)

        threading.Thread(target=run, name="beside", daemon=True).start()
        return future.result
