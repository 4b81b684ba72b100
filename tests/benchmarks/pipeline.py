"""The whole pipeline against the clock: sparse and dense orders, plain Python strategies, exact replay, orders alone, one event at a time, recovery.

    python -m tests.benchmarks.pipeline

Rows are order-book levels (an update without levels counts as one) and trades. Every run reads a log folder, writes and digests every output
topic and its journal; only preparing the process (imports, compiled kernels) is left out.
"""

from __future__ import annotations

import gc
import json
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from jobs.configuration import Configuration, build
from jobs.pipeline import build_execution
from jobs.runs import Backtest
from jobs.verification import verify_run
from schemas.codec import codec
from schemas.vocabulary import RiskCode
from streams.log.local import LocalLog
from streams.runtime.merge import Slice
from tests.benchmarks import recordings
from tests.benchmarks.timing import RUNS, row, seconds

ROOT = recordings.ROOT
RUN_FOLDER = recordings.FOLDER / "runs"
ZERO_COST = {"fees": "maker=0,taker=0", "latency": "feed=0,entry=0,response=0"}
ORDER_COUNTS = (1_000, 10_000, 100_000, 1_000_000)
assert int(RiskCode.NONE) == 1


def configuration(strategy: str, **options: Any) -> Configuration:
    """A configuration from the command line's options."""
    parameters = options.pop("set", {})
    return build({"strategy": strategy, "set": parameters, **options})


def run(recording: Path, chosen: Configuration, name: str) -> tuple[float, dict[str, Any]]:
    """Wall seconds and manifest of one backtest into a new folder."""
    folder = RUN_FOLDER / name
    shutil.rmtree(folder, ignore_errors=True)
    found: dict[str, Any] = {}

    def work() -> None:
        found.update(Backtest(chosen, recording, folder).run().manifest)

    return seconds(work), found


def rows_in(recording: Path) -> int:
    """Rows of a recording: one per level, one per empty update, one per trade."""
    log = LocalLog.open(recording)
    total = 0
    for topic, record in (("md.depth", "DepthUpdate"), ("md.trades", "Trade")):
        if topic not in log.topics():
            continue
        for block in log.reader(topic).blocks():
            if record == "Trade":
                total += block.count
            else:
                decoded, _ = codec(record).decode_rows(block.body, block.count)
                total += int(np.maximum(decoded["bid_count"] + decoded["ask_count"], 1).sum())
    log.close()
    return total


def sparse(recording: Path, runs: int = RUNS) -> dict[str, Any]:
    """``replay.ema.sparse``: real depth and trades, EMA cross with its one-second cool-down."""
    rows = rows_in(recording)
    chosen = configuration("ema-cross", set={"fast": "20", "slow": "50"})
    run(recording, chosen, "sparse")
    figures = []
    manifest: dict[str, Any] = {}
    for _ in range(runs):
        elapsed, manifest = run(recording, chosen, "sparse")
        figures.append(rows / elapsed)
    topics = manifest["topics"]
    return row("replay.ema.sparse", "rows/s", figures, rows=rows, orders=topics["orders.requests"]["count"], fills=topics["fills"]["count"])


def exact(runs: int = RUNS) -> dict[str, Any]:
    """``replay.exact``: verify of the sparse run, every file and every digest checked."""
    folder = RUN_FOLDER / "sparse"
    recording = Path(json.loads((folder / "run.json").read_text())["input_path"])
    rows = rows_in(recording)
    figures = []
    for _ in range(runs):
        verdicts: list[Any] = []
        figures.append(rows / seconds(lambda kept=verdicts: kept.append(verify_run(folder))))
        if not verdicts[0].is_good:
            raise RuntimeError(f"the run does not verify: {verdicts[0].findings}")
    return row("replay.exact", "rows/s", figures, rows=rows)


def orders_flat() -> dict[str, Any]:
    """``orders.flat``: a market order on nearly every quote, bought and sold in turn, 1 k to 1 M of them; seconds an order must not grow."""
    chosen = configuration(
        str(Path(__file__).with_name("ordering.py")) + ":Ordering", stages={}, risk={"max_notional": "off", "max_position": "off"}, **ZERO_COST
    )
    rates: list[float] = []
    counts: list[int] = []
    run(recordings.dense(1_000), chosen, "orders")
    for count in ORDER_COUNTS:
        recording = recordings.dense(count)
        found = []
        for _ in range(5 if count <= 10_000 else 1):
            elapsed, manifest = run(recording, chosen, "orders")
            found.append(manifest["topics"]["orders.requests"]["count"] / elapsed)
        counts.append(manifest["topics"]["orders.requests"]["count"])
        rates.append(statistics.median(found))
    return row("orders.flat", "orders/s", [rates[-1]], last_over_first=rates[0] / rates[-1], orders=counts, rates=rates)


def decide() -> dict[str, Any]:
    """``latency.decide``: one decoded record in, its decision in memory, one event a call, fused and warm."""
    log = LocalLog.open(recordings.dense(200_000))
    execution = build_execution(configuration("ema-cross", set={"fast": "10", "slow": "20", "cooldown": "0"}, **ZERO_COST), log, 1)
    engine, merger = execution.engine, execution.merger
    piece, single = Slice(1 << 16), Slice(1)
    taken: list[int] = []
    gc.collect()
    gc.freeze()
    gc.disable()
    while True:
        merger.take(piece, 1 << 16, engine.present)
        for place in range(piece.count):
            single.source[0], single.origin[0] = piece.source[place], piece.origin[place]
            single.index[0], single.clock[0], single.count = piece.index[place], piece.clock[place], 1
            started = time.perf_counter_ns()
            engine.execute(single, execution.feeds)
            taken.append(time.perf_counter_ns() - started)
            if place % 1000 == 0:
                engine.take_outputs()
        engine.take_outputs()
        for feed in execution.feeds:
            feed.consume(int((piece.origin[: piece.count] == feed.code).sum()))
        if piece.ended:
            break
    gc.enable()
    log.close()
    settled = np.array(taken[20_000:]) / 1000.0
    p50, p99, p999 = (float(np.percentile(settled, q)) for q in (50, 99, 99.9))
    return row("latency.decide", "us", [p50], p50_us=p50, p99_us=p99, p999_us=p999, events=len(settled), maximum_us=float(settled.max()))


def recover(recording: Path) -> dict[str, Any]:
    """``recover``: a run killed with a million market records since its snapshot, until it is ready to go on, process start included."""
    folder = RUN_FOLDER / "recover"
    shutil.rmtree(folder, ignore_errors=True)
    figures = []
    for _ in range(3):
        shutil.rmtree(folder, ignore_errors=True)
        killed = subprocess.run([sys.executable, "-m", "tests.benchmarks.killed", str(recording), str(folder), "kill"], cwd=ROOT, check=False)
        if killed.returncode != -9:
            raise RuntimeError(f"the run to be killed ended with {killed.returncode}")
        started = time.perf_counter()
        ready = subprocess.run([sys.executable, "-m", "tests.benchmarks.killed", str(recording), str(folder), "ready"], cwd=ROOT, check=True)
        figures.append(time.perf_counter() - started)
        del ready
    return row("recover", "s", figures)


if __name__ == "__main__":
    for figure in (sparse(recordings.tiled()), exact(), orders_flat(), decide()):
        print(json.dumps(figure, indent=1))
