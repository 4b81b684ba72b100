"""``sq export``: a topic as a file that other tools read."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from jobs.helping import HelpFormatter

HELP = """\
Writes a topic of a recording or a run to a Parquet, CSV or Arrow file, one row a record and one
column a field. Prices and quantities are integers at the instrument's precision; --decimal writes
them as decimals and times as instants. FILE.json beside it says what each column is, in which unit,
where the records came from, and the topic's digest.

'sq import exported FILE' makes the topic of it again, and says whether it is the same to the byte.
"""
EXAMPLES = """\
examples:
  sq export data/toy --topic md.trades --out trades.parquet
  sq export runs/a --topic fills --out fills.csv --decimal
  sq import exported trades.parquet --out data/again
"""
ENDINGS = {".parquet": "parquet", ".csv": "csv", ".arrow": "arrow", ".ipc": "arrow"}


def add(commands: Any) -> None:
    """Declare the command."""
    command = commands.add_parser(
        "export",
        help="a topic as a Parquet, CSV or Arrow file",
        description=HELP,
        epilog=EXAMPLES,
        formatter_class=HelpFormatter,
    )
    command.add_argument("folder", type=Path, help="recording or run folder")
    command.add_argument("--topic", required=True, metavar="NAME", help="see 'sq topics'")
    command.add_argument(
        "--out", type=Path, metavar="FILE", help="new file (default: TOPIC.FORMAT here)"
    )
    command.add_argument(
        "--format",
        choices=("parquet", "csv", "arrow"),
        help="default: by the ending of --out, else parquet",
    )
    command.add_argument(
        "--decimal",
        action="store_true",
        help="prices, quantities and amounts as decimals, times as instants",
    )
    command.add_argument("--json", action="store_true", help="print the description as JSON")
    command.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Export and say what was written."""
    import msgspec

    from jobs.exporting.topic_file import export_topic
    from jobs.progress import ProgressBar

    ending = ENDINGS.get(arguments.out.suffix) if arguments.out is not None else None
    chosen = arguments.format or ending or "parquet"
    out = arguments.out or Path(f"{arguments.topic}.{chosen}")
    with ProgressBar("export", "records") as bar:
        described = export_topic(
            arguments.folder, arguments.topic, out, chosen, arguments.decimal, bar.update
        )
    if arguments.json:
        print(json.dumps({"file": str(out), **msgspec.to_builtins(described)}, sort_keys=True))
        return 0
    print(
        f"{described.records:,} records of {described.topic} in {out}, {chosen}; columns, units "
        f"and origin in {out.name}.json"
    )
    return 0
