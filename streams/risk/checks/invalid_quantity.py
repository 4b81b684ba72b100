"""What a request says of quantity and side by itself."""

from __future__ import annotations

from typing import Any

from schemas.vocabulary import RiskCode, Side
from streams.numeric.borrowing import inlined_kernel, inner_kernel
from streams.numeric.int128 import wide
from streams.risk.check import Check

CHECK = Check(
    RiskCode.INVALID_QUANTITY,
    denies="the quantity is not positive, no multiple of the lot, or has no side",
    observed="quantity",
    limit="lot size",
    set_by="",
    meaning="the quantity is not positive or not on the lot",
)
BUY, SELL = int(Side.BUY), int(Side.SELL)


@inlined_kernel
def fails(listed: Any, request: Any) -> Any:
    """Not above zero, not on the lot, or neither bought nor sold."""
    quantity, side = request.quantity, request.side
    return quantity <= 0 or quantity % listed.lot_size != 0 or (side != BUY and side != SELL)


@inner_kernel
def shows(listed: Any, request: Any) -> Any:
    """The quantity, and the lot that it must be a multiple of."""
    return wide(request.quantity), wide(listed.lot_size)
