"""The catalogue's topics as a cluster should have them, as it has them, and the differences.

No topic is compacted: a journal points at offsets, and what is compacted away makes another
history. Timestamps are the producer's wall time: transport only, for retention and lag. (Stamped
with event time, an old recording is deleted within minutes: measured.)
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from confluent_kafka import KafkaError, KafkaException, TopicCollection
from confluent_kafka.admin import AdminClient, ConfigResource, ResourceType  # type: ignore[attr-defined]

from schemas.catalogue import Topic, UnknownTopic, cluster_topics, topic
from schemas.errors import WrongUse
from schemas.user_topics import is_user_topic
from streams.log.kafka.cluster import Cluster
from streams.log.kafka.errors import MissingTopic, NotAuthorised, WrongPartitions, explain

MESSAGE_BYTES_MAX = 8_388_608
DEAD_LETTER_BYTES_MAX = MESSAGE_BYTES_MAX + 65_536
"""A dead letter holds the whole record it speaks of: the largest one of an input must fit, with its
reason and origin.
"""
REPLICATION = 3
ANSWER_SECONDS = 20.0
DAY_MS = 86_400_000
FOR_EVER = -1
SPAN = re.compile(r"(?P<count>\d+)(?P<unit>[dhm])|forever")
SPAN_MS = {"d": DAY_MS, "h": DAY_MS // 24, "m": 60_000}
KEPT = (".journal", "control", "topologies", ".dlq.decisions", "ref.instruments")
"""What must stay whole: see ``retentions``."""


class BadRetention(WrongUse):
    """A retention that cannot be set."""

    code = "bad_retention"


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
    """One difference: ``kind`` is missing, partitions, replication, setting, unknown, schema or
    compatibility.
    """

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


def wanted_topics(
    cluster: Cluster, topologies: Sequence[str], shards: int, brokers: int
) -> list[Wanted]:
    """What the cluster should have for these topologies, each of so many shards. Raises
    BadTopologyName, BadRetention.
    """
    replication = min(REPLICATION, brokers)
    entries = cluster_topics(topologies)
    kept = retentions(cluster.retention, [entry.name for entry in entries])
    return [
        Wanted(
            cluster.name(entry.name),
            entry,
            shards if entry.is_sharded else 1,
            replication,
            _settings(entry, replication, kept.get(entry.name)),
        )
        for entry in entries
    ]


def retentions(given: Mapping[str, str], topics: Sequence[str]) -> dict[str, int]:
    """Retention in ms by topic, as a cluster's settings give it: ``{"md.trades": "30d", "fills":
    "forever"}``.

    Raises:
        BadRetention: a topic that is none, or must be kept; a span that is none.
    """
    found = {}
    for name, text in given.items():
        if name not in topics:
            raise BadRetention(
                f"retention of {name}: there is no such topic; topics are {', '.join(topics)}"
            )
        if name.endswith(KEPT):
            raise BadRetention(
                f"retention of {name}: it is kept for ever, for a topology is rebuilt and proved "
                "from it"
            )
        match = SPAN.fullmatch(text.strip())
        if match is None or match["count"] == "0":
            raise BadRetention(
                f"retention of {name} is {text!r}; write a number with d, h or m, for example 30d, "
                "or forever"
            )
        found[name] = (
            FOR_EVER if match["count"] is None else int(match["count"]) * SPAN_MS[match["unit"]]
        )
    return found


def _settings(entry: Topic, replication: int, retention_ms: int | None) -> dict[str, str]:
    kept = FOR_EVER if entry.retention_days is None else entry.retention_days * DAY_MS
    return {
        "cleanup.policy": "delete",
        "retention.ms": str(kept if retention_ms is None else retention_ms),
        "retention.bytes": "-1",
        "message.timestamp.type": "CreateTime",
        "max.message.bytes": str(
            DEAD_LETTER_BYTES_MAX if entry.record == "DeadLetter" else MESSAGE_BYTES_MAX
        ),
        "min.insync.replicas": str(max(1, replication - 1)),
    }


def brokers_of(admin: AdminClient, cluster: Cluster) -> int:
    """How many brokers the cluster has. Raises what :func:`explain` makes of a failure."""
    try:
        return len(
            admin.describe_cluster(request_timeout=ANSWER_SECONDS).result(ANSWER_SECONDS + 1).nodes
        )
    except (KafkaException, TimeoutError) as problem:
        raise explain(problem, cluster, "asking for its brokers") from None


def found_topics(admin: AdminClient, cluster: Cluster) -> dict[str, Found]:
    """Topics under the cluster's environment, by name. Names that begin with an underscore are the
    broker's and tools' own.

    Without an environment, what lies under another one (``staging.md.trades``) is left out.
    """
    try:
        _refuse_blindness(admin, cluster)
        names = [
            name
            for name in admin.list_topics(timeout=ANSWER_SECONDS).topics
            if _is_ours(name, cluster.environment)
        ]
        if not names:
            return {}
        described = admin.describe_topics(TopicCollection(names), request_timeout=ANSWER_SECONDS)
        resources = [ConfigResource(ResourceType.TOPIC, name) for name in names]
        configured = {
            resource.name: future
            for resource, future in admin.describe_configs(
                resources, request_timeout=ANSWER_SECONDS
            ).items()
        }
        found = {}
        for name in names:
            partitions = described[name].result(ANSWER_SECONDS + 1).partitions
            settings = configured[name].result(ANSWER_SECONDS + 1)
            replication = min(len(partition.replicas) for partition in partitions)
            found[name] = Found(
                len(partitions), replication, {key: entry.value for key, entry in settings.items()}
            )
        return found
    except (KafkaException, TimeoutError) as problem:
        raise explain(problem, cluster, "asking for its topics") from None


def _refuse_blindness(admin: AdminClient, cluster: Cluster) -> None:
    """A cluster hides topics from who may not see them, and says nothing. Asked for one by name it
    does.
    """
    name = cluster.name("topologies")
    try:
        admin.describe_topics(TopicCollection([name]), request_timeout=ANSWER_SECONDS)[name].result(
            ANSWER_SECONDS + 1
        )
    except KafkaException as problem:
        if problem.args[0].code() == KafkaError.TOPIC_AUTHORIZATION_FAILED:
            raise NotAuthorised(
                f"not authorised: the cluster at {cluster.bootstrap} hides its topics from this "
                f"user (asked for {name}): all would look missing; grant it DESCRIBE and "
                "DESCRIBE_CONFIGS on the topics"
            ) from None


def _is_ours(name: str, environment: str) -> bool:
    if environment:
        return name.startswith(f"{environment}.")
    return not name.startswith("_") and (
        is_catalogued(name) or not is_catalogued(name.partition(".")[2])
    )


def is_catalogued(name: str) -> bool:
    """True if the catalogue knows a topic of this name, without environment; those of any topology
    included.
    """
    try:
        topic(name)
    except UnknownTopic:
        return False
    return True


def shards_of(cluster: Cluster, topologies: Sequence[str], found: Mapping[str, Found]) -> int:
    """Shards that the topologies have: the partitions of the first journal that is there, else of
    the topics that all topologies share; else 1.
    """
    journals = [f"{topology}.journal" for topology in topologies]
    shared = [entry.name for entry in cluster_topics(topologies) if entry.is_sharded]
    for name in (*journals, *shared):
        topic_there = found.get(cluster.name(name))
        if topic_there is not None:
            return topic_there.partitions
    return 1


def differences(
    cluster: Cluster, wanted: Sequence[Wanted], found: Mapping[str, Found]
) -> list[Difference]:
    """Where the cluster differs from the catalogue, in catalogue order, unknown topics last."""
    result = []
    for want in wanted:
        has = found.get(want.name)
        if has is None:
            result.append(Difference(want.name, "missing", "", "", ""))
            continue
        if has.partitions != want.partitions:
            result.append(
                Difference(
                    want.name, "partitions", "partitions", str(want.partitions), str(has.partitions)
                )
            )
        if has.replication < want.replication:
            result.append(
                Difference(
                    want.name,
                    "replication",
                    "replication",
                    str(want.replication),
                    str(has.replication),
                )
            )
        for key, value in want.settings.items():
            if has.settings.get(key) != value:
                result.append(
                    Difference(want.name, "setting", key, value, str(has.settings.get(key)))
                )
    prefix = f"{cluster.environment}." if cluster.environment else ""
    result += [
        Difference(name, "unknown", "", "", "")
        for name in sorted(found)
        if not is_catalogued(own := name.removeprefix(prefix)) and not is_user_topic(own)
    ]  # a user's own topic may be that of another job's stage
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
        raise MissingTopic(
            f"{', '.join(map(cluster.name, missing[:3]))}{more} are not on {cluster.url}; run 'sq "
            "topics apply'"
        )
    for name, count in partitions.items():
        has = len(there[cluster.name(name)].partitions)
        if has != count:
            raise WrongPartitions(
                f"{cluster.name(name)} has {has} partitions, {count} are needed; the number is "
                f"fixed for the life of a journal: run the job with {has} shards, or apply the "
                f"topics of another environment with 'sq topics apply --shards {count}'"
            )
