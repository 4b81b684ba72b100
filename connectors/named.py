"""Records as people write them: fields by name, enums by their symbols; and back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from schemas.codec import codec
from schemas.errors import WrongUse
from schemas.general import BadRecord
from schemas.shapes import shapes


class BadJson(WrongUse):
    """A record typed as JSON that is none of its kind."""

    code = "bad_json"


def named(record_name: str) -> Callable[[Any], dict[str, Any]]:
    """Function from a record of this name to its fields by name, enums as their symbols."""
    fields = [(field.name, field.symbols) for field in shapes()[record_name].fields]

    def values(record: Any) -> dict[str, Any]:
        return {
            name: symbols[getattr(record, name)] if symbols else getattr(record, name)
            for name, symbols in fields
        }

    return values


def plain(value: Any) -> Any:
    """What JSON can hold of a field: bytes as hexadecimal text, integers beyond 64 bits as decimal
    text.
    """
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) >= 1 << 63:
        return str(value)
    return [plain(each) for each in value] if isinstance(value, list | tuple) else value


def record_of(record_name: str, fields: Mapping[str, Any]) -> Any:
    """The record with these fields, enums by symbol, integers also as text. Raises BadJson, naming
    the field.
    """
    if not isinstance(fields, Mapping):
        raise BadJson(f"a {record_name} is one JSON object with its fields by name")
    shape = shapes()[record_name]
    unknown = [name for name in fields if name not in {field.name for field in shape.fields}]
    if unknown:
        raise BadJson(
            f"{record_name} has no field {unknown[0]!r}; fields are "
            f"{', '.join(field.name for field in shape.fields)}"
        )
    values = []
    for field in shape.fields:
        if field.name not in fields and not field.nullable:
            raise BadJson(f"{record_name} needs {field.name} ({field.unit})")
        value = fields.get(field.name)
        if field.symbols:
            if value not in field.symbols:
                raise BadJson(
                    f"{record_name}.{field.name} is one of {', '.join(field.symbols)}, not "
                    f"{value!r}"
                )
            value = field.symbols.index(value)
        elif (
            field.kind in ("int", "long", "decimal")
            and isinstance(value, str)
            and value.removeprefix("-").isdecimal()
        ):
            value = int(value)
        values.append(value)
    record = codec(record_name).record(*values)
    try:
        codec(record_name).encode_records([record])
    except BadRecord as problem:
        raise BadJson(problem.text) from problem
    return record
