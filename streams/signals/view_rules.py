"""Rules of what a strategy reads, for views of both kinds (``view.py``, ``view_stage.py``)."""

from __future__ import annotations

from typing import Any

from schemas.vocabulary import OrderStatus
from streams.numeric.shared import shared_step

CLOSED = (
    OrderStatus.FILLED, OrderStatus.CANCELLED, OrderStatus.REJECTED, OrderStatus.EXPIRED,
    OrderStatus.DENIED,
)  # fmt: skip
"""An order of one of these states works no more."""


@shared_step
def is_latest(open_time: Any, known: Any) -> Any:
    """True for a bar that takes the place of the known one: later, or that one amended."""
    return open_time >= known
