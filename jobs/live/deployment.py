"""What a stream job is: a topology with its configuration on a cluster; and the task that runs one
shard of it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from jobs.configuration import AUTO, BadConfiguration, Configuration
from jobs.live.accounts import with_accounts
from jobs.live.topic_ownership import TOPIC as TOPOLOGIES
from jobs.live.topic_ownership import Report, claim, unreported
from jobs.live.topology_status import begun_facts, begun_id, first_entry
from jobs.pipeline import JOBS, inputs_of, topology_over
from jobs.runs import versions
from jobs.ticker import TICKERS, rule_of, settled, uses_ticker
from jobs.user_files import (
    all_digests,
    journaled_files,
    remember_all,
    whole_identity,
    with_copies,
    write_journaled,
)
from jobs.user_stages import found_stages
from schemas.catalogue import TOPICS
from schemas.records import Instrument
from schemas.registry import Registry, RegistryUnreachable, check_ids
from schemas.user_topics import is_user_topic
from schemas.version import VERSION
from streams.log.kafka.client import KafkaLog
from streams.log.kafka.cluster import Cluster
from streams.log.kafka.transport import Log, TopicChanged
from streams.log.kafka.versions import versions_on
from streams.runtime.journal.in_flight import Run
from streams.runtime.journal.journal import JOURNAL
from streams.runtime.journal.made_by import check_version
from streams.runtime.journal.snapshot import TOPIC as SNAPSHOTS
from streams.runtime.live.identity import check_same
from streams.runtime.live.order import LiveOrder
from streams.runtime.live.partition import PartitionSource
from streams.runtime.live.schema_ids import SchemaIds
from streams.runtime.live.spec import Bounds, TaskSpec, runtime_name
from streams.runtime.order.canary import CANARY, CANARY_ID
from streams.runtime.order.dead_letters import DEAD_LETTERS
from streams.runtime.order.feed import Feed
from streams.runtime.order.flood import FloodGuard, FloodLimit
from streams.runtime.order.merge import Merger
from streams.runtime.order.sample_instrument import MADE_UP
from streams.runtime.recovery.execution import Execution
from streams.runtime.schedule.topology import Topology
from streams.runtime.tools.code import code_digest, source_digests

PUBLISHED = ("order", "loop", "user")
"""Classes of topics that ``--publish orders`` means; a user's own topic is there to be read."""


class Deployment(msgspec.Struct, kw_only=True):
    """A job as it is deployed; plain data, handed to the process of each shard.

    Attributes:
        job: one of ``jobs.pipeline.JOBS``.
        topology: its name on the cluster.
        configuration: strategy, money, accounts by shard, stages.
        cluster: where.
        clock: event or wall.
        start: earliest or end.
        linger: ns between batches, see Bounds.
        flood: most dead letters of an input; no part of the identity, so that it may be raised from
            one start to the next.
        publish: topics written to the log.
        shards: how many the topology has.
        journal_id: 24 bits, from the topology's claim.
        schema_ids: by topic, resolved once at start; ``claim_ids`` the same of the topic of claims.
        registry_trouble: why the registry did not answer at the start; empty if it did.
    """

    job: str
    topology: str
    configuration: Configuration
    cluster: Cluster
    clock: str = "event"
    start: str = "earliest"
    linger: int = 0
    flood: FloodLimit = FloodLimit()
    publish: list[str] = []
    shards: int = 1
    journal_id: int = 0
    schema_ids: dict[str, int] = {}
    claim_ids: dict[str, int] = {}
    registry_trouble: str = ""

    def sample(self) -> Topology:
        """The job's stages over one made-up instrument: what it writes, and what it compiles."""
        instrument = msgspec.structs.replace(MADE_UP, quote=self.configuration.currency)
        return topology_over(
            msgspec.structs.replace(self.configuration, symbols=[]),
            [instrument],
            self.inputs(),
            self.job,
        )

    def inputs(self) -> list[str]:
        """Topics that the job reads, in merge order."""
        return list(inputs_of(self.configuration, self.job))

    def outputs(self) -> list[str]:
        """Topics that the job's stages write, in catalogue order, dead letters last."""
        return [*self.sample().outputs, DEAD_LETTERS]

    def topics(self) -> list[str]:
        """Every topic the job reads or writes, by its name in the catalogue."""
        return [*self.inputs(), *self.publish, DEAD_LETTERS, JOURNAL, SNAPSHOTS]


def published(outputs: Sequence[str], choice: str, job: str) -> list[str]:
    """The outputs that a choice names: ``orders``, ``all``, or names separated by commas; dead
    letters always.

    Raises:
        BadConfiguration: a name that the job does not write.
    """
    if choice == "all" or (choice == "orders" and JOBS[job] is not None):
        return list(outputs)
    if choice == "orders":
        return [
            topic
            for topic in outputs
            if topic == DEAD_LETTERS or TOPICS[topic].kind in PUBLISHED
        ]
    wanted = [name.strip() for name in choice.split(",") if name.strip()]
    for name in wanted:
        if name not in outputs:
            raise BadConfiguration(
                f"--publish names {name}, which the job does not write; it writes "
                f"{', '.join(outputs)}"
            )
    return [topic for topic in outputs if topic == DEAD_LETTERS or topic in wanted]


def facts_of(deployment: Deployment) -> dict[str, Any]:
    """What the genesis record holds besides topics: identity, code, and what is needed to execute
    it again.
    """
    sources = {**source_digests(), **all_digests(deployment.configuration)}
    identity = {
        **whole_identity(deployment.configuration, [], {}),
        "job": deployment.job,
        "clock": deployment.clock,
        "publish": sorted(deployment.publish),
        "shards": deployment.shards,
        "journal_id": deployment.journal_id,
    }
    return {
        "identity": identity,
        "journal_id": deployment.journal_id,
        "environment": deployment.cluster.environment,
        "topology": deployment.topology,
        "job": deployment.job,
        "clock": deployment.clock,
        "code": code_digest(sources),
        "sources": sources,
        "version": VERSION,
        "versions": versions(),
        "configuration": deployment.configuration.facts(),
        **journaled_files(deployment.configuration),
        "ids": {
            **{
                runtime_name(deployment.topology, topic): found
                for topic, found in deployment.schema_ids.items()
            },
            **deployment.claim_ids,
        },
    }


def spec_of(
    deployment: Deployment, shard: int, outputs: Sequence[str], bounds: Bounds | None = None
) -> TaskSpec:
    """The task of one shard."""
    return TaskSpec(
        topology=deployment.topology,
        shard=shard,
        environment=deployment.cluster.environment,
        inputs=deployment.inputs(),
        outputs=list(outputs),
        published=[
            topic for topic in outputs if topic in deployment.publish or topic == DEAD_LETTERS
        ],
        schema_ids=deployment.schema_ids,
        facts={**facts_of(deployment), "shard": shard},
        clock=deployment.clock,
        start=deployment.start,
        state_digest_records=deployment.configuration.state_digest_records,
        clock_jump_max=deployment.configuration.clock_jump_max,
        flood=deployment.flood,
        bounds=bounds
        or Bounds(records=deployment.configuration.batch, linger_seconds=deployment.linger / 1e9),
    )


def quotes_canary(job: str, clock: str) -> bool:
    """True if the canary is an instrument of such a topology: nothing is traded there, and its
    ticks, written now, move no recorded clock.
    """
    return JOBS[job] is not None and clock == "wall"


def maker(
    deployment: Deployment, in_flight_marker: Callable[[Sequence[Run]], None] | None = None
) -> Any:
    """``make(log, spec, start_offsets)`` of :class:`streams.runtime.live.shard.ShardTask`;
    ``in_flight_marker`` as Execution has it.
    """

    def build(known: Sequence[Instrument], shard: int) -> Topology:
        if any(each.instrument == CANARY_ID for each in known):
            raise BadConfiguration(
                f"instrument {CANARY_ID} of ref.instruments has the id of the canary; give it "
                "another"
            )
        more = [CANARY] if quotes_canary(deployment.job, deployment.clock) else []
        return topology_over(
            deployment.configuration, known, deployment.inputs(), deployment.job, more, shard
        )

    def make(log: Log, spec: TaskSpec, starts: dict[str, int]) -> LiveOrder:
        is_wall = spec.clock == "wall"
        versions = versions_on(deployment.cluster)
        ids = {topic: SchemaIds(topic, spec.ids_of(topic), versions) for topic in spec.inputs}
        sources = [
            PartitionSource(
                log.reader(f"{spec.group}.inputs"),
                spec.partition_of(topic),
                ids[topic],
                starts[topic],
                is_wall,
            )
            for topic in spec.inputs
        ]
        feeds = [
            Feed(topic, code, source, is_held=True, guard=FloodGuard())
            for code, (topic, source) in enumerate(zip(spec.inputs, sources, strict=True))
        ]
        journal_id = int(spec.facts["journal_id"])
        of_shard = partial(build, shard=spec.shard)
        name, jump = spec.facts["topology"], spec.clock_jump_max
        merger = Merger(feeds, is_wall=is_wall)
        execution = Execution(
            of_shard, spec.outputs, merger, journal_id, spec.shard, jump, name=name
        )
        execution.in_flight_marker = in_flight_marker
        return LiveOrder(execution, spec.flood)

    return make


def with_user_files(deployment: Deployment, folder: Path, facts: dict[str, Any]) -> Deployment:
    """The deployment with the user's files taken from its genesis record, written into ``folder``.

    The topics of its stages are known from here on.
    """
    write_journaled(facts, folder)
    configuration, _ = with_copies(deployment.configuration, folder)
    found_stages(configuration)
    return msgspec.structs.replace(deployment, configuration=configuration)


def prepared(deployment: Deployment, report: Report = unreported) -> Deployment:
    """The deployment with what the cluster says: schema ids, shards and their accounts, inputs,
    journal id (the genesis record's, else its claim's).

    ``report`` is told of records that are no claims, and which rule bounds what orders take.

    Raises:
        BadConfiguration: not as many accounts are named as there are shards.
        TransportFailed: the cluster does not answer. TopicChanged: a topic is missing. TopicOwned:
            another topology writes one of its topics.
        OtherVersion, OtherIdentity: the topology was begun by another version, or as another one.
    """
    log = KafkaLog(deployment.cluster)
    deployment.shards = _there(log, deployment)[runtime_name(deployment.topology, JOURNAL)]
    first = first_entry(log, deployment.cluster, deployment.topology, 0)
    begun = (
        first.facts
        if first is not None
        else begun_facts(log, deployment.cluster, deployment.topology, deployment.shards)
    )
    _settle_ticker(log, deployment, begun, report)
    names = {topic: runtime_name(deployment.topology, topic) for topic in deployment.topics()}
    deployment.configuration = with_accounts(
        deployment.configuration, deployment.shards, JOBS[deployment.job] is None
    )
    ids = _schema_ids(
        deployment, [*names.values(), TOPOLOGIES], first.facts if first is not None else {}
    )
    deployment.schema_ids = {topic: ids[name] for topic, name in names.items()}
    deployment.claim_ids = {TOPOLOGIES: ids[TOPOLOGIES]}
    remember_all(deployment.configuration)
    own = [names[topic] for topic in deployment.publish]
    if first is not None:  # a topology that cannot go on is left as it is
        check_version(first.facts, f"topology {deployment.topology}")
    claimed = claim(
        log,
        deployment.cluster,
        deployment.topology,
        own,
        deployment.shards,
        ids[TOPOLOGIES],
        report,
    )
    deployment.journal_id = begun_id(
        log, deployment.cluster, deployment.topology, deployment.shards, claimed
    )
    if first is not None:
        check_same(first.facts, facts_of(deployment), deployment.topology)
    return deployment


def _there(log: KafkaLog, deployment: Deployment) -> dict[str, int]:
    """Partitions of every topic that the job needs, by its name on a cluster without a prefix.
    Raises TopicChanged: one is missing.
    """
    names = list(
        dict.fromkeys(
            [
                *(runtime_name(deployment.topology, topic) for topic in deployment.topics()),
                TOPOLOGIES,
            ]
        )
    )
    found = log.admin().describe([deployment.cluster.name(name) for name in names])
    missing = sorted(name for name in names if deployment.cluster.name(name) not in found)
    if missing:
        extra = "" if deployment.topology == "pipeline" else f" --topology {deployment.topology}"
        with_stages = ""
        if any(map(is_user_topic, missing)):
            with_stages = ", and with the --stage or --config that this job has"
        raise TopicChanged(
            f"the cluster has no {', '.join(missing)}; make them with "
            f"'sq topics apply{extra}'{with_stages}"
        )
    return {name: found[deployment.cluster.name(name)].partitions for name in names}


def _settle_ticker(
    log: KafkaLog, deployment: Deployment, begun: dict[str, Any] | None, report: Report
) -> None:
    """Answer ``--ticker auto``: as the topology was begun, else cap where the cluster has the
    venue's own best bid and ask.

    The topic counts and not what lies in it yet: a job may be started before its feed, and an empty
    topic bounds nothing. It must be divided as ``md.depth`` is, for a shard's tickers lie in
    another partition otherwise.

    Raises:
        TopicChanged: cap is asked for, and the topic is not there or divided in another way.
    """
    topic, depth = deployment.cluster.name(TICKERS), deployment.cluster.name("md.depth")
    asked = rule_of(deployment.configuration.stages)
    parts = {name: each.partitions for name, each in log.admin().describe([topic, depth]).items()}
    deployment.configuration = settled(
        deployment.configuration, parts.get(topic) == parts[depth], begun
    )
    if JOBS[deployment.job] is not None:
        return
    _there(log, deployment)
    differs = topic in parts and parts[topic] != parts[depth]
    why = (
        f"{topic} has {parts.get(topic)} partitions, {depth} {parts[depth]}; see 'sq topics drift'"
    )
    if differs and uses_ticker(deployment.configuration):
        raise TopicChanged(
            f"--ticker cap reads the tickers of a shard's instruments: {why}, or give --ticker off"
        )
    how = (
        ""
        if asked != AUTO
        else " (as it was begun)"
        if begun is not None
        else f" ({why})"
        if differs
        else " (--ticker auto)"
    )
    bound = (
        "no order takes better than the best bid and ask in"
        if uses_ticker(deployment.configuration)
        else "what orders take is not bounded by"
    )
    report(f"{bound} {topic}{how}")


def _schema_ids(
    deployment: Deployment, names: Sequence[str], facts: Mapping[str, Any]
) -> dict[str, int]:
    """Registry ids by topic, and none that means something else than when the journal began; with
    the registry away, those of the journal.

    Args:
        facts: of the genesis record of the first shard, empty where there is none.

    Raises:
        SchemaIdReassigned: the registry was wiped, or is another one.
        RegistryUnreachable: it does not answer, and there is no journal yet.
    """
    before = {
        int(each): bytes.fromhex(item["fingerprint"])
        for item in facts.get("inputs", [])
        for each in item["schema_ids"]
    }
    try:
        with Registry(deployment.cluster) as registry:
            check_ids(before, registry.fingerprints(before))
            return registry.resolve(names)
    except RegistryUnreachable as problem:
        if "ids" not in facts:
            raise
        deployment.registry_trouble = problem.cause
        known: dict[str, int] = facts["ids"]
        return known
