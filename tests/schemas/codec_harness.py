"""Generated records of every type, and the oracle: the same records through fastavro, decimals as
``Decimal``, enums as symbols.
"""

from __future__ import annotations

import io
from decimal import Decimal
from typing import Any

import fastavro
import msgspec
from fastavro.validation import validate
from hypothesis import strategies as st

from schemas import records
from schemas.codec import codec
from schemas.shapes import Field, Shape, is_levels, shapes

FIXED = [name for name, shape in shapes().items() if shape.fixed_width]
ROWED = [name for name, shape in shapes().items() if shape.fixed_width or shape.has_levels]
GENERAL = [name for name in shapes() if name not in ROWED]
ID_CHARACTERS = "0123456789ABCDEFGHIJKLMNOPQRSTUV"


def edges(bits: int) -> list[int]:
    """Integers around every change of width: each power of two up to ``bits``, one below and one
    above, both signs.
    """
    found = {0}
    for power in range(bits):
        found.update(
            {2**power - 1, 2**power, 2**power + 1, -(2**power) - 1, -(2**power), -(2**power) + 1}
        )
    return sorted(value for value in found if -(2 ** (bits - 1)) <= value < 2 ** (bits - 1))


def integers(bits: int) -> st.SearchStrategy[int]:
    bound = 2 ** (bits - 1)
    return st.sampled_from(edges(bits)) | st.integers(-bound, bound - 1)


LIMIT = 10**38 - 1
STRATEGIES: dict[str, st.SearchStrategy[Any]] = {
    "int": integers(32),
    "long": integers(64),
    "double": st.floats(allow_nan=False),
    "boolean": st.booleans(),
    "id": st.text(ID_CHARACTERS, min_size=20, max_size=20),
    "decimal": st.sampled_from(
        [value for value in edges(127) if abs(value) <= LIMIT] + [LIMIT, -LIMIT]
    )
    | st.integers(-LIMIT, LIMIT),
    "string": st.text(max_size=40),
    "bytes": st.binary(max_size=40),
}


def values(field: Field) -> st.SearchStrategy[Any]:
    """Any value the field may hold."""
    if is_levels(field):
        return st.lists(st.tuples(integers(64), integers(64)), max_size=5)
    if field.item is not None:
        return st.lists(structs(field.item), max_size=3)
    found = (
        st.integers(0, len(field.symbols) - 1) if field.kind == "enum" else STRATEGIES[field.kind]
    )
    return st.none() | found if field.nullable else found


def structs(shape: Shape) -> st.SearchStrategy[Any]:
    """Any record of a type."""
    return st.builds(getattr(records, shape.name), *(values(field) for field in shape.fields))


def some(name: str) -> st.SearchStrategy[list[Any]]:
    """A few records of a type."""
    return st.lists(structs(shapes()[name]), max_size=4)


def plain(shape: Shape, record: Any) -> dict[str, Any]:
    """The record as a user of fastavro would write it."""
    found: dict[str, Any] = {}
    for field in shape.fields:
        value = (
            getattr(record, field.name)
            if isinstance(record, msgspec.Struct)
            else record[list(shape.fields).index(field)]
        )
        if field.kind == "enum":
            value = field.symbols[value]
        elif field.kind == "decimal" and value is not None:
            value = Decimal(value)
        elif field.item is not None:
            value = [plain(field.item, entry) for entry in value]
        found[field.name] = value
    return found


def oracle(name: str, found: list[Any]) -> bytes:
    """The records' bodies by fastavro, each validated first."""
    parsed = fastavro.parse_schema(codec(name).schema)
    stream = io.BytesIO()
    for record in found:
        value = plain(shapes()[name], record)
        validate(value, parsed)
        fastavro.schemaless_writer(stream, parsed, value)
    return stream.getvalue()


def container(name: str, body: bytes, count: int) -> bytes:
    """An Avro object container with the body as its one block, as the Avro specification lays it
    out.
    """
    stream = io.BytesIO()
    sync = b"0123456789abcdef"
    fastavro.writer(stream, codec(name).schema, [], sync_marker=sync)
    block = io.BytesIO()
    fastavro.schemaless_writer(block, "long", count)
    fastavro.schemaless_writer(block, "long", len(body))
    return stream.getvalue() + block.getvalue() + body + sync


def example(name: str, number: int = 0) -> Any:
    """One ordinary record, different for each number."""
    special: dict[str, Any] = {
        "int": 7 + number,
        "long": 1_723_161_256_298_000_000 + number,
        "double": 0.5 + number,
        "boolean": number % 2 == 1,
    }
    special.update(
        {
            "id": f"{number:020d}",
            "decimal": -128 - number,
            "string": f"text {number}",
            "bytes": bytes([number % 256]),
        }
    )

    def value(field: Field) -> Any:
        if is_levels(field):
            return [(6_000_000 + number, 5), (6_000_001, 0)]
        if field.item is not None:
            return [getattr(records, field.item.name)(*map(value, field.item.fields))]
        if field.nullable and number % 2:
            return None
        return (1 + number) % len(field.symbols) if field.kind == "enum" else special[field.kind]

    return getattr(records, name)(*map(value, shapes()[name].fields))
