"""Type, time in force, post-only and price must go together."""

from __future__ import annotations

from typing import Any

from schemas.vocabulary import OrderType, RiskCode, TimeInForce
from streams.numeric.borrowing import inlined_kernel, inner_kernel
from streams.numeric.int128 import wide
from streams.risk.check import Check

CHECK = Check(
    RiskCode.INVALID_PRICE,
    denies=(
        "a limit price that is not positive or off the tick; a market order with a price; an "
        "unknown order type or time in force; post-only on anything but a resting limit order"
    ),
    observed="price",
    limit="tick size",
    set_by="",
    meaning="the price is not positive or not on the tick",
)
MARKET, LIMIT = int(OrderType.MARKET), int(OrderType.LIMIT)
GTC, IOC = int(TimeInForce.GTC), int(TimeInForce.IOC)


@inlined_kernel
def fails(listed: Any, request: Any) -> Any:
    """They do not."""
    in_force = request.time_in_force
    if in_force != GTC and in_force != IOC:
        return True
    if request.order_type == MARKET:
        return request.price != 0 or request.post_only != 0
    if request.order_type != LIMIT or (request.post_only != 0 and in_force != GTC):
        return True
    return request.price <= 0 or request.price % listed.tick_size != 0


@inner_kernel
def shows(listed: Any, request: Any) -> Any:
    """The price, and the tick that it must be a multiple of."""
    return wide(request.price), wide(listed.tick_size)
