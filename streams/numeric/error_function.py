"""The complementary error function with the same bits on every machine, in kernels and in plain
Python.

Below 0.47 and from 4 on stand the rational approximations that W. J. Cody published ("Rational
Chebyshev approximations for the error function", Mathematics of Computation 23, 1969), between them
series from a table. The factor exp(-x^2) is taken with x^2 as a sum of two doubles, so its error
does not grow with x. The error of the whole is below 2.5 units of the last place, or below 1 where
the result is subnormal. See ``elementary``.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from streams.numeric.borrowing import borrowing_kernel
from streams.numeric.elementary import NAN, exp_parts, product, scaled
from streams.numeric.elementary_tables import ERFC_FIRST, ERFC_ORDER, ERFC_STEPS, ERFCX

SMALL = 0.46875
LARGE = 4.0
ZERO_FROM = 27.3
"""From here on the result is less than half of the smallest double."""
ONE_OVER_SQRT_PI = 0.5641895835477563


@borrowing_kernel
def erfc(x: Any) -> Any:
    """2 / sqrt(pi) times the integral of exp(-t^2) above x: 2 at -inf, 0 from 27.3 on."""
    x = np.float64(x)
    if x != x:
        return NAN
    size = abs(x)
    if size <= SMALL:
        return 1.0 - _erf_of_small(x)
    if size > ZERO_FROM:
        return 0.0 if x > 0.0 else 2.0
    square, square_low = product(size, size)
    found = tail(size, square, square_low)
    return found if x > 0.0 else 2.0 - found


@borrowing_kernel
def tail(size: Any, square: Any, square_low: Any) -> Any:
    """erfc(size) for a size from 0.46875 to 27.3, whose square is the sum of two doubles."""
    factor = _factor(size) if size < LARGE else _factor_of_large(size)
    m, n = exp_parts(-square, -square_low)
    return scaled(m * factor, n)


@borrowing_kernel
def _erf_of_small(x: Any) -> Any:
    """erf(x) for |x| up to 0.46875."""
    y = x * x if abs(x) > 1e-150 else 0.0
    above = (((1.85777706184603153e-1 * y + 3.16112374387056560) * y + 1.13864154151050156e2) * y
             + 3.77485237685302021e2) * y + 3.20937758913846947e3  # fmt: skip
    below = (
        ((y + 2.36012909523441209e1) * y + 2.44024637934444173e2) * y + 1.28261652607737228e3
    ) * y + 2.84423683343917062e3
    return x * above / below


@borrowing_kernel
def _factor(x: Any) -> Any:
    """erfc(x) exp(x^2) for x from 0.46875 to 4, exclusive: the series of x's bucket."""
    j = math.floor(x * ERFC_STEPS)
    series = ERFCX[j - ERFC_FIRST]
    distance = x - (j + 0.5) / ERFC_STEPS
    total = series[ERFC_ORDER + 1]
    for term in range(ERFC_ORDER, 1, -1):
        total = total * distance + series[term]
    return series[1] + (series[0] + distance * total)


@borrowing_kernel
def _factor_of_large(x: Any) -> Any:
    """erfc(x) exp(x^2) for x from 4 on."""
    y = 1.0 / (x * x)
    above = (1.63153871373020978e-2 * y + 3.05326634961232344e-1) * y + 3.60344899949804439e-1
    above = (above * y + 1.25781726111229246e-1) * y + 1.60837851487422766e-2
    above = above * y + 6.58749161529837803e-4
    below = (
        ((y + 2.56852019228982242) * y + 1.87295284992346725) * y + 5.27905102951428412e-1
    ) * y + 6.05183413124413191e-2
    below = below * y + 2.33520497626869185e-3
    return (ONE_OVER_SQRT_PI - y * above / below) / x


def load_compiled() -> None:
    """Load the function for floats and integers, for a process that will open no file any more."""
    erfc(1), erfc(1.0)
