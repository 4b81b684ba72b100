"""``sq cache``: the compiled code that is kept, and taking out what nobody uses."""

from __future__ import annotations

import argparse
import json
from typing import Any

from jobs.helping import HelpFormatter
from schemas.errors import WrongUse

HELP = """\
Shows the compiled code that is kept, so that a command starts without compiling. It lies in
SQ_KERNEL_CACHE, or in the user's cache folder. A version, a changed file, another processor or
another Python makes entries of its own. An entry that was not used for 30 days goes by itself. What
is taken out is compiled again when it is needed; no result depends on it.

examples:
  sq cache
  sq cache --prune --unused 7
  sq cache --prune --unused 0 --json
"""


def add(commands: Any) -> None:
    """Declare the command."""
    command = commands.add_parser(
        "cache",
        help="show or prune the compiled code that is kept",
        description=HELP,
        formatter_class=HelpFormatter,
    )
    command.add_argument(
        "--prune",
        action="store_true",
        help="take out the entries that were not used for --unused days",
    )
    command.add_argument(
        "--unused",
        type=float,
        metavar="DAYS",
        help="with --prune: days without use, 0 for everything (default 30)",
    )
    command.add_argument("--json", action="store_true", help="print as JSON")
    command.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """One line for what is there, one for what was taken out."""
    from jobs.kernel_cache import UNUSED_DAYS_MAX, entries, prune
    from schemas.cache_root import cache_root

    if arguments.unused is not None and not arguments.prune:
        raise WrongUse("--unused goes with --prune")
    if arguments.unused is not None and not arguments.unused >= 0:
        raise WrongUse(f"--unused is {arguments.unused:g}; give a number of days from 0")
    gone = (
        prune(UNUSED_DAYS_MAX if arguments.unused is None else arguments.unused)
        if arguments.prune
        else []
    )
    left = entries()
    facts = {
        "folder": str(cache_root()),
        "entries": len(left),
        "functions": sum(entry.functions for entry in left),
        "bytes": sum(entry.size_bytes for entry in left),
        "unused_days_max": round(max((entry.unused_days for entry in left), default=0.0), 1),
        "pruned_entries": len(gone),
        "pruned_bytes": sum(entry.size_bytes for entry in gone),
    }
    if arguments.json:
        print(json.dumps(facts, sort_keys=True))
        return 0
    if arguments.prune:
        print(f"taken out: {facts['pruned_entries']} entries, {_megabytes(facts['pruned_bytes'])}")
    size = _megabytes(facts["bytes"])
    print(
        f"{facts['entries']} entries with {facts['functions']} compiled functions, {size}, the "
        f"oldest unused for {facts['unused_days_max']} days"
    )
    print(f"folder: {facts['folder']}")
    return 0


def _megabytes(size_bytes: Any) -> str:
    return f"{size_bytes / 1e6:.1f} MB"
