"""The end of a topology: every shard taken over once more, its journal closed, its topics given up.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator
from pathlib import Path

import msgspec
from confluent_kafka import KafkaError, KafkaException

from jobs.live.deployment import maker, with_user_files
from jobs.live.proof import deployment_of, task_spec
from jobs.live.topic_ownership import TOPIC, close, open_claims, read_claims
from jobs.live.topology_status import first_entry
from schemas.registry import resolve
from streams.log.kafka.admin import ADMIN_SECONDS, KafkaAdmin
from streams.log.kafka.client import KafkaLog
from streams.log.kafka.cluster import Cluster
from streams.runtime.journal.journal import GENESIS, JOURNAL
from streams.runtime.journal.snapshot import TOPIC as SNAPSHOTS
from streams.runtime.live.shard import ShardTask
from streams.runtime.live.spec import NoTopology, runtime_name


def forget_groups(admin: KafkaAdmin, cluster: Cluster, topology: str) -> list[str]:
    """Delete what a topology's tasks, standbys and members have stored: nobody reads on from there.
    Returns the groups that stayed.
    """
    prefix = f"{cluster.name(topology)}."
    ours = re.compile(re.escape(prefix) + r"(owners|\d+(\.state|\.standby\..+)?)")
    try:
        listed = admin.client.list_consumer_groups(request_timeout=ADMIN_SECONDS).result().valid
        groups = sorted(each.group_id for each in listed if ours.fullmatch(each.group_id))
        futures = (
            admin.client.delete_consumer_groups(groups, request_timeout=ADMIN_SECONDS)
            if groups
            else {}
        )
    except KafkaException:
        return [f"{prefix}*"]
    return [
        group
        for group, future in futures.items()
        if future.exception() is not None and _is_there(future.exception())
    ]


def _is_there(problem: BaseException | None) -> bool:
    return not (
        isinstance(problem, KafkaException)
        and problem.args[0].code() == KafkaError.GROUP_ID_NOT_FOUND
    )


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
        raise NoTopology(
            f"no topology {topology} has an open claim; 'sq status' lists those that do"
        )
    names = [runtime_name(topology, JOURNAL), runtime_name(topology, SNAPSHOTS), TOPIC]
    ids = resolve(cluster, names)
    for shard in range(claims[topology][1].shards):
        first = first_entry(log, cluster, topology, shard)
        if first is None or first.kind != GENESIS:
            yield f"{topology} shard {shard}: never began"
            continue
        facts = first.facts
        with tempfile.TemporaryDirectory() as folder:
            deployment = with_user_files(deployment_of(facts, cluster), Path(folder), facts)
            spec = task_spec(facts, cluster.environment)
            spec = msgspec.structs.replace(
                spec,
                schema_ids={**spec.schema_ids, JOURNAL: ids[names[0]], SNAPSHOTS: ids[names[1]]},
            )
            task = ShardTask(log, spec, maker(deployment))
            task.prepare()
            task.end()
            yield f"{topology} shard {shard}: journal closed at record {task.sequence}"
            task.close()
    close(log, cluster, topology, ids[TOPIC])
    left = forget_groups(log.admin(), cluster, topology)
    if left:
        yield (
            f"{topology}: the cluster keeps the stored positions of {', '.join(left)}; they "
            "expire, and no alert looks at them"
        )
    yield f"{topology}: ended; its topics may be written by another topology"
