"""``sq run``, ``status``, ``stop``, ``verify`` as a user types them, on a real broker: owners that come, go and are killed (F10, F18).

Oracle: the journal executed again, and the count of what was fed.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from jobs.live.looking import owners_of
from jobs.live.proof import verify_cluster
from streams.log.kafka.client import KafkaLog
from streams.log.kafka.cluster import Cluster
from tests.kafka.edge_topics import ROOT, EdgeTopics
from tests.kafka.live_market import wait_until
from tests.kafka.members import Run, consumed, edge_of, members, sq
from tests.scenario import make_recording

pytestmark = pytest.mark.broker


@pytest.fixture
def edge(cluster: Cluster) -> EdgeTopics:
    return edge_of(cluster)


@pytest.fixture
def run(edge: EdgeTopics, tmp_path: Path) -> Iterator[Run]:
    yield from members(edge, tmp_path)


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    return make_recording(tmp_path / "recording", updates=400, trades=500)


def test_from_nothing_to_a_proof_and_to_the_end_as_typed(edge: EdgeTopics, run: Run, recording: Path, tmp_path: Path) -> None:
    sq(edge, tmp_path, "topics", "apply")
    member = run()
    member.wait("running")
    fed = json.loads(sq(edge, tmp_path, "feed", str(recording), "--speed", "max", "--json").stdout)["records"]
    wait_until(lambda: consumed(edge, tmp_path) == fed, what="everything consumed")
    status = json.loads(sq(edge, tmp_path, "status", "--json").stdout)
    assert [(row["topology"], row["state"]) for row in status] == [("pipeline", "running")]
    assert member.stop() == 0
    assert member.wait("drained")["sequence"] > 1
    verified = sq(edge, tmp_path, "verify", edge.cluster.url, "--topology", "pipeline")
    assert verified.stdout.splitlines()[-1].endswith(f"{fed} records, no divergence")
    closed = sq(edge, tmp_path, "stop", "pipeline", "--close")
    assert "ended" in closed.stdout
    again = edge.sq("run", "pipeline", "--clock", "event", "--strategy", "ema-cross", SQ_KAFKA_HOME=str(tmp_path / "home"))
    assert again.returncode == 2
    assert "was ended" in again.stderr
    assert "Traceback" not in member.log.read_text()


def test_a_flood_of_dead_letters_halts_a_shard_as_typed_and_a_higher_limit_passes_it(
    edge: EdgeTopics, run: Run, recording: Path, tmp_path: Path
) -> None:
    """BUS-12: not started again by itself; nothing lost."""
    sq(edge, tmp_path, "topics", "apply")
    refused = edge.sq("run", "market", "--dead-letters", "some", SQ_KAFKA_HOME=str(tmp_path / "home"))
    assert refused.returncode == 2 and "write N/M" in refused.stderr
    command = ("pipeline", "--clock", "event", "--strategy", "ema-cross", "--linger", "0s", "--dead-letters")
    member = run(*command, "5/1000")
    member.wait("running")
    writer = edge.log.plain_writer()
    writer.begin()
    writer.produce(edge.cluster.name("md.trades"), 0, [b"no record"] * 40)
    writer.commit()
    fed = 40 + json.loads(sq(edge, tmp_path, "feed", str(recording), "--speed", "max", "--json").stdout)["records"]
    halted = member.wait("halted")
    assert halted["code"] == "dead_letter_flood" and member.process.wait(60) == 1
    assert "5 (--dead-letters 5/1000)" in member.events("failed")[0]["text"] and not member.events("restarting")
    second = run(*command, "50/1000")
    second.wait("running")
    wait_until(lambda: consumed(edge, tmp_path) == fed, what="everything consumed")
    assert second.stop() == 0
    verdict = verify_cluster(edge.cluster, "pipeline")[0]
    assert (verdict.findings, verdict.records) == ([], fed)


def test_a_killed_shard_is_started_again_and_a_killed_member_comes_back_in_its_slot(
    edge: EdgeTopics, run: Run, recording: Path, tmp_path: Path
) -> None:
    sq(edge, tmp_path, "topics", "apply")
    member = run()
    member.wait("running")
    fed = json.loads(sq(edge, tmp_path, "feed", str(recording), "--speed", "max", "--json").stdout)["records"]
    children = subprocess.run(["pgrep", "-P", str(member.process.pid)], capture_output=True, text=True, check=True).stdout.split()
    for pid in children:
        os.kill(int(pid), signal.SIGKILL)
    member.wait("restarting")
    member.wait("running", 2)
    member.kill()
    second = run()
    second.wait("running")
    wait_until(lambda: consumed(edge, tmp_path) >= fed, what="everything consumed")
    assert second.stop() == 0
    verdict = verify_cluster(edge.cluster, "pipeline")[0]
    assert (verdict.findings, verdict.records) == ([], fed)


def test_a_waiting_member_takes_over_when_the_owner_drains_and_when_it_is_killed(
    edge: EdgeTopics, run: Run, recording: Path, tmp_path: Path
) -> None:
    sq(edge, tmp_path, "topics", "apply")
    first = run()
    first.wait("running")
    second = run()
    second.wait("idle")
    fed = json.loads(sq(edge, tmp_path, "feed", str(recording), "--speed", "max", "--json").stdout)["records"]
    began = time.monotonic()
    assert first.stop() == 0
    second.wait("running")
    drained = time.monotonic() - began
    third = run()
    third.wait("idle")
    began = time.monotonic()
    second.kill()
    third.wait("running")
    print(f"owned again {drained:.1f} s after SIGTERM, {time.monotonic() - began:.1f} s after SIGKILL")  # noqa: T201
    wait_until(lambda: consumed(edge, tmp_path) >= fed, what="everything consumed")
    assert third.stop() == 0
    verdict = verify_cluster(edge.cluster, "pipeline")[0]
    assert (verdict.findings, verdict.records) == ([], fed)


def test_scaled_from_one_member_to_three_and_back_under_load_nothing_is_lost(edge: EdgeTopics, run: Run, tmp_path: Path) -> None:
    """F10: four shards; members join and leave while a market is fed."""
    sq(edge, tmp_path, "topics", "apply", "--shards", "4")
    sq(edge, tmp_path, "generate", "--minutes", "4", "--seed", "5", "--out", str(tmp_path / "toy"))
    members = [run()]
    members[0].wait("running", 4)
    feed = subprocess.Popen(
        [sys.executable, "-m", "jobs.sq", "feed", str(tmp_path / "toy"), "--speed", "6", "--json"],
        cwd=ROOT,
        env=edge.environment(SQ_KAFKA_HOME=str(tmp_path / "home")),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    admin = KafkaLog(edge.cluster).admin()
    for _ in range(2):
        members.append(run())
        wait_until(lambda: len({*owners_of(admin, edge.cluster, "pipeline").values()}) == len(members), 120, "an owner more")
    for member in members[:2]:
        assert member.stop() == 0
    members[2].wait("running", 4)
    out, _ = feed.communicate(timeout=120)
    topics = json.loads(out)["topics"]
    fed = topics["md.trades"] + topics["md.depth"] + 4 * topics["ref.instruments"]
    shard = next(iter(members[2].events("running")))["shard"]
    assert 0 <= shard < 4
    wait_until(lambda: consumed(edge, tmp_path) >= fed - 3, seconds=90, what="everything consumed")
    assert members[2].stop() == 0
    for verdict in verify_cluster(edge.cluster, "pipeline"):
        assert verdict.findings == [] or "nothing was verified" in verdict.findings[0].text
