"""``sq import``: recorded market data into topics."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from jobs.helping import HelpFormatter

HELP = """\
Reads raw web-socket recordings (one line a frame: receive time, a space, the frame's JSON; gzip, plain or a pipe; several files in order are
one recording) into topics: ref.instruments, md.trades, md.depth, md.book_tickers. Lines that cannot be used go to import.dlq with their reason,
file and line number; every good line around them is kept.
"""
EXAMPLES = """\
example:
  sq import binance btcusdt_20240808.gz btcusdt_20240809.gz --out data/btc
  sq import binance <(xzcat btcusdt.xz) --unit us --out data/btc
"""


def add(commands: Any) -> None:
    """Declare the command."""
    command = commands.add_parser(
        "import", help="recorded market data into topics", description=HELP, epilog=EXAMPLES, formatter_class=HelpFormatter
    )
    command.add_argument("venue", choices=("binance",), help="whose frames")
    command.add_argument("files", nargs="+", type=Path, help="recorder files, in time order")
    command.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="new folder")
    command.add_argument("--instruments", type=Path, metavar="FILE", help="TOML file that adds to or overrides the instruments that ship")
    command.add_argument("--unit", choices=("ms", "us"), help="unit of spot event times (default: by the size of each)")
    command.add_argument("--json", action="store_true", help="print the summary as JSON")
    command.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Import; exit 1 if a file was cut short."""
    from connectors.captures.importer import import_binance
    from jobs.progress import ProgressBar
    from jobs.quantities import instant_text

    with ProgressBar("import", "bytes") as bar:
        summary = import_binance(arguments.files, arguments.out, arguments.instruments, bar.update, arguments.unit)
    if arguments.json:
        print(json.dumps(summary.to_dict(), sort_keys=True))
    else:
        for topic, count in summary.counts.items():
            print(f"  {topic:18} {count:>12,}")
        for reason, count in sorted(summary.reasons.items()):
            print(f"  dead letter: {reason:30} {count:>8,}")
        for remark in summary.remarks():
            print(f"  {remark}")
        if summary.first_time:
            print(f"{', '.join(summary.symbols)}: {instant_text(summary.first_time)} to {instant_text(summary.last_time)}; {arguments.out}")
    for damage in summary.damages:
        sys.stderr.write(f"sq: {damage.file}: {damage.text} (after line {damage.line:,}); everything else was read and is kept\n")
    return 1 if summary.damages else 0
