"""Pictures of the later chapters: rolling statistics, markouts, excursions of round trips."""

from __future__ import annotations

from collections.abc import Callable
from html import escape
from typing import Any

import numpy as np

from streams.reporting.charts import RATIO, Layout, layout, tick_decimals
from streams.reporting.document import Report
from streams.reporting.markouts import MOMENTS
from streams.reporting.pictures import (
    TimeScale,
    area_path,
    at,
    caption,
    columns,
    line_path,
    panel_over,
    picture,
    round_step,
    ticks_of,
    time_axis,
    value_axis,
)
from streams.reporting.rolling import Rolling
from streams.reporting.wording import MINUS, count, money, number, percent, plural

BASIS_POINT = 10_000
"""Units of a basis point on the markouts' scale."""
CELL = 6
DOT = 4


def rolling_chart(report: Report, found: Rolling, width: int) -> str:
    """Sharpe ratio, volatility and drawdown of the window that ends at each time, one below the
    other.
    """
    result = report.result
    frame = layout(width)
    last = max(result.last_time, result.first_time + 1)
    scale = TimeScale(result.first_time, last, frame.left, frame.right)
    volatility = "Volatility, annual" if found.sharpe else "Volatility of a minute"
    panels: list[tuple[str, list[float | None], Callable[[float], str]]] = [
        (volatility, [*found.volatility], percent),
        ("Deepest drawdown in the window", [*found.drawdown], percent),
    ]
    if found.sharpe:
        panels.insert(0, ("Sharpe ratio, annual", found.sharpe, number))
    parts, bottom = [], -8
    for name, values, text in panels:
        bottom, body = rolling_panel(found, scale, bottom + 34, name, values, text)
        parts.append(body)
    parts.insert(0, time_axis(scale, 26, bottom))
    description = f"The deepest drawdown in a window is {percent(min(found.drawdown))}."
    title = "Rolling statistics"
    return picture(width, bottom + 34, "rolling", title, description, "".join(parts))


def rolling_panel(
    found: Rolling,
    scale: TimeScale,
    top: int,
    name: str,
    values: list[float | None],
    text: Callable[[float], str],
) -> tuple[int, str]:
    """One statistic over time, about zero; returns the panel's bottom and body."""
    known = [place for place, value in enumerate(values) if value is not None]
    levels = np.array([round((values[place] or 0.0) * RATIO) for place in known], np.int64)
    low, high = (int(levels.min()), int(levels.max())) if len(levels) else (0, 1)
    panel = panel_over(top, 84, min(0, low), max(0, high))
    series = columns(np.array(found.times, np.int64)[known], levels, scale)
    area = area_path(series, scale, panel, 0)
    is_fall = name.startswith("Deepest")

    def label(tick: int) -> str:
        return text(tick / RATIO)

    parts = [
        value_axis(panel, scale.left, scale.right, label, ticks_of(panel, 3)),
        f'<path class="{"fall" if is_fall else "area"}" d="{area}"/>',
        "" if is_fall else f'<path class="line" d="{line_path(series, scale, panel)}"/>',
        f'<path class="base" d="M{scale.left} {at(panel.y(0))}H{scale.right}"/>',
        caption(scale.left, top - 8, name),
    ]
    return top + panel.height, "".join(parts)


def tick_text(x: str, y: int, text: str, anchor: str = "middle") -> str:
    """A label of the horizontal axis."""
    return f'<text class="tick" x="{x}" y="{y}" text-anchor="{anchor}">{escape(text)}</text>'


def markout_chart(rows: list[dict[str, Any]], width: int) -> str:
    """What fills had earned by each moment, in basis points of their notional: makers with circles,
    takers with squares.
    """
    frame = layout(width)
    shown = [moment for moment in MOMENTS if moment.name in rows[0]]
    lines = [
        (row["liquidity"], [row[moment.name]["basis_points"] for moment in shown]) for row in rows
    ]
    values = [
        round(value * BASIS_POINT) for _, series in lines for value in series if value is not None
    ]
    top, height = 26, 170
    panel = panel_over(top, height, min(0, *values, 0), max(0, *values, 0), 10)
    ticks = ticks_of(panel, 5)
    decimals = max(0, 5 - len(str(round_step(panel.high - panel.low, 5))))
    parts = [
        value_axis(
            panel,
            frame.left,
            frame.right,
            lambda tick: f"{tick / BASIS_POINT:.{decimals}f}".replace("-", MINUS),
            ticks,
        )
    ]
    parts.append(f'<path class="base" d="M{frame.left} {at(panel.y(0))}H{frame.right}"/>')
    slot = (frame.right - frame.left) / len(shown)
    places = [frame.left + slot * (index + 0.5) for index in range(len(shown))]
    for x, moment in zip(places, shown, strict=True):
        parts.append(f'<path class="grid" d="M{at(x)} {top}V{top + height}"/>')
        parts.append(tick_text(at(x), top + height + 15, moment.title))
    for liquidity, series in lines:
        kind = liquidity.lower()
        known = [(x, value) for x, value in zip(places, series, strict=True) if value is not None]
        points = [(at(x), at(panel.y(round(value * BASIS_POINT))), value) for x, value in known]
        parts.append(
            f'<path class="{kind}-line" d="M{"L".join(f"{x} {y}" for x, y, _ in points)}"/>'
        )
        for left, up, value in points:
            earned = number(value, 3, signed=True)
            title = f"<title>{escape(liquidity.capitalize())}: {earned} bp</title>"
            if kind == "maker":
                parts.append(f'<circle class="maker" cx="{left}" cy="{up}" r="4">{title}</circle>')
            else:
                box = f'x="{float(left) - 4:g}" y="{float(up) - 4:g}" width="8" height="8"'
                parts.append(f'<rect class="{kind}" {box}>{title}</rect>')
    parts.append(caption(frame.left, top - 8, "Markout, basis points of notional"))
    description = "; ".join(
        f"{liquidity.lower()} fills: "
        + ", ".join(
            "unknown" if value is None else number(value, 3, signed=True) for value in series
        )
        for liquidity, series in lines
    )
    return picture(
        width, top + height + 24, "markouts", "Markouts of fills", description, "".join(parts)
    )


def excursion_chart(report: Report, width: int) -> str:
    """Each round trip by its worst (across) and best (up) profit while open; triangles up won after
    fees, triangles down did not.
    """
    result = report.result
    frame = layout(width)
    points = [
        (
            each.adverse * result.scale(trip.instrument),
            each.favourable * result.scale(trip.instrument),
            trip.net > 0,
        )
        for each, trip in zip(report.detail.excursions, result.trips, strict=True)
    ]
    top, height = 26, 190
    # the axis of trips that had no profit, or no loss
    cent = 10 ** max(0, result.amount_precision - 2)
    panel = panel_over(top, height, 0, max(best for _, best, _ in points) or cent, 6)
    low = min(worst for worst, _, _ in points) or -cent
    low -= max(1, -low * 4 // 100)
    decimals = tick_decimals(
        round_step(panel.high - panel.low, max(2, height // 36)), result.amount_precision
    )
    parts = [
        value_axis(
            panel,
            frame.left,
            frame.right,
            lambda tick: money(tick, result.amount_precision, decimals),
        )
    ]
    parts.append(_across(frame, low, top + height, top, result.amount_precision))
    cells: dict[tuple[int, int, bool], int] = {}
    for worst, best, won in points:
        x = frame.right - (frame.right - frame.left) * worst / low
        cell = (int(x) // CELL, int(panel.y(best)) // CELL, won)
        cells[cell] = cells.get(cell, 0) + 1
    for (column, row, won), trips in cells.items():
        x, y = column * CELL + CELL // 2, row * CELL + CELL // 2
        size = DOT + min(3, trips.bit_length() - 1)
        shape = (
            f"M{x} {y - size}l{size} {size * 2}h-{size * 2}z"
            if won
            else f"M{x} {y + size}l{size} -{size * 2}h-{size * 2}z"
        )
        title = f"<title>{plural(trips, 'round trip')}, {'won' if won else 'not won'}</title>"
        parts.append(f'<path class="{"won" if won else "lost"}" d="{shape}">{title}</path>')
    parts.append(caption(frame.left, top - 8, f"Best profit while open, {result.currency}"))
    winners = sum(each[2] for each in points)
    description = (
        f"{count(len(points))} round trips, {count(winners)} won; across: the worst profit while "
        "open, up: the best, both before fees."
    )
    return picture(
        width,
        top + height + 40,
        "excursions",
        "Excursions of round trips",
        description,
        "".join(parts),
    )


def _across(frame: Layout, low: int, bottom: int, top: int, precision: int) -> str:
    """The horizontal axis from `low` at the left to 0 at the right."""
    width = frame.right - frame.left
    step = round_step(-low, max(2, width // 110))
    decimals = tick_decimals(step, precision)
    parts = []
    for tick in range(0, low - 1, -step):
        x = frame.right - width * tick / low
        parts.append(f'<path class="grid" d="M{at(x)} {top}V{bottom}"/>')
        anchor = "end" if not tick else "middle"
        parts.append(tick_text(at(x), bottom + 15, money(tick, precision, decimals), anchor))
    middle = frame.left + width // 2
    parts.append(tick_text(str(middle), bottom + 32, "Worst profit while open"))
    return "".join(parts)
