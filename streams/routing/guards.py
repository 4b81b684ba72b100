"""Which fills are refused, in this order (OMS-3). A refused fill changes nothing and books nothing;
it is recorded, and alarms.

1. WRONG_INSTRUMENT    the report names another instrument than the order
2. WRONG_SIDE          the report names another side than the order
3. INVALID_FILL        price or quantity is not positive
4. DUPLICATE_FILL      the venue's trade id was booked to this order before
5. OVERFILL            more than the order's quantity would be filled
6. REFUSED_TRANSITION  the order was rejected or denied, so it cannot have traded

A fill that arrives after the order was cancelled or expired passes the same guards and is accepted
by rule: the venue's truth wins.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from schemas.vocabulary import OrderReason
from streams.numeric.borrowing import inner_kernel
from streams.numeric.pool import find_row
from streams.routing.machine import (
    FILLED,
    PARTIALLY_FILLED,
    PENDING_CANCEL,
    may_step,
    works_no_more,
)

NONE = np.int64(OrderReason.NONE)
WRONG_INSTRUMENT = np.int64(OrderReason.WRONG_INSTRUMENT)
WRONG_SIDE = np.int64(OrderReason.WRONG_SIDE)
INVALID_FILL = np.int64(OrderReason.INVALID_FILL)
DUPLICATE_FILL = np.int64(OrderReason.DUPLICATE_FILL)
OVERFILL = np.int64(OrderReason.OVERFILL)
REFUSED_TRANSITION = np.int64(OrderReason.REFUSED_TRANSITION)
ALL_FILLED = np.int64(FILLED)
PART_FILLED = np.int64(PARTIALLY_FILLED)
CANCELLING = np.int64(PENDING_CANCEL)


@inner_kernel
def refuse_fill(routing: Any, place: Any, order: Any, report: Any) -> Any:
    """The reason to refuse this fill of the order at a place, or NONE."""
    if report.instrument != order.instrument:
        return WRONG_INSTRUMENT
    if report.side != order.side:
        return WRONG_SIDE
    if report.quantity <= 0 or report.price <= 0:
        return INVALID_FILL
    if find_row(routing.trades, place, report.venue_trade_id) >= 0:
        return DUPLICATE_FILL
    if report.quantity > order.quantity - order.filled_quantity:
        return OVERFILL
    if not may_step(order.status, status_after_fill(order, report.quantity)):
        return REFUSED_TRANSITION
    return NONE


@inner_kernel
def status_after_fill(order: Any, quantity: Any) -> Any:
    """The state a fill of `quantity` leads to: a partial fill leaves a cancel under way, and a
    closed order closed.
    """
    if quantity == order.quantity - order.filled_quantity:
        return ALL_FILLED
    status = order.status
    if status == CANCELLING or works_no_more(status):
        return status
    return PART_FILLED
