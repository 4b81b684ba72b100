"""Bought spot is paid for in full."""

from __future__ import annotations

from typing import Any

from schemas.vocabulary import RiskCode, Side
from streams.numeric.borrowing import inlined_kernel, inner_kernel
from streams.risk.account import needed_and_free
from streams.risk.check import Check

CHECK = Check(
    RiskCode.INSUFFICIENT_CASH,
    denies=(
        "a spot buy at its worst price and worst fee costs more than the money that is free; off "
        "unless `cash` is set"
    ),
    observed="cost in account units",
    limit="money that is free",
    set_by="`cash`",
    meaning="not enough cash",
    governed_by="--cash",
)
BUY = int(Side.BUY)


@inlined_kernel
def fails(listed: Any, request: Any, payable: Any) -> Any:
    """The account cannot."""
    return not payable and request.side == BUY and listed.settled_in_cash != 0


@inner_kernel
def shows(risk: Any, instruments: Any, place: Any, request: Any) -> Any:
    """(money needed, money that is free)."""
    return needed_and_free(risk, instruments, place, request)
