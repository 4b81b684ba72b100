"""The prices that an order sees, may cost and is protected by, and the position it may make.

A limit order is valued at its price. A market order is valued at the far touch of the last mark:
buys at the ask, sells at the bid; against the *maximum* notional a market buy is valued at the ask
plus the collar, the worst price the band lets pass. What it may cost the account is in
``account.py``. ``listed`` is the row of the instrument.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from schemas.vocabulary import Flag, OrderType, Side
from streams.numeric.borrowing import inner_kernel
from streams.numeric.bounds import PRICE_MAX
from streams.numeric.fixed import divide_down
from streams.numeric.int128 import join, larger, narrow, smaller, wide
from streams.risk.check import BASIS_POINT_DECIMALS

BUY = int(Side.BUY)
MARKET = int(OrderType.MARKET)
UNUSABLE = int(Flag.STALE | Flag.GAP | Flag.CROSSED)
"""No order goes by a mark with one of these flags."""
COLLAR_UNIT: int = 10_000 * 10**BASIS_POINT_DECIMALS
"""A band of the whole price, in the unit of ``price_collar_bp`` as a row keeps it."""
PROTECTION = COLLAR_UNIT // 20
"""Distance of a protection price from the touch where there is no price collar, in the same unit.
"""
NO_PRICE = np.int64(0)


@inner_kernel
def touch_of(listed: Any, buy: Any) -> Any:
    """The price that a market order sees; 0 for none."""
    return listed.ask_price if buy else listed.bid_price


@inner_kernel
def seen_price(listed: Any, request: Any) -> Any:
    """The price at which an order is valued: its own, or the far touch for a market order."""
    return touch_of(listed, request.side == BUY) if request.order_type == MARKET else request.price


@inner_kernel
def collared(touch: Any, width: Any) -> Any:
    """A touch and so much more of it, rounded up; width in the unit of ``price_collar_bp``, both
    from 0.
    """
    return divide_down(wide(touch) * width + COLLAR_UNIT - 1, COLLAR_UNIT) + touch


@inner_kernel
def worst_price(listed: Any, request: Any, touch: Any) -> Any:
    """The price an order may cost: its limit, the bid for a market sell, the ask plus the collar
    (rounded up) for a market buy.
    """
    if request.order_type == MARKET and request.side == BUY and listed.price_collar_bp > 0:
        return collared(touch, listed.price_collar_bp)
    return wide(touch)


@inner_kernel
def protection_price(listed: Any, touch: Any, buy: Any) -> Any:
    """The worst price at which the venue may fill a market order that sees this touch; 0 for
    none. No price is above PRICE_MAX.
    """
    width = listed.price_collar_bp if listed.price_collar_bp >= 0 else PROTECTION
    if touch <= 0:
        return NO_PRICE
    if buy:
        return narrow(smaller(collared(touch, width), wide(PRICE_MAX)))
    below = wide(touch) - divide_down(wide(touch) * width, COLLAR_UNIT)
    return narrow(larger(below, wide(1)))


@inner_kernel
def position_after(listed: Any, request: Any) -> Any:
    """The worst position of its side with this order, signed."""
    position = join(listed.position_high, listed.position_low)
    if request.side == BUY:
        return position + join(listed.working_buy_high, listed.working_buy_low) + request.quantity
    return position - join(listed.working_sell_high, listed.working_sell_low) - request.quantity
