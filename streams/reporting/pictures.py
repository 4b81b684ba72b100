"""Drawing: scales, axes and marks as hand-written inline SVG.

Every scale is over integers (nanoseconds, prices and amounts in their own units), so ticks and
labels are exact; coordinates have one decimal. A series with more points than pixels is drawn as
the first, lowest, highest and last value of each pixel column: no extreme is lost.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from html import escape
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from streams.reporting.wording import clock, day, utc

SECOND = 1_000_000_000
MINUTE = 60 * SECOND
CHARACTER = 6.8
"""Width of a label's digit."""
HOUR = 60 * MINUTE
DAY = 24 * HOUR
TIME_STEPS = (
    1, 1000, 1_000_000, 10_000_000, 100_000_000, SECOND, 2 * SECOND, 5 * SECOND, 10 * SECOND,
    15 * SECOND, 30 * SECOND, MINUTE, 2 * MINUTE,
    5 * MINUTE, 10 * MINUTE, 15 * MINUTE, 30 * MINUTE, HOUR, 2 * HOUR, 3 * HOUR, 6 * HOUR,
    12 * HOUR, DAY, 2 * DAY, 7 * DAY,
    14 * DAY, 28 * DAY, 91 * DAY, 365 * DAY,
)  # fmt: skip


class TimeScale(NamedTuple):
    """Time (ns) to horizontal position: `first` at `left`, `last` at `right`."""

    first: int
    last: int
    left: int
    right: int

    def x(self, time: int) -> float:
        """Position of a time inside [first, last]."""
        return self.left + (self.right - self.left) * (time - self.first) / max(
            1, self.last - self.first
        )

    def ticks(self) -> list[int]:
        """Round times, about one in 84 pixels, or in 56 on a narrow picture."""
        width = self.right - self.left
        most = max(2, width // (84 if width > 500 else 56))
        step = next(
            (step for step in TIME_STEPS if (self.last - self.first) // step <= most),
            TIME_STEPS[-1],
        )
        return list(range(-(-self.first // step) * step, self.last + 1, step))


class Panel(NamedTuple):
    """A strip of the picture with its own vertical scale: `high` at `top`, `low` at ``top +
    height``.
    """

    top: int
    height: int
    low: int
    high: int

    def y(self, value: float) -> float:
        """Position of a value."""
        return self.top + self.height * (self.high - value) / (self.high - self.low)

    def ticks(self) -> list[int]:
        """Round values, about one in 36 pixels."""
        step = round_step(self.high - self.low, max(2, self.height // 36))
        return list(range(-(-self.low // step) * step, self.high + 1, step))


def round_step(span: int, most: int) -> int:
    """The smallest of 1, 2 or 5 times a power of ten that divides `span` into at most `most` steps.
    """
    raw = max(1, -(-span // most))
    power: int = 10 ** (len(str(raw)) - 1)
    return next(power * factor for factor in (1, 2, 5, 10) if power * factor >= raw)


def ticks_of(panel: Panel, most: int) -> list[int]:
    """Round values of a panel, at most about so many."""
    step = round_step(panel.high - panel.low, most)
    return list(range(-(-panel.low // step) * step, panel.high + 1, step))


def panel_over(top: int, height: int, low: int, high: int, room: int = 6) -> Panel:
    """A panel over [low, high] with `room` per cent of air above and below; never of zero height.
    """
    air = max(1, (high - low) * room // 100)
    return Panel(top, height, low - air, high + air)


class Columns(NamedTuple):
    """A series by pixel column: int64 arrays of column number and first, lowest, highest, last
    value there.
    """

    column: NDArray[np.int64]
    first: NDArray[np.int64]
    low: NDArray[np.int64]
    high: NDArray[np.int64]
    last: NDArray[np.int64]


def columns(
    time: NDArray[np.int64], value: NDArray[np.int64], scale: TimeScale, pixels: int = 1
) -> Columns:
    """Reduce a series (int64 ns in order, int64 values) to columns of `pixels` width. Points
    outside the scale are left out.
    """
    step = max(1, -(-(scale.last - scale.first + 1) * pixels // max(1, scale.right - scale.left)))
    inside = (time >= scale.first) & (time <= scale.last)
    time, value = time[inside], value[inside]
    if not len(time):
        empty = np.zeros(0, np.int64)
        return Columns(empty, empty, empty, empty, empty)
    column = (time - scale.first) // step
    starts = np.flatnonzero(np.concatenate([np.ones(1, bool), column[1:] != column[:-1]]))
    ends = np.concatenate([starts[1:], np.array([len(column)])]) - 1
    return Columns(
        column[starts] * pixels,
        value[starts],
        np.minimum.reduceat(value, starts),
        np.maximum.reduceat(value, starts),
        value[ends],
    )


def line_path(
    series: Columns, scale: TimeScale, panel: Panel, stepped: bool = False, gap: int = 0
) -> str:
    """Path through the columns. stepped: hold each value until the next; gap: start anew over a
    hole of more than so many columns (0: never).
    """
    parts: list[str] = []
    before = None
    for column, first, low, high, last in zip(*(array.tolist() for array in series), strict=True):
        x = scale.left + column
        if before is None or (gap and column - before > gap):
            parts.append(f"M{x} {at(panel.y(first))}")
        elif stepped:
            parts.append(f"H{x}V{at(panel.y(first))}")
        else:
            parts.append(f"L{x} {at(panel.y(first))}")
        if low != high:
            parts.extend(
                f"V{at(panel.y(level))}"
                for level in ((low, high) if first - low <= high - first else (high, low))
                if level != first
            )
            if last not in (low, high):
                parts.append(f"V{at(panel.y(last))}")
        before = column
    return "".join(parts)


def area_path(
    series: Columns, scale: TimeScale, panel: Panel, base: int, stepped: bool = False
) -> str:
    """The line's path closed along `base`."""
    if not len(series.column):
        return ""
    y, first, last = (
        at(panel.y(base)),
        scale.left + int(series.column[0]),
        scale.left + int(series.column[-1]),
    )
    end = f"H{scale.right}" if stepped else ""
    return (
        f"{line_path(series, scale, panel, stepped)}{end}V{y}H{first if last >= first else last}Z"
    )


def at(value: float) -> str:
    """A coordinate: one decimal, none where it is whole."""
    text = f"{value:.1f}"
    return text[:-2] if text.endswith(".0") else text


def time_axis(scale: TimeScale, top: int, bottom: int) -> str:
    """Vertical grid lines from `top` to `bottom` and labels below; the day is named where it
    changes.
    """
    ticks = scale.ticks()
    step = ticks[1] - ticks[0] if len(ticks) > 1 else DAY
    parts, named = [], ""
    for tick in ticks:
        x = at(scale.x(tick))
        parts.append(f'<path class="grid" d="M{x} {top}V{bottom}"/>')
        label = (
            day(tick, year=False)
            if step >= DAY
            else utc(tick, 3)[17:23]
            if step < SECOND
            else clock(tick, seconds=step < MINUTE)
        )
        # beside the frame it would be cut
        if scale.x(tick) + len(label) * CHARACTER / 2 > scale.right + 4:
            parts.append(
                f'<text class="tick" x="{at(scale.right + 4)}" y="{bottom + 15}" '
                f'text-anchor="end">{label}</text>'
            )
        else:
            parts.append(
                f'<text class="tick" x="{x}" y="{bottom + 15}" text-anchor="middle">{label}</text>'
            )
        date = utc(tick, 0)[:10]
        if step < DAY and date != named:
            parts.append(
                f'<text class="tick faint" x="{x}" y="{bottom + 28}" '
                f'text-anchor="middle">{day(tick, year=False)}</text>'
            )
        named = date
    return "".join(parts)


def value_axis(
    panel: Panel,
    left: int,
    right: int,
    label: Callable[[int], str],
    ticks: Sequence[int] | None = None,
) -> str:
    """Horizontal grid lines with labels to the left of `left`, drawn narrower where they would be
    cut.
    """
    parts = []
    for tick in panel.ticks() if ticks is None else ticks:
        y = at(panel.y(tick))
        parts.append(f'<path class="grid" d="M{left} {y}H{right}"/>')
        text, room = label(tick), left - 8
        fit = (
            f' textLength="{room}" lengthAdjust="spacingAndGlyphs"'
            if len(text) * CHARACTER > room
            else ""
        )
        parts.append(
            f'<text class="tick" x="{left - 6}" y="{at(panel.y(tick) + 4)}" '
            f'text-anchor="end"{fit}>{escape(text)}</text>'
        )
    return "".join(parts)


def caption(x: int, y: int, text: str) -> str:
    """A panel's own name, above its top left corner."""
    return f'<text class="caption" x="{x}" y="{y}">{escape(text)}</text>'


def picture(
    width: int,
    height: int,
    name: str,
    title: str,
    description: str,
    body: str,
    plot: tuple[int, int] | None = None,
) -> str:
    """An SVG with an accessible title and description. `plot` is the horizontal extent that follows
    the pointer.
    """
    spots = f' data-left="{plot[0]}" data-right="{plot[1]}"' if plot else ""
    cross = f'<path class="cross" d="M0 0V{height - 30}" visibility="hidden"/>' if plot else ""
    return (
        f'<svg class="{"wide" if width > 600 else "narrow"}" viewBox="0 0 {width} {height}" '
        'role="img" '
        f'aria-labelledby="{name}-{width}-t {name}-{width}-d"{spots}>'
        f'<title id="{name}-{width}-t">{escape(title)}</title><desc '
        f'id="{name}-{width}-d">{escape(description)}</desc>{body}{cross}</svg>'
    )


def figure(name: str, wide: str, narrow: str, points: str = "") -> str:
    """Both sizes of a picture, and what the pointer reads from it."""
    script = (
        f'<script type="application/json" id="points-{name}">{points}</script>' if points else ""
    )
    follow = f' data-points="points-{name}"' if points else ""
    return f"<figure{follow}>{wide}{narrow}</figure>{script}"
