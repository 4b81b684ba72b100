"""Records and tables of records in compiled code, each one pointer.

A table lies in memory as its length, then its rows. A kernel holds its address: the type of a table
names the record, never the length, so a table that grows compiles nothing. ``table[place]`` is a
row and ``len(table)`` the number of rows there are; nobody checks a place but the kernel that made
it. How many rows are in use is a field of the state that owns the table.

Where nothing is compiled (``NUMBA_DISABLE_JIT=1``), ``record_at`` and ``table_at`` give views of
the same memory whose fields are Python integers and whose places and stores are checked.
"""

from __future__ import annotations

import ctypes  # lint: allow dynamic: the view of memory that uncompiled code has
import operator
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types

from streams.numeric.extension import (
    AbstractTemplate,
    TypeBase,
    infer_global,
    lower_builtin,
    models,
    register_model,
    signature,
)

Array = np.ndarray[Any, Any]
LENGTH_BYTES = 64
"""The length lies in a cache line of its own, so that rows are aligned."""


class Table:
    """Owns the memory of a table.

    Attributes:
        rows: all its rows, zeros at first.
        address: what kernels take.
    """

    def __init__(self, dtype: Any, length: int) -> None:
        size = LENGTH_BYTES + length * dtype.itemsize
        self._memory = np.zeros(size + LENGTH_BYTES, np.uint8)
        start = -self._memory.ctypes.data % LENGTH_BYTES
        self.address: int = self._memory.ctypes.data + start
        self._memory[start : start + 8].view(np.int64)[0] = length
        self.rows: Array = self._memory[start + LENGTH_BYTES : start + size].view(dtype)

    def __len__(self) -> int:
        return len(self.rows)

    def grown(self, length: int) -> Table:
        """A longer table that begins with the same rows."""
        larger = Table(self.rows.dtype, length)
        larger.rows[: len(self.rows)] = self.rows
        return larger


# -- what plain Python sees


def record_at(address: int, dtype: Any) -> Any:
    """The record at an address, which its owner keeps alive."""
    return RowView(_rows_at(address, dtype, 1)[0])


def table_at(address: int, dtype: Any) -> Any:
    """The table at an address, which its owner keeps alive."""
    length = int(_rows_at(address, np.dtype("i8"), 1)[0])
    return TableView(_rows_at(address + LENGTH_BYTES, dtype, length))


def _rows_at(address: int, dtype: Any, length: int) -> Array:
    content = (ctypes.c_char * (length * dtype.itemsize)).from_address(int(address))
    return np.frombuffer(content, dtype)


class TableView:
    """Rows for code that is not compiled; a place outside is an error."""

    __slots__ = ("_rows",)

    def __init__(self, rows: Array) -> None:
        self._rows = rows

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, place: int) -> Any:
        if not 0 <= place < len(self._rows):
            raise IndexError(f"row {place} of {len(self._rows)}")
        return RowView(self._rows[int(place)])


class RowView:
    """One record for code that is not compiled: fields are Python integers, NumPy refuses a
    store that does not fit.
    """

    __slots__ = ("_row",)
    _row: Any

    def __init__(self, row: Any) -> None:
        object.__setattr__(self, "_row", row)

    def __getattr__(self, name: str) -> Any:
        value = self._row[name]
        return RowView(value) if isinstance(value, np.void) else value.item()

    def __setattr__(self, name: str, value: Any) -> None:
        self._row[name] = value


# -- what kernels compile

_I64 = ir.IntType(64)
_BYTES = ir.IntType(8).as_pointer()


class TableType(TypeBase):  # type: ignore[misc]
    """The type of a table in a kernel."""

    def __init__(self, record: Any) -> None:
        self.record = record
        super().__init__(name=f"table({record})")


@register_model(TableType)
class _TableModel(models.PrimitiveModel):  # type: ignore[misc]
    def __init__(self, manager: Any, kind: Any) -> None:
        super().__init__(manager, kind, _BYTES)


def _is_address_and_dtype(arguments: Any) -> bool:
    return (
        len(arguments) == 2
        and isinstance(arguments[0], types.Integer)
        and isinstance(arguments[1], types.DType)
    )


@infer_global(record_at)
class _RecordAt(AbstractTemplate):  # type: ignore[misc]
    def generic(self, arguments: Any, keywords: Any) -> Any:
        return (
            signature(arguments[1].dtype, types.int64, arguments[1])
            if _is_address_and_dtype(arguments)
            else None
        )


@infer_global(table_at)
class _TableAt(AbstractTemplate):  # type: ignore[misc]
    def generic(self, arguments: Any, keywords: Any) -> Any:
        return (
            signature(TableType(arguments[1].dtype), types.int64, arguments[1])
            if _is_address_and_dtype(arguments)
            else None
        )


@lower_builtin(record_at, types.int64, types.DType)
@lower_builtin(table_at, types.int64, types.DType)
def _at(context: Any, builder: Any, sig: Any, values: Any) -> Any:
    return builder.inttoptr(values[0], context.get_value_type(sig.return_type))


@infer_global(operator.getitem)
class _RowOf(AbstractTemplate):  # type: ignore[misc]
    def generic(self, arguments: Any, keywords: Any) -> Any:
        table, place = arguments
        return (
            signature(table.record, table, types.intp)
            if isinstance(table, TableType) and isinstance(place, types.Integer)
            else None
        )


@lower_builtin(operator.getitem, TableType, types.intp)
def _row_of(context: Any, builder: Any, sig: Any, values: Any) -> Any:
    table, place = values
    behind = builder.add(
        builder.mul(place, _I64(sig.args[0].record.size), flags=("nsw",)), _I64(LENGTH_BYTES)
    )
    return builder.bitcast(builder.gep(table, [behind]), context.get_value_type(sig.return_type))


@infer_global(len)
class _LengthOf(AbstractTemplate):  # type: ignore[misc]
    def generic(self, arguments: Any, keywords: Any) -> Any:
        return (
            signature(types.intp, arguments[0])
            if len(arguments) == 1 and isinstance(arguments[0], TableType)
            else None
        )


@lower_builtin(len, TableType)
def _length_of(context: Any, builder: Any, sig: Any, values: Any) -> Any:
    return builder.load(builder.bitcast(values[0], _I64.as_pointer()))
