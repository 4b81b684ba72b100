"""Statistics of the last inputs: mean, deviation, extremes, quantiles, Bollinger bands.

A window is a record and a row of its values (``new_window``); what needs an order has a row of the
same values sorted (``new_ranking``). The state of a window is what it holds and nothing else: each
statistic is worked out from the values, oldest first. So it has no drift, and a later start gives
the same bits once the window is full. A sum costs a step for each value; quantiles are read off,
and their cost is in the input, which moves sorted values.

Used as ``smoothing``: the same steps in kernels and in plain Python, ``nan`` until the window is
full.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from streams.numeric.periods import WINDOW_MAX, check_period
from streams.numeric.shared import shared_step

NAN = math.nan

WINDOW = np.dtype([("period", np.int64), ("count", np.int64), ("oldest", np.int64)])
"""``oldest``: place of the oldest value of a full window, which the next input takes."""


def new_window(rows: int, period: int) -> tuple[Any, Any]:
    """(records, values) of empty windows, one row of each for an instrument. Raises BadPeriod."""
    found = np.zeros(rows, WINDOW)
    found["period"] = check_period(period, WINDOW_MAX)
    return found, np.zeros((rows, period))


def new_ranking(rows: int, period: int) -> Any:
    """Values in ascending order, a row for each window of ``new_window``. Raises BadPeriod."""
    return np.zeros((rows, check_period(period, WINDOW_MAX)))


@shared_step
def window_push(window: Any, values: Any, x: Any) -> Any:
    """Take an input, which drives out the oldest of a full window; True once it is full."""
    x = float(x) + 0.0  # -0.0 becomes 0.0
    if not math.isfinite(x):
        return False
    if window.count < window.period:
        values[window.count] = x
        window.count += 1
    else:
        values[window.oldest] = x
        window.oldest = window.oldest + 1 if window.oldest + 1 < window.period else 0
    return window.count == window.period


@shared_step
def window_full(window: Any) -> Any:
    """True once there were ``period`` inputs."""
    return window.count == window.period


@shared_step
def window_mean(window: Any, values: Any) -> Any:
    """The mean."""
    if window.count < window.period:
        return NAN
    total = 0.0
    for place in range(window.oldest, window.period):
        total += values[place]
    for place in range(window.oldest):
        total += values[place]
    return total / window.period


@shared_step
def window_deviation(window: Any, values: Any, degrees_lost: Any) -> Any:
    """The standard deviation; ``degrees_lost``: 0 for that of the values, 1 for a sample's."""
    return deviation_from(window, values, window_mean(window, values), degrees_lost)


@shared_step
def deviation_from(window: Any, values: Any, mean: Any, degrees_lost: Any) -> Any:
    """The standard deviation of values whose mean is known."""
    if window.count < window.period or window.period <= degrees_lost:
        return NAN
    total = 0.0
    for place in range(window.oldest, window.period):
        distance = values[place] - mean
        total += distance * distance
    for place in range(window.oldest):
        distance = values[place] - mean
        total += distance * distance
    return math.sqrt(total / (window.period - degrees_lost))


@shared_step
def window_least(window: Any, values: Any) -> Any:
    """The smallest value."""
    if window.count < window.period:
        return NAN
    found = values[0]
    for place in range(1, window.period):
        found = min(found, values[place])
    return found


@shared_step
def window_greatest(window: Any, values: Any) -> Any:
    """The greatest value."""
    if window.count < window.period:
        return NAN
    found = values[0]
    for place in range(1, window.period):
        found = max(found, values[place])
    return found


@shared_step
def bollinger(window: Any, values: Any, width: Any) -> Any:
    """(lower, middle, upper): the mean, and ``width`` deviations of the values beside it."""
    middle = window_mean(window, values)
    reach = width * deviation_from(window, values, middle, 0)
    return middle - reach, middle, middle + reach


@shared_step
def first_not_below(ranking: Any, count: Any, x: Any) -> Any:
    """Place of the first of ``count`` sorted values that is not below x."""
    low, high = 0, count
    while low < high:
        middle = (low + high) // 2
        if ranking[middle] < x:
            low = middle + 1
        else:
            high = middle
    return low


@shared_step
def ranked_push(window: Any, values: Any, ranking: Any, x: Any) -> Any:
    """``window_push`` that keeps the window's values sorted, too."""
    x = float(x) + 0.0
    if not math.isfinite(x):
        return False
    place = window.count
    if place == window.period:
        place = first_not_below(ranking, place, values[window.oldest])
    while place > 0 and ranking[place - 1] > x:
        ranking[place] = ranking[place - 1]
        place -= 1
    while place + 1 < window.count and ranking[place + 1] < x:
        ranking[place] = ranking[place + 1]
        place += 1
    ranking[place] = x
    return window_push(window, values, x)


@shared_step
def window_quantile(window: Any, ranking: Any, q: Any) -> Any:
    """The quantile for q from 0 to 1 (0.5: the median), linear between neighbours; else nan."""
    if window.count < window.period or not 0.0 <= q <= 1.0:
        return NAN
    place = q * (window.period - 1)
    below = math.floor(place)
    found = ranking[below]
    share = place - below
    return found + share * (ranking[below + 1] - found) if share > 0.0 else found
