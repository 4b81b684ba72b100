"""What a topology looks like from outside: its claim, its owners and standbys, the end of each
shard's journal.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import msgspec
from confluent_kafka import KafkaException

from jobs.lag.probe import Probe
from jobs.lag.reading import Want
from jobs.live.accounts import accounts_of
from jobs.live.shard_state import (
    DRAINED,
    FROZEN_SECONDS,
    HALTED,
    QUARANTINED,
    Note,
    group_of,
    state_of,
)
from jobs.live.topic_ownership import Report, open_claims, read_claims, unreported
from streams.log.kafka.admin import KafkaAdmin
from streams.log.kafka.client import KafkaLog
from streams.log.kafka.cluster import Cluster
from streams.log.kafka.transport import Log, TransportFailed
from streams.runtime.journal.journal import BATCH, CLOSE, GENESIS, JOURNAL, JournalEntry
from streams.runtime.live.spec import STANDBY, runtime_name
from streams.runtime.live.stored import journal_record, read_journal, read_range

TAIL = 64
SECONDS = 10.0
LOOK_BYTES = 1_000_000


class StandbyFacts(msgspec.Struct, kw_only=True):
    """A member's standby of a shard.

    Attributes:
        member: instance id and host.
        lag_records: journal records that it has not executed again.
        state: following, or halted with the code of its error.
    """

    member: str
    lag_records: int
    state: str


class ShardFacts(msgspec.Struct, kw_only=True):
    """One shard of a topology.

    Attributes:
        state: one of ``shard_state.STATES``, but "no owner" for a drained one too; closed; empty;
            upgraded.
        detail: drained; the record a quarantined one died at; the code of the error that a halted
            one ended by.
        owner: member and host, empty if there is none.
        account: that it trades; None if it trades none, or has not begun.
        sequence, digest, clock, records: of its last journal record; -1 and empty before the first.
        standbys: of the members that live and do not own it.
    """

    topology: str
    shard: int
    state: str
    detail: str = ""
    owner: str = ""
    account: int | None = None
    sequence: int = -1
    digest: str = ""
    clock: int = 0
    records: int = 0
    publishes: list[str] = []
    standbys: list[StandbyFacts] = []


def lag_records(position: int, end: int) -> int:
    """Journal records between two offsets: each is a transaction of its own, whose marker takes an
    offset too.
    """
    return max(0, end - position) // 2


def owners_of(admin: KafkaAdmin, cluster: Cluster, topology: str) -> dict[int, str]:
    """Member and host by shard, from the group that assigns shards."""
    return {
        place.partition: _name(member)
        for member in _members(admin, cluster, topology)
        for place in _assigned(member)
    }


def _members(admin: KafkaAdmin, cluster: Cluster, topology: str) -> Sequence[Any]:
    group = cluster.name(f"{topology}.owners")
    try:
        found: Sequence[Any] = (
            admin.client.describe_consumer_groups([group], request_timeout=SECONDS)[group]
            .result()
            .members
        )
    except KafkaException as problem:
        raise TransportFailed(
            f"group {group} cannot be described: {problem.args[0].str()}; check that the broker "
            "is up"
        ) from problem
    return found


def _assigned(member: Any) -> Sequence[Any]:
    found: Sequence[Any] = member.assignment.topic_partitions if member.assignment else ()
    return found


def _name(member: Any) -> str:
    return f"{member.group_instance_id or member.client_id} at {member.host.lstrip('/')}"


def standbys_of(
    admin: KafkaAdmin, cluster: Cluster, topology: str, shards: int
) -> dict[int, list[StandbyFacts]]:
    """Standbys by shard, from the groups in which they store how far they have followed the
    journal.
    """
    journal = cluster.name(runtime_name(topology, JOURNAL))
    groups = {
        f"{cluster.name(topology)}.{shard}{STANDBY}{member.group_instance_id}": (
            shard,
            _name(member),
        )
        for member in _members(admin, cluster, topology)
        for shard in {*range(shards)} - {place.partition for place in _assigned(member)}
    }
    try:
        ends = admin.ends([(journal, shard) for shard in range(shards)])
        known = {
            each.group_id
            for each in admin.client.list_consumer_groups(request_timeout=SECONDS).result().valid
        }
    except KafkaException as problem:
        raise TransportFailed(
            f"standbys of {topology} cannot be asked for: {problem.args[0].str()}; check that the "
            "broker is up"
        ) from problem
    found: dict[int, list[StandbyFacts]] = {}
    for group, places in admin.positions(sorted(known & groups.keys())).items():
        shard, name = groups[group]
        position, text = places.get((journal, shard), (-1, ""))
        if position >= 0:
            lag = lag_records(position, ends[journal, shard])
            found.setdefault(shard, []).append(
                StandbyFacts(member=name, lag_records=lag, state=text or "following")
            )
    return found


def member_count(admin: KafkaAdmin, cluster: Cluster, topology: str) -> int:
    """Members of the topology, on any host."""
    return len(_members(admin, cluster, topology))


def first_entry(log: Log, cluster: Cluster, topology: str, shard: int) -> JournalEntry | None:
    """The journal's first record."""
    partition = cluster.name(runtime_name(topology, JOURNAL)), shard
    reader = log.reader(cluster.name("status"))
    try:
        found = next(
            read_journal(reader, partition, reader.start(partition), reader.end(partition)), None
        )
        return found[1] if found is not None else None
    finally:
        reader.close()


def begun_facts(log: Log, cluster: Cluster, topology: str, shards: int) -> dict[str, Any] | None:
    """What the topology was begun with: the facts of the first shard that has a genesis record;
    None: no shard has begun.
    """
    for shard in range(shards):
        first = first_entry(log, cluster, topology, shard)
        if first is not None and first.kind == GENESIS:
            return first.facts
    return None


def begun_id(log: Log, cluster: Cluster, topology: str, shards: int, claimed: int) -> int:
    """The journal id of the topology: that of the genesis record of a shard, else that of its
    claim.
    """
    begun = begun_facts(log, cluster, topology, shards)
    return claimed if begun is None else int(begun["journal_id"])


def last_entry(log: Log, cluster: Cluster, topology: str, shard: int) -> JournalEntry | None:
    """The journal's last record."""
    found = last_record(log, cluster, topology, shard)
    return found[0] if found is not None else None


def last_record(
    log: Log, cluster: Cluster, topology: str, shard: int
) -> tuple[JournalEntry, int] | None:
    """The journal's last record, and when it was written (ms, the broker's clock)."""
    partition = cluster.name(runtime_name(topology, JOURNAL)), shard
    reader = log.reader(cluster.name("status"))
    try:
        begin, end = reader.start(partition), reader.end(partition)
        window = TAIL
        while begin < end:
            start = max(begin, end - window)
            found = list(read_range(reader, partition, start, end))
            if found:
                last = found[-1]
                return journal_record(
                    partition, last.offsets[-1], last.values[-1], None
                ), last.timestamp_ms
            if start == begin:
                break
            window *= 8
        return None
    finally:
        reader.close()


def status(cluster: Cluster, report: Report = unreported) -> list[ShardFacts]:
    """Every shard of every topology that has an open claim; ``report`` is told of records that are
    no claims.

    Raises:
        TransportFailed: the cluster does not answer.
    """
    log = KafkaLog(cluster)
    admin = log.admin()
    found: list[ShardFacts] = []
    for topology, (_, claim) in open_claims(read_claims(log, cluster, report)).items():
        owners = owners_of(admin, cluster, topology)
        standbys = standbys_of(admin, cluster, topology, claim.shards)
        for shard in range(claim.shards):
            last = last_record(log, cluster, topology, shard)
            publishes = [each.name for each in claim.topics]
            facts = ShardFacts(
                topology=topology,
                shard=shard,
                state="empty",
                owner=owners.get(shard, ""),
                publishes=publishes,
            )
            facts.standbys = standbys.get(shard, [])
            note = _note(admin, cluster, topology, shard)
            if last is not None:
                entry, written_ms = last
                first = first_entry(log, cluster, topology, shard)
                facts.account = _account(first, shard)
                facts.sequence, facts.digest, facts.clock, facts.records = (
                    entry.sequence,
                    entry.digest.hex(),
                    entry.clock,
                    entry.input_sequence,
                )
                is_frozen = bool(facts.owner) and _is_frozen(
                    admin, cluster, topology, shard, first, written_ms
                )
                facts.state = state_of(note, bool(facts.owner), is_frozen)
                if entry.kind == CLOSE:
                    facts.state = "closed"
                elif entry.kind not in (GENESIS, BATCH):
                    facts.state = "upgraded"
            elif note.state in (HALTED, QUARANTINED):
                facts.state = note.state
            if facts.state == DRAINED:
                facts.state, facts.detail = "no owner", DRAINED
            elif facts.state in (HALTED, QUARANTINED):
                facts.detail = note.detail
            found.append(facts)
    return found


def _note(admin: KafkaAdmin, cluster: Cluster, topology: str, shard: int) -> Note:
    """What its last owner said of the shard."""
    group = group_of(cluster, topology, shard)
    places = admin.positions([group]).get(group, {})
    return Note.parse(next((text for _, text in places.values()), ""))


def _is_frozen(
    admin: KafkaAdmin,
    cluster: Cluster,
    topology: str,
    shard: int,
    genesis: JournalEntry | None,
    written_ms: int,
) -> bool:
    """True if records have waited for so long before it, and its journal has not grown for as long.
    """
    if genesis is None or time.time() - written_ms / 1000 < FROZEN_SECONDS:
        return False
    group = f"{cluster.name(topology)}.{shard}"
    positions = {
        (cluster.name(item["topic"]), int(item["partition"])): int(item["start_offset"])
        for item in genesis.facts.get("inputs", [])
    }
    positions |= {
        place: offset
        for place, (offset, _) in admin.positions([group]).get(group, {}).items()
        if offset >= 0
    }
    try:
        ends = admin.ends(list(positions))
        wants = [
            Want(*place, offset, ends[place], counted=False)
            for place, offset in positions.items()
            if offset < ends[place]
        ]
        if not wants:
            return False
        looker = Probe(cluster)
    except KafkaException as problem:
        raise TransportFailed(
            f"inputs of {topology} cannot be asked for: {problem.args[0].str()}; check that the "
            "broker is up"
        ) from problem
    try:
        seen = looker.look(wants, SECONDS, LOOK_BYTES).values()
    finally:
        looker.close()
    stamps = [each.first_timestamp_ms for each in seen if each.first_timestamp_ms is not None]
    return bool(stamps) and time.time() - min(stamps) / 1000 >= FROZEN_SECONDS


def _account(first: JournalEntry | None, shard: int) -> int | None:
    accounts = accounts_of(first.facts) if first is not None and first.kind == GENESIS else []
    return accounts[shard] if accounts else None
