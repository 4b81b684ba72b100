"""A kill switch is on (``streams/risk/kill_switch.py``)."""

from __future__ import annotations

from typing import Any

import numpy as np

from schemas.vocabulary import RiskCode
from streams.numeric.borrowing import inlined_kernel, inner_kernel
from streams.numeric.int128 import wide
from streams.risk.check import Check
from streams.risk.kill_switch import is_killed

CHECK = Check(
    RiskCode.KILL_SWITCH,
    denies=(
        "a kill switch covers the account, strategy or instrument of the order, or the whole "
        "system"
    ),
    observed="1",
    limit="0",
    set_by="`control` KILL, REARM",
    meaning="the kill switch was on",
    governed_by="'sq control ... rearm' lifts it",
)


@inlined_kernel
def fails(risk: Any, request: Any) -> Any:
    """A switch covers the order."""
    return risk.switches_used > 0 and is_killed(
        risk,
        np.int64(request.account),
        np.int64(request.strategy),
        np.int64(request.instrument),
    )


@inner_kernel
def shows() -> Any:
    """What holds or does not is no number."""
    return wide(1), wide(0)
