"""The transport over confluent-kafka: committed records in, transactions out."""

from __future__ import annotations

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

    def writer(self, transactional_id: str) -> KafkaWriter:
        """See :class:`streams.log.kafka.transport.Log`."""
        return KafkaWriter(self.cluster, transactional_id)

    def plain_writer(self) -> KafkaPlainWriter:
        """See :class:`streams.log.kafka.transport.Log`."""
        return KafkaPlainWriter(self.cluster)

    def admin(self) -> KafkaAdmin:
        """See :class:`streams.log.kafka.transport.Log`."""
        return admin_of(self.cluster)
