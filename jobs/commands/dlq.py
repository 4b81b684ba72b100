"""``sq dlq``: look at a topology's dead letters, and decide about them."""

from __future__ import annotations

import argparse
import functools
import json
import re
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jobs.helping import HelpFormatter
from schemas.errors import WrongUse

if TYPE_CHECKING:
    from connectors.dead_letters import DeadLetters, Letter, Outcome

HELP = """\
A record that cannot be decoded or fails a check is not consumed: it goes to its topology's dead
letters with the reason, its raw bytes and where it lay. A letter stays there; what is decided about
it is recorded beside it, once.

Letters of 'control' and 'ref.*' can be redriven: written to their topic again, exactly once, when
what was wrong is fixed. Those of ordered inputs (market data, orders, venue) can be inspected and
discarded only.

examples:
  sq dlq count
  sq dlq list --origin ref.instruments --open
  sq dlq show 0/3
  sq dlq redrive 0/3 --reason "decoder fixed in 1.4"
  sq dlq redrive 0/3 --replace instrument.json --reason "tick size was missing"
  sq dlq discard --code malformed --open --reason "test message of the vendor"
"""


def add(commands: Any) -> None:
    """Declare the command."""
    command = commands.add_parser(
        "dlq",
        help="dead letters: list, show, count, redrive, discard",
        description=HELP,
        formatter_class=HelpFormatter,
    )
    actions = command.add_subparsers(
        dest="action", metavar="ACTION", required=True, help="list, show, count, redrive or discard"
    )
    for name, text in (
        ("list", "one line a letter"),
        ("count", "how many, by reason, origin and decision"),
        ("show", "one letter, its bytes decoded where that is possible"),
        ("redrive", "write letters to their topic again, once"),
        ("discard", "leave letters as they are, with a reason"),
    ):
        action = actions.add_parser(
            name, help=text, description=text, formatter_class=HelpFormatter
        )
        action.add_argument("--topology", default="pipeline", help="whose (default: pipeline)")
        action.add_argument(
            "--cluster",
            default="",
            metavar="URL",
            help="kafka://HOST:PORT (default: the configured cluster)",
        )
        action.add_argument("--json", action="store_true", help="print as JSON")
        if name == "show":
            action.add_argument(
                "place", metavar="[PARTITION/]OFFSET", help="which, as 'sq dlq list' names it"
            )
            continue
        action.add_argument(
            "--origin", default="", metavar="TOPIC", help="only letters of this topic"
        )
        action.add_argument("--code", default="", help="only letters with this reason code")
        action.add_argument(
            "--open", action="store_true", help="only letters that nothing was decided about"
        )
        if name == "list":
            action.add_argument(
                "--limit",
                type=int,
                default=0,
                metavar="N",
                help="at most N, the last ones (default: all)",
            )
        if name in ("redrive", "discard"):
            action.add_argument(
                "place",
                nargs="*",
                metavar="[PARTITION/]OFFSET",
                help="which; without, those that --origin and --code choose",
            )
            action.add_argument("--all", action="store_true", help="every letter")
            action.add_argument("--reason", required=True, help="why, for the record")
        if name == "redrive":
            action.add_argument(
                "--replace",
                type=Path,
                metavar="FILE",
                help="a corrected record as JSON, fields by name, for one letter",
            )
    command.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Look, or decide."""
    from connectors.dead_letters import DeadLetters
    from connectors.framed import decoder
    from schemas.registry import resolve
    from streams.log.kafka.client import KafkaLog
    from streams.log.kafka.errors import reached_cluster

    cluster = reached_cluster(arguments.cluster)

    @functools.cache
    def id_of(topic: str) -> int:
        return resolve(cluster, [topic])[topic]  # asked only where something is written

    letters = DeadLetters(
        KafkaLog(cluster), cluster.name, arguments.topology, decoder(cluster), id_of
    )
    act = {"list": _list, "count": _count, "show": _show, "redrive": _redrive, "discard": _discard}[
        arguments.action
    ]
    return act(letters, arguments)


def place_of(text: str) -> tuple[int, int]:
    """``OFFSET`` or ``PARTITION/OFFSET`` -> (partition, offset). Raises WrongUse."""
    match = re.fullmatch(r"(?:(\d{1,9})/)?(\d{1,18})", text)
    if match is None:
        raise WrongUse(
            f"{text!r} names no dead letter; write OFFSET or PARTITION/OFFSET as 'sq dlq list' "
            "prints it"
        )
    return int(match[1] or 0), int(match[2])


def _is_wanted(letter: Letter, arguments: argparse.Namespace) -> bool:
    return (
        (not arguments.origin or letter.content.origin_topic == arguments.origin)
        and (not arguments.code or letter.content.reason == arguments.code)
        and (not arguments.open or letter.decision is None)
    )


def summary(letter: Letter) -> dict[str, Any]:
    """A letter as JSON: all but its bytes."""
    from connectors.dead_letters import REDRIVEN
    from jobs.quantities import instant_text

    content, decision = letter.content, letter.decision
    return {
        "partition": letter.partition,
        "offset": letter.offset,
        "reason": content.reason,
        "detail": content.detail,
        "origin_topic": content.origin_topic,
        "origin_partition": content.origin_partition,
        "origin_offset": content.origin_offset,
        "bytes": len(content.payload),
        "decision": None
        if decision is None
        else {
            "action": "redriven" if decision.action == REDRIVEN else "discarded",
            "replaced": decision.replaced,
            "reason": decision.reason,
            "operator": decision.operator,
            "time": instant_text(decision.event_time),
        },
    }


def _state(letter: Letter) -> str:
    found = summary(letter)["decision"]
    return str(found["action"]) if found else "open"


def _list(letters: DeadLetters, arguments: argparse.Namespace) -> int:
    found = [letter for letter in letters.letters() if _is_wanted(letter, arguments)]
    found = found[-arguments.limit :] if arguments.limit > 0 else found
    if arguments.json:
        print(json.dumps([summary(letter) for letter in found]))
        return 0
    if not found:
        print(f"no dead letters in {letters.letters_topic}")
    for letter in found:
        print(
            f"{letter.place:>10}  {_state(letter):9}  {letter.content.reason:16} "
            f"{letter.origin:32} {letter.content.detail}"
        )
    return 0


def _count(letters: DeadLetters, arguments: argparse.Namespace) -> int:
    found = Counter(
        (each.content.reason, each.content.origin_topic, _state(each))
        for each in letters.letters()
        if _is_wanted(each, arguments)
    )
    if arguments.json:
        print(
            json.dumps(
                [
                    {"reason": key[0], "origin_topic": key[1], "state": key[2], "count": found[key]}
                    for key in sorted(found)
                ]
            )
        )
        return 0
    for key in sorted(found):
        print(f"{found[key]:>10,}  {key[0]:20} {key[1]:24} {key[2]}")
    print(f"{sum(found.values()):>10,}  in {letters.letters_topic}")
    return 0


def _show(letters: DeadLetters, arguments: argparse.Namespace) -> int:
    from connectors.named import named, plain

    (letter,) = letters.chosen([place_of(arguments.place)])
    found = letters.record(letter)
    shown = summary(letter)
    if found is None:
        shown["payload"] = letter.content.payload.hex()
    else:
        shown["record"] = {
            name: plain(value) for name, value in named(type(found[1]).__name__)(found[1]).items()
        }
    if arguments.json:
        print(json.dumps(shown))
        return 0
    for name, value in shown.items():
        if isinstance(value, dict):
            print(f"{name}:")
            for inner, each in value.items():
                print(f"    {inner:20} {each}")
        else:
            print(f"{name:18} {'none' if value is None else value}")
    return 0


def _chosen(letters: DeadLetters, arguments: argparse.Namespace) -> list[Letter]:
    """The letters a decision is about; asking for none or for everything by accident is refused."""
    places = [place_of(text) for text in arguments.place]
    if places and (arguments.all or arguments.origin or arguments.code):
        raise WrongUse(
            "name letters by their places or choose them by --origin and --code, not both"
        )
    if not places and not (arguments.all or arguments.origin or arguments.code):
        raise WrongUse(
            "name the letters by their places, choose them by --origin or --code, or say --all"
        )
    return letters.chosen(places, lambda letter: _is_wanted(letter, arguments))


def _discard(letters: DeadLetters, arguments: argparse.Namespace) -> int:
    from jobs.operators import now, operator

    return _print_outcome(
        letters.discard(_chosen(letters, arguments), arguments.reason, operator(), now()),
        "discarded",
        arguments.json,
    )


def _redrive(letters: DeadLetters, arguments: argparse.Namespace) -> int:
    from jobs.operators import now, operator

    chosen = _chosen(letters, arguments)
    replacement = None
    if arguments.replace is not None:
        if len(chosen) != 1:
            raise WrongUse(
                f"--replace corrects one letter, and {len(chosen)} are chosen; name it by its place"
            )
        replacement = _read(arguments.replace, chosen[0])
    return _print_outcome(
        letters.redrive(chosen, arguments.reason, operator(), now(), replacement),
        "redriven",
        arguments.json,
    )


def _read(path: Path, letter: Letter) -> Any:
    from connectors.named import BadJson, record_of
    from schemas.catalogue import topic as topic_of
    from schemas.json_text import parsed

    try:
        content = parsed(sys.stdin.read() if str(path) == "-" else path.read_text(encoding="utf-8"))
    except (ValueError, UnicodeDecodeError) as problem:
        raise BadJson(f"{path} is no JSON: {problem}") from problem
    return record_of(topic_of(letter.content.origin_topic).record, content)


def _print_outcome(outcome: Outcome, verb: str, as_json: bool) -> int:
    if as_json:
        print(
            json.dumps(
                {
                    verb: [summary(each) for each in outcome.decided],
                    "decided_before": [summary(each) for each in outcome.before],
                }
            )
        )
        return 0
    for letter in outcome.before:
        print(f"{letter.place}  was {_state(letter)} before; nothing changed")
    for letter in outcome.decided:
        print(f"{letter.place}  {verb}: {letter.origin}")
    print(f"{len(outcome.decided)} {verb}, {len(outcome.before)} decided before")
    return 0
