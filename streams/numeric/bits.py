"""What the processor can do and Numba does not offer: zero counts of a word, and the high half of a
product. Kernels only.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic


def _zero_count(name: str) -> Any:
    def typer(typing_context: Any, word: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            counter = builder.module.declare_intrinsic(
                name,
                [ir.IntType(64)],
                ir.FunctionType(ir.IntType(64), [ir.IntType(64), ir.IntType(1)]),
            )
            return builder.call(counter, [arguments[0], ir.Constant(ir.IntType(1), 0)])

        return types.int64(types.uint64), generate

    typer.__name__ = name.replace("llvm.", "")
    return intrinsic(typer)


leading_zeros = _zero_count("llvm.ctlz")
"""Zero bits above the highest set bit of a uint64; 64 for zero."""

trailing_zeros = _zero_count("llvm.cttz")
"""Zero bits below the lowest set bit of a uint64; 64 for zero."""


def _multiply_high_typer(typing_context: Any, a: Any, b: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        wide = ir.IntType(128)
        product = builder.mul(*(builder.zext(argument, wide) for argument in arguments))
        return builder.trunc(builder.lshr(product, ir.Constant(wide, 64)), ir.IntType(64))

    return types.uint64(types.uint64, types.uint64), generate


multiply_high: Any = intrinsic(_multiply_high_typer)
"""High 64 bits of the product of two uint64."""
