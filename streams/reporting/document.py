"""The report of a run: a pure function of its records.

``build_report(records)`` gathers what the tear sheet, report.json and the CSV files say into one
model, so that they cannot disagree, and checks it against the ledger. Nothing is read and no time
but the records' own is used: the same records give the same bytes.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from schemas.records import (
    Bar,
    Fill,
    Instrument,
    OrderEvent,
    PerformanceReport,
    PnL,
    Position,
    RiskDecision,
)
from schemas.vocabulary import InstrumentKind, NullReason
from streams.numeric.stage_records import INSTRUMENT_IDS
from streams.reporting import accounting, estimates, instrument_profit, report_warnings
from streams.reporting.around_fills import AroundFills
from streams.reporting.detail import Detail, chapters, detail
from streams.reporting.equity import (
    MinuteEquity,
    Window,
    carried_samples,
    closed_samples,
    sample_times,
)
from streams.reporting.metrics import BY_NAME, COUNTS, Measure, TripTotals, drawdowns
from streams.reporting.round_trips import OpenTrip, RoundTrip, book
from streams.reporting.stage import Reporting, Settings, measure_account
from streams.reporting.wording import decimal_text, utc


class QuoteSeries(msgspec.Struct, frozen=True):
    """Quotes or marks of one instrument in time order: int64 ns and int64 prices in
    10^-price_precision; 0 is an empty side; `flags` may be null.
    """

    event_time: NDArray[np.int64]
    bid_price: NDArray[np.int64]
    ask_price: NDArray[np.int64]
    flags: NDArray[np.int64] | None = None


class ToxicitySeries(msgspec.Struct, frozen=True):
    """VPIN of one instrument in time order: int64 ns, float64 ratios with NaN for null."""

    event_time: NDArray[np.int64]
    vpin: NDArray[np.float64]
    vpin_null: NDArray[np.float64] | None = None


class ReportInput(msgspec.Struct, kw_only=True):
    """The records of a run, each list in log order.

    quotes and toxicity are by instrument id; quotes may be thinned to marks. `around` is what
    all quotes say of each fill; null: the marks are asked. `facts` is what run.json and the journal
    say; every key is optional: strategy, parameters, account, cash, currency, fees, latency, short,
    symbols, inputs, journal_id, batches, records, topic_digests, input_digests, code_digest,
    run_digest, versions, end_time (ns: the event time of EndOfInput), from and to (ns, as asked
    for), warmup (text) and warmup_ns, trade_to (ns: the end of the time traded where data follow
    it), made_before (the version that made the run, where its numbers meant something else and are
    computed again), provenance ("recorded" or "simulated"), has_depth (false where no record of
    depth was read), sample ("in-sample" or "out-of-sample"), trials (how many variants were tried
    before this one).
    """

    instruments: Sequence[Instrument]
    quotes: dict[int, QuoteSeries] = {}
    bars: Sequence[Bar] = ()
    toxicity: dict[int, ToxicitySeries] = {}
    fills: Sequence[Fill] = ()
    order_events: Sequence[OrderEvent] = ()
    decisions: Sequence[RiskDecision] = ()
    positions: Sequence[Position] = ()
    pnl: Sequence[PnL] = ()
    reports: Sequence[PerformanceReport] = ()
    around: AroundFills | None = None
    facts: dict[str, Any] = {}
    denials: dict[int, tuple[str, str]] = {}
    """RiskCode -> what a denial with it means, and what governs it (``streams/risk/codes.py``)."""


class Result(msgspec.Struct):
    """What everything else in the report is derived from; amounts in units of 10^-amount_precision,
    times in ns.

    first_time and last_time: the time traded, which all numbers are over; data_from and data_to:
    first and last record; times: when each sample of equity was taken; valued_at: the last P&L
    record with a value.
    """

    account: int
    currency: str
    amount_precision: int
    first_time: int
    last_time: int
    data_from: int
    data_to: int
    valued_at: int | None
    start: int | None
    times: list[int]
    samples: list[int]
    drawdowns: list[float]
    carried: int
    trips: list[RoundTrip]
    open_trips: list[tuple[int, OpenTrip]]
    totals: TripTotals
    measures: dict[str, Measure]
    recomputed: dict[str, Measure]
    lines: dict[int, Instrument]

    def scale(self, instrument: int) -> int:
        """From the unit of an instrument's amounts to the account's."""
        line = self.lines[instrument]
        return int(10 ** (self.amount_precision - line.price_precision - line.quantity_precision))

    def exact(self, amount: int | None) -> str | None:
        """An account amount as exact decimal text."""
        return None if amount is None else decimal_text(amount, self.amount_precision)


class Report(msgspec.Struct):
    """A built report. `model` is the content of report.json; the other fields feed the pictures and
    tables.
    """

    model: dict[str, Any]
    result: Result
    records: ReportInput
    detail: Detail

    def to_json(self) -> bytes:
        """report.json: UTF-8, two spaces, keys in the order of the model."""
        return (
            json.dumps(self.model, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
        ).encode()

    def to_csv(self) -> dict[str, bytes]:
        """The CSV files by name."""
        from streams.reporting.tables import csv_files

        return csv_files(self)

    def to_html(self) -> bytes:
        """The tear sheet: one self-contained page."""
        from streams.reporting.tearsheet import page

        return page(self).encode()


def build_report(records: ReportInput) -> Report:
    """Gather, measure and check. Records of other accounts than the report's are counted in a
    warning and otherwise left out.
    """
    facts = records.facts
    number = int(
        facts.get("account")
        or (
            records.pnl[0].account
            if records.pnl
            else records.fills[0].account
            if records.fills
            else 1
        )
    )
    mine = _of_account(records, number)
    result = _result(mine, number)
    found = detail(mine, result)
    parts = instrument_profit.parts(mine, result)
    more = chapters(found, mine, result, parts)
    mine.quotes = {key: within(series, result) for key, series in mine.quotes.items()}
    mine.toxicity = {key: within(series, result) for key, series in mine.toxicity.items()}
    orders = accounting.orders(mine.order_events, mine.decisions, records.denials)
    costs = accounting.costs(mine.fills, result)
    balance = accounting.balance(mine.pnl, result)
    checks = accounting.checks(mine, result, balance)
    checks += instrument_profit.checks(parts, result, balance)
    metrics = estimates.metric_table(result)
    model: dict[str, Any] = {
        "report": "shrivenquant",
        "version": 1,
        "strategy": facts.get("strategy"),
        "account": number,
    }
    model["currency"] = result.currency
    model["period"] = period(result, facts)
    model.update({row["name"]: row["value"] for row in metrics})
    model["metrics"] = metrics
    model["honesty"] = {
        "sample": facts.get("sample", "undeclared"), "trials": facts.get("trials"),
        "minutes": len(result.samples), "minutes_carried": result.carried,
        "confidence": 0.95, "minimum": "statistics of returns need 30 samples and a day traded",
    }  # fmt: skip
    model["balance_at"] = None if result.valued_at is None else utc(result.valued_at)
    model["balance"] = {name: result.exact(amount) for name, amount in balance.items()}
    model["orders"] = orders
    model["costs"] = costs
    model["returns"] = accounting.profit_by_period(result)
    model["round_trips"] = {
        "closed": len(result.trips),
        "open": len(result.open_trips),
        "fills": len(mine.fills),
    }
    model["instruments"] = [_instrument(line, mine) for line in mine.instruments]
    model.update(more)
    model["checks"] = checks
    model["warnings"] = report_warnings.warnings(mine, records, result, checks)
    model["run"] = {name: facts[name] for name in _RUN_FACTS if name in facts}
    return Report(model, result, mine, found)


def period(result: Result, facts: dict[str, Any]) -> dict[str, Any]:
    """The time that all numbers are over, how it was sampled, and what was asked for. ``from`` and
    ``to`` are of the time traded.
    """
    asked = {
        name: None if facts.get(name) is None else utc(int(facts[name])) for name in ("from", "to")
    }
    return {
        "from": utc(result.first_time), "to": utc(result.last_time), "from_ns": result.first_time,
        "to_ns": result.last_time,
        "seconds": (result.last_time - result.first_time) / 1e9, "samples": len(result.samples),
        "sampled": "equity at the end of each minute",
        "asked_from": asked["from"], "asked_to": asked["to"], "warmup": facts.get("warmup"),
        "data_from": utc(result.data_from), "data_to": utc(result.data_to),
    }  # fmt: skip


_RUN_FACTS = (
    "strategy", "parameters", "cash", "currency", "leverage", "fees", "latency", "data",
    "fill_rule", "ticker", "fill_model", "venue_model", "short", "symbols",
    "warmup",
    "from", "to", "inputs", "provenance",
    "journal_id", "batches", "records", "topic_digests", "input_digests", "code_digest",
    "run_digest", "versions",
)  # fmt: skip


def within(series: Any, result: Result) -> Any:
    """The part of a series in the time traded."""
    first, last = np.searchsorted(series.event_time, (result.first_time, result.last_time + 1))
    parts = (getattr(series, name) for name in series.__struct_fields__)
    return type(series)(*(None if part is None else part[first:last] for part in parts))


def measure_value(measure: Measure) -> float | int | None:
    """A metric's value as JSON has it: counts are integers."""
    return (
        int(measure.value)
        if measure.name in COUNTS and measure.value is not None
        else measure.value
    )


def _of_account(records: ReportInput, account: int) -> ReportInput:
    def mine(rows: Sequence[Any]) -> list[Any]:
        return [row for row in rows if row.account == account]

    chosen = np.flatnonzero(np.array([fill.account == account for fill in records.fills], bool))
    return ReportInput(
        instruments=records.instruments, quotes=records.quotes, bars=records.bars,
        toxicity=records.toxicity, fills=mine(records.fills),
        order_events=mine(records.order_events), decisions=mine(records.decisions),
        positions=mine(records.positions), pnl=mine(records.pnl),
        reports=mine(records.reports), around=records.around and records.around.of(chosen),
        facts=records.facts, denials=records.denials,
    )  # fmt: skip


def _result(records: ReportInput, number: int) -> Result:
    facts = records.facts
    first, last = _period(records)
    limits = Settings(
        trade_from=int(facts.get("from") or 0),
        warmup=int(facts.get("warmup_ns") or 0),
        trade_to=int(facts.get("trade_to") or 0),
    )
    stage = Reporting(records.instruments, limits)
    lines = {line.instrument: line for line in records.instruments}
    trips: list[RoundTrip] = []
    open_trips: dict[int, OpenTrip] = {}
    for pnl in records.pnl:
        stage.on_pnl(pnl, None)
    for fill in records.fills:
        stage.on_fill(fill, None)
        key = fill.strategy * INSTRUMENT_IDS + fill.instrument
        trip, closed = book(open_trips.pop(key, None), fill, lines[fill.instrument].multiplier)
        if trip is not None:
            open_trips[key] = trip
        if closed is not None:
            trips.append(closed)
    window = stage.window(last)
    account = stage.account(number)
    precision = stage.amount_precision
    recomputed = {measure.name: measure for measure in measure_account(account, precision, window)}
    measures = dict(recomputed)
    for row in records.reports:
        if row.name in BY_NAME and not facts.get("made_before"):
            measures[row.name] = Measure(row.name, row.value, row.reason, row.samples)
    series = account.equity
    scale = 10 ** (precision - series.amount_precision) if series.start is not None else 1
    samples = [sample * scale for sample in closed_samples(series, window)]
    start = None if series.start is None else series.start * scale
    currency = records.facts.get("currency") or (
        records.instruments[0].quote if records.instruments else ""
    )
    valued_at = next(
        (row.event_time for row in reversed(records.pnl) if row.equity is not None), None
    )
    began = _began(series, window, limits, first)
    return Result(
        number, str(currency), precision, began, max(began, window.ended), first, last, valued_at,
        start,
        sample_times(series, window, len(samples)), samples, drawdowns(start,
        samples) if start and start > 0 else [],
        carried_samples(series), trips, [(key % INSTRUMENT_IDS, trip) for key,
        trip in open_trips.items()], account.totals,
        measures, recomputed, lines,
    )  # fmt: skip


def _began(series: MinuteEquity, window: Window, limits: Settings, first: int) -> int:
    """When trading may begin. A run of before 0.2 does not say when it opened: then at its first
    record.
    """
    if window.began is not None:
        return window.began
    return (
        max(limits.trade_from, first + limits.warmup)
        if limits.trade_from or limits.warmup or series.start is None
        else first
    )


def _period(records: ReportInput) -> tuple[int, int]:
    """First and last event time of anything in the report; without any record, zero."""
    times = [
        int(series.event_time[at])
        for series in records.quotes.values()
        if len(series.event_time)
        for at in (0, -1)
    ]
    for rows in (records.pnl, records.fills, records.order_events, records.decisions):
        times.extend(rows[at].event_time for at in (0, -1) if rows)
    end = records.facts.get("end_time")
    last = int(end) if end is not None else max(times, default=0)
    return min(times, default=last), last


def _instrument(line: Instrument, records: ReportInput) -> dict[str, Any]:
    series = records.quotes.get(line.instrument)
    return {
        "instrument": line.instrument, "venue": line.venue, "symbol": line.symbol,
        "kind": InstrumentKind(line.kind).name,
        "tick_size": decimal_text(line.tick_size, line.price_precision),
        "lot_size": decimal_text(line.lot_size, line.quantity_precision),
        "price_precision": line.price_precision, "quantity_precision": line.quantity_precision,
        "fills": sum(fill.instrument == line.instrument for fill in records.fills),
        "quotes": len(series.event_time) if series else 0,
    }  # fmt: skip


def reason_name(measure: Measure) -> str:
    """The reason of a null value as the schema spells it."""
    return NullReason(measure.reason).name
