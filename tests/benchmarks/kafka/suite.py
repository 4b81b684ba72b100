"""The Kafka benchmarks: rows of ``build/bench.json`` beside the core's.

    python -m tests.benchmarks.kafka.suite --out build/bench.json [--only kafka.latency] [--runs 5]
    [--trades 2000000]

All rows of a run share one broker: the configured cluster, or the one that ``sq kafka up`` starts.
Peers that are not installed have a row that says so, with no peer value: nothing is ever counted as
beaten that was not run.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import signal
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from streams.log.kafka.cluster import Cluster, find_cluster
from streams.log.kafka.partitions import key_of_instrument
from tests.benchmarks.kafka import (
    engines,
    faults,
    inputs,
    latency,
    market,
    throughput,
    topics,
    truth,
)
from tests.benchmarks.kafka.engines import LOGS, Engine
from tests.benchmarks.kafka.ours import Place
from tests.benchmarks.timing import chosen, row

Rows = list[dict[str, Any]]
Say = Callable[[str], None]

TRADES = 2_000_000
FEWER = {"quix": 10, "faust": 40}
"""A peer that is slower gets so many times fewer records, of a topic of its own; rates are
compared.
"""
DEPTH_ROWS = 10_000_000
NO_PEER = "the peer is not installed: {}"


class Sizes(argparse.Namespace):
    """What to measure: runs of each, trades, rows of depth."""

    runs: int
    trades: int
    depth_rows: int


def kernel(cluster: Cluster, sizes: Sizes, say: Say) -> Rows:
    """``kafka.throughput.kernel`` beside each peer, ``kafka.throughput.ledger`` and
    ``kafka.verify``, all over the same trades.
    """
    rows: Rows = []
    with Place(cluster, "trades") as place:
        place.topology("pipeline")
        place.feed(inputs.trades_recording(sizes.trades))
        source = place.cluster.name("md.trades")
        expected = truth.bars_of(topics.values(place.cluster, source))
        for engine in (engines.KSTREAMS, engines.QUIX, engines.FAUST):
            rows.append(_kernel_row(place, source, sizes, expected, engine, say))
        say("kafka.throughput.ledger")
        rates = market.ledger(place, expected, sizes.runs)
        rows.append(
            row(
                "kafka.throughput.ledger",
                "records/s",
                rates,
                output_partitions=1,
                records=sizes.trades,
            )
        )
        say("kafka.verify")
        rates, records = market.proof(place, place.topologies[1], sizes.runs)
        rows.append(row("kafka.verify", "records/s", rates, records=records))
    return rows


def _kernel_row(
    place: Place, source: str, sizes: Sizes, expected: truth.Truth, engine: Engine, say: Say
) -> dict[str, Any]:
    """Ours and one peer in turn; the peer alone is given fewer records where it is much slower."""
    more: dict[str, Any] = {
        "output_partitions": 1,
        "records": sizes.trades,
        "guarantee": "exactly once",
        "peer_guarantee": engine.guarantee,
    }
    absent = engine.absent()
    ours: list[float] = []
    theirs: list[float] = []
    cpu: dict[str, list[float]] = {"ours": [], "peer": []}
    own, count, target = source, sizes.trades, expected
    try:
        if not absent and engine.name in FEWER:
            count = sizes.trades // FEWER[engine.name]
            own = f"{source}.{engine.name}"
            topics.renew(place.cluster, [own])
            trades = inputs.trade_rows(count)
            keys = [key_of_instrument(number) for number in trades["instrument"].tolist()]
            topics.fill(place.cluster, own, inputs.framed("Trade", trades, 1), keys)
            target = truth.bars_of(topics.values(place.cluster, own))
        for number in range(sizes.runs):
            say(f"kafka.throughput.kernel @{engine.name}: run {number + 1} of {sizes.runs}")
            found = throughput.our_run(place, sizes.trades, expected)
            ours.append(found.rate)
            cpu["ours"].append(found.rate_by_cpu)
            if not absent:
                found = throughput.peer_run(engine, place.cluster, own, count, target)
                theirs.append(found.rate)
                cpu["peer"].append(found.rate_by_cpu)
    finally:
        if own != source:
            topics.remove(place.cluster, [own])
    more |= {"peer_records": count, "records_by_cpu_second": cpu}
    if absent:
        more["note"] = NO_PEER.format(absent)
    return row("kafka.throughput.kernel", "records/s", ours, engine.name, theirs, **more)


def depth(cluster: Cluster, sizes: Sizes, say: Say) -> Rows:
    """``kafka.throughput.depth``."""
    say("kafka.throughput.depth")
    rates, rows = market.depth(cluster, sizes.depth_rows, sizes.runs)
    return [row("kafka.throughput.depth", "rows/s", rates, output_partitions=1, rows=rows)]


def ticks(cluster: Cluster, sizes: Sizes, say: Say) -> Rows:
    """``kafka.latency.p50`` and ``.p99`` beside Kafka Streams: ratio below 1 is ours being faster.
    """
    ours, theirs = [], []
    absent = engines.KSTREAMS.absent()
    for number in range(sizes.runs):
        say(f"kafka.latency: run {number + 1} of {sizes.runs}")
        ours.append(latency.our_run(cluster))
        if not absent:
            theirs.append(latency.peer_run(cluster))
    more: dict[str, Any] = {
        "output_partitions": 1,
        "rate": latency.RATE,
        **({"note": NO_PEER.format(absent)} if absent else {}),
    }
    rows = []
    for name, percent in (("p50", 50), ("p99", 99)):
        figures = [[float(np.percentile(run, percent)) for run in runs] for runs in (ours, theirs)]
        rows.append(row(f"kafka.latency.{name}", "ms", figures[0], "kstreams", figures[1], **more))
    return rows


def switch(cluster: Cluster, sizes: Sizes, say: Say) -> Rows:
    """``kafka.killswitch``."""
    say("kafka.killswitch")
    found = [faults.killswitch(cluster) for _ in range(sizes.runs)]
    return [row("kafka.killswitch", "s", found, backlog=faults.BACKLOG, output_partitions=1)]


def recover(cluster: Cluster, sizes: Sizes, say: Say) -> Rows:
    """``kafka.recover`` with the shipped strategy; beside it one in plain Python, and the take-over
    by another process.
    """
    say("kafka.recover")
    config = LOGS / "recover.toml"
    found = [faults.recover(cluster, config) for _ in range(sizes.runs)]
    say("kafka.recover: take-over by another process")
    other = [
        faults.recover(cluster, config, by_another=True) for _ in range(max(1, sizes.runs // 2))
    ]
    say("kafka.recover: a strategy in plain Python")
    plain = [faults.recover(cluster, config, faults.IN_PYTHON) for _ in range(sizes.runs)]
    beside = {"take_over_by_another": other, "python_strategy": plain}
    more = {
        **{name: statistics.median(runs) for name, runs in beside.items()},
        **{f"{name}_runs": runs for name, runs in beside.items()},
    }
    return [row("kafka.recover", "s", found, records=faults.BACKLOG, **more)]


SUITES: list[tuple[str, Callable[[Cluster, Sizes, Say], Rows]]] = [
    ("kafka.throughput.kernel kafka.throughput.ledger kafka.verify", kernel),
    ("kafka.throughput.depth", depth),
    ("kafka.latency.p50 kafka.latency.p99", ticks),
    ("kafka.killswitch", switch),
    ("kafka.recover", recover),
]


def merged(rows: Rows, found: Rows) -> Rows:
    """Rows with those found in the place of the same (name, peer); all others stay."""
    fresh = {(each["name"], each.get("peer") or "") for each in found}
    return [each for each in rows if (each["name"], each.get("peer") or "") not in fresh] + found


def _print(found: dict[str, Any]) -> None:
    peer = (
        f"  {found['peer']} {found['peer_value']:,.2f}, ratio {found['ratio']:.2f}"
        if found.get("ratio")
        else f"  {found.get('peer') or ''}"
    )
    more = "".join(
        f"  {key} {found[key]}"
        for key in ("output_partitions", "note", "take_over_by_another", "python_strategy")
        if key in found
    )
    sys.stdout.write(
        f"{found['name']:28} {found['value'] or 0:>16,.3f} {found['unit']:10}{peer}{more}\n"
    )
    sys.stdout.flush()


def main() -> int:
    """Measure and write; exit 1 if a suite failed, its rows then missing."""
    command = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    command.add_argument("--out", type=Path, required=True)
    command.add_argument("--only", action="append", default=[])
    command.add_argument("--runs", type=int, default=3)
    command.add_argument("--trades", type=int, default=TRADES)
    command.add_argument("--depth-rows", type=int, default=DEPTH_ROWS)
    arguments = command.parse_args(namespace=Sizes())
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that what was started is ended
    cluster = find_cluster()
    failed = 0
    for names, suite in chosen(SUITES, arguments.only):
        started = time.monotonic()
        try:
            found = suite(cluster, arguments, lambda text: print(f"  {text}", flush=True))
        except Exception as problem:  # noqa: BLE001 - one suite's failure must not hide the others' figures
            if os.environ.get("SQ_TRACE"):
                raise
            sys.stderr.write(f"{names}: {type(problem).__name__}: {problem}\n")
            failed += 1
            continue
        for each in found:
            each["machine"] = (
                f"{platform.machine()}, {os.cpu_count()} cores, CPython "
                f"{platform.python_version()}, broker on the same machine"
            )
            _print(each)
        sys.stdout.write(f"  ({names}: {time.monotonic() - started:.0f} s)\n")
        rows: Rows = json.loads(arguments.out.read_text()) if arguments.out.is_file() else []
        arguments.out.parent.mkdir(parents=True, exist_ok=True)
        arguments.out.write_text(json.dumps(merged(rows, found), indent=1))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
