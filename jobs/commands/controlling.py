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

examples:
  sq control data/toy kill --at 2024-01-01T00:30:00 --out data/halted
  sq control data/toy limit --at 2024-01-01T00:30:00 --name max_position --value 0.01 --out data/limited
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
    from schemas.codec import codec
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
    codec("ControlCommand").encode_records([command])  # refused now, before a folder is made
    _check(arguments)
    add_control(arguments.recording, arguments.out, command)
    print(f"{arguments.action} at {instant_text(at)} added; {arguments.out}")
    return 0


def _check(arguments: argparse.Namespace) -> None:
    """Refuse what no stage could obey: an instrument that is not in the recording, a limit that is none, a value that cannot be read."""
    from jobs.pipeline import read_instruments
    from streams.log.local import LocalLog
    from streams.risk.limits import convert

    with LocalLog.open(arguments.recording) as log:
        instruments = {each.instrument: each for each in read_instruments(log)}
    if arguments.scope == "instrument" and arguments.id not in instruments:
        has = ", ".join(f"{number} ({each.symbol})" for number, each in instruments.items())
        raise WrongUse(f"there is no instrument {arguments.id} in the recording; it has {has}")
    if arguments.action == "limit":
        for each in instruments.values():
            convert(arguments.name, arguments.value, each.price_precision, each.quantity_precision)
