"""The pictures of the tear sheet: equity and drawdown, price with fills, position and toxicity,
profit by period, round trips.
"""

from __future__ import annotations

from html import escape
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from schemas.records import Fill
from schemas.vocabulary import Side
from streams.numeric.mark import UNUSABLE
from streams.reporting.document import QuoteSeries, Report, ReportInput, Result
from streams.reporting.pictures import (
    Columns,
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
    time_axis,
    value_axis,
)
from streams.reporting.wording import MINUS, count, day, decimal_text, money, plural

BUY = int(Side.BUY)
WIDE, NARROW = 1080, 380
RATIO = 10**9
CELL = 7
LABEL = 12
"""Labels closer than this would lie on each other, pixels."""


class Layout(NamedTuple):
    """Margins for labels, by width."""

    width: int
    left: int
    right: int


def layout(width: int) -> Layout:
    return Layout(width, 84 if width == WIDE else 62, width - (14 if width == WIDE else 6))


def tick_decimals(step: int, precision: int) -> int:
    """Decimals that tell ticks apart which are `step` units of 10^-precision from each other, and
    no more.
    """
    return max(0, min(precision, 8, precision - len(str(step)) + 1))


def mid_series(series: QuoteSeries) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Times and bid + ask (twice the mid) wherever both sides stand and the book is not stale."""
    usable = (series.bid_price > 0) & (series.ask_price > 0)
    if series.flags is not None:
        usable &= (series.flags & UNUSABLE) == 0
    return series.event_time[usable], series.bid_price[usable] + series.ask_price[usable]


def price_chart(report: Report, instrument: int, width: int) -> str:
    """Mid price with fills on it, the position, and VPIN, on one time axis."""
    result, records = report.result, report.records
    line = result.lines[instrument]
    frame = layout(width)
    scale = TimeScale(
        result.first_time, max(result.last_time, result.first_time + 1), frame.left, frame.right
    )
    fills = [fill for fill in records.fills if fill.instrument == instrument]
    times, mids = price_points(records, instrument)
    reach = [int(value) for value in (mids.min(), mids.max())] if len(mids) else []
    reach += [fill.price * 2 for fill in fills]
    top, height = 26, 270 if width == WIDE else 220
    panel = panel_over(top, height, min(reach, default=0), max(reach, default=2), 5)
    step = round_step((panel.high - panel.low) // 2, max(2, height // 36))
    decimals = tick_decimals(step, line.price_precision)
    ticks = list(range(-(-panel.low // (2 * step)) * 2 * step, panel.high + 1, 2 * step))
    parts = [
        value_axis(
            panel,
            frame.left,
            frame.right,
            lambda tick: money(tick // 2, line.price_precision, decimals),
            ticks,
        )
    ]
    spans = stale_spans(records.quotes.get(instrument), scale)
    for first, last in spans:
        x, wide = at(scale.x(first)), at(scale.x(last) - scale.x(first))
        parts.append(
            f'<rect class="stale" x="{x}" y="{top}" width="{wide}" height="{height}"><title>no '
            "usable book</title></rect>"
        )
    whole = columns(times, mids, scale)
    holes = [
        int(np.searchsorted(whole.column, int(scale.x(first)) - scale.left, side="right"))
        for first, _ in spans
    ]
    for begin, end in zip([0, *holes], [*holes, len(whole.column)], strict=True):
        piece = Columns(*(array[begin:end] for array in whole))
        parts.append(
            f'<path class="price" d="{line_path(piece, scale, panel)}"/>' if begin < end else ""
        )
    parts.append(fill_marks(fills, scale, panel, result, instrument))
    parts.append(caption(frame.left, top - 8, f"{line.symbol} mid, {line.quote}"))
    bottom = top + height
    if fills:
        bottom, body = position_panel(fills, scale, bottom + 34, result, instrument)
        parts.append(body)
    toxicity = records.toxicity.get(instrument)
    if toxicity is not None and bool(np.isfinite(toxicity.vpin).any()):
        bottom, body = toxicity_panel(
            toxicity.event_time, toxicity.vpin, toxicity.vpin_null, scale, bottom + 34
        )
        parts.append(body)
    parts.insert(0, time_axis(scale, top, bottom))
    buys = sum(fill.side == BUY for fill in fills)
    description = (
        f"{plural(buys, 'buy')} (triangles up, below the price) and "
        f"{plural(len(fills) - buys, 'sell')} (triangles down, above it)."
    )
    title = f"{line.symbol}: price, fills, position and toxicity"
    return picture(
        width,
        bottom + 34,
        f"price{instrument}",
        title,
        description,
        "".join(parts),
        (frame.left, frame.right),
    )


def stale_spans(series: QuoteSeries | None, scale: TimeScale) -> list[tuple[int, int]]:
    """From each quote without a usable book to the next with one, where that is wide enough to see
    (2 pixels).
    """
    if series is None or series.flags is None or not len(series.event_time):
        return []
    usable = (series.flags & UNUSABLE) == 0
    edges = np.flatnonzero(usable[1:] != usable[:-1]) + 1
    starts = [0, *edges.tolist()] if not usable[0] else edges.tolist()
    spans = []
    for begin, end in zip(starts[::2], [*starts[1::2], None], strict=False):
        first = max(scale.first, int(series.event_time[begin]))
        last = scale.last if end is None else min(scale.last, int(series.event_time[end]))
        if last > first and scale.x(last) - scale.x(first) >= 2:
            spans.append((first, last))
    return spans


def price_points(
    records: ReportInput, instrument: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Twice the mid over time; from bars (low then high at their close) where there are no quotes.
    """
    series = records.quotes.get(instrument)
    if series is not None and len(series.event_time):
        return mid_series(series)
    bars = [bar for bar in records.bars if bar.instrument == instrument]
    times = np.array([bar.close_time for bar in bars for _ in range(3)], np.int64)
    return times, np.array(
        [price * 2 for bar in bars for price in (bar.low, bar.high, bar.close)], np.int64
    )


def fill_marks(
    fills: list[Fill], scale: TimeScale, panel: Panel, result: Result, instrument: int
) -> str:
    """Triangles with their tip at the price; fills closer than a few pixels share one, at their
    average price, and its tooltip counts them.
    """
    line = result.lines[instrument]
    cells: dict[tuple[int, int, int], list[int]] = {}
    for fill in fills:
        column, row = (
            int(scale.x(fill.event_time)) // CELL,
            int(panel.y(fill.price * 2)) // (2 * CELL),
        )
        cell = cells.setdefault((column, fill.side, row), [0, 0, 0, 0])
        cell[0] += 1
        cell[1] += fill.price * fill.quantity
        cell[2] += fill.quantity
        cell[3] += fill.event_time
    base, growth = (6, 3) if len(cells) <= 80 else (4, 3) if len(cells) <= 300 else (3, 0)
    parts = []
    for (_, side, _), (number_of, paid, quantity, times) in cells.items():
        average = (paid * 2 + quantity) // (2 * quantity)
        x, y = at(scale.x(times // number_of)), at(panel.y(average * 2))
        size = base + min(growth, len(bin(number_of)) - 3)
        buy = side == BUY
        shape = (
            f"M{x} {y}l{size} {size * 2}h-{size * 2}z"
            if buy
            else f"M{x} {y}l{size} -{size * 2}h-{size * 2}z"
        )
        what = (
            f"{plural(number_of, 'buy' if buy else 'sell')}, "
            f"{decimal_text(quantity, line.quantity_precision)} {line.base}"
        )
        label = f"{what} at {money(average, line.price_precision, line.price_precision)}"
        parts.append(
            f'<path class="{"buy" if buy else "sell"}" '
            f'd="{shape}"><title>{escape(label)}</title></path>'
        )
    return "".join(parts)


def position_panel(
    fills: list[Fill], scale: TimeScale, top: int, result: Result, instrument: int
) -> tuple[int, str]:
    """Signed position as a stepped area about zero; returns the panel's bottom and body."""
    line = result.lines[instrument]
    held, times, levels = 0, [scale.first], [0]
    for fill in fills:
        held += fill.quantity if fill.side == BUY else -fill.quantity
        times.append(fill.event_time)
        levels.append(held)
    panel = panel_over(top, 58, min(levels), max(levels), 12)
    series = columns(np.array(times, np.int64), np.array(levels, np.int64), scale)
    zero = panel.y(0)
    ends = (min(levels), max(levels))
    ticks = [0, *(level for level in ends if abs(panel.y(level) - zero) >= LABEL)]
    parts = [
        value_axis(
            panel,
            scale.left,
            scale.right,
            lambda tick: decimal_text(tick, line.quantity_precision).replace("-", MINUS),
            ticks,
        ),
        f'<path class="position" d="{area_path(series, scale, panel, 0, stepped=True)}"/>',
        caption(scale.left, top - 8, f"Position, {line.base}"),
    ]
    return panel.top + panel.height, "".join(parts)


def toxicity_panel(
    time: NDArray[np.int64],
    vpin: NDArray[np.float64],
    null: NDArray[np.float64] | None,
    scale: TimeScale,
    top: int,
) -> tuple[int, str]:
    """VPIN from 0 to 1 with its expected value under no information, dashed; returns the panel's
    bottom and body.
    """
    known = np.isfinite(vpin)
    series = columns(time[known], np.rint(vpin[known] * RATIO).astype(np.int64), scale)
    panel = Panel(
        top,
        70,
        0,
        min(RATIO, int(series.high.max()) * 115 // 100 + 1) if len(series.high) else RATIO,
    )
    step = round_step(panel.high, 3)
    decimals = 1 if step >= RATIO // 10 else 2
    parts = [
        value_axis(
            panel,
            scale.left,
            scale.right,
            lambda tick: f"{tick / RATIO:.{decimals}f}",
            list(range(0, panel.high, step)),
        ),
        f'<path class="toxic-area" d="{area_path(series, scale, panel, 0, stepped=True)}"/>',
        f'<path class="toxic" d="{line_path(series, scale, panel, stepped=True)}"/>',
    ]
    if null is not None and bool(np.isfinite(null).any()):
        there = np.isfinite(null)
        expected = columns(time[there], np.rint(null[there] * RATIO).astype(np.int64), scale)
        parts.append(f'<path class="null" d="{line_path(expected, scale, panel, stepped=True)}"/>')
    dashed = (
        " (dashed: expected of uninformed flow)"
        if null is not None and bool(np.isfinite(null).any())
        else ""
    )
    parts.append(caption(scale.left, top - 8, "Toxicity, VPIN" + dashed))
    return panel.top + panel.height, "".join(parts)


def period_chart(report: Report, width: int) -> str:
    """Profit of each period as bars about zero."""
    result, rows = report.result, report.model["returns"]["rows"]
    frame = layout(width)
    values = [_units(row["profit"], result.amount_precision) for row in rows]
    top, height = 12, 150
    panel = panel_over(top, height, min(0, *values, 0), max(0, *values, 0), 8)
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
    slot = (frame.right - frame.left) / len(rows)
    every = -(-len(rows) * 46 // (frame.right - frame.left))
    zero = panel.y(0)
    for index, (row, value) in enumerate(zip(rows, values, strict=True)):
        x, y = frame.left + slot * index, panel.y(value)
        label = (
            f"{day(result.first_time)} {row['label']}: "
            f"{money(value, result.amount_precision, signed=True)} {result.currency}"
        )
        parts.append(
            f'<rect class="{"gain" if value >= 0 else "loss"}" x="{at(x + slot * 0.12)}" '
            f'y="{at(min(y, zero))}" width="{at(slot * 0.76)}" '
            f'height="{at(max(abs(zero - y), 0.5))}"><title>{escape(label)}</title></rect>'
        )
        if index % every == 0:
            parts.append(
                f'<text class="tick" x="{at(x + slot / 2)}" y="{top + height + 15}" '
                f'text-anchor="middle">{escape(row["label"])}</text>'
            )
    parts.append(f'<path class="base" d="M{frame.left} {at(zero)}H{frame.right}"/>')
    won = sum(value > 0 for value in values)
    description = f"{count(won)} of {plural(len(values), 'period')} made money."
    return picture(
        width,
        top + height + 24,
        "periods",
        f"Profit by {report.model['returns']['period']}",
        description,
        "".join(parts),
    )


def trips_chart(report: Report, width: int) -> str:
    """Distribution of round-trip profits after fees."""
    result = report.result
    frame = layout(width)
    nets = [trip.net * result.scale(trip.instrument) for trip in result.trips]
    step = round_step(max(1, max(*nets, 0) - min(*nets, 0)), 24 if width == WIDE else 14)
    low, high = min(*nets, 0) // step, max(*nets, 0) // step
    counts = [0] * (high - low + 1)
    for net in nets:
        counts[net // step - low] += 1
    top, height = 12, 140
    panel = Panel(top, height, 0, max(counts) * 108 // 100 + 1)
    parts = [value_axis(panel, frame.left, frame.right, count)]
    slot = (frame.right - frame.left) / len(counts)
    decimals = tick_decimals(step, result.amount_precision)
    every = -(-len(counts) * 64 // (frame.right - frame.left))
    for index, number_of in enumerate(counts):
        x, lower = frame.left + slot * index, (low + index) * step
        edges = (
            f"{money(lower, result.amount_precision, decimals)} to "
            f"{money(lower + step, result.amount_precision, decimals)} {result.currency}"
        )
        if number_of:
            y, title = panel.y(number_of), escape(f"{plural(number_of, 'round trip')}: {edges}")
            parts.append(
                f'<rect class="{"gain" if lower >= 0 else "loss"}" x="{at(x + 1)}" y="{at(y)}" '
                f'width="{at(max(slot - 2, 1))}" '
                f'height="{at(top + height - y)}"><title>{title}</title></rect>'
            )
        if (low + index) % every == 0:
            text = money(lower, result.amount_precision, decimals, signed=True)
            parts.append(
                f'<text class="tick" x="{at(x)}" y="{top + height + 15}" '
                f'text-anchor="middle">{text}</text>'
            )
    parts.append(f'<path class="base" d="M{frame.left} {top + height}H{frame.right}"/>')
    description = (
        f"{plural(len(nets), 'round trip')}: {count(result.totals.wins)} won, "
        f"{count(result.totals.losses)} lost."
    )
    return picture(
        width,
        top + height + 24,
        "trips",
        f"Profit of a round trip after fees, {result.currency}",
        description,
        "".join(parts),
    )


def _units(text: str, precision: int) -> int:
    """The inverse of decimal_text."""
    whole, _, part = text.partition(".")
    return int(whole + part.ljust(precision, "0"))
