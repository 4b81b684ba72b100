"""``sq archive``: keep what a journal needs before retention removes it."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from jobs.helping import HelpFormatter

HELP = """\
Appends to an archive whatever a topology's journal has come to need since the last run: its
journal, what it consumed, what it published, every shard. Run it regularly; what lies there already
is not read again. Warns where retention would soon have removed records that were not archived yet,
and fails where it has. A shard's folder is what 'sq pull' writes: 'sq verify' proves it.
"""
EXAMPLES = """\
examples:
  sq archive --topology pipeline --out archive
  sq archive kafka://broker:9092 --topology pipeline --out archive --warn 2d
"""


def add(commands: Any) -> None:
    """Declare the command."""
    command = commands.add_parser(
        "archive",
        help="keep what a topology's journal needs",
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
        "--topology", default="pipeline", metavar="NAME", help="which topology (default pipeline)"
    )
    command.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="the archive")
    command.add_argument(
        "--warn",
        default="1d",
        metavar="DURATION",
        help="warn where less time was left than this (default 1d)",
    )
    command.add_argument("--json", action="store_true", help="print the summary as JSON")
    command.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Archive; exit 1 where a record had less than the warning time left."""
    import msgspec

    from connectors.pulling.archive import archive_topology
    from jobs.progress import ProgressBar
    from jobs.quantities import duration
    from streams.log.kafka.errors import reached_cluster

    warn_seconds = duration(arguments.warn) / 1e9
    with ProgressBar("archive", "offsets") as bar:
        archived = archive_topology(
            reached_cluster(arguments.cluster), arguments.topology, arguments.out, bar.update
        )
    near = [
        (each, margin)
        for each in archived
        for margin in each.margins
        if margin.seconds is not None and margin.seconds < warn_seconds
    ]
    for each, margin in near:
        left = f"{max(0.0, margin.seconds or 0.0) / 3600:.1f} h"
        what = (
            f"{margin.topic} from offset {margin.archived_end} on had {left} left before retention"
        )
        sys.stderr.write(f"sq: shard {each.folder.name}: {what}; archive more often\n")
    if arguments.json:
        rows = [
            {
                "folder": str(each.folder),
                "added": each.added,
                "margins": msgspec.to_builtins(each.margins),
            }
            for each in archived
        ]
        print(json.dumps(rows, sort_keys=True))
    else:
        for each in archived:
            state = (
                "closed with its topology"
                if each.pulled is None or each.pulled.needs.is_closed
                else "up to the journal's end"
            )
            print(f"{each.folder}: {each.added:,} new records, {state}")
    return 1 if near else 0
