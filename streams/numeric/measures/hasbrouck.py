"""Hasbrouck's price impact (1991, J. Finance 46): what of a trade's move stays (MIC-9).

A vector autoregression of the mid's change r and the trade's sign x, in trade time, with L lags:

    r_t = sum_(i=1..L) a_i r_(t-i) + sum_(i=0..L) b_i x_(t-i) + u_t
    x_t = sum_(i=1..L) c_i r_(t-i) + sum_(i=1..L) d_i x_(t-i) + w_t

by least squares, no intercept (both have mean zero under the model). The impact is the sum of r's
answers to one buy more, w = 1, over ``steps`` trades: what stays, for what reverts is gone by then.
"""

from __future__ import annotations

import math
from typing import Any

from streams.numeric.measures.regression import place_of
from streams.numeric.measures.solving import solve
from streams.numeric.rolling import window_full
from streams.numeric.shared import shared_step

NAN = math.nan
LAGS_MAX = 10
SIZE_MAX = 2 * LAGS_MAX + 1


@shared_step
def lagged(window: Any, rs: Any, xs: Any, age: Any, lags: Any, which: Any) -> Any:
    """Regressor number ``which`` at a point: r of 1..L before, then x of 1..L before, then x."""
    if which < lags:
        return rs[place_of(window, age - 1 - which)]
    if which < 2 * lags:
        return xs[place_of(window, age - 1 - (which - lags))]
    return xs[place_of(window, age)]


@shared_step
def normal_equations(
    window: Any, rs: Any, xs: Any, lags: Any, size: Any, matrix: Any, right: Any
) -> None:
    """X'X and X'y of a regression on the first ``size`` regressors; y is r with x's, else x."""
    for i in range(size):
        right[i][0] = 0.0
        for j in range(size):
            matrix[i][j] = 0.0
    for age in range(lags, window.period):
        place = place_of(window, age)
        y = rs[place] if size > 2 * lags else xs[place]
        for i in range(size):
            left = lagged(window, rs, xs, age, lags, i)
            right[i][0] += left * y
            for j in range(size):
                matrix[i][j] += left * lagged(window, rs, xs, age, lags, j)


@shared_step
def hasbrouck_impact(
    window: Any, rs: Any, xs: Any, lags: Any, steps: Any, matrix: Any, of_r: Any, of_x: Any,
    answers: Any,
) -> Any:  # fmt: skip
    """The impact of a trade in the unit of r; nan until the window is full, or undefined.

    Args:
        matrix, of_r, of_x: scratch, (SIZE_MAX, SIZE_MAX) and twice (SIZE_MAX, 1); coefficients end
            in the two.
        answers: scratch, (2, steps or more): r's and x's answers to the shock.
    """
    if not window_full(window) or window.period < 3 * lags + 2 or not 1 <= lags <= LAGS_MAX:
        return NAN
    normal_equations(window, rs, xs, lags, 2 * lags + 1, matrix, of_r)
    if not solve(matrix, of_r, 2 * lags + 1):
        return NAN
    normal_equations(window, rs, xs, lags, 2 * lags, matrix, of_x)
    if not solve(matrix, of_x, 2 * lags):
        return NAN
    return impulse_response(of_r, of_x, lags, steps, answers)


@shared_step
def impulse_response(of_r: Any, of_x: Any, lags: Any, steps: Any, answers: Any) -> Any:
    """Sum of r's answers to a shock of 1 in x over ``steps`` trades."""
    total = 0.0
    for t in range(steps):
        x = 1.0 if t == 0 else 0.0
        for i in range(min(lags, t)):
            x += of_x[i][0] * answers[0][t - 1 - i] + of_x[lags + i][0] * answers[1][t - 1 - i]
        r = of_r[2 * lags][0] * x
        for i in range(min(lags, t)):
            r += of_r[i][0] * answers[0][t - 1 - i] + of_r[lags + i][0] * answers[1][t - 1 - i]
        answers[0][t], answers[1][t] = r, x
        total += r
    return total
