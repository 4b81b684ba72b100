"""The account is being liquidated (``streams/risk/liquidation.py``)."""

from __future__ import annotations

from typing import Any

from schemas.vocabulary import RiskCode
from streams.numeric.borrowing import inlined_kernel, inner_kernel
from streams.risk.account import margin
from streams.risk.check import Check

CHECK = Check(
    RiskCode.LIQUIDATION,
    denies=(
        "the account is being liquidated: the money behind its positions fell below the "
        "maintenance margin"
    ),
    observed="margin balance in account units",
    limit="maintenance margin",
    set_by="`leverage`, `maintenance_margin`",
    meaning="the account was being liquidated",
    governed_by="--leverage, [risk] maintenance_margin",
)
LIQUIDATED = int(CHECK.code)


@inlined_kernel
def fails(risk: Any) -> Any:
    """It goes on until the positions are closed."""
    return risk.halted == LIQUIDATED


@inner_kernel
def shows(risk: Any, instruments: Any) -> Any:
    """The money behind the positions, and how much there must be."""
    balance, maintenance, _, _ = margin(risk, instruments)
    return balance, maintenance
