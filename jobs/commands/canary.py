"""``sq canary``: marked ticks through the running topologies, counted."""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any

from jobs.helping import HelpFormatter

HELP = """\
Writes a marked tick into md.depth and md.trades of every running shard, every few seconds, and
looks for its trace: a committed batch of the journal that consumed it; for 'sq run market' under
the wall clock the quote as well that was made of it. Counts ticks sent, seen, lost (no trace within
the bound), late (lost, then seen) and seen twice, and measures the time between. Whatever stops a
shard, a stage or the broker shows here.

The tick's instrument (id 4095) does not exist: where orders are made, no stage ever gets it. A
shard that has not consumed anything yet is left alone.

With --count it ends after that many ticks; exit code 1 if one was lost or seen twice.

examples:
  sq canary
  sq canary --count 5
  sq canary --topology pipeline --interval 5s --bound 10s --serve 9310
"""


def add(commands: Any) -> None:
    """Declare the command."""
    command = commands.add_parser(
        "canary",
        help="marked ticks through running topologies",
        description=HELP,
        formatter_class=HelpFormatter,
    )
    command.add_argument(
        "cluster",
        nargs="?",
        default="",
        help="kafka://HOST:PORT; default: the one configured or started",
    )
    command.add_argument(
        "--topology", default="", metavar="NAME", help="only this one (default: all that run)"
    )
    command.add_argument(
        "--interval", default="5s", metavar="DURATION", help="between two ticks (default 5s)"
    )
    command.add_argument(
        "--bound",
        default="10s",
        metavar="DURATION",
        help="a tick without a trace after this is lost (default 10s)",
    )
    command.add_argument(
        "--count",
        type=int,
        default=0,
        metavar="N",
        help="end after N ticks; default: go on until interrupted",
    )
    command.add_argument(
        "--serve",
        type=int,
        default=0,
        metavar="PORT",
        help="port of the Prometheus metrics (default: a free one)",
    )
    command.add_argument("--json", action="store_true", help="print the counts as JSON at the end")
    command.set_defaults(run=run)


def _say(text: str) -> None:
    sys.stderr.write(f"sq: {text}\n")
    sys.stderr.flush()


def run(arguments: argparse.Namespace) -> int:
    """Fly until told to stop."""
    import signal
    import threading

    from jobs.canary.flight import Flight
    from jobs.quantities import duration
    from jobs.telemetry.serving import serve
    from schemas.errors import WrongUse
    from streams.log.kafka.cluster import home
    from streams.log.kafka.errors import reached_cluster

    interval, bound = duration(arguments.interval) / 1e9, duration(arguments.bound) / 1e9
    if interval <= 0 or bound <= 0 or arguments.count < 0:
        raise WrongUse(
            "--interval and --bound are durations above 0, for example 5s; --count is 0 or more"
        )
    cluster = reached_cluster(arguments.cluster)
    flight = Flight(cluster, arguments.topology, interval, bound, _say)
    stopped = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopped.set())
    server = serve(
        flight.registry, arguments.serve, job="canary", home=home(), environment=cluster.environment
    )
    _say(f"metrics=http://127.0.0.1:{server.port}/metrics")
    try:
        flight.fly(stopped, arguments.count)
    finally:
        server.close()
        flight.close()
    rows = flight.rows()
    if arguments.json:
        print(json.dumps(rows))
    for row in [] if arguments.json else rows:
        counts = ", ".join(
            f"{row[name]} {name}" for name in ("sent", "seen", "lost", "late", "duplicates")
        )
        print(
            f"{row['topology']} shard {row['shard']} {row['witness']}: {counts}; slowest "
            f"{row['slowest_seconds'] * 1000:.0f} ms"
        )
    return int(
        bool(arguments.count)
        and (not rows or any(row["lost"] or row["duplicates"] for row in rows))
    )
