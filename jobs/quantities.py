"""Quantities as people type them: durations, rates, money, times. Each reader names the form it
wants when it refuses.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation

from schemas.errors import WrongUse

UNITS = {
    "ns": 1,
    "us": 1_000,
    "ms": 1_000_000,
    "s": 1_000_000_000,
    "m": 60_000_000_000,
    "h": 3_600_000_000_000,
    "d": 86_400_000_000_000,
}
RATE_PER_BP = 10_000
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class BadQuantity(WrongUse):
    """Text that is no duration, rate, amount or time."""

    code = "bad_quantity"


def duration(text: str) -> int:
    """``"5ms"`` -> nanoseconds, less than 292 years. A bare 0 needs no unit."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)(ns|us|ms|s|m|h|d)", text.strip())
    if text.strip() == "0":
        return 0
    if match is None:
        raise BadQuantity(
            f"{text!r} is no duration; write a number and a unit of {', '.join(UNITS)}, for "
            "example 5ms"
        )
    value = Decimal(match[1]) * UNITS[match[2]]
    if value != int(value):
        raise BadQuantity(f"{text!r} is finer than a nanosecond")
    if value >= 1 << 63:
        raise BadQuantity(f"{text!r} is longer than 292 years")
    return int(value)


def duration_text(nanoseconds: int) -> str:
    """The shortest text of a duration."""
    for unit in reversed(UNITS):
        if nanoseconds and nanoseconds % UNITS[unit] == 0:
            return f"{nanoseconds // UNITS[unit]}{unit}"
    return "0"


def speed(text: str) -> float | None:
    """``"10"`` -> 10.0 event seconds a second; ``"max"`` -> None."""
    if text.strip() == "max":
        return None
    if (
        re.fullmatch(r"\d+(?:\.\d+)?x?", text.strip()) is None
        or float(text.strip().rstrip("x")) <= 0
    ):
        raise BadQuantity(f"{text!r} is no speed; write a number above 0, for example 10, or max")
    return float(text.strip().rstrip("x"))


def share(text: str) -> tuple[int, int]:
    """``"100/10000"`` -> (100, 10000); ``"off"`` -> (0, 0)."""
    if text.strip() == "off":
        return 0, 0
    match = re.fullmatch(r"(\d+)/([1-9]\d*)", text.strip())
    if match is None:
        raise BadQuantity(f"{text!r} is no share; write N/M, for example 100/10000, or off")
    return int(match[1]), int(match[2])


def rate(text: str) -> int:
    """``"1.5bp"`` -> units of 1e-8; a rebate is negative."""
    match = re.fullmatch(r"(-?\d+(?:\.\d+)?)bp", text.strip())
    if text.strip() == "0":
        return 0
    if match is None:
        raise BadQuantity(f"{text!r} is no rate; write basis points, for example 1.5bp")
    value = Decimal(match[1]) * RATE_PER_BP
    if value != int(value) or abs(value) > 10_000 * RATE_PER_BP:
        raise BadQuantity(f"{text!r} must be between -10000bp and 10000bp in steps of 0.0001bp")
    return int(value)


def rate_text(value: int) -> str:
    """Units of 1e-8 as basis points."""
    return f"{(Decimal(value) / RATE_PER_BP).normalize():f}bp"


def money(text: str) -> tuple[str, str]:
    """``"1000000USDT"`` -> ("1000000", "USDT")."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([A-Z][A-Z0-9]{1,9})", text.strip())
    if match is None:
        raise BadQuantity(
            f"{text!r} is no amount of money; write it with its currency, for example 1000000USDT"
        )
    try:
        amount = Decimal(match[1])
    except InvalidOperation as problem:
        raise BadQuantity(f"{text!r} is no amount of money") from problem
    if amount >= Decimal(10) ** 18:
        raise BadQuantity(f"{text!r} is too much; give less than 10^18")
    return match[1], match[2]


def instant(text: str) -> int:
    """A time as nanoseconds UTC, from 1970 to 2262, exactly.

    ISO 8601 with at most nine digits of a second (UTC where no offset is given), or a count since
    1970 whose digits tell its unit: 10 of seconds, 13 of milliseconds, 16 of microseconds, 19 of
    nanoseconds (times from September 2001 on).
    """
    text = text.strip()
    # 2024 and 20240808 are ISO 8601
    if text.isascii() and text.isdigit() and len(text) not in (4, 8):
        if len(text) not in DIGITS_OF_UNITS:
            raise BadQuantity(
                f"{text!r} is no time: {len(text)} digits tell no unit; write ISO 8601, or "
                "seconds, ms, us or ns since 1970 (10, 13, 16 or 19 digits)"
            )
        nanoseconds = int(text) * DIGITS_OF_UNITS[len(text)]
    else:
        nanoseconds = _nanoseconds(text)
    if not 0 <= nanoseconds < 1 << 63:
        raise BadQuantity(
            f"{text!r} is outside what nanoseconds in 64 bits can say; give a time from 1970 to "
            "2262-04-11"
        )
    return nanoseconds


DIGITS_OF_UNITS = {10: 1_000_000_000, 13: 1_000_000, 16: 1_000, 19: 1}


def _nanoseconds(text: str) -> int:
    fraction = re.search(r"(?<=\d)[.,](\d+)", text)
    whole = text if fraction is None else text[: fraction.start()] + text[fraction.end() :]
    digits = "" if fraction is None else fraction[1]
    try:
        moment = datetime.fromisoformat(whole)
    except ValueError as problem:
        raise BadQuantity(
            f"{text!r} is no time; write ISO 8601 such as 2024-08-08T23:55:00, or nanoseconds "
            "since 1970"
        ) from problem
    if digits[9:].strip("0") or (
        digits
        and not re.search(r"[T ]\d{2}:?\d{2}:?\d{2}$", text[: fraction.start() if fraction else 0])
    ):
        raise BadQuantity(
            f"{text!r} is finer than a nanosecond, or no time; write at most nine digits of a "
            "second"
        )
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return (moment - EPOCH) // timedelta(seconds=1) * 1_000_000_000 + int(digits[:9].ljust(9, "0"))


def instant_text(nanoseconds: int) -> str:
    """Nanoseconds UTC as ISO 8601, with as many digits of a second as it has: none, six or nine."""
    seconds, rest = divmod(nanoseconds, 1_000_000_000)
    digits = "" if not rest else f".{rest // 1000:06d}" if rest % 1000 == 0 else f".{rest:09d}"
    return (EPOCH + timedelta(seconds=seconds)).isoformat().replace("+00:00", "") + digits + "Z"


def pairs(text: str, names: tuple[str, ...], option: str) -> dict[str, str]:
    """``"maker=1bp,taker=4bp"`` -> dict, every name at most once and known."""
    found: dict[str, str] = {}
    for part in text.split(","):
        name, equals, value = part.partition("=")
        name = name.strip()
        if not equals or name not in names or name in found:
            raise BadQuantity(
                f"{option} takes {', '.join(f'{n}=..' for n in names)} separated by commas, each "
                f"once; not {part!r}"
            )
        found[name] = value.strip()
    return found
