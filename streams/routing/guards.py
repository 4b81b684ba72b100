"""Which fills are refused, in this order (OMS-3). A refused fill changes nothing and books nothing; it is recorded, and alarms.

1. WRONG_INSTRUMENT    the report names another instrument than the order
2. WRONG_SIDE          the report names another side than the order
3. INVALID_FILL        price or quantity is not positive
4. DUPLICATE_FILL      the venue's trade id was booked to this order before
5. OVERFILL            more than the order's quantity would be filled
6. REFUSED_TRANSITION  the order was rejected or denied, so it cannot have traded

A fill that arrives after the order was cancelled or expired passes the same guards and is accepted by rule: the venue's truth wins.
"""

from __future__ import annotations

from schemas.records import ExecutionReport
from schemas.vocabulary import OrderReason
from streams.routing.machine import ALLOWED, CLOSED, FILLED, PARTIALLY_FILLED, PENDING_CANCEL, STATES
from streams.routing.orders import Order

NONE = int(OrderReason.NONE)
WRONG_INSTRUMENT = int(OrderReason.WRONG_INSTRUMENT)
WRONG_SIDE = int(OrderReason.WRONG_SIDE)
INVALID_FILL = int(OrderReason.INVALID_FILL)
DUPLICATE_FILL = int(OrderReason.DUPLICATE_FILL)
OVERFILL = int(OrderReason.OVERFILL)
REFUSED_TRANSITION = int(OrderReason.REFUSED_TRANSITION)
ALL_FILLED = int(FILLED)
PART_FILLED = int(PARTIALLY_FILLED)
CANCELLING = int(PENDING_CANCEL)


def refuse_fill(order: Order, report: ExecutionReport, status: int) -> int:
    """The reason to refuse this fill, which would bring the order to `status` (see ``status_after_fill``), or NONE."""
    quantity = report.quantity
    if report.instrument != order.instrument:
        return WRONG_INSTRUMENT
    if report.side != order.side:
        return WRONG_SIDE
    if quantity <= 0 or report.price <= 0:
        return INVALID_FILL
    if report.venue_trade_id in order.trade_ids:
        return DUPLICATE_FILL
    if order.filled_quantity + quantity > order.quantity:
        return OVERFILL
    if not ALLOWED[order.status * STATES + status]:
        return REFUSED_TRANSITION
    return NONE


def status_after_fill(order: Order, quantity: int) -> int:
    """The state a fill of `quantity` leads to: a partial fill leaves a cancel under way, and a closed order closed."""
    if order.filled_quantity + quantity == order.quantity:
        return ALL_FILLED
    status = order.status
    if status == CANCELLING or CLOSED[status]:
        return status
    return PART_FILLED
