"""How a new account and a new holding are entered into their tables."""

from __future__ import annotations

from typing import Any

from streams.numeric.borrowing import inner_kernel
from streams.numeric.stage_records import ACCOUNT_KEY, enter, enter_pair
from streams.numeric.table import table_at
from streams.portfolio.records import ACCOUNT, HOLDING


@inner_kernel
def open_account(portfolio: Any, account: Any) -> Any:
    """Enter an account without cash; returns its place. There must be room."""
    place = portfolio.accounts_used
    portfolio.accounts_used = place + 1
    row = table_at(portfolio.accounts, ACCOUNT)[place]
    row.account = account
    row.first_holding = -1
    row.last_holding = -1
    enter(portfolio, account, ACCOUNT_KEY, place)
    return place


@inner_kernel
def open_holding(
    portfolio: Any, owner_place: Any, strategy: Any, instrument: Any, listed_place: Any
) -> Any:
    """Enter a holding behind the others of its account; returns its place. There must be room."""
    holdings = table_at(portfolio.holdings, HOLDING)
    owner = table_at(portfolio.accounts, ACCOUNT)[owner_place]
    place = portfolio.holdings_used
    portfolio.holdings_used = place + 1
    row = holdings[place]
    row.account = owner.account
    row.strategy = strategy
    row.instrument = instrument
    row.account_place = owner_place
    row.instrument_place = listed_place
    row.next_holding = -1
    if owner.last_holding < 0:
        owner.first_holding = place
    else:
        holdings[owner.last_holding].next_holding = place
    owner.last_holding = place
    enter_pair(portfolio, owner.account, strategy, instrument, place)
    return place
