"""``sq verify`` of a live topology: from the cluster alone, or from a folder that was pulled from it."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from jobs.facts import check_facts, configuration_in
from jobs.live.accounts import accounts_of
from jobs.live.deployment import Deployment, maker, with_strategy_file
from jobs.strangers import judging
from jobs.strategies import strategy_sources, user_digests
from streams.log.kafka.client import KafkaLog
from streams.log.kafka.cluster import Cluster
from streams.log.kafka.folder import FolderLog
from streams.log.kafka.transport import Log, Partition, TopicChanged
from streams.log.local import LocalLog
from streams.runtime.code import source_digests
from streams.runtime.live.spec import TaskSpec, runtime_name
from streams.runtime.live.verify import LiveVerifier, Make
from streams.runtime.task import JOURNAL
from streams.runtime.verify import Finding, Verdict


def deployment_of(facts: dict[str, Any], cluster: Cluster) -> Deployment:
    """The deployment that a genesis record describes."""
    return Deployment(
        job=facts["job"],
        topology=facts["topology"],
        configuration=msgspec.structs.replace(configuration_in(facts), accounts=accounts_of(facts)),
        cluster=cluster,
        clock=facts["clock"],
        publish=[item["topic"] for item in facts["outputs"] if item["published"]],
        shards=int(facts["identity"]["shards"]),
        journal_id=int(facts["journal_id"]),
        schema_ids=schema_ids_of(facts),
    )


def schema_ids_of(facts: dict[str, Any]) -> dict[str, int]:
    """Registry id by topic, as the genesis record has them."""
    ids = {item["topic"]: int(item["schema_ids"][0]) for item in facts["inputs"]}
    return ids | {item["topic"]: int(item["schema_id"]) for item in facts["outputs"]}


def task_spec(facts: dict[str, Any], environment: str) -> TaskSpec:
    """Names and inputs of the task, as its genesis record has them. Raises CorruptLog if it does not say them."""
    check_facts(facts, "the journal")
    return TaskSpec(
        topology=facts["topology"],
        shard=int(facts["shard"]),
        environment=environment,
        inputs=[item["topic"] for item in facts["inputs"]],
        outputs=[item["topic"] for item in facts["outputs"]],
        published=[item["topic"] for item in facts["outputs"] if item["published"]],
        schema_ids=schema_ids_of(facts),
        decodable={item["topic"]: [int(each) for each in item["schema_ids"]] for item in facts["inputs"]},
        facts=facts,
        clock=facts["clock"],
        state_digest_records=int(facts["configuration"]["state_digest_records"]),
        clock_jump_max=int(facts["configuration"]["clock_jump_max"]),
    )


SpecOf = Callable[[dict[str, Any]], TaskSpec]


def _verify(log: Log, journal: Partition, cluster: Cluster, spec: SpecOf, on_progress: Callable[[int], None]) -> Verdict:
    with tempfile.TemporaryDirectory() as folder:

        def deployed(facts: dict[str, Any]) -> Deployment:
            return with_strategy_file(deployment_of(facts, cluster), Path(folder), facts)

        def sources(facts: dict[str, Any]) -> dict[str, str]:
            return {**source_digests(), **user_digests(strategy_sources(deployed(facts).configuration))}

        def make(facts: dict[str, Any]) -> Make:
            made: Make = maker(deployed(facts))
            return made

        return LiveVerifier(log, spec, make, sources, journal, on_progress).verify()


def verify_cluster(
    cluster: Cluster,
    topology: str,
    shard: int | None = None,
    on_progress: Callable[[int], None] = lambda _: None,
    run_strategy: bool = False,
) -> list[Verdict]:
    """One verdict for each shard.

    Args:
        run_strategy: execute a strategy that this user has not run, in a process of its own.

    Raises:
        StrangersStrategy: the topology's strategy is a stranger's, and ``run_strategy`` is not given.
        TopicChanged: the cluster has no such topology.
        TransportFailed: it does not answer.
    """
    log = KafkaLog(cluster)
    name = cluster.name(runtime_name(topology, JOURNAL))
    found = log.admin().describe([name])
    if name not in found:
        raise TopicChanged(f"the cluster has no topic {name}: no topology {topology} ever ran there; 'sq status' lists those that did")
    shards = range(found[name].partitions) if shard is None else [shard]
    with judging(run_strategy) as judgement:
        verdicts = [_verify(log, (name, each), cluster, lambda facts: task_spec(facts, cluster.environment), on_progress) for each in shards]
        verdicts[0].notes = [*verdicts[0].notes, *dict.fromkeys(judgement.notes)]
        return verdicts


def verify_pulled(log: LocalLog, facts: dict[str, Any], on_progress: Callable[[int], None] = lambda _: None) -> Verdict:
    """The verdict on a pulled folder."""
    folder = FolderLog(log, schema_ids_of(facts))

    def spec(found: dict[str, Any]) -> TaskSpec:
        return msgspec.structs.replace(task_spec(found, ""), topology="pipeline")

    verdict = _verify(folder, (JOURNAL, 0), Cluster(bootstrap=""), spec, on_progress)
    known = {JOURNAL, *(item["topic"] for item in facts["inputs"]), *(item["topic"] for item in facts["outputs"])}
    for topic in log.topics():
        if topic not in known and not topic.endswith(".snapshots"):
            verdict.findings.append(Finding("output", f"{topic} is no topic of this topology"))
    return verdict
