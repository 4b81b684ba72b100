"""Limits as an operator writes them, converted once to the instrument's integers.

| name | unit of the text | "" (default) means | "off" means |
|---|---|---|---|
| min_quantity, max_quantity | base units | the instrument's own | not checked |
| min_notional | quote units | the instrument's own | not checked |
| max_notional | quote units | not checked | not checked |
| max_position | base units | not checked | not checked |
| price_collar_bp | basis points either side of the mid | not checked | not checked |
| mark_age_max | whole nanoseconds | not checked | not checked |

A text that is no number, negative, finer than the instrument's precision or too large is
refused: a BadLimit where it is a setting, a RiskEvent where it came through `control`, and the
limits in force stay. Quantities, notionals and positions have up to 38 digits, the collar and
the age 64 bits.
"""

from __future__ import annotations

from typing import Any

from schemas.errors import BadData, WrongUse
from schemas.records import Instrument
from schemas.vocabulary import RiskCode
from streams.numeric import fixed
from streams.risk.records import OFF
from streams.risk.state import amount_of, write_amount

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

BIT_OF_LIMIT = {name: 1 << place for place, name in enumerate(CODE_OF_LIMIT)}
"""Its bit in ``changed_limits`` of an instrument's row."""
IN_64_BITS = ("price_collar_bp", "mark_age_max")
COLLAR_PRECISION = 2
COLLAR_UNIT: int = 10_000 * 10**COLLAR_PRECISION
"""A band of the whole price, in the unit of ``price_collar_bp`` as a line keeps it."""


class BadLimit(WrongUse):
    """A limit that cannot be read in its unit."""

    code = "risk.bad_limit"


def convert(name: str, text: str, price_precision: int, quantity_precision: int) -> int:
    """The limit `name` as an integer of an instrument with these precisions; OFF for "off"."""
    if name not in CODE_OF_LIMIT:
        raise BadLimit(f"there is no limit {name!r}; give one of {', '.join(CODE_OF_LIMIT)}")
    if text == "off":
        return OFF
    if name in ("min_quantity", "max_quantity", "max_position"):
        precision = quantity_precision
    elif name in ("min_notional", "max_notional"):
        precision = price_precision + quantity_precision
    elif name == "price_collar_bp":
        precision = COLLAR_PRECISION
    else:
        precision = 0
    try:
        value = (fixed.parse if name in IN_64_BITS else fixed.parse_amount)(text, precision)
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


def in_force(row: Any, name: str) -> int:
    """The limit as an instrument's row has it now."""
    return int(row[name]) if name in IN_64_BITS else amount_of(row, name)


def write_limit(row: Any, name: str, value: int) -> None:
    """Write one limit of a row."""
    if name in IN_64_BITS:
        row[name] = value
    else:
        write_amount(row, name, value)


def is_changed(row: Any, name: str) -> bool:
    """True for a limit that an operator set for this instrument alone."""
    return bool(int(row["changed_limits"]) & BIT_OF_LIMIT[name])


def put_in_force(row: Any, name: str, value: int, alone: bool) -> None:
    """Change one limit of one instrument; `alone`: for it only, until the next change for all."""
    write_limit(row, name, value)
    others = int(row["changed_limits"]) & ~BIT_OF_LIMIT[name]
    row["changed_limits"] = others | (BIT_OF_LIMIT[name] if alone else 0)
