"""The least value of an order, at the price that it sees."""

from __future__ import annotations

from typing import Any

from schemas.vocabulary import RiskCode
from streams.numeric.borrowing import inlined_kernel, inner_kernel
from streams.numeric.int128 import join, wide
from streams.risk.check import QUOTE_UNITS, Check, Limit
from streams.risk.prices import seen_price

CHECK = Check(
    RiskCode.MIN_NOTIONAL,
    denies="the value at the limit price or at the far touch is below the minimum",
    observed="notional",
    limit="minimum",
    set_by="`min_notional`",
    meaning="worth less than the instrument allows",
    governed_by="[risk] min_notional, [sizing] size",
    limits=(
        Limit("min_notional", 2, QUOTE_UNITS, own=lambda instrument: instrument.minimum_notional),
    ),
)


@inlined_kernel
def fails(listed: Any, request: Any) -> Any:
    """It is worth less."""
    price = seen_price(listed, request)
    if price <= 0:
        return False
    worth = wide(price) * request.quantity * listed.multiplier
    return worth < join(listed.min_notional_high, listed.min_notional_low)


@inner_kernel
def shows(listed: Any, request: Any) -> Any:
    """Both values."""
    worth = wide(seen_price(listed, request)) * request.quantity * listed.multiplier
    return worth, join(listed.min_notional_high, listed.min_notional_low)
