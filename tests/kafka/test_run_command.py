"""``sq run``, ``status``, ``stop``, ``verify`` as a user types them, on a real broker: owners that
come, go and are killed (F10, F18).

Oracle: the journal executed again, and the count of what was fed.
"""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from confluent_kafka import Consumer, KafkaError, TopicPartition

from jobs.live import topology_status
from jobs.live.proof import verify_cluster
from jobs.telemetry import metrics
from tests.kafka.edge_topics import EdgeTopics
from tests.kafka.live_market import wait_until
from tests.kafka.members import Run, consumed, counted, seen_by_exporter, sq, status
from tests.scenario import backtest, make_recording, records_in

pytestmark = pytest.mark.broker


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    return make_recording(tmp_path / "recording", updates=400, trades=500)


def test_from_nothing_to_a_proof_and_to_the_end_as_typed(
    edge: EdgeTopics, run: Run, recording: Path, tmp_path: Path
) -> None:
    sq(edge, tmp_path, "topics", "apply")
    member = run("pipeline", "--clock", "event", "--strategy", "ema-cross")
    member.wait("running")
    feed = ["feed", str(recording), "--speed", "3", "--json"]
    with subprocess.Popen(
        [sys.executable, "-m", "jobs.sq", *feed], env=edge.environment(), stdout=subprocess.PIPE
    ) as feeding:
        found = []
        while feeding.poll() is None:
            found.append(committed(edge, "pipeline.journal"))
        fed = json.load(feeding.stdout or io.BytesIO())["records"]
    assert len(set(found)) >= 3, (
        "a reader of committed records meets the end of the journal again and again while the job "
        "runs"
    )
    wait_until(lambda: consumed(edge, tmp_path) == fed, what="everything consumed")
    series = counted(tmp_path / "home", "task")
    sums = {
        name: value
        for (name, _), value in series.items()
        if name.endswith(("_seconds_sum", "_seconds_count"))
    }
    left_out = sums["shriven_end_to_end_seconds_sum"] - sums["shriven_freshness_seconds_sum"]
    assert 0 < left_out <= sums["shriven_freshness_seconds_count"], (
        "of each batch the freshness objective leaves out the linger, 1 s, at most"
    )
    assert [(row["topology"], row["state"]) for row in status(edge, tmp_path)] == [
        ("pipeline", "running")
    ]
    for topic, more in (
        ("md.trades", ("--decimal",)),
        ("md.depth", ("--limit", "7", "--from", "2024-01-01T00:00:00")),
        ("ref.instruments", ()),
    ):
        there, here = (
            printed(edge, "cat", place, topic, *more)
            for place in (edge.cluster.url, str(recording))
        )
        assert there == here and there, (
            "a topic of the cluster is printed as the recording that was fed into it"
        )
    assert member.stop() == 0
    assert member.wait("drained")["sequence"] > 1
    verified = sq(edge, tmp_path, "verify", edge.cluster.url, "--topology", "pipeline")
    assert verified.stdout.splitlines()[-1].endswith(
        f"{fed} records, no divergence; order: as journaled"
    )
    assert [(row["state"], row["detail"]) for row in status(edge, tmp_path)] == [
        ("no owner", "drained")
    ]
    assert seen_by_exporter(edge) == {0: "drained"}
    assert groups(edge)
    closed = sq(edge, tmp_path, "stop", "pipeline", "--close")
    assert "ended" in closed.stdout
    assert seen_by_exporter(edge) == {}
    assert groups(edge) == [], (
        "nobody reads on from what a closed topology stored, and no alert may look at it"
    )
    again = edge.sq(
        "run",
        "pipeline",
        "--clock",
        "event",
        "--strategy",
        "ema-cross",
        SQ_KAFKA_HOME=str(tmp_path / "home"),
    )
    assert again.returncode == 2
    assert "was ended" in again.stderr
    assert "Traceback" not in member.log.read_text()


LOGGING = """
from streams.signals.strategy import Strategy

class Teller(Strategy):
    WAKES = ("bars", "marks", "fills")
    READS = ("account", "book")
    LOGS = True

    def on_bar(self, bar, context):
        context.log(f"bar {bar.close_time}")

    def on_mark(self, mark, context):
        if not context.open_orders():
            self.order(context, mark.instrument, 1 + mark.event_time // 1_000_000_000 % 2, 10)

    def on_fill(self, fill, context):
        held, book = context.position(fill.instrument), context.book(fill.instrument, 1)
        context.log(f"holds {held.quantity} at {held.average_price}, cash {context.cash}, "
                    f"book {book.bids} {book.asks}")
"""


def test_what_a_strategy_reads_and_logs_is_a_topic_and_stands_in_the_shard_s_log(
    edge: EdgeTopics, run: Run, recording: Path, tmp_path: Path
) -> None:
    """Oracle: a backtest of the recording for the texts, the journal executed again for the topic.
    """
    (tmp_path / "teller.py").write_text(LOGGING)
    strategy = f"{tmp_path / 'teller.py'}:Teller"
    sq(edge, tmp_path, "topics", "apply")
    member = run("pipeline", "--clock", "event", "--strategy", strategy)
    member.wait("running")
    fed = json.loads(sq(edge, tmp_path, "feed", str(recording), "--speed", "max", "--json").stdout)[
        "records"
    ]
    wait_until(lambda: consumed(edge, tmp_path) == fed, what="everything consumed")
    assert member.stop() == 0
    there = [json.loads(line) for line in printed(edge, "cat", edge.cluster.url, "strategy.log")]
    lines = [
        json.loads(line) for line in member.log.read_text().splitlines() if line.startswith("{")
    ]
    told = [(line["clock"], line["text"]) for line in lines if line["event"] == "strategy_log"]
    assert told == [(line["event_time"], line["text"]) for line in there] and len(told) > 5
    here = backtest(recording, tmp_path / "run", strategy)
    expected = [line["text"] for line in records_in(here.folder, "strategy.log")]
    assert expected[: len(told)] == [text for _, text in told], (
        "the backtest's last lines are those of the end of its input"
    )
    verified = sq(edge, tmp_path, "verify", edge.cluster.url, "--topology", "pipeline")
    assert "no divergence" in verified.stdout


def test_a_flood_of_dead_letters_halts_a_shard_as_typed_and_a_higher_limit_passes_it(
    edge: EdgeTopics, run: Run, recording: Path, tmp_path: Path
) -> None:
    """BUS-12: not started again by itself; nothing lost."""
    sq(edge, tmp_path, "topics", "apply")
    refused = edge.sq(
        "run", "market", "--dead-letters", "some", SQ_KAFKA_HOME=str(tmp_path / "home")
    )
    assert refused.returncode == 2 and "write N/M" in refused.stderr
    command = (
        "pipeline",
        "--clock",
        "event",
        "--strategy",
        "ema-cross",
        "--linger",
        "0s",
        "--dead-letters",
    )
    member = run(*command, "5/1000")
    member.wait("running")
    writer = edge.log.plain_writer()
    writer.begin()
    writer.produce(edge.cluster.name("md.trades"), 0, [b"no record"] * 40)
    writer.commit()
    fed = (
        40
        + json.loads(sq(edge, tmp_path, "feed", str(recording), "--speed", "max", "--json").stdout)[
            "records"
        ]
    )
    halted = member.wait("halted")
    assert halted["code"] == "dead_letter_flood" and member.process.wait(60) == 1
    assert [(row["state"], row["detail"]) for row in status(edge, tmp_path)] == [
        ("halted", "dead_letter_flood")
    ]
    assert seen_by_exporter(edge) == {0: "halted"}
    assert "halted" in sq(edge, tmp_path, "status").stdout
    assert "5 (--dead-letters 5/1000)" in member.events("failed")[0]["text"] and not member.events(
        "restarting"
    )
    # F15: it goes on with the ids of its journal
    second = run(*command, "50/1000", SQ_KAFKA_REGISTRY="http://127.0.0.1:9")
    second.wait("running")
    wait_until(lambda: consumed(edge, tmp_path) == fed, what="everything consumed")
    series = counted(tmp_path / "home", "task")
    letters = {
        dict(labels)["reason"]: value
        for (name, labels), value in series.items()
        if name == "shriven_dead_letters_total"
    }
    assert letters.keys() == set(metrics.DEAD_LETTER_REASONS), (
        "what the runner writes is what was registered"
    )
    assert {reason for reason, value in letters.items() if value} == {"bad_framing"}
    assert second.stop() == 0
    verdict = verify_cluster(edge.cluster, "pipeline")[0]
    assert (verdict.findings, verdict.records) == ([], fed)


def committed(edge: EdgeTopics, topic: str) -> int:
    """Records of a topic, counted to the end of its partition by a consumer with the client's own
    defaults.
    """
    more = {
        "group.id": "count",
        "isolation.level": "read_committed",
        "enable.auto.commit": False,
        "enable.partition.eof": True,
    }
    consumer = Consumer({"bootstrap.servers": edge.cluster.client()["bootstrap.servers"], **more})
    consumer.assign([TopicPartition(edge.cluster.name(topic), 0, 0)])
    count, deadline = 0, time.monotonic() + 30
    while time.monotonic() < deadline:
        for message in consumer.consume(1000, 1):
            problem = message.error()
            if problem is not None and problem.code() == KafkaError._PARTITION_EOF:
                consumer.close()
                return count
            count += problem is None
    raise AssertionError(f"{topic}: {count} records, and no end of the partition in 30 s")


def printed(edge: EdgeTopics, *arguments: str) -> list[str]:
    """Lines of a command in a process of its own: it writes bytes."""
    command = [sys.executable, "-m", "jobs.sq", *arguments]
    return subprocess.run(
        command, env=edge.environment(), capture_output=True, text=True, timeout=120, check=True
    ).stdout.splitlines()


def groups(edge: EdgeTopics) -> list[str]:
    """Groups of the topology that the cluster knows."""
    listed = edge.log.admin().client.list_consumer_groups(request_timeout=30).result().valid
    return [
        each.group_id for each in listed if each.group_id.startswith(edge.cluster.name("pipeline."))
    ]


def _children(process: int) -> list[int]:
    return [
        int(each)
        for each in subprocess.run(
            ["pgrep", "-P", str(process)], capture_output=True, text=True, check=True
        ).stdout.split()
    ]


def _group(process: int) -> list[int]:
    return [
        int(each)
        for each in subprocess.run(
            ["pgrep", "-g", str(process)], capture_output=True, text=True, check=True
        ).stdout.split()
    ]


def test_a_frozen_shard_is_told_a_killed_one_restarts_and_a_killed_member_keeps_its_id(
    edge: EdgeTopics, run: Run, recording: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sq(edge, tmp_path, "topics", "apply")
    member = run()
    member.wait("running")
    (warm,) = _children(member.process.pid)
    (shard,) = _children(warm)
    os.kill(shard, signal.SIGSTOP)
    fed = json.loads(sq(edge, tmp_path, "feed", str(recording), "--speed", "max", "--json").stdout)[
        "records"
    ]
    monkeypatch.setattr(topology_status, "FROZEN_SECONDS", 2.0)
    wait_until(
        lambda: [row["state"] for row in status(edge, tmp_path)] == ["frozen"],
        what="it is seen to stand still",
    )
    os.kill(shard, signal.SIGCONT)
    wait_until(
        lambda: [row["state"] for row in status(edge, tmp_path)] == ["running"], what="it goes on"
    )
    os.kill(shard, signal.SIGKILL)
    assert "killed by SIGKILL" in member.wait("restarting")["text"]
    member.wait("running", 2)
    os.kill(warm, signal.SIGKILL)  # its fork goes on; the next is another one's
    member.wait("warm_ended")
    (shard,) = {*_group(member.process.pid)} - {member.process.pid}
    os.kill(shard, signal.SIGKILL)
    member.wait("running", 3)
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
    fed = json.loads(sq(edge, tmp_path, "feed", str(recording), "--speed", "max", "--json").stdout)[
        "records"
    ]
    began = time.monotonic()
    assert first.stop() == 0
    second.wait("running")
    drained = time.monotonic() - began
    third = run()
    third.wait("idle")
    began = time.monotonic()
    second.kill()
    third.wait("running")
    print(  # noqa: T201
        f"owned again {drained:.1f} s after SIGTERM, {time.monotonic() - began:.1f} s after SIGKILL"
    )
    wait_until(lambda: consumed(edge, tmp_path) >= fed, what="everything consumed")
    assert third.stop() == 0
    verdict = verify_cluster(edge.cluster, "pipeline")[0]
    assert (verdict.findings, verdict.records) == ([], fed)
