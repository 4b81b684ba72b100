"""What an order may open needs margin (``streams/risk/account.py``)."""

from __future__ import annotations

from typing import Any

from schemas.vocabulary import RiskCode, Side
from streams.numeric.borrowing import inlined_kernel, inner_kernel
from streams.risk.account import needed_and_free
from streams.risk.check import Check

CHECK = Check(
    RiskCode.INSUFFICIENT_MARGIN,
    denies=(
        "the initial margin, the loss against the touch and the worst fee of what the order may "
        "open, on a perpetual or by selling spot short, are more than the money that is free; off "
        "unless `cash` is set"
    ),
    observed="money needed in account units",
    limit="money that is free",
    set_by="`cash`, `leverage`, `initial_margin`",
    meaning="not enough money for the margin of the position",
    governed_by="--cash, --leverage, and initial_margin in [risk] and the instrument table",
)
BUY = int(Side.BUY)


@inlined_kernel
def fails(listed: Any, request: Any, payable: Any) -> Any:
    """The account has less."""
    return not payable and (request.side != BUY or listed.settled_in_cash == 0)


@inner_kernel
def shows(risk: Any, instruments: Any, place: Any, request: Any) -> Any:
    """(money needed, money that is free)."""
    return needed_and_free(risk, instruments, place, request)
