"""ENG-9: a standby follows its owner, is equal to it, and takes over when it dies; one that
diverged never does.

Oracles: an uninterrupted run over the same records, the journal executed again, and the end offsets
of every topic.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from jobs.live.proof import verify_cluster
from streams.log.kafka.cluster import Cluster
from streams.runtime.failures import Diverged
from streams.runtime.live.shard import ShardTask
from tests.kafka.edge_topics import ROOT, EdgeTopics
from tests.kafka.live_market import (
    LiveMarket,
    ended,
    fresh_environment,
    run_to_end,
    stopped,
    uninterrupted,
    wait_until,
)
from tests.kafka.members import PIPELINE, Run, consumed, sq, status
from tests.scenario import make_recording

pytestmark = pytest.mark.broker
FLIPPED = """\
from flipping import AFTER  # lint: allow import: the planted fault
from streams.signals.strategy import Strategy, StrategyState

class Flipped(Strategy):
    NAME = "flipped"
    WAKES = ("quotes",)

    class State(StrategyState):
        seen: int = 0

    def on_quote(self, quote, context):
        self.state.seen += 1
        if self.state.seen % 25 == 0:
            direction = 1 if self.state.seen // 25 % 2 else -1
            way = direction if self.state.seen < AFTER else -direction
            self.signal(context, quote.instrument, way)
"""
"""A strategy that is not a function of its input: it takes a number from a library, and hosts have
different versions of that.
"""


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_recording(
        tmp_path_factory.mktemp("standby") / "recording", updates=900, trades=1_200
    )


def _market(cluster: Cluster, recording: Path, name: str) -> LiveMarket:
    own = Cluster(
        bootstrap=cluster.bootstrap, registry=cluster.registry, environment=fresh_environment(name)
    )
    return LiveMarket(own, recording)


def _ends(market: LiveMarket) -> dict[str, int]:
    reader = market.log.reader("test")
    try:
        topics = [*market.deployment.publish, "pipeline.journal", "pipeline.snapshots"]
        return {topic: reader.end((market.cluster.name(topic), 0)) for topic in topics}
    finally:
        reader.close()


def _follow(task: ShardTask, sequence: int) -> None:
    deadline = time.monotonic() + 60
    while task.sequence < sequence:
        task.follow(0.05)
        assert time.monotonic() < deadline, (
            f"journal record {task.sequence}, not {sequence}, after 60 s"
        )


@pytest.mark.smoke
def test_the_leader_is_killed_under_load_and_its_standby_makes_the_records_of_an_uninterrupted_run(
    cluster: Cluster, recording: Path
) -> None:
    whole = _market(cluster, recording, "s-whole")
    expected = uninterrupted(whole, whole.feed())
    market = _market(cluster, recording, "s-killed")
    fed = market.feed()
    standby = market.task()
    assert standby.follow(0.0) == 0, "there is no journal yet"
    leader = market.process(die_at="journal written", occurrence=8)
    try:
        while leader.poll() is None:
            standby.follow(0.05)
        assert ended(leader) == -signal.SIGKILL
    finally:
        stopped(leader)
    _follow(standby, 6)
    began = time.monotonic()
    standby.prepare()
    seconds = time.monotonic() - began
    run_to_end(standby, fed)
    standby.drain()
    print(f"promoted in {seconds:.2f} s")  # noqa: T201
    assert market.digests() == expected
    entries = market.journal()
    assert [entry.sequence for entry in entries] == list(range(len(entries)))
    assert sum(item.count for entry in entries for item in entry.inputs) == fed
    verdict = verify_cluster(market.cluster, "pipeline")[0]
    assert (verdict.findings, verdict.records) == ([], fed)
    standby.close()


def test_a_standby_writes_nothing_and_fences_nobody(cluster: Cluster, recording: Path) -> None:
    market = _market(cluster, recording, "s-silent")
    market.feed(0.0, 0.5)
    leader = market.task()
    leader.prepare()
    while leader.step(0.05):
        pass
    before = _ends(market)
    standby = market.task()
    _follow(standby, leader.sequence)
    assert not hasattr(standby, "writers")
    assert _ends(market) == before
    assert standby.execution.stage_states() == leader.execution.stage_states()
    market.feed(0.5, 1.0)
    assert leader.step(1.0) > 0, "the leader goes on with the producers it had"
    _follow(standby, leader.sequence)
    assert standby.execution.stage_states() == leader.execution.stage_states()
    for task in (standby, leader):
        task.close()


def test_a_standby_that_diverged_names_the_record_and_leaves_its_leader_alone(
    cluster: Cluster, recording: Path
) -> None:
    market = _market(cluster, recording, "s-planted")
    market.feed(0.0, 0.5)
    leader = market.task()
    leader.prepare()
    standby = market.task()
    while leader.step(0.05):
        pass
    _follow(standby, leader.sequence)
    standby.execution.engine.present += 1_000_000_000  # a clock that is a second ahead
    market.feed(0.5, 1.0)
    with pytest.raises(Diverged, match=r"batch \d+ of .*pipeline.journal/0: code diverged: .*"):
        while leader.step(0.05) or standby.sequence < leader.sequence:
            standby.follow(0.05)
    with pytest.raises(Diverged):
        standby.prepare()
    assert leader.step(0.05) >= 0, "the leader was not fenced"
    leader.drain()
    assert verify_cluster(market.cluster, "pipeline")[0].findings == []


def test_a_standby_member_is_promoted_when_its_leader_is_killed_and_when_it_drains(
    edge: EdgeTopics, run: Run, tmp_path: Path
) -> None:
    sq(edge, tmp_path, "topics", "apply")
    sq(edge, tmp_path, "generate", "--minutes", "4", "--seed", "5", "--out", str(tmp_path / "toy"))
    leader = run(*PIPELINE, "--standby")
    leader.wait("running")
    second = run(*PIPELINE, "--standby")
    command = [
        sys.executable,
        "-m",
        "jobs.sq",
        "feed",
        str(tmp_path / "toy"),
        "--speed",
        "6",
        "--json",
    ]
    environment = edge.environment(SQ_KAFKA_HOME=str(tmp_path / "home"))
    feed = subprocess.Popen(
        command,
        cwd=ROOT,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    second.wait("following")
    wait_until(lambda: consumed(edge, tmp_path) > 1000, what="load")
    lags: list[int] = []

    def keeps_up() -> bool:
        standbys = [each for row in status(edge, tmp_path) for each in row["standbys"]]
        assert [each["state"] for each in standbys] in ([], ["following"])
        lags.extend(each["lag_records"] for each in standbys)
        # two seconds of batches: what is told is up to a second old
        return bool(lags) and lags[-1] < 100

    wait_until(keeps_up, what="a standby near its leader")
    print(f"journal records behind, under load: {lags}")  # noqa: T201
    began = time.monotonic()
    leader.kill()
    told = second.wait("running")
    killed = time.monotonic() - began
    assert told["followed"] is True
    third = run(*PIPELINE, "--standby")
    third.wait("following")
    began = time.monotonic()
    assert second.stop() == 0
    drained_told = third.wait("running")
    drained = time.monotonic() - began
    assert drained_told["followed"] is True
    print(  # noqa: T201
        f"owned again {killed:.2f} s after SIGKILL, of which promotion {told['seconds']:.2f} s; "
        f"{drained:.2f} s after SIGTERM, of which promotion {drained_told['seconds']:.2f} s"
    )
    feed.wait(120)
    fed = sum(
        edge.log.admin().ends([(edge.cluster.name(topic), 0)])[edge.cluster.name(topic), 0]
        for topic in ("md.trades", "md.depth")
    )
    wait_until(
        lambda: consumed(edge, tmp_path) > fed, 90, "everything consumed, and the instruments"
    )
    assert [row["standbys"] for row in status(edge, tmp_path)] == [[]], (
        "who owns the shard follows it no more, who is gone neither"
    )
    assert third.stop() == 0
    verdict = verify_cluster(edge.cluster, "pipeline")[0]
    assert verdict.findings == []
    assert verdict.records > fed


def test_a_standby_member_that_diverged_says_so_and_does_not_take_the_shard(
    edge: EdgeTopics, run: Run, recording: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sq(edge, tmp_path, "topics", "apply")
    (tmp_path / "flipped.py").write_text(FLIPPED)
    job = (
        "pipeline",
        "--clock",
        "event",
        "--strategy",
        f"{tmp_path / 'flipped.py'}:Flipped",
        "--linger",
        "0s",
    )
    paths = []
    for version, after in (("old", 100), ("new", 1_000_000)):
        (tmp_path / version).mkdir()
        (tmp_path / version / "flipping.py").write_text(f"AFTER = {after}\n")
        paths.append(os.pathsep.join([str(tmp_path / version), str(ROOT)]))
    leader = run(*job, PYTHONPATH=paths[1])
    leader.wait("running")
    other = run(*job, "--standby", PYTHONPATH=paths[0])
    other.wait("following")
    sq(edge, tmp_path, "feed", str(recording), "--speed", "max")
    halted = other.wait("standby_halted")
    assert halted["code"] == "diverged"
    told = other.events("failed")[0]["text"]
    assert "code diverged: signals" in told or "code diverged: orders" in told, told
    assert "on the log" in told, told
    states = wait_until(
        lambda: [each["state"] for row in status(edge, tmp_path) for each in row["standbys"]],
        what="the standby's state",
    )
    assert states == ["halted: diverged"]
    fed = sum(
        edge.log.admin().ends([(edge.cluster.name(topic), 0)])[edge.cluster.name(topic), 0]
        for topic in ("md.trades", "md.depth")
    )
    wait_until(
        lambda: consumed(edge, tmp_path) > fed,
        what="everything consumed by the leader, and the instruments",
    )
    leader.kill()
    assert other.process.wait(60) == 1
    assert other.events("halted")[0]["code"] == "diverged"
    assert other.events("running") == []
    monkeypatch.syspath_prepend(str(tmp_path / "new"))
    assert verify_cluster(edge.cluster, "pipeline")[0].findings == []
