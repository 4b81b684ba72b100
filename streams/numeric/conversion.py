"""Records between Python and compiled stages, one at a time: a struct into its row, a row into a
struct.

A stage's handler reads rows; a Python stage before it hands over a struct. What converts one is
made once for each record type from its schema, as one expression over its fields: about 0.5 us,
where a store for each field of a NumPy row costs ten times that.
"""

from __future__ import annotations

import functools
import struct
from collections.abc import Callable, Collection
from typing import Any

import numpy as np

from schemas.codec import codec
from schemas.shapes import Field, shapes
from schemas.wire import NULL
from streams.numeric.identity import text_of_halves

LIMB = (1 << 64) - 1
_FORMATS = {"i1": "b", "u1": "B", "i4": "i", "u4": "I", "i8": "q", "u8": "Q", "f8": "d"}


@functools.lru_cache(maxsize=64)
def _leading(half: str) -> int:
    """The first half of an id, which names journal and shard and changes once in 2^32 inputs."""
    return int(half, 32)


def bytes_of(rows: Any) -> memoryview:
    """The bytes of rows, for a reader or a writer: NumPy takes longer to lay a record's layout out
    each time than either takes."""
    view: memoryview = rows.view(np.uint8).data
    return view


def row_of(record: Any) -> tuple[Any, Any]:
    """(an array of one row, levels) of a record of any type, by its bytes; levels are a depth
    update's, None of others. For what comes rarely: ``writer`` is made for a type.
    """
    fields = codec(type(record).__name__)
    content = np.frombuffer(fields.encode_records([record]), np.uint8)
    found = fields.decode_rows(content, 1)
    return found if fields.has_levels else (found, None)


def _columns(field: Field) -> tuple[str, ...]:
    """Columns of a field in a row."""
    return (
        (f"{field.name}_high", f"{field.name}_low")
        if field.kind in ("decimal", "id")
        else (field.name,)
    )


def _values(field: Field) -> str:
    """What a field's columns take, as text over the struct ``r``."""
    name = f"r.{field.name}"
    if field.kind == "id":
        return f"leading({name}[:10]), int({name}[10:], 32)"
    if field.kind == "decimal":
        pair = f"{name} >> 64, {name} & {LIMB}"
        return f"*(({NULL}, 0) if {name} is None else ({pair}))" if field.nullable else pair
    return f"({NULL} if {name} is None else {name})" if field.nullable else name


def _value(field: Field, place: int, given: str) -> str:
    """A field's value, as text over the row's values ``v``, from this place on."""
    if field.name == given:
        return "given"
    if field.kind == "id":
        return f"text(v[{place}], v[{place + 1}])"
    if field.kind == "decimal":
        value = f"(v[{place}] << 64) + v[{place + 1}]"
    else:
        value = f"v[{place}] != 0" if field.kind == "boolean" else f"v[{place}]"
    return f"(None if v[{place}] == {NULL} else {value})" if field.nullable else value


def _format(dtype: Any, columns: list[str]) -> str:
    """The text of ``struct`` for these columns of a row, the rest of the row left out."""
    text, end = "=", 0
    for name in columns:
        kind, at = dtype.fields[name][:2]
        text += f"{at - end}x{_FORMATS[kind.str[1:]]}"
        end = at + kind.itemsize
    return text + f"{dtype.itemsize - end}x"


def _fields(record: str, names: Collection[str]) -> list[Field]:
    fields = [field for field in shapes()[record].fields if not names or field.name in names]
    wrong = [field.name for field in fields if field.kind == "double" and field.nullable]
    if wrong:
        raise ValueError(f"{record}.{wrong[0]} is a double that may be null: not handled yet")
    return fields


def writer(record: str, names: Collection[str] = ()) -> Callable[..., None]:
    """``write(struct, buffer, position=0)``: the struct as a row of its DTYPE; columns of fields
    not among ``names`` become 0.
    """
    fields = _fields(record, names)
    pack = struct.Struct(
        _format(codec(record).dtype, [column for field in fields for column in _columns(field)])
    ).pack_into
    values = ", ".join(map(_values, fields))
    text = f"lambda r, buffer, position=0: pack(buffer, position, {values})"
    space = {"pack": pack, "leading": _leading}
    write: Callable[..., None]
    write = eval(text, space)  # noqa: S307  # lint: allow dynamic: of our schemas' names alone
    return write


@functools.cache
def reader(record: str, given: str = "") -> Callable[..., Any]:
    """``read(buffer, position)``: the struct of the row there.

    Args:
        given: a field that the caller hands over as a third argument: the text of an id that it
            has, which costs as much to make anew as all else.
    """
    fields, dtype = _fields(record, ()), codec(record).dtype
    columns = [() if field.name == given else _columns(field) for field in fields]
    unpack = struct.Struct(
        _format(dtype, [column for pair in columns for column in pair])
    ).unpack_from
    places = [sum(map(len, columns[:place])) for place in range(len(fields))]
    arguments = ", ".join(
        _value(field, place, given) for field, place in zip(fields, places, strict=True)
    )
    space = {"unpack": unpack, "kind": codec(record).record, "text": text_of_halves}
    head = f"lambda buffer, position{', given' if given else ''}: (v := unpack(buffer, position))"
    text = f"{head} and kind({arguments})"
    read: Callable[..., Any]
    read = eval(text, space)  # noqa: S307  # lint: allow dynamic: of our schemas' names alone
    return read
