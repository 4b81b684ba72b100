"""Numbers, times and codes as people read them.

Exact amounts are formatted from integers, floats only where a statistic is one. Signs are real
minus signs, thousands are separated by commas.
"""

from __future__ import annotations

import numpy as np

from streams.numeric import fixed

MINUS = "\u2212"
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
SECOND = 1_000_000_000
DUST = 1e-12
"""What is smaller is what rounding left of zero."""


def decimal_text(value: int, precision: int) -> str:
    """The exact decimal of ``value * 10^-precision``, without trailing zeros beyond the point:
    ``-1234500, 3`` is ``-1234.5``.
    """
    return fixed.format(value, precision)


def rounded(value: int, precision: int, decimals: int) -> int:
    """``value * 10^-precision`` in units of 10^-decimals, half-even."""
    if decimals >= precision:
        scale: int = 10 ** (decimals - precision)
        return value * scale
    return fixed.divide_half_even(value, 10 ** (precision - decimals))


def money(value: int, precision: int, decimals: int = 2, signed: bool = False) -> str:
    """An amount with thousands separators; small amounts get the decimals they need (two
    significant digits, at most 8).
    """
    if value and abs(value) * 10**decimals < 10**precision:
        while decimals < min(precision, 8) and abs(rounded(value, precision, decimals)) < 10:
            decimals += 1
    units = rounded(value, precision, decimals)
    whole, part = divmod(abs(units), 10**decimals)
    text = f"{whole:,}.{part:0{decimals}d}" if decimals else f"{whole:,}"
    return _sign(units, signed) + text


def number(value: float, decimals: int = 2, signed: bool = False) -> str:
    """A plain number with thousands separators; very large and very small ones in powers of ten."""
    if abs(value) < DUST:
        value = 0.0
    size = abs(value)
    if size >= 1e9:
        return _sign(value, signed) + scientific(size)
    while 0 < size < 10 ** -(decimals - 1) and decimals < 6:
        decimals += 1
    if 0 < size < 10**-decimals:
        return _sign(value, signed) + scientific(size)
    text = f"{size:,.{decimals}f}"
    return (_sign(value, signed) if text.strip("0.,") else "") + text


def scientific(size: float) -> str:
    """``1.23 × 10^12`` with a superscript."""
    mantissa, exponent = f"{size:.2e}".split("e")
    power = str(int(exponent)).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
    return f"{mantissa} × 10{power}"


def percent(ratio: float, signed: bool = False) -> str:
    """A ratio in per cent; below a hundredth of a per cent in basis points."""
    size = abs(ratio)
    if size < DUST:
        return "0 %"
    if size < 1e-4:
        return number(ratio * 1e4, 2, signed) + " bp"
    return number(ratio * 100, 2 if size < 1 else 1, signed) + " %"


def count(value: int) -> str:
    """An integer with thousands separators."""
    return f"{value:,}"


def plural(value: int, one: str, many: str = "") -> str:
    """``1 fill``, ``2 fills``."""
    return f"{value:,} {one if value == 1 else many or one + 's'}"


def sized(value: int, many: str) -> str:
    """``1 minute`` from ``minutes``."""
    return plural(value, many[:-1], many)


def first_clause(explanation: str | None) -> str:
    """The first clause of why a number is missing; report.json has all of it."""
    return (explanation or "unknown").partition(";")[0]


def duration(nanoseconds: int) -> str:
    """The two largest units that say something: ``2 d 3 h``, ``4 min 10 s``, ``2.5 ms``."""
    if nanoseconds < SECOND:
        if nanoseconds < 1_000_000:
            return f"{nanoseconds / 1000:.3g} µs" if nanoseconds else "0 s"
        return f"{nanoseconds / 1_000_000:.3g} ms"
    seconds, rest = divmod(nanoseconds, SECOND)
    if seconds < 10 and rest:
        return f"{nanoseconds / SECOND:.2g} s"
    parts = (
        ("d", seconds // 86400),
        ("h", seconds // 3600 % 24),
        ("min", seconds // 60 % 60),
        ("s", seconds % 60),
    )
    return " ".join([f"{amount} {name}" for name, amount in parts if amount][:2])


def utc(nanoseconds: int, digits: int = 9) -> str:
    """ISO 8601 with `digits` of a second: ``2024-08-08T23:50:00.123Z``."""
    text = str(np.datetime64(nanoseconds, "ns"))
    return text[: 19 if digits == 0 else 20 + digits] + "Z"


def clock(nanoseconds: int, seconds: bool = True) -> str:
    """Time of day, UTC."""
    return utc(nanoseconds, 0)[11 : 19 if seconds else 16]


def day(nanoseconds: int, year: bool = True) -> str:
    """``8 Aug 2024``."""
    text = utc(nanoseconds, 0)
    short = f"{int(text[8:10])} {MONTHS[int(text[5:7]) - 1]}"
    return f"{short} {text[:4]}" if year else short


def moment(nanoseconds: int) -> str:
    """``8 Aug 2024, 23:50:00``."""
    return f"{day(nanoseconds)}, {clock(nanoseconds)}"


def period(first: int, last: int) -> str:
    """From first to last, the day said once where it is the same."""
    if utc(first, 0)[:10] == utc(last, 0)[:10]:
        return f"{day(first)}, {clock(first)} to {clock(last)} UTC"
    return f"{moment(first)} to {moment(last)} UTC"


def words(code: str) -> str:
    """``PRICE_COLLAR`` as ``Price collar``."""
    return code.replace("_", " ").capitalize()


def _sign(value: float, signed: bool) -> str:
    return MINUS if value < 0 else "+" if signed and value > 0 else ""


ORDER_REASONS = {
    "RISK_DENIED": "denied by the pre-trade checks",
    "USER_CANCEL": "cancelled by the strategy",
    "KILL_SWITCH": "cancelled by the kill switch",
    "IOC_REMAINDER": "the rest of an immediate-or-cancel order",
    "NO_LIQUIDITY": "the known book held no more",
    "BOOK_NOT_SYNCED": "the venue's book was not known",
    "POST_ONLY_WOULD_CROSS": "a post-only order that would have taken liquidity",
    "UNKNOWN_ORDER": "the venue does not know the order",
    "ORDER_CLOSED": "the order was closed already",
    "DUPLICATE_ORDER": "an order with this id exists",
    "INVALID_ORDER": "the venue refused its terms",
    "REFUSED_TRANSITION": "not a step the order's state allows",
    "CANCEL_REJECTED": "too late to cancel",
    "END_OF_INPUT": "still open when the data ended",
    "PROTECTION_PRICE": "the rest of a market order, beyond its protection price",
    "LIQUIDATION": "cancelled because the account was liquidated",
}
