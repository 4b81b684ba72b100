"""Records as people read them: enums by name, and decimals where asked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from jobs.quantities import instant_text
from schemas.records import Instrument
from schemas.shapes import schemas
from schemas.vocabulary import MeasureReason
from streams.log.local import LocalLog
from streams.numeric import fixed

PRICES = "10^-price_precision of the instrument"
QUANTITIES = "10^-quantity_precision of the instrument"
AMOUNTS = "10^-(price_precision + quantity_precision) of the instrument"
ACCOUNT_AMOUNTS = "10^-amount_precision of the account currency"
RATES = "10^-8 of the position's value"
TIMES = ("ns UTC", "ns, recorder clock")
REASONS = "MeasureReason"
LEVELS = "levels"
DIGEST = "32 bytes"


class Renderer:
    """Turns a record into a dict for JSON.

    Args:
        log: where ``ref.instruments`` may be found for precisions, or the instruments themselves.
        record: record name.
        as_decimal: print scaled integers as decimals and times as ISO 8601.
    """

    def __init__(self, log: LocalLog | Sequence[Instrument], record: str, as_decimal: bool) -> None:
        self.as_decimal = as_decimal
        self.fields = fields_of(record)
        self.precisions: dict[int, tuple[int, int]] = {}
        if as_decimal:
            self.precisions = {
                each.instrument: (each.price_precision, each.quantity_precision)
                for each in _instruments(log)
            }

    def __call__(self, record: Any) -> dict[str, Any]:
        """The record's fields in schema order."""
        found: dict[str, Any] = {}
        for name, symbols, unit in self.fields:
            value = getattr(record, name)
            if symbols is not None:
                value = symbols[value]
            elif isinstance(value, bytes):
                value = value.hex() if unit == DIGEST else value.decode("utf-8", "replace")
            elif isinstance(value, int) and not isinstance(value, bool) and self.as_decimal:
                value = self._scaled(record, value, unit)
            elif isinstance(value, float) and self.as_decimal:
                value = self._scaled_float(record, value, unit)
            elif unit == LEVELS and isinstance(value, list) and self.as_decimal:
                value = [
                    (
                        self._scaled(record, price, PRICES),
                        self._scaled(record, quantity, QUANTITIES),
                    )
                    for price, quantity in value
                ]
            elif isinstance(value, int) and abs(value) >= 2**63:
                value = str(value)
            elif isinstance(value, list):
                value = _readable(value)
            found[name] = value
        return found

    def _scaled(self, record: Any, value: int, unit: str) -> Any:
        price, quantity = self.precisions.get(getattr(record, "instrument", -1), (-1, -1))
        if unit.startswith(TIMES) and value > 0:
            return instant_text(value)
        if unit == ACCOUNT_AMOUNTS:
            return fixed.format(value, record.amount_precision)
        precision = precision_of(unit, price, quantity) if price >= 0 else None
        return value if precision is None else fixed.format(value, precision)

    def _scaled_float(self, record: Any, value: float, unit: str) -> float:
        """A float in an instrument's unit as one in whole units; ratios and the like as they are.
        """
        price, quantity = self.precisions.get(getattr(record, "instrument", -1), (0, 0))
        precision = precision_of(unit, price, quantity)
        return float(value / 10**precision) if precision else value


def precision_of(unit: str, price: int, quantity: int) -> int | None:
    """Decimals of a value in this unit, for an instrument's two precisions; null for other units.
    """
    return {PRICES: price, QUANTITIES: quantity, AMOUNTS: price + quantity, RATES: 8}.get(unit)


def _instruments(log: LocalLog | Sequence[Instrument]) -> Sequence[Instrument]:
    if not isinstance(log, LocalLog):
        return log
    from jobs.pipeline import read_instruments

    return read_instruments(log) if "ref.instruments" in log.topics() else []


def _readable(value: Any) -> Any:
    """Entries inside lists by name, their digests as hexadecimal text."""
    if isinstance(value, msgspec.Struct):
        return {name: _readable(getattr(value, name)) for name in value.__struct_fields__}
    if isinstance(value, bytes):
        return value.hex()
    return [_readable(each) for each in value] if isinstance(value, list | tuple) else value


def fields_of(record: str) -> list[tuple[str, list[str] | None, str]]:
    """(name, enum symbols or None, unit) of every field."""
    found = []
    for field in schemas()[record]["fields"]:
        kind = field["type"]
        symbols = kind["symbols"] if isinstance(kind, dict) and kind.get("type") == "enum" else None
        if field.get("unit") == REASONS:
            symbols = [each.name for each in MeasureReason]
        found.append((field["name"], symbols, field.get("unit", "")))
    return found
