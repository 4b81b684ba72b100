"""What a command does on arrival: the order rules, then a walk through the recorded book, then rest
or cancel.

Price-time priority against the recorded book: an incoming order takes the best price first, at that
(passive) price, and only what is displayed and not yet taken by us. Only what is left after
matching may rest. A market order that carries a protection price takes nothing beyond it.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from schemas.vocabulary import (
    Liquidity,
    OrderReason,
    OrderType,
    ReportKind,
    RequestKind,
    Side,
    TimeInForce,
)
from streams.numeric import book
from streams.numeric.book_queries import side_of
from streams.numeric.borrowing import inner_kernel
from streams.venue import latency_queue, levels, orders, rules
from streams.venue.state import NONE

BUY = np.int64(Side.BUY)
SELL = np.int64(Side.SELL)
NEW = np.int64(RequestKind.NEW)
MARKET = np.int64(OrderType.MARKET)
IOC = np.int64(TimeInForce.IOC)
TAKER = np.int64(Liquidity.TAKER)
NEITHER = np.int64(Liquidity.UNKNOWN)

ACCEPTED = np.int64(ReportKind.ACCEPTED)
REJECTED = np.int64(ReportKind.REJECTED)
FILL = np.int64(ReportKind.FILL)
CANCELLED = np.int64(ReportKind.CANCELLED)
CANCEL_REJECTED = np.int64(ReportKind.CANCEL_REJECTED)

FINE = np.int64(OrderReason.NONE)
USER_CANCEL = np.int64(OrderReason.USER_CANCEL)
IOC_REMAINDER = np.int64(OrderReason.IOC_REMAINDER)
NO_LIQUIDITY = np.int64(OrderReason.NO_LIQUIDITY)
PROTECTION_PRICE = np.int64(OrderReason.PROTECTION_PRICE)
UNKNOWN_ORDER = np.int64(OrderReason.UNKNOWN_ORDER)
ORDER_CLOSED = np.int64(OrderReason.ORDER_CLOSED)
DUPLICATE_ORDER = np.int64(OrderReason.DUPLICATE_ORDER)
WRONG_INSTRUMENT = np.int64(OrderReason.WRONG_INSTRUMENT)

ZERO = np.int64(0)
NO_FEE = np.uint64(0)


@inner_kernel
def arrive(state: Any, books: Any, command: Any) -> None:
    """Carry out a command that reaches the venue at the present clock, unless it waits for the
    market to open.
    """
    if state.source.holds(state, books, command):
        return
    if command.kind == NEW:
        _new_order(state, books, command)
    else:
        _cancel(state, command)


@inner_kernel
def _new_order(state: Any, books: Any, command: Any) -> None:
    """Refuse the order with a reason, or accept it, match it, and let the rest rest or cancel it.
    """
    if orders.find(state, command.order_id_high, command.order_id_low) != orders.UNKNOWN:
        _state_report(state, command, REJECTED, DUPLICATE_ORDER, ZERO, ZERO)
        return
    slot = book.slot_of(books, command.instrument)
    refusal = rules.refusal(state, books, command, slot)
    if refusal != FINE:
        _state_report(state, command, REJECTED, refusal, ZERO, ZERO)
        orders.remember_closed(state, command.order_id_high, command.order_id_low)
        return
    _state_report(state, command, ACCEPTED, FINE, ZERO, command.quantity)
    state.venue.begin(state, state.markets[slot], command)
    filled = _take(state, books, command, slot)
    if filled < command.quantity and command.order_type != MARKET and command.time_in_force != IOC:
        orders.rest(state, books, command, slot, filled)
        return
    if filled < command.quantity:
        _state_report(
            state, command, CANCELLED, _why_not_more(state, books, command, slot), filled, ZERO
        )
    orders.remember_closed(state, command.order_id_high, command.order_id_low)


@inner_kernel
def _why_not_more(state: Any, books: Any, command: Any, slot: int) -> Any:
    """Why the rest of an order that does not rest is cancelled."""
    if command.order_type != MARKET:
        return IOC_REMAINDER
    is_beyond = (
        command.price != 0
        and levels.best_available(state, books, slot, SELL if command.side == BUY else BUY) != 0
    )
    return PROTECTION_PRICE if is_beyond else NO_LIQUIDITY


@inner_kernel
def _take(state: Any, books: Any, command: Any, slot: int) -> Any:
    """Walk the recorded book from its best price; returns the quantity filled. What is taken is
    remembered level by level.
    """
    passive = SELL if command.side == BUY else BUY
    filled = ZERO
    price = side_of(books, slot, passive).price
    while price != 0 and filled < command.quantity and rules.within_limit(command, price):
        quantity = min(
            command.quantity - filled, levels.available(state, books, slot, passive, price)
        )
        if quantity > 0:
            place = levels.watch(state, books, slot, passive, price)
            if place == NONE:
                return filled
            levels.consume(state, place, quantity)
            filled += quantity
            report_fill(state, command, price, quantity, filled, TAKER)
        if filled < command.quantity:
            price = book.next_level(books, slot, passive, price)
    return filled


@inner_kernel
def _cancel(state: Any, command: Any) -> None:
    """Cancel a resting order; one that was filled or cancelled first has won the race."""
    place = orders.find(state, command.order_id_high, command.order_id_low)
    if place == orders.UNKNOWN or place == orders.CLOSED:
        reason = UNKNOWN_ORDER if place == orders.UNKNOWN else ORDER_CLOSED
        _state_report(state, command, CANCEL_REJECTED, reason, ZERO, ZERO)
        return
    order = state.orders[place]
    if order.instrument != command.instrument:
        _state_report(state, command, CANCEL_REJECTED, WRONG_INSTRUMENT, ZERO, ZERO)
        return
    _state_report(state, order, CANCELLED, USER_CANCEL, order.filled, ZERO)
    orders.remove(state, place)


@inner_kernel
def report_unplaced(state: Any, order: Any) -> None:
    """An order that never came to the market is cancelled by its owner."""
    _state_report(state, order, CANCELLED, USER_CANCEL, ZERO, ZERO)
    orders.remember_closed(state, order.order_id_high, order.order_id_low)


@inner_kernel
def _state_report(state: Any, order: Any, kind: int, reason: int, filled: int, leaves: int) -> None:
    """A report that is not a fill."""
    latency_queue.post_report(
        state, order, kind, reason, ZERO, ZERO, ZERO, filled, leaves, NEITHER, ZERO, NO_FEE
    )


@inner_kernel
def report_fill(
    state: Any, order: Any, price: int, quantity: int, filled: int, liquidity: int
) -> None:
    """A fill of ``quantity`` at ``price``; ``filled`` includes it. Trade ids count up over the
    whole venue.
    """
    counters = state.counters[0]
    counters.trade_id += 1
    high, low = state.venue.charge(state, order, price, quantity, liquidity)
    latency_queue.post_report(
        state,
        order,
        FILL,
        FINE,
        counters.trade_id,
        price,
        quantity,
        filled,
        order.quantity - filled,
        liquidity,
        high,
        low,
    )
