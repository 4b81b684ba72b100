"""Kernels that borrow: compiled without Numba's reference counts.

Numba counts references to every array it passes around, with two locked instructions each time; a
book was some twenty arrays, and measured on real depth the counting cost three quarters of the time
(35 ns a level row with it, 9 ns without). A kernel that only reads and writes arrays its caller
holds needs none of it. Two rules follow, and a kernel that breaks one must use
``schemas.kernel.kernel``: it creates no array, list or string, and it returns none.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from numba.core.caching import NullCache
from numba.core.registry import CPUDispatcher

from schemas.kernel import kernel
from streams.numeric.inner_code import InnerCache, InnerCompiler


def borrowing_kernel(function: Callable[..., Any]) -> Any:
    """``schemas.kernel.kernel`` without reference counting: for functions over borrowed arrays that
    return numbers.
    """
    return kernel(function, _nrt=False)


def inner_kernel(function: Callable[..., Any]) -> Any:
    """``borrowing_kernel`` that only kernels call: without the wrappers for Python and C, a sixth
    of what it costs to compile.
    """
    return _inner(function)


def unlocked_borrowing_kernel(function: Callable[..., Any]) -> Any:
    """The same, giving the interpreter's lock back while it runs: for a loop over a whole slice."""
    return kernel(function, _nrt=False, nogil=True)


def inlined_kernel(function: Callable[..., Any]) -> Any:
    """``inner_kernel`` that LLVM must inline: for short steps of a hot loop."""
    return _inner(function, forceinline=True)


class _InnerDispatcher(CPUDispatcher):  # type: ignore[misc]  # Numba has no types
    """A kernel for other kernels. Called from Python, as tests do, it is compiled once more, with a
    wrapper.
    """

    def add_overload(self, cres: Any) -> None:
        self.overloads[tuple(cres.signature.args)] = cres

    def _compile_for_args(self, *arguments: Any, **named: Any) -> Any:
        known = self.__dict__.get("for_python")
        if known is None:
            known = self.for_python = kernel(self.py_func, "for Python", _nrt=False)
        return known


def _inner(function: Callable[..., Any], **options: Any) -> Any:
    compiled = kernel(
        function, _nrt=False, no_cpython_wrapper=True, no_cfunc_wrapper=True, **options
    )
    if isinstance(compiled, CPUDispatcher):  # not where nothing is compiled
        _keep_code_only(compiled)
        compiled.__class__ = _InnerDispatcher
    return compiled


def _keep_code_only(compiled: Any) -> None:
    """Make no machine code of it, see ``inner_code.py``."""
    compiled._compiler.pipeline_class = InnerCompiler
    if not isinstance(compiled._cache, NullCache):  # not in a process that keeps nothing
        compiled._cache._impl.__class__ = InnerCache
