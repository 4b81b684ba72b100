"""``sq merge``: recordings made side by side, as one."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from jobs.helping import HelpFormatter

HELP = """\
Writes several recordings as one: a symbol each, or days that follow each other. Every instrument
keeps its records and their order; between instruments they lie by time. A symbol that two
recordings hold at the same time is refused, for its trades would count twice.

'sq backtest A B' does the same by itself, and keeps what it merged.
"""
EXAMPLES = """\
example:
  sq merge data/btc data/eth --out data/both
"""


def add(commands: Any) -> None:
    """Declare the command."""
    command = commands.add_parser(
        "merge",
        help="recordings made side by side, as one",
        description=HELP,
        epilog=EXAMPLES,
        formatter_class=HelpFormatter,
    )
    command.add_argument(
        "recordings",
        nargs="+",
        type=Path,
        help="folders that 'sq import', 'sq generate' or 'sq pull' wrote",
    )
    command.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="new folder")
    command.add_argument("--json", action="store_true", help="print the summary as JSON")
    command.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Merge and say what was written."""
    from connectors.merging import merge
    from jobs.progress import ProgressBar

    with ProgressBar("merge", "records") as bar:
        manifest = merge(arguments.recordings, arguments.out, bar.update)
    counts = {topic: facts["count"] for topic, facts in manifest["topics"].items()}
    if arguments.json:
        print(
            json.dumps(
                {"topics": counts, "behind": manifest["behind"], "sources": manifest["sources"]},
                sort_keys=True,
            )
        )
        return 0
    for topic, count in counts.items():
        print(f"  {topic:18} {count:>12,}")
    if manifest["behind"]:
        print(
            "  records behind the time that their instrument had reached, which count at that "
            f"time: {manifest['behind']:,}"
        )
    print(f"merged {len(arguments.recordings)} recordings into {arguments.out}")
    return 0
