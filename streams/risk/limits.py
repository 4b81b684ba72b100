"""Limits as an operator writes them, converted once to the instrument's integers.

Which there are, their units and what "" (most defaults) means, the checks declare
(``check.Limit``); "off" checks nothing.

A text that is no number, negative, finer than the instrument's precision or too large is
refused: a BadLimit where it is a setting, a RiskEvent where it came through `control`, and the
limits in force stay. Quantities, notionals and positions have up to 38 digits, the collar and
the age 64 bits.
"""

from __future__ import annotations

from typing import Any

from schemas.errors import BadData, WrongUse
from streams.numeric import fixed
from streams.risk.codes import LIMITS
from streams.risk.records import OFF
from streams.risk.state import amount_of, write_amount

LIMIT_OF = {limit.name: limit for limit in LIMITS}


class BadLimit(WrongUse):
    """A limit that cannot be read in its unit."""

    code = "risk.bad_limit"


def convert(name: str, text: str, price_precision: int, quantity_precision: int) -> int:
    """The limit `name` as an integer of an instrument with these precisions; OFF for "off"."""
    if name not in LIMIT_OF:
        raise BadLimit(f"there is no limit {name!r}; give one of {', '.join(LIMIT_OF)}")
    if text == "off":
        return OFF
    unit = LIMIT_OF[name].unit
    precision = unit.decimals(price_precision, quantity_precision)
    try:
        value = (fixed.parse_amount if unit.has_38_digits else fixed.parse)(text, precision)
    except BadData as error:
        raise BadLimit(f"limit {name}={text!r} cannot be read: {error}") from error
    if value < 0:
        raise BadLimit(f"limit {name}={text!r} is negative; give a number from 0, or off")
    return value


def in_force(row: Any, name: str) -> int:
    """The limit as an instrument's row has it now."""
    return amount_of(row, name) if LIMIT_OF[name].unit.has_38_digits else int(row[name])


def write_limit(row: Any, name: str, value: int) -> None:
    """Write one limit of a row."""
    if LIMIT_OF[name].unit.has_38_digits:
        write_amount(row, name, value)
    else:
        row[name] = value


def is_changed(row: Any, name: str) -> bool:
    """True for a limit that an operator set for this instrument alone."""
    return bool(int(row["changed_limits"]) & _bit(name))


def put_in_force(row: Any, name: str, value: int, alone: bool) -> None:
    """Change one limit of one instrument; `alone`: for it only, until the next change for all."""
    write_limit(row, name, value)
    others = int(row["changed_limits"]) & ~_bit(name)
    row["changed_limits"] = others | (_bit(name) if alone else 0)


def _bit(name: str) -> int:
    """Its bit in ``changed_limits`` of an instrument's row."""
    return 1 << LIMIT_OF[name].bit
