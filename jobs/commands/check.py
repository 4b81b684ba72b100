"""``sq check``: the quality of a recording."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jobs.helping import HelpFormatter
from schemas.errors import WrongUse

HELP = """\
Reads a recording, or the market topics of a run, and says what is wrong with it: gaps of ids,
duplicates, times that go back, silences, clocks, crossed and unsynced books, prices off the tick or
far from the last, bars that cannot be. Where the recording carries the venue's own truth it is
compared: the book's top with md.book_tickers, bars of md.trades with md.bars, and every topic with
the digest in the manifest.

Exit code 0: no errors (warnings are printed); 1: errors, with --strict warnings too; 2: wrong use.
--certificate writes what was found, over which records and by which code; --compare checks again
under the limits of a certificate and says whether anything differs.
"""
EXAMPLES = """\
examples:
  sq check data/btc
  sq check data/btc --silence 5s --jump 2 --strict
  sq check data/btc --certificate btc.check.json
  sq check data/btc --compare btc.check.json
"""


def add(commands: Any) -> None:
    """Declare the command."""
    command = commands.add_parser(
        "check",
        help="the quality of a recording",
        description=HELP,
        epilog=EXAMPLES,
        formatter_class=HelpFormatter,
    )
    command.add_argument("folder", help="recording or run folder")
    command.add_argument(
        "--silence",
        metavar="TIME",
        help="time without a record that is a finding (default: 100 times the topic's median gap, "
        "at least 10s)",
    )
    command.add_argument(
        "--jump",
        type=float,
        metavar="PERCENT",
        help="change of the price in one print that is a finding (default 5)",
    )
    command.add_argument("--strict", action="store_true", help="exit 1 for warnings too")
    command.add_argument(
        "--certificate", type=Path, metavar="FILE", help="new file: what was found"
    )
    command.add_argument(
        "--compare", type=Path, metavar="FILE", help="a certificate to check the folder against"
    )
    command.add_argument("--json", action="store_true", help="print the findings as JSON")
    command.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Check, and say what was found."""
    from jobs.checking import certificate
    from jobs.checking.checker import check_folder
    from jobs.checking.document import has_errors
    from jobs.progress import ProgressBar
    from streams.log.kafka.cluster import is_cluster

    if is_cluster(arguments.folder):
        raise WrongUse("a folder is checked, not a cluster; 'sq pull' makes one of it")
    folder = Path(arguments.folder)
    said: Mapping[str, Any] | None = None
    if arguments.compare is not None:
        said = certificate.read(arguments.compare)
    limits = certificate.limits_of(said, arguments.silence, arguments.jump)
    if arguments.certificate is not None:
        certificate.check_place(arguments.certificate, folder)
    with ProgressBar("check", "records") as bar:
        found = check_folder(folder, limits, bar.update)
    if arguments.certificate is not None:
        certificate.write(arguments.certificate, found)
    differences = certificate.differences(said, found) if said is not None else []
    code = int(has_errors(found, arguments.strict) if said is None else bool(differences))
    if arguments.json:
        compared = {} if said is None else {"differences": differences}
        print(json.dumps({**found, **compared}, sort_keys=True))
        return code
    from jobs.checking.printing import lines

    for line in lines(found):
        print(line)
    if said is not None:
        for line in certificate.verdict(said, found, differences):
            print(line)
    if arguments.certificate is not None:
        print(f"certificate: {arguments.certificate}")
    return code
