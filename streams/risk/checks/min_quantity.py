"""The smallest order that the venue, or an operator, accepts."""

from __future__ import annotations

from typing import Any

from schemas.vocabulary import RiskCode
from streams.numeric.borrowing import inlined_kernel, inner_kernel
from streams.numeric.int128 import join, wide
from streams.risk.check import BASE_UNITS, Check, Limit

CHECK = Check(
    RiskCode.MIN_QUANTITY,
    denies="the quantity is below the minimum",
    observed="quantity",
    limit="minimum",
    set_by="`min_quantity`",
    meaning="smaller than the instrument allows",
    governed_by="[risk] min_quantity, [sizing] size",
    limits=(
        Limit("min_quantity", 0, BASE_UNITS, own=lambda instrument: instrument.minimum_quantity),
    ),
)


@inlined_kernel
def fails(listed: Any, request: Any) -> Any:
    """The order is smaller."""
    return request.quantity < join(listed.min_quantity_high, listed.min_quantity_low)


@inner_kernel
def shows(listed: Any, request: Any) -> Any:
    """Both quantities."""
    least = join(listed.min_quantity_high, listed.min_quantity_low)
    return wide(request.quantity), least
