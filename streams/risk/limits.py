"""Limits as an operator writes them, converted once to the instrument's integers.

| name | unit of the text | "" (default) means | "off" means |
|---|---|---|---|
| min_quantity, max_quantity | base units | the instrument's own | not checked |
| min_notional | quote units | the instrument's own | not checked |
| max_notional | quote units | not checked | not checked |
| max_position | base units | not checked | not checked |
| price_collar_bp | basis points either side of the mid | not checked | not checked |
| mark_age_max | whole nanoseconds | not checked | not checked |

A text that is no number, negative, finer than the instrument's precision or beyond 64 bits is refused: a BadLimit where it is a setting, a
RiskEvent where it came through `control`, and the limits in force stay.
"""

from __future__ import annotations

from schemas.errors import BadData, WrongUse
from schemas.records import Instrument
from schemas.vocabulary import RiskCode
from streams.numeric import fixed
from streams.risk.exposure import OFF, Line

CODE_OF_LIMIT: dict[str, int] = {
    "min_quantity": int(RiskCode.MIN_QUANTITY),
    "max_quantity": int(RiskCode.MAX_QUANTITY),
    "min_notional": int(RiskCode.MIN_NOTIONAL),
    "max_notional": int(RiskCode.MAX_NOTIONAL),
    "max_position": int(RiskCode.POSITION_LIMIT),
    "price_collar_bp": int(RiskCode.PRICE_COLLAR),
    "mark_age_max": int(RiskCode.STALE_DATA),
}
"""Every limit that can be set or changed, and the check it belongs to."""

COLLAR_PRECISION = 2
COLLAR_UNIT: int = 10_000 * 10**COLLAR_PRECISION
"""A band of the whole price, in the unit of ``price_collar_bp`` as a line keeps it."""


class BadLimit(WrongUse):
    """A limit that cannot be read in its unit."""

    code = "risk.bad_limit"


def convert(name: str, text: str, price_precision: int, quantity_precision: int) -> int:
    """The limit `name` as an integer of an instrument with these precisions; OFF for "off"."""
    if text == "off":
        return OFF
    if name in ("min_quantity", "max_quantity", "max_position"):
        precision = quantity_precision
    elif name in ("min_notional", "max_notional"):
        precision = price_precision + quantity_precision
    elif name == "price_collar_bp":
        precision = COLLAR_PRECISION
    elif name == "mark_age_max":
        precision = 0
    else:
        raise BadLimit(f"there is no limit {name!r}; give one of {', '.join(CODE_OF_LIMIT)}")
    try:
        value = fixed.parse(text, precision)
    except BadData as error:
        raise BadLimit(f"limit {name}={text!r} cannot be read: {error}") from error
    if value < 0:
        raise BadLimit(f"limit {name}={text!r} is negative; give a number from 0, or off")
    return value


def own_limit(name: str, instrument: Instrument) -> int:
    """What the instrument itself says, where a setting is empty."""
    if name == "min_quantity":
        return instrument.minimum_quantity
    if name == "max_quantity":
        return instrument.maximum_quantity if instrument.maximum_quantity > 0 else OFF
    if name == "min_notional":
        return instrument.minimum_notional
    return OFF


def in_force(line: Line, name: str) -> int:
    """The limit as the line has it now."""
    value: int = getattr(line, name)
    return value


def put_in_force(line: Line, name: str, value: int, alone: bool) -> None:
    """Change one limit of one line; `alone`: for this instrument only, until the next change for all."""
    setattr(line, name, value)
    if name in line.changed_limits:
        line.changed_limits.remove(name)
    if alone:
        line.changed_limits.append(name)
