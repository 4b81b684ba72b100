"""Facts of topics, and what may be done to them, through the admin client.

One for a cluster and process (:func:`admin_of`): an admin client that is freed while an answer arrives aborts the process (measured).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from confluent_kafka import IsolationLevel, KafkaError, KafkaException, TopicCollection, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec  # type: ignore[attr-defined]

from streams.log.kafka.cluster import Cluster
from streams.log.kafka.silence import SILENT, silent
from streams.log.kafka.transport import Partition, TopicFacts, TransportFailed

ADMIN_SECONDS = 10.0


class KafkaAdmin:
    """Facts of topics, through the admin client."""

    def __init__(self, cluster: Cluster) -> None:
        self.client = AdminClient(cluster.client(logger=SILENT, error_cb=silent, reconnect_backoff_ms=50, reconnect_backoff_max_ms=1000))

    def describe(self, topics: Sequence[str]) -> Mapping[str, TopicFacts]:
        """See :class:`streams.log.kafka.transport.Admin`."""
        found: dict[str, TopicFacts] = {}
        for name, future in self.client.describe_topics(TopicCollection(list(topics)), request_timeout=ADMIN_SECONDS).items():
            try:
                description = future.result()
            except KafkaException as problem:
                if problem.args[0].code() == KafkaError.UNKNOWN_TOPIC_OR_PART:
                    continue
                raise TransportFailed(f"topic {name} cannot be described: {problem.args[0].str()}; check that the broker is up") from problem
            found[name] = TopicFacts(str(description.topic_id), len(description.partitions))
        return found

    def trim(self, partition: Partition, before: int) -> None:
        """See :class:`streams.log.kafka.transport.Admin`."""
        self._trims = self.client.delete_records([TopicPartition(*partition, before)])

    def ends(self, partitions: Sequence[Partition]) -> dict[Partition, int]:
        """Last stable offsets of many partitions, in one request."""
        latest = OffsetSpec.latest()  # type: ignore[no-untyped-call]
        wanted = {TopicPartition(*each): latest for each in partitions}
        futures = self.client.list_offsets(wanted, isolation_level=IsolationLevel.READ_COMMITTED, request_timeout=ADMIN_SECONDS)
        return {(place.topic, place.partition): int(future.result().offset) for place, future in futures.items()}


_ADMINS: dict[str, KafkaAdmin] = {}


def admin_of(cluster: Cluster) -> KafkaAdmin:
    """This process's admin of the cluster."""
    key = repr(sorted(cluster.client().items()))
    if key not in _ADMINS:
        _ADMINS[key] = KafkaAdmin(cluster)
    return _ADMINS[key]
