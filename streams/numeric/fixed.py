"""Fixed point: decimal text to integers and back, and the only roundings money may take.

A value with ``precision`` p is an int64 in units of 10^-p. Nothing passes through a float: "2.675"
at precision 3 is 2675, always. Every function here works on Python integers; kernels use wide.py
for products beyond 64 bits.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from schemas.errors import BadData

INT64_MIN = -(1 << 63)
INT64_MAX = (1 << 63) - 1
PRECISION_MAX = 18
AMOUNT_DIGITS = 38
"""Digits of an amount, as the decimal fields of records have."""
RATE_UNIT = 100_000_000
RATE_ADVICE = (
    "give a fraction of the value above 0 and at most 1, with at most 8 decimals, for example 0.05"
)
DIGITS_MAX = 400
"""Longer digits or exponents are refused before any arithmetic: no text may cost memory."""

_NUMBER = re.compile(r"([+-]?)([0-9]*)(?:\.([0-9]*))?(?:[eE]([+-]?[0-9]{1,4}))?", re.ASCII)


class BadNumber(BadData):
    """Text that is not a plain decimal number: blank, other characters, NaN, infinity, group
    separators.
    """

    code = "bad_number"


class OffPrecision(BadData):
    """A number with digits other than 0 beyond the instrument's precision; cutting them would
    invent a price.
    """

    code = "off_precision"


class OutOfRange(BadData):
    """A result that does not fit in 64 bits, signed."""

    code = "out_of_range"


def checked(value: int) -> int:
    """The value, if it fits int64; OutOfRange if not."""
    if INT64_MIN <= value <= INT64_MAX:
        return value
    raise OutOfRange(
        f"{value} does not fit in 64 bits; use a smaller precision for this instrument, or 128-bit "
        "amounts"
    )


def parse(text: str, precision: int) -> int:
    """Decimal text in units of 10^-precision, exactly. Signs, exponents and a missing whole or
    fractional part are read as Decimal reads them.

    Raises BadNumber, OffPrecision (zeros beyond the precision are fine) or OutOfRange.
    """
    whole, _, fraction = text.partition(".")
    digits = whole + fraction
    if (
        digits.isdecimal()
        and digits.isascii()
        and len(digits) <= PRECISION_MAX
        and len(fraction) <= precision <= PRECISION_MAX
    ):
        return checked(int(digits) * _power(precision - len(fraction)))
    return _parse_any(text, precision)


def rate(text: str) -> int | None:
    """A fraction as it is written, "0.05", in units of 1e-8; None if it is not above 0 and at most
    1.
    """
    try:
        found = parse(text, 8)
    except BadData:
        return None
    return found if 0 < found <= RATE_UNIT else None


def parse_amount(text: str, precision: int) -> int:
    """The same for an amount of money or a sum of quantities, which may have 38 digits."""
    return _parse_any(text, precision, AMOUNT_DIGITS)


def _parse_any(text: str, precision: int, digits_max: int = 20) -> int:
    match = _NUMBER.fullmatch(text) if len(text) <= DIGITS_MAX else None
    if match is None or not (match[2] or match[3]):
        raise BadNumber(
            f"{text[:40]!r} is not a decimal number; write digits with an optional sign, point and "
            "exponent"
        )
    sign, whole, fraction, exponent = match[1], match[2], match[3] or "", int(match[4] or 0)
    digits = (whole + fraction).lstrip("0")
    if not digits:
        return 0
    shift = exponent - len(fraction) + precision
    if len(digits) + shift > digits_max:
        most = "64 bits" if digits_max < AMOUNT_DIGITS else f"{AMOUNT_DIGITS} digits"
        raise OutOfRange(
            f"{text[:40]!r} at precision {precision} does not fit in {most}; "
            "use a smaller precision for this instrument"
        )
    if shift < 0:
        if digits[shift:].strip("0") or len(digits) < -shift:
            raise OffPrecision(
                f"{text[:40]!r} has digits beyond precision {precision}; correct the precision in "
                "the instrument table"
            )
        digits, shift = digits[:shift] or "0", 0
    value = int(sign + digits) * _power(shift)
    return value if digits_max == AMOUNT_DIGITS else checked(value)


def _power(exponent: int) -> int:
    result: int = 10**exponent
    return result


def format(value: int, precision: int) -> str:
    """The shortest decimal text with exactly this value: no exponent, no trailing zeros, "-0.5"
    keeps its sign.
    """
    sign = "-" if value < 0 else ""
    digits = str(abs(value)).rjust(precision + 1, "0")
    whole, fraction = (
        digits[: len(digits) - precision],
        digits[len(digits) - precision :].rstrip("0"),
    )
    return f"{sign}{whole}.{fraction}" if fraction else f"{sign}{whole}"


def divide_half_even(numerator: int, denominator: int) -> int:
    """Quotient rounded to nearest, ties to even: the rounding of accounting (fees, average prices).
    """
    if denominator < 0:
        numerator, denominator = -numerator, -denominator
    quotient, remainder = divmod(numerator, denominator)
    if 2 * remainder > denominator or (2 * remainder == denominator and quotient & 1):
        return quotient + 1
    return quotient


def divide_down(numerator: int, denominator: int) -> int:
    """Quotient rounded towards minus infinity."""
    return numerator // denominator


def divide_up(numerator: int, denominator: int) -> int:
    """Quotient rounded towards plus infinity."""
    return -(-numerator // denominator)


def tick_down(price: int, tick: int) -> int:
    """Highest multiple of the tick not above the price: for buy orders."""
    return divide_down(price, tick) * tick


def tick_up(price: int, tick: int) -> int:
    """Lowest multiple of the tick not below the price: for sell orders."""
    return divide_up(price, tick) * tick


def tick_nearest(price: int, tick: int) -> int:
    """Nearest multiple of the tick, a tie to the even multiple."""
    return divide_half_even(price, tick) * tick


def split(total: int, weights: Sequence[int]) -> list[int]:
    """Parts of ``total`` >= 0 in proportion to ``weights`` >= 0 (not all 0), summing to it exactly,
    by largest remainder.

    Each part is within one unit of its exact share; equal remainders go to the earlier part.
    """
    whole = sum(weights)
    parts = [total * weight // whole for weight in weights]
    order = sorted(
        range(len(weights)), key=lambda index: (-(total * weights[index] % whole), index)
    )
    for index in order[: total - sum(parts)]:
        parts[index] += 1
    return parts
