"""What the pointer reads out of a chart: at most a few hundred moments, as JSON inside the page."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np

from schemas.vocabulary import Side
from streams.reporting.charts import RATIO, price_points
from streams.reporting.wording import MINUS, decimal_text, moment, money, percent

if TYPE_CHECKING:
    from streams.reporting.document import Report

MOST = 300
BUY = int(Side.BUY)


def equity_points(report: Report) -> str:
    """Equity, result so far, buy and hold and drawdown at samples of the curve."""
    result, curve, held = report.result, report.detail.curve, report.detail.held
    times = curve.times
    every = max(1, -(-len(times) // MOST))
    chosen = list(range(every - 1, len(times), every))
    precision, start = result.amount_precision, result.start or 0
    rows: list[list[Any]] = [
        ["Equity", [f"{money(curve.samples[at], precision)} {result.currency}" for at in chosen]],
        [
            "Result",
            [f"{money(curve.samples[at] - start, precision, signed=True)}" for at in chosen],
        ],
        ["Drawdown", [percent(curve.drawdowns[at]) if curve.drawdowns else "" for at in chosen]],
    ]
    if held is not None:
        gains = [money(held.samples[at] - start, precision, signed=True) for at in chosen]
        rows.insert(2, ["Buy and hold", gains])
    moments = [times[at] for at in chosen]
    return points_text(result.first_time, result.last_time, moments, rows)


def price_moments(report: Report, instrument: int) -> str:
    """Mid, position and VPIN at evenly spaced moments: the last value known at each."""
    result, records = report.result, report.records
    line = result.lines[instrument]
    first, last = result.first_time, max(result.last_time, result.first_time + 1)
    moments = np.array([first + (last - first) * at // MOST for at in range(MOST + 1)], np.int64)
    times, mids = price_points(records, instrument)
    rows: list[list[Any]] = []
    if len(times):
        where = np.searchsorted(times, moments, side="right") - 1
        rows.append(
            [
                "Mid",
                [
                    f"{money(int(mids[at]) * 5, line.price_precision + 1, line.price_precision)}"
                    if at >= 0
                    else ""
                    for at in where
                ],
            ]
        )
    fills = [fill for fill in records.fills if fill.instrument == instrument]
    if fills:
        steps = np.cumsum(
            np.array(
                [0] + [fill.quantity if fill.side == BUY else -fill.quantity for fill in fills],
                np.int64,
            )
        )
        where = np.searchsorted(
            np.array([fill.event_time for fill in fills], np.int64), moments, side="right"
        )
        texts = [
            decimal_text(int(steps[at]), line.quantity_precision).replace("-", MINUS)
            for at in where
        ]
        rows.append(["Position", [f"{text} {line.base}" for text in texts]])
    toxicity = records.toxicity.get(instrument)
    if toxicity is not None and len(toxicity.event_time):
        where = np.searchsorted(toxicity.event_time, moments, side="right") - 1
        values = [float(toxicity.vpin[at]) if at >= 0 else float("nan") for at in where]
        rows.append(
            [
                "VPIN",
                [
                    f"{round(value * RATIO) / RATIO:.3f}" if value == value else ""
                    for value in values
                ],
            ]
        )
    return points_text(result.first_time, result.last_time, moments.tolist(), rows)


def points_text(first: int, last: int, times: list[int], rows: list[list[Any]]) -> str:
    """What the pointer reads at these times (ns) of a chart from first to last: name and texts of
    each row, as JSON for the page.
    """
    span = max(1, last - first)
    content = {
        "x": [(time - first) * 10_000 // span for time in times],
        "rows": [["", [moment(time) + " UTC" for time in times]], *rows],
    }
    return json.dumps(content, ensure_ascii=False, separators=(",", ":")).replace("</", "<\\/")
