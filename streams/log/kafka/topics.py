"""The catalogue's topics as a cluster should have them, as it has them, and the differences.

No topic is compacted: a journal points at offsets, and what is compacted away makes another history. Timestamps are the producer's wall time:
transport only, for retention and lag. (Stamped with event time, an old recording is deleted within minutes: measured.)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from confluent_kafka import KafkaException, TopicCollection
from confluent_kafka.admin import AdminClient, ConfigResource, ResourceType  # type: ignore[attr-defined]

from schemas.catalogue import Topic, UnknownTopic, cluster_topics, topic
from streams.log.kafka.cluster import Cluster
from streams.log.kafka.errors import MissingTopic, WrongPartitions, explain

MESSAGE_BYTES_MAX = 8_388_608
DEAD_LETTER_BYTES_MAX = MESSAGE_BYTES_MAX + 65_536
"""A dead letter holds the whole record it speaks of: the largest one of an input must fit, with its reason and origin."""
REPLICATION = 3
ANSWER_SECONDS = 20.0
DAY_MS = 86_400_000


class Wanted(NamedTuple):
    """A topic as the catalogue wants it: ``name`` on the cluster, and what it is made with."""

    name: str
    entry: Topic
    partitions: int
    replication: int
    settings: dict[str, str]


class Found(NamedTuple):
    """A topic as the cluster has it; ``settings`` are all of them, defaults too."""

    partitions: int
    replication: int
    settings: dict[str, str]


class Difference(NamedTuple):
    """One difference: ``kind`` is missing, partitions, replication, setting, unknown, schema or compatibility."""

    topic: str
    kind: str
    key: str
    wanted: str
    found: str

    def __str__(self) -> str:
        if self.kind == "missing":
            return f"{self.topic}: is not there"
        if self.kind == "unknown":
            return f"{self.topic}: is not in the catalogue"
        return f"{self.topic}: {self.key} is {self.found}, the catalogue says {self.wanted}"


def wanted_topics(cluster: Cluster, topologies: Sequence[str], shards: int, brokers: int) -> list[Wanted]:
    """What the cluster should have for these topologies, each of so many shards. Raises BadTopologyName."""
    replication = min(REPLICATION, brokers)
    return [
        Wanted(cluster.name(entry.name), entry, shards if entry.is_sharded else 1, replication, _settings(entry, replication))
        for entry in cluster_topics(topologies)
    ]


def _settings(entry: Topic, replication: int) -> dict[str, str]:
    return {
        "cleanup.policy": "delete",
        "retention.ms": "-1" if entry.retention_days is None else str(entry.retention_days * DAY_MS),
        "retention.bytes": "-1",
        "message.timestamp.type": "CreateTime",
        "max.message.bytes": str(DEAD_LETTER_BYTES_MAX if entry.record == "DeadLetter" else MESSAGE_BYTES_MAX),
        "min.insync.replicas": str(max(1, replication - 1)),
    }


def brokers_of(admin: AdminClient, cluster: Cluster) -> int:
    """How many brokers the cluster has. Raises what :func:`explain` makes of a failure."""
    try:
        return len(admin.describe_cluster(request_timeout=ANSWER_SECONDS).result(ANSWER_SECONDS + 1).nodes)
    except (KafkaException, TimeoutError) as problem:
        raise explain(problem, cluster, "asking for its brokers") from None


def found_topics(admin: AdminClient, cluster: Cluster) -> dict[str, Found]:
    """Topics under the cluster's environment, by name. Names that begin with an underscore are the broker's and tools' own.

    Without an environment, what lies under another one (``staging.md.trades``) is left out.
    """
    try:
        names = [name for name in admin.list_topics(timeout=ANSWER_SECONDS).topics if _is_ours(name, cluster.environment)]
        if not names:
            return {}
        described = admin.describe_topics(TopicCollection(names), request_timeout=ANSWER_SECONDS)
        resources = [ConfigResource(ResourceType.TOPIC, name) for name in names]
        configured = {resource.name: future for resource, future in admin.describe_configs(resources, request_timeout=ANSWER_SECONDS).items()}
        found = {}
        for name in names:
            partitions = described[name].result(ANSWER_SECONDS + 1).partitions
            settings = configured[name].result(ANSWER_SECONDS + 1)
            replication = min(len(partition.replicas) for partition in partitions)
            found[name] = Found(len(partitions), replication, {key: entry.value for key, entry in settings.items()})
        return found
    except (KafkaException, TimeoutError) as problem:
        raise explain(problem, cluster, "asking for its topics") from None


def _is_ours(name: str, environment: str) -> bool:
    if environment:
        return name.startswith(f"{environment}.")
    return not name.startswith("_") and (is_catalogued(name) or not is_catalogued(name.partition(".")[2]))


def is_catalogued(name: str) -> bool:
    """True if the catalogue knows a topic of this name, without environment; those of any topology included."""
    try:
        topic(name)
    except UnknownTopic:
        return False
    return True


def shards_of(cluster: Cluster, topologies: Sequence[str], found: Mapping[str, Found]) -> int:
    """Shards that the topologies have: the partitions of the first journal that is there; 1 if none is."""
    for topology in topologies:
        journal = found.get(cluster.name(f"{topology}.journal"))
        if journal is not None:
            return journal.partitions
    return 1


def differences(cluster: Cluster, wanted: Sequence[Wanted], found: Mapping[str, Found]) -> list[Difference]:
    """Where the cluster differs from the catalogue, in catalogue order, unknown topics last."""
    result = []
    for want in wanted:
        has = found.get(want.name)
        if has is None:
            result.append(Difference(want.name, "missing", "", "", ""))
            continue
        if has.partitions != want.partitions:
            result.append(Difference(want.name, "partitions", "partitions", str(want.partitions), str(has.partitions)))
        if has.replication < want.replication:
            result.append(Difference(want.name, "replication", "replication", str(want.replication), str(has.replication)))
        for key, value in want.settings.items():
            if has.settings.get(key) != value:
                result.append(Difference(want.name, "setting", key, value, str(has.settings.get(key))))
    prefix = f"{cluster.environment}." if cluster.environment else ""
    result += [Difference(name, "unknown", "", "", "") for name in sorted(found) if not is_catalogued(name.removeprefix(prefix))]
    return result


def require_topics(cluster: Cluster, admin: AdminClient, partitions: Mapping[str, int]) -> None:
    """Refuse to start on a cluster without the topics that a job needs.

    Args:
        cluster, admin: where.
        partitions: number of partitions each topic must have, by name in the catalogue.

    Raises:
        MissingTopic, WrongPartitions: naming the first topics that are not as they must be.
    """
    there = admin.list_topics(timeout=ANSWER_SECONDS).topics
    missing = [name for name in partitions if cluster.name(name) not in there]
    if missing:
        more = f" and {len(missing) - 3} more" if len(missing) > 3 else ""
        raise MissingTopic(f"{', '.join(map(cluster.name, missing[:3]))}{more} are not on {cluster.url}; run 'sq topics apply'")
    for name, count in partitions.items():
        has = len(there[cluster.name(name)].partitions)
        if has != count:
            raise WrongPartitions(
                f"{cluster.name(name)} has {has} partitions, {count} are needed; the number is fixed for the life of a journal: "
                f"run the job with {has} shards, or apply the topics of another environment with 'sq topics apply --shards {count}'"
            )
