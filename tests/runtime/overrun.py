"""A kernel with a planted fault: it reads one element beyond its array."""

from __future__ import annotations

from typing import Any

from schemas.kernel import kernel


@kernel
def beyond(values: Any) -> Any:
    """Sum of the values and of what lies behind them."""
    total = 0.0
    for place in range(len(values) + 1):
        total += values[place]
    return total
