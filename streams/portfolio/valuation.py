"""What an account is worth at the last marks: longs at the bid, shorts at the ask (PFL-5).

A missing price is never zero: the value is null with the reason NO_MARK, or STALE_BOOK where the
last mark is flagged stale or gapped. One position without a value makes the account's unrealized
P&L and equity null; realized, fees and cash are always known.

Cash is kept the way the instrument settles, and the P&L identity holds either way:

- spot: a fill moves price x quantity through cash; market value is quantity x price;
- linear perpetual: cash moves by realized P&L and fees only; market value is the unrealized P&L.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from schemas.vocabulary import NullReason
from schemas.wire import NULL
from streams.numeric.borrowing import inner_kernel
from streams.numeric.int128 import high, is_decimal, join, low, wide
from streams.numeric.mark import UNUSABLE, closing_price
from streams.numeric.stage_records import AMOUNT_TOO_LARGE, NO_ENTITY, NOTHING, set_fault
from streams.numeric.table import table_at
from streams.portfolio.records import ACCOUNT, HOLDING, INSTRUMENT, PNL, PNL_FULL

NONE = int(NullReason.NONE)
NO_MARK = int(NullReason.NO_MARK)
STALE_BOOK = int(NullReason.STALE_BOOK)


@inner_kernel
def missing_value(listed: Any, quantity: Any) -> Any:
    """Why a position of `quantity` cannot be valued: a NullReason, NONE if it can."""
    if listed.is_marked == 0:
        return NO_MARK
    if listed.mark_flags & UNUSABLE:
        return STALE_BOOK
    price = closing_price(quantity, listed.bid_price, listed.ask_price)
    return NONE if price > 0 else NO_MARK


@inner_kernel
def worth_of(listed: Any, quantity: Any) -> Any:
    """What closing `quantity` at the touch would bring, in the instrument's unit."""
    price = closing_price(quantity, listed.bid_price, listed.ask_price)
    return wide(price) * quantity * listed.multiplier


@inner_kernel
def open_profit(listed: Any, holding: Any) -> Any:
    """What a position would gain if it were closed at the touch, in the instrument's unit."""
    return worth_of(listed, holding.quantity) - join(holding.cost_high, holding.cost_low)


@inner_kernel
def value_account(portfolio: Any, place: Any, clock: Any, row: Any) -> Any:
    """Write the P&L record of an account at `clock`, every amount in units of
    10^-amount_precision; False if one has more than 38 digits.
    """
    owner = table_at(portfolio.accounts, ACCOUNT)[place]
    listed_rows = table_at(portfolio.instruments, INSTRUMENT)
    holdings = table_at(portfolio.holdings, HOLDING)
    realized = unrealized = fees = market_value = wide(0)
    flags = 0
    reason = NONE
    is_whole = True
    at = owner.first_holding
    while at >= 0:
        holding = holdings[at]
        at = holding.next_holding
        listed = listed_rows[holding.instrument_place]
        scale = join(listed.scale_high, listed.scale_low)
        scaled_realized = join(holding.realized_high, holding.realized_low) * scale
        scaled_fees = join(holding.fees_high, holding.fees_low) * scale
        realized += scaled_realized
        fees += scaled_fees
        is_whole = (
            is_whole
            and is_decimal(scaled_realized)
            and is_decimal(realized)
            and is_decimal(scaled_fees)
            and is_decimal(fees)
        )
        quantity = holding.quantity
        if quantity == 0:
            continue
        flags |= listed.mark_flags
        missing = missing_value(listed, quantity)
        if missing != NONE:
            reason = missing if reason == NONE else reason
            continue
        worth = worth_of(listed, quantity)
        profit = open_profit(listed, holding) * scale
        value = worth * scale if listed.settled_in_cash != 0 else profit
        unrealized += profit
        market_value += value
        is_whole = is_whole and is_decimal(worth) and is_decimal(profit) and is_decimal(unrealized)
        is_whole = is_whole and is_decimal(value) and is_decimal(market_value)
    cash = join(owner.cash_high, owner.cash_low)
    equity = cash + market_value
    row.account = owner.account
    row.event_time = clock
    row.amount_precision = portfolio.amount_precision
    row.reason = reason
    row.flags = flags
    _write_amounts(row, realized, unrealized, fees, cash, equity)
    if reason != NONE:
        row.unrealized_high = NULL
        row.unrealized_low = 0
        row.equity_high = NULL
        row.equity_low = 0
    return is_whole and (reason != NONE or is_decimal(equity))


@inner_kernel
def _write_amounts(
    row: Any, realized: Any, unrealized: Any, fees: Any, cash: Any, equity: Any
) -> None:
    row.realized_high = high(realized)
    row.realized_low = low(realized)
    row.unrealized_high = high(unrealized)
    row.unrealized_low = low(unrealized)
    row.fees_high = high(fees)
    row.fees_low = low(fees)
    row.cash_high = high(cash)
    row.cash_low = low(cash)
    row.equity_high = high(equity)
    row.equity_low = low(equity)


@inner_kernel
def is_pnl_full(portfolio: Any, out: Any) -> Any:
    """True with a fault left if there is no room for a record of each account."""
    length = len(table_at(out.pnl, PNL))
    if length - out.pnl_used >= portfolio.accounts_used:
        return False
    set_fault(portfolio, PNL_FULL, NO_ENTITY, portfolio.accounts_used, length)
    return True


@inner_kernel
def value_accounts(portfolio: Any, clock: Any, flags: Any, out: Any) -> Any:
    """One P&L record for each account, with these flags added; False with a fault left and
    nothing written if one is not possible.
    """
    if is_pnl_full(portfolio, out):
        return False
    rows = table_at(out.pnl, PNL)
    total = portfolio.accounts_used
    for place in range(total):
        row = rows[out.pnl_used + place]
        if not value_account(portfolio, place, clock, row):
            set_fault(portfolio, AMOUNT_TOO_LARGE, NO_ENTITY, np.int64(row.account), NOTHING)
            return False
        row.flags |= flags
    out.pnl_used += total
    portfolio.changed = 0
    return True
