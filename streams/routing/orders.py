"""What routing remembers of orders: every live one, and a bounded ring of those closed last.

A closed order is kept for a while so that a late fill finds it and a repeated id or trade id is known; the oldest is forgotten when the
ring is full, so that the state does not grow with the number of orders ever sent.
"""

from __future__ import annotations

import msgspec

from streams.numeric.ring import keep

NO_TIMER = 2**63 - 1


class Order(msgspec.Struct, array_like=True, gc=False):
    """One order as the venue's reports have left it. Quantities in units of the instrument's precision, never negative."""

    order_id: str
    account: int
    strategy: int
    instrument: int
    side: int
    order_type: int
    time_in_force: int
    quantity: int
    price: int
    status: int
    filled_quantity: int = 0
    accepted: bool = False
    cancel_reason: int = 0
    """why its cancel was asked for (an OrderReason); 0 while none is under way"""
    trade_ids: dict[int, int] = {}
    """quantity of each of its fills by venue trade id"""


class State(msgspec.Struct):
    """Everything the stage remembers."""

    timer: int
    live: dict[str, Order]
    closed: dict[str, Order]
    ring: list[str]
    """ids of the closed orders; once full, the slot at `ring_next` is the oldest"""
    ring_next: int = 0


def new_state() -> State:
    """No orders."""
    return State(NO_TIMER, {}, {}, [])


def close(state: State, order: Order, capacity: int) -> None:
    """Move an order to the ring of closed ones, forgetting the oldest where `capacity` are kept already."""
    state.live.pop(order.order_id, None)
    state.ring_next = keep(state.closed, state.ring, state.ring_next, order.order_id, order, capacity)


def find(state: State, order_id: str) -> Order | None:
    """The order, live or among the closed ones still known."""
    order = state.live.get(order_id)
    return order if order is not None else state.closed.get(order_id)
