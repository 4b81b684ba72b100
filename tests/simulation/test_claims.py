"""Stories and forgeries of claims over the simulated log (E1, E9).

Oracle: the rule in ``jobs/live/topic_ownership.py``: the first open claim of a topic owns it; and
for forgeries the fault that was planted.
"""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from jobs.live.topic_ownership import (
    TOPIC,
    NoUnreadableClaim,
    TopicOwned,
    TopologyClosed,
    claim,
    close,
    open_claims,
    read_claims,
    settle_unreadable,
)
from schemas.codec import codec
from schemas.records import ClaimedTopic, TopologyClaim
from schemas.vocabulary import ClaimKind
from streams.log.kafka.framing import header
from tests.simulation.broker import SimulatedBroker
from tests.simulation.claiming import CLUSTER, GARBAGE
from tests.simulation.clock import VirtualClock
from tests.simulation.log import SimulatedLog
from tests.simulation.network import Network


@pytest.fixture
def log() -> SimulatedLog:
    clock = VirtualClock()
    broker = SimulatedBroker(clock)
    broker.create_topic(TOPIC)
    return SimulatedLog(broker, Network(clock))


def test_garbage_is_passed_over_reported_and_settled_for_ever(log: SimulatedLog) -> None:
    log.broker.append((TOPIC, 0), list(GARBAGE))
    first = claim(log, CLUSTER, "one", ["fills"], 1, 7)
    assert first == len(GARBAGE)
    reported: list[str] = []
    assert list(open_claims(read_claims(log, CLUSTER, reported.append))) == ["one"]
    assert [
        f"sq skip {TOPIC}/0/{offset} --reason" in text for offset, text in enumerate(reported)
    ] == [True] * len(GARBAGE)
    for offset in range(len(GARBAGE)):
        settle_unreadable(log, CLUSTER, offset, 7)
    reported.clear()
    assert list(open_claims(read_claims(log, CLUSTER, reported.append))) == ["one"]
    assert reported == []
    for offset in (0, first):
        with pytest.raises(NoUnreadableClaim):
            settle_unreadable(log, CLUSTER, offset, 7)


def test_a_topology_that_is_refused_a_topic_may_start_with_others(log: SimulatedLog) -> None:
    claim(log, CLUSTER, "one", ["fills"], 1, 7)
    with pytest.raises(TopicOwned, match="one writes fills already"):
        claim(log, CLUSTER, "two", ["fills"], 1, 7)
    assert claim(log, CLUSTER, "two", ["pnl"], 1, 7) > 0


def test_a_claim_that_arrives_behind_the_close_of_its_topology_opens_nothing(
    log: SimulatedLog,
) -> None:
    """A member reads the claims, the topology is closed, the member appends: it must not take a
    closed journal up again.
    """
    append = log.plain_writer
    claim(log, CLUSTER, "one", ["fills"], 1, 7)
    close(log, CLUSTER, "one", 7)
    first = log.broker.committed(TOPIC)[0].value
    assert first is not None
    append().produce(TOPIC, 0, [first])
    assert open_claims(read_claims(log, CLUSTER)) == {}
    with pytest.raises(TopologyClosed):
        claim(log, CLUSTER, "one", ["fills"], 1, 7)


def _body(**changes: Any) -> bytes:
    """A claim of ``one`` with other values, framed and whole."""
    honest = TopologyClaim("one", int(ClaimKind.CLAIM), -1, "", [ClaimedTopic("pnl")], 1, "forger")
    return header(7) + codec("TopologyClaim").encode_records(
        [msgspec.structs.replace(honest, **changes)]
    )


def _closing(**changes: Any) -> bytes:
    return _body(kind=int(ClaimKind.CLOSED), topics=[], **changes)


FORGED: dict[str, tuple[bytes, str]] = {
    "no shards": (_body(shards=0), "it names 0 shards"),
    "too many shards": (_body(shards=1 << 20), "shards"),
    "bytes behind its fields": (_body() + b"\0", "no TopologyClaim"),
    "cut short": (_body()[:-3], "no TopologyClaim"),
    "no framing": (_body()[5:], ""),
    "a name that is none": (_body(topology="../one"), "../one"),
    "a closing record without a claim": (
        _closing(claim=-1),
        "it closes one by a claim at offset -1",
    ),
    "a closing record that names another's claim": (
        _closing(claim=1),
        "it closes one by a claim at offset 1",
    ),
    "a closing record of what never ran": (_closing(topology="three", claim=0), "it closes three"),
}
"""By what is wrong with a record of the topic: its bytes, and what is said of them."""


@pytest.mark.parametrize("name", FORGED)
def test_a_forged_record_is_named_and_takes_no_topology_its_topics_or_its_claim(
    log: SimulatedLog, name: str
) -> None:
    """A closing record was believed whatever claim it named: it ended a topology that ran."""
    value, says = FORGED[name]
    claim(log, CLUSTER, "one", ["fills"], 1, 7)
    claim(log, CLUSTER, "two", ["orders.requests"], 1, 7)
    log.broker.append((TOPIC, 0), [value])
    reported: list[str] = []
    found = open_claims(read_claims(log, CLUSTER, reported.append))
    assert [(topology, offset) for topology, (offset, _) in found.items()] == [
        ("one", 0),
        ("two", 1),
    ]
    assert (
        len(reported) == 1
        and f"{TOPIC}/0 offset 2 is no claim" in reported[0]
        and says in reported[0]
    )
    assert claim(log, CLUSTER, "one", ["fills"], 1, 7) == 0
    assert claim(log, CLUSTER, "four", ["pnl"], 1, 7) == 3
    close(log, CLUSTER, "one", 7)
    assert list(open_claims(read_claims(log, CLUSTER))) == ["two", "four"]


def test_a_second_claim_of_a_topology_changes_nothing_of_the_first(log: SimulatedLog) -> None:
    """Whole and well-formed, as members that start together write it: the first one is the
    topology's, other topics are refused.
    """
    claim(log, CLUSTER, "one", ["fills"], 1, 7)
    log.broker.append((TOPIC, 0), [_body()])
    assert claim(log, CLUSTER, "one", ["fills"], 1, 7) == 0
    with pytest.raises(TopicOwned, match="publishes fills"):
        claim(log, CLUSTER, "one", ["pnl"], 1, 7)
    assert claim(log, CLUSTER, "two", ["pnl"], 1, 7) == 2
