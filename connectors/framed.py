"""Values of the cluster's topics to records: registry framing off, the body by our codec, other versions of a schema resolved against ours.

Where the writer's schema is ours, all bodies of a partition are decoded at once; a version with more or fewer fields goes through fastavro's
resolution, record by record. Without a registry an id says nothing, and every body is taken to be of our schema.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from typing import Any

import fastavro

from schemas.catalogue import topic as topic_of
from schemas.codec import codec
from schemas.errors import BadData
from schemas.general import MalformedRecord, from_avro, plain_schema
from schemas.registry import Registry, fingerprint
from schemas.shapes import shapes
from streams.log.kafka.cluster import Cluster
from streams.log.kafka.framing import HEADER_BYTES, BadFraming, schema_id_of

SchemaOf = Callable[[int], dict[str, Any]]
"""The schema of a registry id, as JSON data; raises a typed error if the registry does not know it or cannot be asked."""


class UnreadableRecord(BadData):
    """A value that is no record of its topic."""

    code = "unreadable_record"


class FramedDecoder:
    """Decodes values of any topic of the catalogue.

    Args:
        schema_of: the registry; None where the cluster has none.
    """

    def __init__(self, schema_of: SchemaOf | None) -> None:
        self._schema_of = schema_of
        self._others: dict[tuple[str, int], Any] = {}  # parsed writer's schema; None for our own

    def records(self, topic: str, partition: int, offsets: Sequence[int], values: Sequence[bytes]) -> list[Any]:
        """The records of values of one partition of a topic, named as in the catalogue.

        Raises:
            UnreadableRecord: the first value that is no record of the topic, by its place. What the registry raises.
        """
        name = topic_of(topic).record
        ids = [_schema_id(value, f"{topic}/{partition}/{offset}") for offset, value in zip(offsets, values, strict=True)]
        if all(self._writer(name, each) is None for each in set(ids)):
            try:
                return codec(name).decode_records(b"".join(value[HEADER_BYTES:] for value in values), len(values))
            except MalformedRecord:
                pass  # a short record borrows from the next: one by one, the first bad one is found
        found = []
        for offset, schema_id, value in zip(offsets, ids, values, strict=True):
            try:
                found.append(self._one(name, schema_id, value))
            except MalformedRecord as problem:
                raise UnreadableRecord(f"{topic}/{partition}/{offset} is no {name}: {problem.detail}") from problem
        return found

    def _one(self, name: str, schema_id: int, value: bytes) -> Any:
        writer = self._writer(name, schema_id)
        if writer is None:
            return codec(name).decode_records(value[HEADER_BYTES:], 1)[0]
        stream = io.BytesIO(value[HEADER_BYTES:])
        try:
            read = fastavro.schemaless_reader(stream, writer, fastavro.parse_schema(plain_schema(codec(name).schema)))
            if stream.read(1):
                raise MalformedRecord(name, 0, "bytes follow the record")
            return from_avro(shapes()[name])(read)  # type: ignore[arg-type]
        except (EOFError, IndexError, ValueError, OverflowError, TypeError, KeyError, MemoryError) as problem:
            raise MalformedRecord(name, 0) from problem

    def _writer(self, name: str, schema_id: int) -> Any:
        """The parsed schema of an id; None if it is ours."""
        if self._schema_of is None:
            return None
        key = name, schema_id
        if key not in self._others:
            schema = self._schema_of(schema_id)
            is_ours = fingerprint(schema) == codec(name).fingerprint
            self._others[key] = None if is_ours else fastavro.parse_schema(plain_schema(schema))
        return self._others[key]


def decoder(cluster: Cluster) -> FramedDecoder:
    """A decoder of the cluster's values. Raises WrongUse if the registry's settings cannot be used."""
    return FramedDecoder(Registry(cluster).schema_by_id if cluster.registry else None)


def _schema_id(value: bytes, place: str) -> int:
    try:
        return schema_id_of(value)
    except BadFraming as problem:
        raise UnreadableRecord(f"{place}: {problem.text}") from problem
