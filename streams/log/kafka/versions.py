"""What the schema ids of records on a cluster mean: our schema of a topic, another version's that
both read each other, or none of the topic's.

A shard's own ids are resolved at its start and pinned by its journal. Any other id is asked of the
registry when the first record of it is met, once. Records of another version's schema are read as
those of local folders are (``streams/log/older.py``).
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from schemas.errors import BadData, ShrivenError
from streams.log.container import canonical_form, schema_text
from streams.log.kafka.cluster import Cluster
from streams.log.kafka.framing import HEADER_BYTES, schema_id_of
from streams.log.older import OlderSchema, older_schema

SchemaOf = Callable[[int], dict[str, Any]]
"""The schema of a registry id, as JSON data; raises a typed error if the registry does not know it
or cannot be asked.
"""


class OtherSchema(BadData):
    """An id of a schema that is no version of the topic's."""

    code = "other_schema"


class Versions:
    """Readers by topic and schema id, each resolved once.

    Args:
        schema_of: the registry.
        asks_again: an id that could not be resolved is asked for again the next time; otherwise the
            answer stands as long as this object lives.
    """

    def __init__(self, schema_of: SchemaOf, asks_again: bool = False) -> None:
        self._schema_of = schema_of
        self._asks_again = asks_again
        self._found: dict[tuple[str, int], OlderSchema | None | ShrivenError] = {}
        self._outage: ShrivenError | None = None

    def of(self, topic: str, schema_id: int) -> OlderSchema | None:
        """The reader of a topic's records of this id; None where its schema is ours.

        Raises:
            OtherSchema: it is no version of the topic's schema.
            UnknownSchemaId: the registry does not know the id.
            RegistryUnreachable, RegistryRefused: no usable answer, which says nothing about the
                record.
        """
        key = topic, schema_id
        if key not in self._found:
            self._found[key] = self._resolved(topic, schema_id)
        found = self._found[key]
        if isinstance(found, ShrivenError):
            if self._asks_again:
                del self._found[key]
                self._outage = None
            raise found
        return found

    def _resolved(self, topic: str, schema_id: int) -> OlderSchema | None | ShrivenError:
        if self._outage is not None:
            return self._outage  # each question takes seconds
        try:
            text = json.dumps(self._schema_of(schema_id), separators=(",", ":"), ensure_ascii=False)
        except ShrivenError as problem:
            if not isinstance(problem, BadData):
                self._outage = problem
            return problem
        except ValueError:  # a schema of another kind than Avro
            return OtherSchema(
                f"schema id {schema_id} is of no Avro schema, and {topic} holds Avro records"
            )
        try:
            if canonical_form(text) == canonical_form(schema_text(topic)):
                return None
            older = older_schema(topic, text)
        except Exception as problem:  # noqa: BLE001  (what is registered may lack anything that the schema of a record has)
            return OtherSchema(
                f"schema id {schema_id} is of no schema that a record of {topic} can have "
                f"({type(problem).__name__})"
            )
        if older.problems:
            return OtherSchema(
                f"schema id {schema_id} is of no version of {topic}'s schema that this version can "
                f"read ({older.problems[0]})"
            )
        return older

    def body(self, topic: str, value: bytes) -> bytes:
        """A framed value's body with our schema. An id that the registry does not know, or not as
        the topic's, is taken for ours.

        Raises:
            BadFraming, MalformedRecord.
        """
        older = self.taken_for(topic, schema_id_of(value))
        return (
            value[HEADER_BYTES:]
            if older is None
            else older.convert(value[HEADER_BYTES:])[0].tobytes()
        )

    def taken_for(self, topic: str, schema_id: int) -> OlderSchema | None:
        """As :meth:`of`, and None where there is no answer: the record decodes as ours, or
        :meth:`trouble` says why nobody knows.
        """
        try:
            return self.of(topic, schema_id)
        except ShrivenError:
            return None

    def trouble(self, topic: str, schema_id: int) -> ShrivenError | None:
        """Why the registry gave no answer to this id; None where it did."""
        found = self._found.get((topic, schema_id))
        return found if isinstance(found, ShrivenError) and not isinstance(found, BadData) else None


def versions_on(cluster: Cluster) -> Versions | None:
    """What the cluster's registry says; None where it has none."""
    if not cluster.registry:
        return None

    def schema_of(schema_id: int) -> dict[str, Any]:
        # its client's libraries: only where an id is asked for
        from schemas.registry import Registry

        with Registry(cluster) as registry:
            return registry.schema_by_id(schema_id)

    return Versions(schema_of)
