"""The CSV files: the same numbers as the page and report.json, exact decimals, one header line,
times as ns and as UTC text.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from schemas.vocabulary import Liquidity, OrderReason, OrderStatus, OrderType, RiskCode, Side
from streams.reporting.accounting import last_events
from streams.reporting.markouts import MOMENTS, mid_texts, twice_mids
from streams.reporting.wording import decimal_text, utc

if TYPE_CHECKING:
    from streams.reporting.document import Report


QUOTED = frozenset(',"\n\r')
"""A field with one of these is written in quotes."""


def csv_files(report: Report) -> dict[str, bytes]:
    """File name to content, UTF-8."""
    return {
        "equity.csv": _file(("event_time", "utc", "equity", "drawdown", "buy_and_hold"),
        _equity(report)),
        "fills.csv": _file(
            ("event_time", "utc", "order_id", "instrument", "symbol", "side", "price", "quantity",
            "liquidity", "fee", "notional",
             *(f"mid_{moment.name}" for moment in MOMENTS)), _fills(report),
        ),
        "orders.csv": _file(
            ("event_time", "utc", "order_id", "instrument", "symbol", "side", "type", "quantity",
            "limit_price", "decision", "status", "reason",
             "filled_quantity", "last_event_time"), _orders(report),
        ),
        "round_trips.csv": _file(
            ("opened", "opened_utc", "closed", "closed_utc", "instrument", "symbol", "side",
            "quantity", "entry_notional", "exit_notional", "fees",
             "gross", "net", "fills", "mae", "mfe"), _round_trips(report),
        ),
        "instruments.csv": _records(
            ("instrument", "symbol", "venue", "realized", "unrealized", "fees", "net", "volume",
            "turnover", "fills", "trades", "win_rate",
             "contribution"), report.model["profit_by_instrument"],
        ),
        "returns.csv": _file(("unit", "period", "profit", "return", "buy_and_hold"),
        _returns(report)),
        "rolling.csv": _file(("event_time", "utc", "sharpe", "volatility", "drawdown"),
        _rolling(report)),
        "metrics.csv": _file(
            ("name", "value", "unit", "samples", "sample_unit", "reason", "interval_low",
            "interval_high"), _metrics(report),
        ),
    }  # fmt: skip


def _equity(report: Report) -> Iterable[Sequence[Any]]:
    result, curve, held = report.result, report.detail.curve, report.detail.held
    for at, (time, equity) in enumerate(zip(curve.times, curve.samples, strict=True)):
        drawdown = curve.drawdowns[at] if curve.drawdowns else None
        worth = result.exact(held.samples[at]) if held is not None else None
        yield time, utc(time), result.exact(equity), drawdown, worth


def _returns(report: Report) -> Iterable[Sequence[Any]]:
    for unit in ("yearly", "monthly", "daily"):
        for row in report.model["calendar"][unit] or ():
            yield unit, row["period"], row["profit"], row["return"], row["benchmark_return"]


def _rolling(report: Report) -> Iterable[Sequence[Any]]:
    found = report.detail.rolling
    if found is None:
        return
    for at, time in enumerate(found.times):
        ratio = found.sharpe[at] if found.sharpe else None
        yield time, utc(time), ratio, found.volatility[at], found.drawdown[at]


def _fills(report: Report) -> Iterable[Sequence[Any]]:
    fills, twice = report.records.fills, twice_mids(report.detail.around)
    mids: list[list[str]] = [[]] * len(fills)
    for instrument, line in report.result.lines.items():
        mine = [at for at, fill in enumerate(fills) if fill.instrument == instrument]
        for at, texts in zip(mine, mid_texts(twice[mine], line.price_precision), strict=True):
            mids[at] = texts
    for fill, texts in zip(fills, mids, strict=True):
        line = report.result.lines[fill.instrument]
        price, size = line.price_precision, line.quantity_precision
        yield (
            fill.event_time, utc(fill.event_time), fill.order_id, fill.instrument, line.symbol,
            Side(fill.side).name, decimal_text(fill.price, price),
            decimal_text(fill.quantity, size), Liquidity(fill.liquidity).name,
            decimal_text(fill.fee, price + size),
            decimal_text(fill.price * fill.quantity * line.multiplier, price + size), *texts,
        )  # fmt: skip


def _orders(report: Report) -> Iterable[Sequence[Any]]:
    """One row an order, in the order of their decisions; orders without a decision follow."""
    latest = last_events(report.records.order_events)
    begun: dict[str, int] = {}
    for each in report.records.order_events:
        begun.setdefault(each.order_id, each.event_time)
    decided = {
        decision.order_id: decision
        for decision in reversed(report.records.decisions)
        if decision.kind == 1
    }
    for order_id in dict.fromkeys(
        [
            *(decision.order_id for decision in report.records.decisions if decision.kind == 1),
            *latest,
        ]
    ):
        decision, event = decided.get(order_id), latest.get(order_id)
        terms = decision or event
        if terms is None:
            continue
        time = decision.event_time if decision else begun[order_id]
        line = report.result.lines.get(terms.instrument)
        price, quantity = (line.price_precision, line.quantity_precision) if line else (0, 0)
        yield (
            time, utc(time), order_id, terms.instrument, line.symbol if line else "",
            Side(terms.side).name,
            OrderType(decision.order_type).name if decision else "", decimal_text(terms.quantity,
            quantity),
            decimal_text(terms.price, price) if terms.price else "",
            RiskCode(decision.code).name if decision else "",
            OrderStatus(event.status).name if event else "",
            OrderReason(event.reason).name if event else "",
            decimal_text(event.filled_quantity, quantity) if event else "",
            event.event_time if event else "",
        )  # fmt: skip


def _round_trips(report: Report) -> Iterable[Sequence[Any]]:
    for trip, excursion in zip(report.result.trips, report.detail.excursions, strict=True):
        line = report.result.lines[trip.instrument]
        unit = line.price_precision + line.quantity_precision
        amounts = (trip.entry_notional, trip.exit_notional, trip.fees, trip.gross, trip.net)
        yield (
            trip.opened, utc(trip.opened), trip.closed, utc(trip.closed), trip.instrument,
            line.symbol, "LONG" if trip.long else "SHORT",
            decimal_text(trip.quantity, line.quantity_precision), *(decimal_text(each,
            unit) for each in amounts), trip.fills,
            decimal_text(excursion.adverse, unit), decimal_text(excursion.favourable, unit),
        )  # fmt: skip


def _metrics(report: Report) -> Iterable[Sequence[Any]]:
    for row in report.model["metrics"]:
        low, high = row["interval"] or (None, None)
        yield (
            row["name"],
            row["value"],
            row["unit"],
            row["samples"],
            row["sample_unit"],
            row["reason"],
            low,
            high,
        )


def _records(header: Sequence[str], rows: Iterable[dict[str, Any]]) -> bytes:
    return _file(header, ([row[name] for name in header] for row in rows))


def _file(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> bytes:
    return "".join(",".join(map(_field, row)) + "\n" for row in (header, *rows)).encode()


def _field(value: Any) -> str:
    """One field: null is empty, floats are their shortest exact text, quotes where CSV needs them
    (RFC 4180).
    """
    text = "" if value is None else repr(value) if isinstance(value, float) else str(value)
    return text if QUOTED.isdisjoint(text) else '"' + text.replace('"', '""') + '"'
