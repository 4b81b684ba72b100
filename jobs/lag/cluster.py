"""Reads a real cluster for the lag exporter, in the order that ``reading.py`` asks for."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Future
from typing import Any

from confluent_kafka import (
    ConsumerGroupTopicPartitions,
    IsolationLevel,
    KafkaError,
    KafkaException,
    TopicPartition,
)
from confluent_kafka.admin import (  # type: ignore[attr-defined]
    AclOperation,
    AdminClient,
    ConfigResource,
    OffsetSpec,
    ResourceType,
)

from jobs.lag.probe import Probe
from jobs.lag.reading import Bounds, Group, Member, Partition, Reading, Seen, TopicSettings, Want
from jobs.lag.settings import LagSettings
from jobs.lag.topologies import Topologies
from schemas.errors import ShrivenError
from streams.log.kafka.cluster import Cluster
from streams.log.kafka.errors import explain
from streams.log.kafka.silence import SILENT

SETTINGS_SECONDS = 60.0  # topic settings change rarely: they are asked for once a minute
INTERNAL = (
    "__consumer_offsets",
    "__transaction_state",
    "__share_group_state",
    "__cluster_metadata",
)
UNREACHABLE = (
    KafkaError._TRANSPORT,
    KafkaError._ALL_BROKERS_DOWN,
    KafkaError._TIMED_OUT,
    KafkaError._RESOLVE,
    KafkaError.REQUEST_TIMED_OUT,
)
REFUSED = (
    KafkaError.TOPIC_AUTHORIZATION_FAILED,
    KafkaError.GROUP_AUTHORIZATION_FAILED,
    KafkaError.CLUSTER_AUTHORIZATION_FAILED,
)
FOR_EVER = -1
EARLIEST: Any = OffsetSpec.earliest()  # type: ignore[no-untyped-call]
LATEST: Any = OffsetSpec.latest()  # type: ignore[no-untyped-call]


class KafkaLagSource:
    """A cluster seen by the admin client, and by consumers that look at records. Writes nothing to
    the cluster.

    Args:
        cluster: which.
        settings: time limits.
    """

    def __init__(self, cluster: Cluster, settings: LagSettings) -> None:
        self.cluster = cluster
        self.settings = settings
        self.told: KafkaError | None = None
        self.admin = self._connect()
        self.probes: dict[bool, Probe] = {}
        self.topic_settings: dict[str, TopicSettings] = {}
        self.topic_settings_until = 0.0
        self.failures: Counter[str] = Counter()
        self.topologies = Topologies(cluster)

    @property
    def looks(self) -> int:
        """Passes through records made so far."""
        return sum(looker.passes for looker in self.probes.values())

    def read(self) -> Reading:
        """Everything but records. Raises the typed errors of ``streams.log.kafka.errors``."""
        if self.failures:
            # An admin client whose group coordinator went away times out on every later request to
            # a group, also once the broker is back.
            self.admin = self._connect()
        self.failures = Counter()
        began = time.time()
        try:
            metadata = self.admin.list_topics(timeout=self.settings.request_seconds)
            partitions = [
                (name, number)
                for name, topic in metadata.topics.items()
                if name not in INTERNAL
                for number in topic.partitions
            ]
            unreadable: dict[Partition, str] = {}
            starts = self._offsets(
                partitions, EARLIEST, IsolationLevel.READ_UNCOMMITTED, unreadable
            )
            groups = self._groups()
            self._refuse_blindness(groups)
            highs = self._offsets(list(starts), LATEST, IsolationLevel.READ_UNCOMMITTED, unreadable)
            stables = self._offsets(list(highs), LATEST, IsolationLevel.READ_COMMITTED, unreadable)
        except KafkaException as problem:
            raise self._unreadable(problem.args[0]) from problem
        bounds = {each: Bounds(starts[each], highs[each], stables[each]) for each in stables}
        topics = frozenset(metadata.topics)
        topologies = self.topologies.read(topics, bounds, self.failures)
        settings = self._topic_settings(topics)
        return Reading(
            began,
            time.time(),
            groups,
            bounds,
            topics,
            settings,
            dict(self.failures),
            unreadable,
            topologies,
        )

    def look(self, wants: Sequence[Want]) -> Mapping[Want, Seen]:
        """Bounded looks at records."""
        seen: dict[Want, Seen] = {}
        for committed in (True, False):
            asked = [want for want in wants if want.committed is committed]
            if not asked:
                continue
            try:
                if committed not in self.probes:
                    self.probes[committed] = Probe(self.cluster, committed)
                seen.update(
                    self.probes[committed].look(
                        asked, self.settings.look_seconds, self.settings.look_bytes
                    )
                )
            except KafkaException as problem:
                raise self._unreadable(problem.args[0]) from problem
        return seen

    def close(self) -> None:
        """Give the connections back."""
        for looker in self.probes.values():
            looker.close()

    def _connect(self) -> AdminClient:
        client: dict[str, Any] = self.cluster.client(
            socket_timeout_ms=int(self.settings.request_seconds * 1000)
        )
        try:
            return AdminClient(client | {"logger": SILENT, "error_cb": self._remember})
        except KafkaException as problem:
            raise explain(problem, self.cluster, "making a client") from None

    def _remember(self, problem: KafkaError) -> None:
        """What a connection met says more than the time-out that follows from it."""
        if problem.code() != KafkaError._ALL_BROKERS_DOWN:
            self.told = problem

    def _unreadable(self, problem: KafkaError) -> ShrivenError:
        self.failures["unreachable"] += 1
        self.admin.poll(0)
        return explain(
            self.told if problem.code() in UNREACHABLE and self.told is not None else problem,
            self.cluster,
            "reading lag",
        )

    def _fail(self, problem: KafkaException | KafkaError) -> str:
        """Count a failure; returns its cause: Kafka's own name of the error where it is no common
        one.
        """
        error = problem if isinstance(problem, KafkaError) else problem.args[0]
        named = str(error.name()).strip("_").lower()
        cause = (
            "unreachable"
            if error.code() in UNREACHABLE
            else "not_authorized"
            if error.code() in REFUSED
            else named
        )
        self.failures[cause] += 1
        return cause

    def _offsets(
        self,
        partitions: Iterable[Partition],
        spec: Any,
        isolation: IsolationLevel,
        unreadable: dict[Partition, str],
    ) -> dict[Partition, int]:
        asked = {TopicPartition(*partition): spec for partition in partitions}
        if not asked:
            return {}
        answers = self.admin.list_offsets(
            asked, isolation_level=isolation, request_timeout=self.settings.request_seconds
        )
        found: dict[Partition, int] = {}
        for at, answer in answers.items():
            try:
                found[(at.topic, at.partition)] = answer.result().offset
            except KafkaException as problem:
                unreadable[(at.topic, at.partition)] = (
                    "not_authorized" if self._fail(problem) == "not_authorized" else "fetch_timeout"
                )
        return found

    def _groups(self) -> tuple[Group, ...]:
        seconds = self.settings.request_seconds
        listed = self.admin.list_consumer_groups(request_timeout=seconds).result()
        for problem in listed.errors:
            self._fail(problem)
        names = sorted(listing.group_id for listing in listed.valid)
        if not names:
            return ()
        described = self.admin.describe_consumer_groups(names, request_timeout=seconds)
        committed = {name: self._commits(name) for name in names}
        simple = {listing.group_id: listing.is_simple_consumer_group for listing in listed.valid}
        found = []
        for name in names:
            offsets = self._result(committed[name])
            description = self._result(described[name])
            if offsets is None:
                continue
            members = tuple(map(_member, description.members)) if description is not None else ()
            kept = {
                (each.topic, each.partition): each.offset
                for each in offsets.topic_partitions
                if each.offset >= 0 and each.error is None
            }
            notes = {
                (each.topic, each.partition): each.metadata
                for each in offsets.topic_partitions
                if each.metadata
            }
            found.append(Group(name, simple[name], members, kept, notes))
        return tuple(found)

    def _refuse_blindness(self, groups: Sequence[Group]) -> None:
        """A cluster hides groups from who may not see them: none at all may mean either. It says
        itself which rights we have.
        """
        if groups:
            return
        cluster = self.admin.describe_cluster(
            include_authorized_operations=True, request_timeout=self.settings.request_seconds
        ).result()
        allowed = cluster.authorized_operations or ()  # the client gives None for none
        if not {AclOperation.DESCRIBE, AclOperation.ALL} & set(allowed):
            self.failures["not_authorized"] += 1

    def _commits(self, name: str) -> Future[Any]:
        # without require_stable: a commit that is pending inside an open transaction has not
        # happened yet, and the one before it is the truth
        return self.admin.list_consumer_group_offsets(
            [ConsumerGroupTopicPartitions(name)], request_timeout=self.settings.request_seconds
        )[name]

    def _result(self, answer: Future[Any]) -> Any:
        try:
            return answer.result()
        except KafkaException as problem:
            code = problem.args[0].code()
            # it was deleted meanwhile
            if code not in (KafkaError.GROUP_ID_NOT_FOUND, KafkaError.INVALID_GROUP_ID):
                self._fail(problem)
            return None

    def _topic_settings(self, topics: frozenset[str]) -> Mapping[str, TopicSettings]:
        names = sorted(topics.difference(INTERNAL))
        fresh = time.monotonic() < self.topic_settings_until and all(
            name in self.topic_settings for name in names
        )
        if names and not fresh:
            resources = [ConfigResource(ResourceType.TOPIC, name) for name in names]
            answers = self.admin.describe_configs(
                resources, request_timeout=self.settings.request_seconds
            )
            for resource, answer in answers.items():
                entries = self._result(answer)
                if entries is not None:
                    self.topic_settings[resource.name] = _topic_settings(
                        {key: entry.value for key, entry in entries.items()}
                    )
            self.topic_settings_until = time.monotonic() + SETTINGS_SECONDS
        return {name: self.topic_settings[name] for name in names if name in self.topic_settings}


def _topic_settings(values: Mapping[str, str | None]) -> TopicSettings:
    retention_ms = int(values.get("retention.ms") or FOR_EVER)
    kept = retention_ms == FOR_EVER or "delete" not in (values.get("cleanup.policy") or "delete")
    is_compacted = "compact" in (values.get("cleanup.policy") or "")
    return TopicSettings(
        None if kept else retention_ms / 1000,
        values.get("message.timestamp.type") or "CreateTime",
        is_compacted,
    )


def _member(description: Any) -> Member:
    """A member as the broker describes it; a client id ``name@version`` names the job's version."""
    assigned = description.assignment.topic_partitions if description.assignment else []
    _, _, version = (description.client_id or "").partition("@")
    name = description.group_instance_id or description.member_id
    return Member(
        name,
        (description.host or "").lstrip("/"),
        version,
        tuple((each.topic, each.partition) for each in assigned),
    )
