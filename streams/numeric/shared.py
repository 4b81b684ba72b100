"""Steps that kernels and plain Python share: a rule is written once, each side runs it natively."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from numba.extending import register_jitable


def shared_step(function: Callable[..., Any]) -> Any:
    """A step that a kernel compiles into itself and that plain Python calls as it stands.

    What it is given is a record (or a row of values) in a kernel, and in Python any object with the
    same fields (or a list). Like a ``borrowing_kernel`` it creates no array and returns numbers.
    The caches of the kernels that call it are keyed by its source, so it has none of its own.
    """
    register: Any = register_jitable
    return register(_nrt=False, fastmath=False, error_model="numpy")(function)
