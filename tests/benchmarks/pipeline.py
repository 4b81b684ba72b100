"""The whole pipeline against the clock: sparse and dense orders, plain Python strategies, exact
replay, orders alone, one event at a time, recovery.

    python -m tests.benchmarks.pipeline

Rows are order-book levels (an update without levels counts as one) and trades. Every run reads a
log folder, writes and digests every output topic and its journal; only preparing the process
(imports, compiled kernels) is left out.
"""

from __future__ import annotations

import gc
import json
import os
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from jobs.configuration import Configuration, build
from jobs.pipeline import NEVER, build_execution, feeds_of, read_instruments, stages_of
from jobs.runs import Backtest
from jobs.verification import verify_run
from schemas.codec import codec
from schemas.vocabulary import InstrumentKind
from streams.log.local import LocalLog
from streams.runtime.order.merge import InputBatch
from streams.runtime.recovery.recorded import recorded_execution
from streams.runtime.recovery.run_folder import folder_task
from streams.runtime.schedule.output_buffer import encode_upstream
from streams.runtime.schedule.topology import Topology
from streams.signals.catalogue import load_strategy
from streams.signals.strategy import NoSettings
from tests.benchmarks import recordings
from tests.benchmarks.ordering import Answering, Ordering
from tests.benchmarks.timing import RUNS, cores, one_core, row, seconds

ROOT = recordings.ROOT
RUN_FOLDER = recordings.FOLDER / "runs"
ZERO_COST = {"fees": "maker=0,taker=0", "latency": "feed=0,entry=0,response=0"}
ORDER_COUNTS = (1_000, 10_000, 100_000, 1_000_000)
COMPILED_ORDERS = Path(__file__).with_name("ordering_compiled.py")
Source = tuple[Any, Any]
"""A strategy and its settings."""


def compiled_orders() -> Source:
    """The compiled strategy that does nothing but order."""
    return load_strategy(str(COMPILED_ORDERS), {})


def configuration(strategy: str, **options: Any) -> Configuration:
    """A configuration from the command line's options; the rows' inputs are depth and trades, as
    their peers' are, and no tickers.
    """
    parameters = options.pop("set", {})
    return build({"strategy": strategy, "set": parameters, "ticker": "off", **options})


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
    """``replay.ema.sparse``: real depth and trades, EMA cross with its one-second cool-down; on one
    core, and beside it on two.
    """
    rows = rows_in(recording)
    chosen = configuration("ema-cross", set={"fast": "20", "slow": "50"})
    run(recording, chosen, "sparse")
    figures = []
    manifest: dict[str, Any] = {}
    with one_core():
        for _ in range(runs):
            elapsed, manifest = run(recording, chosen, "sparse")
            figures.append(rows / elapsed)
    both = statistics.median(rows / run(recording, chosen, "sparse")[0] for _ in range(runs))
    topics = manifest["topics"]
    counts = {"orders": topics["orders.requests"]["count"], "fills": topics["fills"]["count"]}
    return row(
        "replay.ema.sparse",
        "rows/s",
        figures,
        rows=rows,
        cores=1,
        on_two_cores=both if cores() > 1 else None,
        **counts,
    )


ALL_MEASURES: dict[str, Any] = {
    "hawkes": {"default": {"mu": 0.1, "same": 0.5, "other": 0.2, "beta": 2.0}},
    "microprice": {"default": {"spreads": 1, "adjustments": [-0.2, 0.0, 0.2]}},
}


def measures(recording: Path, runs: int = RUNS) -> dict[str, Any]:
    """``replay.measures``: the same with every measure of md.microstructure, on one core."""
    rows = rows_in(recording)
    chosen = configuration(
        "ema-cross", set={"fast": "20", "slow": "50"}, microstructure=ALL_MEASURES
    )
    run(recording, chosen, "measures")
    with one_core():
        figures = [rows / run(recording, chosen, "measures")[0] for _ in range(runs)]
    return row("replay.measures", "rows/s", figures, rows=rows, cores=1)


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


def _orders(recording: Path, ordering: Source, **options: Any) -> tuple[float, int]:
    """Seconds and orders of one run of the order side: books, an order source, risk, routing,
    venue, portfolio; every topic written.
    """
    free = {"max_notional": "off", "max_position": "off"}
    chosen = configuration("noop-python", risk=free, **ZERO_COST | options)
    wanted = ("aggregation", "risk", "routing", "venue", "portfolio")
    stages = [(stage, settings) for stage, settings in stages_of(chosen) if stage.NAME in wanted]
    stages.insert(1, ordering)
    folder = RUN_FOLDER / "orders"
    shutil.rmtree(folder, ignore_errors=True)
    source, out = LocalLog.open(recording), LocalLog.create(folder, sync="never")
    topology = Topology("pipeline", stages, read_instruments(source), feeds_of(source, chosen))
    known = topology.instruments
    execution = recorded_execution(topology, source, 1, known, chosen.clock_jump_max, NEVER)
    task = folder_task(out, execution, {"identity": {}, "code": ""})

    def work() -> None:
        task.prepare()
        task.run()

    elapsed = seconds(work)
    counts = task.counts
    if counts["fills"] < counts["orders.requests"] - 100 - counts["orders.requests"] // 1000:
        raise RuntimeError(f"{counts['orders.requests']} orders gave only {counts['fills']} fills")
    out.close()
    source.close()
    return elapsed, counts["orders.requests"]


def orders_flat(counts: tuple[int, ...] = ORDER_COUNTS) -> dict[str, Any]:
    """``orders.flat``: a market order on every quote from a compiled strategy, bought and sold in
    turn, 1 k to 1 M of them. ``last_over_first``: an order's seconds at the largest count over
    those at the smallest; they must not grow.
    """
    ordering = compiled_orders()
    _orders(recordings.dense(counts[0]), ordering)
    rates: list[float] = []
    for count in counts:
        recording, runs = recordings.dense(count), 9 if count <= 10_000 else 3
        timed = [_orders(recording, ordering) for _ in range(runs)]
        found = [orders / elapsed for elapsed, orders in timed]
        rates.append(statistics.median(found))
    facts = {"orders": list(counts), "rates": rates, "cores": cores()}
    return row("orders.flat", "orders/s", found, last_over_first=rates[0] / rates[-1], **facts)


def orders_spot(count: int = 100_000) -> dict[str, Any]:
    """``orders.spot``: a market order on every quote of a spot instrument from a compiled strategy,
    paid for and held.
    """
    recording, ordering = recordings.dense(count, InstrumentKind.SPOT), compiled_orders()
    return _rate("orders.spot", [_orders(recording, ordering) for _ in range(3)])


def orders_python(count: int = 100_000) -> dict[str, Any]:
    """``orders.python``: a strategy in plain Python that wakes on its own fills, one order a wake;
    an order and its report take less time than there is between two quotes. ``on_quotes``: orders
    of ``orders.flat`` from a strategy in plain Python.
    """
    leg = recordings.SPACING // 4
    latency = f"feed=0,entry={leg}ns,response={leg}ns"
    recording = recordings.dense(count)
    answering, ordering = (Answering, NoSettings()), (Ordering, NoSettings())
    found, other = (
        [_orders(recording, source, **options) for _ in range(3)]
        for source, options in ((answering, {"latency": latency}), (ordering, {}))
    )
    return _rate("orders.python", found) | {"on_quotes": _rate("", other)["value"]}


def _rate(name: str, found: list[tuple[float, int]]) -> dict[str, Any]:
    """A row of orders a second."""
    rates = [orders / elapsed for elapsed, orders in found]
    return row(name, "orders/s", rates, orders=found[0][1], cores=cores())


def decide() -> dict[str, Any]:
    """``latency.decide``: one decoded record in, its decision record in memory; one event a call,
    fused and warm, on the real recording.

    An event that leads to orders ends where the last RiskDecision is made; any other ends when
    every stage is done with it, the reports that are delivered with it included. Percentiles are
    over all events; ``deciding_*`` are those of the events that led to a decision.
    """
    log = LocalLog.open(recordings.tiled(3_000_000))
    execution = build_execution(
        configuration("ema-cross", set={"fast": "20", "slow": "50"}), log, 1
    )
    engine, merger = execution.engine, execution.merger
    piece, single = InputBatch(1 << 16), InputBatch(1)
    taken: list[int] = []
    decided: list[int] = []
    clock = time.perf_counter_ns
    deciding: list[int] = []
    engine.watch("orders.decisions", lambda _: decided.append(clock()))
    gc.collect()
    gc.freeze()
    gc.disable()
    while True:
        merger.take(piece, 1 << 16, engine.present)
        for place in range(piece.count):
            single.source[0], single.origin[0] = piece.source[place], piece.origin[place]
            single.index[0], single.clock[0], single.count = (
                piece.index[place],
                piece.clock[place],
                1,
            )
            decided.clear()
            started = clock()
            engine.execute(single, execution.feeds)
            ended = clock()
            taken.append((decided[-1] if decided else ended) - started)
            if decided:
                deciding.append(taken[-1])
            if place % 1000 == 0:
                engine.take_parts(encode_upstream(engine.upstream))
        engine.take_parts(encode_upstream(engine.upstream))
        for feed in execution.feeds:
            feed.consume(int((piece.origin[: piece.count] == feed.code).sum()))
        if piece.ended:
            break
    gc.enable()
    log.close()
    settled = np.array(taken[20_000:]) / 1000.0
    p50, p99, p999 = (float(np.percentile(settled, q)) for q in (50, 99, 99.9))
    most = float(settled.max())
    orders = np.array(deciding) / 1000.0
    more = {f"deciding_p{q}_us": float(np.percentile(orders, q)) for q in (50, 99)}
    counts = {"events": len(settled), "decisions": len(orders)}
    return row(
        "latency.decide",
        "us",
        [p50],
        p50_us=p50,
        p99_us=p99,
        p999_us=p999,
        maximum_us=most,
        **counts,
        **more,
    )


def recover(recording: Path) -> dict[str, Any]:
    """``recover``: a run killed with a million market records since its snapshot, until it is ready
    to go on, process start included. Modules are loaded from their bytecode, as users' are.
    """
    folder = RUN_FOLDER / "recover"
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": ""}
    shutil.rmtree(folder, ignore_errors=True)
    figures = []
    for _ in range(3):
        shutil.rmtree(folder, ignore_errors=True)
        killed = subprocess.run(
            [sys.executable, "-m", "tests.benchmarks.killed", str(recording), str(folder), "kill"],
            cwd=ROOT,
            env=environment,
            check=False,
        )
        if killed.returncode != -9:
            raise RuntimeError(f"the run to be killed ended with {killed.returncode}")
        started = time.perf_counter()
        ready = subprocess.run(
            [sys.executable, "-m", "tests.benchmarks.killed", str(recording), str(folder), "ready"],
            cwd=ROOT,
            env=environment,
            check=True,
        )
        figures.append(time.perf_counter() - started)
        del ready
    return row("recover", "s", figures)


if __name__ == "__main__":
    for figure in (
        sparse(recordings.tiled()),
        exact(),
        orders_flat(),
        orders_spot(),
        orders_python(),
        decide(),
    ):
        print(json.dumps(figure, indent=1))
