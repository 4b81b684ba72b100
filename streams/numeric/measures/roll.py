"""Roll's spread (1984, J. Finance 39): what the bounce between bid and ask says of it (MIC-7).

    spread = 2 sqrt(-cov(dp_t, dp_(t-1)))

over the price changes of the last trades; not defined where the covariance is not negative. Two
estimators are in use: ``about_means`` 1 takes the sample's covariance (n - 1), each series about
its own mean; 0 takes the mean of the products.
"""

from __future__ import annotations

import math
from typing import Any

from streams.numeric.measures.regression import place_of
from streams.numeric.rolling import window_full
from streams.numeric.shared import shared_step

NAN = math.nan
CHANGES_MIN = 3


@shared_step
def serial_covariance(window: Any, changes: Any, about_means: Any) -> Any:
    """Covariance of each change with the one before; nan until the window is full."""
    pairs = window.period - 1
    if not window_full(window) or pairs < 1 + about_means:
        return NAN
    mean = mean_before = 0.0
    if about_means:
        for age in range(pairs):
            mean_before += changes[place_of(window, age)]
            mean += changes[place_of(window, age + 1)]
        mean, mean_before = mean / pairs, mean_before / pairs
    total = 0.0
    for age in range(pairs):
        before = changes[place_of(window, age)] - mean_before
        total += before * (changes[place_of(window, age + 1)] - mean)
    return total / (pairs - about_means)


@shared_step
def roll_spread(window: Any, changes: Any, about_means: Any) -> Any:
    """The spread in the unit of the changes; nan until the window is full and where undefined."""
    covariance = serial_covariance(window, changes, about_means)
    return 2.0 * math.sqrt(-covariance) if covariance < 0.0 else NAN
