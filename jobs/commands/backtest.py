"""``sq backtest``: a recording through the whole pipeline."""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

from jobs.collector import without_collector
from jobs.configuration import (
    ACCOUNTS_MAX,
    DATA,
    BadConfiguration,
    Configuration,
    build,
    read_file,
)
from jobs.granularity import BOOK, data_of, fill_rule
from jobs.helping import HelpFormatter
from jobs.progress import ProgressBar
from jobs.ticker import rule_of
from jobs.venue_models import named
from schemas.errors import WrongUse

HELP = """\
Runs a recording through every stage - books, toxicity, the strategy, risk, routing, the simulated
venue, the portfolio - and leaves a run folder: every topic, the journal that proves it, report.html
and report.json.

The same command on an unfinished folder goes on where it was; on a finished one it says so.

strategies: ema-cross (compiled), ema-cross-python (the same in Python), noop-python, template, or
your own file: my_file.py:MyStrategy
"""
EXAMPLES = """\
examples:
  sq backtest data/btc --strategy ema-cross --set fast=20 --set slow=50 --out runs/a
  sq backtest data/btc --strategy my_file.py:MyStrategy --fees maker=0.5bp,taker=3bp --out runs/b
  sq backtest data/btc --config run.toml --out runs/c
  sq backtest data/btc data/eth --strategy ema-cross --out runs/both
  sq backtest kafka://broker:9092 --from 2026-01-05 --to 2026-01-06 --strategy ema-cross --out
  runs/d

the file's keys are the long options' names; [set] holds parameters, and each stage has a table of
its own (docs/commands.md)
"""


CHARGES_HELP = (
    "in place of --fees: what orders cost in India, for example intraday@nse, delivery@bse, future"
)
CHARGES_ON_HELP = "the day whose charges count (default: the first of the data)"
DATA_HELP = (
    "what orders fill against; auto (default): the order book where the recording has one, else "
    "best prices, trades, bars"
)
SPREAD_HELP = "trades and bars: from a print to the price that an order gets (default 1)"
TICKER_HELP = (
    "cap: no order takes better than the recorded best bid and ask; auto (default): cap "
    "where the recording has them"
)
FILL_MODEL_HELP = "how the queue position of a resting order moves (default risk-averse)"
MICROSTRUCTURE_HELP = "also run the stage of measures that writes md.microstructure"
VENUE_MODEL_HELP = "the venue's fees, tick and latency rules (default standard)"


def add(commands: Any) -> None:
    """Declare the command."""
    command = commands.add_parser(
        "backtest",
        help="run a strategy over a recording",
        description=HELP,
        epilog=EXAMPLES,
        formatter_class=HelpFormatter,
    )
    what = (
        "folder that 'sq import', 'sq generate' or 'sq pull' wrote, or kafka://HOST:PORT; "
        "several folders were recorded side by side"
    )
    command.add_argument("recording", nargs="+", help=what)
    command.add_argument(
        "--out",
        type=Path,
        required=True,
        metavar="FOLDER",
        help="run folder to write, or to go on with",
    )
    command.add_argument("--strategy", metavar="NAME", help="name, or FILE.py:CLASS")
    command.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="a strategy parameter; repeat for more",
    )
    command.add_argument(
        "--stage",
        action="append",
        default=[],
        metavar="FILE.py:CLASS",
        help="a stage of your own; repeat for more",
    )
    command.add_argument("--config", type=Path, metavar="FILE", help="TOML file; flags win over it")
    command.add_argument(
        "--cash", metavar="MONEY", help="starting cash, for example 1000000USDT (the default)"
    )
    command.add_argument(
        "--accounts",
        metavar="LIST",
        help="account to trade; of a deployment's list, --shard says which (default 1)",
    )
    command.add_argument(
        "--shard",
        type=int,
        metavar="N",
        help="the shard to be: its partition of a cluster's market data, its account",
    )
    command.add_argument("--symbols", metavar="LIST", help="trade only these, separated by commas")
    command.add_argument(
        "--from",
        dest="from_",
        metavar="TIME",
        help="trade from this time on (ISO 8601, UTC); earlier data warms the books",
    )
    command.add_argument("--to", metavar="TIME", help="stop reading before this time")
    command.add_argument(
        "--warmup",
        metavar="DURATION",
        help="note signals but do not trade for this long, for example 5m",
    )
    command.add_argument(
        "--fees", metavar="RATES", help="maker=1bp,taker=4bp (the default); a rebate is negative"
    )
    command.add_argument(
        "--latency", metavar="LEGS", help="feed=2ms,entry=5ms,response=5ms (the default)"
    )
    command.add_argument(
        "--short",
        choices=("on", "off"),
        help="allow short positions where the instrument does (default on)",
    )
    command.add_argument(
        "--leverage",
        metavar="N",
        help="positions of at most N times the account's money (default 1)",
    )
    command.add_argument("--microstructure", action="store_true", help=MICROSTRUCTURE_HELP)
    command.add_argument("--charges", metavar="PRODUCT", help=CHARGES_HELP)
    command.add_argument("--charges-on", metavar="DAY", help=CHARGES_ON_HELP)
    command.add_argument("--data", choices=DATA, help=DATA_HELP)
    command.add_argument("--spread", metavar="TICKS", help=SPREAD_HELP)
    command.add_argument("--ticker", choices=("auto", "cap", "off"), help=TICKER_HELP)
    command.add_argument("--fill-model", metavar="NAME", help=FILL_MODEL_HELP)
    command.add_argument("--venue-model", metavar="NAME", help=VENUE_MODEL_HELP)
    command.add_argument(
        "--batch",
        type=int,
        metavar="N",
        help="at most N input records a batch (default 65,536); never changes a result",
    )
    command.add_argument("--fresh", action="store_true", help="delete the run folder first")
    command.add_argument(
        "--json",
        action="store_true",
        help="print the summary and the numbers of report.json as JSON",
    )
    command.set_defaults(run=run)


def configuration_of(arguments: argparse.Namespace) -> Configuration:
    """File first, flags over it."""
    options: dict[str, Any] = read_file(arguments.config) if arguments.config is not None else {}
    flags = {
        "strategy": arguments.strategy,
        "cash": arguments.cash,
        "accounts": arguments.accounts,
        "symbols": arguments.symbols,
        "from": arguments.from_,
        "to": arguments.to,
        "warmup": arguments.warmup,
        "fees": arguments.fees,
        "latency": arguments.latency,
        "short": arguments.short,
        "leverage": arguments.leverage,
        "charges": arguments.charges,
        "charges_on": arguments.charges_on,
        "data": arguments.data,
        "spread": arguments.spread,
        "ticker": arguments.ticker,
        "fill_model": arguments.fill_model,
        "venue_model": arguments.venue_model,
        "batch": arguments.batch,
    }
    options |= {name: value for name, value in flags.items() if value is not None}
    if arguments.microstructure:
        options.setdefault("microstructure", {})
    parameters = options.get("set", {})
    if not isinstance(parameters, dict):
        raise WrongUse(
            f"{arguments.config}: [set] must be a table of strategy parameters, for example fast "
            "= 20"
        )
    parameters = dict(parameters)
    for pair in arguments.set:
        name, equals, value = pair.partition("=")
        if not equals or not name:
            raise WrongUse(f"--set takes KEY=VALUE, not {pair!r}")
        parameters[name.strip()] = value.strip()
    options["set"] = parameters
    options["stages"] = with_stages(options.get("stages", {}), arguments.stage)
    if "strategy" not in options:
        raise WrongUse("name a strategy: --strategy ema-cross, or FILE.py:CLASS")
    return build(options)


def with_stages(tables: Any, given: list[str]) -> Any:
    """The stages of the configuration file with those of ``--stage``, which are called as their
    files are. Raises WrongUse.
    """
    for each in given:
        name = Path(each.partition(".py")[0]).name
        if not isinstance(tables, dict) or name in tables:
            raise WrongUse(
                f"--stage {each}: there is a stage {name!r} already; give the file another name"
            )
        tables = {**tables, name: {"file": each}}
    return tables


def run(arguments: argparse.Namespace) -> int:
    """Backtest, report, summary."""
    from jobs.reports import report_of, write_files
    from jobs.runs import MANIFEST, Backtest
    from streams.reporting.headlines import sentence

    told: list[str] = []

    def finish(folder: Any, manifest: dict[str, Any]) -> None:
        report = report_of(folder, manifest)
        write_files(report, folder.path)
        told.append(sentence(report))
        told.extend(row["text"] for row in report.model["warnings"] if row["code"] == "NO_BOOK")

    configuration = configuration_of(arguments)
    recording = _recording(arguments)
    configuration.accounts = one_account(
        configuration,
        arguments.shard if arguments.shard is not None else partition_pulled(recording),
    )
    started = time.monotonic()
    with without_collector(), ProgressBar("backtest", "records") as bar:
        backtest = Backtest(
            configuration,
            _in_order(recording),
            arguments.out,
            lambda p: bar.update(p.consumed, p.total),
            fresh=arguments.fresh,
            on_resume=lambda batches: _say_resumed(batches, arguments.json),
        )
        result = backtest.run(finish)
    elapsed = time.monotonic() - started
    manifest = result.manifest
    for text in result.reports:
        sys.stderr.write(f"sq: {text}\n")
    summary = _summary(manifest, elapsed)
    if _is_leverage_idle(configuration, manifest):
        what = (
            "nothing that is traded needs margin; spot is paid in full, and none of it may be "
            "sold short here"
        )
        sys.stderr.write(f"sq: --leverage {configuration.leverage} has no effect: {what}\n")
    if arguments.json:
        summary |= {
            "finished_before": result.was_finished,
            "resumed_at": result.resumed_at,
            "report": _numbers(arguments.out),
        }
        print(json.dumps(summary, sort_keys=True))
        return 0
    if result.was_finished:
        print(
            f"{arguments.out} is finished already: {manifest['batches']} batches, "
            f"{manifest['records']} records ({MANIFEST}); --fresh starts over"
        )
        return 0
    for name, value in summary["topics"].items():
        print(f"  {name:18} {value:>12,}")
    batches = "1 batch" if manifest["batches"] == 1 else f"{manifest['batches']} batches"
    data = summary["data"]
    rule = f"ticker {summary['ticker']}" if data == BOOK else f"traded on {data}"
    print(
        f"{manifest['records']:,} input records in {batches}, {elapsed:.1f} s; journal id "
        f"{manifest['journal_id']:06x}; {rule}"
    )
    if data != BOOK:
        print(f"assumed: {summary['fill_rule']}")
    print(*told)
    print(f"tear sheet: {arguments.out / 'report.html'}    proof: sq verify {arguments.out}")
    return 0


def one_account(configuration: Configuration, shard: int | None) -> list[int]:
    """The account of this shard, as a configuration for one; empty: account 1.

    Raises:
        BadConfiguration: several are named and none is the shard's, or there can be no such shard.
    """
    named = configuration.accounts
    if shard is not None and not 0 <= shard < (len(named) if len(named) > 1 else ACCOUNTS_MAX):
        most = f"a topology has at most {ACCOUNTS_MAX}"
        bound = f"accounts names {len(named)}" if named else most
        raise BadConfiguration(f"there is no shard {shard}: {bound}")
    if len(named) > 1 and shard is not None:
        return [named[shard]]
    return named or ([configuration.account_of(shard)] if shard else [])


def partition_pulled(recording: Path) -> int | None:
    """The partition that a recording's market data was pulled from; None if it comes from
    elsewhere.
    """
    from jobs.facts import PulledSource, sources_in
    from streams.log.manifest import LOG_MANIFEST, read_manifest

    if not (recording / LOG_MANIFEST).is_file():
        return None
    manifest = read_manifest(recording / LOG_MANIFEST)
    if manifest.get("command") != "pull":
        return None
    sources = sources_in(manifest, dict[str, PulledSource], str(recording / LOG_MANIFEST))
    return next(
        (each.partition for topic, each in sources.items() if topic.startswith("md.")), None
    )


def _recording(arguments: argparse.Namespace) -> Path:
    """The recording's folder; a cluster's market data is pulled into one that is kept. Earlier data
    than ``--from`` warms the books.
    """
    from jobs.quantities import instant
    from streams.log.kafka.cluster import is_cluster
    from streams.log.kafka.errors import reached_cluster

    first = arguments.recording[0]
    if len(arguments.recording) > 1:
        return _merged(arguments.recording)
    if not is_cluster(first):
        return Path(first)
    from jobs.pulling import cached_recording

    with ProgressBar("pull", "offsets") as bar:
        end = instant(arguments.to) if arguments.to else None
        folder, was_there = cached_recording(
            reached_cluster(first), end, arguments.shard, on_progress=bar.update
        )
    sys.stderr.write(f"sq: {'already pulled' if was_there else 'pulled'}: {folder}\n")
    return folder


def _merged(recordings: list[str]) -> Path:
    """Recordings made side by side as one, in a folder that is kept. Raises WrongUse."""
    from jobs.merged import merged_recording
    from streams.log.kafka.cluster import is_cluster

    if any(is_cluster(each) for each in recordings):
        raise WrongUse(
            "a cluster cannot be merged with other recordings; pull it into a folder first (sq "
            "pull), and name that"
        )
    with ProgressBar("merge", "records") as bar:
        folder, was_there = merged_recording([Path(each) for each in recordings], bar.update)
    sys.stderr.write(f"sq: {'already merged' if was_there else 'merged'}: {folder}\n")
    return folder


def _in_order(recording: Path) -> Path:
    """The recording, or a kept copy of it in which no instrument's order depends on its neighbours
    (decision 27).
    """
    from jobs.merged import is_in_order, merged_recording

    if is_in_order(recording):
        return recording
    folder, _ = merged_recording([recording])
    sys.stderr.write(
        f"sq: the recording's instruments lie in order of arrival; put in order: {folder}\n"
    )
    return folder


def _say_resumed(batches: int, quietly: bool) -> None:
    """Said at once, so that it is known even if the run is stopped again."""
    if not quietly:
        print(f"resumed at batch {batches}", flush=True)


def _is_leverage_idle(configuration: Configuration, manifest: dict[str, Any]) -> bool:
    """True if a leverage was asked for, and nothing that the run trades can be bought or sold short
    with it.
    """
    import msgspec

    from jobs.pipeline import select
    from schemas.records import Instrument
    from schemas.vocabulary import InstrumentKind

    if configuration.leverage == 1:
        return False
    traded = select(
        msgspec.convert(manifest["identity"]["instruments"], list[Instrument]),
        configuration.symbols,
    )
    return not any(
        each.kind not in (InstrumentKind.SPOT, InstrumentKind.EQUITY)
        or (each.shortable and configuration.short)
        for each in traded
    )


def _numbers(folder: Path) -> dict[str, Any] | None:
    """report.json without what the summary has already; null where the run has none."""
    path = folder / "report.json"
    found = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None
    return found and {name: value for name, value in found.items() if name != "run"}


def _summary(manifest: dict[str, Any], elapsed: float) -> dict[str, Any]:
    return {
        "records": manifest["records"],
        "batches": manifest["batches"],
        "journal_id": manifest["journal_id"],
        "data": data_of(manifest["configuration"]["stages"]),
        "fill_rule": fill_rule(manifest["configuration"]["stages"]),
        "ticker": rule_of(manifest["configuration"]["stages"]),
        **named(manifest["configuration"]["stages"]),
        "topics": {name: facts["count"] for name, facts in manifest["topics"].items()},
        "digests": {name: facts["digest"] for name, facts in manifest["topics"].items()},
        "seconds": round(elapsed, 3),
    }
