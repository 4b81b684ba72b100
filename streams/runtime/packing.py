"""A struct into a row: one record at a time, for commands to the venue, without NumPy's cost per field."""

from __future__ import annotations

import operator
import struct
from collections.abc import Callable
from typing import Any

import numpy as np

ID = "order_id"
FORMATS = {"i8": "q", "i4": "i", "u1": "B", "f8": "d", "u8": "Q"}


def row_packer(rows: np.ndarray[Any, Any]) -> Callable[[Any], None]:
    """A function that writes a struct into ``rows[0]``: ids as two halves of 50 bits, every other field as it is."""
    dtype = rows.dtype
    names = list(dtype.names or ())
    layout, position = "<", 0
    for name in names:
        kind, offset = dtype.fields[name][:2]  # type: ignore[index]
        layout += "x" * (offset - position) + FORMATS[kind.str[1:]]
        position = offset + kind.itemsize
    pack = struct.Struct(layout + "x" * (dtype.itemsize - position)).pack_into
    target = memoryview(rows.view(np.uint8))
    fields = [name for name in names if not name.startswith(ID)]
    if names[:2] != [f"{ID}_high", f"{ID}_low"]:
        raise ValueError("a command's row begins with its order id")
    values = operator.attrgetter(ID, *fields)

    def write(record: Any) -> None:
        identifier, *rest = values(record)
        pack(target, 0, int(identifier[:10], 32), int(identifier[10:], 32), *rest)

    return write
