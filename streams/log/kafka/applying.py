"""``sq topics apply``: make the cluster's topics and the registry's schemas what the catalogue
says, as far as that loses nothing.

Topics are made and settings set. Nothing is ever deleted, and a number of partitions never changes:
a key's records would lie in two partitions, and a journal's cursors point into the old ones.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import (  # type: ignore[attr-defined]
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    ResourceType,
)
from confluent_kafka.cimpl import NewTopic

from schemas.registry import COMPATIBILITY, Registry
from streams.log.kafka.cluster import Cluster
from streams.log.kafka.errors import KafkaTrouble, WrongPartitions, explain, reach
from streams.log.kafka.topics import (
    ANSWER_SECONDS,
    Difference,
    Found,
    Wanted,
    brokers_of,
    differences,
    found_topics,
    shards_of,
    wanted_topics,
)

APPLICABLE = ("missing", "setting", "schema", "compatibility")


class Comparison(NamedTuple):
    """A cluster held against the catalogue."""

    wanted: list[Wanted]
    found: dict[str, Found]
    differences: list[Difference]


def compare(
    cluster: Cluster, topologies: Sequence[str], shards: int | None, registry: Registry | None
) -> Comparison:
    """Hold a cluster, and the registry if one is given, against the catalogue.

    Args:
        cluster: where.
        topologies: their journals, snapshots and dead letters are wanted besides the shared topics.
        shards: partitions of sharded topics; None takes what the journal has, or 1.
        registry: compared too.

    Raises:
        BrokerUnreachable, CredentialsRefused, ...: see :func:`reach`; RegistryUnreachable.
    """
    admin = reach(cluster)
    found = found_topics(admin, cluster)
    wanted = wanted_topics(
        cluster,
        topologies,
        shards or shards_of(cluster, topologies, found),
        brokers_of(admin, cluster),
    )
    result = differences(cluster, wanted, found)
    if registry is not None:
        result += _schema_differences(registry, wanted)
    return Comparison(wanted, found, result)


def _schema_differences(registry: Registry, wanted: Sequence[Wanted]) -> list[Difference]:
    result = []
    for want in wanted:
        name, subject = want.entry.name, registry.subject(want.entry.name)
        is_known = registry.is_known(name)
        if not is_known or registry.schema_id(name) is None:
            result.append(
                Difference(
                    want.name, "schema", f"schema {subject}", want.entry.record, "not registered"
                )
            )
        level = registry.compatibility(name) if is_known else ""
        if level != COMPATIBILITY and is_known:
            result.append(
                Difference(
                    want.name,
                    "compatibility",
                    f"compatibility of {subject}",
                    COMPATIBILITY,
                    level or "not set",
                )
            )
    return result


def apply(
    cluster: Cluster, comparison: Comparison, registry: Registry | None, say: Callable[[str], None]
) -> list[Difference]:
    """Remove the differences that can be removed without loss; returns those that stay.

    Raises:
        WrongPartitions: a topic has another number of partitions; nothing is done then.
        SchemaRefused: the registry refuses a schema.
    """
    wrong = [difference for difference in comparison.differences if difference.kind == "partitions"]
    if wrong:
        listed = ", ".join(f"{each.topic} has {each.found}" for each in wrong[:4]) + (
            f" and {len(wrong) - 4} more" if len(wrong) > 4 else ""
        )
        raise WrongPartitions(
            f"{wrong[0].wanted} partitions are wanted, but {listed}; partitions never change under "
            f"a journal: use --shards {wrong[0].found}, another environment "
            "(SQ_KAFKA_ENVIRONMENT), or delete those topics yourself"
        )
    admin = reach(cluster)
    missing = {
        difference.topic for difference in comparison.differences if difference.kind == "missing"
    }
    _create(admin, cluster, [want for want in comparison.wanted if want.name in missing], say)
    _configure(
        admin,
        cluster,
        [difference for difference in comparison.differences if difference.kind == "setting"],
        say,
    )
    if registry is not None:
        lacking = {
            difference.topic
            for difference in comparison.differences
            if difference.kind in ("schema", "compatibility")
        }
        for want in comparison.wanted:
            if want.name in lacking:
                say(
                    f"{want.name}: schema {want.entry.record} has id "
                    f"{registry.register(want.entry.name)}"
                )
    return [
        difference for difference in comparison.differences if difference.kind not in APPLICABLE
    ]


def _create(
    admin: AdminClient, cluster: Cluster, topics: Sequence[Wanted], say: Callable[[str], None]
) -> None:
    if not topics:
        return
    new = [
        NewTopic(
            each.name,
            num_partitions=each.partitions,
            replication_factor=each.replication,
            config=each.settings,
        )
        for each in topics
    ]
    for name, future in admin.create_topics(
        new, operation_timeout=ANSWER_SECONDS, request_timeout=ANSWER_SECONDS
    ).items():
        try:
            future.result(ANSWER_SECONDS + 5)
            say(f"{name}: made")
        except KafkaException as problem:
            # made by somebody else at the same time
            if problem.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                raise explain(problem, cluster, f"making {name}") from None
        except TimeoutError:
            raise KafkaTrouble(
                f"{cluster.url} did not make {name} within {ANSWER_SECONDS:g} s; run 'sq topics "
                "apply' again"
            ) from None


def _configure(
    admin: AdminClient, cluster: Cluster, settings: Sequence[Difference], say: Callable[[str], None]
) -> None:
    by_topic: dict[str, list[Difference]] = {}
    for difference in settings:
        by_topic.setdefault(difference.topic, []).append(difference)
    if not by_topic:
        return
    resources = []
    for name, own in by_topic.items():
        entries = [
            ConfigEntry(each.key, each.wanted, incremental_operation=AlterConfigOpType.SET)
            for each in own
        ]
        resources.append(ConfigResource(ResourceType.TOPIC, name, incremental_configs=entries))
    for resource, future in admin.incremental_alter_configs(
        resources, request_timeout=ANSWER_SECONDS
    ).items():
        try:
            future.result(ANSWER_SECONDS + 5)
        except KafkaException as problem:
            raise explain(problem, cluster, f"setting {resource.name}") from None
        for each in by_topic[resource.name]:
            say(f"{each.topic}: {each.key} set to {each.wanted}, was {each.found}")
