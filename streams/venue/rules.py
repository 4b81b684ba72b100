"""The order rules: steps, minimum and maximum sizes, and what a command must not combine. Steps are
the venue's own (``models.py``).

Source: Binance's PRICE_FILTER, LOT_SIZE and NOTIONAL filters (reference: exchange filters of its
order rules). The steps bind orders only; recorded data off the steps is kept. A contract's
multiplier is not part of the notional here.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from schemas.vocabulary import OrderReason, OrderType, Side, TimeInForce
from streams.numeric import wide
from streams.numeric.borrowing import inlined_kernel, inner_kernel
from streams.venue import levels
from streams.venue.state import NONE

BUY = np.int64(Side.BUY)
SELL = np.int64(Side.SELL)
MARKET = np.int64(OrderType.MARKET)
LIMIT = np.int64(OrderType.LIMIT)
GTC = np.int64(TimeInForce.GTC)
IOC = np.int64(TimeInForce.IOC)
FINE = np.int64(OrderReason.NONE)
INVALID_ORDER = np.int64(OrderReason.INVALID_ORDER)
BOOK_NOT_SYNCED = np.int64(OrderReason.BOOK_NOT_SYNCED)
POST_ONLY_WOULD_CROSS = np.int64(OrderReason.POST_ONLY_WOULD_CROSS)


@inner_kernel
def refusal(state: Any, books: Any, command: Any, slot: int) -> Any:
    """Why the venue refuses the order, FINE if it does not. Checked in this order: form, sync,
    market notional, post-only.
    """
    if slot == NONE or not _well_formed(state, state.markets[slot], command):
        return INVALID_ORDER
    if books.books[slot].synced == 0:
        return BOOK_NOT_SYNCED
    opposite = levels.best_available(state, books, slot, SELL if command.side == BUY else BUY)
    if (
        command.order_type == MARKET
        and opposite != 0
        and _below_minimum_notional(state.markets[slot], opposite, command.quantity)
    ):
        return INVALID_ORDER
    if command.post_only != 0 and opposite != 0 and within_limit(command, opposite):
        return POST_ONLY_WOULD_CROSS
    return FINE


@inlined_kernel
def within_limit(command: Any, price: int) -> Any:
    """True if the order may trade at this price of the other side. A market order's price is its
    protection, 0 for none.
    """
    if command.order_type == MARKET and command.price == 0:
        return True
    return price <= command.price if command.side == BUY else price >= command.price


@inlined_kernel
def _well_formed(state: Any, market: Any, command: Any) -> Any:
    """Everything that can be judged without the book. A market order has no time in force;
    post-only is for resting limit orders.
    """
    if command.side != BUY and command.side != SELL:
        return False
    if command.quantity <= 0 or command.quantity < market.minimum_quantity:
        return False
    if not state.venue.is_on_lot(market, command.quantity):
        return False
    if market.maximum_quantity > 0 and command.quantity > market.maximum_quantity:
        return False
    if command.order_type == MARKET:
        return command.post_only == 0
    if command.order_type != LIMIT or command.price <= 0:
        return False
    if not state.venue.is_on_tick(market, command.price):
        return False
    if command.time_in_force != GTC and (command.time_in_force != IOC or command.post_only != 0):
        return False
    return not _below_minimum_notional(market, command.price, command.quantity)


@inlined_kernel
def _below_minimum_notional(market: Any, price: int, quantity: int) -> Any:
    high, low = wide.mul(price, quantity)
    return wide.compare(high, low, market.minimum_notional_high, market.minimum_notional_low) < 0
