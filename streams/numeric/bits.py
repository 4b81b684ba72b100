"""Bit scans that kernels lack in Numba: the processor's own leading and trailing zero counts, by way of LLVM's ``ctlz`` and ``cttz``."""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic


def _zero_count(name: str) -> Any:
    def typer(typing_context: Any, word: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            counter = builder.module.declare_intrinsic(name, [ir.IntType(64)], ir.FunctionType(ir.IntType(64), [ir.IntType(64), ir.IntType(1)]))
            return builder.call(counter, [arguments[0], ir.Constant(ir.IntType(1), 0)])

        return types.int64(types.uint64), generate

    typer.__name__ = name.replace("llvm.", "")
    return intrinsic(typer)


leading_zeros = _zero_count("llvm.ctlz")
"""Zero bits above the highest set bit of a uint64; 64 for zero. Kernels only."""

trailing_zeros = _zero_count("llvm.cttz")
"""Zero bits below the lowest set bit of a uint64; 64 for zero. Kernels only."""
