"""Profit by instrument: what each instrument added to the account, in parts that add up to it
exactly.

Profits are of the instant of the account's balance (the last P&L record with a value). Realised
profit and fees are those of the positions topic; the unrealised profit is position x touch x
multiplier - cost, longs at the bid and shorts at the ask of the last mark, as the portfolio values
them. Volume, fills and round trips are those of the whole run. The contribution is the net profit
over the starting capital: contributions add up to the total return.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from schemas.records import PnL, Position
from streams.reporting.wording import decimal_text

if TYPE_CHECKING:
    from streams.reporting.document import QuoteSeries, ReportInput, Result

Holdings = dict[tuple[int, int], Position]
"""The last position by strategy and instrument."""


class Part:
    """What one instrument added, in units of the account's amounts; `unrealized` is null where no
    mark can value what is held.
    """

    def __init__(self) -> None:
        self.realized = self.fees = self.volume = 0
        self.unrealized: int | None = 0
        self.fills = self.trades = self.wins = 0


def last_valued(pnl: Sequence[PnL]) -> PnL | None:
    """The record of the balance: the last one with a value."""
    return next((row for row in reversed(pnl) if row.equity is not None), None)


def holdings_at(positions: Sequence[Position], pnl: PnL, result: Result) -> Holdings:
    """Positions as they were when the P&L record was made.

    Records of its very instant may lie before it or behind it: as many of them are taken as give
    its realised profit and fees.
    """
    first = next(
        (at for at, row in enumerate(positions) if row.event_time >= pnl.event_time), len(positions)
    )
    ties = [row for row in positions[first:] if row.event_time == pnl.event_time]
    scale = 10 ** (result.amount_precision - pnl.amount_precision)
    wanted = (pnl.realized * scale, pnl.fees * scale)
    for count in range(len(ties), -1, -1):
        held = {(row.strategy, row.instrument): row for row in (*positions[:first], *ties[:count])}
        if _booked(held, result) == wanted:
            return held
    return {(row.strategy, row.instrument): row for row in (*positions[:first], *ties)}


def _booked(held: Holdings, result: Result) -> tuple[int, int]:
    """Realised profit and fees of holdings."""
    rows = [(row, result.scale(row.instrument)) for row in held.values()]
    return sum(row.realized * scale for row, scale in rows), sum(
        row.fees * scale for row, scale in rows
    )


def parts(records: ReportInput, result: Result) -> dict[int, Part]:
    """By instrument, every instrument of the run; empty where the account was never valued."""
    pnl = last_valued(records.pnl)
    if pnl is None or (records.fills and not records.positions):
        return {}
    found = {line.instrument: Part() for line in records.instruments}
    held = holdings_at(records.positions, pnl, result)
    for row in held.values():
        part, scale = found[row.instrument], result.scale(row.instrument)
        part.realized += row.realized * scale
        part.fees += row.fees * scale
        if row.quantity and part.unrealized is not None:
            worth = _worth(row, records.quotes.get(row.instrument), pnl.event_time, result)
            part.unrealized = (
                None if worth is None else part.unrealized + (worth - row.cost) * scale
            )
    _only_one_unknown(found, pnl, result)
    for fill in records.fills:
        part = found[fill.instrument]
        part.fills += 1
        part.volume += (
            fill.price
            * fill.quantity
            * result.lines[fill.instrument].multiplier
            * result.scale(fill.instrument)
        )
    for trip in result.trips:
        part = found[trip.instrument]
        part.trades += 1
        part.wins += trip.net > 0
    return found


def _worth(row: Position, series: QuoteSeries | None, time: int, result: Result) -> int | None:
    """What a position is worth at the touch of the last mark; null where there is none."""
    if series is None:
        return None
    at = int(np.searchsorted(series.event_time, time, side="right")) - 1
    if at < 0:
        return None
    price = int((series.bid_price if row.quantity > 0 else series.ask_price)[at])
    return price * row.quantity * result.lines[row.instrument].multiplier if price > 0 else None


def _only_one_unknown(found: dict[int, Part], pnl: PnL, result: Result) -> None:
    """A folder without marks: where one instrument alone is held, its unrealised profit is the
    account's.
    """
    unknown = [part for part in found.values() if part.unrealized is None]
    if len(unknown) == 1:
        total = (pnl.unrealized or 0) * 10 ** (result.amount_precision - pnl.amount_precision)
        unknown[0].unrealized = total - sum(part.unrealized or 0 for part in found.values())


def table(records: ReportInput, result: Result, found: dict[int, Part]) -> list[dict[str, Any]]:
    """One row for each instrument, amounts as exact decimals of the account's currency."""
    net = {
        key: None if part.unrealized is None else part.realized + part.unrealized - part.fees
        for key, part in found.items()
    }
    start = result.start
    capital = sum(result.samples) if result.samples else 0
    return [
        {
            "instrument": line.instrument,
            "symbol": line.symbol,
            "venue": line.venue,
            "realized": result.exact(part.realized),
            "unrealized": result.exact(part.unrealized),
            "fees": result.exact(part.fees),
            "net": result.exact(net[line.instrument]),
            "volume": result.exact(part.volume),
            "turnover": part.volume * len(result.samples) / capital if capital > 0 else None,
            "fills": part.fills,
            "trades": part.trades,
            "win_rate": part.wins / part.trades if part.trades else None,
            "contribution": (net[line.instrument] or 0) / start
            if start and start > 0 and net[line.instrument] is not None
            else None,
        }
        for line in records.instruments
        if (part := found.get(line.instrument)) is not None
    ]


def checks(
    found: dict[int, Part], result: Result, balance: dict[str, int | None]
) -> list[dict[str, Any]]:
    """The parts against the account, each identity as accounting.checks writes it."""
    if not found or balance["end"] is None:
        return []
    rows = []
    for name in ("realized", "unrealized", "fees"):
        values = [getattr(part, name) for part in found.values()]
        if None in values:
            continue
        expected, observed = balance[name] or 0, sum(values)
        rows.append(
            {
                "name": f"{name} of the instruments = {name} of the account",
                "ok": expected == observed,
                "expected": decimal_text(expected, result.amount_precision),
                "observed": decimal_text(observed, result.amount_precision),
            }
        )
    return rows
