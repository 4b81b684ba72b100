"""A user's own stages on a real broker: those of docs/extending/add-a-stage.md as a stream job.

Oracle: the page's sums made again over the topology's own quotes and fills; the journal executed
again; a writer that is not the topology's.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.kafka.edge_topics import EdgeTopics
from tests.kafka.live_market import wait_until
from tests.kafka.members import Run, consumed, sq
from tests.runtime.user_stages import FILES, expected_costs, expected_spreads, timeless
from tests.scenario import make_recording

pytestmark = pytest.mark.broker
JOB = ("pipeline", "--clock", "event")


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    return make_recording(tmp_path / "recording", updates=600, trades=900, seed=5)


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """The page's files, and its run.toml with their places."""
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    path = tmp_path / "run.toml"
    names = ("spread.py", "costs.py", "middle.py")
    text = path.read_text()
    for name in names:
        text = text.replace(f'"{name}', f'"{tmp_path / name}')
    path.write_text(text)
    return path


def printed(edge: EdgeTopics, tmp_path: Path, place: str, topic: str) -> list[dict[str, Any]]:
    """Records as ``sq cat`` prints them."""
    return [
        json.loads(line) for line in sq(edge, tmp_path, "cat", place, topic).stdout.splitlines()
    ]


def test_the_page_s_stages_run_on_a_cluster_are_killed_pulled_and_proved(
    edge: EdgeTopics, run: Run, recording: Path, config: Path, tmp_path: Path
) -> None:
    url, given = edge.cluster.url, ("--config", str(config))
    sq(edge, tmp_path, "topics", "apply")
    refused = edge.sq("run", *JOB, *given, SQ_KAFKA_HOME=str(tmp_path / "home"))
    assert refused.returncode == 1
    assert "user.costs, user.spread" in refused.stderr and "--config" in refused.stderr
    unknown = edge.sq("cat", url, "user.spread")
    assert unknown.returncode == 2 and "a user's own" in unknown.stderr
    made = sq(edge, tmp_path, "topics", "apply", *given).stdout
    assert "user.spread: made" in made and "schema UserSpread has id" in made
    for more in ((), given):
        sq(edge, tmp_path, "topics", "drift", *more)
    job = (*JOB, *given, "--publish", "all")
    member = run(*job, "--batch", "50", "--linger", "200ms")
    member.wait("running")
    fed = json.loads(sq(edge, tmp_path, "feed", str(recording), "--speed", "max", "--json").stdout)
    fed = fed["records"]
    wait_until(lambda: consumed(edge, tmp_path) > 300, what="a part consumed")
    member.kill()
    assert consumed(edge, tmp_path) < fed
    member = run(*job)
    assert member.wait("running")["sequence"] > 3, "it goes on where the journal ends"
    wait_until(lambda: consumed(edge, tmp_path) == fed, what="everything consumed")
    assert member.stop() == 0
    topics = ("user.spread", "md.quotes", "user.costs", "fills")
    there, quotes, costs, fills = (printed(edge, tmp_path, url, topic) for topic in topics)
    assert timeless(there) == expected_spreads(quotes) and len(there) > 400
    assert timeless(costs) == expected_costs(fills) and costs
    verified = sq(edge, tmp_path, "verify", url, "--topology", "pipeline").stdout
    assert f"{fed} records, no divergence" in verified
    pulled = tmp_path / "pulled"
    sq(edge, tmp_path, "pull", url, "--topology", "pipeline", "--out", str(pulled))
    assert printed(edge, tmp_path, str(pulled), "user.spread") == there
    assert "no divergence" in sq(edge, tmp_path, "verify", str(pulled)).stdout
    another_writer(edge, "user.spread")
    forged = edge.sq("verify", url, "--topology", "pipeline", SQ_KAFKA_HOME=str(tmp_path / "home"))
    assert forged.returncode == 1 and "user.spread holds 1 records after" in forged.stderr


def another_writer(edge: EdgeTopics, topic: str) -> None:
    """Write the topic's first record to it once more."""
    name = edge.cluster.name(topic)
    reader = edge.log.reader("forger")
    reader.assign({(name, 0): 0})
    found = wait_until(lambda: reader.poll(1, 1.0), what="a record")
    reader.close()
    writer = edge.log.plain_writer()
    writer.begin()
    writer.produce(name, 0, [found[0].value])
    writer.commit()


def test_a_stage_that_raises_halts_the_shard_with_its_line_and_an_edited_one_is_another_topology(
    edge: EdgeTopics, run: Run, recording: Path, config: Path, tmp_path: Path
) -> None:
    stage = tmp_path / "spread.py"
    good = stage.read_text()
    bad = good.replace("middle = (", "middle = 1 // (self.state.count[number] < 100) * (")
    line = 1 + bad[: bad.index("1 //")].count("\n")
    stage.write_text(bad)
    given = ("--strategy", "noop-python", "--stage", f"{stage}:Spread")
    sq(edge, tmp_path, "topics", "apply", *given[2:])
    member = run(*JOB, *given)
    member.wait("running")
    sq(edge, tmp_path, "feed", str(recording), "--speed", "max")
    halted = member.wait("halted")
    text = member.events("failed")[0]["text"]
    assert "ZeroDivisionError" in text and f"spread.py:{line}" in text and "md.depth offset" in text
    assert halted["code"] == "stage_failed" and member.process.wait(60) == 1
    stage.write_text(good)
    refused = edge.sq("run", *JOB, *given, SQ_KAFKA_HOME=str(tmp_path / "home"))
    assert refused.returncode == 2
    assert "user_stages" in refused.stderr and "--stage" in refused.stderr
