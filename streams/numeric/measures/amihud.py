"""Amihud's illiquidity (2002, J. Financial Markets 5): mean of |return| / turnover (MIC-4).

Intervals without turnover say nothing about it: they are skipped and counted.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from streams.numeric.periods import WINDOW_MAX, check_period
from streams.numeric.rolling import window_mean, window_push
from streams.numeric.shared import shared_step

SCALE = 1e6
"""As in the paper: per million of the currency."""

AMIHUD = np.dtype([(name, np.int64) for name in ("period", "count", "oldest", "skipped")])


def new_amihud(rows: int, period: int) -> tuple[Any, Any]:
    """(windows, ratios), a row each for an instrument. Raises BadPeriod."""
    found = np.zeros(rows, AMIHUD)
    found["period"] = check_period(period, WINDOW_MAX)
    return found, np.zeros((rows, period))


@shared_step
def amihud_push(amihud: Any, ratios: Any, change: Any, turnover: Any) -> Any:
    """Take an interval's return and turnover; True once the window is full."""
    change, turnover = float(change), float(turnover)
    if not (turnover > 0.0 and math.isfinite(change)):
        amihud.skipped += 1
        return amihud.count == amihud.period
    return window_push(amihud, ratios, SCALE * abs(change) / turnover)


@shared_step
def amihud_value(amihud: Any, ratios: Any) -> Any:
    """The measure, nan until there were ``period`` intervals with turnover."""
    return window_mean(amihud, ratios)
