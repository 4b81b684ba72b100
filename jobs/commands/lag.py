"""``sq lag``: how far behind every group of the cluster is; with ``--serve`` for Prometheus."""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jobs.helping import HelpFormatter

if TYPE_CHECKING:
    from jobs.lag.settings import LagSettings
    from jobs.lag.watching import Snapshot, Watch
    from streams.log.kafka.cluster import Cluster

HELP = """\
How far behind every consumer group of the cluster is, in records and in seconds, worst first.

Records are committed ones: transaction markers and aborted records do not count in a short lag (in
one of more than 2,000 offsets markers may). Seconds are the age of the record that the group reads
next. What is unknown is '?' (null in JSON), and the reason says why.

states:
  OK              nothing waits, or what waits is younger than 10 s
  CATCHING_UP     records wait, and become fewer
  FALLING_BEHIND  records wait, and do not become fewer
  STALLED         records wait, the partition has an owner, its position stands still
  STOPPED         the same without an owner: the group has members, and none reads this partition
  NO_MEMBERS      records wait, and the group has no members
  REWOUND         the position went back
  TXN_BLOCKED     everything decided is read; an open transaction holds back the rest
  DATA_LOSS       retention removed records that the group had not read, or the topic was made anew

One look cannot tell whether a position moves; --watch and --serve look on.

examples:
  sq lag
  sq lag --watch --group 'pipeline.*'
  sq lag --json
  sq lag --serve 9308
"""
WATCH_SECONDS = 2.0
SECOND_LOOK_SECONDS = 1.0
CLEAR = "\x1b[H\x1b[J"


def add(commands: Any) -> None:
    """Declare the command."""
    command = commands.add_parser(
        "lag",
        help="how far behind the groups of a cluster are",
        description=HELP,
        formatter_class=HelpFormatter,
    )
    command.add_argument(
        "cluster",
        nargs="?",
        default="",
        help="kafka://HOST:PORT; default: the one configured or started",
    )
    how = command.add_mutually_exclusive_group()
    how.add_argument("--json", action="store_true", help="print a list of rows as JSON")
    how.add_argument("--watch", action="store_true", help="redraw until interrupted")
    how.add_argument(
        "--serve",
        type=int,
        metavar="PORT",
        help="expose Prometheus metrics until interrupted; 0 takes a free port",
    )
    command.add_argument(
        "--group", default="*", metavar="GLOB", help="only groups whose name matches"
    )
    command.add_argument(
        "--replay-group",
        action="append",
        metavar="GLOB",
        help="groups that replay on purpose (default: *replay*, *backtest*, ...)",
    )
    command.add_argument(
        "--interval",
        type=float,
        metavar="SECONDS",
        help="between two collections (default: 2 to watch, 5 to serve)",
    )
    command.add_argument(
        "--window",
        type=float,
        metavar="SECONDS",
        default=60.0,
        help="how far back states and rates look (default 60)",
    )
    command.add_argument(
        "--calendar",
        type=Path,
        metavar="FILE",
        help="with --serve: when which market is expected to be quiet (TOML)",
    )
    command.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print lag once, again and again, or serve it."""
    from jobs.lag.cluster import KafkaLagSource
    from jobs.lag.settings import LagSettings
    from jobs.lag.watching import Watch
    from streams.log.kafka.cluster import find_cluster

    settings = LagSettings(
        groups=arguments.group, window_seconds=_positive(arguments.window, "--window")
    )
    if arguments.replay_group:
        settings = _replaying(settings, tuple(arguments.replay_group))
    cluster = find_cluster(arguments.cluster)
    source = KafkaLagSource(cluster, settings)
    watch = Watch(source, settings, environment=cluster.environment)
    try:
        if arguments.serve is not None:
            return _serve(watch, cluster, arguments)
        if arguments.watch:
            return _watch(watch, arguments)
        return _once(watch, arguments.json)
    finally:
        source.close()


def _once(watch: Watch, as_json: bool) -> int:
    from jobs.lag.table import rows, text

    snapshot = watch.collect()
    if any(lag.state is None and lag.reason != "no_commit" for lag in snapshot.lags):
        time.sleep(SECOND_LOOK_SECONDS)
        snapshot = watch.collect()
    print(json.dumps(rows(snapshot.lags)) if as_json else text(snapshot.lags))
    return _warn(snapshot)


def _watch(watch: Watch, arguments: argparse.Namespace) -> int:
    from jobs.lag.table import text
    from schemas.errors import ShrivenError

    interval = _positive(arguments.interval or WATCH_SECONDS, "--interval")
    clear = CLEAR if sys.stdout.isatty() else ""
    found = False
    while True:
        try:
            snapshot = watch.collect()
            found = True
            lines = shutil.get_terminal_size().lines - 6 if clear else None
            print(
                f"{clear}{time.strftime('%H:%M:%S')}  "
                f"{watch.settings.groups}\n{text(snapshot.lags, lines)}",
                flush=True,
            )
            _warn(snapshot)
        except ShrivenError as problem:
            if not found:
                raise
            print(f"{clear}{time.strftime('%H:%M:%S')}  {problem}", flush=True)
        except KeyboardInterrupt:
            return 0
        try:
            time.sleep(interval)
        except KeyboardInterrupt:
            return 0


def _serve(watch: Watch, cluster: Cluster, arguments: argparse.Namespace) -> int:
    import signal
    import threading

    from jobs.lag.exporter import LagExporter, serve
    from jobs.lag.quiet import Calendar, load
    from jobs.telemetry.logs import library_logger
    from streams.log.kafka.cluster import home

    calendar = load(arguments.calendar) if arguments.calendar else Calendar()
    exporter = LagExporter(watch, _positive(arguments.interval or 5.0, "--interval"), calendar)
    library_logger(exporter.log)
    stopped = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopped.set())
    server = serve(exporter, arguments.serve, environment=cluster.environment, home=home())
    print(f"metrics=http://127.0.0.1:{server.port}/metrics", flush=True)
    stopped.wait()
    server.close()
    exporter.stop()
    return 0


def _warn(snapshot: Snapshot) -> int:
    """Say what could not be read; 1 if that is so because we may not."""
    from jobs.lag.exporter import BLIND, NOT_AUTHORISED

    failures = snapshot.reading.failures
    refused = sorted(
        {topic for (topic, _), reason in snapshot.reading.unreadable.items() if reason in BLIND}
    )
    if BLIND & set(failures):
        sys.stderr.write(
            f"sq: {NOT_AUTHORISED}{f'; refused: {chr(44).join(refused)}' if refused else ''}\n"
        )
    for cause, count in failures.items():
        if cause in BLIND:
            continue
        sys.stderr.write(f"sq: {count} groups or partitions could not be read: {cause}\n")
    return int(bool(BLIND & set(failures)))


def _replaying(settings: LagSettings, globs: tuple[str, ...]) -> LagSettings:
    import msgspec

    return msgspec.structs.replace(settings, replay_groups=globs)


def _positive(seconds: float, name: str) -> float:
    from schemas.errors import WrongUse

    if not 0 < seconds < 1e6:
        raise WrongUse(f"{name} {seconds:g} is no time span; give seconds above 0")
    return seconds
