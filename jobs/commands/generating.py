"""``sq generate``: a seeded market to try things on."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from jobs.helping import HelpFormatter

HELP = """\
Generates a market with a real limit order book, noise traders and informed traders, as a recording
in the shape of a live one. The truth - who was informed, what the fair price was - goes to
sim.truth, which no stage may read. The same seed gives the same bytes everywhere.

examples:
  sq generate --minutes 60 --seed 7 --out data/toy
  sq generate --minutes 60 --seed 7 --informed-share 0.4 --out data/toxic
"""


def add(commands: Any) -> None:
    """Declare the command."""
    command = commands.add_parser(
        "generate", help="generate a market", description=HELP, formatter_class=HelpFormatter
    )
    command.add_argument("--minutes", type=int, default=60, help="length (default 60)")
    command.add_argument(
        "--seed",
        type=int,
        default=1,
        help="any integer from 0 on; the same seed gives the same market",
    )
    command.add_argument(
        "--informed-share",
        type=float,
        default=None,
        metavar="X",
        help="share of market orders that know the fair price, 0 to 1",
    )
    command.add_argument(
        "--volatility",
        type=float,
        default=None,
        metavar="X",
        help="scale of the fair price's moves (1: the default market)",
    )
    command.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="new folder")
    command.add_argument("--json", action="store_true", help="print the summary as JSON")
    command.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Generate and say what was made."""
    from connectors.simulators.market import generate
    from jobs.progress import ProgressBar

    chosen = {"informed_share": arguments.informed_share, "volatility": arguments.volatility}
    with ProgressBar("generate", "minutes") as bar:
        summary = generate(
            arguments.minutes,
            arguments.seed,
            arguments.out,
            progress=bar.update,
            **{k: v for k, v in chosen.items() if v is not None},
        )
    if arguments.json:
        print(
            json.dumps(
                {
                    "topics": dict(summary.counts),
                    "minutes": arguments.minutes,
                    "seed": arguments.seed,
                },
                sort_keys=True,
            )
        )
        return 0
    for topic, count in summary.counts.items():
        print(f"  {topic:18} {count:>12,}")
    print(
        f"generated {arguments.minutes} minutes with seed {arguments.seed} into {arguments.out}; "
        "provenance: simulated"
    )
    return 0
