"""What the ``.avsc`` files say, as plain data: the model that the generator, the codec and the
schema checks share.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Collection
from pathlib import Path
from typing import Any, NamedTuple

FOLDER = Path(__file__).resolve().parent
ID_UNIT = "id, exactly 20 characters"


class Field(NamedTuple):
    """One field: ``kind`` is int, long, double, boolean, string, bytes, decimal, id, enum or array.
    """

    name: str
    kind: str
    nullable: bool
    doc: str
    unit: str
    symbols: tuple[str, ...] = ()  # of an enum
    enum: str = ""  # name of an enum
    item: Shape | None = None  # record inside an array


class Shape(NamedTuple):
    """One record: its name, doc and fields in schema order."""

    name: str
    doc: str
    fields: tuple[Field, ...]

    @property
    def fixed_width(self) -> bool:
        """True if every field has a fixed place in a row; such records have a dtype and compiled
        kernels.
        """
        return all(field.kind not in ("string", "bytes", "array") for field in self.fields)

    @property
    def has_levels(self) -> bool:
        """True for the record whose arrays are flattened to a table of levels."""
        return any(is_levels(field) for field in self.fields)


def time_field(names: Collection[str]) -> str:
    """The field by which a record of market data lies in time: a bar's is its open."""
    return "event_time" if "event_time" in names else "open_time"


def is_levels(field: Field) -> bool:
    """True for an array of (long, long): order-book levels, plain tuples in Python."""
    return field.item is not None and [item.kind for item in field.item.fields] == ["long", "long"]


def field_of(declared: dict[str, Any]) -> Field:
    """Model of one Avro field. Raises ValueError for a type that design section 4 does not allow.
    """
    kind: Any = declared["type"]
    nullable = isinstance(kind, list)
    if nullable:
        if len(kind) != 2 or kind[0] != "null":
            raise ValueError(f"{declared['name']}: the only union allowed is [null, X], not {kind}")
        kind = kind[1]
    symbols: tuple[str, ...] = ()
    enum = ""
    item = None
    if isinstance(kind, dict):
        if kind["type"] == "enum":
            symbols, enum, kind = tuple(kind["symbols"]), kind["name"], "enum"
        elif kind["type"] == "array":
            item, kind = shape_of(kind["items"]), "array"
        elif kind.get("logicalType") == "decimal" and kind["type"] == "bytes":
            kind = "decimal"
        else:
            raise ValueError(f"{declared['name']}: type {kind} is not allowed")
    if kind == "string" and declared.get("unit") == ID_UNIT:
        kind = "id"
    if kind not in (
        "int",
        "long",
        "double",
        "boolean",
        "string",
        "bytes",
        "decimal",
        "id",
        "enum",
        "array",
    ):
        raise ValueError(f"{declared['name']}: type {kind} is not allowed")
    return Field(
        declared["name"],
        kind,
        nullable,
        declared.get("doc", ""),
        declared.get("unit", ""),
        symbols,
        enum,
        item,
    )


def shape_of(schema: dict[str, Any]) -> Shape:
    """Model of one Avro record schema."""
    return Shape(
        schema["name"],
        schema.get("doc", ""),
        tuple(field_of(declared) for declared in schema["fields"]),
    )


@functools.cache
def schemas() -> dict[str, dict[str, Any]]:
    """Every committed schema as JSON data, by record name, in the order of the file names."""
    found = (json.loads(path.read_text(encoding="utf-8")) for path in sorted(FOLDER.glob("*.avsc")))
    return {schema["name"]: schema for schema in found}


@functools.cache
def shapes() -> dict[str, Shape]:
    """Every committed schema as a model, by record name, in the order of the file names."""
    return {name: shape_of(schema) for name, schema in schemas().items()}


def snake(name: str) -> str:
    """File and handler name of a record: ``DepthUpdate`` is ``depth_update``, ``PnL`` is ``pnl``.
    """
    if name == "PnL":
        return "pnl"
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


def enums() -> dict[str, Field]:
    """One field per enum name. Raises ValueError if two schemas give one enum different symbols."""
    found: dict[str, Field] = {}
    for shape in shapes().values():
        for field in shape.fields:
            if field.kind == "enum":
                known = found.setdefault(field.enum, field)
                if known.symbols != field.symbols:
                    raise ValueError(
                        f"{shape.name}.{field.name}: enum {field.enum} has other symbols elsewhere"
                    )
    return dict(sorted(found.items()))
