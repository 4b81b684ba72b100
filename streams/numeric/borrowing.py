"""Kernels that borrow: compiled without Numba's reference counts.

Numba counts references to every array it passes around, with two locked instructions each time; a book is some twenty arrays, and measured
on real depth the counting cost three quarters of the time (35 ns a level row with it, 9 ns without). A kernel that only reads and writes
arrays its caller holds needs none of it. Two rules follow, and a kernel that breaks one must use ``schemas.kernel.kernel``: it creates no
array, list or string, and it returns none.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from schemas.kernel import kernel


def borrowing_kernel(function: Callable[..., Any]) -> Any:
    """``schemas.kernel.kernel`` without reference counting: for functions over borrowed arrays that return numbers."""
    return kernel(function, _nrt=False)


def inner_kernel(function: Callable[..., Any]) -> Any:
    """``borrowing_kernel`` that only kernels call: without the wrappers for Python and C, a fifth of what it costs to compile."""
    return kernel(function, _nrt=False, no_cpython_wrapper=True, no_cfunc_wrapper=True)


def unlocked_borrowing_kernel(function: Callable[..., Any]) -> Any:
    """The same, giving the interpreter's lock back while it runs: for a loop over a whole slice."""
    return kernel(function, _nrt=False, nogil=True)


def inlined_kernel(function: Callable[..., Any]) -> Any:
    """``borrowing_kernel`` that LLVM must inline: for steps of a hot loop, where handing over some twenty arrays costs more than the step."""
    return kernel(function, _nrt=False, forceinline=True)
