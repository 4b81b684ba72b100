"""Tables of ``elementary`` and ``error_function``: powers of two, logarithms, and series of
exp(x^2) erfc(x).

They are worked out here with 60 decimal digits, so there is no number to mistype. ``decimal``
rounds alike on every machine, and the double nearest to a decimal number is one number.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Context, Decimal, localcontext
from typing import Any

import numpy as np

DIGITS = 60
TWO_OVER_SQRT_PI = Decimal("1.12837916709551257389615890312154517168810125865799771368817144")
EXP_STEPS = 32
"""exp reduces its argument to a multiple of ln 2 / 32 and a rest below ln 2 / 64."""
LOG_STEPS = 128
"""log takes its argument between sqrt(1/2) and sqrt(2), in buckets 1/128 wide."""
LOG_FIRST = 90
"""The bucket of sqrt(1/2)."""
LOG_BUCKETS = 92
ERFC_STEPS = 16
"""erfc takes arguments from 7/16 to 4 in buckets 1/16 wide."""
ERFC_FIRST = 7
ERFC_BUCKETS = 57
ERFC_ORDER = 11
"""Terms of a bucket's series, the value itself not counted."""


def pair(value: Decimal) -> tuple[float, float]:
    """The nearest double, and the nearest double of what is left: together 106 bits."""
    high = float(value)
    return high, float(value - Decimal(high))


def cut(value: Decimal, bits: int) -> tuple[float, float]:
    """The leading ``bits`` bits, whose product with a short integer is exact, and the rest."""
    mantissa, exponent = np.frexp(float(value))
    high = float(np.ldexp(np.floor(np.ldexp(mantissa, bits)), int(exponent) - bits))
    return high, float(value - Decimal(high))


def _frozen(values: Sequence[Any]) -> Any:
    found = np.array(values)
    found.flags.writeable = False
    return found


def _exp_table() -> list[tuple[float, float]]:
    """2^(j/32) for j from 0 to 31."""
    return [pair((LN_2 * j / EXP_STEPS).exp()) for j in range(EXP_STEPS)]


def _log_table() -> list[tuple[float, float, float]]:
    """(1/c, high and low part of ln c) of each bucket; 1/c has at most 11 bits.

    c lies near the middle of its bucket. It is exactly 1 beside 1, where the logarithm itself is
    small.
    """
    inverses = [
        round(1024 / ((LOG_FIRST + j + 0.5) / LOG_STEPS)) / 1024 for j in range(LOG_BUCKETS)
    ]
    inverses[LOG_STEPS - LOG_FIRST - 1] = inverses[LOG_STEPS - LOG_FIRST] = 1.0
    return [(inverse, *pair(-Decimal(inverse).ln())) for inverse in inverses]


def _erfcx(x: Decimal) -> Decimal:
    """exp(x^2) erfc(x), by the series of positive terms (Abramowitz and Stegun 7.1.6)."""
    term = total = x
    order = 0
    while term > total.scaleb(-DIGITS):
        order += 1
        term = term * 2 * x * x / (2 * order + 1)
        total += term
    return (x * x).exp() - TWO_OVER_SQRT_PI * total


def _erfc_table() -> list[list[float]]:
    """Taylor series of w(x) = exp(x^2) erfc(x) around the middle of each bucket: low part of w, w,
    and the other terms.

    w' = 2 x w - 2 / sqrt(pi), so (n + 1) a[n + 1] = 2 x a[n] + 2 a[n - 1] from n = 1 on.
    """
    rows = []
    for j in range(ERFC_BUCKETS):
        x = (ERFC_FIRST + j + Decimal("0.5")) / ERFC_STEPS
        terms = [_erfcx(x)]
        terms.append(2 * x * terms[0] - TWO_OVER_SQRT_PI)
        for n in range(1, ERFC_ORDER):
            terms.append((2 * x * terms[n] + 2 * terms[n - 1]) / (n + 1))
        rows.append([pair(terms[0])[1], *(float(term) for term in terms)])
    return rows


with localcontext(Context(prec=DIGITS)):
    LN_2 = Decimal(2).ln()
    LN_2_HIGH, LN_2_LOW = cut(LN_2, 42)
    """ln 2; its high part times an exponent (11 bits) is exact."""
    STEP_HIGH, STEP_LOW = cut(LN_2 / EXP_STEPS, 36)
    """ln 2 / 32; its high part times a number of steps (17 bits) is exact."""
    STEPS_OF_ONE = float(EXP_STEPS / LN_2)
    EXP_HIGH, EXP_LOW = map(_frozen, zip(*_exp_table(), strict=True))
    LOG_INVERSE, LOG_HIGH, LOG_LOW = map(_frozen, zip(*_log_table(), strict=True))
    ERFCX = _frozen(_erfc_table())
