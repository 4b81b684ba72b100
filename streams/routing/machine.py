"""The order state machine: every state of the full machine, and for every pair of states whether the step is taken.

``TRANSITIONS`` is the published table, from each state to the states that may follow. A pair that is not in it is refused by name
(REFUSED_TRANSITION), never ignored. ``LATER`` lists the pairs that belong to the full machine and wait for stop orders, amendments and
unknown outcomes (OMS-4, OMS-8, OMS-13): until then they are refused like any other.

An order is first seen when risk has decided, so it enters at APPROVED or DENIED; NEW and PENDING_RISK are the steps before that, whose
records are the request and the decision. A step from a state to itself is an event that changes quantities only: a further partial fill,
a fill while a cancel is under way, a late fill after a cancel.

>>> is_allowed(OrderStatus.PENDING_CANCEL, OrderStatus.FILLED)        # the fill won the race
True
>>> is_allowed(OrderStatus.CANCELLED, OrderStatus.CANCELLED)          # a late partial fill
True
>>> is_allowed(OrderStatus.REJECTED, OrderStatus.FILLED)
False
"""

from __future__ import annotations

from schemas.vocabulary import OrderStatus

NEW = OrderStatus.NEW
PENDING_RISK = OrderStatus.PENDING_RISK
APPROVED = OrderStatus.APPROVED
SUBMITTED = OrderStatus.SUBMITTED
ACCEPTED = OrderStatus.ACCEPTED
TRIGGERED = OrderStatus.TRIGGERED
PARTIALLY_FILLED = OrderStatus.PARTIALLY_FILLED
FILLED = OrderStatus.FILLED
PENDING_CANCEL = OrderStatus.PENDING_CANCEL
CANCELLED = OrderStatus.CANCELLED
PENDING_REPLACE = OrderStatus.PENDING_REPLACE
REPLACED = OrderStatus.REPLACED
REJECTED = OrderStatus.REJECTED
EXPIRED = OrderStatus.EXPIRED
DENIED = OrderStatus.DENIED
IN_DOUBT = OrderStatus.IN_DOUBT

TRANSITIONS: dict[OrderStatus, tuple[OrderStatus, ...]] = {
    NEW: (PENDING_RISK,),
    PENDING_RISK: (APPROVED, DENIED),
    APPROVED: (SUBMITTED,),
    SUBMITTED: (ACCEPTED, PARTIALLY_FILLED, FILLED, PENDING_CANCEL, CANCELLED, REJECTED, EXPIRED),
    ACCEPTED: (PARTIALLY_FILLED, FILLED, PENDING_CANCEL, CANCELLED, EXPIRED),
    PARTIALLY_FILLED: (PARTIALLY_FILLED, FILLED, PENDING_CANCEL, CANCELLED, EXPIRED),
    PENDING_CANCEL: (SUBMITTED, ACCEPTED, PARTIALLY_FILLED, PENDING_CANCEL, FILLED, CANCELLED, REJECTED, EXPIRED),
    CANCELLED: (CANCELLED, FILLED),
    EXPIRED: (EXPIRED, FILLED),
    FILLED: (),
    REJECTED: (),
    DENIED: (),
    TRIGGERED: (),
    PENDING_REPLACE: (),
    REPLACED: (),
    IN_DOUBT: (),
}

LATER: dict[OrderStatus, tuple[OrderStatus, ...]] = {
    SUBMITTED: (IN_DOUBT,),
    ACCEPTED: (TRIGGERED, PENDING_REPLACE, IN_DOUBT),
    TRIGGERED: (ACCEPTED, PARTIALLY_FILLED, FILLED, PENDING_CANCEL, PENDING_REPLACE, CANCELLED, REJECTED, EXPIRED, IN_DOUBT),
    PARTIALLY_FILLED: (PENDING_REPLACE, IN_DOUBT),
    PENDING_CANCEL: (IN_DOUBT,),
    PENDING_REPLACE: (REPLACED, ACCEPTED, PARTIALLY_FILLED, FILLED, PENDING_CANCEL, CANCELLED, REJECTED, EXPIRED, IN_DOUBT),
    REPLACED: (PARTIALLY_FILLED, FILLED, PENDING_CANCEL, PENDING_REPLACE, CANCELLED, EXPIRED, IN_DOUBT),
    IN_DOUBT: (SUBMITTED, ACCEPTED, PARTIALLY_FILLED, FILLED, PENDING_CANCEL, CANCELLED, REJECTED, EXPIRED),
}

STATES = len(OrderStatus)
ALLOWED: tuple[bool, ...] = tuple(later in TRANSITIONS.get(OrderStatus(now), ()) for now in range(STATES) for later in range(STATES))
"""``ALLOWED[now * STATES + later]``: the table as the hot path reads it."""

CLOSED: tuple[bool, ...] = tuple(status in (FILLED, CANCELLED, REJECTED, EXPIRED, DENIED) for status in range(STATES))
"""``CLOSED[status]``: the order works no more."""


def is_allowed(now: int, later: int) -> bool:
    """True if an order in state `now` may step to `later`."""
    return ALLOWED[now * STATES + later]
