"""The largest position, if all orders of the side are filled."""

from __future__ import annotations

from typing import Any

from schemas.vocabulary import RiskCode, Side
from streams.numeric.borrowing import inlined_kernel, inner_kernel
from streams.numeric.int128 import join
from streams.risk.check import BASE_UNITS, Check, Limit
from streams.risk.prices import position_after

CHECK = Check(
    RiskCode.POSITION_LIMIT,
    denies=(
        "position, working orders of that side and this order exceed the limit; orders that reduce "
        "always pass"
    ),
    observed="worst position of that side, unsigned",
    limit="maximum",
    set_by="`max_position`",
    meaning="position and working orders would exceed the limit",
    governed_by="[risk] max_position",
    limits=(Limit("max_position", 4, BASE_UNITS),),
)
BUY = int(Side.BUY)


@inlined_kernel
def fails(listed: Any, request: Any) -> Any:
    """It may become larger on the side of the order; an order that reduces always passes."""
    most = join(listed.max_position_high, listed.max_position_low)
    after = position_after(listed, request)
    return most >= 0 and (after > most if request.side == BUY else -after > most)


@inner_kernel
def shows(listed: Any, request: Any) -> Any:
    """Both sizes."""
    most = join(listed.max_position_high, listed.max_position_low)
    return abs(position_after(listed, request)), most
