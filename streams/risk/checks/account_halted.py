"""The account is ruined (``streams/risk/liquidation.py``)."""

from __future__ import annotations

from typing import Any

from schemas.vocabulary import RiskCode
from streams.numeric.borrowing import inlined_kernel, inner_kernel
from streams.numeric.int128 import join, wide
from streams.risk.check import Check

CHECK = Check(
    RiskCode.ACCOUNT_HALTED,
    denies=(
        "the account is ruined: its equity was not above zero, or a liquidation left less than "
        "nothing; for ever"
    ),
    observed="equity at the ruin, in account units",
    limit="0",
    set_by="`cash`, `leverage`",
    meaning="the account was ruined and is halted",
    governed_by="--cash, --leverage",
)
HALTED = int(CHECK.code)


@inlined_kernel
def fails(risk: Any) -> Any:
    """A liquidation halted it for ever."""
    return risk.halted == HALTED


@inner_kernel
def shows(risk: Any) -> Any:
    """Its equity then."""
    return join(risk.ruined_at_high, risk.ruined_at_low), wide(0)
