"""A topic of a cluster as ``sq cat`` prints it: committed records, partition by partition, in
offset order.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from connectors.framed import UnreadableRecord
from schemas.catalogue import topic as topic_of
from schemas.codec import codec
from schemas.general import MalformedRecord
from schemas.records import Instrument
from schemas.user_topics import is_user_topic, register
from streams.log.kafka.client import KafkaLog
from streams.log.kafka.cluster import Cluster
from streams.log.kafka.framing import HEADER_BYTES, BadFraming, schema_id_of
from streams.log.kafka.scan import committed, facts_of
from streams.log.kafka.transport import Fetched
from streams.log.kafka.versions import versions_on

READER = "cat"


def know_topic_on(cluster: Cluster, topic: str) -> None:
    """Make a user's own topic known, as its newest schema in the registry has it; without one it
    stays unknown.

    Raises:
        NoRegistry, RegistryUnreachable, RegistryRefused.
        BadUserTopic: what is registered is no schema of a stage.
    """
    from schemas.registry import Registry  # its client's libraries: only where it is asked

    with Registry(cluster) as registry:
        schema = registry.latest_schema(topic)
    if schema is not None:
        register(topic, schema, is_found=True)


class ClusterRecords:
    """Records of a topic.

    Args:
        cluster: where; its environment goes before the name.
        topic: as the catalogue has it.

    Raises:
        UnknownTopic, TopicMissing.
    """

    def __init__(self, cluster: Cluster, topic: str) -> None:
        self.topic = topic
        if is_user_topic(topic):
            know_topic_on(cluster, topic)
        self.record = topic_of(topic).record
        self._versions = versions_on(cluster)
        self.name = cluster.name(topic)
        self.instruments_name = cluster.name("ref.instruments")
        self._log = KafkaLog(cluster)
        self._partitions = facts_of(self._log, [self.name])[self.name].partitions

    def read(self, offset: int | None = None, event_time: int | None = None) -> Iterator[Any]:
        """What is committed now, one partition behind the other, in bounded memory.

        Args:
            offset: first offset of each partition; the first that is there by default.
            event_time: records before it (ns UTC) are left out; a record without an event time is
                kept.

        Raises:
            BadFraming, UnreadableRecord: a record is none of this topic's; the text names it.
            RegistryUnreachable, RegistryRefused: one is not of our schema, and nobody answers for
                its id.
            OffsetOutOfRange: retention has removed what is asked for.
        """
        for number in range(self._partitions):
            partition = self.name, number
            reader = self._log.reader(READER)
            try:
                ends = {partition: reader.end(partition)}
                first = reader.start(partition) if offset is None else offset
            finally:
                reader.close()
            for chunk in committed(self._log, READER, [self.name], {partition: first}, ends):
                for each in chunk:
                    record = self._record(self.topic, self.record, each)
                    if (
                        event_time is None
                        or getattr(record, "event_time", event_time) >= event_time
                    ):
                        yield record

    def _record(self, topic: str, name: str, found: Fetched) -> Any:
        """One record, of whichever version's schema."""
        place = f"{found.topic}/{found.partition} offset {found.offset}"
        try:
            body = (
                found.value[HEADER_BYTES:]
                if self._versions is None
                else self._versions.body(topic, found.value)
            )
            schema_id = schema_id_of(found.value)
        except BadFraming as problem:
            raise BadFraming(f"{place}: {problem.text}") from problem
        except MalformedRecord as problem:
            raise UnreadableRecord(f"{place} is no {name}: {problem.detail}") from problem
        try:
            (record,) = codec(name).decode_records(body, 1)
        except MalformedRecord as problem:
            raise (self._versions and self._versions.trouble(topic, schema_id)) or UnreadableRecord(
                f"{place} is no {name}: {problem.detail}"
            ) from problem
        return record

    def instruments(self) -> list[Instrument]:
        """The latest specification of every instrument of the environment, for precisions; none
        where it has no such topic.
        """
        found: dict[int, Instrument] = {}
        if self.instruments_name in self._log.admin().describe([self.instruments_name]):
            for chunk in committed(self._log, READER, [self.instruments_name]):
                for each in chunk:
                    record = self._record("ref.instruments", "Instrument", each)
                    found[record.instrument] = record
        return list(found.values())
