"""``sq report``: write a finished run's report again."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from jobs.helping import HelpFormatter
from schemas.errors import WrongUse

HELP = """\
Writes report.html (one self-contained page), report.json and CSV files from a finished run. The
same run gives the same bytes.

example:
  sq report runs/a --out /tmp/tearsheet
"""


def add(commands: Any) -> None:
    """Declare the command."""
    command = commands.add_parser(
        "report", help="write a run's tear sheet", description=HELP, formatter_class=HelpFormatter
    )
    command.add_argument("run_folder", type=Path, metavar="RUN", help="finished run folder")
    command.add_argument("--out", type=Path, help="folder for the files (default: the run folder)")
    command.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Write the files and name them."""
    from jobs.reports import open_finished, write_reports
    from streams.log.local import refuse_within_log

    if arguments.out is not None and arguments.out.exists() and not arguments.out.is_dir():
        raise WrongUse(f"{arguments.out} is a file; give a folder for the report's files")
    if arguments.out is not None:
        refuse_within_log(arguments.out, own=arguments.run_folder)
    log, manifest = open_finished(arguments.run_folder)
    with log:
        for path in write_reports(log, manifest, arguments.out):
            print(path)
    return 0
