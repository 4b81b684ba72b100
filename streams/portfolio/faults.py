"""The errors that the faults of the portfolio's handlers stand for."""

from __future__ import annotations

from collections.abc import Mapping

from schemas.errors import AmountTooLarge, BadData
from streams.numeric.stage_records import (
    INSTRUMENT_OUT_OF_RANGE,
    STRATEGY_OUT_OF_RANGE,
    UNKNOWN_INSTRUMENT,
)
from streams.portfolio.records import PRECISION_CHANGED


class UnknownInstrument(BadData):
    """A fill or mark names an instrument without reference data."""

    code = "portfolio.unknown_instrument"


class IdOutOfRange(BadData):
    """A strategy or instrument number does not fit the key of a holding."""

    code = "portfolio.id_out_of_range"


class PrecisionChanged(BadData):
    """An instrument's precision changed after it was listed."""

    code = "portfolio.precision_changed"


def too_large(what: str) -> AmountTooLarge:
    """The error for an amount that no decimal field can hold."""
    text = f"{what} has more than the 38 digits of a booked amount"
    return AmountTooLarge(f"{text}; correct the precisions in the instrument table")


def error_of(
    code: int, handled: str, symbols: Mapping[int, str], entity: int, value: int, limit: int
) -> BadData:
    """The error that a fault stands for.

    Args:
        handled: the kind of record that led to it.
        symbols: of instruments, by id.
        entity, value, limit: what the fault says.
    """
    if code == UNKNOWN_INSTRUMENT:
        text = f"a {handled} names instrument {entity}, which is not in ref.instruments"
        return UnknownInstrument(f"{text}; add it with --instruments FILE")
    if code in (STRATEGY_OUT_OF_RANGE, INSTRUMENT_OUT_OF_RANGE):
        kind, kinds = (
            ("strategy", "strategies")
            if code == STRATEGY_OUT_OF_RANGE
            else ("instrument", "instruments")
        )
        return IdOutOfRange(f"{kind} {entity} cannot be booked; number {kinds} from 0 to {limit}")
    if code == PRECISION_CHANGED:
        text = f"instrument {entity} changed its precision"
        return PrecisionChanged(f"{text}; give the new specification a new instrument number")
    if entity < 0:
        return too_large(f"an amount of account {value}")
    name = f"{symbols.get(entity, 'unknown')} (instrument {entity})"
    return too_large(f"{name}: an amount of the fill of {limit} at price {value}")
