"""``sq topics``: what a folder holds."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from jobs.helping import HelpFormatter

HELP = """\
Lists the topics of a recording or a run: record type, records, bytes, last event time.

example:
  sq topics data/toy
"""


def add(commands: Any) -> None:
    """Declare the command."""
    command = commands.add_parser("topics", help="list a folder's topics", description=HELP, formatter_class=HelpFormatter)
    command.add_argument("folder", type=Path, help="recording or run folder")
    command.add_argument("--json", action="store_true", help="print as JSON")
    command.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """One line per topic."""
    from jobs.quantities import instant_text
    from schemas.catalogue import topic as topic_of
    from streams.log.local import LocalLog

    log = LocalLog.open(arguments.folder)
    rows = []
    for name in log.topics():
        reader = log.reader(name)
        size = sum(path.stat().st_size for path in (arguments.folder / name).rglob("*.avro"))
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
    if arguments.json:
        print(json.dumps(rows, sort_keys=True))
        return 0
    print(f"{'topic':20} {'record':18} {'records':>12} {'bytes':>14}  last event time")
    for row in rows:
        print(f"{row['topic']:20} {row['record']:18} {row['records']:>12,} {row['bytes']:>14,}  {row['last_time'] or ''}")
    return 0
