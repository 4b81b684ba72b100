"""How what routing emits is written into the next free row of its outputs; there must be one."""

from __future__ import annotations

from typing import Any

import numpy as np

from schemas.vocabulary import OrderReason, OrderStatus, RequestKind
from streams.numeric import bounds
from streams.numeric.borrowing import inner_kernel
from streams.numeric.int128 import is_int64, narrow, wide
from streams.numeric.table import table_at
from streams.routing.machine import works_no_more
from streams.routing.records import COMMAND, EVENT, FILL

NO_STATUS = np.int64(OrderStatus.UNKNOWN)
ORDER_CLOSED = np.int64(OrderReason.ORDER_CLOSED)
REFUSED_TRANSITION = np.int64(OrderReason.REFUSED_TRANSITION)
UNKNOWN_ORDER = np.int64(OrderReason.UNKNOWN_ORDER)
NEW_ORDER, CANCEL_ORDER = np.int64(RequestKind.NEW), np.int64(RequestKind.CANCEL)
INT64_MAX = np.int64(bounds.INT64_MAX)
NO, YES = np.int64(0), np.int64(1)


@inner_kernel
def _event_row(out: Any) -> Any:
    """The next row of events."""
    place = out.events_used
    out.events_used = place + 1
    return place


@inner_kernel
def write_event(order: Any, reason: Any, clock: Any, refused: Any, out: Any) -> None:
    """The order as it stands now, and why; `refused`: 1 for an event that changed nothing."""
    row = table_at(out.events, EVENT)[_event_row(out)]
    row.order_id_high = order.order_id_high
    row.order_id_low = order.order_id_low
    row.account = order.account
    row.strategy = order.strategy
    row.instrument = order.instrument
    row.event_time = clock
    row.status = order.status
    row.reason = reason
    row.side = order.side
    row.quantity = order.quantity
    row.price = order.price
    row.filled_quantity = order.filled_quantity
    row.refused = refused


@inner_kernel
def refuse_step(order: Any, clock: Any, out: Any) -> None:
    """A step the machine does not take from the order's present state."""
    reason = ORDER_CLOSED if works_no_more(order.status) else REFUSED_TRANSITION
    write_event(order, reason, clock, YES, out)


@inner_kernel
def refuse_unknown(
    record: Any, account: Any, strategy: Any, quantity: Any, clock: Any, out: Any
) -> None:
    """A report or a cancel of an order that routing does not know, or knows no more."""
    row = table_at(out.events, EVENT)[_event_row(out)]
    row.order_id_high = record.order_id_high
    row.order_id_low = record.order_id_low
    row.account = account
    row.strategy = strategy
    row.instrument = record.instrument
    row.event_time = clock
    row.status = NO_STATUS
    row.reason = UNKNOWN_ORDER
    row.side = record.side
    row.quantity = quantity
    row.price = record.price
    row.filled_quantity = 0
    row.refused = YES


@inner_kernel
def quantity_of(report: Any) -> Any:
    """The quantity of the order that a report is about, as far as 64 bits can say it."""
    whole = wide(report.cumulative_quantity) + wide(report.leaves_quantity)
    return narrow(whole) if is_int64(whole) else INT64_MAX


@inner_kernel
def write_new(decision: Any, clock: Any, out: Any) -> None:
    """The command that sends what was approved. The price of a market order is its protection,
    which is the venue's to keep.
    """
    row = table_at(out.commands, COMMAND)[out.commands_used]
    out.commands_used += 1
    row.order_id_high = decision.order_id_high
    row.order_id_low = decision.order_id_low
    row.instrument = decision.instrument
    row.event_time = clock
    row.kind = NEW_ORDER
    row.side = decision.side
    row.order_type = decision.order_type
    row.time_in_force = decision.time_in_force
    row.post_only = decision.post_only
    row.quantity = decision.quantity
    row.price = decision.price


@inner_kernel
def write_cancel(order: Any, clock: Any, out: Any) -> None:
    """The command that asks for the cancel of what is left of an order."""
    row = table_at(out.commands, COMMAND)[out.commands_used]
    out.commands_used += 1
    row.order_id_high = order.order_id_high
    row.order_id_low = order.order_id_low
    row.instrument = order.instrument
    row.event_time = clock
    row.kind = CANCEL_ORDER
    row.side = order.side
    row.order_type = order.order_type
    row.time_in_force = order.time_in_force
    row.post_only = NO
    row.quantity = order.quantity - order.filled_quantity
    row.price = order.price


@inner_kernel
def write_fill(order: Any, report: Any, out: Any) -> Any:
    """Write the Fill into the next row and return its place, without counting it."""
    place = out.fills_used
    row = table_at(out.fills, FILL)[place]
    row.order_id_high = order.order_id_high
    row.order_id_low = order.order_id_low
    row.account = order.account
    row.strategy = order.strategy
    row.instrument = order.instrument
    row.event_time = report.venue_time
    row.side = order.side
    row.price = report.price
    row.quantity = report.quantity
    row.liquidity = report.liquidity
    row.fee_high = report.fee_high
    row.fee_low = report.fee_low
    row.venue_trade_id = report.venue_trade_id
    return place
