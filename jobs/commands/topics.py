"""``sq topics``: what a folder holds; the catalogue against a cluster."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import msgspec

from jobs.helping import HelpFormatter
from schemas.errors import WrongUse

ACTIONS = ("plan", "apply", "drift")
GIVEN = ("cluster", "topology", "shards", "retention", "stage", "config", "no_registry")
HELP = """\
With a folder: lists the topics of a recording or a run: record type, records, bytes, last event
time.

With plan, apply or drift: holds the catalogue against the cluster.
  plan    what apply would do
  apply   make topics, set their settings, register their schemas; deletes nothing, never changes a
          number of partitions
  drift   list differences; exit code 1 if there are any

examples:
  sq topics data/toy
  sq topics plan
  sq topics apply --shards 4
  sq topics apply --topology market
  sq topics apply --retention md.trades=30d --retention fills=forever
  sq topics drift --topology pipeline --topology market --json
  sq topics apply --stage spread.py:Spread          # also the topic of a stage of your own
"""


def add(commands: Any) -> None:
    """Declare the command."""
    command = commands.add_parser(
        "topics",
        help="a folder's topics, or a cluster's",
        description=HELP,
        formatter_class=HelpFormatter,
    )
    command.add_argument(
        "what",
        metavar="FOLDER|plan|apply|drift",
        help="recording or run folder (./plan for one of that name), or what to do",
    )
    command.add_argument(
        "--cluster",
        default="",
        metavar="URL",
        help="kafka://HOST:PORT (default: the configured cluster)",
    )
    command.add_argument(
        "--topology", action="append", metavar="NAME", help="repeatable (default: pipeline)"
    )
    command.add_argument(
        "--shards",
        type=int,
        metavar="N",
        help="partitions of topics keyed by instrument or account (default: as they are, else 1)",
    )
    command.add_argument(
        "--retention",
        action="append",
        default=[],
        metavar="TOPIC=SPAN",
        help="keep a topic for so long: md.trades=30d, fills=forever; repeatable; [retention] of "
        "the cluster's file says it for good",
    )
    command.add_argument(
        "--stage",
        action="append",
        default=[],
        metavar="FILE.py:CLASS",
        help="a stage of your own, whose topic is wanted too; repeat for more",
    )
    command.add_argument("--config", type=Path, metavar="FILE", help="TOML file with such stages")
    command.add_argument("--no-registry", action="store_true", help="leave schemas alone")
    command.add_argument("--json", action="store_true", help="print as JSON")
    command.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """One line per topic, or per difference."""
    given = [name for name in GIVEN if getattr(arguments, name)]
    if arguments.what in ACTIONS:
        return _cluster(arguments)
    if given:
        raise WrongUse(
            f"--{given[0].replace('_', '-')} goes with plan, apply or drift, not with a folder"
        )
    return _folder(Path(arguments.what), arguments.json)


def _cluster(arguments: argparse.Namespace) -> int:
    from schemas.catalogue import DEFAULT_TOPOLOGY
    from schemas.registry import Registry
    from streams.log.kafka.applying import apply, compare
    from streams.log.kafka.cluster import find_cluster

    _know_topics(arguments)
    if arguments.shards is not None and arguments.shards < 1:
        raise WrongUse("--shards is at least 1")
    cluster = find_cluster(arguments.cluster)
    cluster = msgspec.structs.replace(
        cluster, retention={**cluster.retention, **_retention(arguments.retention)}
    )
    registry = None if arguments.no_registry else Registry(cluster)
    comparison = compare(
        cluster, arguments.topology or [DEFAULT_TOPOLOGY], arguments.shards, registry
    )
    done: list[str] = []
    left = comparison.differences
    if arguments.what == "apply":
        left = apply(cluster, comparison, registry, done.append)
    if arguments.json:
        rows = [each._asdict() for each in left]
        print(
            json.dumps(
                {
                    "cluster": cluster.url,
                    "environment": cluster.environment,
                    "done": done,
                    "differences": rows,
                },
                sort_keys=True,
            )
        )
    else:
        for line in (*done, *_lines(arguments.what, left, len(comparison.wanted))):
            print(line)
    return 1 if arguments.what == "drift" and left else 0


def _know_topics(arguments: argparse.Namespace) -> None:
    """The topics of the user's stages that were given are in the catalogue from here on."""
    from jobs.commands.backtest import with_stages
    from jobs.configuration import build, read_file
    from jobs.user_stages import found_stages

    options = read_file(arguments.config) if arguments.config is not None else {}
    stages = with_stages(options.get("stages", {}), arguments.stage)
    found_stages(build({"strategy": options.get("strategy", "ema-cross"), "stages": stages}))


def _retention(given: list[str]) -> dict[str, str]:
    found = {}
    for each in given:
        name, equals, span = each.partition("=")
        if not equals or not name:
            raise WrongUse(
                f"--retention {each!r} is no TOPIC=SPAN, for example --retention md.trades=30d"
            )
        found[name] = span
    return found


def _lines(what: str, left: list[Any], count: int) -> list[str]:
    """Lines for a person."""
    verbs = {"missing": "make", "setting": "set", "schema": "register", "compatibility": "set"}
    if what == "drift":
        return [
            *map(str, left),
            f"{count} topics compared, {len(left)} differences"
            if left
            else f"{count} topics compared, no drift",
        ]
    if what == "plan":
        lines = [f"{verbs.get(each.kind, 'cannot change')}: {each}" for each in left]
        return [
            *lines,
            f"{sum(each.kind in verbs for each in left)} changes"
            if left
            else f"nothing to do: {count} topics are as they should be",
        ]
    return [
        *(f"left as it is: {each}" for each in left),
        f"{count} topics as the catalogue says" if not left else f"{len(left)} differences stay",
    ]


def _folder(folder: Path, as_json: bool) -> int:
    from jobs.quantities import instant_text
    from schemas.catalogue import topic as topic_of
    from streams.log.local import LocalLog

    log = LocalLog.open(folder)
    rows = []
    for name in log.topics():
        reader = log.reader(name)
        size = sum(path.stat().st_size for path in (folder / name).rglob("*.avro"))
        rows.append(
            {
                "topic": name,
                "record": topic_of(name).record,
                "records": reader.end_offset - reader.start_offset,
                "bytes": size,
                "last_time": instant_text(reader.time_max) if reader.time_max else None,
            }
        )
    log.close()
    if as_json:
        print(json.dumps(rows, sort_keys=True))
        return 0
    print(f"{'topic':20} {'record':18} {'records':>12} {'bytes':>14}  last event time")
    for row in rows:
        print(
            f"{row['topic']:20} {row['record']:18} {row['records']:>12,} {row['bytes']:>14,}  "
            f"{row['last_time'] or ''}"
        )
    return 0
