"""Without an instrument's row most checks cannot be made."""

from __future__ import annotations

from typing import Any

from schemas.vocabulary import RiskCode
from streams.numeric.borrowing import inlined_kernel, inner_kernel
from streams.numeric.int128 import wide
from streams.risk.check import Check

CHECK = Check(
    RiskCode.UNKNOWN_INSTRUMENT,
    denies="the instrument has no reference data; no later check can be made",
    observed="instrument id",
    limit="0",
    set_by="",
    meaning="the instrument is not in the reference data",
    governed_by="an instrument table: --instruments",
)


@inlined_kernel
def fails(place: Any) -> Any:
    """It was never specified."""
    return place < 0


@inner_kernel
def shows(request: Any) -> Any:
    """Its number."""
    return wide(request.instrument), wide(0)
