"""The fill model where no queue was recorded: a print at an order's price fills nothing of it, one
beyond its price does.
"""

from __future__ import annotations

from typing import Any

from streams.numeric.borrowing import inlined_kernel

ORDER_FIELDS: list[tuple[str, str]] = []
MARKET_FIELDS: list[tuple[str, str]] = []
SETTINGS_FIELDS: list[tuple[str, str]] = []
PARAMETERS: dict[str, int] = {}
FOLLOWS_REPEATS = False


def prepare(settings: Any, market: Any, instrument: Any, parameters: Any) -> None:
    """It keeps nothing."""


@inlined_kernel
def join(state: Any, level: Any, order: Any) -> None:
    """Behind everybody."""
    order.queue_ahead = level.displayed


@inlined_kernel
def print_at(state: Any, level: Any, order: Any, quantity: int, left: int, others: int) -> Any:
    """All of the print goes to those ahead."""
    return left


@inlined_kernel
def print_through(state: Any, level: Any, order: Any) -> None:
    """Nobody is ahead any more."""
    order.queue_ahead = 0


@inlined_kernel
def size_changed(state: Any, level: Any, order: Any, new: int, traded: int) -> None:
    """What the level displays says nothing of a queue."""
