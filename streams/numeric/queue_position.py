"""How a resting order moves in the queue of its price level where the feed shows sizes, not orders:
the risk-averse rule. The venue's default fill model and the estimate that strategies read follow
it.

We join behind all that is displayed, trades take from the front, and a cancellation is assumed to
have been behind us for as long as the displayed size allows it. The most pessimistic of the usual
rules (hftbacktest's RiskAdverseQueueModel). All in integers.
"""

from __future__ import annotations

from typing import Any

from streams.numeric.borrowing import inlined_kernel


@inlined_kernel
def take_from_front(order: Any, left: int, others: int) -> Any:
    """A print at the order's price goes to those ahead of it first. Returns what it takes of them.

    Args:
        order: a record with ``queue_ahead``.
        left: what of the print no earlier order of ours, and nobody before that, has taken.
        others: what was taken ahead of our earlier orders at the level.
    """
    ahead = max(0, order.queue_ahead - others)
    passed = min(ahead, left)
    order.queue_ahead = ahead - passed
    return passed


@inlined_kernel
def after_cancellation(queue_ahead: int, previous: int, new: int, traded: int) -> Any:
    """Quantity ahead after the displayed size went from ``previous`` to ``new``.

    Only a net decrease, previous - new - traded, is cancellation, where ``traded`` printed at the
    level: what trades took is already off the queue.
    """
    if previous - new > traded:
        return min(queue_ahead, new)
    return queue_ahead
