"""Whether one struct is what its schema allows, asked where it is made: its maker is still known
there, and named with it.
"""

from __future__ import annotations

import functools
import operator
import re
from collections.abc import Callable, Sequence
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
    """A function that raises BadRecord, naming the field, if a struct of this record holds a value
    that its schema does not allow.

    A record that is right costs a third of a microsecond: it is packed and decoded with the bounds
    of its fields. Whatever that does not take, the careful path judges. For records of numbers,
    enums, booleans and ids, none of them nullable.
    """
    shape = shapes()[name]
    is_exact = _exactness(
        *([field.name for field in shape.fields if field.kind == kind] for kind in ("id", "double"))
    )
    bounded = msgspec.defstruct(
        f"Bounded{name}",
        [(field.name, _bounds(field)) for field in shape.fields],
        array_like=True,
        gc=False,
    )
    decode = msgspec.msgpack.Decoder(bounded).decode
    carefully = to_avro(shape)

    def check(record: Any) -> None:
        try:
            decode(PACK(record))
            if is_exact(record):
                return
        except (msgspec.MsgspecError, ValueError, TypeError, OverflowError, RecursionError):
            pass
        carefully(record)

    return check


@functools.cache
def strategy_checks() -> dict[type, Callable[[Any], None]]:
    """The checks of what a strategy may publish, by class of the record."""
    return {records.Signal: checker("Signal"), records.OrderRequest: checker("OrderRequest")}


def _exactness(ids: Sequence[str], doubles: Sequence[str]) -> Callable[[Any], Any]:
    """What decoding does not look at, true where it holds: ids are ids, and doubles no integers."""
    if len(ids) == 1 and not doubles:  # a request for an order; without a loop it costs half
        id_of = operator.attrgetter(ids[0])
        return lambda record: MATCH_ID(id_of(record))

    def is_exact(record: Any) -> bool:
        return all(MATCH_ID(getattr(record, name)) for name in ids) and all(
            getattr(record, name).__class__ is float for name in doubles
        )

    return is_exact


def _bounds(field: Field) -> Any:
    """The field's type with its bounds, as msgspec reads them."""
    if field.kind == "enum":
        return Annotated[int, msgspec.Meta(ge=0, le=len(field.symbols) - 1)]
    if field.kind in ("int", "long"):
        return Annotated[int, msgspec.Meta(ge=-BOUNDS[field.kind], le=BOUNDS[field.kind] - 1)]
    return {"id": str, "double": float, "boolean": bool}[field.kind]
