"""The Kafka benchmarks judge engines rightly: what they count as the truth, as a rate, as an
answer.

Oracles: bars worked out by hand; polars' grouping of the same trades; rates of a made-up timetable.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, cast

import numpy as np
import polars as pl
import pytest
from needs import need_broker, need_registry

from jobs.commands import bench
from schemas.codec import codec
from streams.log.kafka.cluster import STATE_FILE, Cluster
from tests.benchmarks.kafka import inputs, latency, suite, throughput, topics, truth
from tests.benchmarks.kafka.engines import FAUST, KSTREAMS, QUIX, Engine, PeerFailed, running
from tests.benchmarks.kafka.watching import Seen, Watcher
from tests.benchmarks.peers import install

COUNT = 20_000


def framed(rows: Any) -> list[bytes]:
    return [value for block in inputs.framed("Trade", rows, 7) for value in block]


def test_bars_of_the_truth_are_those_of_polars() -> None:
    rows = inputs.trade_rows(COUNT)
    found = truth.bars_of(framed(rows))
    frame = pl.DataFrame(
        {
            name: rows[name].astype(np.int64)
            for name in ("instrument", "event_time", "price", "quantity", "trade_count")
        }
    )
    grouped = (
        frame.with_columns(
            (pl.col("event_time") // inputs.MINUTE * inputs.MINUTE).alias("open_time")
        )
        .group_by("instrument", "open_time", maintain_order=True)
        .agg(
            pl.col("price").first().alias("open"),
            pl.col("price").max().alias("high"),
            pl.col("price").min().alias("low"),
            pl.col("price").last().alias("close"),
            pl.col("quantity").sum().alias("volume"),
            pl.col("trade_count").sum(),
        )
        .filter(pl.col("open_time") < pl.col("open_time").max().over("instrument"))
    )
    assert sorted(found.bars) == sorted(grouped.select(truth.FIELDS).rows())
    assert len(found.bars) == inputs.INSTRUMENTS * (COUNT // inputs.TRADES_A_MINUTE - 1)


def test_a_bar_is_closed_by_the_next_trade_of_its_instrument() -> None:
    rows = np.zeros(4, codec("Trade").dtype)
    rows["instrument"] = [1, 2, 2, 1]
    rows["event_time"] = inputs.START + inputs.MINUTE * np.array([0, 0, 1, 2]) + 5
    rows["price"], rows["quantity"], rows["trade_count"] = [10, 20, 30, 40], 3, 2
    found = truth.bars_of(framed(rows))
    assert found.bars == [
        (2, inputs.START, 20, 20, 20, 20, 3, 2),
        (1, inputs.START, 10, 10, 10, 10, 3, 2),
    ]
    assert found.closed_by == {(2, inputs.START): 3, (1, inputs.START): 4}


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda bars: bars[:-1], "1 bars missing"),
        (lambda bars: [*bars, (9, *bars[0][1:])], "1 bars too much"),
        (lambda bars: [*bars, bars[0]], "written twice"),
        (lambda bars: [(*bars[0][:5], bars[0][5] + 1, *bars[0][6:]), *bars[1:]], "1 bars missing"),
    ],
)
def test_an_engine_whose_bars_differ_is_named(spoil: Any, words: str) -> None:
    expected = truth.bars_of(framed(inputs.trade_rows(COUNT)))
    truth.check("good", expected.bars[::-1], expected)
    with pytest.raises(truth.Differs, match=words):
        truth.check("bad", spoil(expected.bars), expected)


def test_a_rate_is_of_the_records_between_the_warm_up_and_the_last_bar() -> None:
    bars = [(1, minute, 0, 0, 0, 0, 0, 0) for minute in range(100)]
    expected = truth.Truth(list(bars), {(1, minute): 1000 * (minute + 1) for minute in range(100)})
    seen = [Seen(10**9, 5), Seen(2 * 10**9, 20), Seen(3 * 10**9, 60), Seen(6 * 10**9, 100)]
    assert throughput.rate_of(seen, bars, expected) == (80_000 / 4, 4.0)
    with pytest.raises(ValueError, match="at once"):
        throughput.rate_of([Seen(10**9, 100)], bars, expected)


def test_latencies_need_every_tick_answered_once() -> None:
    count = latency.RATE * latency.WARM_SECONDS + 100
    sent = np.arange(count, dtype=np.int64) * 1_000_000

    class Looks:
        values = [number.to_bytes(8, "big") for number in range(count)]
        seen = [Seen(int(sent[number]) + 3_000_000, number + 1) for number in range(count)]

    def tick(value: bytes) -> int:
        return int.from_bytes(value, "big")

    found = latency.latencies(sent, cast(Watcher, Looks()), tick)
    assert len(found) == 100 and np.allclose(found, 3.0)
    with pytest.raises(AssertionError, match="no answer"):
        latency.latencies(np.append(sent, 0), cast(Watcher, Looks()), tick)
    with pytest.raises(AssertionError, match="twice"):
        latency.latencies(sent, cast(Watcher, Looks()), lambda value: 0)


def test_rows_of_other_suites_stay_and_rows_measured_again_are_replaced() -> None:
    core = {"name": "codec.decode", "peer": "", "value": 1.0}
    old = {"name": "kafka.throughput.kernel", "peer": "quix", "value": 1.0}
    other = {"name": "kafka.throughput.kernel", "peer": "faust", "value": 1.0}
    new = {**old, "value": 2.0}
    assert suite.merged([core, old, other], [new]) == [core, other, new]


def test_a_peer_that_is_not_installed_is_said_and_has_no_figure(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(install, "QUIX", tmp_path)
    assert "make bench-peers" in install.quix_reason()
    monkeypatch.setattr(install, "KSTREAMS", tmp_path)
    assert install.kstreams_reason()
    monkeypatch.setenv("PATH", "")
    assert "javac" in install.kstreams_reason()


@pytest.mark.parametrize("engine", [KSTREAMS, QUIX, FAUST], ids=lambda engine: engine.name)
def test_every_peer_makes_the_bars_of_the_truth(engine: Engine, bare_cluster: Cluster) -> None:
    if engine.absent():
        pytest.skip(engine.absent())
    source = bare_cluster.name(f"{engine.name}.trades")
    rows = inputs.trade_rows(COUNT)
    topics.renew(bare_cluster, [source])
    keys = [str(number).encode() for number in rows["instrument"].tolist()]
    topics.fill(bare_cluster, source, inputs.framed("Trade", rows, 7), keys)
    expected = truth.bars_of(topics.values(bare_cluster, source))
    found = throughput.peer_bars(engine, bare_cluster, source, expected)  # raises Differs
    assert len(found.bars) == len(expected.bars) > 0 and found.cpu_seconds > 0


def test_a_peer_that_does_not_start_names_its_log(bare_cluster: Cluster) -> None:
    broken = Engine("broken", lambda job: ["false"], lambda: "", truth.peer_bar, "none")
    with pytest.raises(PeerFailed, match="broken.log"):  # noqa: SIM117
        with running(broken, bare_cluster, "broken", "nothing", ["nowhere"]):
            pass


@pytest.mark.broker
def test_without_a_cluster_the_benchmark_starts_one_and_removes_it(tmp_path: Path) -> None:
    need_broker()
    need_registry()
    variables = {
        name: value for name, value in os.environ.items() if not name.startswith("SQ_KAFKA_")
    } | {"SQ_KAFKA_HOME": str(tmp_path)}
    out = tmp_path / "bench.json"
    command = [
        sys.executable,
        "-m",
        "jobs.sq",
        "bench",
        "kafka",
        "--only",
        "kafka.killswitch",
        "--runs",
        "1",
        "--out",
        str(out),
    ]
    finished = subprocess.run(
        command,
        cwd=bench.ROOT,
        env=variables,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert finished.returncode == 0, finished.stderr[-2000:]
    (found,) = json.loads(out.read_text())
    assert found["name"] == "kafka.killswitch" and found["value"] > 0
    assert not (bench.OWN / STATE_FILE).exists()
    lines = [path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline") if path.exists()]
    assert not [line for line in lines if str(bench.OWN).encode() in line], "its broker runs on"
