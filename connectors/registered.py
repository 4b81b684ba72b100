"""The schema registry as the edges need it: the id to write a topic with, and the schema behind an id that was read."""

from __future__ import annotations

import json
from typing import Any

import fastavro

from connectors.framed import FramedDecoder
from schemas.catalogue import topic as topic_of
from schemas.codec import codec
from schemas.errors import BadData, ShrivenError, WrongUse
from streams.log.kafka.cluster import Cluster

TIMEOUT_SECONDS = 10


class NoRegistry(WrongUse):
    """Records are to be written, and no registry is configured to frame them with."""

    code = "no_registry"


class NotRegistered(WrongUse):
    """The registry does not know our schema of a topic."""

    code = "not_registered"


class UnknownSchema(BadData):
    """A record carries an id that the registry does not know."""

    code = "unknown_schema"


class RegistryUnavailable(ShrivenError):
    """The registry does not answer; nothing was read or written."""

    code = "registry_unavailable"


class Registered:
    """A client of one cluster's registry. Every answer is kept: ids never change their meaning."""

    def __init__(self, cluster: Cluster) -> None:
        from confluent_kafka.schema_registry import SchemaRegistryClient

        if not cluster.registry:
            raise NoRegistry("the cluster has no schema registry configured; set SQ_KAFKA_REGISTRY=URL")
        self._cluster = cluster
        self._client = SchemaRegistryClient({"url": cluster.registry, "timeout": TIMEOUT_SECONDS, "max.retries": 1, **cluster.registry_settings})
        self._schemas: dict[int, dict[str, Any]] = {}

    def id_of(self, topic: str, name: str = "") -> int:
        """The id of today's schema of a topic.

        Args:
            topic: by its catalogue name.
            name: what it is called on the cluster, if not by the catalogue's name and the environment.

        Raises:
            NotRegistered, RegistryUnavailable.
        """
        from confluent_kafka.schema_registry import Schema

        subject = f"{name or self._cluster.name(topic)}-value"
        wanted = codec(topic_of(topic).record)
        latest = self._asked(lambda: self._client.get_latest_version(subject), f"subject {subject}", NotRegistered)
        if _fingerprint(json.loads(latest.schema.schema_str)) == wanted.fingerprint:
            return int(latest.schema_id)
        text = json.dumps(wanted.schema)
        known = self._asked(lambda: self._client.lookup_schema(subject, Schema(text, "AVRO")), f"this version of {subject}", NotRegistered)
        return int(known.schema_id)

    def schema_of(self, schema_id: int) -> dict[str, Any]:
        """The schema of an id. Raises UnknownSchema, RegistryUnavailable."""
        if schema_id not in self._schemas:
            schema = self._asked(lambda: self._client.get_schema(schema_id), f"schema id {schema_id}", UnknownSchema)
            self._schemas[schema_id] = json.loads(schema.schema_str)
        return self._schemas[schema_id]

    def _asked(self, ask: Any, what: str, unknown: type[ShrivenError]) -> Any:
        from confluent_kafka.schema_registry.error import SchemaRegistryError

        registry = f"the registry at {self._cluster.registry}"
        try:
            return ask()
        except SchemaRegistryError as problem:
            if problem.http_status_code == 404:
                raise unknown(f"{registry} does not know {what}; register it with 'sq topics apply'") from problem
            raise RegistryUnavailable(f"{registry} refuses to answer ({problem.http_status_code}); try again") from problem
        except Exception as problem:  # noqa: BLE001 - the client lets its HTTP library's own errors through, of several kinds
            raise RegistryUnavailable(f"{registry} does not answer ({type(problem).__name__}); check that it is up") from problem


def decoder(cluster: Cluster) -> FramedDecoder:
    """A decoder of the cluster's values; without a registry it takes every body to be of today's schema."""
    return FramedDecoder(Registered(cluster).schema_of if cluster.registry else None)


def _fingerprint(schema: dict[str, Any]) -> bytes:
    return bytes.fromhex(fastavro.schema.fingerprint(fastavro.schema.to_parsing_canonical_form(schema), "SHA-256"))
