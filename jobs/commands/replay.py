"""``sq replay``: repeat a run into a new folder."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from jobs.collector import without_collector
from jobs.helping import HelpFormatter
from jobs.progress import ProgressBar
from schemas.errors import WrongUse

HELP = """\
Repeats a run into a new folder and compares the topics' digests.

modes:
  exact    the journal's order of inputs, batch for batch (the default)
  merge    the inputs merged anew by event time, as a backtest does

example:
  sq replay runs/a --mode exact --out runs/c
"""


def add(commands: Any) -> None:
    """Declare the command."""
    command = commands.add_parser(
        "replay",
        help="repeat a run into a new folder",
        description=HELP,
        formatter_class=HelpFormatter,
    )
    command.add_argument("run_folder", type=Path, metavar="RUN", help="finished run folder")
    command.add_argument(
        "--mode", choices=("exact", "merge"), default="exact", help="whose order of inputs"
    )
    command.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="new run folder")
    command.add_argument(
        "--input", type=Path, metavar="FOLDER", help="the recording, where it has moved since"
    )
    command.add_argument(
        "--run-strategy",
        action="store_true",
        help="execute a strategy you have not run before, in a process of its own",
    )
    command.add_argument("--json", action="store_true", help="print the comparison as JSON")
    command.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Replay and compare; exit 1 if a topic differs."""
    from jobs.reports import write_reports
    from jobs.runs import MANIFEST, Backtest, configuration_of, open_run
    from jobs.strangers import judging
    from streams.log.manifest import read_manifest
    from streams.runtime.journal.made_by import check_version

    if not (arguments.run_folder / MANIFEST).is_file():
        raise WrongUse(
            f"{arguments.run_folder} is not a finished run; finish it with the same 'sq backtest' "
            "command first"
        )
    if arguments.out.resolve() == arguments.run_folder.resolve():
        raise WrongUse("--out is the run itself; choose another folder")
    log, facts = open_run(arguments.run_folder)
    log.close()
    if arguments.mode == "exact":
        check_version(facts, str(arguments.run_folder))
    before = read_manifest(arguments.run_folder / MANIFEST).get("topics", {})
    recording = arguments.input if arguments.input is not None else Path(facts["input_path"])
    configuration = configuration_of(arguments.run_folder, facts)
    with (
        judging(arguments.run_strategy) as judgement,
        without_collector(),
        ProgressBar("replay", "records") as bar,
    ):
        script = arguments.run_folder if arguments.mode == "exact" else None
        backtest = Backtest(
            configuration,
            recording,
            arguments.out,
            lambda p: bar.update(p.consumed, p.total),
            script_of=script,
        )
        result = backtest.run(lambda folder, manifest: write_reports(folder, manifest))
    for note in judgement.notes:
        sys.stderr.write(f"sq: {note}\n")
    now = result.manifest["topics"]
    names = sorted(
        name for name in before.keys() | now.keys() if not name.endswith((".journal", ".snapshots"))
    )
    differing = [name for name in names if before.get(name) != now.get(name)]
    if arguments.json:
        print(json.dumps({"topics": len(names), "differing": differing}, sort_keys=True))
    elif differing:
        print(f"{len(differing)} of {len(names)} topics differ: {', '.join(differing)}")
    else:
        print(
            f"replayed ({arguments.mode}): {result.manifest['records']} records, {len(names)} "
            "topics, all digests equal"
        )
    return 1 if differing else 0
