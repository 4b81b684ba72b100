"""The end of a topology: every shard taken over once more, its journal closed, its topics given up."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import msgspec

from jobs.live.claims import TOPIC, close, open_claims, read_claims
from jobs.live.deployment import maker, with_strategy_file
from jobs.live.looking import first_entry
from jobs.live.proof import deployment_of, task_spec
from schemas.registry import resolve
from streams.log.kafka.client import KafkaLog
from streams.log.kafka.cluster import Cluster
from streams.runtime.journal import GENESIS
from streams.runtime.live.spec import NoTopology, runtime_name
from streams.runtime.live.task import LiveTask
from streams.runtime.snapshot import TOPIC as SNAPSHOTS
from streams.runtime.task import JOURNAL


def end_topology(cluster: Cluster, topology: str) -> Iterator[str]:
    """Close every shard's journal, then the claim; yields lines for the user.

    Raises:
        NoTopology: it has no open claim.
        OtherIdentity: it was written by other code and did not drain; start that version to end it.
    """
    log = KafkaLog(cluster)
    reported: list[str] = []
    claims = open_claims(read_claims(log, cluster, reported.append))
    yield from reported
    if topology not in claims:
        raise NoTopology(f"no topology {topology} has an open claim; 'sq status' lists those that do")
    names = [runtime_name(topology, JOURNAL), runtime_name(topology, SNAPSHOTS), TOPIC]
    ids = resolve(cluster, names)
    for shard in range(claims[topology][1].shards):
        first = first_entry(log, cluster, topology, shard)
        if first is None or first.kind != GENESIS:
            yield f"{topology} shard {shard}: never began"
            continue
        facts = first.facts
        with tempfile.TemporaryDirectory() as folder:
            deployment = with_strategy_file(deployment_of(facts, cluster), Path(folder), facts)
            spec = task_spec(facts, cluster.environment)
            spec = msgspec.structs.replace(spec, schema_ids={**spec.schema_ids, JOURNAL: ids[names[0]], SNAPSHOTS: ids[names[1]]})
            task = LiveTask(log, spec, maker(deployment))
            task.prepare()
            task.end()
            yield f"{topology} shard {shard}: journal closed at record {task.sequence}"
            task.close()
    close(log, cluster, topology, ids[TOPIC])
    yield f"{topology}: ended; its topics may be written by another topology"
