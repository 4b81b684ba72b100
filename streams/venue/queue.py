"""What printed at a level; the fill model (``models.py``) is told of each changed size, by order.
"""

from __future__ import annotations

from typing import Any

from streams.numeric.borrowing import inlined_kernel
from streams.numeric.bounds import QUANTITY_MAX
from streams.venue.state import NONE


@inlined_kernel
def add_traded(state: Any, place: int, quantity: int) -> None:
    """``quantity`` printed at the level. Where the sum leaves int64 it starts anew, and what its
    orders had seen lies below zero.
    """
    level = state.levels[place]
    if level.traded > QUANTITY_MAX - quantity:
        at = level.first_order
        while at != NONE:
            order = state.orders[at]
            order.traded_before = (
                max(order.traded_before, level.traded - QUANTITY_MAX) - level.traded
            )
            at = order.next
        level.traded = 0
    level.traded += quantity


@inlined_kernel
def traded_since(level: Any, order: Any) -> Any:
    """What printed at the level since the order joined it, QUANTITY_MAX where it is more: no
    displayed size is greater.
    """
    if order.traded_before < 0 and level.traded > QUANTITY_MAX + order.traded_before:
        return QUANTITY_MAX
    return level.traded - order.traded_before


@inlined_kernel
def displayed_changed(state: Any, place: int, new: int) -> None:
    """Move the orders of a level whose displayed size is now ``new``."""
    level = state.levels[place]
    at = level.first_order
    while at != NONE:
        order = state.orders[at]
        state.fill_model.size_changed(state, level, order, new, traded_since(level, order))
        order.traded_before = 0
        at = order.next
    level.displayed = new
    level.traded = 0
