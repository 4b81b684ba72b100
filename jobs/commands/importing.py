"""``sq import``: market data in files into topics."""

from __future__ import annotations

import argparse
import json
import shlex
import sys
from pathlib import Path
from typing import Any

from jobs.helping import HelpFormatter

HELP = """\
Market data that lies in files into topics. Lines that cannot be used go to import.dlq with their
reason, file and line number; every good line around them is kept.

  binance   raw web-socket recordings (one line a frame: receive time, a space, the frame's JSON;
            gzip, plain or a pipe; several files in order are one recording) into
            ref.instruments, md.trades, md.depth, md.book_tickers
  cryptofeed
            raw captures of cryptofeed, every file of one exchange at once, into the same topics:
            Binance, Kraken, OKX, Coinbase, Deribit
  trades    one instrument's trades from CSV (plain, .gz, a .zip of one file) or Parquet into
            ref.instruments and md.trades; --map names the columns and their units, without it
            columns go by well-known names and what was assumed is printed
  quotes    the same of the best bid and ask, into md.book_tickers
  bars      the same of bars, into md.bars
  binance-public
            files of data.binance.vision under their own names, zip or csv: trades or aggTrades,
            bookTicker, klines of one symbol, spot or USD-M, several kinds and days at once
  lean      folders or files of LEAN (QuantConnect) of one instrument: trade bars of minutes or
            seconds into md.bars, quote bars into md.book_tickers
  kite      historical candles of Kite Connect (JSON) of one instrument into md.bars
  exported  files of 'sq export', with what stands beside them: the same topics again
  auto      says what the files are and the command it stands for; with --out carries it out
"""
EXAMPLES = """\
examples:
  sq import binance btcusdt_20240808.gz btcusdt_20240809.gz --out data/btc
  sq import binance <(xzcat btcusdt.xz) --unit us --out data/btc
  sq import cryptofeed BINANCE_FUTURES.*.gz --out data/capture
  sq import trades trades.csv --instrument BTCUSDT@binance --out data/mine
  sq import trades trades.parquet --map columns.toml --instrument BTCUSDT@binance --out data/mine
  sq import quotes quotes.csv --instrument BTCUSDT@binance --out data/quotes
  sq import bars minutes.csv --instrument BTCUSDT@binance --out data/bars
  sq import binance-public BTCUSDT-trades-2025-01-02.zip --out data/day
  sq import lean equity/india/minute/yesbank --instrument YESBANK@nse --out data/yesbank
  sq import kite minutes.json --instrument RELIANCE@nse --instruments ref.db --out data/reliance
  sq import exported trades.parquet depth.parquet --out data/again
  sq import auto trades.csv
"""
OF_ONE = ("trades", "quotes", "bars", "lean", "kite")
"""Files that do not name their instrument."""
WHATS = ("binance", "cryptofeed", *OF_ONE, "binance-public", "exported", "auto")
"""What may follow ``sq import``."""


def add(commands: Any) -> None:
    """Declare the command."""
    command = commands.add_parser(
        "import", help="market data in files into topics", description=HELP, epilog=EXAMPLES,
        formatter_class=HelpFormatter,
    )  # fmt: skip
    command.add_argument("what", choices=WHATS, help="what the files hold")
    command.add_argument("files", nargs="+", type=Path, help="the files, in time order")
    command.add_argument("--out", type=Path, metavar="FOLDER", help="new folder")
    command.add_argument(
        "--instruments", type=Path, metavar="FILE",
        help="TOML file, or a table of 'sq instruments sync', that adds to or overrides the "
        "instruments that ship",
    )  # fmt: skip
    command.add_argument(
        "--as-of", metavar="TIME", help="of a dated table, the specifications in force then"
    )
    command.add_argument(
        "--known-at", metavar="TIME", help="of a dated table, what was known then (default: now)"
    )
    command.add_argument(
        "--unit", choices=("ms", "us"), help="binance: unit of spot times (default: by their size)"
    )
    command.add_argument(
        "--map", type=Path, metavar="FILE",
        help="trades, quotes, bars: TOML file: which column is what, its unit; lean: the zone; "
        "kite: the interval",
    )
    command.add_argument(
        "--instrument", default="", metavar="SYMBOL@VENUE", help="of tables: whose they are"
    )
    command.add_argument("--json", action="store_true", help="print the summary as JSON")
    command.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Import; exit 1 if a file was cut short."""
    from jobs.progress import ProgressBar
    from schemas.errors import WrongUse

    if arguments.what == "auto" and not _found(arguments):
        return 0
    if arguments.out is None:
        raise WrongUse("no folder was named; say where the topics go with --out FOLDER")
    if arguments.what == "exported":
        return _exported(arguments)
    with ProgressBar("import", "bytes") as bar:
        summary = _imported(arguments, bar.update)
    return _said(arguments, summary)


def _found(arguments: argparse.Namespace) -> bool:
    """Print what the files are and the command; True if it is to be carried out, as ``what``."""
    from connectors.tables.detecting import import_of

    what, texts = import_of(arguments.files)
    arguments.what = what
    words = ["sq", "import", what, *map(str, arguments.files)]
    for name, value in (("instruments", arguments.instruments), ("as-of", arguments.as_of),
                        ("known-at", arguments.known_at), ("unit", arguments.unit),
                        ("map", arguments.map), ("instrument", arguments.instrument),
                        ("out", arguments.out or "FOLDER")):  # fmt: skip
        if value:
            words += [f"--{name}", str(value)]
    if what in OF_ONE and not (arguments.instrument or arguments.map):
        words += ["--instrument", "SYMBOL@VENUE"]
    if arguments.json and arguments.out is None:
        found = [{"file": name, "found": text} for name, text in texts]
        print(json.dumps({"command": words, "found": found}, sort_keys=True))
    elif not arguments.json:
        for name, text in texts:
            print(f"  {name}: {text}")
        print(shlex.join(words))
    return arguments.out is not None


def _exported(arguments: argparse.Namespace) -> int:
    """Topics of exported files, and whether they are the ones that were exported."""
    import msgspec

    from jobs.exporting.topic_file import import_exported
    from jobs.progress import ProgressBar

    with ProgressBar("import", "records") as bar:
        found = import_exported(arguments.files, arguments.out, bar.update)
    if arguments.json:
        print(json.dumps({"topics": msgspec.to_builtins(found)}, sort_keys=True))
        return 0
    for each in found:
        same = "as it was exported" if each.is_equal else "NOT the records that were exported"
        print(f"  {each.topic:18} {each.records:>12,}  {same} (digest {each.digest[:16]})")
    print(f"imported {len(found)} exported topics into {arguments.out}")
    return 0


def _said(arguments: argparse.Namespace, summary: Any) -> int:
    """Print the summary."""
    from jobs.quantities import instant_text

    if arguments.json:
        print(json.dumps(summary.to_dict(), sort_keys=True))
    else:
        for topic, count in summary.counts.items():
            print(f"  {topic:18} {count:>12,}")
        for reason, count in sorted(summary.reasons.items()):
            print(f"  dead letter: {reason:30} {count:>8,}")
        for remark in summary.remarks():
            print(f"  {remark}")
        if summary.first_time:
            print(
                f"{', '.join(summary.symbols)}: {instant_text(summary.first_time)} to "
                f"{instant_text(summary.last_time)}; {arguments.out}"
            )
    for damage in summary.damages:
        sys.stderr.write(
            f"sq: {damage.file}: {damage.text} (after line {damage.line:,}); everything else was "
            "read and is kept\n"
        )
    return 1 if summary.damages else 0


def _imported(arguments: argparse.Namespace, progress: Any) -> Any:
    """The import that the command names. Raises WrongUse for options of another one."""
    from schemas.errors import WrongUse

    files, out, table = arguments.files, arguments.out, _instruments(arguments)
    what = arguments.what
    if what == "binance":
        if arguments.map or arguments.instrument:
            raise WrongUse("--map and --instrument are of tables; frames name their symbols")
        from connectors.captures.importer import import_binance

        return import_binance(files, out, table, progress, arguments.unit)
    if what == "cryptofeed" and not (arguments.map or arguments.instrument or arguments.unit):
        from connectors.captures.cryptofeed import import_cryptofeed

        return import_cryptofeed(files, out, table, progress)
    if what == "cryptofeed":
        raise WrongUse("--map, --instrument and --unit are of other files; frames say all that")
    if arguments.unit:
        raise WrongUse("--unit is of 'sq import binance'; the column map says it here: [time] unit")
    if what == "binance-public":
        if arguments.map:
            raise WrongUse("--map is of 'sq import trades', 'quotes' and 'bars'")
        from connectors.tables.binance_public import import_public

        return import_public(files, out, arguments.instrument, table, progress)
    if what == "lean":
        from connectors.tables.lean import import_lean

        return import_lean(files, out, arguments.map, arguments.instrument, table, progress)
    if what == "kite":
        from connectors.tables.kite_candles import import_kite

        return import_kite(files, out, arguments.map, arguments.instrument, table, progress)
    from connectors.tables.detecting import KINDS
    from connectors.tables.importing import import_table

    kind = next(each for each in KINDS if each.name == what)
    return import_table(kind, files, out, arguments.map, arguments.instrument, table, progress)


def _instruments(arguments: argparse.Namespace) -> Any:
    """The table that was named; read here where a time says what of it counts. Raises WrongUse."""
    if arguments.as_of is None and arguments.known_at is None:
        return arguments.instruments
    from connectors.instruments import load
    from jobs.quantities import instant

    given = [arguments.instruments] if arguments.instruments else []
    times = [
        None if text is None else instant(text) for text in (arguments.as_of, arguments.known_at)
    ]
    return load(given, *times)
