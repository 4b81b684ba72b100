"""The pipeline: every stage in order, with the settings a configuration gives them."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import Any

import msgspec

from jobs.configuration import CHOSEN, BadConfiguration, Configuration
from jobs.granularity import BARS, BOOK, MARKET_DATA, bar_times, check_data, data_of
from jobs.strangers import ask_for, is_strange, stage_of
from jobs.strategies import check_stage, check_strategy, strategy_sources
from jobs.ticker import TICKERS, holds_tickers, settled, uses_ticker
from jobs.user_stages import Placed, check_inputs, fields_of, found_stages, load_stages
from schemas.catalogue import STORED_AS, TOPICS
from schemas.codec import codec
from schemas.errors import BadData, ShrivenError, WrongUse
from schemas.records import Instrument
from streams.aggregation import assumed as aggregation_without_book
from streams.aggregation import stage as aggregation_of_book
from streams.log.local import LocalLog
from streams.numeric import fixed
from streams.portfolio import stage as portfolio
from streams.portfolio.state import cash_amount
from streams.reporting import stage as reporting
from streams.risk import stage as risk
from streams.routing import stage as routing
from streams.runtime.order.row_validation import INSTRUMENTS_LIMIT
from streams.runtime.recovery.execution import Execution
from streams.runtime.recovery.recorded import recorded_execution
from streams.runtime.schedule.topology import Topology
from streams.signals import sizing
from streams.signals.catalogue import UnusableStrategyFile, load_strategy
from streams.signals.loading import place_of
from streams.signals.sources import StrategySources
from streams.signals.view import ACCOUNT, is_last, reads_of, view_of
from streams.toxicity import stage as toxicity
from streams.venue import stage as venue

NAME = "pipeline"
COMMON = ("control", "ref.instruments")
"""Inputs of every run, before its market data."""
FEEDS = (*COMMON, *MARKET_DATA[BOOK])
NEVER = 2**63 - 1
JOBS: dict[str, tuple[str, ...] | None] = {"pipeline": None, "market": ("aggregation", "toxicity")}
"""What can be deployed: a job's name, and the names of its stages (None: all)."""


class NotARecording(WrongUse):
    """The folder holds no input of the pipeline."""

    code = "not_a_recording"


class SymbolNotRecorded(WrongUse):
    """A symbol the recording does not have."""

    code = "symbol_not_recorded"


def read_instruments(log: LocalLog) -> list[Instrument]:
    """The latest specification of every instrument in the log, by id.

    Raises:
        NotARecording: the log has no ``ref.instruments``.
    """
    if "ref.instruments" not in log.topics():
        raise NotARecording(
            f"{log.path} holds no ref.instruments; give a folder that 'sq import' or 'sq generate' "
            "wrote"
        )
    decoder = codec("Instrument")
    found: dict[int, Instrument] = {}
    for block in log.reader("ref.instruments").blocks():
        for record in decoder.decode_records(block.body, block.count):
            found[record.instrument] = record
    if not found:
        raise BadData(f"{log.path}: ref.instruments is empty; import the recording again")
    beyond = [key for key in found if not 0 <= key < INSTRUMENTS_LIMIT]
    if beyond:
        raise BadData(
            f"{log.path}: instrument id {beyond[0]} is not from 0 to {INSTRUMENTS_LIMIT - 1}; "
            "import again with a corrected table"
        )
    return [found[key] for key in sorted(found)]


def select(instruments: Sequence[Instrument], symbols: Sequence[str]) -> list[Instrument]:
    """The instruments of these symbols (``BTCUSDT`` or ``venue:BTCUSDT``), all where none are
    named.

    Raises:
        SymbolNotRecorded: names what the recording has.
    """
    if not symbols:
        return list(instruments)
    chosen: list[Instrument] = []
    for symbol in symbols:
        matching = [
            each
            for each in instruments
            if symbol in (each.symbol, f"{each.venue.upper()}:{each.symbol}")
        ]
        if not matching:
            has = ", ".join(each.symbol for each in instruments)
            raise SymbolNotRecorded(f"{symbol} is not in the recording; it has {has}")
        chosen += [each for each in matching if each not in chosen]
    return sorted(chosen, key=lambda each: each.instrument)


def inputs_of(configuration: Configuration, job: str = NAME) -> tuple[str, ...]:
    """What a job reads, in merge order; the venue's tickers where it trades and the configuration
    uses them.
    """
    feeds = (*COMMON, *MARKET_DATA[data_of(configuration.stages)])
    return (*feeds, TICKERS) if JOBS[job] is None and uses_ticker(configuration) else feeds


def feeds_of(log: LocalLog, configuration: Configuration) -> list[str]:
    """The pipeline's inputs that the log holds, in merge order.

    Raises:
        NotARecording: there is no market data, or there are no tickers where they are asked for.
    """
    if uses_ticker(configuration) and not holds_tickers(log):
        raise NotARecording(
            f"{log.path} holds no {TICKERS}, which --ticker cap needs; leave --ticker out"
        )
    present = set(log.topics())
    feeds = [
        topic for topic in inputs_of(configuration) if STORED_AS.get(topic, topic) in present
    ]
    if not any(topic.startswith("md.") for topic in feeds):
        wanted = ", ".join(MARKET_DATA[data_of(configuration.stages)])
        raise NotARecording(
            f"{log.path} holds no market data ({wanted}); give a folder that 'sq import' or 'sq "
            "generate' wrote"
        )
    return feeds


def traded_to(configuration: Configuration, log: LocalLog) -> int | None:
    """The end of the time traded (ns) where ``--to`` cuts the recording; None where the data end
    first, or there is no ``--to``.
    """
    if configuration.to_time is None:
        return None
    if data_of(configuration.stages) == BARS:
        times = bar_times(log)
        return configuration.to_time if times and times[1] >= configuration.to_time else None
    readers = [
        log.reader(topic)
        for topic in log.topics()
        if topic in inputs_of(configuration) and topic.startswith("md.")
    ]
    return (
        configuration.to_time
        if any(each.offset_at_time(configuration.to_time) < each.end_offset for each in readers)
        else None
    )


def _settings(name: str, kind: Any, given: dict[str, Any], overrides: dict[str, Any]) -> Any:
    """A stage's settings, with the user's overrides checked."""
    try:
        return msgspec.convert({**given, **overrides}, kind, strict=False)
    except (msgspec.ValidationError, ValueError) as problem:
        fields = ", ".join(getattr(kind, "__struct_fields__", ()))
        raise BadConfiguration(f"[{name}]: {problem}; its settings are {fields}") from problem


def stages_of(
    configuration: Configuration,
    only: Sequence[str] | None = None,
    shard: int = 0,
    ended: int | None = None,
    strategy: tuple[Any, Any] | None = None,
    users: Placed | None = None,
) -> list[tuple[Any, Any]]:
    """(stage, settings) in stage order. A strategy that reads its account or the book is the last
    of them.

    Args:
        only: names of the stages wanted, all of them where it is None.
        shard: whose account.
        ended: the end of the time traded, where it is not the end of the data.
        strategy: what stands for the strategy; by default it is loaded.
        users: their own stages.
    """
    c = configuration
    account = c.account_of(shard)
    given: dict[str, dict[str, Any]] = {
        "sizing": {
            "account": account,
            "short": c.short,
            "warmup": c.warmup,
            "trade_from": c.from_time or 0,
            "cash": c.cash,
        },
        "risk": {
            "account": account,
            "short": c.short,
            "cash": c.cash,
            "leverage": c.leverage,
            "maker_rate": c.maker_rate,
            "taker_rate": c.taker_rate,
            "trade_from": c.from_time or 0,
            "trade_to": NEVER if c.to_time is None else c.to_time,
            "warmup": c.warmup,
        },
        "venue": {
            "feed_latency": c.feed_latency,
            "entry_latency": c.entry_latency,
            "response_latency": c.response_latency,
            "maker_rate": c.maker_rate,
            "taker_rate": c.taker_rate,
        },
        "portfolio": {"account": account, "cash": c.cash},
        "reporting": {"trade_from": c.from_time or 0, "warmup": c.warmup, "trade_to": ended or 0},
    }
    aggregation: Any = aggregation_of_book
    if (data := data_of(c.stages)) != BOOK:
        aggregation = aggregation_without_book
        own = c.stages["aggregation"]
        given["venue"] |= {"data": data} | {
            name: own[name] for name in ("spread", "unsized") if name in own
        }
    stages: list[tuple[Any, Any]] = []
    order: tuple[tuple[Any, Any], ...] = (
        (aggregation, aggregation),
        (toxicity, toxicity),
        *((stage, stage) for stage in chosen_stages(c)),
        (None, None),
        (sizing, sizing.Sizing),
        (risk, risk.Risk),
        (routing, routing.Routing),
        (venue, venue),
        (portfolio, portfolio.Portfolio),
        (reporting, reporting.Reporting),
    )
    for module, kind in order:
        if module is None:
            if only is None:
                strategy = (
                    strategy if strategy is not None else load_strategy(c.strategy, c.parameters)
                )
                stages += users.before if users is not None else []
                stages += [] if is_last(strategy[0]) else with_view(strategy, account)
            continue
        name = kind.NAME
        if only is not None and name not in (*only, *CHOSEN):
            continue
        stages.append(
            (kind, _settings(name, module.Settings, given.get(name, {}), c.stages.get(name, {})))
        )
    stages += users.behind if users is not None else []
    return stages + (
        with_view(strategy, account) if strategy is not None and is_last(strategy[0]) else []
    )


def chosen_stages(configuration: Configuration) -> list[Any]:
    """The market's stages that this configuration switches on, each imported where it runs."""
    names = [name for name in CHOSEN if name in configuration.stages]
    return [importlib.import_module(f"streams.{name}.stage") for name in names]


def check_chosen(configuration: Configuration, stages: Sequence[tuple[Any, Any]]) -> None:
    """Raise BadConfiguration for a stage that waits for what no stage was switched on to write."""
    written = {topic for stage, _ in stages for topic in stage.OUTPUTS}
    for stage, _ in stages:
        for topic in stage.INPUTS:
            owner = TOPICS[topic].owner if topic in TOPICS else ""
            if owner in CHOSEN and topic not in written:
                raise BadConfiguration(
                    f"{stage.NAME} reads {topic}, which no stage writes; switch it on by "
                    f"--{owner}, or by a table [{owner}] in the file of --config"
                )


def with_view(strategy: tuple[Any, Any], account: int) -> list[tuple[Any, Any]]:
    """A strategy, behind the stage that keeps what it reads, if it reads anything, and before the
    one that sends what it modifies.
    """
    view = view_of(strategy[0], account)
    found: list[tuple[Any, Any]] = [strategy] if view is None else [(view, None), strategy]
    stage: Any = strategy[0]
    if ACCOUNT in reads_of(stage):
        # compiled code, which few strategies need
        from streams.signals.replacing import Replacements

        members = {"ACCOUNT": account, "STRATEGY": getattr(stage, "STRATEGY", 1)}
        found.append((type("Replacing", (Replacements,), members), None))
    return found


def check_cash(configuration: Configuration, instruments: Sequence[Instrument]) -> None:
    """Refuse cash that the instruments traded cannot be settled in.

    Raises:
        BadConfiguration: another currency, or finer or larger than an amount of these instruments
            can be.
    """
    quotes = sorted({each.quote for each in instruments})
    if quotes != [configuration.currency]:
        advice = (
            f"write --cash {configuration.cash}{quotes[0]}"
            if len(quotes) == 1
            else "choose instruments of one currency with --symbols"
        )
        raise BadConfiguration(
            f"the cash is {configuration.currency}, the instruments are quoted in "
            f"{', '.join(quotes)}; {advice}"
        )
    precision = max(each.price_precision + each.quantity_precision for each in instruments)
    try:
        cash_amount(configuration.cash, precision)
    except BadData as problem:
        what = problem.text.partition(";")[0]
        raise BadConfiguration(
            f"--cash {configuration.cash}{configuration.currency}: {what}; give less, or fewer "
            "decimals"
        ) from problem


def build_topology(configuration: Configuration, log: LocalLog) -> Topology:
    """The topology over this log's inputs. Raises BadConfiguration where several accounts are
    named: a backtest trades one.
    """
    if len(configuration.accounts) > 1:
        what = f"a backtest trades one account, accounts names {len(configuration.accounts)}"
        raise BadConfiguration(f"{what}; say whose with --shard, or name one with --accounts")
    configuration = settled(configuration, holds_tickers(log))
    feeds = feeds_of(log, configuration)
    return topology_over(
        configuration, read_instruments(log), feeds, ended=traded_to(configuration, log)
    )


def topology_over(
    configuration: Configuration,
    known: Sequence[Instrument],
    feeds: Sequence[str],
    name: str = NAME,
    more: Sequence[Instrument] = (),
    shard: int = 0,
    ended: int | None = None,
) -> Topology:
    """The topology over these instruments (those of the configuration's symbols) and inputs.

    Args:
        name: one of JOBS.
        more: instruments besides, whatever symbols are named.
        shard: whose account is traded.
        ended: the end of the time traded, where it is not the end of the data.
    """
    configuration = settled(configuration, TICKERS in feeds)
    instruments = [*select(known, configuration.symbols), *more]
    sources = strategy_sources(configuration) if JOBS[name] is None else None
    artefacts: dict[str, Any] = {}
    if JOBS[name] is None:
        check_cash(configuration, instruments)
        if uses_ticker(configuration) and TICKERS not in feeds:
            raise BadConfiguration(
                f"--ticker cap needs {TICKERS}, which is not among the inputs; leave --ticker out"
            )
    strategy = None
    found = found_stages(configuration)
    if found and JOBS[name] is not None:
        raise BadConfiguration(
            f"job {name} runs no stages of users; leave [stages] and --stage out, or run the job "
            f"{NAME}"
        )
    users = load_stages(configuration, found)
    if sources is not None and is_strange(sources):
        ask_for(sources)
        check_strategy(sources, is_strange=True)
        strategy = stage_of(sources, configuration, len(instruments))
    elif JOBS[name] is None:
        artefacts = check_strategy(sources, users=fields_of(found)) if sources is not None else {}
        strategy = load_strategy(configuration.strategy, configuration.parameters)
        check_stage(strategy[0], configuration.strategy, artefacts)
    if strategy is not None and TICKERS in strategy[0].INPUTS and TICKERS not in feeds:
        what = (
            f"strategy {configuration.strategy} wakes on {TICKERS}, which is not among the inputs"
        )
        raise BadConfiguration(
            f"{what}; give a recording that holds it, and leave --ticker off out"
        )
    if strategy is not None:
        check_data(configuration.strategy, strategy[0], feeds, data_of(configuration.stages))
    stages = stages_of(configuration, JOBS[name], shard, ended, strategy, users)
    check_chosen(configuration, stages)
    check_inputs(users, stages, feeds)
    try:
        account, sizes = (
            configuration.account_of(shard),
            (configuration.book_window, configuration.tail_capacity),
        )
        return Topology(
            name, stages, instruments, feeds, *sizes, _salt(sources, strategy), account, artefacts
        )
    except fixed.BadNumber as problem:
        raise BadConfiguration(f"a setting is no number: {problem}") from problem
    except (fixed.OffPrecision, fixed.OutOfRange) as problem:
        raise BadConfiguration(
            f"a setting does not fit the instruments' precision: {problem.text.partition(';')[0]}"
        ) from problem
    except ShrivenError:
        raise
    except Exception as problem:  # noqa: BLE001 - a user's constructor may fail in any way; ours do not
        unusable = _unusable(problem, configuration, users, sources)
        if unusable is None:
            raise
        raise unusable from problem


def _unusable(
    problem: Exception, configuration: Configuration, users: Any, sources: StrategySources | None
) -> UnusableStrategyFile | None:
    """The error for a user's constructor that raised, with the line of the file; None if no file of
    a user's is among those that can have.
    """
    what = f"{type(problem).__name__}: {problem}; correct the file"
    for stage, files in users.sources.items():
        if at := place_of(problem, files):
            return UnusableStrategyFile(f"stage {stage}, {at[0].name}, line {at[1]}: {what}")
    if sources is None:
        return None
    where = place_of(problem, sources)
    file = f"{where[0]}, " if where and where[0] != sources.main else ""
    line = f", {file}line {where[1]}" if where else ""
    return UnusableStrategyFile(f"strategy {configuration.strategy}{line}: {what}")


def _salt(sources: StrategySources | None, strategy: tuple[Any, Any] | None) -> bytes:
    """Digest of a user's kernels, which the loops are compiled with; a strategy in plain Python is
    in none.
    """
    if sources is None or strategy is None or not hasattr(strategy[0], "new_state"):
        return b""
    return bytes.fromhex(sources.digest())


def build_execution(configuration: Configuration, log: LocalLog, journal_id: int) -> Execution:
    """The execution of the configuration over the log."""
    topology = build_topology(configuration, log)
    end = NEVER if configuration.to_time is None else configuration.to_time
    known = read_instruments(log)
    return recorded_execution(topology, log, journal_id, known, configuration.clock_jump_max, end)
