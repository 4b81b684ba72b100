"""The normal distribution with the same bits on every machine: its distribution function and
quantiles.

The quantile is algorithm AS241, PPND16 (M. J. Wichura, "The percentage points of the normal
distribution", Applied Statistics 37, 1988). Errors are below 5 units of the last place. See
``elementary``.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from streams.numeric.borrowing import borrowing_kernel
from streams.numeric.elementary import INF, NAN, SQRT_HALF, log, product
from streams.numeric.error_function import SMALL, ZERO_FROM, erfc, tail

CENTRE = 0.425
"""Half the width of the middle, where the quantile is a rational function of p - 1/2."""


@borrowing_kernel
def normal_cdf(x: Any) -> Any:
    """Probability that a standard normal variable is at most x.

    It is half of erfc(-x / sqrt(2)), with the square taken of x itself: no rounding grows with x.
    """
    x = np.float64(x)
    size = abs(x) * SQRT_HALF
    if not SMALL < size <= ZERO_FROM:
        return 0.5 * erfc(-x * SQRT_HALF)
    square, square_low = product(x, x)
    found = 0.5 * tail(size, 0.5 * square, 0.5 * square_low)
    return found if x < 0.0 else 1.0 - found


@borrowing_kernel
def normal_quantile(p: Any) -> Any:
    """The x with ``normal_cdf(x) == p``: infinite at 0 and 1, nan outside of them."""
    p = np.float64(p)
    if not 0.0 <= p <= 1.0:
        return NAN
    if p == 0.0 or p == 1.0:
        return -INF if p == 0.0 else INF
    q = p - 0.5
    if abs(q) <= CENTRE:
        return _quantile_of_the_middle(q)
    tail = math.sqrt(-log(p if q < 0.0 else 1.0 - p))
    found = _quantile_near(tail - 1.6) if tail <= 5.0 else _quantile_far(tail - 5.0)
    return -found if q < 0.0 else found


@borrowing_kernel
def _quantile_of_the_middle(q: Any) -> Any:
    r = 0.180625 - q * q
    above = (
        (2.5090809287301226727e3 * r + 3.3430575583588128105e4) * r + 6.7265770927008700853e4
    ) * r
    above = ((above + 4.5921953931549871457e4) * r + 1.3731693765509461125e4) * r
    above = ((above + 1.9715909503065514427e3) * r + 1.3314166789178437745e2) * r
    below = (
        (5.2264952788528545610e3 * r + 2.8729085735721942674e4) * r + 3.9307895800092710610e4
    ) * r
    below = ((below + 2.1213794301586595867e4) * r + 5.3941960214247511077e3) * r
    below = ((below + 6.8718700749205790830e2) * r + 4.2313330701600911252e1) * r
    return q * (above + 3.3871328727963666080) / (below + 1.0)


@borrowing_kernel
def _quantile_near(r: Any) -> Any:
    above = (
        (7.74545014278341407640e-4 * r + 2.27238449892691845833e-2) * r + 2.41780725177450611770e-1
    ) * r
    above = ((above + 1.27045825245236838258) * r + 3.64784832476320460504) * r
    above = ((above + 5.76949722146069140550) * r + 4.63033784615654529590) * r
    below = (
        (1.05075007164441684324e-9 * r + 5.47593808499534494600e-4) * r + 1.51986665636164571966e-2
    ) * r
    below = ((below + 1.48103976427480074590e-1) * r + 6.89767334985100004550e-1) * r
    below = ((below + 1.67638483018380384940) * r + 2.05319162663775882187) * r
    return (above + 1.42343711074968357734) / (below + 1.0)


@borrowing_kernel
def _quantile_far(r: Any) -> Any:
    above = (
        (2.01033439929228813265e-7 * r + 2.71155556874348757815e-5) * r + 1.24266094738807843860e-3
    ) * r
    above = ((above + 2.65321895265761230930e-2) * r + 2.96560571828504891230e-1) * r
    above = ((above + 1.78482653991729133580) * r + 5.46378491116411436990) * r
    below = (
        (2.04426310338993978564e-15 * r + 1.42151175831644588870e-7) * r + 1.84631831751005468180e-5
    ) * r
    below = ((below + 7.86869131145613259100e-4) * r + 1.48753612908506148525e-2) * r
    below = ((below + 1.36929880922735805310e-1) * r + 5.99832206555887937690e-1) * r
    return (above + 6.65790464350110377720) / (below + 1.0)


def load_compiled() -> None:
    """Load the functions for floats and integers, for a process that will open no file any more."""
    for x in (1, 1.0):
        normal_cdf(x), normal_quantile(x)
