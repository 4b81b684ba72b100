"""``sq features``: the measures of a recording, in numbers and over time."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from jobs.helping import HelpFormatter

HELP = """\
Runs the market's stages over a recording, without a strategy and without a run folder, and prints
what they measure: of each instrument and field how often it is known, why it is null, mean and
quantiles. Prices and quantities are in whole units of the instrument.

The fields are those of md.features, md.toxicity and md.microstructure (docs/reference/features.md).
"""
EXAMPLES = """\
examples:
  sq features data/toy
  sq features data/toy --topic md.microstructure --plot micro.html
  sq features data/toy --plot vpin.svg --field vpin,vpin_null,kyle_lambda
  sq features data/toy --config run.toml --to 2024-01-01T00:30:00 --json
"""


def add(commands: Any) -> None:
    """Declare the command."""
    command = commands.add_parser(
        "features",
        help="measures of a recording: summary and charts",
        description=HELP,
        epilog=EXAMPLES,
        formatter_class=HelpFormatter,
    )
    command.add_argument("recording", type=Path, help="folder that 'sq import' or the like wrote")
    command.add_argument(
        "--topic", action="append", default=[], metavar="NAME", help="only this; repeat for more"
    )
    command.add_argument("--symbols", metavar="LIST", help="only these, separated by commas")
    command.add_argument("--to", metavar="TIME", help="stop reading before this time")
    command.add_argument(
        "--config", type=Path, metavar="FILE", help="TOML file; its stages' tables count"
    )
    command.add_argument(
        "--plot", type=Path, metavar="FILE", help="draw them: a page (.html) or a picture (.svg)"
    )
    command.add_argument(
        "--field", default="", metavar="LIST", help="draw these only, separated by commas"
    )
    command.add_argument("--json", action="store_true", help="print the summary as JSON")
    command.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Measure, print, draw."""
    from jobs.configuration import build, read_file
    from jobs.measuring.drawing import chosen_fields, draw, ending_of
    from jobs.measuring.running import check_topics, measure
    from jobs.measuring.summary import summary_of, table_of
    from jobs.progress import ProgressBar
    from jobs.quantities import instant_text

    topics = check_topics(arguments.topic)
    fields = chosen_fields(topics, arguments.field)
    if arguments.plot is not None:
        ending_of(arguments.plot)
    options = read_file(arguments.config) if arguments.config is not None else {}
    given = {"symbols": arguments.symbols, "to": arguments.to}
    options |= {name: value for name, value in given.items() if value is not None}
    configuration = build({"strategy": "noop-python", **options, "ticker": "off"})
    with ProgressBar("features", "records") as bar:
        measured = measure(arguments.recording, configuration, topics, bar.update)
    summary = summary_of(measured)
    if arguments.json:
        print(json.dumps(summary, sort_keys=True))
    else:
        print(table_of(summary, instant_text))
    if arguments.plot is not None:
        draw(measured, fields, arguments.recording.name, arguments.plot)
        sys.stderr.write(f"sq: {arguments.plot} shows them over time\n")
    return 0
