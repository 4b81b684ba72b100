"""Whether one struct is what its schema allows, asked where it is made: its maker is still known there, and named with it."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from typing import Annotated, Any

import msgspec

from schemas import records
from schemas.general import BOUNDS, ID_CHARACTERS, to_avro
from schemas.shapes import Field, shapes

MATCH_ID = re.compile(f"[{''.join(sorted(ID_CHARACTERS))}]{{20}}").fullmatch
"""None for what is no id; twice as fast as a walk over its characters."""
PACK = msgspec.msgpack.Encoder().encode


@functools.cache
def checker(name: str) -> Callable[[Any], None]:
    """A function that raises BadRecord, naming the field, if a struct of this record holds a value that its schema does not allow.

    A record that is right costs a third of a microsecond: it is packed and decoded with the bounds of its fields. Whatever that does not take,
    the careful path judges. For records of numbers, enums, booleans and ids, none of them nullable.
    """
    shape = shapes()[name]
    ids = [field.name for field in shape.fields if field.kind == "id"]
    doubles = [field.name for field in shape.fields if field.kind == "double"]
    bounded = msgspec.defstruct(f"Bounded{name}", [(field.name, _bounds(field)) for field in shape.fields], array_like=True, gc=False)
    decode = msgspec.msgpack.Decoder(bounded).decode
    carefully = to_avro(shape)

    def check(record: Any) -> None:
        try:
            decode(PACK(record))
            for field in ids:
                if MATCH_ID(getattr(record, field)) is None:
                    break
            else:
                for field in doubles:
                    if getattr(record, field).__class__ is not float:
                        break
                else:
                    return
        except (msgspec.MsgspecError, ValueError, TypeError, OverflowError, RecursionError):
            pass
        carefully(record)

    return check


@functools.cache
def strategy_checks() -> dict[type, Callable[[Any], None]]:
    """The checks of what a strategy may publish, by class of the record."""
    return {records.Signal: checker("Signal"), records.OrderRequest: checker("OrderRequest")}


def _bounds(field: Field) -> Any:
    """The field's type with its bounds, as msgspec reads them."""
    if field.kind == "enum":
        return Annotated[int, msgspec.Meta(ge=0, le=len(field.symbols) - 1)]
    if field.kind in ("int", "long"):
        return Annotated[int, msgspec.Meta(ge=-BOUNDS[field.kind], le=BOUNDS[field.kind] - 1)]
    return {"id": str, "double": float, "boolean": bool}[field.kind]
