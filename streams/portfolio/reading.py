"""What others read of the portfolio: strategies through their context, checks and tests.

The stage answers ``holding``, ``unrealized``, ``cash``, ``equity``, ``value``, ``accounts`` and
``amount_precision``; how it keeps its state is its own matter.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from streams.numeric.borrowing import borrowing_kernel
from streams.numeric.int128 import high, low, wide
from streams.numeric.stage_records import ACCOUNT_KEY, pair_place, place_of
from streams.numeric.table import record_at, table_at
from streams.portfolio.records import HOLDING, INSTRUMENT, PNL, PORTFOLIO
from streams.portfolio.valuation import NONE, missing_value, open_profit, value_account


class PositionView(NamedTuple):
    """One strategy's position in one instrument, in Python integers."""

    quantity: int = 0
    """signed, in the instrument's quantity unit"""
    cost: int = 0
    """signed total cost, never an average: of units 10^-(price_precision + quantity_precision)"""
    realized: int = 0
    """realized profit before fees, in the unit of cost"""
    fees: int = 0
    """fees less rebates, in the unit of cost"""


@borrowing_kernel
def find_holding(portfolio_address: Any, account: Any, strategy: Any, instrument: Any) -> Any:
    """Place of a holding, -1 if there is none."""
    return pair_place(record_at(portfolio_address, PORTFOLIO), account, strategy, instrument)


@borrowing_kernel
def find_account(portfolio_address: Any, account: Any) -> Any:
    """Place of an account, -1 if there is none."""
    return place_of(record_at(portfolio_address, PORTFOLIO), account, ACCOUNT_KEY)


@borrowing_kernel
def read_value(portfolio_address: Any, place: Any, clock: Any, pnl_address: Any) -> Any:
    """Write what the account at this place is worth; False if an amount has more than 38 digits."""
    return value_account(
        record_at(portfolio_address, PORTFOLIO), place, clock, record_at(pnl_address, PNL)
    )


AMOUNT = np.dtype([("is_known", "i8"), ("high", "i8"), ("low", "u8")])
"""An amount, if ``is_known``."""


@borrowing_kernel
def read_unrealized(portfolio_address: Any, place: Any, amount_address: Any) -> None:
    """Write what the holding at this place would gain at the last mark, in the unit of its cost."""
    portfolio = record_at(portfolio_address, PORTFOLIO)
    amount = record_at(amount_address, AMOUNT)
    holding = table_at(portfolio.holdings, HOLDING)[place]
    listed = table_at(portfolio.instruments, INSTRUMENT)[holding.instrument_place]
    profit = wide(0)
    amount.is_known = 1
    if holding.quantity != 0:
        amount.is_known = 1 if missing_value(listed, holding.quantity) == NONE else 0
        profit = open_profit(listed, holding)
    amount.high = high(profit)
    amount.low = low(profit)
