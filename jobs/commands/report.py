"""``sq report``: write a finished run's report again."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from jobs.helping import HelpFormatter
from schemas.errors import WrongUse

HELP = """\
Writes report.html (one self-contained page), report.json and CSV files from a finished run. The same run gives the same bytes.

example:
  sq report runs/a --out /tmp/tearsheet
"""


def add(commands: Any) -> None:
    """Declare the command."""
    command = commands.add_parser("report", help="write a run's tear sheet", description=HELP, formatter_class=HelpFormatter)
    command.add_argument("run_folder", type=Path, metavar="RUN", help="finished run folder")
    command.add_argument("--out", type=Path, help="folder for the files (default: the run folder)")
    command.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Write the files and name them."""
    from jobs.facts import check_run_manifest
    from jobs.reports import write_reports
    from jobs.runs import MANIFEST, open_run
    from streams.log.local import refuse_within_log
    from streams.log.manifest import read_manifest

    if arguments.out is not None and arguments.out.exists() and not arguments.out.is_dir():
        raise WrongUse(f"{arguments.out} is a file; give a folder for the report's files")
    if arguments.out is not None:
        refuse_within_log(arguments.out, own=arguments.run_folder)
    log, _ = open_run(arguments.run_folder)
    if not (arguments.run_folder / MANIFEST).is_file():
        raise WrongUse(f"{arguments.run_folder} is not a finished run; finish it with the same 'sq backtest' command first")
    try:
        manifest = read_manifest(arguments.run_folder / MANIFEST)
        check_run_manifest(manifest, str(arguments.run_folder / MANIFEST))
        for path in write_reports(log, manifest, arguments.out):
            print(path)
    finally:
        log.close()
    return 0
