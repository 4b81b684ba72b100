"""F10: one member becomes four and one again while a market is fed: nothing is lost, nothing is
doubled, and how long each moved shard stood still.

A pause is the time between two journal records of the shard: the last one with input that its old
owner committed, and the first one of its new owner. Which is which, the new owner says (``running``
names the journal record that it went on after); when, the records' own timestamps say, which their
writers set as they hand them over, all by one host's clock. So what is measured is the gap in the
shard's output, whatever it was made of:
draining, the group's two rounds, fencing, recovery, the first batch.
"""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from jobs.live.proof import verify_cluster
from streams.log.kafka.framing import HEADER_BYTES
from streams.runtime.journal.journal import BATCH, decode_entry
from tests.kafka.edge_topics import ROOT, EdgeTopics
from tests.kafka.live_market import wait_until
from tests.kafka.members import Member, Run, consumed, sq
from tests.scenario import INSTRUMENT, make_market, write_recording

pytestmark = pytest.mark.broker
SHARDS = 4
BOUND_SECONDS = {"join": 2.0, "drain": 2.0, "SIGKILL": 10.0}
PATIENCE_SECONDS = 4.0
"""For a machine that does other things meanwhile. A process that is not warm takes longer than that
alone.
"""
UPDATES = 6_000
"""Five minutes of market at its own pace: more than the moves take on a slow machine; the rest is
not fed.
"""


def _recording(folder: Path) -> Path:
    """Four instruments, one for every shard: some twenty updates and twenty trades a second of
    each.
    """
    instruments, trades, depth = [], [], []
    for number in range(1, SHARDS + 1):
        instruments.append(
            msgspec.structs.replace(INSTRUMENT, instrument=number, symbol=f"TEST{number}USDT")
        )
        for found, kept in zip(
            make_market(UPDATES, UPDATES, seed=number), (trades, depth), strict=True
        ):
            kept.extend(msgspec.structs.replace(record, instrument=number) for record in found)
    for records in (trades, depth):
        records.sort(key=lambda record: record.event_time)
    return write_recording(folder, instruments, trades, depth)


class Moves:
    """Which shards moved to whom, and why."""

    def __init__(self, edge: EdgeTopics) -> None:
        self.edge = edge
        self.found: list[tuple[str, int, int]] = []
        self.owners: dict[int, Member] = {}
        self._told: dict[Member, int] = {}

    def note(self, cause: str, members: list[Member]) -> int:
        """How many shards began to run at a member since the last call; their moves had this cause.
        """
        count = 0
        for member in members:
            for event in member.events("running")[self._told.get(member, 0) :]:
                self._told[member] = self._told.get(member, 0) + 1
                self.owners[event["shard"]] = member
                self.found.append((cause, event["shard"], event["sequence"]))
                count += 1
        return count

    def owned(self, member: Member) -> int:
        """How many shards the member owns."""
        return [*self.owners.values()].count(member)

    def pauses(self) -> list[tuple[str, int, float]]:
        """(cause, shard, seconds) of every move."""
        batches: dict[int, list[tuple[int, int]]] = {shard: [] for shard in range(SHARDS)}
        for each in self.edge.read("pipeline.journal"):
            entry = decode_entry(each.value[HEADER_BYTES:])
            if entry.kind == BATCH and entry.inputs:
                batches[each.partition].append((entry.sequence, each.timestamp_ms))
        found = []
        for cause, shard, sequence in self.found:
            if cause in BOUND_SECONDS:
                before = max(ms for number, ms in batches[shard] if number <= sequence)
                after = min(ms for number, ms in batches[shard] if number > sequence)
                found.append((cause, shard, (after - before) / 1000))
        return found

    def ends(self) -> dict[int, int]:
        """Where the journals end."""
        name = self.edge.cluster.name("pipeline.journal")
        return {
            place[1]: end
            for place, end in self.edge.log.admin()
            .ends([(name, shard) for shard in range(SHARDS)])
            .items()
        }


def test_scaled_from_one_member_to_four_and_back_under_load_nothing_is_lost_and_pauses_are_short(
    edge: EdgeTopics, run: Run, tmp_path: Path
) -> None:
    sq(edge, tmp_path, "topics", "apply", "--shards", str(SHARDS))
    recording = _recording(tmp_path / "four")
    feed = subprocess.Popen(
        [sys.executable, "-m", "jobs.sq", "feed", str(recording), "--speed", "1"],
        cwd=ROOT,
        env=edge.environment(SQ_KAFKA_HOME=str(tmp_path / "home")),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    job = ("pipeline", "--clock", "event", "--strategy", "ema-cross", "--linger", "50ms")
    everyone, moves = [run(*job)], Moves(edge)

    def moved(cause: str, count: int) -> None:
        """So many shards have a new owner that has committed."""
        found: list[int] = []

        def all_run() -> bool:
            found.append(moves.note(cause, everyone))
            return sum(found) >= count

        wait_until(all_run, 120, f"{count} shards moved by a {cause}")
        before = moves.ends()
        wait_until(
            lambda: all(end > before[shard] + 4 for shard, end in moves.ends().items()),
            what=f"batches after a {cause}",
        )

    moved("start", SHARDS)
    for count in (2, 1, 1):  # two of the four go to the second member, then one to each further one
        everyone.append(run(*job))
        moved("join", count)
    first, second, third, last = everyone
    count = moves.owned(first)
    assert first.stop() == 0
    moved("drain", count)
    count = moves.owned(second)
    second.kill()
    moved("SIGKILL", count)
    count = moves.owned(third)
    assert third.stop() == 0
    moved("drain", count)
    assert moves.owned(last) == SHARDS
    assert feed.poll() is None, "the market was fed until after the last move"
    feed.send_signal(signal.SIGINT)
    feed.wait(60)
    places = [
        (edge.cluster.name(topic), shard)
        for topic in ("md.trades", "md.depth")
        for shard in range(SHARDS)
    ]
    # every shard reads every instrument
    fed = sum(edge.log.admin().ends(places).values()) + SHARDS * SHARDS
    wait_until(lambda: consumed(edge, tmp_path) >= fed, what="everything consumed")
    assert last.stop() == 0
    verdicts = verify_cluster(edge.cluster, "pipeline")
    assert [verdict.findings for verdict in verdicts] == [[]] * SHARDS
    assert sum(verdict.records for verdict in verdicts) == fed, "each record once"
    pauses = moves.pauses()
    for cause, bound in BOUND_SECONDS.items():
        seconds = sorted(each for name, _, each in pauses if name == cause)
        print(  # noqa: T201
            f"pause by {cause}: {', '.join(f'{each:.2f}' for each in seconds)} s; to be at most "
            f"{bound:g} s"
        )
        assert seconds and seconds[-1] < bound + PATIENCE_SECONDS
