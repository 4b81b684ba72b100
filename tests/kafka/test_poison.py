"""F18: a record that kills the process that reads it, without a word. As a user types it, on a real
broker.

Oracle: the place of the record, which the test planted; what every topic holds; the journal
executed again.
"""

from __future__ import annotations

import collections
import json
import urllib.request
from pathlib import Path
from typing import Any

import msgspec
import pytest

from jobs.live.proof import verify_cluster
from jobs.live.restarts import BACKOFF_SECONDS, CRASHES_MAX
from schemas.codec import codec
from streams.log.kafka.framing import HEADER_BYTES
from tests.kafka.edge_topics import ROOT, EdgeTopics
from tests.kafka.live_market import wait_until
from tests.kafka.members import Run, seen_by_exporter, sq, status
from tests.scenario import INSTRUMENT, make_market, write_recording

pytestmark = pytest.mark.broker
UPDATES = 500
MORTAL = """\
from signals_of_death import die  # lint: allow import: the planted fault
from streams.signals.strategy import Strategy, StrategyState

class Mortal(Strategy):
    NAME = "mortal"
    WAKES = ("quotes",)

    class State(StrategyState):
        seen: int = 0

    def on_quote(self, quote, context):
        self.state.seen += 1
        if quote.instrument == {instrument} and quote.event_time == {event_time}:
            die()
        if self.state.seen % 25 == 0:
            self.signal(context, quote.instrument, 1 if self.state.seen // 25 % 2 else -1)
"""
DEATHS = {
    "SIGSEGV": "import ctypes\n\ndef die():\n    ctypes.string_at(0)\n",
    "exit code 3": "import os\n\ndef die():\n    os._exit(3)\n",
}


def _recording(folder: Path) -> tuple[Path, int, int, int]:
    """Two instruments, one of each shard; a record of shard 1 and the time that it alone has:
    (folder, place, event time, records of shard 0).
    """
    trades, depth = make_market(UPDATES, UPDATES, seed=3)
    others = make_market(UPDATES, UPDATES, seed=4)
    instruments = [
        msgspec.structs.replace(INSTRUMENT, instrument=number, symbol=f"TEST{number}USDT")
        for number in (1, 2)
    ]
    times = collections.Counter(record.event_time for record in (*trades, *depth))
    place = next(place for place in range(200, UPDATES) if times[depth[place].event_time] == 1)
    event_time = depth[place].event_time
    for mine, theirs in zip((trades, depth), others, strict=True):
        mine.extend(msgspec.structs.replace(record, instrument=2) for record in theirs)
        mine.sort(key=lambda record: record.event_time)
    return write_recording(folder, instruments, trades, depth), place, event_time, 2 * UPDATES


def _gauge(home: Path, name: str) -> set[str]:
    """Labels of the member's series that are 1."""
    found = set()
    for path in (home / "targets").glob("member-*.json"):
        address = json.loads(path.read_text())[0]["targets"][0]
        with urllib.request.urlopen(f"http://{address}/metrics", timeout=10) as answer:
            lines = answer.read().decode().splitlines()
        found |= {
            line.partition("{")[2].rpartition("}")[0]
            for line in lines
            if line.startswith(f"{name}{{") and line.endswith(" 1.0")
        }
    return found


def _letters(edge: EdgeTopics) -> list[tuple[str, str, int]]:
    found = [
        codec("DeadLetter").decode_records(each.value[HEADER_BYTES:], 1)[0]
        for each in edge.read("pipeline.dlq")
    ]
    return [(letter.reason, letter.origin_topic, letter.origin_offset) for letter in found]


@pytest.mark.parametrize("death", [*DEATHS])
def test_a_record_that_kills_is_named_and_quarantined_and_its_skip_passes_it(
    edge: EdgeTopics, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, death: str
) -> None:
    """Five deaths with growing pauses, each at fewer records; the other shard goes on; nothing is
    left out but by the operator's word.
    """
    sq(edge, tmp_path, "topics", "apply", "--shards", "2")
    recording, place, event_time, others = _recording(tmp_path / "recording")
    (tmp_path / "mortal.py").write_text(MORTAL.format(instrument=1, event_time=event_time))
    (tmp_path / "library").mkdir()
    (tmp_path / "library" / "signals_of_death.py").write_text(DEATHS[death])
    job = (
        "pipeline",
        "--clock",
        "event",
        "--strategy",
        f"{tmp_path / 'mortal.py'}:Mortal",
        "--linger",
        "0s",
    )
    path = f"{tmp_path / 'library'}:{ROOT}"
    member = run(*job, PYTHONPATH=path)
    member.wait("running", 2)
    fed = json.loads(sq(edge, tmp_path, "feed", str(recording), "--speed", "max", "--json").stdout)[
        "records"
    ]
    quarantined = member.wait("quarantined")
    assert (
        quarantined["shard"],
        quarantined["topic"],
        quarantined["partition"],
        quarantined["offset"],
    ) == (1, "md.depth", 1, place)
    assert death in quarantined["code"]
    assert f"'sq skip md.depth/1/{place} --reason TEXT'" in quarantined["text"]
    restarts = [event for event in member.events("restarting") if event["shard"] == 1]
    pauses = [
        f"in {pause:g} s" if pause else "at once" for pause in BACKOFF_SECONDS[: CRASHES_MAX - 1]
    ]
    assert [event["text"].rpartition("again ")[2] for event in restarts] == pauses
    assert _gauge(tmp_path / "home", "shriven_quarantined") == {
        f'offset="{place}",partition="1",shard="1",topic="md.depth",topology="pipeline"'
    }

    def rows() -> dict[int, Any]:
        return {row["shard"]: row for row in status(edge, tmp_path)}

    wait_until(
        lambda: rows()[0]["records"] >= others, what="everything of the other shard consumed"
    )
    assert {shard: (row["state"], row["detail"]) for shard, row in rows().items()} == {
        0: ("running", ""),
        1: ("quarantined", f"md.depth/1/{place}"),
    }
    assert member.process.poll() is None, "its other shard runs"
    assert rows()[1]["records"] < fed - others, "nothing was passed over"
    assert _letters(edge) == []
    sq(edge, tmp_path, "skip", f"md.depth/1/{place}", "--reason", "kills")
    assert member.stop() == 1, "a shard was given up"
    assert {shard: (row["state"], row["detail"]) for shard, row in rows().items()} == {
        0: ("no owner", "drained"),
        1: ("quarantined", f"md.depth/1/{place}"),
    }
    assert seen_by_exporter(edge) == {0: "drained", 1: "quarantined"}, (
        "it stays so though nothing of ours lives"
    )
    second = run(*job, PYTHONPATH=path)
    second.wait("running", 2)
    everything = fed + 2 + 2 * 1  # both shards read both instruments, and the skip
    wait_until(
        lambda: sum(row["records"] for row in rows().values()) >= everything,
        what="everything consumed",
    )
    assert {row["state"] for row in rows().values()} == {"running"}
    assert second.stop() == 0
    assert second.events("restarting") == []
    assert _letters(edge) == [("skipped", "md.depth", place)]
    monkeypatch.syspath_prepend(str(tmp_path / "library"))
    assert [verdict.findings for verdict in verify_cluster(edge.cluster, "pipeline")] == [[], []]
