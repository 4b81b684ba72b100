"""What a specification makes of an instrument's row: terms, rates, and the limits in force.

A cold path: Python that writes fields of a row between records.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from schemas.errors import WrongUse
from schemas.records import Instrument
from schemas.vocabulary import InstrumentKind
from streams.numeric import fixed
from streams.risk.account import MAINTENANCE_MAX, RATE_UNIT
from streams.risk.check import Limit
from streams.risk.codes import LIMITS
from streams.risk.limits import convert, in_force, is_changed, write_limit
from streams.risk.settings import Settings

SETTLED_IN_CASH = (int(InstrumentKind.SPOT), int(InstrumentKind.EQUITY))


class BadMargin(WrongUse):
    """A margin in ``ref.instruments`` that is no fraction of the value."""

    code = "bad_margin"


def own_margin(margins: Mapping[str, str], instrument: Instrument, field: str) -> int:
    """An instrument's rate: what is configured for it or, without that, what its specification
    says; 0 for none.

    Two venues may name different instruments alike, so the venue's key wins.

    Raises:
        BadMargin: the specification says what no margin can be.
    """
    text = margins.get(f"{instrument.venue}:{instrument.symbol}", margins.get(instrument.symbol))
    if text is not None:
        return fixed.rate(text) or 0
    rate: int | None = getattr(instrument, field)
    if rate is None or 0 < rate <= RATE_UNIT:
        return rate or 0
    where = f"{instrument.symbol} on {instrument.venue} has the {field} {rate} of {RATE_UNIT}"
    where += " in ref.instruments"
    raise BadMargin(
        f"{where}; correct the instrument table ({fixed.RATE_ADVICE}), or set [risk] {field} for it"
    )


def specify(
    row: Any, instrument: Instrument, settings: Settings, changed: Mapping[str, str], before: Any
) -> None:
    """Write what a specification says into a row.

    Args:
        changed: texts of the limits that an operator set for all instruments.
        before: the instrument's row as it is, None for a new one.

    Raises:
        BadLimit, BadMargin: a limit or a margin that cannot be.
    """
    row["instrument"] = instrument.instrument
    row["precision"] = instrument.price_precision + instrument.quantity_precision
    row["multiplier"] = instrument.multiplier
    for name in ("price_precision", "quantity_precision", "tick_size", "lot_size"):
        row[name] = getattr(instrument, name)
    row["shortable"] = instrument.shortable and settings.short
    row["settled_in_cash"] = instrument.kind in SETTLED_IN_CASH
    for name, rate in zip(
        ("initial_rate", "maintenance_rate", "fee_rate"), _rates(instrument, settings), strict=True
    ):
        row[name] = rate
    for limit in LIMITS:
        write_limit(row, limit.name, _limit(limit, instrument, settings, changed, before))


def _limit(
    limit: Limit,
    instrument: Instrument,
    settings: Settings,
    changed: Mapping[str, str],
    before: Any,
) -> int:
    """What is in force from now on."""
    name = limit.name
    if before is not None and is_changed(before, name):
        return in_force(before, name)
    text: str | int = changed.get(name, getattr(settings, name))
    if text == "":
        return limit.own(instrument)
    return convert(name, str(text), instrument.price_precision, instrument.quantity_precision)


def _rates(instrument: Instrument, settings: Settings) -> tuple[int, int, int]:
    """Initial and maintenance margin and the worst fee of an instrument."""
    own = own_margin(settings.initial_margin, instrument, "initial_margin")
    initial = max(-(-RATE_UNIT // settings.leverage), own)
    kept = own_margin(settings.maintenance_margin, instrument, "maintenance_margin")
    maintenance = kept or min(initial // 2, MAINTENANCE_MAX)
    return initial, maintenance, max(settings.maker_rate, settings.taker_rate, 0)
