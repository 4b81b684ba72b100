"""What becomes of an order that is modified (``streams/numeric/replacements.py``)."""

from __future__ import annotations

from typing import Any

import numpy as np

from schemas.compiled.order_event import DTYPE as EVENT
from schemas.compiled.order_request import DTYPE as REQUEST
from schemas.vocabulary import OrderReason, OrderStatus, OrderType, RequestKind, TimeInForce
from streams.numeric.borrowing import borrowing_kernel, inner_kernel
from streams.numeric.pool import find_row
from streams.numeric.replacements import REPLACEMENT, REPLACING, forget
from streams.numeric.stage_records import set_fault, words
from streams.numeric.strategy_view import has_room_to_ask, note_request
from streams.numeric.table import record_at, table_at
from streams.signals.view_rules import CLOSED

ENDED = np.int64(sum(1 << int(status) for status in CLOSED))
"""A bit for each status of an order that works no more."""
CANCELLED, CANCEL_REJECTED = int(OrderStatus.CANCELLED), int(OrderReason.CANCEL_REJECTED)
NEW_ORDER, LIMIT = np.int64(RequestKind.NEW), int(OrderType.LIMIT)
GTC = int(TimeInForce.GTC)
ON_EVENT = 0
VIEW_FULL = np.int64(13)
"""The fault after which the view's open orders are to have room; there is no other."""
OUTPUTS = np.dtype(words("requests requests_used"))


@inner_kernel
def on_order_event(replacing: Any, event: Any, clock: Any, out: Any) -> None:
    """The old order has ended, or works on."""
    place = find_row(replacing.orders, event.order_id_high, event.order_id_low)
    if place < 0 or event.refused != 0:
        return
    if event.reason == CANCEL_REJECTED:
        forget(replacing, place)
        return
    if (ENDED >> event.status) & 1 == 0:
        return
    new = table_at(replacing.orders.rows, REPLACEMENT)[place]
    left = new.quantity - event.filled_quantity
    if event.status == CANCELLED and left > 0:
        if not has_room_to_ask(replacing.view_at, 1):
            set_fault(replacing, VIEW_FULL, np.int64(-1), np.int64(0), np.int64(0))
            return
        send(replacing, new, left, clock, out)
    forget(replacing, place)


@inner_kernel
def send(replacing: Any, new: Any, left: Any, clock: Any, out: Any) -> None:
    """Ask for the new order, which is open from now on."""
    request = table_at(out.requests, REQUEST)[out.requests_used]
    out.requests_used += 1
    request.order_id_high = new.new_high
    request.order_id_low = new.new_low
    request.account = replacing.account
    request.strategy = replacing.strategy
    request.instrument = new.instrument
    request.event_time = clock
    request.kind = NEW_ORDER
    request.side = new.side
    request.order_type = LIMIT
    request.time_in_force = GTC
    request.post_only = new.post_only
    request.quantity = left
    request.price = new.price
    note_request(
        replacing.view_at, NEW_ORDER, new.new_high, new.new_low, new.instrument, new.side, left,
        new.price,
    )  # fmt: skip


@borrowing_kernel
def handle(kind: Any, replacing_at: Any, given: Any, clock: Any, out: Any) -> Any:
    """The one entry. Returns the fault's code, 0 for none."""
    replacing = record_at(replacing_at, REPLACING)
    on_order_event(replacing, record_at(given, EVENT), clock, record_at(out, OUTPUTS))
    return replacing.fault.code
