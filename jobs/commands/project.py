"""``sq project``: orders, fills, positions and P&L of the cluster as PostgreSQL tables."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from jobs.helping import HelpFormatter

if TYPE_CHECKING:
    from connectors.postgres.digest import TableDigest

HELP = """\
Keeps tables of orders, fills, positions and P&L in a PostgreSQL database, each record of the
cluster applied exactly once. The tables hold no truth of their own: they can be made anew from the
topics at any time, and are then the same rows.

actions:
  run       follow the topics until Ctrl-C; may run in several processes
  rebuild   make the tables anew from the topics and put them in place; --check only compares
  status    how far the tables are behind, and how many rows they have
  migrate   bring the tables to a version, --to 0 removes them

examples:
  sq project run --database postgresql://sq@localhost/trading
  sq project rebuild --check
  sq project status --json

The database may also be named by SQ_POSTGRES_URL. Numbers are exact: columns named _raw hold the
log's integers, those beside them decimals.
"""


def add(commands: Any) -> None:
    """Declare the command."""
    command = commands.add_parser(
        "project",
        help="orders, fills, positions, P&L as tables",
        description=HELP,
        formatter_class=HelpFormatter,
    )
    actions = command.add_subparsers(
        dest="action", metavar="ACTION", required=True, help="run, rebuild, status or migrate"
    )
    for name, text in (
        ("run", "follow the topics until Ctrl-C"),
        ("rebuild", "make the tables anew from the topics"),
        ("status", "positions and rows"),
        ("migrate", "bring the tables to a version"),
    ):
        action = actions.add_parser(
            name, help=text, description=text, formatter_class=HelpFormatter
        )
        action.add_argument(
            "--database", default="", metavar="URL", help="PostgreSQL (default: SQ_POSTGRES_URL)"
        )
        action.add_argument(
            "--schema",
            default="",
            help="schema of the tables (default: shrivenquant, then the environment)",
        )
        action.add_argument(
            "--cluster",
            default="",
            metavar="URL",
            help="kafka://HOST:PORT (default: the configured cluster)",
        )
        if name == "rebuild":
            action.add_argument(
                "--check",
                action="store_true",
                help="replace nothing: exit 1 if the topics make other rows",
            )
            action.add_argument(
                "--from-retained",
                action="store_true",
                help="accept that the beginning of a topic is gone",
            )
        if name == "migrate":
            action.add_argument("--to", type=int, metavar="N", help="version (default: the last)")
        if name == "status":
            action.add_argument(
                "--digest", action="store_true", help="a SHA-256 per table as well; reads all rows"
            )
        if name != "run":
            action.add_argument("--json", action="store_true", help="print as JSON")
    command.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Run, rebuild, look or migrate."""
    return {"run": _run, "rebuild": _rebuild, "status": _status, "migrate": _migrate}[
        arguments.action
    ](arguments)


def _run(arguments: argparse.Namespace) -> int:
    import importlib.metadata

    from jobs.projection.place import place
    from jobs.projection.worker import run as follow
    from jobs.telemetry.serving import serve
    from jobs.telemetry.task import ProcessMetrics
    from streams.log.kafka.cluster import home

    found = place(arguments.cluster, arguments.database, arguments.schema)
    process = ProcessMetrics(importlib.metadata.version("shrivenquant"))
    server = serve(process.registry, job="sink", home=home(), environment=found.cluster.environment)
    print(
        f"projecting {found.cluster.bootstrap} to schema {found.schema}; Ctrl-C ends it", flush=True
    )
    try:
        worker = follow(found)
    finally:
        server.close()
    print(f"stopped; {worker.applied} records applied")
    return 0


def _rebuild(arguments: argparse.Namespace) -> int:
    from jobs.projection.place import place
    from jobs.projection.rebuild import check, rebuild

    found = place(arguments.cluster, arguments.database, arguments.schema)
    if not arguments.check:
        made = rebuild(found, arguments.from_retained)
        if arguments.json:
            print(json.dumps({"records": made.records, "tables": _tables(made.tables)}))
        else:
            _print_tables(made.tables)
            print(f"rebuilt: {made.records} records")
        return 0
    compared = check(found)
    if arguments.json:
        tables = {"kept": _tables(compared.kept), "rebuilt": _tables(compared.rebuilt)}
        print(json.dumps({"records": compared.records, **tables, "differing": compared.differing}))
    else:
        _print_tables(compared.kept)
        for name in compared.differing:
            kept, right = compared.kept[name], compared.rebuilt[name]
            print(
                f"{name}: the topics make {right.rows} rows with digest {right.sha256[:16]}, the "
                f"table has {kept.rows} with {kept.sha256[:16]}"
            )
        print(
            "differs; 'sq project rebuild' replaces it"
            if compared.differing
            else f"equal: {compared.records} records make these rows"
        )
    return 1 if compared.differing else 0


def _status(arguments: argparse.Namespace) -> int:
    from connectors.postgres.digest import digests
    from connectors.postgres.marks import marks
    from jobs.projection.place import bounds, has_tables, opened, place, row_counts, waiting_records

    found = place(arguments.cluster, arguments.database, arguments.schema)
    ends = bounds(found)
    with opened(found) as session:
        made = has_tables(session, found.schema)
        applied = marks(session) if made else {}
        rows = row_counts(session) if made else {}
        tables = digests(session, found.schema) if made and arguments.digest else {}
    waiting = waiting_records(found, applied, ends)
    partitions = [
        {
            "topic": key[0],
            "partition": key[1],
            "applied": applied.get(key, 0),
            "end": ends[key][1],
            "waiting": waiting.get(key),
        }
        for key in sorted(ends)
    ]
    if arguments.json:
        digest = {"digests": {name: each.sha256 for name, each in tables.items()}} if tables else {}
        print(
            json.dumps({"schema": found.schema, "partitions": partitions, "rows": rows, **digest})
        )
        return 0
    print(
        f"{'topic':20} {'partition':>9} {'applied to':>12} {'log ends at':>12} "
        f"{'records waiting':>16}"
    )
    for each in partitions:
        left = "many" if each["waiting"] is None else each["waiting"]
        print(
            f"{each['topic']:20} {each['partition']:>9} {each['applied']:>12} {each['end']:>12} "
            f"{left:>16}"
        )
    for name in rows:
        print(f"{name:20} {rows[name]:>12,} rows  {tables[name].sha256 if tables else ''}")
    if not made:
        print(f"schema {found.schema} has no tables yet; 'sq project run' makes them")
    return 0


def _migrate(arguments: argparse.Namespace) -> int:
    from connectors.postgres.migrations import migrate
    from jobs.projection.place import claim, opened, place

    found = place(arguments.cluster, arguments.database, arguments.schema)
    with opened(found) as session:
        claim(session, found.schema, alone=True)
        done = migrate(session, found.schema, arguments.to)
    if arguments.json:
        print(json.dumps({"schema": found.schema, "applied": done}))
    else:
        print("\n".join(done) if done else f"schema {found.schema} is at that version already")
    return 0


def _tables(tables: Mapping[str, TableDigest]) -> dict[str, dict[str, Any]]:
    return {name: {"rows": each.rows, "sha256": each.sha256} for name, each in tables.items()}


def _print_tables(tables: Mapping[str, TableDigest]) -> None:
    for name, each in tables.items():
        print(f"{name:20} {each.rows:>12,} rows  {each.sha256}")
