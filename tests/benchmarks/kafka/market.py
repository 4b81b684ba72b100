"""Real depth through the market stages, and the proof of what they did; bars by a ledger in plain
Python.
"""

from __future__ import annotations

import io
import time
from pathlib import Path
from typing import Any

import fastavro
import numpy as np

from jobs.live.proof import verify_cluster
from schemas.codec import codec
from streams.log.kafka.cluster import Cluster
from streams.log.kafka.framing import HEADER_BYTES
from streams.log.local import LocalLog
from tests.benchmarks import recordings
from tests.benchmarks.kafka import truth
from tests.benchmarks.kafka.latency import STRATEGY
from tests.benchmarks.kafka.ours import Place
from tests.benchmarks.kafka.throughput import STALLED_SECONDS, WARM_UP
from tests.benchmarks.kafka.watching import Watcher

Array = np.ndarray[Any, Any]
Ledger = tuple[int, ...]


def rows_by_time(recording: Path) -> tuple[Array, Array]:
    """(event times, rows up to and including each): a row is a level, an update without levels, or
    a trade.
    """
    times, counts = [], []
    with LocalLog.open(recording) as log:
        for name in ("md.depth", "md.trades"):
            record = codec("DepthUpdate" if name == "md.depth" else "Trade")
            for block in log.reader(name).blocks():
                found = record.decode_rows(block.body, block.count)
                rows = found[0] if record.has_levels else found
                times.append(rows["event_time"])
                levels = (
                    rows["bid_count"].astype(np.int64) + rows["ask_count"]
                    if record.has_levels
                    else np.ones(len(rows), np.int64)
                )
                counts.append(np.maximum(levels, 1))
    time_of, count = np.concatenate(times), np.concatenate(counts)
    order = np.argsort(time_of, kind="stable")
    return time_of[order], np.cumsum(count[order])


def depth(cluster: Cluster, rows: int, runs: int) -> tuple[list[float], int]:
    """(rows a second of each run, rows) of the market topology over the tiled recording,
    ``md.marks`` published.

    Taken as the throughput of bars is: between the first mark seen after a tenth of them and the
    last, by the marks' event times.
    """
    recording = recordings.tiled(rows)
    times, reached = rows_by_time(recording)
    decoder = codec("Mark")
    found: list[float] = []
    with Place(cluster, "depth") as place:
        place.topology("market")
        place.feed(recording)
        expected = 0
        for number in range(runs):
            name = place.topology(f"market-{number}")
            watched = Watcher(place.cluster, place.cluster.name("md.marks"), place.end("md.marks"))
            with (
                watched as watcher,
                place.running("market", name, "--clock", "event", "--publish", "md.marks") as job,
            ):
                watcher.wait_for(max(1, expected), STALLED_SECONDS, job.expect_alive)
                _settle(watcher, expected)
            expected = expected or len(watcher.values)
            if len(watcher.values) != expected:
                raise AssertionError(
                    f"{len(watcher.values)} marks in this run, {expected} in the first"
                )
            marks = [
                int(decoder.decode_records(value[HEADER_BYTES:], 1)[0].event_time)
                for value in watcher.values
            ]
            first = next(look for look in watcher.seen if look.records >= WARM_UP * expected)
            last = watcher.seen[-1]
            position = [
                int(reached[np.searchsorted(times, marks[look.records - 1], "right") - 1])
                for look in (first, last)
            ]
            found.append((position[1] - position[0]) / ((last.time_ns - first.time_ns) / 1e9))
    return found, int(reached[-1])


def _settle(watcher: Watcher, expected: int) -> None:
    """The first run says how many marks there are: wait until none has come for ten seconds."""
    if not expected:
        seen = -1
        while seen != len(watcher.values):
            seen = len(watcher.values)
            time.sleep(10)


def ledger(place: Place, expected: truth.Truth, runs: int) -> list[float]:
    """Trades a second through a ledger stage that makes the same bars in plain Python, the pipeline
    behind it idle; ``signals`` published.

    Raises:
        truth.Differs: its bars are not the truth's.
    """
    schema = fastavro.parse_schema(codec("Signal").schema)
    wanted = sorted((bar[0], bar[3], bar[4], bar[5], bar[6], bar[7]) for bar in expected.bars)
    positions = [expected.closed_by[bar[0], bar[1]] for bar in expected.bars]
    found: list[float] = []
    for number in range(runs):
        name = place.topology(f"ledger-{number}-{time.time_ns() // 1_000_000 % 10**6}")
        flags = [
            "--clock",
            "event",
            "--publish",
            "signals",
            "--strategy",
            f"{STRATEGY}:BarsInPython",
        ]
        watched = Watcher(place.cluster, place.cluster.name("signals"), place.end("signals"))
        with watched as watcher, place.running("pipeline", name, *flags) as job:
            if not watcher.wait_for(len(wanted), STALLED_SECONDS, job.expect_alive):
                raise TimeoutError(f"ledger: {len(watcher.values)} of {len(wanted)} bars")
        bars = sorted(_ledger_bar(value, schema) for value in watcher.values)
        if bars != wanted:
            raise truth.Differs(
                "ledger: the bars of the strategy in plain Python are not the truth's"
            )
        first = next(look for look in watcher.seen if look.records >= WARM_UP * len(wanted))
        last = watcher.seen[-1]
        # a ledger's bars close in the truth's order: trades are in one partition
        found.append(
            (positions[last.records - 1] - positions[first.records - 1])
            / ((last.time_ns - first.time_ns) / 1e9)
        )
    return found


def _ledger_bar(value: bytes, schema: Any) -> Ledger:
    signal: Any = fastavro.schemaless_reader(io.BytesIO(value[HEADER_BYTES:]), schema, None)
    return tuple(
        int(signal[name]) for name in ("instrument", "fast", "slow", "strength", "size", "sequence")
    )


def proof(place: Place, topology: str, runs: int) -> tuple[list[float], int]:
    """(records a second of each run, records) of ``sq verify`` of a topology on the cluster, in
    this process; one run before loads the kernels.

    Raises:
        AssertionError: it found a divergence, or verified nothing.
    """
    found: list[float] = []
    records = 0
    for _ in range(runs + 1):
        started = time.perf_counter()
        verdicts = verify_cluster(place.cluster, topology, None, lambda _: None)
        elapsed = time.perf_counter() - started
        records = sum(verdict.records for verdict in verdicts)
        if not records or not all(verdict.is_good for verdict in verdicts):
            raise AssertionError(
                f"{topology} does not verify: "
                f"{[finding.text for verdict in verdicts for finding in verdict.findings][:1]}"
            )
        found.append(records / elapsed)
    return found[1:], records
