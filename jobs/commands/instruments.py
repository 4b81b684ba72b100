"""``sq instruments``: venues' files of instruments into a dated table, and what it holds."""

from __future__ import annotations

import argparse
import json
from datetime import date
from pathlib import Path
from typing import Any

from jobs.helping import HelpFormatter
from schemas.errors import BadData, WrongUse

TABLE = "instruments.db"
ONLY = {
    "sync": ("file", "valid_from", "skip_bad", "may_shrink"),
    "show": ("history", "as_of"),
    "find": ("venue", "kind", "limit", "as_of"),
    "sessions": ("from_day", "to_day"),
}
"""Options by action; those of an action are refused of the others that do not have them."""
LIMIT = 50
HELP = """\
A dated table of instruments: what each venue lists, from when on it holds, and since when that is
known. A later correction changes no answer of before: --as-of says which time counts, --known-at
what was known. 'sq import --instruments TABLE' takes it.

  sync      takes Binance's exchangeInfo (spot or USD-M, every filter) or Kite's dump of instruments
            (CSV), plain or gzip, by what the file holds; only what changed is added
  show      one instrument, @VENUE for a venue's own limits, or what the table holds
  find      instruments whose symbol, name or underlying contains a text
  sessions  when a venue trades: nse, bse, nfo, bfo, or one of crypto

examples:
  sq instruments sync --file exchangeInfo.json --out ref.db
  sq instruments sync --file instruments.csv.gz --valid-from 2024-08-08 --out ref.db
  sq instruments show BTCUSDT@binance --table ref.db --as-of 2024-08-08
  sq instruments find nifty --venue nfo --kind option --table ref.db
  sq instruments sessions nse --from 2025-10-20 --to 2025-10-24
  sq import binance ltcusdt.gz --instruments ref.db --out data/ltc
"""


def add(commands: Any) -> None:
    """Declare the command."""
    command = commands.add_parser(
        "instruments", help="what venues list, dated", description=HELP,
        formatter_class=HelpFormatter,
    )  # fmt: skip
    command.add_argument("action", choices=tuple(ONLY), help="what to do")
    command.add_argument(
        "what",
        nargs="?",
        default="",
        metavar="SYMBOL@VENUE|TEXT|VENUE",
        help="show, find, sessions: which",
    )
    command.add_argument("--file", type=Path, metavar="FILE", help="sync: the venue's file")
    command.add_argument(
        "--table", "--out", type=Path, metavar="TABLE",
        help="the dated table, which sync makes (default: instruments.db in SQ_HOME)",
    )  # fmt: skip
    command.add_argument(
        "--valid-from", metavar="TIME",
        help="sync: from when on the file holds (default: its server's time, else --known-at)",
    )  # fmt: skip
    command.add_argument(
        "--known-at", metavar="TIME",
        help="sync: when we came to know it; show, find: what was known then (default: now)",
    )  # fmt: skip
    command.add_argument(
        "--as-of", metavar="TIME", help="show, find: what was in force then (default: now)"
    )
    command.add_argument(
        "--from",
        dest="from_day",
        metavar="DAY",
        help="sessions: the first day, of the venue's zone",
    )
    command.add_argument(
        "--to", dest="to_day", metavar="DAY", help="sessions: the last day (default: the first)"
    )
    command.add_argument("--history", action="store_true", help="show: every dated fact")
    command.add_argument("--venue", metavar="NAME", help="find: of this venue")
    command.add_argument("--kind", metavar="KIND", help="find: spot, option, ...")
    command.add_argument("--limit", type=int, metavar="N", help=f"find: at most (default {LIMIT})")
    command.add_argument(
        "--skip-bad", action="store_true", help="sync: leave out, and count, what cannot be used"
    )
    command.add_argument(
        "--may-shrink", action="store_true", help="sync: the venue did end most of what it listed"
    )
    command.add_argument("--json", action="store_true", help="print as JSON")
    command.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Sync, show or find; find ends with 1 where there is nothing."""
    every = {name for names in ONLY.values() for name in names}
    for name in sorted(every - set(ONLY[arguments.action])):
        if getattr(arguments, name):
            owner = " or ".join(action for action, names in ONLY.items() if name in names)
            option = name.removesuffix("_day").replace("_", "-")
            raise WrongUse(f"--{option} is of 'sq instruments {owner}'")
    if arguments.action == "sessions":
        return _sessions(arguments)
    path = arguments.table or _home_table()
    if arguments.action == "sync":
        return _sync(arguments, path)
    from connectors.reference.table import DatedTable

    with DatedTable(path) as table:
        return _show(arguments, table) if arguments.action == "show" else _find(arguments, table)


def _home_table() -> Path:
    from jobs.strangers import home

    return home() / TABLE


def _now() -> int:
    """What a user means by now is the computer's clock; nothing else here reads it."""
    import time

    return time.time_ns()


def _time(text: str | None, otherwise: int) -> int:
    from jobs.quantities import instant

    return otherwise if text is None else instant(text)


def _sync(arguments: argparse.Namespace, path: Path) -> int:
    import msgspec

    from connectors.reference.reading import open_dump
    from connectors.reference.syncing import Source, sync, writable
    from jobs.quantities import instant_text

    if arguments.file is None:
        raise WrongUse("sync needs the venue's file: --file exchangeInfo.json or instruments.csv")
    if arguments.what:
        raise WrongUse(f"sync takes the file with --file, and not {arguments.what!r} beside it")
    now = _now()
    known = _time(arguments.known_at, now)
    if known > now:
        raise WrongUse(f"--known-at {arguments.known_at} is yet to come; leave it out for now")
    dump = open_dump(arguments.file)
    valid = _time(arguments.valid_from, dump.time if dump.time is not None else known)
    source = Source(arguments.file.name, dump.digest, valid, known)
    with writable(path) as table:
        summary = sync(
            table, dump.rows, source,
            skip_bad=arguments.skip_bad, may_shrink=arguments.may_shrink,
        )  # fmt: skip
    facts = {
        **msgspec.to_builtins(summary),
        "format": dump.format, "table": str(path), "valid_from": instant_text(valid),
        "known_at": instant_text(known),
    }  # fmt: skip
    if arguments.json:
        print(json.dumps(facts, sort_keys=True))
        return 0
    if summary.already:
        print(
            f"{arguments.file}: the table has it already, from {facts['valid_from']}; nothing to do"
        )
        return 0
    for name in ("new", "changed", "ended", "unchanged", "skipped"):
        print(f"  {name:10} {facts[name]:>10,}")
    for text in summary.skipped_samples:
        print(f"  skipped: {text}")
    for name, count in sorted(summary.unknown_filters.items()):
        print(f"  filter that this version does not know, kept: {name}, of {count:,} instruments")
    print(
        f"{dump.format}: {summary.listed:,} instruments of {', '.join(summary.venues)} from "
        f"{facts['valid_from']}; {path}"
    )
    return 0


def _show(arguments: argparse.Namespace, table: Any) -> int:
    from connectors.reference.lookup import NotListed
    from connectors.reference.table import LATEST

    if not arguments.what:
        return _show_table(arguments, table)
    symbol, at, venue = arguments.what.rpartition("@")
    if not at or not venue:
        raise WrongUse(f"{arguments.what} is no SYMBOL@VENUE, for example BTCUSDT@binance")
    known = _time(arguments.known_at, LATEST)
    history = table.history(venue, symbol, known)
    if not history:
        near = [f"{one}@{where}" for where, one, _ in _some(table.find(symbol, "", "", LATEST), 3)]
        advice = f"perhaps {', '.join(near)}" if near and symbol else "search with 'find'"
        raise BadData(f"{arguments.what} is not in {table.path} (as known then); {advice}")
    if arguments.history:
        rows = [_fact(venue, symbol, fact) for fact in history]
    else:
        fact = table.at(venue, symbol, _time(arguments.as_of, _now()), known)
        if fact is None or fact.terms is None:
            raise NotListed(
                f"{arguments.what} is not listed at that time; say --as-of, or see --history"
            )
        rows = [_fact(venue, symbol, fact)]
    if arguments.json:
        print(json.dumps(rows if arguments.history else rows[0], sort_keys=True))
        return 0
    for row in rows:
        for name, value in row.items():
            print(f"  {name:20} {_text(value)}")
        print()
    return 0


def _show_table(arguments: argparse.Namespace, table: Any) -> int:
    from jobs.quantities import instant_text

    if arguments.history or arguments.as_of or arguments.known_at:
        raise WrongUse("--history, --as-of and --known-at are of one instrument: show SYMBOL@VENUE")
    counts = [
        {"venue": venue, "kind": kind, "instruments": count}
        for venue, kind, count in table.counts()
    ]
    syncs = [
        {"file": name, "valid_from": instant_text(valid), "known_from": instant_text(known)}
        for name, valid, known in table.syncs()
    ]
    if arguments.json:
        print(json.dumps({"instruments": counts, "files": syncs}, sort_keys=True))
        return 0
    print(f"{'venue':16} {'kind':12} {'instruments':>12}")
    for row in counts:
        print(f"{row['venue']:16} {row['kind']:12} {row['instruments']:>12,}")
    for each in syncs:
        print(f"{each['file']}: from {each['valid_from']}, known from {each['known_from']}")
    return 0


def _find(arguments: argparse.Namespace, table: Any) -> int:
    from connectors.reference.listing import listing_of
    from connectors.reference.table import LATEST

    if not arguments.what:
        raise WrongUse("find needs a text: sq instruments find nifty")
    limit = LIMIT if arguments.limit is None else arguments.limit
    if limit < 1:
        raise WrongUse("--limit is at least 1")
    found = table.find(
        arguments.what, arguments.venue or "", arguments.kind or "",
        _time(arguments.as_of, _now()), _time(arguments.known_at, LATEST),
    )  # fmt: skip
    rows = _some(found, limit + 1)
    listings = [listing_of(fact.terms) for _, _, fact in rows[:limit]]
    if arguments.json:
        keys = ("venue", "symbol", "kind", "underlying", "strike", "right", "tick_size", "lot_size")
        print(json.dumps([{key: getattr(each, key) for key in keys} for each in listings]))
        return 0 if rows else 1
    for each in listings:
        print(
            f"{each.symbol}@{each.venue}  {each.kind}  tick {each.tick_size}  lot {each.lot_size}"
        )
    if len(rows) > limit:
        print(f"and more; narrow the text, or raise --limit {limit}")
    if not rows:
        print(
            f"nothing listed contains {arguments.what!r}; 'sq instruments show' says what is there"
        )
    return 0 if rows else 1


def _sessions(arguments: argparse.Namespace) -> int:
    from connectors.reference.calendars import calendar
    from jobs.quantities import instant_text

    if not arguments.what or arguments.from_day is None:
        raise WrongUse(
            "sessions needs a venue and a day: sq instruments sessions nse --from 2026-12-01"
        )
    first = _day(arguments.from_day)
    last = first if arguments.to_day is None else _day(arguments.to_day)
    if last < first:
        raise WrongUse(f"--to {last} is before --from {first}")
    found = calendar(arguments.what)
    rows = [
        {
            "day": str(each.day),
            "open": instant_text(each.open),
            "close": instant_text(each.close),
            "minutes": each.minutes,
            "special": each.is_special,
            "phases": [
                {"phase": phase.name, "from": instant_text(phase.start)}
                for phase in found.phases(each.day)
            ],
        }
        for each in found.sessions(first, last)
    ]
    if arguments.json:
        print(json.dumps(rows, sort_keys=True))
        return 0
    for row in rows:
        special = "  special session" if row["special"] else ""
        print(f"{row['day']}  {row['open']} to {row['close']}  {row['minutes']} minutes{special}")
    print(f"{len(rows)} days of trading of {arguments.what} from {first} to {last}")
    return 0


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise WrongUse(f"{text!r} is no day; write it like 2026-12-31") from None


def _some(rows: Any, limit: int) -> list[Any]:
    return [row for _, row in zip(range(limit), rows, strict=False)]


def _fact(venue: str, symbol: str, fact: Any) -> dict[str, Any]:
    """A fact as people read it."""
    from jobs.quantities import instant_text

    terms: dict[str, Any] = {"status": "not listed"}
    if fact.terms is not None:
        terms = json.loads(fact.terms)
    if "expiry" in terms:
        terms["expiry"] = instant_text(terms["expiry"])
    dates = {
        "valid_from": instant_text(fact.valid_from),
        "known_from": instant_text(fact.known_from),
    }
    return {"symbol": symbol, "venue": venue, **dates, **terms}


def _text(value: Any) -> str:
    return (
        value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, sort_keys=True)
    )
