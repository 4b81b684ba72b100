"""``sq pull``: from a cluster to a folder."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from jobs.helping import HelpFormatter

HELP = """\
With --topology: one shard of a topology - its journal, everything it consumed, everything it
published - as a run folder that 'sq verify' proves, without the cluster. Without: market data,
reference data and control by time, as a recording that 'sq backtest' takes.

Bodies are copied as they are, the registry framing taken off; fastavro and polars read every file.
Of another version's schema, a topology's outputs are kept with it and everything else is written
with this version's. A topology's topics keep their Kafka offsets. An interrupted pull goes on with
the same command; --fresh starts over.
"""
EXAMPLES = """\
examples:
  sq pull kafka://broker:9092 --topology pipeline --out data/day
  sq pull kafka://broker:9092 --topology pipeline --shard 1 --to 2026-01-05T16:00 --out data/day1
  sq pull kafka://broker:9092 --from 2026-01-05 --to 2026-01-06 --by event-time --out data/monday
"""


def add(commands: Any) -> None:
    """Declare the command."""
    command = commands.add_parser(
        "pull",
        help="from Kafka to a folder",
        description=HELP,
        epilog=EXAMPLES,
        formatter_class=HelpFormatter,
    )
    command.add_argument(
        "cluster",
        nargs="?",
        default="",
        metavar="URL",
        help="kafka://HOST:PORT (default: the configured cluster)",
    )
    command.add_argument(
        "--out",
        type=Path,
        required=True,
        metavar="FOLDER",
        help="folder to write, or to go on with",
    )
    command.add_argument(
        "--topology", metavar="NAME", help="pull this topology; without it, a recording"
    )
    command.add_argument(
        "--shard",
        type=int,
        metavar="N",
        help="which shard, or partition of a recording (default 0)",
    )
    command.add_argument(
        "--from", dest="from_", metavar="TIME", help="recording: from this time on (ISO 8601, UTC)"
    )
    command.add_argument(
        "--to",
        metavar="TIME",
        help="up to this time; of a topology, the last batch whose clock is not later",
    )
    command.add_argument(
        "--by",
        choices=("event-time", "log-time"),
        default="event-time",
        help="which time --from and --to mean in a recording",
    )
    command.add_argument(
        "--topics",
        metavar="LIST",
        help="recording: only these topics, separated by commas (ref.* come always)",
    )
    command.add_argument("--fresh", action="store_true", help="delete the folder first")
    command.add_argument("--json", action="store_true", help="print the summary as JSON")
    command.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Pull; exit 1 if records were left out that no dead letter holds."""
    from jobs.pulling import delete_pulled
    from streams.log.kafka.errors import reached_cluster

    cluster = reached_cluster(arguments.cluster)
    if arguments.fresh:
        delete_pulled(arguments.out)
    return _topology(arguments, cluster) if arguments.topology else _recording(arguments, cluster)


def _topology(arguments: argparse.Namespace, cluster: Any) -> int:
    from connectors.pulling.topology import TopologyPull, close_pulled, open_target
    from jobs.progress import ProgressBar
    from jobs.pulling import already_pulled
    from jobs.quantities import instant
    from schemas.errors import WrongUse

    if arguments.from_ or arguments.topics:
        raise WrongUse(
            "a topology is proven from its beginning, with all its topics: give --to only, or "
            "leave --topology out for a recording"
        )
    told = already_pulled(arguments.out, arguments.topology, arguments.shard or 0)
    if told:
        print(told)
        return 0
    to = instant(arguments.to) if arguments.to else None
    with ProgressBar("pull", "offsets") as bar:
        pull = TopologyPull(cluster, arguments.topology, arguments.shard or 0, to, bar.update)
        with open_target(arguments.out) as folder:
            pulled = pull.pull(folder)
            manifest = close_pulled(folder, pulled, cluster)
    for topic, found in pulled.undecodable.items():
        offsets = ", ".join(str(offset) for offset, _ in found[:5])
        what = f"{len(found)} records do not decode and are no dead letters of {arguments.topology}"
        sys.stderr.write(f"sq: {topic}: {what}; left out: offset {offsets}\n")
    if arguments.json:
        facts = {
            key: manifest[key]
            for key in ("status", "batches", "records", "clock_end", "topics", "undecodable")
        }
        print(json.dumps(facts | {"runs_on": pulled.runs_on}, sort_keys=True))
        return 1 if pulled.undecodable else 0
    for topic, count in pulled.counts.items():
        print(f"  {topic:18} {count:>12,}")
    state = (
        ""
        if pulled.needs.is_closed
        else "; the topology is not closed, this is what it had committed"
    )
    print(f"{pulled.needs.batches} batches, {pulled.needs.records:,} records consumed{state}")
    print(f"proof: sq verify {arguments.out}")
    return 1 if pulled.undecodable else 0


def _recording(arguments: argparse.Namespace, cluster: Any) -> int:
    from connectors.pulling.recording import RecordingPull, Window
    from jobs.progress import ProgressBar
    from jobs.quantities import instant

    window = Window(
        begin=instant(arguments.from_) if arguments.from_ else None,
        end=instant(arguments.to) if arguments.to else None,
        by=arguments.by,
    )
    topics = [each.strip() for each in arguments.topics.split(",")] if arguments.topics else []
    with ProgressBar("pull", "offsets") as bar:
        manifest = RecordingPull(cluster, window, topics, arguments.shard, bar.update).pull(
            arguments.out
        )
    if arguments.json:
        print(
            json.dumps(
                {key: manifest[key] for key in ("topics", "sources", "undecodable")}, sort_keys=True
            )
        )
        return 0
    for topic, facts in manifest["topics"].items():
        print(f"  {topic:18} {facts['count']:>12,}")
    if manifest["undecodable"]:
        sys.stderr.write(
            f"sq: {manifest['undecodable']} records do not decode; they are in import.dlq\n"
        )
    print(f"a recording: sq backtest {arguments.out} --strategy ema-cross --out runs/a")
    return 0
