"""Kyle's lambda (1985, Econometrica 53): the price's move for a unit of signed volume (MIC-3).

    mid change of an interval = intercept + lambda (buy volume - sell volume) + error

by least squares over the last intervals. It is signed, and has no cap. In one period of Kyle's
model lambda = sqrt(variance of value) / (2 deviation of noise trading).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from streams.numeric.measures.regression import line_through
from streams.numeric.periods import WINDOW_MAX, check_period
from streams.numeric.rolling import WINDOW, window_push
from streams.numeric.shared import shared_step

POINTS_MIN = 3


def new_kyle(rows: int, period: int) -> tuple[Any, Any, Any]:
    """(windows, signed volumes, mid changes), a row each for an instrument. Raises BadPeriod."""
    windows = np.zeros(rows, WINDOW)
    windows["period"] = check_period(period, WINDOW_MAX, POINTS_MIN)
    return windows, np.zeros((rows, period)), np.zeros((rows, period))


@shared_step
def kyle_push(window: Any, volumes: Any, changes: Any, signed_volume: Any, change: Any) -> Any:
    """Take an interval; True once the window is full."""
    signed_volume, change = float(signed_volume), float(change)
    if not math.isfinite(signed_volume) or not math.isfinite(change):
        return False
    changes[window.count if window.count < window.period else window.oldest] = change
    return window_push(window, volumes, signed_volume)


@shared_step
def kyle_lambda(window: Any, volumes: Any, changes: Any) -> Any:
    """(lambda, its standard error, R squared), nan until the window is full."""
    return line_through(window, volumes, changes)
