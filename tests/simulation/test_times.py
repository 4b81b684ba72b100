"""Records and clocks that are ahead of their time (E3, E4), over the simulated log.

Oracles: the rule in ``streams/runtime/live/feed.py``, written out here by hand for each story; the
verifier of ``sq verify``.
"""

from __future__ import annotations

import random
from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import msgspec
import numpy as np
import pytest

from schemas.records import ControlCommand, Trade
from schemas.vocabulary import ControlKind, ControlScope, Side
from streams.log.kafka.framing import HEADER_BYTES
from streams.runtime.journal.journal import BATCH, decode_entry
from streams.runtime.live.allowed import AllowedOrder
from streams.runtime.live.clock import SteadyClock
from streams.runtime.live.shard import ShardTask
from streams.runtime.live.spec import Bounds
from streams.runtime.order.merge import ELEMENT
from tests.simulation.clock import SECOND, START
from tests.simulation.log import SimulatedLog
from tests.simulation.network import Network
from tests.simulation.pipeline_stage import PipelineStage
from tests.simulation.single import Stage
from tests.simulation.stand_in import make_stand_in

HOUR = 3_600 * SECOND
YEAR = 365 * 24 * HOUR


def run(task: ShardTask) -> None:
    """Until nothing is left."""
    while task.step(0.0):
        pass


def command(kind: ControlKind, at: int) -> ControlCommand:
    return ControlCommand(
        at, int(kind), int(ControlScope.SYSTEM), 0, 0, 0, "", "", "operator", "a story"
    )


def test_a_command_dated_in_the_future_does_not_take_the_priority_of_those_after_it() -> None:
    """E3: 352 fills for 352 denials. The kill switch is thrown while the market of the day before
    waits: it comes before all of that.
    """
    stage = PipelineStage()
    task = stage.task()
    task.prepare()
    stage.feed("md.depth", 30)
    run(task)
    dated = stage.write("control", command(ControlKind.REARM, START + YEAR))
    kill = stage.write("control", command(ControlKind.KILL, stage.clock.clock_ns()))
    before = len(stage.consumed())
    stage.feed("md.depth", 60)
    stage.feed("md.trades", 60)
    run(task)
    assert stage.consumed()[before : before + 2] == [("control", dated), ("control", kill)]
    assert stage.letters() == [("clock_jump", "control", dated)]
    assert stage.verified() == ""


@pytest.mark.parametrize(
    "receive_time", [0, START + YEAR], ids=["no receive time", "both times ahead"]
)
def test_a_market_record_dated_a_year_ahead_moves_no_clock(receive_time: int) -> None:
    """E4: it hung the task in a walk of timers over that year. Others go on; whoever executes the
    journal again leaves it out too.
    """
    stage = PipelineStage()
    task = stage.task(state_digest_records=32)
    task.prepare()
    stage.feed("md.depth", 30)
    trade = Trade(1, START + YEAR, receive_time, 999_999, 1, 10_000, 1_000, int(Side.BUY), 0)
    offset = stage.write("md.trades", trade)
    run(task)
    stage.feed("md.trades", 40)
    stage.feed("md.depth", 60)
    run(task)
    assert task.execution.present < START
    assert stage.letters() == [("clock_jump", "md.trades", offset)]
    again = stage.task(state_digest_records=32)
    stage.clock.now += 2 * YEAR  # by now its time has come, and the journal's decision stands
    again.prepare()
    assert again.execution.stage_states() == task.execution.stage_states()
    assert stage.verified() == ""


def test_a_journal_that_leaves_a_good_record_out_as_dated_ahead_is_found() -> None:
    """A forger would silence the kill switch so. Oracle: the record's own time."""
    stage = PipelineStage()
    task = stage.task()
    task.prepare()
    stage.feed("md.depth", 30)
    run(task)
    batch: Any = next(entry for entry in stage.entries() if entry.kind == BATCH)
    again = stage.task()
    again.execution = again.inputs.make(
        again.log.cluster, again.log.spec, dict.fromkeys(again.log.spec.inputs, 0)
    ).execution
    feed = next(feed for feed in again.execution.feeds if feed.topic == "md.depth")
    assert batch.elements is not None
    again.execution.repeat_batch(batch.elements)
    feed.fill(0)
    with pytest.raises(Exception, match="which it is not"):
        feed.mark_ahead(feed.offset_at(feed.first), START, HOUR)


def test_a_journal_that_consumes_the_kill_switch_last_is_found(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A runner takes what it holds of control last; journal and outputs agree. Oracle: it had the
    command, and took the market first.
    """
    stage = PipelineStage()
    task = stage.task()
    task.inputs.spec = msgspec.structs.replace(task.log.spec, bounds=Bounds(records=1_000))
    task.prepare()
    stage.feed("md.depth", 30)
    run(task)
    stage.write("control", command(ControlKind.KILL, START - 3 * 24 * HOUR))
    stage.feed("md.depth", 60)
    feed = next(feed for feed in task.execution.feeds if feed.topic == "control")
    fill = feed.fill

    def last(wait_seconds: float) -> int:
        found = fill(wait_seconds)
        feed.keys[feed.first : feed.count] = 1 << 62
        return found

    monkeypatch.setattr(feed, "fill", last)
    run(task)
    assert "control offset 0 comes later than the live order would have put it" in stage.verified()


@pytest.mark.parametrize("seed", range(30))
def test_the_order_within_a_batch_is_that_of_a_merge_or_it_is_found(seed: int) -> None:
    """Oracle: a brute-force merge of (running maximum, rank), and the same with two neighbours
    exchanged that it would not exchange.
    """
    source = random.Random(seed)
    feeds, heads = [], []
    for code in range(3):
        times = [source.randint(1, 9) for _ in range(source.randint(1, 6))]
        keys = np.maximum.accumulate(np.array(times, np.int64))
        heads += [(int(key), code, offset) for offset, key in enumerate(keys)]
        records = [SimpleNamespace(event_time=time) for time in times]
        status = np.zeros(len(times), np.uint8)
        rows = {
            "offsets": np.arange(len(times)),
            "keys": keys,
            "records": records,
            "status": status,
            "first": len(times),
        }
        feeds.append(
            SimpleNamespace(code=code, topic=f"topic {code}", is_market_data=code > 0, **rows)
        )
    order = sorted(heads)
    assert _misplaced(feeds, order) == ""
    wrong = [n for n, (one, other) in enumerate(pairwise(order)) if other[1] not in (0, one[1])]
    for place in wrong:
        exchanged = [*order[:place], order[place + 1], order[place], *order[place + 2 :]]
        assert "comes later" in _misplaced(feeds, exchanged)


def _misplaced(feeds: list[Any], order: list[tuple[int, int, int]]) -> str:
    elements = np.array([(code, offset, offset, 1) for _, code, offset in order], ELEMENT)
    return AllowedOrder(SimpleNamespace(feeds=feeds)).misplaced(elements)  # type: ignore[arg-type]


# the host's clock


@pytest.mark.parametrize("is_first", [False, True])
def test_a_wall_clock_that_steps_a_day_ahead_is_not_journaled_and_heals(is_first: bool) -> None:
    """E4: the journal's clock never goes back, so the step was kept for ever. ``is_first``: it
    steps before the first batch.
    """
    stage = Stage("wall")
    skew = [0]
    network = Network(stage.clock)
    spec = stage.subject.spec()
    task = ShardTask(
        SimulatedLog(stage.broker, network),
        spec,
        make_stand_in,
        lambda: stage.clock.clock_ns() + skew[0],
        stage.clock.monotonic,
    )
    task.prepare()
    if not is_first:
        stage.feed(5)
        task.step(1.0)
    for skew[0] in (24 * HOUR, 24 * HOUR, 0):
        stage.feed(5)
        wanted = task.execution.consumed + 5
        while task.execution.consumed < wanted:
            task.step(0.5)
        clocks = [
            decode_entry(each.value[HEADER_BYTES:]).clock
            for each in stage.broker.committed("pipeline.journal")
            if each.value
        ]
        assert max(clocks) <= stage.clock.clock_ns()
        assert bool(task.inputs.clock.complaint) is bool(skew[0])
    assert clocks == sorted(clocks)
    assert stage.judged() == []


def test_a_step_is_believed_once_records_say_so_too() -> None:
    """A host that slept: its monotonic clock stood still, what arrives was written since."""
    wall, monotonic = [START], [0.0]
    clock = SteadyClock(lambda: wall[0], lambda: monotonic[0], HOUR)
    assert clock.read(START) == START
    wall[0], monotonic[0] = START + 8 * HOUR, 1.0
    assert clock.read(START) == START + SECOND
    assert "28799 s ahead" in clock.complaint
    assert clock.read(START + 8 * HOUR - SECOND) == START + 8 * HOUR
    assert clock.complaint == ""
    wall[0] = START  # back, and forward again: neither is a step ahead of what was believed
    assert clock.read(0) == START
    wall[0], monotonic[0] = START + 8 * HOUR + 2 * SECOND, 3.0
    assert clock.read(0) == wall[0]


def test_a_topology_that_stood_still_for_a_week_believes_a_clock_that_records_agree_with() -> None:
    clock = SteadyClock(lambda: START + 7 * 24 * HOUR, lambda: 5.0, HOUR)
    clock.start(START)
    assert clock.read(0) == START
    assert clock.read(START + 7 * 24 * HOUR) == START + 7 * 24 * HOUR
