"""``sq control``: an operator's record into a recording or onto the cluster."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jobs.helping import HelpFormatter
from schemas.errors import WrongUse

if TYPE_CHECKING:
    from schemas.records import ControlCommand, Instrument

HELP = """\
On a cluster: writes one operator command to its control topic, which every running topology obeys
before anything else. Without a target the cluster is the one that is configured, or that 'sq kafka
up' started.

On a recording: copies it and adds the command to the copy's control topic, at a time of your
choosing: what happens when the kill switch is thrown in the middle of a day?

commands:
  kill    block new orders and cancel working ones, latched
  rearm   release the kill switch
  limit   change a limit: --name max_position --value 0.5

examples:
  sq control kill --reason "exchange announces maintenance"
  sq control kafka://127.0.0.1:9092 limit --name max_position --value 0.01
  sq control data/toy kill --at 2024-01-01T00:30:00 --out data/halted
  sq control data/toy limit --at 2024-01-01T00:30:00 --name max_position --value 0.01 --out
  data/limited
"""


def add(commands: Any) -> None:
    """Declare the command."""
    command = commands.add_parser(
        "control",
        help="kill switch, re-arm or limit: on the cluster or in a recording",
        description=HELP,
        formatter_class=HelpFormatter,
    )
    command.add_argument(
        "target",
        nargs="?",
        default="",
        help="kafka://HOST:PORT, or a folder that 'sq import' or 'sq generate' wrote",
    )
    command.add_argument(
        "action", choices=("kill", "rearm", "limit"), help="what the operator does"
    )
    command.add_argument(
        "--at",
        metavar="TIME",
        help="event time (ISO 8601, UTC, or ns); on a cluster by default now",
    )
    command.add_argument(
        "--scope",
        choices=("system", "account", "strategy", "instrument"),
        default="system",
        help="default: system",
    )
    command.add_argument(
        "--id", type=int, default=0, help="account, strategy or instrument id of the scope"
    )
    command.add_argument("--name", default="", help="limit: its name")
    command.add_argument("--value", default="", help="limit: its new value, as decimal text")
    command.add_argument("--reason", default="", help="why, for the record")
    command.add_argument("--out", type=Path, metavar="FOLDER", help="recording: the new folder")
    command.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Copy and add, or send."""
    from streams.log.kafka.cluster import is_cluster

    if arguments.action == "limit" and not (arguments.name and arguments.value):
        raise WrongUse(
            "limit needs --name and --value, for example --name max_position --value 0.5"
        )
    if arguments.scope != "system" and arguments.id <= 0:
        raise WrongUse(f"--scope {arguments.scope} needs --id")
    if not arguments.target or is_cluster(arguments.target):
        return _send(arguments)
    return _add(arguments)


def _add(arguments: argparse.Namespace) -> int:
    from connectors.control import add_control
    from jobs.pipeline import read_instruments
    from jobs.quantities import instant, instant_text
    from streams.log.local import LocalLog

    if not arguments.at or arguments.out is None:
        raise WrongUse("a command into a recording needs --at TIME and --out FOLDER")
    at = instant(arguments.at)
    command = _command(arguments, at, "operator")
    with LocalLog.open(arguments.target) as log:
        _check(
            arguments, {each.instrument: each for each in read_instruments(log)}, "the recording"
        )
    add_control(arguments.target, arguments.out, command)
    print(f"{arguments.action} at {instant_text(at)} added; {arguments.out}")
    return 0


def _send(arguments: argparse.Namespace) -> int:
    from connectors.control import TOPIC, instruments_of, send_control
    from connectors.framed import decoder
    from jobs.operators import now, operator
    from jobs.quantities import instant, instant_text
    from schemas.registry import resolve
    from streams.log.kafka.client import KafkaLog
    from streams.log.kafka.errors import reached_cluster

    if arguments.out is not None:
        raise WrongUse(
            "--out is for a command into a recording; name the recording's folder before the "
            "command"
        )
    cluster = reached_cluster(arguments.target)
    at = instant(arguments.at) if arguments.at else now()
    if at > now():
        raise WrongUse(
            f"--at {arguments.at} lies in the future; on a cluster a command is obeyed when it is "
            "read: send it then, or leave --at out"
        )
    command = _command(arguments, at, operator())
    log = KafkaLog(cluster)
    # a kill switch for all waits for nothing
    if arguments.action == "limit" or arguments.scope == "instrument":
        _check(
            arguments,
            instruments_of(log, cluster.name("ref.instruments"), decoder(cluster)),
            "ref.instruments of the cluster",
        )
    offset = send_control(log, cluster.name(TOPIC), resolve(cluster, [TOPIC])[TOPIC], command)
    print(
        f"{arguments.action} at {instant_text(at)} written to {cluster.name(TOPIC)}/0/{offset} of "
        f"{cluster.bootstrap}"
    )
    return 0


def _command(arguments: argparse.Namespace, at: int, issued_by: str) -> ControlCommand:
    """The record; refused now, before a folder is made or a broker asked, if a field cannot be
    encoded.
    """
    from schemas.codec import codec
    from schemas.records import ControlCommand
    from schemas.vocabulary import ControlKind, ControlScope

    ids = {
        scope: arguments.id if arguments.scope == scope else 0
        for scope in ("account", "strategy", "instrument")
    }
    command = ControlCommand(
        event_time=at,
        kind=int(ControlKind[arguments.action.upper()]),
        scope=int(ControlScope[arguments.scope.upper()]),
        name=arguments.name,
        value=arguments.value,
        issued_by=issued_by,
        reason=arguments.reason,
        **ids,
    )
    codec("ControlCommand").encode_records([command])
    return command


def _check(
    arguments: argparse.Namespace, instruments: Mapping[int, Instrument], where: str
) -> None:
    """Refuse what no stage could obey: an instrument that is not there, a limit that is none, a
    value that cannot be read.
    """
    from streams.risk.limits import convert

    if arguments.scope == "instrument" and arguments.id not in instruments:
        has = (
            ", ".join(f"{number} ({each.symbol})" for number, each in instruments.items()) or "none"
        )
        raise WrongUse(f"there is no instrument {arguments.id} in {where}; it has {has}")
    if arguments.action == "limit":
        for each in instruments.values():
            convert(arguments.name, arguments.value, each.price_precision, each.quantity_precision)
