"""Rolling statistics: the same metrics over a window that moves along the run.

The window's length follows the run's: 30 days in runs of 60 days and more, a day in runs of two
days and more, an hour in runs of two hours and more; shorter runs have none. At each point the
window holds the minute returns up to and with that minute. The Sharpe ratio and the volatility are
annualised by the formulas of `metrics.py`; with a window of an hour the volatility is that of a
minute and the ratio is left out, for an hour annualised is a number about nothing. The drawdown is
the deepest within the window, from a peak within it, its first equity included. There are at most
240 points, evenly spaced, the last at the end of the run.
"""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from streams.reporting.metrics import DAY, MINUTE, PERIODS_PER_DAY, PERIODS_PER_YEAR, minute_returns

if TYPE_CHECKING:
    from streams.reporting.document import Result

HOUR_SAMPLES = 60
WINDOWS = (
    (60 * DAY, 30 * PERIODS_PER_DAY),
    (2 * DAY, PERIODS_PER_DAY),
    (2 * HOUR_SAMPLES * MINUTE, HOUR_SAMPLES),
)
"""Time traded from which a window is used (ns), and its minutes."""
MOST_POINTS = 240
UNIT = 2**80
"""Returns are summed as integers of this unit: a return of a millionth keeps all of its 53 bits."""


class Rolling(msgspec.Struct):
    """Statistics of the window that ends at each time (ns); `sharpe` is empty with a window of less
    than a day.
    """

    window: int
    times: list[int]
    sharpe: list[float | None]
    volatility: list[float]
    drawdown: list[float]


def rolling(result: Result) -> Rolling | None:
    """Null for a run too short for a window, or whose capital was not positive throughout."""
    span = result.last_time - result.first_time
    window = next((minutes for least, minutes in WINDOWS if span >= least), 0)
    samples = result.samples
    if not window or result.start is None or len(samples) <= window:
        return None
    returns = minute_returns(result.start, samples)
    if returns is None:
        return None
    every = -(-(len(samples) - window + 1) // MOST_POINTS)
    ends = list(range(len(samples), window - 1, -every))[::-1]
    sums, squares = prefix_sums(returns)
    spreads, ratios = [], []
    for end in ends:
        total, square = sums[end] - sums[end - window], squares[end] - squares[end - window]
        spread = math.sqrt((window * square - total * total) / (window * (window - 1)))
        spreads.append(spread / UNIT)
        ratios.append(total / window / spread * math.sqrt(PERIODS_PER_YEAR) if spread > 0 else None)
    is_annual = window >= PERIODS_PER_DAY
    scale = math.sqrt(PERIODS_PER_YEAR) if is_annual else 1.0
    return Rolling(
        window,
        [result.times[end - 1] for end in ends],
        ratios if is_annual else [],
        [spread * scale for spread in spreads],
        window_drawdowns([result.start, *samples], ends, window),
    )


def prefix_sums(returns: list[float]) -> tuple[list[int], list[int]]:
    """Sums of returns and of their squares up to each place, in units of 1 / UNIT and 1 / UNIT^2:
    integers, so that windows are exact.
    """
    units = [int(each * UNIT) for each in returns]
    return [0, *itertools.accumulate(units)], [
        0,
        *itertools.accumulate(each * each for each in units),
    ]


def window_drawdowns(levels: list[int], ends: list[int], window: int) -> list[float]:
    """The deepest drawdown of each window; found in float64, then divided exactly."""
    values = np.array([float(level) for level in levels])
    found = []
    for end in ends:
        part = values[end - window : end + 1]
        peaks = np.maximum.accumulate(part)
        lowest = int(np.argmin(part / peaks)) + end - window
        peak = max(levels[end - window : lowest + 1])
        found.append((levels[lowest] - peak) / peak)
    return found


def summary(found: Rolling | None) -> dict[str, Any] | None:
    """The window, and the range of each statistic over the run."""
    if found is None:
        return None
    ratios = [each for each in found.sharpe if each is not None]
    return {
        "window_minutes": found.window,
        "points": len(found.times),
        "volatility_is": "annual" if not _is_short(found) else "a minute",
        "sharpe": [min(ratios), max(ratios)] if ratios else None,
        "volatility": [min(found.volatility), max(found.volatility)],
        "deepest_drawdown": min(found.drawdown),
    }


def _is_short(found: Rolling) -> bool:
    return found.window < PERIODS_PER_DAY
