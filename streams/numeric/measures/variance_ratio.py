"""Variance ratio of Lo and MacKinlay (1988, Review of Financial Studies 1): 1 for a random walk.

    VR(q) = variance of q-interval returns / (q times the variance of one-interval returns)

with overlapping returns and their unbiased estimators (their equation 10):

    m = q (n - q + 1) (1 - q / n),    VR(q) = [sum (r_t + ... + r_(t-q+1) - q mean)^2 / m]
                                             / [sum (r_t - mean)^2 / (n - 1)]

Above 1 prices trend, below 1 they bounce.
"""

from __future__ import annotations

import math
from typing import Any

from streams.numeric.measures.regression import place_of
from streams.numeric.rolling import window_full, window_mean
from streams.numeric.shared import shared_step

NAN = math.nan


@shared_step
def variance_ratio(window: Any, returns: Any, q: Any) -> Any:
    """VR(q) of a full window of returns; nan before, where nothing moved, for q not 2 to n - 1."""
    n = window.period
    if not window_full(window) or not 2 <= q < n:
        return NAN
    mean = window_mean(window, returns)
    single = several = total = 0.0
    for age in range(n):
        r = returns[place_of(window, age)] - mean
        single += r * r
        total = 0.0
        if age >= q - 1:
            for back in range(q):
                total += returns[place_of(window, age - back)] - mean
            several += total * total
    if not single > 0.0:
        return NAN
    return several / (q * (n - q + 1) * (1.0 - q / n)) / (single / (n - 1))
