"""Any record to Avro and back through fastavro: the path for records without a fixed width, and the
careful path for the others.

fastavro writes 3.7 as the long 3 without a word, so every value is checked against its field first;
the error names the field.
"""

from __future__ import annotations

import functools
import io
from collections.abc import Callable
from typing import Any

import fastavro
import msgspec

from schemas import records
from schemas.errors import BadData, WrongUse
from schemas.shapes import Field, Shape, is_levels

ID_CHARACTERS = frozenset("0123456789ABCDEFGHIJKLMNOPQRSTUV")
# -bound <= value < bound; a decimal has 38 digits
BOUNDS = {"int": 1 << 31, "long": 1 << 63, "decimal": 10**38}


class BadRecord(WrongUse):
    """A struct holds a value that its schema does not allow."""

    code = "bad_record"


class MalformedRecord(BadData):
    """Bytes that are not what the schema says. ``index`` is the record's place among those decoded
    together.
    """

    code = "malformed_record"

    def __init__(
        self, record: str, index: int, detail: str = "its bytes are not of this schema"
    ) -> None:
        super().__init__(
            f"{record} number {index} of its block is malformed: {detail}; run 'sq verify' on the "
            "folder it came from"
        )
        self.record = record
        self.index = index
        self.detail = detail

    def __reduce__(self) -> tuple[type[MalformedRecord], tuple[str, int, str]]:
        return type(self), (self.record, self.index, self.detail)


def decimal_bytes(value: int) -> bytes:
    """Avro bytes of a decimal's unscaled value, in fastavro's width: -128 takes two."""
    return value.to_bytes((value.bit_length() + 8) // 8, "big", signed=True)


def plain_schema(declared: Any) -> Any:
    """The schema without logical types: decimals are handed over as their bytes, which no rounding
    context touches.
    """
    if isinstance(declared, dict):
        return {
            key: plain_schema(value)
            for key, value in declared.items()
            if key not in ("logicalType", "precision", "scale")
        }
    if isinstance(declared, list):
        return [plain_schema(value) for value in declared]
    return declared


def _problem(field: Field, value: Any) -> str:
    """What is wrong with a value; empty if nothing is."""
    kind = field.kind
    if kind in BOUNDS:
        if not isinstance(value, int) or isinstance(value, bool):
            return "is not an integer"
        bound = BOUNDS[kind]
        return "" if -bound + (kind == "decimal") <= value < bound else f"is out of range of {kind}"
    if kind == "enum":
        good = (
            isinstance(value, int)
            and not isinstance(value, bool)
            and 0 <= value < len(field.symbols)
        )
        return "" if good else f"is not a symbol index of {field.enum}"
    if kind == "double":
        if not isinstance(value, float):
            return "is not a float"
        return "is NaN where null says unknown" if field.nullable and value != value else ""
    if kind == "id":
        return (
            ""
            if isinstance(value, str) and len(value) == 20 and ID_CHARACTERS.issuperset(value)
            else "is not an id of 20 characters 0-9A-V"
        )
    wanted = {"boolean": bool, "string": str, "bytes": bytes}[kind]
    return "" if isinstance(value, wanted) else f"is not of type {wanted.__name__}"


def _to_avro(shape: Shape, field: Field) -> Callable[[Any], Any]:
    """Function that checks a field's value and turns it into what fastavro writes."""
    name = f"{shape.name}.{field.name}"
    if field.item is not None:
        convert = to_avro(field.item)
        levels = [item.name for item in field.item.fields] if is_levels(field) else []

        def items(value: Any) -> Any:
            if levels and not all(
                isinstance(entry, (tuple, list)) and len(entry) == 2 for entry in value
            ):
                raise BadRecord(
                    f"{name} holds something other than ({', '.join(levels)}); build the record "
                    "from pairs of integers"
                )
            return [convert(entry) for entry in value]

        return items

    def checked(value: Any) -> Any:
        if value is None and field.nullable:
            return None
        problem = _problem(field, value)
        if problem:
            says = f"{field.kind}, {field.unit}"
            if field.kind == "enum":
                symbols = ", ".join(
                    f"{number} ({symbol})" for number, symbol in enumerate(field.symbols) if number
                )
                says = (
                    f"{symbols}, by number; streams.signals.strategy and schemas.vocabulary "
                    "have names for them"
                )
            if field.kind == "id":
                says = (
                    "20 characters that were built; take each from context.order_id(), "
                    "self.order() does"
                )
            raise BadRecord(f"{name} = {value!r} {problem}; the schema says {says}")
        if field.kind == "enum":
            return field.symbols[value]
        return decimal_bytes(value) if field.kind == "decimal" else value

    return checked


def to_avro(shape: Shape) -> Callable[[Any], dict[str, Any]]:
    """Function from a struct, or from a tuple of its fields, to the dict that fastavro writes."""
    converters = [(field.name, _to_avro(shape, field)) for field in shape.fields]

    def convert(record: Any) -> dict[str, Any]:
        values = msgspec.structs.astuple(record) if isinstance(record, msgspec.Struct) else record
        return {
            name: converter(value)
            for (name, converter), value in zip(converters, values, strict=True)
        }

    return convert


def _each(convert: Callable[[Any], Any], entries: list[Any]) -> list[Any]:
    """Each entry converted."""
    return [convert(entry) for entry in entries]


def from_avro(shape: Shape) -> Callable[[dict[str, Any]], Any]:
    """Function from the dict that fastavro reads to the struct, or to a tuple for order-book
    levels.
    """
    converters: list[tuple[str, Callable[[Any], Any] | None]] = []
    for field in shape.fields:
        if is_levels(field):
            converters.append(
                (field.name, lambda value: [tuple(entry.values()) for entry in value])
            )
        elif field.item is not None:
            converters.append((field.name, functools.partial(_each, from_avro(field.item))))
        elif field.kind == "decimal":
            converters.append(
                (
                    field.name,
                    lambda value: (
                        None if value is None else int.from_bytes(value, "big", signed=True)
                    ),
                )
            )
        elif field.kind == "enum":
            converters.append((field.name, field.symbols.index))
        else:
            converters.append((field.name, None))
    struct = getattr(records, shape.name)

    def convert(values: dict[str, Any]) -> Any:
        return struct(
            *(
                values[name] if converter is None else converter(values[name])
                for name, converter in converters
            )
        )

    return convert


class GeneralCodec:
    """Structs of one record type to Avro bodies and back, one record after another."""

    def __init__(self, shape: Shape, schema: dict[str, Any]) -> None:
        self.name = shape.name
        self._parsed = fastavro.parse_schema(plain_schema(schema))
        self._to_avro = to_avro(shape)
        self._from_avro = from_avro(shape)

    def encode(self, found: list[Any]) -> bytes:
        """Bodies of the structs, one behind the other. Raises BadRecord."""
        stream = io.BytesIO()
        for record in found:
            fastavro.schemaless_writer(stream, self._parsed, self._to_avro(record))
        return stream.getvalue()

    def decode(self, body: bytes, count: int, is_whole: bool = True) -> tuple[list[Any], list[int]]:
        """(structs, position after each) of a body, of its beginning if it is not whole. Raises
        MalformedRecord.
        """
        stream = io.BytesIO(body)
        found, ends = [], []
        for index in range(count):
            try:
                values = fastavro.schemaless_reader(stream, self._parsed, None)
                found.append(self._from_avro(values))  # type: ignore[arg-type]
            except (
                EOFError,
                IndexError,
                ValueError,
                OverflowError,
                TypeError,
                KeyError,
                MemoryError,
            ) as error:
                raise MalformedRecord(self.name, index) from error
            ends.append(stream.tell())
        if is_whole and stream.tell() != len(body):
            raise MalformedRecord(
                self.name, count, f"{len(body) - stream.tell()} bytes follow the last record"
            )
        return found, ends
