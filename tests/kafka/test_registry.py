"""The registry's client against a real registry (Apicurio, its Confluent-compatible side). Oracle:
the registry's own judgement of each change.
"""

from __future__ import annotations

import copy
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import fastavro
import msgspec
import pytest

from infra.kafka.registry import Registry as RegistryService
from schemas.catalogue import cluster_topics
from schemas.codec import codec
from schemas.errors import BadData
from schemas.registry import (
    NoRegistry,
    Registry,
    RegistryRefused,
    RegistryUnreachable,
    SchemaIdReassigned,
    SchemaNotRegistered,
    SchemaRefused,
    UnknownSchemaId,
    check_ids,
    fingerprint,
    resolve,
)
from streams.log.kafka.cluster import Cluster
from tests.kafka.members import edge_of

pytestmark = pytest.mark.broker


@pytest.fixture
def cluster(shared_registry: str, environment: str) -> Cluster:
    """No broker is needed here."""
    return Cluster(bootstrap="nowhere:1", registry=shared_registry, environment=environment)


@pytest.fixture
def registry(cluster: Cluster) -> Iterator[Registry]:
    with Registry(cluster) as client:
        yield client


def changed(record: str, change: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
    schema = copy.deepcopy(codec(record).schema)
    change(schema)
    return schema


def field(schema: dict[str, Any], name: str) -> dict[str, Any]:
    return next(each for each in schema["fields"] if each["name"] == name)


def without(schema: dict[str, Any], name: str) -> None:
    schema["fields"].remove(field(schema, name))


def test_every_topics_schema_registers_once_and_resolves_to_its_id(
    registry: Registry, cluster: Cluster
) -> None:
    names = [entry.name for entry in cluster_topics()]
    given = {name: registry.register(name) for name in names}
    assert {name: registry.register(name) for name in names} == given
    assert resolve(cluster, names) == given
    assert {registry.compatibility(name) for name in names} == {"FULL_TRANSITIVE"}
    now = registry.fingerprints(given.values())
    assert now == {given[entry.name]: codec(entry.record).fingerprint for entry in cluster_topics()}


def test_a_schema_comes_back_as_one_that_decodes_what_was_written(registry: Registry) -> None:
    schema_id = registry.register("positions")
    fetched = registry.schema_by_id(schema_id)
    assert fastavro.schema.to_parsing_canonical_form(
        fetched
    ) == fastavro.schema.to_parsing_canonical_form(codec("Position").schema)
    assert fingerprint(fetched) == codec("Position").fingerprint


BAD: dict[str, Callable[[dict[str, Any]], None]] = {
    "a field without default is removed": lambda schema: without(schema, "price"),
    "a field without default is added": lambda schema: schema["fields"].append(
        {"name": "extra", "type": "long"}
    ),
    "a field is renamed": lambda schema: field(schema, "price").update(name="rate"),
    "a type is widened": lambda schema: field(schema, "price").update(type="double"),
    "a number becomes text": lambda schema: field(schema, "price").update(type="string"),
    "a field becomes a union": lambda schema: field(schema, "price").update(type=["null", "long"]),
    "an enum is renamed": lambda schema: field(schema, "aggressor_side")["type"].update(
        name="Other"
    ),
    "an enum loses a symbol that has no default to fall back on": lambda schema: field(
        schema, "aggressor_side"
    ).update(
        type={
            **{
                key: value
                for key, value in field(schema, "aggressor_side")["type"].items()
                if key != "default"
            },
            "symbols": ["UNKNOWN"],
        }
    ),
    "the record is renamed": lambda schema: schema.update(name="Deal"),
}


@pytest.mark.parametrize("change", BAD)
def test_a_bad_version_is_refused_by_the_registry_itself(registry: Registry, change: str) -> None:
    first = registry.register("md.trades")
    with pytest.raises(SchemaRefused, match="md.trades") as refused:
        registry.register("md.trades", changed("Trade", BAD[change]))
    assert isinstance(refused.value, BadData)
    assert "Traceback" not in refused.value.text and "\n" not in refused.value.text
    assert registry.resolve(["md.trades"]) == {"md.trades": first}


def test_a_good_version_is_taken_and_the_old_one_keeps_its_id(registry: Registry) -> None:
    first = registry.register("md.trades")
    wider = changed(
        "Trade",
        lambda schema: schema["fields"].append(
            {"name": "n", "type": ["null", "long"], "default": None}
        ),
    )
    second = registry.register("md.trades", wider)
    assert second != first
    assert registry.resolve(["md.trades"]) == {"md.trades": first}


def test_a_version_is_compared_with_all_before_it_not_only_the_last(registry: Registry) -> None:
    """Transitive: the second version has dropped what the third brings back with another type."""
    registry.register("md.trades")

    def added(kind: str) -> dict[str, Any]:
        return changed(
            "Trade",
            lambda schema: schema["fields"].append(
                {"name": "n", "type": ["null", kind], "default": None}
            ),
        )

    registry.register("md.trades", added("long"))
    registry.register("md.trades")
    with pytest.raises(SchemaRefused):
        registry.register("md.trades", added("string"))


def test_a_topic_that_was_never_applied_is_named(registry: Registry) -> None:
    with pytest.raises(SchemaNotRegistered, match=r"fills.*sq topics apply"):
        registry.resolve(["fills"])


def test_an_unknown_id_is_bad_data_and_an_outage_is_not(registry: Registry) -> None:
    with pytest.raises(UnknownSchemaId) as unknown:
        registry.schema_by_id(987_654_321)
    assert isinstance(unknown.value, BadData)
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    with pytest.raises(RegistryUnreachable, match=str(port)) as outage:
        Registry(
            Cluster(bootstrap="x:1", registry=f"http://127.0.0.1:{port}/apis/ccompat/v7")
        ).schema_by_id(1)
    assert not isinstance(outage.value, BadData)


def test_a_paused_registry_is_an_outage_within_seconds(
    own_registry: Callable[..., RegistryService],
) -> None:
    service = own_registry(in_memory=True)
    service.start()
    with Registry(Cluster(bootstrap="x:1", registry=service.url)) as registry:
        registry.register("fills")
        service.pause()
        impatient = Cluster(
            bootstrap="x:1",
            registry=service.url,
            registry_settings={"timeout": "0.5", "max.retries": "1"},
        )
        with Registry(impatient) as client, pytest.raises(RegistryUnreachable):
            client.resolve(["fills"])
        service.resume()
        assert registry.resolve(["fills"])


def test_something_else_at_the_address_is_said_to_be_no_registry(shared_registry: str) -> None:
    elsewhere = shared_registry.replace("/apis/ccompat/v7", "/nothing-here")
    with pytest.raises(
        (RegistryRefused, SchemaNotRegistered), match="SQ_KAFKA_REGISTRY|sq topics apply"
    ):
        Registry(Cluster(bootstrap="x:1", registry=elsewhere)).resolve(["fills"])


@pytest.mark.parametrize("arguments", [("topics", "plan"), ("topics", "apply"), ("run", "market")])
def test_a_wrong_path_of_a_registry_is_no_missing_schema(
    cluster: Cluster, shared_bootstrap: str, tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    edge = edge_of(msgspec.structs.replace(cluster, bootstrap=shared_bootstrap))
    if arguments[0] == "run":
        assert (
            edge.sq(
                "topics",
                "apply",
                "--no-registry",
                "--topology",
                "market",
                SQ_KAFKA_HOME=str(tmp_path),
            ).returncode
            == 0
        )
    wrong = cluster.registry.replace("/ccompat/", "/compat/")
    ended = edge.sq(*arguments, SQ_KAFKA_REGISTRY=wrong, SQ_KAFKA_HOME=str(tmp_path))
    assert ended.returncode == 2
    assert (
        f"there is no schema registry below {wrong}" in ended.stderr
        and len(ended.stderr.splitlines()) == 1
    ), ended.stderr


def test_no_registry_is_said_so() -> None:
    with pytest.raises(NoRegistry, match="SQ_KAFKA_REGISTRY"):
        Registry(Cluster(bootstrap="x:1"))


def test_ids_survive_a_kill_and_a_wiped_registry_with_other_ids_is_detected(
    own_registry: Callable[..., RegistryService],
) -> None:
    service = own_registry()
    service.start()
    cluster = Cluster(bootstrap="x:1", registry=service.url)
    with Registry(cluster) as registry:
        ids = {name: registry.register(name) for name in ("md.trades", "fills")}
        before = registry.fingerprints(ids.values())
    service.kill()
    service.start()
    with Registry(cluster) as registry:
        assert registry.resolve(ids) == ids
        check_ids(before, registry.fingerprints(before))
    service.wipe()
    service.start()
    with Registry(cluster) as registry:
        for name in ("fills", "md.trades"):
            registry.register(name)
        with pytest.raises(SchemaIdReassigned, match="wiped"):
            check_ids(before, registry.fingerprints(before))


def test_a_registry_that_lost_an_id_is_detected() -> None:
    with pytest.raises(SchemaIdReassigned, match="unknown to the registry"):
        check_ids({1: b"a", 2: b"b"}, {1: b"a"})
