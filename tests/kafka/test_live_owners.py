"""F2, F3: owners that do not know of each other. At most one goes on, the chain has no fork,
nothing of the other is visible.

Oracle: the journal's chain and an uninterrupted run.
"""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from jobs.live.topic_ownership import TopicOwned, TopologyClosed, claim, close
from schemas.registry import resolve
from streams.log.kafka.client import KafkaLog
from streams.log.kafka.cluster import Cluster
from streams.log.kafka.transport import Fenced
from streams.runtime.failures import OtherIdentity
from tests.kafka.live_market import LiveMarket, ended, run_to_end, said, stopped, uninterrupted
from tests.scenario import make_recording

pytestmark = pytest.mark.broker


@pytest.fixture
def market(cluster: Cluster, tmp_path: Path) -> LiveMarket:
    return LiveMarket(cluster, make_recording(tmp_path / "recording", updates=400, trades=500))


@pytest.mark.smoke
def test_a_stopped_owner_is_fenced_when_it_wakes_and_nothing_of_it_is_seen(
    market: LiveMarket,
) -> None:
    """F2: SIGSTOP in the middle, another takes over and finishes, SIGCONT."""
    market.feed(0.0, 0.5)
    zombie = market.process(quiet_seconds=60)
    try:
        said(zombie, "consumed")
        os.kill(zombie.pid, signal.SIGSTOP)
        rest = market.feed(0.5, 1.0)
        owner = market.task()
        owner.prepare()
        run_to_end(owner, owner.execution.consumed + rest)
        owner.drain()
        before = market.digests()
        os.kill(zombie.pid, signal.SIGCONT)
        assert said(zombie, "failed")["code"] == "fenced"
        assert ended(zombie) == 1
        assert market.digests() == before
        assert market.journal()[-1].sequence == owner.sequence
    finally:
        stopped(zombie)


@pytest.mark.smoke
def test_of_two_owners_in_one_race_at_most_one_goes_on_and_the_chain_has_no_fork(
    market: LiveMarket,
) -> None:
    """F3: both start at once; whoever is fenced ends, a restart of it goes on from where the other
    left.
    """
    fed = market.feed()
    racers = [market.process(), market.process()]
    try:
        codes = sorted(ended(each) for each in racers)
    finally:
        for each in racers:
            stopped(each)
    assert codes in ([0, 0], [0, 1], [1, 1]), "an owner ended by anything but a typed error"
    last = market.task()
    last.prepare()
    run_to_end(last, fed)
    last.drain()
    entries = market.journal()
    assert [entry.sequence for entry in entries] == list(range(len(entries)))
    assert sum(item.count for entry in entries for item in entry.inputs) == fed


def test_fencing_either_producer_alone_ends_the_owner(market: LiveMarket) -> None:
    market.feed()
    for number in (0, 1):
        task = market.task()
        task.prepare()
        writer = market.log.writer(task.log.spec.transactional_id(number))
        writer.init()
        with pytest.raises(Fenced, match="another owner"):
            for _ in range(4):
                task.step(0.05)
        writer.close()
        task.close()


def test_other_code_goes_on_only_from_a_drain_and_writes_that_it_did(market: LiveMarket) -> None:
    """ENG-13: an upgrade is a record of the journal, and a crash of other code is no place to
    begin.
    """
    fed = market.feed(0.0, 0.5)
    killed = market.process(die_at="committed", occurrence=3)
    ended(killed)
    market.deployment.publish = list(market.deployment.publish)
    other = market.task()
    other.log.spec.facts["code"] = "other code"
    with pytest.raises(OtherIdentity, match="only from a drain"):
        other.prepare()
    first = market.task()
    first.prepare()
    run_to_end(first, fed)
    first.drain()
    upgraded = market.task()
    upgraded.log.spec.facts["code"] = "other code"
    upgraded.prepare()
    run_to_end(upgraded, fed + market.feed(0.5, 1.0))
    kinds = [
        (entry.kind, entry.facts.get("new", {}).get("code"))
        for entry in market.journal()
        if "new" in entry.facts
    ]
    assert kinds == [(3, "other code")]
    back = market.task()
    with pytest.raises(OtherIdentity):
        back.prepare()


def test_another_strategy_under_the_same_name_is_refused(market: LiveMarket) -> None:
    fed = market.feed()
    uninterrupted(market, fed)
    market.deployment.configuration.parameters = {"fast": "3"}
    with pytest.raises(OtherIdentity, match="parameters was .* now"):
        market.task().prepare()


def test_two_topologies_cannot_own_one_topic(cluster: Cluster, market: LiveMarket) -> None:
    log = KafkaLog(cluster)
    schema_id = resolve(cluster, ["topologies"])["topologies"]
    first = claim(log, cluster, "one", ["fills", "pnl"], 1, schema_id)
    assert claim(log, cluster, "one", ["pnl", "fills"], 1, schema_id) == first, (
        "a restart claims nothing anew"
    )
    with pytest.raises(TopicOwned, match="topology one writes fills already"):
        claim(log, cluster, "two", ["fills"], 1, schema_id)
    with pytest.raises(TopicOwned, match="same --publish"):
        claim(log, cluster, "one", ["fills"], 1, schema_id)
    assert claim(log, cluster, "three", ["signals"], 1, schema_id) > first
    close(log, cluster, "one", schema_id)
    with pytest.raises(TopologyClosed):
        claim(log, cluster, "one", ["fills", "pnl"], 1, schema_id)
    assert claim(log, cluster, "four", ["fills"], 1, schema_id) > first
