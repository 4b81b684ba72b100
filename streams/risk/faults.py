"""The errors that the faults of risk's handlers stand for."""

from __future__ import annotations

from collections.abc import Mapping

from schemas.errors import AmountTooLarge, BadData
from streams.numeric.stage_records import INSTRUMENT_OUT_OF_RANGE
from streams.risk.records import QUANTITY_TOO_LARGE

ADVICE = "correct the precisions in the instrument table"


class IdOutOfRange(BadData):
    """An instrument number that no table of instruments has."""

    code = "risk.id_out_of_range"


def too_large(what: str) -> AmountTooLarge:
    """The error for an amount that no decimal field can hold."""
    return AmountTooLarge(f"{what} has more than the 38 digits of a booked amount; {ADVICE}")


def error_of(code: int, symbols: Mapping[int, str], entity: int, value: int, limit: int) -> BadData:
    """The error that a fault stands for.

    Args:
        symbols: of instruments, by id.
        entity, value, limit: what the fault says.
    """
    if code == INSTRUMENT_OUT_OF_RANGE:
        text = f"instrument {entity} cannot be listed"
        return IdOutOfRange(f"{text}; number instruments from 0 to {limit}")
    if entity < 0:
        return too_large(f"an amount of account {value}")
    name = f"{symbols.get(entity, 'unknown')} (instrument {entity})"
    what = f"{name}: an amount of the fill of {limit} at price {value}"
    if code == QUANTITY_TOO_LARGE:
        return AmountTooLarge(f"{what}: the position does not fit in 64 bits; {ADVICE}")
    return too_large(what)
