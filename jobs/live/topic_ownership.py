"""One owner for every topic: a topology claims what it publishes, in one log that all read to its
end before they start.

1. A starter reads all claims, and yields to an open claim of another topology that writes a topic
   of its own.
2. If its topology has no claim, it appends one and reads again. Members that start together append
   one each: the first of them is the topology's.
3. If another topology's claim came earlier after all, it closes its own and yields.

The offset of the topology's first claim is its journal id, which goes into every id it builds. A
record that is no claim, or that closes a claim which is not there, is passed over and reported;
``sq skip topologies/0/OFFSET`` settles it, by a closing record without a topology.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from typing import NamedTuple

import msgspec

from jobs.operators import operator
from schemas.catalogue import BadTopologyName, topology_topics
from schemas.codec import codec
from schemas.errors import BadData, WrongUse
from schemas.records import ClaimedTopic, TopologyClaim
from schemas.vocabulary import ClaimKind
from streams.log.kafka.cluster import Cluster
from streams.log.kafka.errors import MissingTopic
from streams.log.kafka.framing import HEADER_BYTES, header, schema_id_of
from streams.log.kafka.transport import Log, TransportFailed
from streams.runtime.live.stored import read_range

TOPIC = "topologies"
JOURNAL_IDS = 1 << 24
SHARDS_MAX = 4096


class TopicOwned(WrongUse):
    """Another topology writes a topic that this one would write."""

    code = "topic_owned"


class TopologyClosed(WrongUse):
    """The topology was ended for good."""

    code = "topology_closed"


class NoUnreadableClaim(WrongUse):
    """There is nothing to settle at this place."""

    code = "no_unreadable_claim"


class UnreadableClaim(NamedTuple):
    """A record of the topic that is no claim."""

    offset: int
    why: str

    def text(self, topic: str) -> str:
        """For the user."""
        return (
            f"{topic}/0 offset {self.offset} is no claim of a topology ({self.why}); it is passed "
            f"over. Find out who wrote it, then settle it with 'sq skip {TOPIC}/0/{self.offset} "
            "--reason TEXT'"
        )


Report = Callable[[str], None]


def unreported(_: str) -> None:
    """Nobody is told."""


def read_claims(
    log: Log, cluster: Cluster, report: Report = unreported
) -> list[tuple[int, TopologyClaim]]:
    """(offset, claim) in order, closed ones and their closing included; records that are none are
    reported. Raises MissingTopic.
    """
    found, unreadable = _read(log, cluster)
    for each in unreadable:
        report(each.text(cluster.name(TOPIC)))
    return found


def _read(
    log: Log, cluster: Cluster
) -> tuple[list[tuple[int, TopologyClaim]], list[UnreadableClaim]]:
    """Claims, and the records that are none and were not settled. Raises MissingTopic: nothing is
    set up.
    """
    partition = cluster.name(TOPIC), 0
    if partition[0] not in log.admin().describe([partition[0]]):
        where = (
            f"environment {cluster.environment}"
            if cluster.environment
            else "the environment without a name"
        )
        raise MissingTopic(
            f"{where} is not set up on {cluster.bootstrap}: it has no topic {partition[0]}; run "
            "'sq topics apply', or set another one"
        )
    reader = log.reader(cluster.name("topologies.readers"))
    found: list[tuple[int, TopologyClaim]] = []
    unreadable: dict[int, UnreadableClaim] = {}
    try:
        for chunk in read_range(reader, partition, reader.start(partition), reader.end(partition)):
            for offset, value in zip(chunk.offsets, chunk.values, strict=True):
                try:
                    record = _claim_of(bytes(value))
                    _check_closing(record, found)
                except (BadData, BadTopologyName) as problem:
                    unreadable[offset] = UnreadableClaim(offset, problem.text)
                    continue
                if record.topology:
                    found.append((offset, record))
                else:
                    unreadable.pop(record.claim, None)
    finally:
        reader.close()
    return found, list(unreadable.values())


def _claim_of(value: bytes) -> TopologyClaim:
    """The record in a value. Raises BadData, BadTopologyName: it is none that a topology could have
    written.
    """
    schema_id_of(value)
    body = value[HEADER_BYTES:]
    try:
        record: TopologyClaim = codec("TopologyClaim").decode_records(body, 1)[0]
    except BadData as problem:
        raise BadData("its bytes are no TopologyClaim") from problem
    if codec("TopologyClaim").encode_records([record]) != body:
        raise BadData("bytes are left over behind its fields")
    is_settlement = record.kind == int(ClaimKind.CLOSED) and not record.topology
    if record.kind not in (int(ClaimKind.CLAIM), int(ClaimKind.CLOSED)):
        raise BadData(f"its kind is {record.kind}")
    if not is_settlement:
        topology_topics(record.topology)
        if not 1 <= record.shards <= SHARDS_MAX:
            raise BadData(f"it names {record.shards} shards")
    return record


def _check_closing(record: TopologyClaim, before: Sequence[tuple[int, TopologyClaim]]) -> None:
    """A closing record names a claim of its own topology. Raises BadData: nobody who read the
    claims wrote it.
    """
    if record.kind == int(ClaimKind.CLOSED) and record.topology:
        names = [
            (offset, each.topology) for offset, each in before if each.kind == int(ClaimKind.CLAIM)
        ]
        if (record.claim, record.topology) not in names:
            raise BadData(
                f"it closes {record.topology} by a claim at offset {record.claim}, which is none "
                "of that topology"
            )


def open_claims(
    claims: Sequence[tuple[int, TopologyClaim]],
) -> dict[str, tuple[int, TopologyClaim]]:
    """First claim of every topology that is not closed, in order of claiming. What was closed stays
    closed, whatever claims come after.
    """
    found: dict[str, tuple[int, TopologyClaim]] = {}
    closed: set[str] = set()
    for offset, claim in claims:
        if claim.kind == int(ClaimKind.CLOSED):
            found.pop(claim.topology, None)
            closed.add(claim.topology)
        elif claim.topology not in closed:
            found.setdefault(claim.topology, (offset, claim))
    return found


def _topics(record: TopologyClaim) -> set[str]:
    return {each.name for each in record.topics}


def _append(log: Log, cluster: Cluster, schema_id: int, record: TopologyClaim) -> int:
    """Append a record; returns its offset."""
    writer = log.plain_writer()
    writer.begin()
    writer.produce(
        cluster.name(TOPIC),
        0,
        [header(schema_id) + codec("TopologyClaim").encode_records([record])],
    )
    return writer.commit()[cluster.name(TOPIC), 0]


def claim(
    log: Log,
    cluster: Cluster,
    topology: str,
    topics: Sequence[str],
    shards: int,
    schema_id: int,
    report: Report = unreported,
) -> int:
    """Claim these topics; returns the journal id.

    Raises:
        TopicOwned: an earlier claim of another topology holds one of them, or this topology's own
            claim holds others.
        TopologyClosed: a topology of this name was ended; its journal is closed.
    """
    wanted = sorted(topics)
    before = read_claims(log, cluster, report)
    others = {name: each for name, each in open_claims(before).items() if name != topology}
    mine = open_claims(before).get(topology)
    if mine is None:
        _refuse_closed(before, topology)
        _yield_to(others, wanted)
        record = TopologyClaim(
            topology=topology,
            kind=int(ClaimKind.CLAIM),
            claim=-1,
            environment=cluster.environment,
            topics=[ClaimedTopic(name) for name in wanted],
            shards=shards,
            issued_by=operator(),
        )
        _append(log, cluster, schema_id, record)
        before = read_claims(log, cluster)
        mine = open_claims(before).get(topology)
        if mine is None:
            _refuse_closed(before, topology)
            raise TransportFailed(
                f"the claim of topology {topology} was written and is not on the log; check the "
                "broker"
            )
    if sorted(_topics(mine[1])) != wanted:
        has = ", ".join(sorted(_topics(mine[1])))
        raise TopicOwned(
            f"topology {topology} publishes {has}; start it with the same --publish, or under "
            "another --name"
        )
    earlier = {
        name: each
        for name, each in open_claims(before).items()
        if name != topology and each[0] < mine[0]
    }
    try:
        _yield_to(earlier, wanted)
    except TopicOwned:
        with contextlib.suppress(TopologyClosed):  # another member of it has yielded too
            close(log, cluster, topology, schema_id)
        raise
    if mine[0] >= JOURNAL_IDS:
        raise TopicOwned(
            f"{TOPIC} holds {JOURNAL_IDS} claims and gives no more journal ids; use another "
            "environment"
        )
    return mine[0]


def _refuse_closed(claims: Sequence[tuple[int, TopologyClaim]], topology: str) -> None:
    if any(each.topology == topology and each.kind == int(ClaimKind.CLOSED) for _, each in claims):
        raise TopologyClosed(
            f"topology {topology} was ended and its journal is closed; give the new one another "
            "name with --name"
        )


def _yield_to(claims: dict[str, tuple[int, TopologyClaim]], wanted: Sequence[str]) -> None:
    """Refuse topics that one of these claims holds. Raises TopicOwned."""
    for other, (_, each) in claims.items():
        shared = sorted(_topics(each) & set(wanted))
        if shared:
            raise TopicOwned(
                f"topology {other} writes {', '.join(shared)} already, and a topic has one writer; "
                f"stop it for good with 'sq stop {other} --close', or publish other topics with "
                "--publish"
            )


def settle_unreadable(log: Log, cluster: Cluster, offset: int, schema_id: int) -> None:
    """Say of a record that is no claim that it was looked into: it is not reported any more. Raises
    NoUnreadableClaim.
    """
    _, unreadable = _read(log, cluster)
    if all(each.offset != offset for each in unreadable):
        raise NoUnreadableClaim(
            f"{cluster.name(TOPIC)}/0 holds no record at offset {offset} that is to be settled; "
            "'sq status' names those that are"
        )
    record = TopologyClaim(
        topology="",
        kind=int(ClaimKind.CLOSED),
        claim=offset,
        environment=cluster.environment,
        topics=[],
        shards=0,
        issued_by=operator(),
    )
    _append(log, cluster, schema_id, record)


def close(log: Log, cluster: Cluster, topology: str, schema_id: int) -> None:
    """Give the topology's topics up for good."""
    mine = open_claims(read_claims(log, cluster)).get(topology)
    if mine is None:
        raise TopologyClosed(
            f"topology {topology} has no open claim: it never ran here, or was ended before"
        )
    _append(
        log,
        cluster,
        schema_id,
        msgspec.structs.replace(
            mine[1], kind=int(ClaimKind.CLOSED), claim=mine[0], issued_by=operator()
        ),
    )
