"""Orders are let through from ``risk.opens`` until before ``risk.closes``."""

from __future__ import annotations

from typing import Any

from schemas.vocabulary import RiskCode
from streams.numeric.borrowing import inlined_kernel, inner_kernel
from streams.numeric.int128 import wide
from streams.risk.check import Check

CHECK = Check(
    RiskCode.OUTSIDE_WINDOW,
    denies=(
        "the clock is before `--from`, at or after `--to`, or within `--warmup` of the first mark"
    ),
    observed="clock, ns UTC",
    limit="edge of the window, ns UTC",
    set_by="`--from`, `--to`, `--warmup`",
    meaning="before --from, from --to on, or during the warm-up",
    governed_by="--from, --to, --warmup",
)


@inlined_kernel
def fails(risk: Any, clock: Any) -> Any:
    """Not yet, or not any more."""
    return clock < risk.opens or clock >= risk.closes


@inner_kernel
def shows(risk: Any, clock: Any) -> Any:
    """The edge that it is beyond."""
    return wide(clock), wide(risk.opens if clock < risk.opens else risk.closes)
