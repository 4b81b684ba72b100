"""A record's fields as cells of columns, and back.

Enums are their names, bytes are hexadecimal, lists of records are JSON. With decimals, a price or
a quantity is a decimal by its instrument's precision, an amount by the account's, and a time an
instant. Floats stay as they are. No cell loses a digit: oracle of the tests, the topic digest.
"""

from __future__ import annotations

import decimal
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any, NamedTuple, get_type_hints

import msgspec

from jobs.rendering import ACCOUNT_AMOUNTS, PRICES, QUANTITIES, TIMES, precision_of
from schemas import records
from schemas.errors import BadData
from schemas.records import Instrument
from schemas.shapes import Field, is_levels, shapes

WHOLE, DECIMAL, INSTANT, FLOAT = "integer", "decimal", "instant", "float"
TRUTH, TEXT, LEVELS, JSON = "boolean", "text", "levels", "json"
ACCOUNT_DECIMALS = 38 - 20
"""Decimals of a column of account amounts: 20 digits are left of the point."""
EXACT = decimal.Context(prec=100, traps=[decimal.Inexact, decimal.InvalidOperation])
Values = list[Any]
Turned = Callable[[Any, int], Any]


class BadExport(BadData):
    """A topic cannot be exported so, or a file is not what stands beside it."""

    code = "bad_export"


class Column(NamedTuple):
    """A column: the kind of its cells, and the decimals that a decimal cell needs."""

    name: str
    kind: str
    decimals: int = 0


class Cells:
    """The cells of one kind of record.

    Args:
        record: name of the record.
        instruments: whose precisions decimals are of.
        as_decimal: prices, quantities and amounts are decimals, times are instants.

    Attributes:
        columns: one for each field, in the schema's order.
    """

    def __init__(self, record: str, instruments: Sequence[Instrument], as_decimal: bool) -> None:
        self._record: Any = getattr(records, record)
        self._hints = get_type_hints(self._record)
        self._fields = shapes()[record].fields
        self._as_decimal = as_decimal
        self._precisions = {
            each.instrument: (each.price_precision, each.quantity_precision) for each in instruments
        }
        names = {field.name for field in self._fields}
        self._has_instrument = "instrument" in names
        self._has_amount_precision = "amount_precision" in names
        self.columns = [self._column(field) for field in self._fields]

    def _column(self, field: Field) -> Column:
        if is_levels(field):
            return Column(field.name, LEVELS, self._decimals(PRICES, QUANTITIES))
        if field.kind in ("int", "long", "decimal"):
            if self._as_decimal and field.unit.startswith(TIMES):
                return Column(field.name, INSTANT)
            if self._is_account_amount(field):
                return Column(field.name, DECIMAL, ACCOUNT_DECIMALS)
            if self._is_scaled(field):
                return Column(field.name, DECIMAL, self._decimals(field.unit))
            return Column(field.name, DECIMAL if field.kind == "decimal" else WHOLE)
        kind = {"double": FLOAT, "boolean": TRUTH, "array": JSON}.get(field.kind, TEXT)
        return Column(field.name, kind)

    def _decimals(self, *units: str) -> int:
        """Of the finest instrument; 0 without decimals."""
        if not self._as_decimal:
            return 0
        found = [
            precision_of(unit, *each) or 0 for unit in units for each in self._precisions.values()
        ]
        return max(found, default=0)

    def _is_account_amount(self, field: Field) -> bool:
        return self._as_decimal and field.unit == ACCOUNT_AMOUNTS and self._has_amount_precision

    def _is_scaled(self, field: Field) -> bool:
        known = precision_of(field.unit, 0, 0) is not None
        return self._as_decimal and known and self._has_instrument

    def cells(self, found: Sequence[Any]) -> dict[str, Values]:
        """Columns of records. Raises BadExport: an instrument is unknown, a decimal too long."""
        return {
            field.name: self._out(field, column, found)
            for field, column in zip(self._fields, self.columns, strict=True)
        }

    def _out(self, field: Field, column: Column, found: Sequence[Any]) -> Values:
        values = [getattr(each, field.name) for each in found]
        if column.kind == DECIMAL:
            scale = self._scales(field, found)
            return [
                None if value is None else EXACT.scaleb(Decimal(value), -digits)
                for value, digits in zip(values, scale, strict=True)
            ]
        if column.kind == LEVELS:
            return self._levels_out(values, found)
        turned: Callable[[Any], Any] | None = None
        if field.kind == "enum":
            turned = field.symbols.__getitem__
        elif field.kind == "bytes":
            turned = bytes.hex
        elif column.kind == JSON:
            turned = _json
        if turned is None:
            return values
        return [None if value is None else turned(value) for value in values]

    def _levels_out(self, values: Values, found: Sequence[Any]) -> Values:
        if not self._as_decimal:
            return values
        pairs = [self._precision(each.instrument) for each in found]
        return [
            [
                (EXACT.scaleb(Decimal(price), -p), EXACT.scaleb(Decimal(quantity), -q))
                for price, quantity in levels
            ]
            for levels, (p, q) in zip(values, pairs, strict=True)
        ]

    def _precision(self, instrument: int) -> tuple[int, int]:
        found = self._precisions.get(instrument)
        if found is None:
            raise BadExport(
                f"instrument {instrument} is not in ref.instruments, so that its decimals are not "
                "known; export without --decimal"
            )
        return found

    def _scales(self, field: Field, found: Sequence[Any]) -> list[int]:
        """Decimals of this field in each record."""
        if self._is_account_amount(field):
            return [each.amount_precision for each in found]
        if not self._is_scaled(field):
            return [0] * len(found)
        known: dict[int, int] = {}
        for each in found:
            if each.instrument not in known:
                pair = self._precision(each.instrument)
                known[each.instrument] = precision_of(field.unit, *pair) or 0
        return [known[each.instrument] for each in found]

    def records(self, columns: dict[str, Values], first_row: int) -> list[Any]:
        """Records of columns; what :meth:`cells` made of them.

        Args:
            first_row: number of the first row, for errors.

        Raises:
            BadExport: names the row and the column.
        """
        plain: dict[str, Values] = {}
        pairs = list(zip(self._fields, self.columns, strict=True))
        for field, column in sorted(pairs, key=lambda pair: pair[1].kind in (DECIMAL, LEVELS)):
            turned = self._turned(field, column, plain)  # decimals need the fields before them
            values = columns[field.name]
            plain[field.name] = _values_in(field, column, values, turned, first_row)
        rows = zip(*(plain[field.name] for field in self._fields), strict=True)
        return [self._record(*row) for row in rows]

    def _turned(self, field: Field, column: Column, plain: dict[str, Values]) -> Turned:
        """What makes a field's value of a cell and the number of its row.

        Args:
            plain: values of the fields that are no decimals.
        """
        if column.kind == LEVELS:
            return lambda levels, number: self._levels_in(levels, plain, number)
        if column.kind == DECIMAL:
            return lambda value, number: _whole(value, self._scale_of(field, plain, number))
        if field.kind == "enum":
            numbers = {symbol: number for number, symbol in enumerate(field.symbols)}
            return lambda symbol, _number: numbers[symbol]
        if field.kind == "bytes":
            return lambda text, _number: bytes.fromhex(text)
        if column.kind == JSON:
            hint = self._hints[field.name]
            return lambda text, _number: msgspec.json.decode(text, type=hint)
        return lambda value, _number: value

    def _levels_in(self, levels: Any, plain: dict[str, Values], number: int) -> Any:
        p, q = (0, 0)
        if self._as_decimal:
            p, q = self._precision(plain["instrument"][number])
        return [(_whole(price, p), _whole(quantity, q)) for price, quantity in levels]

    def _scale_of(self, field: Field, plain: dict[str, Values], number: int) -> int:
        if self._is_account_amount(field):
            return int(plain["amount_precision"][number])
        if not self._is_scaled(field):
            return 0
        return precision_of(field.unit, *self._precision(plain["instrument"][number])) or 0


def _values_in(
    field: Field, column: Column, values: Values, turned: Turned, first_row: int
) -> Values:
    """Values of cells. Raises BadExport: names the row and the column."""
    made: Values = []
    for number, value in enumerate(values):
        if value is None and not field.nullable:
            raise BadExport(f"row {first_row + number}: {field.name} is empty")
        try:
            made.append(None if value is None else turned(value, number))
        except (KeyError, ValueError, TypeError, decimal.DecimalException, msgspec.MsgspecError):
            why = "which it cannot be"
            if column.kind in (DECIMAL, LEVELS):
                why = "which has more decimals than its instrument, or is no number"
            raise BadExport(
                f"row {first_row + number}: {field.name} is {str(value)[:60]!r}, {why}"
            ) from None
    return made


def _whole(value: Any, digits: int) -> int:
    """The integer of a decimal. Raises DecimalException where it has more decimals."""
    scaled = EXACT.scaleb(Decimal(value), digits)
    return int(EXACT.to_integral_exact(scaled))


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()
