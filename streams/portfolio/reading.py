"""What others read of the portfolio: strategies through their context, checks and tests.

The stage answers ``position``, ``holding``, ``cash``, ``equity``, ``value``, ``accounts`` and
``amount_precision``; how it keeps its state is its own matter. Compiled strategies ask its handlers
by address, with the records of ``streams/numeric/portfolio_reads.py``.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from streams.numeric.borrowing import borrowing_kernel, inner_kernel
from streams.numeric.cost import average_price
from streams.numeric.int128 import high, is_int64, join, low, narrow, wide
from streams.numeric.stage_records import (
    ACCOUNT_KEY,
    AMOUNT_TOO_LARGE,
    INSTRUMENT_IDS,
    NO_ENTITY,
    NOTHING,
    STRATEGY_IDS,
    pair_place,
    place_of,
    set_fault,
)
from streams.numeric.table import record_at, table_at
from streams.portfolio.records import HOLDING, INSTRUMENT, PNL, PORTFOLIO
from streams.portfolio.valuation import NONE, missing_value, open_profit, value_account

NO_PLACE = np.int64(-1)


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


@inner_kernel
def on_position(portfolio: Any, read: Any) -> None:
    """Fill in a POSITION_READ: zeros for what was never traded."""
    held = cost = realized = profit = fees = wide(0)
    read.average_price = 0
    read.is_valued = 1
    place = NO_PLACE
    if 0 <= read.strategy < STRATEGY_IDS and 0 <= read.instrument < INSTRUMENT_IDS:
        place = pair_place(portfolio, read.account, read.strategy, read.instrument)
    if place >= 0:
        holding = table_at(portfolio.holdings, HOLDING)[place]
        listed = table_at(portfolio.instruments, INSTRUMENT)[holding.instrument_place]
        held = wide(holding.quantity)
        cost = join(holding.cost_high, holding.cost_low)
        realized = join(holding.realized_high, holding.realized_low)
        fees = join(holding.fees_high, holding.fees_low)
        if holding.quantity != 0:
            if not is_int64(held * listed.multiplier):
                set_fault(portfolio, AMOUNT_TOO_LARGE, holding.instrument, NOTHING, NOTHING)
                return
            read.average_price = narrow(average_price(cost, holding.quantity, listed.multiplier))
            read.is_valued = 1 if missing_value(listed, holding.quantity) == NONE else 0
            profit = open_profit(listed, holding)
    read.quantity = narrow(held)
    write_amounts(read, cost, realized, profit, fees)


@inner_kernel
def write_amounts(read: Any, cost: Any, realized: Any, profit: Any, fees: Any) -> None:
    """The amounts of a POSITION_READ."""
    read.cost_high = high(cost)
    read.cost_low = low(cost)
    read.realized_high = high(realized)
    read.realized_low = low(realized)
    read.unrealized_high = high(profit)
    read.unrealized_low = low(profit)
    read.fees_high = high(fees)
    read.fees_low = low(fees)


@inner_kernel
def on_account(portfolio: Any, read: Any, clock: Any) -> None:
    """Fill in an ACCOUNT_READ."""
    place = place_of(portfolio, read.account, ACCOUNT_KEY)
    read.amount_precision = portfolio.amount_precision
    read.is_known = 1 if place >= 0 else 0
    if place >= 0 and not value_account(portfolio, place, clock, read.value):
        set_fault(portfolio, AMOUNT_TOO_LARGE, NO_ENTITY, read.account, NOTHING)
