"""Owns the portfolio's records (``streams/numeric/stage_state.py``)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from streams.numeric import fixed
from streams.numeric.stage_records import (
    ACCOUNTS_FULL,
    INSTRUMENTS_FULL,
    key_of_account,
    key_of_instrument,
    key_of_pair,
)
from streams.numeric.stage_state import StageState
from streams.portfolio import records as r

CASH_DECIMALS = 8
GROWS: dict[Any, str] = {
    INSTRUMENTS_FULL: "instruments",
    ACCOUNTS_FULL: "accounts",
    r.HOLDINGS_FULL: "holdings",
    r.POSITIONS_FULL: "positions",
    r.PNL_FULL: "pnl",
}
"""Fault -> the table that is to grow."""


class State(StageState):
    """The records of one portfolio.

    Args:
        pnl_interval: nanoseconds.
        lengths: rows of tables at first.
    """

    NAME = "portfolio"
    HEADER = r.PORTFOLIO
    STATE_FIELDS = r.STATE_FIELDS
    ROWS: ClassVar[Any] = {
        "instruments": r.INSTRUMENT,
        "accounts": r.ACCOUNT,
        "holdings": r.HOLDING,
    }
    LENGTHS: ClassVar[Any] = {
        "instruments": 16, "accounts": 4, "holdings": 16,
        "positions": 64, "pnl": 64,
    }  # fmt: skip
    OUTPUTS = r.OUTPUTS
    OUTPUT_ROWS: ClassVar[Any] = {"positions": r.POSITION, "pnl": r.PNL}
    KEYS: ClassVar[Any] = {
        "instruments": key_of_instrument,
        "accounts": key_of_account,
        "holdings": key_of_pair,
    }

    def __init__(self, pnl_interval: int, lengths: Mapping[str, int] | None = None) -> None:
        super().__init__(lengths)
        self.row["timer"], self.row["pnl_interval"] = r.NO_TIMER, pnl_interval


def cash_amount(text: str | int, amount_precision: int) -> int:
    """Cash as written (at most 8 decimals, up to 92 billion) in account units.

    Those may be finer than 64 bits allow.
    """
    decimals = min(amount_precision, CASH_DECIMALS)
    amount: int = fixed.parse(str(text), decimals) * 10 ** (amount_precision - decimals)
    return amount
