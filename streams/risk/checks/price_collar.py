"""A band around the middle of the market."""

from __future__ import annotations

from typing import Any

from schemas.vocabulary import RiskCode
from streams.numeric.borrowing import inlined_kernel, inner_kernel
from streams.numeric.fixed import divide_down
from streams.numeric.int128 import wide
from streams.numeric.mark import double_centre
from streams.risk.check import BASIS_POINTS, Check, Limit
from streams.risk.prices import COLLAR_UNIT, seen_price

CHECK = Check(
    RiskCode.PRICE_COLLAR,
    denies=(
        "the limit price, or the far touch of a market order, is outside the band around the mid "
        "(around the last trade on a one-sided book)"
    ),
    observed="price",
    limit="edge of the band",
    set_by="`price_collar_bp`",
    meaning="too far from the market",
    governed_by="[risk] price_collar_bp",
    limits=(Limit("price_collar_bp", 5, BASIS_POINTS, default="500"),),
)


@inlined_kernel
def fails(listed: Any, request: Any) -> Any:
    """The price lies outside."""
    price, centre, collar = (
        seen_price(listed, request),
        double_centre(listed),
        listed.price_collar_bp,
    )
    if centre <= 0 or price <= 0 or collar < 0:
        return False
    away = abs(wide(price) + price - centre)
    return away * COLLAR_UNIT > wide(collar) * centre


@inner_kernel
def shows(listed: Any, request: Any) -> Any:
    """The price, and the last one of the band on that side."""
    price, centre = seen_price(listed, request), double_centre(listed)
    middle, width = wide(centre) * COLLAR_UNIT, wide(listed.price_collar_bp) * centre
    if wide(price) + price > centre:
        return wide(price), divide_down(middle + width, 2 * COLLAR_UNIT)
    return wide(price), -divide_down(width - middle, 2 * COLLAR_UNIT)
