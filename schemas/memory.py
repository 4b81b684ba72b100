"""Memory in compiled code: loads and stores at any address, and the few machine instructions that
the codecs lean on.

Nothing here checks a bound; every caller does. Little-endian machines only, which is all that Numba
compiles for here.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic


def _load(result: Any, kind: Any, as_word: bool = False) -> Any:
    """Intrinsic ``load(address)``: a little-endian value at any address, unaligned; ``as_word``
    widens it to uint64 with zeros.
    """

    @intrinsic  # type: ignore[untyped-decorator]
    def load(typing: Any, address: Any) -> Any:
        def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            value = builder.load(builder.inttoptr(arguments[0], kind.as_pointer()), align=1)
            return builder.zext(value, ir.IntType(64)) if as_word else value

        return result(types.int64), build

    return load


def _store(stored: Any, kind: Any, from_word: bool = False) -> Any:
    """Intrinsic ``store(address, value)``: the counterpart of a load; ``from_word`` stores the low
    bits of a uint64.
    """

    @intrinsic  # type: ignore[untyped-decorator]
    def store(typing: Any, address: Any, value: Any) -> Any:
        def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            value = builder.trunc(arguments[1], kind) if from_word else arguments[1]
            builder.store(value, builder.inttoptr(arguments[0], kind.as_pointer()), align=1)
            return context.get_dummy_value()

        return types.void(types.int64, stored), build

    return store


load_byte = _load(types.uint64, ir.IntType(8), as_word=True)
load_int = _load(types.int32, ir.IntType(32))
load_word = _load(types.uint64, ir.IntType(64))
load_double = _load(types.float64, ir.DoubleType())
store_byte = _store(types.uint64, ir.IntType(8), from_word=True)
store_word = _store(types.uint64, ir.IntType(64))
store_double = _store(types.float64, ir.DoubleType())


@intrinsic  # type: ignore[untyped-decorator]
def _address_of(typing: Any, array: Any) -> Any:
    """``address_of(array)``: address of its first byte, an int64; the array must outlive its use.
    """

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        data = context.make_array(signature.args[0])(context, builder, arguments[0]).data
        return builder.ptrtoint(data, ir.IntType(64))

    return types.int64(array), build


address_of: Any = _address_of


def _count_zeros(operation: str) -> Any:
    """Intrinsic: zero bits of a uint64 before the lowest (cttz) or above the highest (ctlz) set
    bit; the argument must not be 0.
    """

    @intrinsic  # type: ignore[untyped-decorator]
    def count(typing: Any, value: Any) -> Any:
        def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            return getattr(builder, operation)(arguments[0], cgutils.true_bit)

        return types.int64(types.uint64), build

    return count


zeros_below = _count_zeros("cttz")
zeros_above = _count_zeros("ctlz")


@intrinsic  # type: ignore[untyped-decorator]
def _swap(typing: Any, value: Any) -> Any:
    """A uint64 with its bytes in reverse order: msgpack is big-endian."""

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.bswap(arguments[0])

    return types.uint64(types.uint64), build


@intrinsic  # type: ignore[untyped-decorator]
def _cast_double(typing: Any, value: Any) -> Any:
    """The double with these 64 bits."""

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.bitcast(arguments[0], ir.DoubleType())

    return types.float64(types.uint64), build


swapped: Any = _swap
as_double: Any = _cast_double
