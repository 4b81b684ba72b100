"""A topic of a cluster as ``sq cat`` prints it: committed records, partition by partition, in offset order."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from schemas.catalogue import topic as topic_of
from schemas.codec import codec
from schemas.errors import BadData
from schemas.records import Instrument
from streams.log.kafka.client import KafkaLog
from streams.log.kafka.cluster import Cluster
from streams.log.kafka.framing import HEADER_BYTES, schema_id_of
from streams.log.kafka.scan import committed, facts_of

READER = "cat"


class ClusterRecords:
    """Records of a topic.

    Args:
        cluster: where; its environment goes before the name.
        topic: as the catalogue has it.

    Raises:
        UnknownTopic, TopicMissing.
    """

    def __init__(self, cluster: Cluster, topic: str) -> None:
        self.record = topic_of(topic).record
        self.name = cluster.name(topic)
        self.instruments_name = cluster.name("ref.instruments")
        self._log = KafkaLog(cluster)
        self._partitions = facts_of(self._log, [self.name])[self.name].partitions

    def read(self, offset: int | None = None, event_time: int | None = None) -> Iterator[Any]:
        """What is committed now, one partition behind the other, in bounded memory.

        Args:
            offset: first offset of each partition; the first that is there by default.
            event_time: records before it (ns UTC) are left out; a record without an event time is kept.

        Raises:
            BadFraming, MalformedRecord: a record is none of this topic's; the text names it.
            OffsetOutOfRange: retention has removed what is asked for.
        """
        decoder = codec(self.record)
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
                    try:
                        schema_id_of(each.value)
                        (record,) = decoder.decode_records(each.value[HEADER_BYTES:], 1)
                    except BadData as problem:
                        raise type(problem)(f"{each.topic}/{each.partition} offset {each.offset}: {problem.text}") from problem
                    if event_time is None or getattr(record, "event_time", event_time) >= event_time:
                        yield record

    def instruments(self) -> list[Instrument]:
        """The latest specification of every instrument of the environment, for precisions; none where it has no such topic."""
        decoder = codec("Instrument")
        found: dict[int, Instrument] = {}
        if self.instruments_name in self._log.admin().describe([self.instruments_name]):
            for chunk in committed(self._log, READER, [self.instruments_name]):
                for each in chunk:
                    (record,) = decoder.decode_records(each.value[HEADER_BYTES:], 1)
                    found[record.instrument] = record
        return list(found.values())
