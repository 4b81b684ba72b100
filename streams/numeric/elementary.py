"""exp, log and pow with the same bits on every machine, in kernels and in plain Python.

A library's exp, log and pow differ in the last bits between processors and between versions of the
library. These are made of + - * and of frexp, ldexp and floor, which are exact everywhere; kernels
are compiled without fused or reordered arithmetic (``schemas.kernel``). The method is that of P. T.
P. Tang ("Table-driven implementation of the exponential / logarithm function in IEEE floating-point
arithmetic", ACM TOMS 15 and 16, 1989 and 1990): a table takes the argument near zero, a short
polynomial does the rest, and what counts is carried as a sum of two doubles (T. J. Dekker, "A
floating-point technique for extending the available precision", 1971).

Errors are below 0.6 units of the last place (``ulp``) for exp and log and below 0.7 for pow; where
a result is subnormal, below 1 ulp. Special cases are those of C99, appendix F. A result that is no
number is ``nan``, always the same bits. ``erfc`` is in ``error_function``; the square root of the
processor is exact, use ``math.sqrt``.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from streams.numeric.borrowing import borrowing_kernel
from streams.numeric.elementary_tables import (
    EXP_HIGH,
    EXP_LOW,
    EXP_STEPS,
    LN_2_HIGH,
    LN_2_LOW,
    LOG_FIRST,
    LOG_HIGH,
    LOG_INVERSE,
    LOG_LOW,
    LOG_STEPS,
    STEP_HIGH,
    STEP_LOW,
    STEPS_OF_ONE,
)

NAN = math.nan
INF = math.inf
OVERFLOW = 709.782712893384
"""The greatest double whose exponential is one."""
UNDERFLOW = -745.2
"""Below it an exponential is less than half of the smallest double."""
SQRT_HALF = 0.7071067811865476
SPLITTER = 134217729.0
"""2^27 + 1: a double is split into two of 26 bits, whose products are exact (Dekker)."""
SMALLEST_NORMAL = 2.0**-1022
BIAS = 1023
MANTISSA_BITS = 52
MANTISSA = (1 << MANTISSA_BITS) - 1
HALF_BITS = (BIAS - 1) << MANTISSA_BITS
"""Bits of 0.5: exponents are written with a bias of 1023 above 52 bits of the mantissa."""
EXACT = 2.0**53
"""From here on every double is an even integer."""


@borrowing_kernel
def split(x: Any) -> Any:
    """(high, low) of 26 bits each, whose sum is x; |x| below 2^996."""
    scaled = SPLITTER * x
    high = scaled - (scaled - x)
    return high, x - high


@borrowing_kernel
def product(a: Any, b: Any) -> Any:
    """a * b exactly, as (high, low); no part of it may overflow or be subnormal."""
    a_high, a_low = split(a)
    b_high, b_low = split(b)
    high = a * b
    return high, ((a_high * b_high - high) + a_high * b_low + a_low * b_high) + a_low * b_low


@borrowing_kernel
def exp_parts(high: Any, low: Any) -> Any:
    """(m, n) with exp(high + low) = m * 2^n and m from 0.98 to 2; |high| at most 760, |low| at most
    an ulp of it.

    Steps of ln 2 / 32 are taken away: n counts whole powers of two, the table has the others. The
    rest is at most ln 2 / 64, where the eighth term of the series is below 2^-67.
    """
    steps = math.floor(high * STEPS_OF_ONE + 0.5)
    rest = (high - steps * STEP_HIGH) + (low - steps * STEP_LOW)
    series = 0.5 + rest * (
        1 / 6 + rest * (1 / 24 + rest * (1 / 120 + rest * (1 / 720 + rest * (1 / 5040))))
    )
    power = rest + rest * rest * series
    n = steps // EXP_STEPS
    j = steps - n * EXP_STEPS
    return EXP_HIGH[j] + (EXP_LOW[j] + EXP_HIGH[j] * power), n


@borrowing_kernel
def scaled(m: Any, n: Any) -> Any:
    """m * 2^n, rounded once; infinite where it is too large. m from 0.5 to 2."""
    if -1020 < n < 1023:
        return m * np.int64((n + BIAS) << MANTISSA_BITS).view(np.float64)
    if n > 1022:
        return math.ldexp(m, 1022) * (2.0 if n == 1023 else 4.0 if n == 1024 else INF)
    return math.ldexp(m, n)


@borrowing_kernel
def parts(x: Any) -> Any:
    """``math.frexp`` of a positive finite double."""
    if x < SMALLEST_NORMAL:
        return math.frexp(x)
    bits = np.float64(x).view(np.int64)
    z = np.int64((bits & MANTISSA) | HALF_BITS).view(np.float64)
    return z, (bits >> MANTISSA_BITS) - (BIAS - 1)


@borrowing_kernel
def log_parts(x: Any) -> Any:
    """(high, low) with ln x = high + low to about 66 bits; x positive and finite.

    x = 2^k * z, and z = (1 + r) * c for the c of z's bucket. 1/c is short, so r is known exactly as
    a sum of two doubles. ln x = k ln 2 + ln c + (r - r^2/2 + ...), with every term but the series'
    tail in two doubles.
    """
    z, k = parts(x)
    if z < SQRT_HALF:
        z, k = z * 2.0, k - 1
    j = math.floor(z * LOG_STEPS) - LOG_FIRST
    inverse = LOG_INVERSE[j]
    z_high, z_low = split(z)
    a, b = z_high * inverse - 1.0, z_low * inverse
    r = a + b
    back = r - a
    r_low = (a - (r - back)) + (b - back)
    square, square_low = product(r, r)
    tail = 1 / 3 + r * (
        -1 / 4
        + r * (1 / 5 + r * (-1 / 6 + r * (1 / 7 + r * (-1 / 8 + r * (1 / 9 + r * (-1 / 10))))))
    )
    tail = r * square * tail + (r_low * (1.0 - r) - 0.5 * square_low)
    head = r - 0.5 * square
    tail += (r - head) - 0.5 * square
    base = k * LN_2_HIGH + LOG_HIGH[j]
    base_low = ((k * LN_2_HIGH - base) + LOG_HIGH[j]) + (k * LN_2_LOW + LOG_LOW[j])
    total = base + head
    low = ((base - total) + head) + (base_low + tail)
    high = total + low
    return high, (total - high) + low


@borrowing_kernel
def exp(x: Any) -> Any:
    """e to the power of x: 0 below -745.2, infinite above 709.78."""
    x = np.float64(x)
    if x != x:
        return NAN
    if x > OVERFLOW:
        return INF
    if x < UNDERFLOW:
        return 0.0
    m, n = exp_parts(x, 0.0)
    return scaled(m, n)


@borrowing_kernel
def log(x: Any) -> Any:
    """The natural logarithm of x: minus infinity of 0, no number of what is below."""
    x = np.float64(x)
    if x != x or x < 0.0:
        return NAN
    if x == 0.0:
        return -INF
    if x == INF:
        return INF
    return log_parts(x)[0]


@borrowing_kernel
def pow(x: Any, y: Any) -> Any:
    """x to the power of y; of a negative x for whole y only."""
    x, y = np.float64(x), np.float64(y)
    if y == 0.0 or x == 1.0:
        return 1.0
    if x != x or y != y:
        return NAN
    whole = abs(y) >= EXACT or math.floor(y) == y
    odd = whole and abs(y) < EXACT and (np.int64(y) & 1) == 1
    size = abs(x)
    if size == 0.0 or size == INF or abs(y) == INF:
        return _extreme(size, y, odd and math.copysign(1.0, x) < 0.0)
    if x < 0.0 and not whole:
        return NAN
    found = _positive_power(size, y)
    return -found if odd and x < 0.0 else found


@borrowing_kernel
def _extreme(size: Any, y: Any, negative: Any) -> Any:
    """A power of zero or infinity, or to an infinite exponent."""
    if size == 1.0:
        return 1.0
    found = INF if (size > 1.0) == (y > 0.0) else 0.0
    return -found if negative else found


@borrowing_kernel
def _positive_power(x: Any, y: Any) -> Any:
    """x to the power of y as exp(y ln x), the exponent in two doubles; x positive, both finite."""
    if x == 1.0:
        return 1.0
    high, low = log_parts(x)
    about = y * high
    if about > 710.0:
        return INF
    if about < -746.0:
        return 0.0
    if abs(about) < 1e-20:
        return 1.0
    exponent, exponent_low = product(y, high)
    m, n = exp_parts(exponent, exponent_low + y * low)
    return scaled(m, n)


def load_compiled() -> None:
    """Load the functions for floats and integers, for a process that will open no file any more."""
    for x in (1, 1.0):
        exp(x), log(x), pow(x, 1), pow(x, 1.0)
