"""``orders.quotes``: a compiled market maker on two instruments, two-sided post-only quotes that
are cancelled and replaced whenever the touch moves.

    python -m tests.benchmarks.quoting

The maker is the one of docs/strategies.md. Requests are new orders and cancels; each is checked by
risk, managed, matched, and written with all that comes of it. The peak of memory behind each size
is that of a process of its own that runs it once.
"""

from __future__ import annotations

import json
import resource
import shutil
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from connectors.merging import merge
from jobs.pipeline import NEVER, feeds_of, read_instruments, stages_of
from schemas.codec import codec
from streams.log.local import LocalLog
from streams.runtime.recovery.recorded import recorded_execution
from streams.runtime.recovery.run_folder import folder_task
from streams.runtime.schedule.topology import Topology
from streams.signals.catalogue import load_strategy
from tests.benchmarks import pipeline, recordings
from tests.benchmarks.timing import cores, row, seconds

PAGE = recordings.ROOT / "docs" / "strategies.md"
WANTED = ("aggregation", "risk", "routing", "venue", "portfolio")
BATCH = 8_192
"""Input records in a batch: both sizes are several, so that a batch's own memory is in both."""
QUOTES = (16_000, 160_000)
"""Changes of the touch by instrument: some 100 k and 1 M requests."""


def maker() -> Path:
    """The page's market maker as a file."""
    page = PAGE.read_text(encoding="utf-8")
    text = page.partition("```python\n# maker.py\n")[2].partition("```")[0]
    file = recordings.FOLDER / "maker.py"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")
    return file


def two(quotes: int) -> Path:
    """The dense recording, and the same again as another instrument, half a step later."""

    def make(folder: Path) -> None:
        first, second = recordings.dense(quotes), folder.with_name(f"{folder.name}-second")
        shutil.rmtree(second, ignore_errors=True)
        source, log, encoder = LocalLog.open(first), LocalLog.create(second), codec("DepthUpdate")
        other = msgspec.structs.replace(
            recordings.DENSE_INSTRUMENT, instrument=2, symbol="OTHERUSDT", base="OTHER"
        )
        log.writer("ref.instruments").append(codec("Instrument").encode_records([other]), 1)
        for block in source.reader("md.depth").blocks():
            rows, levels = encoder.decode_rows(np.frombuffer(block.body, np.uint8), block.count)
            rows["instrument"] = 2
            for name in ("event_time", "receive_time"):
                rows[name] += recordings.SPACING // 2
            body = encoder.encode_rows(rows, len(rows), levels)
            log.writer("md.depth").append(body, len(rows), int(rows["event_time"][-1]))
        source.close()
        recordings.close(log, second)
        merge([first, second], folder)
        shutil.rmtree(second)

    return recordings.kept(f"two-{quotes}", make)


def run(recording: Path) -> tuple[float, dict[str, int]]:
    """Seconds, and records by topic, of the maker over a recording; every topic written."""
    free = {"max_notional": "off", "max_position": "off"}
    chosen = pipeline.configuration("noop-python", risk=free, **pipeline.ZERO_COST)
    stages = [(stage, settings) for stage, settings in stages_of(chosen) if stage.NAME in WANTED]
    stages.insert(1, load_strategy(str(maker()), {"size": "100", "away": "1", "most": "1000"}))
    folder = pipeline.RUN_FOLDER / "quotes"
    shutil.rmtree(folder, ignore_errors=True)
    source, out = LocalLog.open(recording), LocalLog.create(folder, sync="never")
    topology = Topology("pipeline", stages, read_instruments(source), feeds_of(source, chosen))
    known = topology.instruments
    execution = recorded_execution(topology, source, 1, known, chosen.clock_jump_max, NEVER)
    task = folder_task(out, execution, {"identity": {}, "code": ""}, BATCH)

    def work() -> None:
        task.prepare()
        task.run()

    elapsed = seconds(work)
    counts = dict(task.counts)
    if counts["orders.decisions"] != counts["orders.requests"] or not counts["fills"]:
        raise RuntimeError(f"not every request was decided, or none was filled: {counts}")
    out.close()
    source.close()
    return elapsed, counts


def peak_mebibytes() -> float:
    """The most memory that this process has had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def peak_of(quotes: int) -> float:
    """The peak of a process that runs the maker over so many quotes."""
    command = [sys.executable, "-m", "tests.benchmarks.quoting", str(quotes)]
    found = subprocess.run(command, cwd=recordings.ROOT, check=True, stdout=subprocess.PIPE)
    return float(found.stdout)


def orders_quotes(quotes: tuple[int, ...] = QUOTES, runs: int = 3) -> dict[str, Any]:
    """The row: requests a second at the largest size, and the peak of memory behind each size."""
    run(two(quotes[0]))
    rates: list[list[float]] = []
    peaks: list[float] = []
    requests: list[int] = []
    found: dict[str, int] = {}
    for count in quotes:
        recording = two(count)
        rates.append([])
        for _ in range(runs):
            elapsed, found = run(recording)
            rates[-1].append(found["orders.requests"] / elapsed)
        requests.append(found["orders.requests"])
        peaks.append(peak_of(count))
    first, last = statistics.median(rates[0]), statistics.median(rates[-1])
    facts = {"requests": requests, "fills": found["fills"], "peak_mebibytes": peaks}
    grown = {"last_over_first": first / last, "cores": cores()}
    return row("orders.quotes", "requests/s", rates[-1], **facts, **grown)


def main(given: list[str]) -> None:
    """The row, or the peak of one run over so many quotes."""
    if not given:
        print(json.dumps(orders_quotes(), indent=1))
        return
    run(two(int(given[0])))
    print(peak_mebibytes())


if __name__ == "__main__":
    main(sys.argv[1:])
