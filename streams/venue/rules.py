"""The venue's order rules: steps, minimum and maximum sizes, and what a command must not combine.

Source: Binance's PRICE_FILTER, LOT_SIZE and NOTIONAL filters (reference: exchange filters of its order rules). The steps bind orders only;
recorded data off the steps is kept. A contract's multiplier is not part of the notional here.
"""

from __future__ import annotations

from typing import Any

from schemas.kernel import kernel
from schemas.vocabulary import OrderReason, OrderType, Side, TimeInForce
from streams.numeric import wide
from streams.venue import levels
from streams.venue.state import NONE

BUY = int(Side.BUY)
SELL = int(Side.SELL)
MARKET = int(OrderType.MARKET)
LIMIT = int(OrderType.LIMIT)
GTC = int(TimeInForce.GTC)
IOC = int(TimeInForce.IOC)
FINE = int(OrderReason.NONE)
INVALID_ORDER = int(OrderReason.INVALID_ORDER)
BOOK_NOT_SYNCED = int(OrderReason.BOOK_NOT_SYNCED)
POST_ONLY_WOULD_CROSS = int(OrderReason.POST_ONLY_WOULD_CROSS)


@kernel
def refusal(state: Any, books: Any, command: Any, slot: int) -> int:
    """Why the venue refuses the order, FINE if it does not. Checked in this order: form, sync, market notional, post-only."""
    if slot == NONE or not _well_formed(state.markets[slot], command):
        return INVALID_ORDER
    if books.synced[slot] == 0:
        return BOOK_NOT_SYNCED
    opposite = levels.best_available(state, books, slot, SELL if command.side == BUY else BUY)
    if command.order_type == MARKET and opposite != 0 and _below_minimum_notional(state.markets[slot], opposite, command.quantity):
        return INVALID_ORDER
    if command.post_only != 0 and opposite != 0 and within_limit(command, opposite):
        return POST_ONLY_WOULD_CROSS
    return FINE


@kernel
def within_limit(command: Any, price: int) -> bool:
    """True if the order may trade at this price of the other side."""
    if command.order_type == MARKET:
        return True
    return price <= command.price if command.side == BUY else price >= command.price


@kernel
def _well_formed(market: Any, command: Any) -> bool:
    """Everything that can be judged without the book. A market order has no time in force; post-only is for resting limit orders."""
    if command.side != BUY and command.side != SELL:
        return False
    if command.quantity <= 0 or command.quantity % market.lot_size != 0 or command.quantity < market.minimum_quantity:
        return False
    if market.maximum_quantity > 0 and command.quantity > market.maximum_quantity:
        return False
    if command.order_type == MARKET:
        return command.post_only == 0
    if command.order_type != LIMIT or command.price <= 0 or command.price % market.tick_size != 0:
        return False
    if command.time_in_force != GTC and (command.time_in_force != IOC or command.post_only != 0):
        return False
    return not _below_minimum_notional(market, command.price, command.quantity)


@kernel
def _below_minimum_notional(market: Any, price: int, quantity: int) -> bool:
    high, low = wide.mul(price, quantity)
    return wide.compare(high, low, market.minimum_notional_high, market.minimum_notional_low) < 0
