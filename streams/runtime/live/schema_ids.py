"""What a shard makes of the schema ids of an input's records: those that its journal pins, those
that the registry knows, and all others.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from schemas.errors import ShrivenError
from streams.log.kafka.versions import Versions
from streams.log.older import OlderSchema
from streams.runtime.failures import BeforeBatch


class UnresolvedSchemaId(BeforeBatch):
    """A record says it is of a schema that is none of its topic's, as far as this deployment and
    the registry know.
    """

    code = "unresolved_schema_id"
    restart_helps = False


class UnansweredSchemaId(ShrivenError):
    """A record is of a schema that was not resolved at start, and the registry, which knows more,
    does not answer.
    """

    code = "unanswered_schema_id"


class SchemaIds:
    """Ids of one input.

    Args:
        topic: its name in the catalogue.
        pinned: ids of our schema, resolved at the deployment's start.
        versions: what other ids mean; None: nobody knows.
    """

    def __init__(self, topic: str, pinned: Sequence[int], versions: Versions | None = None) -> None:
        self._topic = topic
        self._pinned = frozenset(pinned)
        self._versions = versions

    def pins(self, schema_ids: Iterable[int]) -> bool:
        """True if all of them are of our schema without asking anybody."""
        return self._pinned.issuperset(schema_ids)

    def reader(self, schema_id: int) -> OlderSchema | None:
        """The reader of records of this id; None where their schema is ours. Raises what
        :meth:`Versions.of` raises, UnresolvedSchemaId.
        """
        if schema_id in self._pinned:
            return None
        if self._versions is None:
            raise UnresolvedSchemaId(
                f"schema id {schema_id} was not resolved at the start of the runner"
            )
        return self._versions.of(self._topic, schema_id)

    def unanswered(self, place: str, schema_id: int) -> UnansweredSchemaId | None:
        """What a record ends the task with if nobody could say what its id means; None otherwise.
        """
        trouble = None if self._versions is None else self._versions.trouble(self._topic, schema_id)
        if trouble is None:
            return None
        return UnansweredSchemaId(
            f"{place} is of schema id {schema_id}, which this deployment did not resolve at its "
            f"start: {trouble.text}"
        )

    def unresolved(self, place: str, schema_id: int) -> UnresolvedSchemaId:
        """What a record of an id that is none of the topic's ends the task with."""
        known, why = ", ".join(map(str, sorted(self._pinned))), ""
        if self._versions is not None:
            try:
                self._versions.of(self._topic, schema_id)
            except ShrivenError as problem:
                why = f" ({problem.text})"
        return UnresolvedSchemaId(
            f"{place} is of schema id {schema_id}, this deployment resolved {known} at its "
            f"start{why}; everything before it is committed, and it is no dead letter: start code "
            f"that knows the schema, or 'sq skip {place} --reason TEXT' if the record is no one's"
        )
