"""The highest value of an order, at the worst price that it may cost."""

from __future__ import annotations

from typing import Any

from schemas.vocabulary import RiskCode
from streams.numeric.borrowing import inlined_kernel, inner_kernel
from streams.numeric.int128 import join
from streams.risk.check import QUOTE_UNITS, Check, Limit
from streams.risk.prices import seen_price, worst_price

CHECK = Check(
    RiskCode.MAX_NOTIONAL,
    denies=(
        "the value at the worst price is above the maximum: the limit price, or for market buys "
        "the ask plus the collar, for market sells the bid"
    ),
    observed="notional",
    limit="maximum",
    set_by="`max_notional`",
    meaning="worth more than the limit on an order",
    governed_by="[risk] max_notional, [sizing] size",
    limits=(Limit("max_notional", 3, QUOTE_UNITS),),
)


@inlined_kernel
def fails(listed: Any, request: Any) -> Any:
    """It may be worth more."""
    price = seen_price(listed, request)
    most = join(listed.max_notional_high, listed.max_notional_low)
    if price <= 0 or most < 0:
        return False
    return worst_price(listed, request, price) * request.quantity * listed.multiplier > most


@inner_kernel
def shows(listed: Any, request: Any) -> Any:
    """Both values."""
    worst = worst_price(listed, request, seen_price(listed, request))
    worth = worst * request.quantity * listed.multiplier
    return worth, join(listed.max_notional_high, listed.max_notional_low)
