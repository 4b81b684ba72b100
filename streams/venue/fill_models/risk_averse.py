"""The risk-averse fill model: the rule of ``streams/numeric/queue_position.py``."""

from __future__ import annotations

from typing import Any

from streams.numeric.borrowing import inlined_kernel
from streams.numeric.queue_position import after_cancellation, take_from_front

ORDER_FIELDS: list[tuple[str, str]] = []  # the position is state.ORDER's queue_ahead
MARKET_FIELDS: list[tuple[str, str]] = []
SETTINGS_FIELDS: list[tuple[str, str]] = []
PARAMETERS: dict[str, int] = {}
FOLLOWS_REPEATS = False


def prepare(settings: Any, market: Any, instrument: Any, parameters: Any) -> None:
    """It keeps nothing."""


@inlined_kernel
def join(state: Any, level: Any, order: Any) -> None:
    """Behind all that is displayed."""
    order.queue_ahead = level.displayed


@inlined_kernel
def print_at(state: Any, level: Any, order: Any, quantity: int, left: int, others: int) -> Any:
    """The print goes to those ahead first, of which ``others`` had their part before."""
    return take_from_front(order, left, others)


@inlined_kernel
def print_through(state: Any, level: Any, order: Any) -> None:
    """Nobody is ahead any more."""
    order.queue_ahead = 0


@inlined_kernel
def size_changed(state: Any, level: Any, order: Any, new: int, traded: int) -> None:
    """Cancellations were behind us, as far as they can have been."""
    order.queue_ahead = after_cancellation(order.queue_ahead, level.displayed, new, traded)
