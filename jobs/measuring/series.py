"""A field of rows as doubles over time, in whole units of the instrument, and why it is null."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from jobs.feature_page import ABOUT
from jobs.rendering import PRICES, QUANTITIES, REASONS, precision_of
from schemas.catalogue import topic as topic_of
from schemas.records import Instrument
from schemas.shapes import Field, shapes
from schemas.vocabulary import Flag, MeasureReason, NullReason

SLOPE = "10^-price_precision per 10^-quantity_precision"
STALE, OVERFLOW = int(Flag.STALE), int(Flag.OVERFLOW)
WIDE = "_wide"
"""Ends the name of an exact field; the one before it is the same number."""
TWO_64 = 2.0**64


class Series(NamedTuple):
    """A field of one instrument.

    Attributes:
        times: ns. values: nan where it is null.
        reasons: why it is null, by how many records say so.
    """

    topic: str
    name: str
    unit: str
    times: Any
    values: Any
    reasons: dict[str, int]


def measured_fields(topic: str) -> list[Field]:
    """Fields of the topic's record that measure something and are numbers."""
    return [
        field
        for field in shapes()[topic_of(topic).record].fields
        if field.name not in ABOUT and field.kind != "enum" and not field.name.endswith(WIDE)
    ]


def series_of(topic: str, rows: Any, instrument: Instrument) -> Iterator[Series]:
    """The fields of one instrument, in the order of the schema."""
    mine = rows[rows["instrument"] == instrument.instrument]
    for field in measured_fields(topic):
        scale, unit = _unit(field.unit, instrument)
        values = _column(mine, field) / scale
        reasons = _reasons(topic, mine[np.isnan(values)], field) if field.nullable else {}
        yield Series(topic, field.name, unit, mine["event_time"], values, reasons)


def _column(rows: Any, field: Field) -> Any:
    """The field as doubles; the exact one where the older one is full."""
    names = rows.dtype.names
    if field.kind == "decimal":
        return _wide(rows, field.name)
    values = rows[field.name].astype(np.float64)
    if f"{field.name}{WIDE}_high" in names:
        return np.where(rows["flags"] & OVERFLOW, _wide(rows, field.name + WIDE), values)
    return values


def _wide(rows: Any, name: str) -> Any:
    """Two limbs as doubles: rounded once where they fit int64, where the sum of both would lose the
    digits of a small negative number.
    """
    high, low = rows[f"{name}_high"], np.ascontiguousarray(rows[f"{name}_low"])
    narrow = low.view(np.int64)
    sums = high * TWO_64 + low.astype(np.float64)
    return np.where(high == narrow >> 63, narrow.astype(np.float64), sums)


def _unit(unit: str, instrument: Instrument) -> tuple[float, str]:
    """What to divide by, and the unit then."""
    price, quantity = instrument.price_precision, instrument.quantity_precision
    if unit == SLOPE:
        return 10.0 ** (price - quantity), f"{instrument.quote} per {instrument.base}"
    of, _, more = unit.partition(",")
    precision = precision_of(of, price, quantity)
    if precision is None:
        return 1.0, unit
    names = {PRICES: instrument.quote, QUANTITIES: instrument.base}
    return 10.0**precision, names.get(of, of) + (f",{more}" if more else "")


def _reasons(topic: str, rows: Any, field: Field) -> dict[str, int]:
    """Why the field is null in these rows."""
    if topic == "md.features":
        stale = int(np.count_nonzero(rows["flags"] & STALE))
        found = {"STALE_BOOK": stale, "ONE_SIDED": len(rows) - stale}
    elif topic == "md.toxicity":
        found = _named(rows["reason"], NullReason)
    else:
        found = _named(rows[reason_field(topic, field.name)], MeasureReason)
    return {name: count for name, count in found.items() if count}


def reason_field(topic: str, name: str) -> str:
    """The field that says why this one is null: the next such field of the schema."""
    fields = list(shapes()[topic_of(topic).record].fields)
    place = next(at for at, field in enumerate(fields) if field.name == name)
    return next(field.name for field in fields[place:] if field.unit == REASONS)


def _named(codes: Any, names: Any) -> dict[str, int]:
    return {names(code).name: count for code, count in sorted(Counter(codes.tolist()).items())}
