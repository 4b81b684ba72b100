"""The canary on a real broker (MON-11): healthy, with each thing broken that it is there to show,
and what it must never touch.

Oracles: the counts sent; a run over the same records without a canary; the journal executed again.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from jobs.canary.flight import Flight
from jobs.canary.watching import Watch
from jobs.live.deployment import published
from jobs.live.proof import verify_cluster
from jobs.live.topic_ownership import claim
from schemas.codec import codec
from schemas.errors import ShrivenError
from streams.log.kafka.cluster import Cluster
from streams.log.kafka.framing import header
from streams.runtime.live.shard import ShardTask
from streams.runtime.live.spec import Bounds
from streams.runtime.order.canary import CANARY_ID, depth_tick, trade_tick
from tests.kafka.live_market import ROOT, LiveMarket, run_to_end, uninterrupted, wait_until
from tests.scenario import make_recording

pytestmark = pytest.mark.broker
ORDER_SIDE = (
    "signals",
    "orders.requests",
    "orders.decisions",
    "orders.events",
    "venue.commands",
    "venue.reports",
    "fills",
    "positions",
    "pnl",
)
TICKS = Bounds(records=200, order_wait_seconds=0.2)


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    return make_recording(tmp_path / "recording", updates=300, trades=400)


@pytest.fixture
def market(cluster: Cluster, recording: Path) -> LiveMarket:
    return LiveMarket(cluster, recording)


def _claimed(market: LiveMarket) -> LiveMarket:
    """Listed among the topologies, as 'sq run' lists it."""
    topics = [topic for topic in market.deployment.publish if not topic.startswith("pipeline.")]
    claim(
        market.log,
        market.cluster,
        "pipeline",
        topics,
        market.deployment.shards,
        market.ids["topologies"],
    )
    return market


class Running:
    """A task on a thread, until it is stopped or ends by itself."""

    def __init__(self, task: ShardTask) -> None:
        self.task = task
        self.failure: ShrivenError | None = None
        self._is_stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            while not self._is_stopping.is_set():
                self.task.step(0.02)
        except ShrivenError as problem:
            self.failure = problem

    def stop(self) -> None:
        self._is_stopping.set()
        self._thread.join(30)


@pytest.fixture
def started(market: LiveMarket) -> Iterator[Callable[..., Running]]:
    """A running task that has consumed everything fed."""
    found: list[Running] = []

    def start(market: LiveMarket = market) -> Running:
        fed = market.feed()
        task = market.task(bounds=TICKS)
        task.prepare()
        run_to_end(task, fed)
        found.append(Running(task))
        return found[-1]

    yield start
    for each in found:
        each.stop()


def _flown(
    market: LiveMarket,
    ticks: int,
    bound_seconds: float = 10.0,
    before_last: Callable[[], None] = lambda: None,
) -> dict[str, dict[str, Any]]:
    """Counts by witness after so many ticks; ``before_last`` is called before the last of them."""
    flight = Flight(market.cluster, "pipeline", 0.3, bound_seconds)
    try:
        if ticks > 1:
            flight.fly(threading.Event(), ticks - 1)
        before_last()
        flight.fly(threading.Event(), 1)
        return {row["witness"]: row for row in flight.rows()}
    finally:
        flight.close()


def _states(task: ShardTask) -> dict[str, bytes]:
    """State by stage; the driver's own counts inputs."""
    return {
        name: state for name, state in task.execution.stage_states().items() if name != "driver"
    }


def _counts(row: dict[str, Any]) -> list[int]:
    return [row[name] for name in ("sent", "seen", "lost", "late", "duplicates")]


@pytest.mark.smoke
def test_through_a_running_topology_every_tick_is_seen_once_and_no_stage_gets_one(
    market: LiveMarket, started: Callable[..., Running]
) -> None:
    running = started(_claimed(market))
    before = {topic: market.records(topic) for topic in ORDER_SIDE}
    states = _states(running.task)
    found = _flown(market, 6)
    running.stop()
    assert {witness: _counts(row) for witness, row in found.items()} == {
        "md.depth": [6, 6, 0, 0, 0],
        "md.trades": [6, 6, 0, 0, 0],
    }
    assert all(0 < row["slowest_seconds"] < 5 for row in found.values())
    assert {topic: market.records(topic) for topic in ORDER_SIDE} == before, (
        "no order, no fill, no position"
    )
    assert _states(running.task) == states, "and no stage's state has moved"
    assert market.records("pipeline.dlq") == []
    running.task.drain()
    verdict = verify_cluster(market.cluster, "pipeline")[0]
    assert (verdict.findings, verdict.records) == ([], running.task.execution.consumed)


def test_what_real_instruments_give_is_the_same_with_a_canary_among_their_records(
    cluster: Cluster, recording: Path
) -> None:
    """Oracle: every published record of a run without one. Its ticks lie among the market's,
    written now into a recording of long ago.
    """
    from tests.kafka.live_market import fresh_environment

    found: list[dict[str, str]] = []
    for ticks in (0, 12):
        import msgspec

        market = LiveMarket(
            msgspec.structs.replace(cluster, environment=fresh_environment("canary")), recording
        )
        fed = market.feed(0.0, 0.1)
        for number in range(12):
            share = 0.1 + number * 0.075
            if ticks:
                fed += _write_ticks(market, time.time_ns())
            fed += market.feed(share, share + 0.075)
        uninterrupted(market, fed)
        found.append(
            {
                topic: hashlib.sha256(_without_ids(market, topic)).hexdigest()
                for topic in market.deployment.publish
            }
        )
        assert market.records("pipeline.dlq") == []
        assert len(market.records("fills")) > 0
    assert found[0] == found[1]


def _write_ticks(market: LiveMarket, number: int) -> int:
    writer = market.log.plain_writer()
    writer.begin()
    writer.produce(
        market.cluster.name("md.depth"),
        0,
        [
            header(market.ids["md.depth"])
            + codec("DepthUpdate").encode_records([depth_tick(number)])
        ],
    )
    writer.produce(
        market.cluster.name("md.trades"),
        0,
        [header(market.ids["md.trades"]) + codec("Trade").encode_records([trade_tick(number)])],
    )
    writer.commit()
    return 2


def _without_ids(market: LiveMarket, topic: str) -> bytes:
    """A topic's records but for built ids: they count input records, the canary's too."""
    from schemas.catalogue import topic as topic_of

    made = codec(topic_of(topic).record)
    lines = []
    for body in market.records(topic):
        record = made.decode_records(body, 1)[0]
        fields = {
            name: getattr(record, name)
            for name in record.__struct_fields__
            if not name.endswith("_id") and name != "sequence"
        }
        lines.append(json.dumps(fields, default=str, sort_keys=True))
    return "\n".join(lines).encode()


def test_a_market_topology_quotes_it(market: LiveMarket, recording: Path, tmp_path: Path) -> None:
    """By the wall clock; the recording's own records cannot be fed there, so the market is the
    reference data and one tick of now.
    """
    market.deployment.job, market.deployment.clock = "market", "wall"
    market.outputs = market.deployment.outputs()
    market.deployment.publish = published(market.outputs, "all", "market")
    _claimed(market)
    task = market.task(bounds=TICKS)
    task.prepare()
    _feed_now(market)
    wait_until(lambda: task.step(0.05) or task.execution.consumed, what="the first batch")
    running = Running(task)
    found = _flown(market, 5)
    running.stop()
    assert {witness: _counts(row)[:3] for witness, row in found.items()} == {
        name: [5, 5, 0] for name in ("md.depth", "md.trades", "md.quotes")
    }
    quotes = [codec("Quote").decode_records(body, 1)[0] for body in market.records("md.quotes")]
    assert len([quote for quote in quotes if quote.instrument == CANARY_ID]) == 5
    task.drain()
    assert verify_cluster(market.cluster, "pipeline")[0].findings == []


def _feed_now(market: LiveMarket) -> None:
    """The recording's instruments, and one trade of the first of them, of now."""
    from streams.log.local import LocalLog

    with LocalLog.open(market.recording) as source:
        block = next(iter(source.reader("ref.instruments").blocks()))
        instruments = codec("Instrument").decode_records(block.body, block.count)
    now = time.time_ns()
    tick = trade_tick(now)
    trade = type(tick)(instruments[0].instrument, now, now, 1, 1, 10_000, 1, tick.aggressor_side, 0)
    writer = market.log.plain_writer()
    for topic, record, values in (
        ("ref.instruments", "Instrument", instruments),
        ("md.trades", "Trade", [trade]),
    ):
        writer.begin()
        head = header(market.ids[topic])
        writer.produce(
            market.cluster.name(topic),
            0,
            [head + codec(record).encode_records([each]) for each in values],
        )
        writer.commit()


@pytest.mark.smoke
def test_a_shard_that_stands_still_loses_ticks_and_they_are_late_when_it_goes_on(
    market: LiveMarket, started: Callable[..., Running]
) -> None:
    running = started(_claimed(market))
    found = _flown(market, 3, bound_seconds=1.0, before_last=running.stop)
    assert _counts(found["md.depth"]) == [3, 2, 1, 0, 0] and _counts(found["md.trades"]) == [
        3,
        2,
        1,
        0,
        0,
    ]
    flight = Flight(market.cluster, "pipeline", 0.3, 0.5)
    flight.fly(threading.Event(), 1)
    assert {row["lost"] for row in flight.rows()} == {1}
    again = Running(running.task)
    flight.fly(threading.Event(), 1)
    wait_until(
        lambda: flight._look() or {row["late"] for row in flight.rows()} == {1}, 10, "the late ones"
    )
    again.stop()
    flight.close()


POISON = """
from streams.signals.strategy import Strategy, StrategyState

class Fragile(Strategy):
    WAKES = ("quotes",)
    class State(StrategyState):
        seen: int = 0
    def on_quote(self, quote, context):
        self.state.seen += 1
        if quote.sequence >= 1452:
            raise ValueError("this quote cannot be")
"""


def test_a_stage_that_breaks_on_a_real_record_shows(
    cluster: Cluster, recording: Path, tmp_path: Path
) -> None:
    file = tmp_path / "fragile.py"
    file.write_text(POISON)
    market = _claimed(LiveMarket(cluster, recording, strategy=f"{file}:Fragile"))
    fed = market.feed(0.0, 0.5)
    task = market.task(bounds=TICKS)
    task.prepare()
    run_to_end(task, fed)
    running = Running(task)

    def broken() -> None:
        market.feed(0.5, 1.0)
        wait_until(lambda: running.failure is not None, what="the halt")

    found = _flown(market, 3, bound_seconds=1.0, before_last=broken)
    assert running.failure is not None and "this quote cannot be" in running.failure.text
    assert _counts(found["md.depth"]) == [3, 2, 1, 0, 0]


def test_a_batch_that_is_journaled_twice_is_a_duplicate(
    market: LiveMarket, started: Callable[..., Running], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The planted fault: a journal whose readers get its last record again."""
    started(_claimed(market))
    fetch: list[Any] = []
    look = Watch.look

    def twice(watch: Watch, wait_seconds: float) -> None:
        if not fetch:
            fetch.append(watch._journal.fetch)
        kept: list[Any] = []
        watch._journal.fetch = lambda *given: kept.append(fetch[0](*given)) or kept[-1]  # type: ignore[method-assign, func-returns-value]
        look(watch, wait_seconds)
        if kept[-1].offsets:
            watch._journal.fetch = lambda *_: kept[-1]  # type: ignore[method-assign]
            look(watch, wait_seconds)

    monkeypatch.setattr(Watch, "look", twice)
    found = _flown(market, 2)
    assert _counts(found["md.depth"]) == [2, 2, 0, 0, 2]


def test_before_the_first_batch_a_tick_is_no_market_and_a_shard_that_has_not_begun_is_left_alone(
    market: LiveMarket,
) -> None:
    """Stages are built over the instruments known at the first batch: a canary must not bring that
    on.
    """
    _claimed(market)
    task = market.task(bounds=TICKS)
    task.prepare()
    flight = Flight(market.cluster, "pipeline", 0.1, 1.0)
    threading.Timer(1.0, (stopped := threading.Event()).set).start()
    flight.fly(stopped)
    flight.close()
    assert flight.rows() == []
    fed = market.feed(0.0, 0.0) + _write_ticks(market, time.time_ns())
    for _ in range(10):
        assert task.step(0.05) == 0 and not task.execution.is_started
    fed += market.feed(1e-9, 1.0)
    run_to_end(task, fed)
    assert [each.instrument for each in task.execution.known] == [1]


def test_a_quiet_market_with_a_canary_is_no_recording_under_the_wall_clock(
    market: LiveMarket,
) -> None:
    """A trap: the last real record is more than an hour old, and ticks are written now."""
    market.deployment.clock = "wall"
    task = market.task(bounds=TICKS)
    task.prepare()
    _feed_now(market)
    wait_until(lambda: task.step(0.05) or task.execution.consumed, what="the first batch")
    for feed in task.execution.feeds:
        feed.running_maximum = min(feed.running_maximum, 1_700_000_000_000_000_000)
    before = task.execution.consumed
    _write_ticks(market, time.time_ns())
    wait_until(
        lambda: task.step(0.05) >= 0 and task.execution.consumed == before + 2, what="the ticks"
    )


def test_as_typed(market: LiveMarket, started: Callable[..., Running]) -> None:
    running = started(_claimed(market))
    cluster = market.cluster
    environment = {
        **os.environ,
        "SQ_KAFKA_BOOTSTRAP": cluster.bootstrap,
        "SQ_KAFKA_REGISTRY": cluster.registry,
        "SQ_KAFKA_ENVIRONMENT": cluster.environment,
    }

    def sq(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "jobs.sq", "canary", *arguments]
        return subprocess.run(
            command,
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )

    done = sq("--count", "3", "--interval", "300ms", "--json")
    assert done.returncode == 0, done.stderr
    assert {row["seen"] for row in json.loads(done.stdout)} == {
        3
    } and "metrics=http://" in done.stderr
    running.stop()
    done = sq("--count", "1", "--interval", "300ms", "--bound", "1s")
    assert done.returncode == 1 and "1 sent, 0 seen, 1 lost" in done.stdout
    assert sq("--count", "-1").returncode == 2
