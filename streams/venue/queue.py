"""The arithmetic of a queue position: what trades and cancellations at our price do to the quantity ahead of us.

The risk-averse model (the most pessimistic of the usual ones; hftbacktest's RiskAdverseQueueModel): we join behind all that is displayed,
trades take from the front, and a cancellation is assumed to have been behind us for as long as the displayed size allows it.
"""

from __future__ import annotations

from typing import Any

from streams.venue.inlining import inlined_kernel
from streams.venue.state import NONE


@inlined_kernel
def after_cancellation(queue_ahead: int, previous: int, new: int, traded: int) -> Any:
    """Quantity ahead after the displayed size went from ``previous`` to ``new`` while ``traded`` printed there.

    Only a net decrease, previous - new - traded, is cancellation; what trades took is already off the queue.
    """
    if previous - new - traded > 0:
        return min(queue_ahead, new)
    return queue_ahead


@inlined_kernel
def displayed_changed(state: Any, place: int, new: int) -> None:
    """Move the orders of a level whose displayed size is now ``new``."""
    level = state.levels[place]
    at = level.first_order
    while at != NONE:
        order = state.orders[at]
        order.queue_ahead = after_cancellation(order.queue_ahead, level.displayed, new, level.traded - order.traded_before)
        order.traded_before = 0
        at = order.next
    level.displayed = new
    level.traded = 0
