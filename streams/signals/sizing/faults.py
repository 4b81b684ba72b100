"""The errors that the faults of sizing's handlers stand for."""

from __future__ import annotations

from collections.abc import Mapping

from schemas.errors import BadData, CapacityExceeded, ShrivenError, WrongUse
from streams.numeric.identity import EARLY_ORDINAL
from streams.numeric.stage_records import INSTRUMENT_OUT_OF_RANGE, UNKNOWN_INSTRUMENT
from streams.signals.sizing.records import NO_IDS


class UnknownInstrument(BadData):
    """A signal names an instrument without reference data."""

    code = "sizing.unknown_instrument"


class QuantityTooLarge(BadData):
    """A size, a position, or what works, that 64 bits do not hold."""

    code = "sizing.quantity_too_large"


class BadSize(WrongUse):
    """The setting `size` cannot be traded."""

    code = "sizing.bad_size"


def error_of(
    code: int, symbols: Mapping[int, str], entity: int, value: int, limit: int
) -> ShrivenError:
    """The error that a fault stands for.

    Args:
        symbols: of instruments, by id.
        entity, value, limit: what the fault says.
    """
    if code == UNKNOWN_INSTRUMENT:
        what = f"a signal names instrument {entity}, which is not in ref.instruments"
        return UnknownInstrument(f"{what}; name one that the strategy is given")
    if code == INSTRUMENT_OUT_OF_RANGE:
        advice = f"number instruments from 0 to {limit}"
        return UnknownInstrument(f"instrument {entity} is out of range; {advice}")
    if code == NO_IDS:
        most = EARLY_ORDINAL
        return CapacityExceeded(
            "identity.ordinal", most, f"more than {most:,} ids on one input record"
        )
    name = f"{symbols.get(entity, 'unknown')} (instrument {entity})"
    what = f"{name}: the quantities of strategy {value} leave 64 bits"
    return QuantityTooLarge(f"{what}; give smaller sizes, or the instrument fewer decimals")
