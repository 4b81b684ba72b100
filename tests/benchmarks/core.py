"""The core's benchmarks: every row of ``build/bench.json``.

    python -m tests.benchmarks.core --out build/bench.json [--only replay]
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.benchmarks.timing import chosen

Rows = list[dict[str, Any]]


def _codec() -> Rows:
    from tests.benchmarks import codec

    return codec.run()


def _log() -> Rows:
    from tests.benchmarks import log

    return log.run()


def _book() -> Rows:
    from tests.benchmarks import book

    return book.run()


def _indicators() -> Rows:
    from tests.benchmarks import indicators

    return indicators.run()


def _venue() -> Rows:
    from tests.benchmarks import venue

    return venue.run()


def _pipeline() -> Rows:
    from tests.benchmarks import pipeline, recordings

    recording = recordings.tiled()
    return [
        pipeline.sparse(recording),
        pipeline.exact(),
        pipeline.measures(recording),
        pipeline.recover(recordings.tiled(18_000_000)),
    ]


def _orders() -> Rows:
    from tests.benchmarks import pipeline, quoting

    rows = [pipeline.orders_flat(), pipeline.orders_spot(), pipeline.orders_python()]
    return [*rows, quoting.orders_quotes()]


def _latency() -> Rows:
    from tests.benchmarks import pipeline

    return [pipeline.decide()]


def _checking() -> Rows:
    from tests.benchmarks import checking

    return checking.run()


def _making() -> Rows:
    from tests.benchmarks import making

    return making.run()


def _cold() -> Rows:
    from tests.benchmarks import cold

    return [cold.compile_cold()]


def _nautilus() -> Rows:
    from tests.benchmarks import nautilus

    return nautilus.run()


SUITES: list[tuple[str, Callable[[], Rows]]] = [
    ("codec", _codec),
    ("log", _log),
    ("book", _book),
    ("indicators mathematics", _indicators),
    ("venue", _venue),
    ("replay.ema.sparse replay.exact replay.measures recover", _pipeline),
    ("orders", _orders),
    ("latency", _latency),
    ("replay.ema replay.python", _nautilus),
    ("replay.mm", _making),
    ("check.rows", _checking),
    ("cold", _cold),
]

SAID = (
    "p50_us", "p99_us", "p999_us", "deciding_p50_us", "deciding_p99_us", "last_over_first", "ns",
    "peer_ns", "with_files", "equal_share", "cpu_s", "slowest_first_line_s",
)  # fmt: skip
"""Figures of a row that are printed with it."""


def _say(row: dict[str, Any]) -> None:
    peer = (
        f"  {row['peer']} {row['peer_value']:,.0f}, ratio {row['ratio']:.2f}"
        if row.get("ratio")
        else f"  {row.get('peer') or ''}"
    )
    more = "".join(f"  {key} {row[key]:,.2f}" for key in SAID if key in row)
    if row.get("reason"):
        more += f"  ({row['reason']})"
    sys.stdout.write(f"{row['name']:24} {row['value'] or 0:>18,.2f} {row['unit']}{peer}{more}\n")
    sys.stdout.flush()


def main() -> int:
    """Measure and write; exit 1 if a suite failed, its rows then missing."""
    command = argparse.ArgumentParser()
    command.add_argument("--out", type=Path, required=True)
    command.add_argument("--only", action="append", default=[])
    arguments = command.parse_args()
    rows: Rows = (
        json.loads(arguments.out.read_text()) if arguments.only and arguments.out.is_file() else []
    )
    failed = 0
    for names, suite in chosen(SUITES, arguments.only):
        started = time.monotonic()
        try:
            found = suite()
        except Exception as problem:  # noqa: BLE001 - one suite's failure must not hide the others' figures
            sys.stderr.write(f"{names}: {type(problem).__name__}: {problem}\n")
            failed += 1
            continue
        for row in found:
            row["machine"] = f"{platform.machine()}, CPython {platform.python_version()}"
            rows = [
                kept
                for kept in rows
                if (kept["name"], kept.get("peer") or "") != (row["name"], row.get("peer") or "")
            ] + [row]
            _say(row)
        sys.stdout.write(f"  ({names}: {time.monotonic() - started:.0f} s)\n")
        arguments.out.parent.mkdir(parents=True, exist_ok=True)
        arguments.out.write_text(json.dumps(rows, indent=1))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
