"""One owner for every topic: a topology claims what it publishes, in one log that all read to its end before they start.

A starter appends its claim, reads to the end and yields to any earlier unclosed claim of another topology that writes a topic of its own. The
claim's offset is the topology's journal id, which goes into every id it builds. A topology that claimed before goes on under its first claim.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from jobs.operators import operator
from schemas.codec import codec
from schemas.errors import WrongUse
from schemas.records import ClaimedTopic, TopologyClaim
from schemas.vocabulary import ClaimKind
from streams.log.kafka.cluster import Cluster
from streams.log.kafka.errors import MissingTopic
from streams.log.kafka.framing import HEADER_BYTES, header
from streams.log.kafka.transport import Log
from streams.runtime.live.stored import read_range

TOPIC = "topologies"
JOURNAL_IDS = 1 << 24


class TopicOwned(WrongUse):
    """Another topology writes a topic that this one would write."""

    code = "topic_owned"


class TopologyClosed(WrongUse):
    """The topology was ended for good."""

    code = "topology_closed"


def read_claims(log: Log, cluster: Cluster) -> list[tuple[int, TopologyClaim]]:
    """(offset, claim) in order, closed ones and their closing included. Raises MissingTopic where nothing was set up."""
    partition = cluster.name(TOPIC), 0
    if partition[0] not in log.admin().describe([partition[0]]):
        where = f"environment {cluster.environment}" if cluster.environment else "the environment without a name"
        raise MissingTopic(f"{where} is not set up on {cluster.bootstrap}: it has no topic {partition[0]}; run 'sq topics apply', or set another one")
    reader = log.reader(cluster.name("topologies.readers"))
    try:
        found: list[tuple[int, TopologyClaim]] = []
        for chunk in read_range(reader, partition, reader.start(partition), reader.end(partition)):
            for offset, value in zip(chunk.offsets, chunk.values, strict=True):
                found.append((offset, codec("TopologyClaim").decode_records(value[HEADER_BYTES:], 1)[0]))
        return found
    finally:
        reader.close()


def open_claims(claims: Sequence[tuple[int, TopologyClaim]]) -> dict[str, tuple[int, TopologyClaim]]:
    """First claim of every topology that is not closed, in order of claiming."""
    found: dict[str, tuple[int, TopologyClaim]] = {}
    for offset, claim in claims:
        if claim.kind == int(ClaimKind.CLAIM):
            found.setdefault(claim.topology, (offset, claim))
        elif claim.kind == int(ClaimKind.CLOSED):
            found.pop(claim.topology, None)
    return found


def _topics(record: TopologyClaim) -> set[str]:
    return {each.name for each in record.topics}


def _append(log: Log, cluster: Cluster, schema_id: int, record: TopologyClaim) -> int:
    """Append a record; returns its offset."""
    writer = log.plain_writer()
    writer.begin()
    writer.produce(cluster.name(TOPIC), 0, [header(schema_id) + codec("TopologyClaim").encode_records([record])])
    return writer.commit()[cluster.name(TOPIC), 0]


def claim(log: Log, cluster: Cluster, topology: str, topics: Sequence[str], shards: int, schema_id: int) -> int:
    """Claim these topics; returns the journal id.

    Raises:
        TopicOwned: an earlier claim of another topology holds one of them, or this topology's own claim holds others.
        TopologyClosed: a topology of this name was ended; its journal is closed.
    """
    wanted = sorted(topics)
    before = read_claims(log, cluster)
    mine = open_claims(before).get(topology)
    if mine is None:
        if any(each.topology == topology and each.kind == int(ClaimKind.CLOSED) for _, each in before):
            raise TopologyClosed(f"topology {topology} was ended and its journal is closed; give the new one another name with --name")
        record = TopologyClaim(
            topology=topology,
            kind=int(ClaimKind.CLAIM),
            claim=-1,
            environment=cluster.environment,
            topics=[ClaimedTopic(name) for name in wanted],
            shards=shards,
            issued_by=operator(),
        )
        mine = _append(log, cluster, schema_id, record), record
    elif sorted(_topics(mine[1])) != wanted:
        has = ", ".join(sorted(_topics(mine[1])))
        raise TopicOwned(f"topology {topology} publishes {has}; start it with the same --publish, or under another --name")
    for other, (offset, each) in open_claims(read_claims(log, cluster)).items():
        shared = sorted(_topics(each) & set(wanted))
        if other != topology and offset < mine[0] and shared:
            close(log, cluster, topology, schema_id)
            raise TopicOwned(
                f"topology {other} writes {', '.join(shared)} already, and a topic has one writer; stop it for good with 'sq stop {other} --close', "
                "or publish other topics with --publish"
            )
    if mine[0] >= JOURNAL_IDS:
        raise TopicOwned(f"{TOPIC} holds {JOURNAL_IDS} claims and gives no more journal ids; use another environment")
    return mine[0]


def close(log: Log, cluster: Cluster, topology: str, schema_id: int) -> None:
    """Give the topology's topics up for good."""
    mine = open_claims(read_claims(log, cluster)).get(topology)
    if mine is None:
        raise TopologyClosed(f"topology {topology} has no open claim: it never ran here, or was ended before")
    _append(log, cluster, schema_id, msgspec.structs.replace(mine[1], kind=int(ClaimKind.CLOSED), claim=mine[0], issued_by=operator()))
