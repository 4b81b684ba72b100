"""Steps that vanish into their callers.

The state is fourteen arrays and the books twenty-seven; a compiled call copies all their addresses, lengths and strides, some 300 words. Small
steps that run for every record or report are therefore inlined by LLVM; measured, that halves the cost of an order.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from streams.numeric.borrowing import borrowing_kernel


def inlined_kernel(function: Callable[..., Any]) -> Any:
    """``borrowing_kernel`` that is always inlined where another kernel calls it."""
    compiled = borrowing_kernel(function)
    compiled.targetoptions["forceinline"] = True
    return compiled
