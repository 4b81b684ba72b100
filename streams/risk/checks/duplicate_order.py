"""An order id is used once."""

from __future__ import annotations

from typing import Any

from schemas.vocabulary import RiskCode
from streams.numeric.borrowing import inlined_kernel, inner_kernel
from streams.numeric.int128 import wide
from streams.numeric.pool import find_row
from streams.risk.check import Check

CHECK = Check(
    RiskCode.DUPLICATE_ORDER,
    denies="the order id was approved before",
    observed="1",
    limit="0",
    set_by="`recent_orders`",
    meaning="an order with this id exists",
    governed_by="[risk] recent_orders",
)


@inlined_kernel
def fails(risk: Any, request: Any) -> Any:
    """An order of this id works, or is among those approved last."""
    high, low = request.order_id_high, request.order_id_low
    return find_row(risk.working, high, low) >= 0 or find_row(risk.recent, high, low) >= 0


@inner_kernel
def shows() -> Any:
    """What holds or does not is no number."""
    return wide(1), wide(0)
