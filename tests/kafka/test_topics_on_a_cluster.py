"""The catalogue applied to a real broker and registry, and every kind of drift planted by hand and
found.

Oracle: the broker's own description of its topics, asked through the admin client.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka.admin import (
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewPartitions,
    ResourceType,
)
from confluent_kafka.cimpl import NewTopic

from schemas.catalogue import BadTopologyName, cluster_topics
from schemas.registry import Registry, RegistryUnreachable
from streams.log.kafka.applying import apply, compare
from streams.log.kafka.cluster import Cluster
from streams.log.kafka.errors import MissingTopic, WrongPartitions, reach
from streams.log.kafka.topics import found_topics, require_topics
from tests.kafka.members import edge_of

pytestmark = pytest.mark.broker


@pytest.fixture
def applied(cluster: Cluster) -> Cluster:
    with Registry(cluster) as registry:
        comparison = compare(cluster, ["pipeline"], 2, registry)
        assert {each.kind for each in comparison.differences} == {"missing", "schema"}
        assert apply(cluster, comparison, registry, lambda _: None) == []
    return cluster


def drift(
    cluster: Cluster, topologies: tuple[str, ...] = ("pipeline",), shards: int | None = None
) -> list[tuple[str, str, str]]:
    with Registry(cluster) as registry:
        found = compare(cluster, topologies, shards, registry).differences
    return [
        (each.kind, each.topic.removeprefix(f"{cluster.environment}."), each.key) for each in found
    ]


def test_a_cluster_has_what_the_catalogue_says_and_no_more(applied: Cluster) -> None:
    found = found_topics(reach(applied), applied)
    assert set(found) == {applied.name(entry.name) for entry in cluster_topics()}
    counts = {
        name.removeprefix(f"{applied.environment}."): topic.partitions
        for name, topic in found.items()
    }
    assert {name for name, count in counts.items() if count == 1} == {
        "control",
        "ref.instruments",
        "topologies",
        "pipeline.dlq.decisions",
    }
    assert {count for name, count in counts.items()} == {1, 2}
    assert {topic.settings["cleanup.policy"] for topic in found.values()} == {"delete"}
    assert {topic.settings["message.timestamp.type"] for topic in found.values()} == {"CreateTime"}
    for name in ("ref.instruments", "control", "topologies", "pipeline.journal", "fills"):
        assert found[applied.name(name)].settings["retention.ms"] == "-1"
    assert int(found[applied.name("md.trades")].settings["retention.ms"]) > 7 * 86_400_000
    assert drift(applied) == []
    assert drift(applied, shards=2) == []


def test_another_topology_takes_the_shards_that_are_there_and_a_retention_is_kept(
    applied: Cluster, tmp_path: Path
) -> None:
    """Regression: 'sq topics apply --topology market', as 'sq run market' advises, refused what 'sq
    topics apply' had made.
    """
    edge = edge_of(applied)

    def sq(code: int, *arguments: str, **more: str) -> str:
        ended = edge.sq("topics", *arguments, SQ_KAFKA_HOME=str(tmp_path), **more)
        assert ended.returncode == code, ended.stderr
        return ended.stdout + ended.stderr

    def kept(topic: str) -> str:
        return found_topics(reach(applied), applied)[applied.name(topic)].settings["retention.ms"]

    sq(0, "apply", "--topology", "market")
    assert found_topics(reach(applied), applied)[applied.name("market.journal")].partitions == 2
    both = ("--topology", "pipeline", "--topology", "market")
    sq(0, "apply", "--retention", "md.trades=7d", "--retention", "md.depth=forever")
    assert (kept("md.trades"), kept("md.depth")) == (str(7 * 86_400_000), "-1")
    assert "md.trades: retention.ms is 604800000" in sq(1, "drift", *both)
    (tmp_path / "cluster.toml").write_text(
        '[retention]\n"md.trades" = "7d"\n"md.depth" = "forever"\n'
    )
    assert "no drift" in sq(0, "drift", *both, SQ_KAFKA_CONFIG=str(tmp_path / "cluster.toml"))
    for given, says in (
        ("pipeline.journal=1d", "kept for ever"),
        ("md.trade=1d", "no such topic"),
        ("fills=soon", "30d"),
        ("fills", "TOPIC=SPAN"),
    ):
        assert says in sq(2, "plan", "--retention", given)


def alter(admin: AdminClient, name: str, key: str, value: str) -> None:
    entry = ConfigEntry(key, value, incremental_operation=AlterConfigOpType.SET)
    for future in admin.incremental_alter_configs(
        [ConfigResource(ResourceType.TOPIC, name, incremental_configs=[entry])]
    ).values():
        future.result(20)


def delete(admin: AdminClient, name: str) -> None:
    admin.delete_topics([name])[name].result(20)


def add_partitions(admin: AdminClient, name: str) -> None:
    admin.create_partitions([NewPartitions(name, 5)])[name].result(20)


def create(admin: AdminClient, name: str) -> None:
    admin.create_topics([NewTopic(name, 1)])[name].result(20)


@pytest.mark.parametrize(
    ("topic", "plant", "expected", "is_healed"),
    [
        ("fills", delete, [("missing", "fills", "")], True),
        (
            "md.depth",
            lambda admin, name: alter(admin, name, "cleanup.policy", "compact"),
            [("setting", "md.depth", "cleanup.policy")],
            True,
        ),
        (
            "control",
            lambda admin, name: alter(admin, name, "retention.ms", "1000"),
            [("setting", "control", "retention.ms")],
            True,
        ),
        (
            "signals",
            lambda admin, name: alter(admin, name, "message.timestamp.type", "LogAppendTime"),
            [("setting", "signals", "message.timestamp.type")],
            True,
        ),
        ("md.trade", create, [("unknown", "md.trade", "")], False),
    ],
    ids=["missing", "compacted", "short retention", "broker's timestamps", "unknown topic"],
)
def test_planted_drift_is_found_and_healed_where_that_loses_nothing(
    applied: Cluster,
    topic: str,
    plant: Callable[[AdminClient, str], None],
    expected: list[Any],
    is_healed: bool,
) -> None:
    admin = reach(applied)
    plant(admin, applied.name(topic))
    until = time.monotonic() + 20  # a broker learns from its controller what was changed
    while not (found := drift(applied)) and time.monotonic() < until:
        time.sleep(0.05)
    assert found == expected
    with Registry(applied) as registry:
        left = apply(
            applied, compare(applied, ["pipeline"], None, registry), registry, lambda _: None
        )
    assert drift(applied) == ([] if is_healed else expected)
    assert bool(left) is not is_healed


def test_another_number_of_partitions_is_found_and_never_changed(applied: Cluster) -> None:
    add_partitions(reach(applied), applied.name("md.bars"))
    assert drift(applied) == [("partitions", "md.bars", "partitions")]
    delete(reach(applied), applied.name("fills"))
    with (
        Registry(applied) as registry,
        pytest.raises(WrongPartitions, match=r"md.bars has 5.*never change"),
    ):
        apply(applied, compare(applied, ["pipeline"], None, registry), registry, lambda _: None)
    assert ("missing", "fills", "") in drift(applied)  # refused before anything was made


def test_drift_of_the_registry_is_found_and_healed(applied: Cluster) -> None:
    """Planted through the registry's own interface."""
    with Registry(applied) as registry:
        registry._client.set_compatibility(registry.subject("fills"), "NONE")
        registry._client.delete_subject(registry.subject("pnl"))
        fills, pnl = registry.subject("fills"), registry.subject("pnl")
        assert drift(applied) == [
            ("compatibility", "fills", f"compatibility of {fills}"),
            ("schema", "pnl", f"schema {pnl}"),
        ]
        apply(applied, compare(applied, ["pipeline"], None, registry), registry, lambda _: None)
    assert drift(applied) == []


def test_a_second_topology_adds_its_own_four_topics(applied: Cluster) -> None:
    missing = {
        topic for kind, topic, _ in drift(applied, ("pipeline", "market")) if kind == "missing"
    }
    assert missing == {"market.journal", "market.snapshots", "market.dlq", "market.dlq.decisions"}
    with Registry(applied) as registry:
        comparison = compare(applied, ["pipeline", "market"], None, registry)
        apply(applied, comparison, registry, lambda _: None)
    assert drift(applied, ("pipeline", "market")) == []
    assert drift(applied) == []  # another topology's topics are no strangers
    with pytest.raises(BadTopologyName, match="Market"):
        compare(applied, ["Market"], None, None)


def test_a_registry_that_is_away_is_an_outage_and_topics_can_be_applied_without_it(
    bare_cluster: Cluster,
) -> None:
    dead = Cluster(
        bootstrap=bare_cluster.bootstrap,
        registry="http://127.0.0.1:9/apis/ccompat/v7",
        environment=bare_cluster.environment,
    )
    with Registry(dead) as registry, pytest.raises(RegistryUnreachable):
        compare(dead, ["pipeline"], 1, registry)
    assert apply(dead, compare(dead, ["pipeline"], 1, None), None, lambda _: None) == []
    assert compare(dead, ["pipeline"], 1, None).differences == []


def test_a_job_that_needs_other_topics_is_refused_by_name(applied: Cluster) -> None:
    admin = reach(applied)
    require_topics(applied, admin, {"md.trades": 2, "control": 1})
    with pytest.raises(WrongPartitions, match=r"md.trades has 2 partitions, 4 are needed"):
        require_topics(applied, admin, {"control": 1, "md.trades": 4})
    with pytest.raises(MissingTopic, match=r"market.journal.*sq topics apply"):
        require_topics(applied, admin, {"md.trades": 2, "market.journal": 2})
