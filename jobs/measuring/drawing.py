"""The measures over time: a page with a figure for each group of fields, or one picture of them.

The scales, axes and paths are those of the tear sheet (``streams/reporting/pictures.py``).
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from html import escape
from math import floor, log10
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from jobs.measuring.groups import GROUPS, MEANS
from jobs.measuring.running import Measured
from jobs.measuring.series import Series, measured_fields, series_of
from schemas.errors import WrongUse
from schemas.records import Instrument
from streams.reporting.appearance import STYLE, document
from streams.reporting.charts import NARROW, WIDE, layout
from streams.reporting.hover import MOST, points_text
from streams.reporting.pictures import (
    TimeScale,
    at,
    columns,
    figure,
    line_path,
    panel_over,
    picture,
    ticks_of,
    time_axis,
    value_axis,
)
from streams.reporting.wording import MINUS, plural

ENDINGS = (".html", ".svg")
HEIGHT, APART, TITLE, ROW = 72, 32, 26, 15
"""Of a panel, between two, of a group's title, of a row of the legend, pixels."""
DIGITS = 8
"""A panel's largest value is drawn in so many digits: scales are over integers."""
LINES = (
    ("line", "var(--accent)", "━"),
    ("taker-line", "var(--sell)", "╍"),
    ("toxic", "var(--toxic)", "─"),
)
"""Class of a line, its colour in the legend, and the sign there."""


class UnknownField(WrongUse):
    """A field that the topics do not have."""

    code = "unknown_field"


class BadPlot(WrongUse):
    """A file that cannot be drawn to."""

    code = "bad_plot"


class Chart(NamedTuple):
    """A panel: up to three series of one unit."""

    unit: str
    lines: list[Series]


class Group(NamedTuple):
    """Charts that belong together, of one instrument."""

    title: str
    charts: list[Chart]


def ending_of(path: Path) -> str:
    """``.html`` or ``.svg``. Raises BadPlot."""
    if path.suffix not in ENDINGS:
        raise BadPlot(f"--plot {path}: give a file that ends with {' or '.join(ENDINGS)}")
    if not path.absolute().parent.is_dir():
        raise BadPlot(f"--plot {path}: {path.absolute().parent} is no folder; make it first")
    return path.suffix


def chosen_fields(topics: Sequence[str], names: str) -> list[str]:
    """Names of fields to draw; none means all. Raises UnknownField."""
    known = [field.name for topic in topics for field in measured_fields(topic)]
    found = [each.strip() for each in names.split(",") if each.strip()]
    for name in found:
        if name not in known:
            raise UnknownField(
                f"--field {name} is no measure of {', '.join(topics)}; "
                "docs/reference/features.md lists them"
            )
    return found


def draw(measured: Measured, fields: Sequence[str], name: str, path: Path) -> None:
    """Write the file, by rename. ``fields``: these, a panel each; empty: all, by groups."""
    suffix = ending_of(path)
    found = [
        (instrument, _groups(measured, instrument, fields)) for instrument in measured.instruments
    ]
    title = f"Measures of {name}"
    text = _page(title, found) if suffix == ".html" else _image(title, found)
    draft = path.with_name(f".{path.name}.draft")
    draft.write_text(text, encoding="utf-8")
    os.replace(draft, path)


# -- what is drawn


def _groups(
    measured: Measured, instrument: Instrument, fields: Sequence[str]
) -> list[Group]:
    found = []
    for topic, rows in measured.rows.items():
        series = {each.name: each for each in series_of(topic, rows, instrument)}
        title = f"{instrument.symbol} {topic}"
        if fields:
            chosen = [series[name] for name in fields if name in series]
            found.append(Group(title, [Chart(each.unit, [each]) for each in chosen]))
            continue
        series |= _means(series)
        for name, panels in GROUPS[topic]:
            charts = [[series[field] for field in panel] for panel in panels]
            found.append(
                Group(f"{title}: {name}", [Chart(lines[0].unit, lines) for lines in charts])
            )
    return [group for group in found if group.charts]


def _means(series: dict[str, Series]) -> dict[str, Series]:
    """Sums over trades become means of a trade, which a chart can show."""
    found = {}
    for name, trades in MEANS.items():
        if name in series:
            count = series[trades].values
            mean = np.divide(
                series[name].values, count, out=np.full(len(count), np.nan), where=count > 0
            )
            found[name] = series[name]._replace(values=mean)
    return found


# -- how


def _scale(groups: Sequence[Group], width: int) -> TimeScale:
    """From the first record of any of them to the last."""
    times = [line.times for each in groups for chart in each.charts for line in chart.lines]
    ends = [int(end) for each in times if len(each) for end in (each[0], each[-1])]
    frame = layout(width)
    first = min(ends, default=0)
    return TimeScale(first, max(first + 1, max(ends, default=1)), frame.left, frame.right)


def _panels(group: Group, scale: TimeScale, top: int) -> tuple[int, str]:
    """The group's panels below each other, on one time axis; returns their bottom and body."""
    parts: list[str] = []
    bottom = first = top + 20
    for chart in group.charts:
        bottom, body = _panel(chart, scale, bottom)
        parts.append(body)
        bottom += APART
    bottom -= APART
    return bottom + 32, time_axis(scale, first, bottom) + "".join(parts)


def _panel(chart: Chart, scale: TimeScale, top: int) -> tuple[int, str]:
    known = [each.values[~np.isnan(each.values)] for each in chart.lines]
    reach = np.concatenate(known)
    top, legend = _legend(chart, scale, top)
    if not len(reach):
        return top + 4, legend
    largest = float(np.max(np.abs(reach)))
    factor = 10.0 ** (DIGITS - floor(log10(largest))) if largest > 0 else 1.0
    low, high = int(np.rint(reach.min() * factor)), int(np.rint(reach.max() * factor))
    panel = panel_over(top, HEIGHT, low, high, 8)
    ticks = ticks_of(panel, 4)
    parts = [value_axis(panel, scale.left, scale.right, lambda tick: _text(tick / factor), ticks)]
    if low < 0 < high:
        parts.append(f'<path class="base" d="M{scale.left} {at(panel.y(0))}H{scale.right}"/>')
    for line, (style, _, _) in zip(chart.lines, LINES, strict=False):
        whole = (
            columns(times, np.rint(values * factor).astype(np.int64), scale)
            for times, values in _runs(line)
        )
        # a stretch of one value is a dot
        path = "".join(f"{line_path(each, scale, panel)}h1" for each in whole)
        parts.append(f'<path class="{style}" d="{path}"/>' if path else "")
    return top + HEIGHT, "".join(parts) + legend


def _runs(line: Series) -> Iterator[tuple[Any, Any]]:
    """Stretches without a null: nothing is drawn over one."""
    is_known = ~np.isnan(line.values)
    edges = np.flatnonzero(np.diff(np.concatenate([[False], is_known, [False]]).astype(np.int8)))
    for begin, end in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True):
        yield line.times[begin:end], line.values[begin:end]


def _legend(chart: Chart, scale: TimeScale, top: int) -> tuple[int, str]:
    """Name of each line, its sign where there are several, and the unit; returns the top of what
    is below. On a narrow picture each line's name has a row of its own.
    """
    names = []
    for line, (_, colour, sign) in zip(chart.lines, LINES, strict=False):
        is_null = bool(np.isnan(line.values).all())
        why = f" ({', '.join(line.reasons) or 'no value'})" if is_null else ""
        mark = f'<tspan style="fill:{colour}"> {sign}</tspan>' if len(chart.lines) > 1 else ""
        names.append(f"{escape(line.name + why)}{mark}")
    names[-1] += f'<tspan style="font-weight:400"> · {escape(chart.unit)}</tspan>'
    rows = names if scale.right < NARROW else [", ".join(names)]
    texts = [
        f'<text class="caption" x="{scale.left}" y="{top - 8 + ROW * place}">{row}</text>'
        for place, row in enumerate(rows)
    ]
    return top + ROW * (len(rows) - 1), "".join(texts)


def _text(value: float) -> str:
    return f"{value:.6g}".replace("-", MINUS)


def _points(group: Group, scale: TimeScale) -> str:
    """The last value of each line at evenly spaced moments."""
    span = scale.last - scale.first
    moments = np.array([scale.first + span * each // MOST for each in range(MOST + 1)], np.int64)
    rows: list[list[Any]] = []
    for line in (line for chart in group.charts for line in chart.lines):
        places = np.searchsorted(line.times, moments, side="right") - 1
        values = [float(line.values[place]) if place >= 0 else np.nan for place in places]
        rows.append([line.name, ["" if each != each else _text(each) for each in values]])
    return points_text(scale.first, scale.last, moments.tolist(), rows)


def _description(group: Group) -> str:
    count = sum(len(chart.lines) for chart in group.charts)
    return f"{plural(count, 'measure')} over time, in {plural(len(group.charts), 'panel')}."


def _page(title: str, found: Sequence[tuple[Instrument, list[Group]]]) -> str:
    parts = [f"<h1>{escape(title)}</h1>"]
    for instrument, groups in found:
        for number, group in enumerate(groups):
            name = f"i{instrument.instrument}g{number}"
            wide, narrow = (
                _drawn(group, name, _scale(groups, width), width) for width in (WIDE, NARROW)
            )
            drawn = figure(name, wide, narrow, _points(group, _scale(groups, WIDE)))
            parts.append(f"<section><h2>{escape(group.title)}</h2>{drawn}</section>")
    return document(title, parts)


def _drawn(group: Group, name: str, scale: TimeScale, width: int) -> str:
    bottom, body = _panels(group, scale, 0)
    plot = (scale.left, scale.right)
    return picture(width, bottom, name, group.title, _description(group), body, plot)


def _image(title: str, found: Sequence[tuple[Instrument, list[Group]]]) -> str:
    """All groups below each other, with the page's style sheet inside."""
    parts, bottom = [], 0
    for _, groups in found:
        for group in groups:
            scale = _scale(groups, WIDE)
            heading = f'<text class="caption" x="8" y="{bottom + 18}">{escape(group.title)}</text>'
            bottom, body = _panels(group, scale, bottom + TITLE)
            parts.append(heading + body)
    ground = f'<rect width="{WIDE}" height="{bottom}" style="fill:var(--card)"/>'
    body = f"<style>{STYLE}</style>{ground}{''.join(parts)}"
    text = picture(WIDE, bottom, "measures", title, title, body)
    # the page hides a wide picture on a narrow screen, where it has another one
    alone = text.replace('class="wide" ', 'xmlns="http://www.w3.org/2000/svg" ', 1)
    return f"{alone}\n"
