"""Orders that work: how one is sent, and what closes the distance to a target."""

from __future__ import annotations

from typing import Any

from streams.numeric.borrowing import inner_kernel
from streams.numeric.identity import next_id
from streams.numeric.int128 import is_int64, narrow, wide
from streams.numeric.pool import append, find_row, give_row, take_row, unlink
from streams.numeric.stage_records import NO_ENTITY, NOTHING, set_fault
from streams.numeric.table import table_at
from streams.signals.sizing.records import (
    NO_IDS,
    ORDER,
    ORDERS_FULL,
    QUANTITY_TOO_LARGE,
    REQUEST,
    REQUESTS_FULL,
    STRATEGY_POSITION,
)
from streams.signals.sizing.writing import write_request


@inner_kernel
def too_large(sizing: Any, strategy: Any, instrument: Any) -> None:
    """The fault of a quantity that int64 does not hold."""
    set_fault(sizing, QUANTITY_TOO_LARGE, instrument, strategy, NOTHING)


@inner_kernel
def to_target(sizing: Any, signal: Any, target: Any, position: Any, working: Any, lot: Any) -> Any:
    """Signed quantity that closes the distance to the target, rounded down to the lot; a fault is
    left where 64 bits do not hold it. ``signal``: anything with a strategy and an instrument.
    """
    distance = wide(target) - position - working
    if not is_int64(distance):
        too_large(sizing, signal.strategy, signal.instrument)
        return NOTHING
    delta = narrow(distance)
    quantity = abs(delta)
    quantity -= quantity % lot
    signed = quantity if delta > 0 else -quantity
    if not is_int64(wide(working) + signed):
        too_large(sizing, signal.strategy, signal.instrument)
        return NOTHING
    return signed


@inner_kernel
def can_send(sizing: Any, count: Any, ids: Any, out: Any) -> Any:
    """True if so many orders can be sent, else a fault is left; ``ids``: False if there are not as
    many ids.
    """
    orders = table_at(sizing.orders.rows, ORDER)
    requests = table_at(out.requests, REQUEST)
    if not ids:
        set_fault(sizing, NO_IDS, NO_ENTITY, NOTHING, NOTHING)
    elif sizing.working.count + count > len(orders):
        set_fault(sizing, ORDERS_FULL, NO_ENTITY, sizing.working.count + count, NOTHING)
    elif out.requests_used + count > len(requests):
        set_fault(sizing, REQUESTS_FULL, NO_ENTITY, out.requests_used + count, NOTHING)
    else:
        return True
    return False


@inner_kernel
def send(sizing: Any, place: Any, signed: Any, clock: Any, ids: Any, out: Any) -> None:
    """Send an order for the strategy position at this place, unless it would be one of nothing.
    There must be room.
    """
    row = table_at(sizing.positions, STRATEGY_POSITION)[place]
    row.is_pending = NOTHING
    if signed == 0:
        return
    order_high, order_low = next_id(ids)
    orders = table_at(sizing.orders.rows, ORDER)
    at = take_row(sizing.orders, orders, order_high, order_low)
    order = orders[at]
    order.order_id_high = order_high
    order.order_id_low = order_low
    order.position_place = place
    order.leaves = signed
    append(sizing.working, orders, at)
    row.working = narrow(wide(row.working) + signed)
    row.traded_at = clock
    write_request(sizing, row, signed, order_high, order_low, clock, out)


@inner_kernel
def find_order(sizing: Any, record: Any) -> Any:
    """Place of the working order that a record names, -1 if it is none of ours."""
    return find_row(sizing.orders, record.order_id_high, record.order_id_low)


@inner_kernel
def close_order(sizing: Any, at: Any) -> None:
    """The order works no more."""
    orders = table_at(sizing.orders.rows, ORDER)
    unlink(sizing.working, orders, at)
    give_row(sizing.orders, orders, at, orders[at].order_id_high, orders[at].order_id_low)
