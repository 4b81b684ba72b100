"""What an order is compared with must be there."""

from __future__ import annotations

from typing import Any

from schemas.vocabulary import RiskCode
from streams.numeric.borrowing import inlined_kernel, inner_kernel
from streams.numeric.int128 import wide
from streams.numeric.mark import double_centre
from streams.risk.check import Check
from streams.risk.prices import seen_price

CHECK = Check(
    RiskCode.NO_REFERENCE_PRICE,
    denies="no mark yet, or the side of the book that the check needs is empty",
    observed="0",
    limit="0",
    set_by="",
    meaning="no price to check the order against",
)


@inlined_kernel
def fails(listed: Any, request: Any) -> Any:
    """No mark, no price that the order sees, or no middle of a band that is checked."""
    if listed.is_marked == 0 or seen_price(listed, request) <= 0:
        return True
    return listed.price_collar_bp >= 0 and double_centre(listed) <= 0


@inner_kernel
def shows() -> Any:
    """What holds or does not is no number."""
    return wide(0), wide(0)
