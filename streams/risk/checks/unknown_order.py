"""The one check of a cancel."""

from __future__ import annotations

from typing import Any

from schemas.vocabulary import RiskCode
from streams.numeric.borrowing import inlined_kernel, inner_kernel
from streams.numeric.int128 import wide
from streams.numeric.pool import find_row
from streams.risk.check import Check

CHECK = Check(
    RiskCode.UNKNOWN_ORDER,
    denies="a cancel of an order that is not working",
    observed="0",
    limit="0",
    set_by="",
    meaning="a cancel for an order that is not open",
)


@inlined_kernel
def fails(risk: Any, request: Any) -> Any:
    """The order does not work."""
    return find_row(risk.working, request.order_id_high, request.order_id_low) < 0


@inner_kernel
def shows() -> Any:
    """What holds or does not is no number."""
    return wide(0), wide(0)
