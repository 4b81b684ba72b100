"""Estimates of how much stands ahead of a strategy's resting orders in their queues, for those
whose READS has "queue": by the risk-averse rule (``queue_position.py``), from what the strategy may
know: trades, the book, its own fills and what it was told of its orders.

An order joins behind all that its level displays when an event says that it is at the venue. With
latency, that is later than it joined; it is an estimate.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from schemas.vocabulary import Liquidity, OrderStatus, Side
from streams.numeric.book_reads import BOOK_SIZE, READ_SIZE
from streams.numeric.borrowing import borrowing_kernel, inner_kernel
from streams.numeric.bounds import QUANTITY_MAX
from streams.numeric.entry_calls import call_stage
from streams.numeric.pool import find_row
from streams.numeric.queue_position import after_cancellation, take_from_front
from streams.numeric.strategy_view import ORDER, UNKNOWN, VIEW
from streams.numeric.table import record_at, table_at

BUY, SELL, MAKER = np.int64(Side.BUY), np.int64(Side.SELL), np.int64(Liquidity.MAKER)
ACCEPTED = np.int64(OrderStatus.ACCEPTED)
PARTIALLY_FILLED = np.int64(OrderStatus.PARTIALLY_FILLED)
NONE = np.int64(0)


@inner_kernel
def note_event(view: Any, event: Any) -> None:
    """A limit order that an event says is at the venue joins the queue of its level."""
    is_there = event.status == ACCEPTED or event.status == PARTIALLY_FILLED
    if not is_there or event.price == 0:
        return
    orders = table_at(view.orders.rows, ORDER)
    place = find_row(view.orders, event.order_id_high, event.order_id_low)
    if place >= 0 and orders[place].is_resting == 0:
        orders[place].is_resting = 1
        ask_books(view, orders[place])


@inner_kernel
def note_depth(view: Any, instrument: Any) -> None:
    """The book of an instrument has taken an update."""
    orders = table_at(view.orders.rows, ORDER)
    place = view.live.first
    while place >= 0:
        order = orders[place]
        if order.is_resting != 0 and order.instrument == instrument:
            ask_books(view, order)
        place = order.next_row


@inner_kernel
def estimate_at(view: Any, place: Any) -> Any:
    """The estimate for the open order at a place (-1: none), UNKNOWN without one.

    The book may have taken an update that the view has not seen: the quote that comes of it wakes
    the strategy first. Following it now or later is the same.
    """
    if place < 0:
        return UNKNOWN
    order = table_at(view.orders.rows, ORDER)[place]
    if order.is_resting != 0:
        ask_books(view, order)
    return order.queue_ahead


@borrowing_kernel
def find_estimate(view_address: Any, order_high: Any, order_low: Any) -> Any:
    """The same for the order with an id."""
    view = record_at(view_address, VIEW)
    return estimate_at(view, find_row(view.orders, order_high, order_low))


@inner_kernel
def ask_books(view: Any, order: Any) -> None:
    """Follow what the level of an order displays now; nothing while the book is out of sync."""
    if view.books_entry == 0:
        return
    read = record_at(view.asked_at, BOOK_SIZE)
    read.instrument, read.side, read.price = order.instrument, order.side, order.price
    code = call_stage(view.books_entry, READ_SIZE, view.books, view.asked_at, NONE, NONE)
    if code > 0:
        view.books_code = code
    elif read.is_synced != 0:
        follow_size(order, read.quantity)


@inner_kernel
def follow_size(order: Any, displayed: Any) -> None:
    """The level of an order displays this much."""
    if order.queue_ahead < 0:
        order.queue_ahead = displayed
    elif displayed != order.displayed:
        order.queue_ahead = after_cancellation(
            order.queue_ahead, order.displayed, displayed, order.traded
        )
    else:
        return
    order.displayed = displayed
    order.traded = 0


@borrowing_kernel
def follow_size_at(view_address: Any, place: Any, displayed: Any) -> None:
    """The same of the order at a place, for a caller in Python."""
    follow_size(table_at(record_at(view_address, VIEW).orders.rows, ORDER)[place], displayed)


@inner_kernel
def note_trade(view: Any, trade: Any) -> None:
    """A print takes from the queues on the side that it hit: nobody is ahead any more at a better
    price than its own, and at its price it takes those ahead of us first.
    """
    if trade.quantity <= 0 or (trade.aggressor_side != BUY and trade.aggressor_side != SELL):
        return
    side = BUY if trade.aggressor_side == SELL else SELL
    orders = table_at(view.orders.rows, ORDER)
    left = trade.quantity
    place = view.live.first
    while place >= 0:
        order = orders[place]
        if is_in_queue(order, trade.instrument, side) and is_passed(order, trade.price):
            order.queue_ahead = 0
            left -= min(left, order.remaining)
        place = order.next_row
    others = np.int64(0)
    place = view.live.first
    while place >= 0:
        order = orders[place]
        if is_in_queue(order, trade.instrument, side) and order.price == trade.price:
            order.traded += min(trade.quantity, QUANTITY_MAX - order.traded)
            passed = take_from_front(order, left, others)
            others += passed
            left -= passed
            left -= min(left, order.remaining)
        place = order.next_row


@inner_kernel
def is_in_queue(order: Any, instrument: Any, side: Any) -> Any:
    """True for an order with an estimate on this side of an instrument."""
    return order.queue_ahead >= 0 and order.instrument == instrument and order.side == side


@inner_kernel
def is_passed(order: Any, price: Any) -> Any:
    """True if a print at ``price`` is beyond the order's."""
    return order.price > price if order.side == BUY else order.price < price


@inner_kernel
def note_fill(view: Any, fill: Any) -> None:
    """Who is filled where it rests has nobody ahead."""
    place = find_row(view.orders, fill.order_id_high, fill.order_id_low)
    if place >= 0 and fill.liquidity == MAKER:
        order = table_at(view.orders.rows, ORDER)[place]
        if order.queue_ahead > 0:
            order.queue_ahead = 0
