"""Values of the cluster's topics to records: registry framing off, the body by our codec, other
versions of a schema resolved against ours.

Where the writer's schema is ours, all bodies of a partition are decoded at once; a version with
more or fewer fields is read as in local folders (``streams/log/older.py``), record by record.
Without a registry an id says nothing, and every body is taken to be of our schema.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from schemas.catalogue import topic as topic_of
from schemas.codec import codec
from schemas.errors import BadData
from schemas.general import MalformedRecord
from schemas.registry import Registry
from streams.log.kafka.cluster import Cluster
from streams.log.kafka.framing import HEADER_BYTES, BadFraming, schema_id_of
from streams.log.kafka.versions import OtherSchema, SchemaOf, Versions
from streams.log.older import OlderSchema


class UnreadableRecord(BadData):
    """A value that is no record of its topic."""

    code = "unreadable_record"


class FramedDecoder:
    """Decodes values of any topic of the catalogue.

    Args:
        schema_of: the registry; None where the cluster has none.
    """

    def __init__(self, schema_of: SchemaOf | None) -> None:
        self._versions = None if schema_of is None else Versions(schema_of, asks_again=True)

    def records(
        self, topic: str, partition: int, offsets: Sequence[int], values: Sequence[bytes]
    ) -> list[Any]:
        """The records of values of one partition of a topic, named as in the catalogue.

        Raises:
            UnreadableRecord: the first value that is no record of the topic, by its place. What the
                registry raises.
        """
        name = topic_of(topic).record
        places = [f"{topic}/{partition}/{offset}" for offset in offsets]
        ids = [_schema_id(value, place) for value, place in zip(values, places, strict=True)]
        others = [self._other(topic, each, place) for each, place in zip(ids, places, strict=True)]
        if not any(others):
            try:
                return codec(name).decode_records(
                    b"".join(value[HEADER_BYTES:] for value in values), len(values)
                )
            except MalformedRecord:
                pass  # a short record borrows from the next: one by one, the first bad one is found
        found = []
        for place, other, value in zip(places, others, values, strict=True):
            body = value[HEADER_BYTES:]
            try:
                found += codec(name).decode_records(
                    body if other is None else other.convert(body)[0], 1
                )
            except MalformedRecord as problem:
                raise UnreadableRecord(f"{place} is no {name}: {problem.detail}") from problem
        return found

    def _other(self, topic: str, schema_id: int, place: str) -> OlderSchema | None:
        """The reader of another version's records; None if the id is of our schema."""
        try:
            return None if self._versions is None else self._versions.of(topic, schema_id)
        except OtherSchema as problem:
            raise UnreadableRecord(f"{place}: {problem.text}") from problem


def decoder(cluster: Cluster) -> FramedDecoder:
    """A decoder of the cluster's values. Raises WrongUse if the registry's settings cannot be used.
    """
    return FramedDecoder(Registry(cluster).schema_by_id if cluster.registry else None)


def _schema_id(value: bytes, place: str) -> int:
    try:
        return schema_id_of(value)
    except BadFraming as problem:
        raise UnreadableRecord(f"{place}: {problem.text}") from problem
