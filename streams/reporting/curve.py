"""The equity curve that is drawn: by the minute, and by the second where the run is short.

A run of less than six hours has fewer than 360 minutes: its curve is sampled at the end of each
second. At whole minutes, and at the end, it is the ledger's own P&L record. Between them equity is
valued as the portfolio values it, from the same records: starting capital + realised + unrealised -
fees of the positions at that moment, longs at the bid and shorts at the ask of the last mark. A
second in which an open position has no usable mark repeats the one before. The metrics stay on
minute samples, in short runs and in long ones, so that numbers of different runs can be compared.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from schemas.records import Position
from streams.numeric.mark import UNUSABLE
from streams.reporting.metrics import SECOND, drawdowns

if TYPE_CHECKING:
    from streams.reporting.document import QuoteSeries, ReportInput, Result

SHORT_RUN = 6 * 3600 * SECOND
"""Time traded below which equity is sampled by the second, ns."""


class Curve(msgspec.Struct):
    """Samples of equity in the account's units: when each was taken (ns), and the drawdown from the
    peak before it.
    """

    unit: str
    times: list[int]
    samples: list[int]
    drawdowns: list[float]


def minute_curve(result: Result) -> Curve:
    """The samples that the metrics are made from."""
    return Curve("minute", result.times, result.samples, result.drawdowns)


def equity_curve(records: ReportInput, result: Result) -> Curve:
    """By the second where the run is short and its marks are there, else by the minute."""
    by_key: dict[tuple[int, int], list[Position]] = {}
    for row in records.positions:
        by_key.setdefault((row.strategy, row.instrument), []).append(row)
    marked = {instrument for instrument, series in records.quotes.items() if len(series.event_time)}
    is_known = bool(by_key or not records.fills) and marked.issuperset(
        instrument for _, instrument in by_key
    )
    if (
        result.last_time - result.first_time >= SHORT_RUN
        or not result.samples
        or result.start is None
        or not is_known
    ):
        return minute_curve(result)
    times = second_ends(result.first_time, result.last_time)
    known_samples = dict(zip(result.times, result.samples, strict=True))
    profit: list[int | None] = [0] * len(times)
    for (_, instrument), rows in by_key.items():
        multiplier, scale = result.lines[instrument].multiplier, result.scale(instrument)
        for at, each in enumerate(_profits(rows, records.quotes[instrument], multiplier, times)):
            before = profit[at]
            profit[at] = None if before is None or each is None else before + each * scale
    samples: list[int] = []
    last = result.start
    for time, each in zip(times, profit, strict=True):
        last = known_samples.get(time, last if each is None else result.start + each)
        samples.append(last)
    return Curve(
        "second", times, samples, drawdowns(result.start, samples) if result.start > 0 else []
    )


def second_ends(first: int, last: int) -> list[int]:
    """Whole seconds in (first, last], and last."""
    ends = list(range(first // SECOND * SECOND + SECOND, last + 1, SECOND))
    return ends if ends and ends[-1] == last else [*ends, last]


def _profits(
    rows: Sequence[Position], series: QuoteSeries, multiplier: int, times: list[int]
) -> list[int | None]:
    """Realised + unrealised - fees of one position at each time, in the unit of the instrument;
    null where it cannot be valued.
    """
    moments = np.array(times, np.int64)
    where = (
        np.searchsorted(np.array([row.event_time for row in rows], np.int64), moments, side="right")
        - 1
    ).tolist()
    at = np.searchsorted(series.event_time, moments, side="right") - 1
    usable = at >= 0
    if series.flags is not None:
        usable &= (series.flags[at] & UNUSABLE) == 0
    bids, asks = (
        (np.where(usable, side[at], 0)).tolist() for side in (series.bid_price, series.ask_price)
    )
    found: list[int | None] = []
    for place, bid, ask in zip(where, bids, asks, strict=True):
        if place < 0:
            found.append(0)
            continue
        row = rows[place]
        price = bid if row.quantity > 0 else ask
        if row.quantity and price <= 0:
            found.append(None)
        else:
            found.append(
                row.realized
                - row.fees
                + (price * row.quantity * multiplier - row.cost if row.quantity else 0)
            )
    return found


def summary(curve: Curve, result: Result) -> dict[str, Any]:
    """How the curve was sampled, and its own extremes, which finer samples can only widen."""
    return {
        "sampled": curve.unit,
        "samples": len(curve.samples),
        "maximum_drawdown": min(0.0, min(curve.drawdowns)) if curve.drawdowns else None,
        "lowest": result.exact(min(curve.samples, default=None)),
        "highest": result.exact(max(curve.samples, default=None)),
    }
