"""Least squares through the points of two windows (``streams.numeric.rolling``), oldest first.

Sums are taken anew from what the windows hold, about the means, so there is no drift.
"""

from __future__ import annotations

import math
from typing import Any

from streams.numeric.rolling import window_full, window_mean
from streams.numeric.shared import shared_step

NAN = math.nan


@shared_step
def place_of(window: Any, age: Any) -> Any:
    """Place of the value that is ``age`` steps younger than the oldest of a full window."""
    place = window.oldest + age
    return place if place < window.period else place - window.period


@shared_step
def line_through(window: Any, xs: Any, ys: Any) -> Any:
    """(slope, its standard error, R squared) of y = intercept + slope x.

    nan before the window is full and where all x are one; the error needs three points, R squared
    a y that moves.
    """
    if not window_full(window):
        return NAN, NAN, NAN
    mean_x, mean_y = window_mean(window, xs), window_mean(window, ys)
    xx = xy = yy = 0.0
    for age in range(window.period):
        place = place_of(window, age)
        x, y = xs[place] - mean_x, ys[place] - mean_y
        xx += x * x
        xy += x * y
        yy += y * y
    if not xx > 0.0:
        return NAN, NAN, NAN
    slope = xy / xx
    unexplained = max(yy - slope * xy, 0.0)
    error = math.sqrt(unexplained / (window.period - 2) / xx) if window.period > 2 else NAN
    return slope, error, 1.0 - unexplained / yy if yy > 0.0 else NAN
