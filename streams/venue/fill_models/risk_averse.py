"""The risk-averse fill model: we join behind all that is displayed, trades take from the front, and
a cancellation is assumed to have been behind us for as long as the displayed size allows it.

The most pessimistic of the usual ones (hftbacktest's RiskAdverseQueueModel). All in integers.
"""

from __future__ import annotations

from typing import Any

from streams.numeric.borrowing import inlined_kernel

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
    ahead = max(0, order.queue_ahead - others)
    passed = min(ahead, left)
    order.queue_ahead = ahead - passed
    return passed


@inlined_kernel
def print_through(state: Any, level: Any, order: Any) -> None:
    """Nobody is ahead any more."""
    order.queue_ahead = 0


@inlined_kernel
def size_changed(state: Any, level: Any, order: Any, new: int, traded: int) -> None:
    """Cancellations were behind us, as far as they can have been."""
    order.queue_ahead = after_cancellation(order.queue_ahead, level.displayed, new, traded)


@inlined_kernel
def after_cancellation(queue_ahead: int, previous: int, new: int, traded: int) -> Any:
    """Quantity ahead after the displayed size went from ``previous`` to ``new``.

    Only a net decrease, previous - new - traded, is cancellation, where ``traded`` printed at the
    level: what trades took is already off the queue.
    """
    if previous - new > traded:
        return min(queue_ahead, new)
    return queue_ahead
