"""The schema registry: ids of our schemas, registered under FULL_TRANSITIVE, resolved once at
start.

A registry is a Confluent-compatible server; subjects are ``<topic as it is called on the
cluster>-value``. What runs asks it again only for an id that was not resolved at its start, once
(``streams/log/kafka/versions.py``), so its outage harms no other running job. An outage
(:class:`RegistryUnreachable`) is never mistaken for bad data (:class:`UnknownSchemaId`).

    with Registry(cluster) as registry:
        registry.register("md.trades")              # sq topics apply
        ids = registry.resolve(["md.trades"])       # a job's start: {"md.trades": 7}
        now = registry.fingerprints([7])            # {7: SHA-256 of the schema's canonical form}
        check_ids({7: from_the_journal}, now)  # refuses a registry that was wiped and filled anew
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from types import TracebackType
from typing import Any, Protocol, Self, TypeVar

import fastavro
from confluent_kafka.schema_registry import Schema, SchemaRegistryClient
from confluent_kafka.schema_registry.error import SchemaRegistryError

try:  # what the client speaks HTTP with, and whose errors it lets through
    import httpx2 as httpx
except ImportError:
    import httpx  # type: ignore[no-redef]

from schemas.catalogue import topic as topic_of
from schemas.codec import codec
from schemas.errors import BadData, ShrivenError, WrongUse

COMPATIBILITY = "FULL_TRANSITIVE"
DEFAULTS: dict[str, Any] = {
    "timeout": 5.0,
    "max.retries": 2,
    "retries.wait.ms": 200,
    "retries.max.wait.ms": 1000,
}
"""An outage is told within seconds; each is a ``registry_settings`` key."""
NUMBERS = (*DEFAULTS, "cache.capacity", "cache.latest.ttl.sec")
NOT_FOUND, CONFLICT, UNPROCESSABLE = 404, 409, 422
Answer = TypeVar("Answer")


class RegistrySettings(Protocol):
    """What is needed of a cluster: ``streams.log.kafka.cluster.Cluster`` is one."""

    @property
    def registry(self) -> str:
        """URL of the registry; empty if there is none."""

    @property
    def registry_settings(self) -> dict[str, str]:
        """Settings of the client."""

    def name(self, name: str) -> str:
        """What a topic is called on the cluster."""


class NoRegistry(WrongUse):
    """No registry is configured."""

    code = "no_registry"


class RegistryUnreachable(ShrivenError):
    """The registry does not answer, or answers that it is in trouble: transient, says nothing about
    any data.

    Attributes:
        cause: unreachable, timeout or server_error.
    """

    code = "registry_unreachable"

    def __init__(self, text: str, cause: str = "unreachable") -> None:
        super().__init__(text)
        self.cause = cause


class RegistryRefused(WrongUse):
    """The registry refuses us: credentials, rights, or something at that address that is no
    registry.
    """

    code = "registry_refused"


class SchemaRefused(BadData):
    """The registry refuses a schema: some version could not read the data of another."""

    code = "schema_refused"


class SchemaNotRegistered(WrongUse):
    """A topic's schema, as this code has it, is not registered."""

    code = "schema_not_registered"


class UnknownSchemaId(BadData):
    """An id that the registry does not know."""

    code = "unknown_schema_id"


class SchemaIdReassigned(BadData):
    """Ids mean other schemas than they did: the registry is not the one that was written with."""

    code = "schema_id_reassigned"


class Registry:
    """A registry's client.

    Args:
        cluster: says where it is and what topics are called.

    Raises:
        NoRegistry: the cluster has none.
    """

    def __init__(self, cluster: RegistrySettings) -> None:
        if not cluster.registry:
            raise NoRegistry(
                "no schema registry is configured: set SQ_KAFKA_REGISTRY=http://HOST:PORT, or "
                "start one with 'sq kafka up'"
            )
        self.url = cluster.registry
        self._cluster = cluster
        try:
            given = {
                key: float(value) if key in NUMBERS else value
                for key, value in cluster.registry_settings.items()
            }
            self._client = SchemaRegistryClient({"url": self.url, **DEFAULTS, **given})
        except (ValueError, TypeError, OSError) as problem:
            raise WrongUse(
                f"the registry's settings cannot be used: {problem}; see registry_settings of the "
                "cluster's file"
            ) from problem

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        problem: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let its connections go."""
        self._client.close()  # type: ignore[no-untyped-call]

    def subject(self, topic: str) -> str:
        """A topic's subject."""
        return f"{self._cluster.name(topic)}-value"

    def register(self, topic: str, schema: Mapping[str, Any] | None = None) -> int:
        """Set the subject's compatibility and register its schema; the id. Registering again what
        is there changes nothing.

        Args:
            topic: name in the catalogue.
            schema: Avro schema, when it is not the one of this code.

        Raises:
            SchemaRefused: not FULL_TRANSITIVE compatible with the versions that are there.
            RegistryUnreachable, RegistryRefused: no usable answer.
        """
        subject = self.subject(topic)
        declared = codec(topic_of(topic).record).schema if schema is None else schema
        try:
            self._ask(lambda: self._client.set_compatibility(subject, COMPATIBILITY))
            return self._ask(lambda: self._client.register_schema(subject, _written(declared)))
        except SchemaRegistryError as problem:
            if problem.http_status_code in (CONFLICT, UNPROCESSABLE):
                raise SchemaRefused(
                    f"the registry refuses the schema of {topic} ({subject}): "
                    f"{_first_line(problem)}; undo the change, or add a new field that is null or "
                    "an empty list by default"
                ) from problem
            raise self._refused(problem) from problem

    def compatibility(self, topic: str) -> str:
        """The subject's own compatibility level; empty if it has none. Raises RegistryUnreachable,
        RegistryRefused.
        """
        found = self._find(lambda: self._client.get_config(self.subject(topic)))
        return "" if found is None else str(found.compatibility_level or found.compatibility or "")

    def schema_id(self, topic: str) -> int | None:
        """Id of this code's schema under the topic's subject; None if it is not registered. Raises
        RegistryUnreachable, RegistryRefused.
        """
        wanted = _written(codec(topic_of(topic).record).schema)
        found = self._find(lambda: self._client.lookup_schema(self.subject(topic), wanted))
        return None if found is None or found.schema_id is None else int(found.schema_id)

    def resolve(self, topics: Iterable[str]) -> dict[str, int]:
        """Ids by topic, of this code's schemas. One question a topic: ask at start, then never
        again.

        Raises:
            SchemaNotRegistered: a schema of this code is not there.
            RegistryUnreachable, RegistryRefused: no usable answer.
        """
        ids: dict[str, int] = {}
        for topic in topics:
            found = self.schema_id(topic)
            if found is None:
                raise SchemaNotRegistered(
                    f"the schema of {topic} is not in the registry at {self.url} under "
                    f"{self.subject(topic)}; run 'sq topics apply'"
                )
            ids[topic] = found
        return ids

    def schema_by_id(self, schema_id: int) -> dict[str, Any]:
        """The schema behind an id. Raises UnknownSchemaId, RegistryUnreachable, RegistryRefused."""
        found = self._find(lambda: self._client.get_schema(schema_id))
        if found is None:
            raise UnknownSchemaId(
                f"the registry at {self.url} knows no schema {schema_id}; the record was written "
                "with another registry"
            )
        declared: dict[str, Any] = json.loads(str(found.schema_str))
        return declared

    def fingerprints(self, schema_ids: Iterable[int]) -> dict[int, bytes]:
        """Fingerprints by id, of those ids that are known. Raises RegistryUnreachable,
        RegistryRefused.
        """
        found = {}
        for schema_id in schema_ids:
            try:
                found[schema_id] = fingerprint(self.schema_by_id(schema_id))
            except UnknownSchemaId:
                continue
        return found

    def latest_schema(self, topic: str) -> dict[str, Any] | None:
        """The newest schema of a topic's subject, None where it has none.

        Raises:
            RegistryUnreachable, RegistryRefused.
        """
        found = self._find(lambda: self._client.get_latest_version(self.subject(topic)))
        if found is None or found.schema is None:
            return None
        declared: dict[str, Any] = json.loads(str(found.schema.schema_str))
        return declared

    def is_known(self, topic: str) -> bool:
        """True if the topic's subject has a schema, whichever. Raises RegistryUnreachable,
        RegistryRefused.

        Asked of the subject itself: a registry's list of all subjects may be cut short without a
        word (Apicurio's is, at 1,000).
        """
        return bool(self._find(lambda: self._client.get_versions(self.subject(topic))))

    def _find(self, question: Callable[[], Answer]) -> Answer | None:
        """Ask; None if it is not there."""
        try:
            return self._ask(question)
        except SchemaRegistryError as problem:
            if (
                problem.http_status_code == NOT_FOUND
                and (problem.error_code or 0) // 100 == NOT_FOUND
            ):
                # 40401 and so on: of a subject, version or schema; without such a code it is the
                # path that is not there
                return None
            raise self._refused(problem) from problem

    def _ask(self, question: Callable[[], Answer]) -> Answer:
        """Ask; what is no answer at all becomes RegistryUnreachable, an answer with a status is the
        caller's to judge.
        """
        try:
            return question()
        except SchemaRegistryError as problem:
            if problem.http_status_code >= 500:
                trouble = (
                    f"the registry at {self.url} is in trouble: {_first_line(problem)}; look "
                    "at its log, then try again"
                )
                raise RegistryUnreachable(trouble, "server_error") from problem
            raise
        except httpx.TransportError as problem:
            raise RegistryUnreachable(
                f"the registry at {self.url} does not answer ({_why(problem)}); start it, or check "
                "SQ_KAFKA_REGISTRY; jobs that run go on without it",
                "timeout" if isinstance(problem, httpx.TimeoutException) else "unreachable",
            ) from problem
        except (httpx.HTTPError, httpx.InvalidURL, ValueError) as problem:
            raise RegistryRefused(
                f"what answers at {self.url} is no schema registry ({_why(problem)}); check "
                "SQ_KAFKA_REGISTRY"
            ) from problem

    def _refused(self, problem: SchemaRegistryError) -> RegistryRefused:
        if problem.http_status_code == NOT_FOUND:
            return RegistryRefused(
                f"there is no schema registry below {self.url} (404): the address answers, the "
                "path is another; check SQ_KAFKA_REGISTRY, for example "
                "http://HOST:PORT/apis/ccompat/v7 of an Apicurio"
            )
        hint = (
            "check registry_settings, for example basic.auth.user.info"
            if problem.http_status_code in (401, 403)
            else "check SQ_KAFKA_REGISTRY"
        )
        return RegistryRefused(
            f"the registry at {self.url} refuses ({problem.http_status_code}): "
            f"{_first_line(problem)}; {hint}"
        )


def resolve(cluster: RegistrySettings, topics: Iterable[str]) -> dict[str, int]:
    """:meth:`Registry.resolve` of a client of its own. Raises NoRegistry and what that raises."""
    with Registry(cluster) as registry:
        return registry.resolve(topics)


def fingerprint(schema: Mapping[str, Any]) -> bytes:
    """SHA-256 of a schema's parsing canonical form (Avro specification 1.11): the same as a
    codec's.
    """
    canonical = fastavro.schema.to_parsing_canonical_form(dict(schema))
    return bytes.fromhex(fastavro.schema.fingerprint(canonical, "SHA-256"))


def check_ids(before: Mapping[int, bytes], now: Mapping[int, bytes]) -> None:
    """Compare what ids meant when a journal began with what they mean now.

    Args:
        before: fingerprints by id, of the journal's genesis.
        now: :meth:`Registry.fingerprints` of the same ids.

    Raises:
        SchemaIdReassigned: an id means another schema, or none: the registry was wiped or is
            another one.
    """
    for schema_id, was in before.items():
        found = now.get(schema_id)
        if found is None:
            raise SchemaIdReassigned(
                f"schema id {schema_id} of the journal is unknown to the registry: it was wiped, "
                "or it is another one; restore the registry that the topics were written with"
            )
        if found != was:
            raise SchemaIdReassigned(
                f"schema id {schema_id} means another schema than when the journal began "
                f"({was.hex()[:16]} then, {found.hex()[:16]} now): the registry was wiped and "
                "filled anew; restore the one that the topics were written with"
            )


def _written(declared: Mapping[str, Any]) -> Schema:
    return Schema(json.dumps(declared), "AVRO")


def _first_line(problem: SchemaRegistryError) -> str:
    return (
        str(problem.error_message).strip().splitlines()[0][:300]
        if problem.error_message
        else "it does not say why"
    )


def _why(problem: Exception) -> str:
    return str(problem) or type(problem).__name__
