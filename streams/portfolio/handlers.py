"""The portfolio's handlers: what each record, a timer and the end of the input do to its records.

Every handler takes the state's header, what it handles, the clock and where its rows go, and leaves
a fault (``records.FAULT``) in place of an exception: nothing was changed then. The scheduler, or
the shell in ``stage.py``, looks at it after each call.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from schemas.vocabulary import Flag
from streams.numeric.borrowing import borrowing_kernel, inner_kernel
from streams.numeric.int128 import high, is_decimal, join, low, power_of_ten
from streams.numeric.portfolio_reads import ACCOUNT_READ, POSITION_READ
from streams.numeric.stage_records import (
    ACCOUNTS_FULL,
    AMOUNT_TOO_LARGE,
    INSTRUMENT_KEY,
    NO_ENTITY,
    NOTHING,
    UNKNOWN_INSTRUMENT,
    list_instrument,
    listing_place,
    place_of,
    refine_scales,
    set_fault,
)
from streams.numeric.table import record_at, table_at
from streams.portfolio.booking import book_fill
from streams.portfolio.places import open_account
from streams.portfolio.reading import on_account, on_position
from streams.portfolio.records import (
    ACCOUNT,
    FILL,
    INSTRUMENT,
    MARK,
    NO_TIMER,
    OUTPUTS,
    PORTFOLIO,
    PRECISION_CHANGED,
    SPECIFICATION,
)
from streams.portfolio.valuation import is_pnl_full, value_accounts

PARTIAL = np.int64(Flag.PARTIAL)
MINUTE = 60_000_000_000
QUIET_INTERVALS_MAX = 10_080
"""P&L records in a row that say the same (a week of minutes): a clock that jumps over years is
no reason to write millions of them."""
ON_INSTRUMENT, ON_FILL, ON_MARK, ON_TIMER, ON_END, ON_OPENING, ON_POSITION, ON_ACCOUNT = range(8)
CHANGED = np.int64(-1)


@inner_kernel
def on_fill(portfolio: Any, fill: Any, clock: Any, out: Any) -> None:
    """Book one fill; the first one starts the timer."""
    book_fill(portfolio, fill, clock, out)
    if portfolio.fault.code == 0 and portfolio.timer == NO_TIMER:
        _start_timer(portfolio, clock)


@inner_kernel
def on_mark(portfolio: Any, mark: Any, clock: Any, out: Any) -> None:
    """The prices at which longs and shorts are valued from now on.

    The first one has each account as it begins reported, PARTIAL for no interval lies behind it.
    """
    instrument = np.int64(mark.instrument)
    place = place_of(portfolio, instrument, INSTRUMENT_KEY)
    if place < 0:
        set_fault(portfolio, UNKNOWN_INSTRUMENT, instrument, NOTHING, NOTHING)
        return
    if portfolio.timer == NO_TIMER and is_pnl_full(portfolio, out):
        return
    listed = table_at(portfolio.instruments, INSTRUMENT)[place]
    listed.is_marked = 1
    listed.bid_price = mark.bid_price
    listed.ask_price = mark.ask_price
    listed.mark_flags = mark.flags
    if portfolio.timer == NO_TIMER:
        if portfolio.quiet_intervals == 0 and not value_accounts(portfolio, clock, PARTIAL, out):
            return
        _start_timer(portfolio, clock)
    portfolio.changed = 1


@inner_kernel
def on_timer(portfolio: Any, deadline: Any, out: Any) -> None:
    """A multiple of the interval, or a minute, is due: one P&L record an account. After many
    that say the same the next change is waited for.
    """
    quiet = 0 if portfolio.changed != 0 else portfolio.quiet_intervals + 1
    if not value_accounts(portfolio, deadline, NOTHING, out):
        return
    portfolio.quiet_intervals = quiet
    _start_timer(portfolio, deadline)
    if quiet >= QUIET_INTERVALS_MAX:
        portfolio.timer = NO_TIMER


@inner_kernel
def on_end(portfolio: Any, clock: Any, out: Any) -> None:
    """The closing P&L, unless nothing happened since the last one."""
    if portfolio.changed != 0:
        value_accounts(portfolio, clock, NOTHING, out)


@inner_kernel
def _start_timer(portfolio: Any, clock: Any) -> None:
    interval = portfolio.pnl_interval
    portfolio.timer = min((clock // interval + 1) * interval, (clock // MINUTE + 1) * MINUTE)


@inner_kernel
def on_instrument(portfolio: Any, specification: Any) -> None:
    """A new or changed specification; its last mark stays. A finer precision than any before
    rescales cash, exactly.
    """
    instrument, precision = specification.instrument, specification.precision
    instruments = table_at(portfolio.instruments, INSTRUMENT)
    place = listing_place(portfolio, instruments, instrument)
    if place < 0:
        return
    if place < portfolio.instruments_used and instruments[place].precision != precision:
        set_fault(portfolio, PRECISION_CHANGED, instrument, precision, instruments[place].precision)
        return
    if precision > portfolio.amount_precision and not _rescale(
        portfolio, power_of_ten(precision - portfolio.amount_precision)
    ):
        return
    portfolio.amount_precision = max(portfolio.amount_precision, precision)
    list_instrument(portfolio, instruments, place, specification)
    instruments[place].settled_in_cash = specification.settled_in_cash


@inner_kernel
def on_opening(portfolio: Any, opening: Any) -> None:
    """An account with its starting cash, which is new."""
    if portfolio.accounts_used == len(table_at(portfolio.accounts, ACCOUNT)):
        set_fault(portfolio, ACCOUNTS_FULL, opening.account, NOTHING, portfolio.accounts_used)
        return
    owner = table_at(portfolio.accounts, ACCOUNT)[open_account(portfolio, opening.account)]
    owner.cash_high = opening.cash_high
    owner.cash_low = opening.cash_low


@inner_kernel
def _rescale(portfolio: Any, factor: Any) -> Any:
    """Cash and scales in units that are `factor` times finer; False with a fault left if an
    account's cash would not be a decimal.
    """
    accounts = table_at(portfolio.accounts, ACCOUNT)
    for place in range(portfolio.accounts_used):
        if not is_decimal(join(accounts[place].cash_high, accounts[place].cash_low) * factor):
            set_fault(portfolio, AMOUNT_TOO_LARGE, NO_ENTITY, accounts[place].account, NOTHING)
            return False
    for place in range(portfolio.accounts_used):
        owner = accounts[place]
        cash = join(owner.cash_high, owner.cash_low) * factor
        owner.cash_high = high(cash)
        owner.cash_low = low(cash)
    refine_scales(portfolio, table_at(portfolio.instruments, INSTRUMENT), factor)
    return True


@borrowing_kernel
def handle(
    kind: Any, portfolio_address: Any, record_address: Any, clock: Any, out_address: Any
) -> Any:
    """The one entry: calls the handler of this kind on what lies at the addresses.

    Returns the fault's code, CHANGED if rows were written or the timer moved, else 0.
    """
    portfolio = record_at(portfolio_address, PORTFOLIO)
    out = record_at(out_address, OUTPUTS)
    timer = portfolio.timer
    if kind == ON_FILL:
        on_fill(portfolio, record_at(record_address, FILL), clock, out)
    elif kind == ON_MARK:
        on_mark(portfolio, record_at(record_address, MARK), clock, out)
    elif kind == ON_TIMER:
        on_timer(portfolio, clock, out)
    elif kind == ON_END:
        on_end(portfolio, clock, out)
    elif kind == ON_INSTRUMENT:
        on_instrument(portfolio, record_at(record_address, SPECIFICATION))
    elif kind == ON_POSITION:
        on_position(portfolio, record_at(record_address, POSITION_READ))
    elif kind == ON_ACCOUNT:
        on_account(portfolio, record_at(record_address, ACCOUNT_READ), clock)
    else:
        on_opening(portfolio, record_at(record_address, ACCOUNT))
    if portfolio.fault.code != 0:
        return portfolio.fault.code
    return (
        CHANGED
        if portfolio.timer != timer or out.positions_used > 0 or out.pnl_used > 0
        else NOTHING
    )
