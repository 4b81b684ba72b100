"""Facts of topics, and what may be done to them, through the admin client.

One for a cluster and process (:func:`admin_of`): an admin client that is freed while an answer
arrives aborts the process (measured).
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Mapping, Sequence
from typing import Any

from confluent_kafka import (
    ConsumerGroupTopicPartitions,
    IsolationLevel,
    KafkaError,
    KafkaException,
    TopicCollection,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient, OffsetSpec  # type: ignore[attr-defined]

from streams.log.kafka.cluster import Cluster
from streams.log.kafka.errors import explain
from streams.log.kafka.retrying import TIMEOUT_SECONDS, retry
from streams.log.kafka.silence import PATIENT
from streams.log.kafka.transport import Partition, TopicFacts, TransportFailed

ADMIN_SECONDS = 10.0


class KafkaAdmin:
    """Facts of topics, through the admin client."""

    def __init__(self, cluster: Cluster) -> None:
        self.client = AdminClient(cluster.client(**PATIENT))

    def describe(self, topics: Sequence[str]) -> Mapping[str, TopicFacts]:
        """See :class:`streams.log.kafka.transport.Admin`."""
        found: dict[str, TopicFacts] = {}
        for name, future in self.client.describe_topics(
            TopicCollection(list(topics)), request_timeout=ADMIN_SECONDS
        ).items():
            try:
                description = future.result()
            except KafkaException as problem:
                if problem.args[0].code() == KafkaError.UNKNOWN_TOPIC_OR_PART:
                    continue
                if problem.args[0].code() == KafkaError.TOPIC_AUTHORIZATION_FAILED:
                    raise explain(problem, what=f"asking for {name}") from problem
                raise TransportFailed(
                    f"topic {name} cannot be described: {problem.args[0].str()}; check that the "
                    "broker is up"
                ) from problem
            found[name] = TopicFacts(str(description.topic_id), len(description.partitions))
        return found

    def trim(self, partition: Partition, before: int) -> None:
        """See :class:`streams.log.kafka.transport.Admin`."""
        self._trims = self.client.delete_records([TopicPartition(*partition, before)])

    def note_position(
        self, group: str, partition: Partition, offset: int, text: str = "", wait: bool = False
    ) -> None:
        """Store an offset, and a word with it, for a group without members: for tools. Where it
        fails, they see nothing.
        """
        place = (
            TopicPartition(*partition, offset, text) if text else TopicPartition(*partition, offset)
        )
        request = ConsumerGroupTopicPartitions(group, [place])
        self._notes = self.client.alter_consumer_group_offsets(
            [request], request_timeout=ADMIN_SECONDS
        )
        if wait:
            _settle(self._notes)

    def positions(self, groups: Sequence[str]) -> dict[str, dict[Partition, tuple[int, str]]]:
        """By group and partition, the stored offset and the word with it. A group that cannot be
        asked has none.
        """
        found: dict[str, dict[Partition, tuple[int, str]]] = {}
        for group in groups:  # the client takes one at a time
            future = self.client.list_consumer_group_offsets(
                [ConsumerGroupTopicPartitions(group)], request_timeout=ADMIN_SECONDS
            )[group]
            try:
                places = future.result().topic_partitions
            except KafkaException:
                continue
            found[group] = {
                (place.topic, place.partition): (int(place.offset), place.metadata or "")
                for place in places
            }
        return found

    def forget_group(self, group: str) -> None:
        """Delete a group without members and what it stored. Where that fails, it expires."""
        self._forgets = self.client.delete_consumer_groups([group], request_timeout=ADMIN_SECONDS)

    def settle(self) -> None:
        """Wait for what was asked and not waited for: a process that ends would take it along."""
        _settle(getattr(self, "_notes", {}))
        _settle(getattr(self, "_forgets", {}))

    def open_ranges(self, partitions: Sequence[Partition]) -> dict[Partition, tuple[int, int]]:
        """See :class:`streams.log.kafka.transport.Admin`."""
        deadline = time.monotonic() + TIMEOUT_SECONDS
        while True:
            try:
                stable, high = self.ends(partitions), self.high_watermarks(partitions)
            except KafkaException as problem:
                retry(problem, deadline, "the ends of the partitions written cannot be asked")
            else:
                return {
                    each: (stable[each], high[each])
                    for each in partitions
                    if stable[each] < high[each]
                }

    def ends(self, partitions: Sequence[Partition]) -> dict[Partition, int]:
        """Last stable offsets of many partitions, in one request."""
        return self._latest(partitions, IsolationLevel.READ_COMMITTED)

    def high_watermarks(self, partitions: Sequence[Partition]) -> dict[Partition, int]:
        """Ends of many partitions, open transactions included, in one request."""
        return self._latest(partitions, IsolationLevel.READ_UNCOMMITTED)

    def _latest(
        self, partitions: Sequence[Partition], level: IsolationLevel
    ) -> dict[Partition, int]:
        latest = OffsetSpec.latest()  # type: ignore[no-untyped-call]
        wanted = {TopicPartition(*each): latest for each in partitions}
        futures = self.client.list_offsets(
            wanted, isolation_level=level, request_timeout=ADMIN_SECONDS
        )
        return {
            (place.topic, place.partition): int(future.result().offset)
            for place, future in futures.items()
        }


def _settle(futures: Mapping[Any, Any]) -> None:
    for future in futures.values():
        with contextlib.suppress(KafkaException):
            future.result()


_ADMINS: dict[str, KafkaAdmin] = {}


def admin_of(cluster: Cluster) -> KafkaAdmin:
    """This process's admin of the cluster."""
    key = repr(sorted(cluster.client().items()))
    if key not in _ADMINS:
        _ADMINS[key] = KafkaAdmin(cluster)
    return _ADMINS[key]
