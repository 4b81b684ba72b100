"""``sq bench``: the figures, measured here and now, beside their peers'."""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path
from typing import Any

from jobs.helping import HelpFormatter
from schemas.errors import WrongUse

ROOT = Path(__file__).resolve().parents[2]
HELP = """\
Measures and writes build/bench.json: one row per (name, peer) with value, unit, the peer's value, their ratio and the raw runs. Runs of ours and
the peer's alternate in the same minute. 'make bench-peers' installs the peers in environments of their own; rows whose peer is absent say so.

suites:
  core    codec, log, book, venue, the whole pipeline (sparse, dense, Python strategies), exact replay, orders, latency, recovery
  kafka   throughput beside Kafka Streams, Quix and Faust, latency beside Kafka Streams, depth, a ledger, kill switch, recovery, verification;
          on the configured cluster, in environments of their own ('sq kafka up' starts one)

examples:
  sq bench core --only replay
  sq bench kafka --runs 5
  sq bench kafka --only kafka.latency
"""
SUITES = {"core": "tests.benchmarks.core", "kafka": "tests.benchmarks.kafka.suite"}


def add(commands: Any) -> None:
    """Declare the command."""
    command = commands.add_parser("bench", help="measure, beside the peers", description=HELP, formatter_class=HelpFormatter)
    command.add_argument("suite", choices=tuple(SUITES), help="which figures")
    command.add_argument("--only", action="append", default=[], metavar="NAME", help="only rows whose name begins so; repeat for more")
    command.add_argument("--out", type=Path, default=Path("build/bench.json"), help="file to write (default build/bench.json)")
    command.add_argument("--runs", type=int, default=3, metavar="N", help="kafka: runs of each (default 3)")
    command.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Run the suite from the source tree, where the benchmarks are."""
    if not (ROOT / "tests" / "benchmarks" / "core.py").is_file():
        raise WrongUse("the benchmarks are in the source tree; run this command from a clone set up with 'make setup'")
    if arguments.runs < 1:
        raise WrongUse("--runs is at least 1")
    command = [sys.executable, "-m", SUITES[arguments.suite], "--out", str(arguments.out.resolve())]
    if arguments.suite == "kafka":
        from streams.log.kafka.cluster import find_cluster

        find_cluster()  # says what to do where there is none
        command += ["--runs", str(arguments.runs)]
    for name in arguments.only:
        command += ["--only", name]
    return subprocess.run(command, cwd=ROOT, check=False).returncode
