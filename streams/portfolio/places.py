"""Where instruments, accounts and holdings lie in their tables, and how a new one is entered."""

from __future__ import annotations

from typing import Any

from streams.numeric.borrowing import inner_kernel
from streams.numeric.index import ENTRY, find, put
from streams.numeric.table import table_at
from streams.portfolio.records import ACCOUNT, ACCOUNT_KEY, HOLDING, INSTRUMENT_IDS, INSTRUMENT_KEY

_UNSIGNED = 0xFFFFFFFF


@inner_kernel
def set_fault(portfolio: Any, code: Any, entity: Any, value: Any, limit: Any) -> None:
    """Say what is wrong; the handler then returns without having changed anything."""
    portfolio.fault.code = code
    portfolio.fault.entity = entity
    portfolio.fault.value = value
    portfolio.fault.limit = limit


@inner_kernel
def instrument_place(portfolio: Any, instrument: Any) -> Any:
    """Place of an instrument, -1 if it was never listed."""
    return find(table_at(portfolio.index, ENTRY), instrument & _UNSIGNED, INSTRUMENT_KEY)


@inner_kernel
def account_place(portfolio: Any, account: Any) -> Any:
    """Place of an account, -1 if it was never seen."""
    return find(table_at(portfolio.index, ENTRY), account & _UNSIGNED, ACCOUNT_KEY)


@inner_kernel
def holding_place(portfolio: Any, account: Any, strategy: Any, instrument: Any) -> Any:
    """Place of a holding, -1 if the strategy never traded the instrument in the account;
    strategy and instrument are in range.
    """
    return find(
        table_at(portfolio.index, ENTRY),
        account & _UNSIGNED,
        strategy * INSTRUMENT_IDS + instrument,
    )


@inner_kernel
def open_account(portfolio: Any, account: Any) -> Any:
    """Enter an account without cash; returns its place. There must be room."""
    place = portfolio.accounts_used
    portfolio.accounts_used = place + 1
    row = table_at(portfolio.accounts, ACCOUNT)[place]
    row.account = account
    row.first_holding = -1
    row.last_holding = -1
    put(table_at(portfolio.index, ENTRY), account & _UNSIGNED, ACCOUNT_KEY, place)
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
    put(
        table_at(portfolio.index, ENTRY),
        owner.account & _UNSIGNED,
        strategy * INSTRUMENT_IDS + instrument,
        place,
    )
    return place
