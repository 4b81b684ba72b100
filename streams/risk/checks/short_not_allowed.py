"""What cannot be borrowed is sold only as far as it is held."""

from __future__ import annotations

from typing import Any

from schemas.vocabulary import RiskCode, Side
from streams.numeric.borrowing import inlined_kernel, inner_kernel
from streams.numeric.int128 import wide
from streams.risk.check import Check
from streams.risk.prices import position_after

CHECK = Check(
    RiskCode.SHORT_NOT_ALLOWED,
    denies=(
        "position, less working sells, less this sell, is below zero where shorts are off or "
        "cannot be borrowed"
    ),
    observed="worst position, signed",
    limit="0",
    set_by="`short`",
    meaning="spot cannot be sold without holding it",
    governed_by="--short, and shortable in the instrument table",
)
BUY = int(Side.BUY)


@inlined_kernel
def fails(listed: Any, request: Any) -> Any:
    """A sale that may go below zero."""
    return request.side != BUY and listed.shortable == 0 and position_after(listed, request) < 0


@inner_kernel
def shows(listed: Any, request: Any) -> Any:
    """The position that may be."""
    return position_after(listed, request), wide(0)
