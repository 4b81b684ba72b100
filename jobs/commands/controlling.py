"""``sq control``: an operator's record into a recording."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from jobs.helping import HelpFormatter
from schemas.errors import WrongUse

HELP = """\
Copies a recording and adds one operator command to its control topic, at a time of your choosing: what happens when the kill switch is thrown
in the middle of a day?

commands:
  kill    block new orders and cancel working ones, latched
  rearm   release the kill switch
  limit   change a limit: --name max_position --value 0.5
"""


def add(commands: Any) -> None:
    """Declare the command."""
    command = commands.add_parser(
        "control", help="add a kill switch or limit to a recording", description=HELP, formatter_class=HelpFormatter
    )
    command.add_argument("recording", type=Path, help="folder that 'sq import' or 'sq generate' wrote")
    command.add_argument("action", choices=("kill", "rearm", "limit"), help="what the operator does")
    command.add_argument("--at", required=True, metavar="TIME", help="event time (ISO 8601, UTC, or ns)")
    command.add_argument("--scope", choices=("system", "account", "strategy", "instrument"), default="system", help="default: system")
    command.add_argument("--id", type=int, default=0, help="account, strategy or instrument id of the scope")
    command.add_argument("--name", default="", help="limit: its name")
    command.add_argument("--value", default="", help="limit: its new value, as decimal text")
    command.add_argument("--reason", default="", help="why, for the record")
    command.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="new folder")
    command.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Copy and add."""
    from connectors.control import add_control
    from jobs.quantities import instant, instant_text
    from schemas.records import ControlCommand
    from schemas.vocabulary import ControlKind, ControlScope

    if arguments.action == "limit" and not (arguments.name and arguments.value):
        raise WrongUse("limit needs --name and --value, for example --name max_position --value 0.5")
    if arguments.scope != "system" and arguments.id <= 0:
        raise WrongUse(f"--scope {arguments.scope} needs --id")
    at = instant(arguments.at)
    ids = {scope: arguments.id if arguments.scope == scope else 0 for scope in ("account", "strategy", "instrument")}
    command = ControlCommand(
        event_time=at,
        kind=int(ControlKind[arguments.action.upper()]),
        scope=int(ControlScope[arguments.scope.upper()]),
        name=arguments.name,
        value=arguments.value,
        issued_by="operator",
        reason=arguments.reason,
        **ids,
    )
    add_control(arguments.recording, arguments.out, command)
    print(f"{arguments.action} at {instant_text(at)} added; {arguments.out}")
    return 0
