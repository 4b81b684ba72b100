"""The picture of the equity curve: equity, buy and hold, and the drawdown below."""

from __future__ import annotations

import numpy as np

from streams.reporting.charts import RATIO, WIDE, layout, tick_decimals
from streams.reporting.document import Report
from streams.reporting.pictures import (
    Panel,
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
from streams.reporting.wording import money, percent, period

SAME_SCALE = 4
"""Buy and hold shares equity's scale up to so many times its range."""


def equity_chart(report: Report, width: int) -> str:
    """Equity and buy and hold over the capital at the start, and the drawdown below.

    Buy and hold that moves far more than equity has a panel of its own.
    """
    result, curve, held = report.result, report.detail.curve, report.detail.held
    frame = layout(width)
    scale = TimeScale(
        result.first_time, max(result.last_time, result.first_time + 1), frame.left, frame.right
    )
    start = result.start or 0
    levels = [start, *curve.samples]
    bought = [start, *held.samples] if held is not None else []
    span = max(levels) - min(levels)
    is_beside = bool(bought) and max(bought) - min(bought) > SAME_SCALE * span
    top, height, lower = 26, 210 if width == WIDE else 170, 84
    drawn = [(levels, "line"), *([] if is_beside or not bought else [(bought, "held")])]
    name = f"Equity, {result.currency}"
    name += " (dashed: buy and hold)" if bought and not is_beside else ""
    parts = [money_panel(report, scale, drawn, top, height, name, filled=True)]
    bottom = top + height
    if is_beside:
        title = f"Buy and hold, {result.currency}, on a scale of its own"
        parts.append(money_panel(report, scale, [(bought, "held")], bottom + 34, lower, title))
        bottom += 34 + lower
    falls = np.array([0, *(round(value * RATIO) for value in curve.drawdowns)], np.int64)
    deepest = int(falls.min()) if len(falls) else 0
    below = Panel(bottom + 34, lower, min(deepest + deepest // 12, -1000), 0)
    times = np.array([result.first_time, *curve.times], np.int64)
    fall = columns(times[: len(falls)], falls, scale)
    parts += [
        value_axis(
            below,
            frame.left,
            frame.right,
            lambda tick: percent(tick / RATIO),
            [0, deepest] if deepest else [0],
        ),
        f'<path class="fall" d="{area_path(fall, scale, below, 0)}"/>',
        caption(frame.left, below.top - 8, "Drawdown from the peak"),
    ]
    parts.insert(0, time_axis(scale, top, below.top + below.height))
    title = f"Equity and drawdown, {period(result.first_time, result.last_time)}"
    description = (
        f"Equity starts at {money(start, result.amount_precision)} {result.currency} and ends at "
        f"{money(levels[-1], result.amount_precision)}; "
        f"the deepest drawdown is {percent(deepest / RATIO)}."
    )
    if bought:
        description += f" Buy and hold ends at {money(bought[-1], result.amount_precision)}."
    return picture(
        width,
        below.top + below.height + 34,
        "equity",
        title,
        description,
        "".join(parts),
        (frame.left, frame.right),
    )


def money_panel(
    report: Report, scale: TimeScale, series: list[tuple[list[int], str]], top: int, height: int,
    name: str, filled: bool = False,
) -> str:  # fmt: skip
    """Amounts of the account over the curve's times, each with its class.

    The starting capital is dotted; `filled`: the first series has an area.
    """
    result = report.result
    start = result.start or 0
    times = np.array([result.first_time, *report.detail.curve.times], np.int64)
    every = [level for levels, _ in series for level in levels]
    unit = _shrink(every)
    panel = panel_over(top, height, min(every) // unit, max(every) // unit)
    precision = result.amount_precision
    most = max(4, height // 36)
    decimals = tick_decimals(round_step((panel.high - panel.low) * unit, most), precision)

    def label(tick: int) -> str:
        return money(tick * unit, precision, decimals)

    parts = [value_axis(panel, scale.left, scale.right, label, ticks_of(panel, most))]
    values = [
        (np.array([level // unit for level in levels], np.int64), kind) for levels, kind in series
    ]
    drawn = [(columns(times, each, scale), kind) for each, kind in values]
    if filled:
        area = area_path(drawn[0][0], scale, panel, start // unit)
        parts.append(f'<path class="area" d="{area}"/>')
    base = at(panel.y(start // unit))
    parts.append(f'<path class="base" d="M{scale.left} {base}H{scale.right}"/>')
    for points, kind in reversed(drawn):
        parts.append(f'<path class="{kind}" d="{line_path(points, scale, panel)}"/>')
    parts.append(caption(scale.left, top - 8, name))
    return "".join(parts)


def _shrink(levels: list[int]) -> int:
    """A unit that brings amounts into 62 bits; 1 for all but the largest accounts."""
    unit = 1
    while max(abs(level) for level in levels) // unit >= 2**62:
        unit *= 10
    return unit
