"""``sq bench``: the figures, measured here and now, beside their peers'."""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from jobs.helping import HelpFormatter
from schemas.errors import WrongUse

ROOT = Path(__file__).resolve().parents[2]
HELP = """\
Measures and writes build/bench.json: one row per (name, peer) with value, unit, the peer's value,
their ratio and the raw runs. Runs of ours and the peer's alternate in the same minute. 'make
bench-peers' installs the peers in environments of their own; rows whose peer is absent say so.

suites:
  core    codec, log, book, venue, the whole pipeline (sparse, dense, Python strategies), exact
          replay, orders, latency, recovery
  kafka   throughput beside Kafka Streams, Quix and Faust, latency beside Kafka Streams, depth, a
          ledger, kill switch, recovery, verification; on the configured cluster, in environments of
          their own; without one, on a local cluster that is started for it and removed

examples:
  sq bench core --only replay
  sq bench kafka --runs 5
  sq bench kafka --only kafka.latency
"""
OWN = ROOT / "build" / "bench" / "kafka" / "cluster"
SUITES = {"core": "tests.benchmarks.core", "kafka": "tests.benchmarks.kafka.suite"}


def add(commands: Any) -> None:
    """Declare the command."""
    command = commands.add_parser(
        "bench", help="measure, beside the peers", description=HELP, formatter_class=HelpFormatter
    )
    command.add_argument("suite", choices=tuple(SUITES), help="which figures")
    command.add_argument(
        "--only",
        action="append",
        default=[],
        metavar="NAME",
        help="only rows whose name begins so; repeat for more",
    )
    command.add_argument(
        "--out",
        type=Path,
        default=Path("build/bench.json"),
        help="file to write (default build/bench.json)",
    )
    command.add_argument(
        "--runs", type=int, default=3, metavar="N", help="kafka: runs of each (default 3)"
    )
    command.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Run the suite from the source tree, where the benchmarks are."""
    from streams.log.local import refuse_within_log

    if not (ROOT / "tests" / "benchmarks" / "core.py").is_file():
        raise WrongUse(
            "the benchmarks are in the source tree; run this command from a clone set up with "
            "'make setup'"
        )
    if arguments.runs < 1:
        raise WrongUse("--runs is at least 1")
    if arguments.out.is_dir():
        raise WrongUse(f"{arguments.out} is a folder; name a file")
    refuse_within_log(arguments.out.parent)
    command = [sys.executable, "-m", SUITES[arguments.suite], "--out", str(arguments.out.resolve())]
    for name in arguments.only:
        command += ["--only", name]
    if arguments.suite == "core":
        return subprocess.run(command, cwd=ROOT, check=False).returncode
    with _cluster() as variables:
        return subprocess.run(
            [*command, "--runs", str(arguments.runs)], cwd=ROOT, env=variables, check=False
        ).returncode


@contextmanager
def _cluster() -> Iterator[dict[str, str]]:
    """Environment variables that name the configured cluster, or one of the benchmark's own for as
    long as it lasts.
    """
    from infra.kafka.local import LocalCluster
    from streams.log.kafka.cluster import HOME, NoCluster, find_cluster

    try:
        find_cluster()
    except NoCluster:
        pass
    else:
        yield dict(os.environ)
        return
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that what was started is ended
    OWN.mkdir(parents=True, exist_ok=True)
    own = LocalCluster(OWN)
    try:
        own.up(lambda text: print(f"kafka: {text}", file=sys.stderr, flush=True))
        yield {**os.environ, HOME: str(OWN)}
    finally:
        own.down(wipe=True)
