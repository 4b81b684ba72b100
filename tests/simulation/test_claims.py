"""Stories of claims over the simulated log (E1, E9). Oracle: the rule in ``jobs/live/claims.py``: the first open claim of a topic owns it."""

from __future__ import annotations

import pytest

from jobs.live.claims import (
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
    assert [f"sq skip {TOPIC}/0/{offset} --reason" in text for offset, text in enumerate(reported)] == [True] * len(GARBAGE)
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


def test_a_claim_that_arrives_behind_the_close_of_its_topology_opens_nothing(log: SimulatedLog) -> None:
    """A member reads the claims, the topology is closed, the member appends: it must not take a closed journal up again."""
    append = log.plain_writer
    claim(log, CLUSTER, "one", ["fills"], 1, 7)
    close(log, CLUSTER, "one", 7)
    first = log.broker.committed(TOPIC)[0].value
    assert first is not None
    append().produce(TOPIC, 0, [first])
    assert open_claims(read_claims(log, CLUSTER)) == {}
    with pytest.raises(TopologyClosed):
        claim(log, CLUSTER, "one", ["fills"], 1, 7)
