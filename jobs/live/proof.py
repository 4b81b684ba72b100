"""``sq verify`` of a live topology: from the cluster alone, or from a folder that was pulled from
it.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from connectors.pulling.topology import journal_facts, topic_facts
from jobs.contradictions import differing, other_code, other_manifest, other_strategy, other_value
from jobs.facts import check_facts, configuration_in
from jobs.live.accounts import accounts_of
from jobs.live.deployment import Deployment, facts_of, maker, with_user_files
from jobs.strangers import judging
from jobs.user_files import all_digests
from schemas.errors import CorruptLog, WrongUse
from schemas.user_topics import schema_fact, scope
from streams.log.kafka.client import KafkaLog
from streams.log.kafka.cluster import Cluster
from streams.log.kafka.folder import FolderLog
from streams.log.kafka.transport import Log, Partition, TopicChanged
from streams.log.local import LocalLog
from streams.log.manifest import RUN_MANIFEST
from streams.runtime.journal.divergence import Divergence, Kind
from streams.runtime.journal.journal import JOURNAL
from streams.runtime.live.evidence import LiveEvidence, Make
from streams.runtime.live.spec import TaskSpec, runtime_name
from streams.runtime.tools.code import source_digests
from streams.runtime.verify.verify import Verdict, Verifier


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
    """Names and inputs of the task, as its genesis record has them. Raises CorruptLog if it does
    not say them.
    """
    check_facts(facts, "the journal")
    return TaskSpec(
        topology=facts["topology"],
        shard=int(facts["shard"]),
        environment=environment,
        inputs=[item["topic"] for item in facts["inputs"]],
        outputs=[item["topic"] for item in facts["outputs"]],
        published=[item["topic"] for item in facts["outputs"] if item["published"]],
        schema_ids=schema_ids_of(facts),
        decodable={
            item["topic"]: [int(each) for each in item["schema_ids"]] for item in facts["inputs"]
        },
        facts=facts,
        clock=facts["clock"],
        state_digest_records=int(facts["configuration"]["state_digest_records"]),
        clock_jump_max=int(facts["configuration"]["clock_jump_max"]),
    )


COMMANDS = ("pull",)
"""What closes a pulled folder."""
SpecOf = Callable[[dict[str, Any]], TaskSpec]


def _verify(
    log: Log, journal: Partition, cluster: Cluster, spec: SpecOf, on_progress: Callable[[int], None]
) -> tuple[LiveEvidence, Verdict]:
    """The evidence as far as it was read, and the verdict on it."""
    with tempfile.TemporaryDirectory() as folder:

        def deployed(facts: dict[str, Any]) -> Deployment:
            return with_user_files(deployment_of(facts, cluster), Path(folder), facts)

        def sources(facts: dict[str, Any]) -> dict[str, str]:
            return {**source_digests(), **all_digests(deployed(facts).configuration)}

        def make(facts: dict[str, Any]) -> Make:
            made: Make = maker(deployed(facts))
            return made

        evidence = LiveEvidence(log, spec, make, sources, journal)
        verifier = Verifier(evidence, lambda records, _: on_progress(records))
        verdict = verifier.verify()
        if verifier.facts:
            verdict.findings += _other_facts(verifier.facts, deployed)
        return evidence, verdict


def _other_facts(
    facts: dict[str, Any], deployed: Callable[[dict[str, Any]], Deployment]
) -> list[Divergence]:
    """What the genesis record says of the topology that its own configuration, its copies of a
    strategy's files and its lists of topics do not.
    """
    try:
        deployment = deployed(facts)
        configuration = msgspec.structs.replace(
            deployment.configuration, accounts=configuration_in(facts).accounts
        )
        made = facts_of(msgspec.structs.replace(deployment, configuration=configuration))
    except (CorruptLog, WrongUse) as problem:
        return [Divergence(Kind.JOURNAL, problem.text)]
    then, now = facts["identity"], made["identity"]
    findings = [other_value(key, then.get(key), now.get(key)) for key in differing(then, now)]
    read, reads = [item["topic"] for item in facts["inputs"]], deployment.inputs()
    if read != reads:
        what = f"the topology reads {', '.join(read)}, its configuration {', '.join(reads)}"
        findings.append(Divergence(Kind.JOURNAL, f"the genesis record says {what}"))
    for item in facts["outputs"]:
        topic = item["topic"]
        if item.get("schema") != schema_fact(topic).get("schema"):
            what = f"the genesis record's schema of {topic} is not that of its stage"
            findings.append(Divergence(Kind.JOURNAL, what, topic=topic))
    return [*findings, *other_strategy(facts, made), *other_code(facts, now["journal_id"])]


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
        StrangersStrategy: the topology's strategy is a stranger's, and ``run_strategy`` is not
            given.
        TopicChanged: the cluster has no such topology.
        TransportFailed: it does not answer.
    """
    log = KafkaLog(cluster)
    name = cluster.name(runtime_name(topology, JOURNAL))
    found = log.admin().describe([name])
    if name not in found:
        raise TopicChanged(
            f"the cluster has no topic {name}: no topology {topology} ever ran there; 'sq status' "
            "lists those that did"
        )
    shards = range(found[name].partitions) if shard is None else [shard]
    with judging(run_strategy) as judgement, scope():
        verdicts = [
            _verify(
                log,
                (name, each),
                cluster,
                lambda facts: task_spec(facts, cluster.environment),
                on_progress,
            )[1]
            for each in shards
        ]
        verdicts[0].notes = [*verdicts[0].notes, *dict.fromkeys(judgement.notes)]
        return verdicts


def verify_pulled(
    log: LocalLog,
    facts: dict[str, Any],
    manifest: dict[str, Any],
    on_progress: Callable[[int], None] = lambda _: None,
) -> Verdict:
    """The verdict on a pulled folder; ``manifest`` is its ``run.json``, empty where it has none."""
    folder = FolderLog(log, schema_ids_of(facts))

    def spec(found: dict[str, Any]) -> TaskSpec:
        return msgspec.structs.replace(task_spec(found, ""), topology="pipeline")

    evidence, verdict = _verify(folder, (JOURNAL, 0), Cluster(bootstrap=""), spec, on_progress)
    known = {JOURNAL, *(item["topic"] for item in (*facts["inputs"], *facts["outputs"]))}
    verdict.findings += [
        Divergence(Kind.OUTPUT, f"{topic} is no topic of this topology")
        for topic in log.topics()
        if topic not in known
    ]
    if not verdict.findings:
        consumed = {feed.topic: feed.next_offset for feed in evidence.inputs}
        verdict.findings += _never_pulled(log, facts, evidence.ends | consumed)
    if manifest and not verdict.findings:
        verdict.findings += _other_pulled(log, facts, manifest, verdict)
    if not manifest and verdict.closed:
        what = (
            f"the journal is closed and there is no {RUN_MANIFEST}: the pull was interrupted, "
            "or the file was taken away"
        )
        verdict.findings.append(
            Divergence(Kind.FILE, f"{what}; the same 'sq pull' command writes it")
        )
    return verdict


def _never_pulled(log: LocalLog, facts: dict[str, Any], ends: dict[str, int]) -> list[Divergence]:
    """Records that no pull brings: before where the journal begins; behind what it consumed of an
    input, or where it was closed.

    Args:
        ends: by topic, offset behind the last that belongs to the journal, where it says so.
    """
    findings = []
    for kind in (Kind.INPUT, Kind.OUTPUT):
        for item in facts[f"{kind}s"]:
            topic, start = item["topic"], int(item["start_offset"])
            if topic not in log.topics() or not (reader := log.reader(topic)).count:
                continue
            if reader.start_offset < start:
                what = (
                    f"{topic} holds records from offset {reader.start_offset} on, the journal "
                    f"begins at {start}"
                )
                findings.append(Divergence(kind, what, topic=topic))
            if reader.end_offset > ends.get(topic, reader.end_offset):
                what = (
                    f"{topic} holds records up to offset {reader.end_offset - 1}, the journal "
                    f"ends before {ends[topic]}"
                )
                findings.append(Divergence(kind, what, topic=topic))
    return findings


def _other_pulled(
    log: LocalLog, facts: dict[str, Any], manifest: dict[str, Any], verdict: Verdict
) -> list[Divergence]:
    """What ``run.json`` of a pulled folder says that its journal and its topics do not."""
    expected = journal_facts(facts, verdict.closed, verdict.batches, verdict.records, verdict.clock)
    findings = other_manifest(
        manifest, expected, topic_facts(log), COMMANDS, unproven=("undecodable",)
    )
    left_out = manifest.get("undecodable", {})
    if left_out != {}:
        what = "records that do not decode and that no dead letter of the topology holds"
        findings.append(
            Divergence(
                Kind.OUTPUT,
                f"{RUN_MANIFEST} says that the pull left out {what}: {str(left_out)[:60]}",
            )
        )
    return findings
