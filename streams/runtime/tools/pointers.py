"""Addresses of arrays, handed to compiled loops as plain integers.

A compiled entry point that takes one int64 array is called in about 0.2 us; with sixteen array
arguments it takes 2.4 us. So a loop gets one *context* array of addresses and lengths and rebuilds
its arrays from them. The owner of the context keeps the arrays alive.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic
from numba.np.arrayobj import make_array, populate_array


def _view(typing_context: Any, address: Any, shape: Any, dtype: Any) -> Any:
    """The C-contiguous array of this shape (a tuple of int64) and dtype that lies at an address; it
    is borrowed, and not counted.

    ``numba.carray`` does the same, but not in kernels without reference counts.
    """
    kind = types.Array(dtype.dtype, len(shape), "C")

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        element = context.get_data_type(kind.dtype)
        size = context.get_abi_sizeof(element)
        lengths = cgutils.unpack_tuple(builder, arguments[1], len(shape))
        strides: list[Any] = []
        step = context.get_constant(types.intp, size)
        for length in reversed(lengths):
            strides.insert(0, step)
            step = builder.mul(step, length)
        array = make_array(kind)(context, builder)
        data = builder.inttoptr(arguments[0], array.data.type)
        populate_array(
            array,
            data=data,
            shape=lengths,
            strides=strides,
            itemsize=context.get_constant(types.intp, size),
            meminfo=None,
        )
        return array._getvalue()

    return kind(types.int64, shape, dtype), generate


view: Any = intrinsic(_view)


def _call_entry(typing_context: Any, address: Any, packed: Any) -> Any:
    """Call the entry of a loop that lies at an address with the loop's context: the caller does not
    compile it once more.
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        kinds = (signature.args[1],)
        entry = context.call_conv.get_function_type(types.none, kinds).as_pointer()
        function = builder.inttoptr(arguments[0], entry)
        status, _ = context.call_conv.call_function(
            builder, function, types.none, kinds, [arguments[1]]
        )
        with cgutils.if_unlikely(builder, status.is_error):
            context.call_conv.return_status_propagate(builder, status)
        return context.get_dummy_value()

    return types.none(types.int64, packed), generate


call_entry: Any = intrinsic(_call_entry)


def entry_address(entry: Any) -> int:
    """Where the machine code of a compiled entry lies, as long as this process keeps the entry."""
    (compiled,) = entry.overloads.values()
    return int(compiled.library.get_pointer_to_function(compiled.fndesc.llvm_func_name))


CONTEXT_LENGTH = 2048


class Address:
    """Where an array lies, looked up once for as long as it is the same array: NumPy takes a
    microsecond to say it.
    """

    def __init__(self) -> None:
        self._array: Any = None
        self._address = 0

    def of(self, array: np.ndarray[Any, Any]) -> int:
        """The address of its first element."""
        if array is not self._array:
            self._array, self._address = array, array.ctypes.data
        return self._address


class Context:
    """A named list of arrays, kept alive here, with their addresses and shapes in ``packed``.

    Each array takes 1 + ndim entries: its address, then its lengths.
    """

    def __init__(self) -> None:
        self.packed = np.zeros(CONTEXT_LENGTH, np.int64)
        self.places: dict[str, int] = {}
        self.dimensions: dict[str, int] = {}
        self._arrays: dict[str, np.ndarray[Any, Any]] = {}
        self._used = 0

    def put(self, name: str, array: np.ndarray[Any, Any]) -> None:
        """Enter the array under its name, or replace the one that is there (same number of
        dimensions).
        """
        if not array.flags.c_contiguous:
            raise ValueError(f"{name} is not contiguous")
        if name not in self.places:
            if self._used + 1 + array.ndim > CONTEXT_LENGTH:
                raise ValueError(
                    "a compiled loop takes at most 2,048 context entries; fuse fewer stages"
                )
            self.places[name] = self._used
            self.dimensions[name] = array.ndim
            self._used += 1 + array.ndim
        place = self.places[name]
        self._arrays[name] = array
        self.packed[place] = array.ctypes.data
        for axis, length in enumerate(array.shape):
            self.packed[place + 1 + axis] = length

    def array(self, name: str) -> np.ndarray[Any, Any]:
        """The array entered under this name."""
        return self._arrays[name]
