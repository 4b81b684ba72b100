"""Orders that are modified: cancelled, and sent again with other terms once the venue has said that
they are cancelled.

``orders.events``  ->  ``orders.requests``

The new order waits for the end of the old one, so both never work at a time. Its quantity is the
whole order's, as in FIX: what the old one had filled by its end is taken off. Where nothing is
left, where the old order was filled, or where the venue refused the cancel, no new order is sent.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from schemas.records import Instrument, OrderEvent, OrderRequest
from schemas.vocabulary import OrderReason, OrderStatus, OrderType, RequestKind, TimeInForce
from streams.signals.view_rules import CLOSED

NAME = "replacements"
NO_TIMER = 2**63 - 1
NEW_ORDER, LIMIT, GTC = int(RequestKind.NEW), int(OrderType.LIMIT), int(TimeInForce.GTC)
CANCELLED, CANCEL_REJECTED = int(OrderStatus.CANCELLED), int(OrderReason.CANCEL_REJECTED)


class Replacement(msgspec.Struct, array_like=True):
    """What is sent in an order's place."""

    order_id: str
    instrument: int
    side: int
    quantity: int
    """of the whole order, what the old one fills included"""
    price: int
    post_only: bool


class State(msgspec.Struct):
    """Replacements by the id of the order that is cancelled for them."""

    timer: int = NO_TIMER
    waiting: dict[str, Replacement] = {}


class Replacements:
    """Sends them. It stands behind the strategy, which hears first that its old order has ended."""

    NAME = NAME
    INPUTS = ("orders.events",)
    OUTPUTS = ("orders.requests",)
    STATE_VERSION = 1
    STRATEGY = 1

    def __init__(self, instruments: Sequence[Instrument], settings: Any) -> None:
        self.state = State()

    def on_order_event(self, record: OrderEvent, context: Any) -> None:
        """The old order has ended, or works on."""
        waiting = self.state.waiting
        if record.order_id not in waiting or record.refused:
            return
        if record.reason == CANCEL_REJECTED:
            del waiting[record.order_id]
        elif record.status in CLOSED:
            new = waiting.pop(record.order_id)
            quantity = new.quantity - record.filled_quantity
            if record.status == CANCELLED and quantity > 0:
                context.emit(
                    OrderRequest(
                        new.order_id, context.account, self.STRATEGY, new.instrument, context.clock, NEW_ORDER, new.side, LIMIT,
                        GTC, new.post_only, quantity, new.price,
                    )
                )  # fmt: skip

    def of(self, order_id: str) -> Replacement | None:
        """The replacement of this order, or the one that will have this id."""
        waiting = self.state.waiting
        return waiting.get(order_id) or next(
            (new for new in waiting.values() if new.order_id == order_id), None
        )

    def drop(self, order_id: str) -> None:
        """The strategy cancels an order, by the id of the old or of the new one: nothing is sent in
        its place.
        """
        waiting = self.state.waiting
        for old in [old for old, new in waiting.items() if order_id in (old, new.order_id)]:
            del waiting[old]
