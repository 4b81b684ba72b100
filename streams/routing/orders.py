"""How orders enter the pool, close and are forgotten; there must be room."""

from __future__ import annotations

from typing import Any

import numpy as np

from schemas.vocabulary import OrderType
from streams.numeric.borrowing import inner_kernel
from streams.numeric.pool import append, find_row, give_row, has_room, take_row, unlink
from streams.numeric.table import table_at
from streams.routing.records import ORDER, TRADE

LIMIT_ORDER = np.int64(OrderType.LIMIT)
NO_TRADES = np.int64(-1)


@inner_kernel
def find_order(routing: Any, record: Any) -> Any:
    """Place of the order that a record names, live or closed, -1 if it is not known."""
    return find_row(routing.orders, record.order_id_high, record.order_id_low)


@inner_kernel
def can_enter(routing: Any, orders: Any, is_denied: Any) -> Any:
    """True if there is room for one order more: one that is denied may take the place of the oldest
    closed one.
    """
    if is_denied and routing.closed.count >= routing.closed_orders:
        return True
    return has_room(routing.orders, orders)


@inner_kernel
def enter_order(routing: Any, orders: Any, decision: Any, status: Any, price: Any) -> Any:
    """An order of a decision's terms, in none of the chains yet; returns its place."""
    place = take_row(routing.orders, orders, decision.order_id_high, decision.order_id_low)
    order = orders[place]
    order.order_id_high = decision.order_id_high
    order.order_id_low = decision.order_id_low
    order.account = decision.account
    order.strategy = decision.strategy
    order.instrument = decision.instrument
    order.side = decision.side
    order.order_type = decision.order_type
    order.time_in_force = decision.time_in_force
    order.quantity = decision.quantity
    order.price = price
    order.status = status
    order.filled_quantity = 0
    order.accepted = 0
    order.cancel_reason = 0
    order.trades.first = NO_TRADES
    order.trades.last = NO_TRADES
    order.trades.count = 0
    return place


@inner_kernel
def add_trade(routing: Any, order: Any, place: Any, report: Any) -> None:
    """Remember a fill of the order at a place."""
    trades = table_at(routing.trades.rows, TRADE)
    trade_place = take_row(routing.trades, trades, place, report.venue_trade_id)
    trades[trade_place].order_place = place
    trades[trade_place].venue_trade_id = report.venue_trade_id
    trades[trade_place].quantity = report.quantity
    append(order.trades, trades, trade_place)


@inner_kernel
def close_order(routing: Any, orders: Any, place: Any) -> None:
    """A live order is the latest of the closed ones, of which the oldest may have to go."""
    unlink(routing.live, orders, place)
    forget_oldest(routing, orders)
    append(routing.closed, orders, place)


@inner_kernel
def forget_oldest(routing: Any, orders: Any) -> None:
    """Make room for one more closed order where as many are kept as may be."""
    if routing.closed.count < routing.closed_orders:
        return
    place = routing.closed.first
    order = orders[place]
    trades = table_at(routing.trades.rows, TRADE)
    trade_place = order.trades.first
    while trade_place >= 0:
        following = trades[trade_place].next_row
        give_row(routing.trades, trades, trade_place, place, trades[trade_place].venue_trade_id)
        trade_place = following
    unlink(routing.closed, orders, place)
    give_row(routing.orders, orders, place, order.order_id_high, order.order_id_low)


__all__ = [
    "ORDER", "add_trade", "can_enter", "close_order", "enter_order", "find_order", "forget_oldest",
]  # fmt: skip
