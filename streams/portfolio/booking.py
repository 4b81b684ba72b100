"""Booking a fill: one entry at average cost, or two where it flips the position."""

from __future__ import annotations

from typing import Any

import numpy as np

from schemas.vocabulary import Side
from streams.numeric.borrowing import inner_kernel
from streams.numeric.cost import add, reduce
from streams.numeric.int128 import high, is_decimal, is_int64, join, low, narrow, share, wide
from streams.numeric.stage_records import (
    ACCOUNT_KEY,
    ACCOUNTS_FULL,
    AMOUNT_TOO_LARGE,
    INSTRUMENT_KEY,
    NOTHING,
    STRATEGY_IDS,
    STRATEGY_OUT_OF_RANGE,
    UNKNOWN_INSTRUMENT,
    pair_place,
    place_of,
    set_fault,
)
from streams.numeric.table import table_at
from streams.portfolio.places import open_account, open_holding
from streams.portfolio.records import (
    ACCOUNT,
    HOLDING,
    HOLDINGS_FULL,
    INSTRUMENT,
    POSITION,
    POSITIONS_FULL,
)

BUY = int(Side.BUY)
ENTRIES = 2
"""The most entries of one fill."""


@inner_kernel
def can_book(portfolio: Any, fill: Any, out: Any) -> Any:
    """Whether all that the fill names is known and there is room for what it may enter and write.

    False with a fault left if not.
    """
    account, strategy, instrument = (
        np.int64(fill.account),
        np.int64(fill.strategy),
        np.int64(fill.instrument),
    )
    rows = len(table_at(out.positions, POSITION))
    accounts, holdings = portfolio.accounts_used, portfolio.holdings_used
    if place_of(portfolio, instrument, INSTRUMENT_KEY) < 0:
        set_fault(portfolio, UNKNOWN_INSTRUMENT, instrument, NOTHING, NOTHING)
    elif strategy < 0 or strategy >= STRATEGY_IDS:
        set_fault(portfolio, STRATEGY_OUT_OF_RANGE, strategy, strategy, np.int64(STRATEGY_IDS - 1))
    elif rows - out.positions_used < ENTRIES:
        set_fault(portfolio, POSITIONS_FULL, instrument, NOTHING, rows)
    elif (
        accounts == len(table_at(portfolio.accounts, ACCOUNT))
        and place_of(portfolio, account, ACCOUNT_KEY) < 0
    ):
        set_fault(portfolio, ACCOUNTS_FULL, account, NOTHING, accounts)
    elif (
        holdings == len(table_at(portfolio.holdings, HOLDING))
        and pair_place(portfolio, account, strategy, instrument) < 0
    ):
        set_fault(portfolio, HOLDINGS_FULL, instrument, NOTHING, holdings)
    else:
        return True
    return False


@inner_kernel
def book_fill(portfolio: Any, fill: Any, clock: Any, out: Any) -> None:
    """Book one fill, a Position for each entry; where it leaves a fault nothing changed."""
    if not can_book(portfolio, fill, out):
        return
    account, strategy, instrument = (
        np.int64(fill.account),
        np.int64(fill.strategy),
        np.int64(fill.instrument),
    )
    listed_place = place_of(portfolio, instrument, INSTRUMENT_KEY)
    owner_place = place_of(portfolio, account, ACCOUNT_KEY)
    place = pair_place(portfolio, account, strategy, instrument)
    listed = table_at(portfolio.instruments, INSTRUMENT)[listed_place]
    held = cost = realized = fees = cash = wide(0)
    if place >= 0:
        holding = table_at(portfolio.holdings, HOLDING)[place]
        held = wide(holding.quantity)
        cost = join(holding.cost_high, holding.cost_low)
        realized = join(holding.realized_high, holding.realized_low)
        fees = join(holding.fees_high, holding.fees_low)
    if owner_place >= 0:
        owner = table_at(portfolio.accounts, ACCOUNT)[owner_place]
        cash = join(owner.cash_high, owner.cash_low)
    signed = wide(fill.quantity) if fill.side == BUY else -wide(fill.quantity)
    fee = join(fill.fee_high, fill.fee_low)
    entries = 1
    is_booked = True
    if held != 0 and (held > 0) != (signed > 0) and abs(signed) > abs(held):
        closing_fee = share(fee, abs(held), fill.quantity)
        rest = signed + held
        closed = entry(listed, fill.price, -held, closing_fee, held, cost, realized, fees, cash)
        held, cost, realized, fees, cash, is_booked = closed
        if is_booked:
            _write_position(out, fill, clock, NOTHING, held, cost, realized, fees)
        signed, fee = rest, fee - closing_fee
        entries = 2
    if is_booked:
        held, cost, realized, fees, cash, is_booked = entry(
            listed, fill.price, signed, fee, held, cost, realized, fees, cash
        )
    if not is_booked:
        set_fault(portfolio, AMOUNT_TOO_LARGE, instrument, fill.price, fill.quantity)
        return
    _write_position(out, fill, clock, np.int64(entries - 1), held, cost, realized, fees)
    out.positions_used += entries
    if owner_place < 0:
        owner_place = open_account(portfolio, account)
    if place < 0:
        place = open_holding(portfolio, owner_place, strategy, instrument, listed_place)
    _store(table_at(portfolio.holdings, HOLDING)[place], held, cost, realized, fees)
    owner = table_at(portfolio.accounts, ACCOUNT)[owner_place]
    owner.cash_high = high(cash)
    owner.cash_low = low(cash)
    portfolio.changed = 1


@inner_kernel
def entry(
    listed: Any,
    price: Any,
    signed: Any,
    fee: Any,
    held: Any,
    cost: Any,
    realized: Any,
    fees: Any,
    cash: Any,
) -> Any:
    """(held, cost, realized, fees, cash, whether all of it can be booked) after `signed`
    quantity at a price, with its share of the fee.
    """
    notional = wide(price) * abs(signed) * listed.multiplier
    if held == 0 or (held > 0) == (signed > 0):
        held, cost, gain = add(held, cost, signed, notional)
    else:
        held, cost, gain = reduce(held, cost, signed, notional)
    realized += gain
    fees += fee
    moved = gain
    if listed.settled_in_cash != 0:
        moved = -notional if signed > 0 else notional
    change = moved - fee
    scaled = change * join(listed.scale_high, listed.scale_low)
    cash += scaled
    is_small = (
        is_decimal(notional) and is_decimal(gain) and is_decimal(change) and is_decimal(scaled)
    )
    is_kept = (
        is_int64(held)
        and is_decimal(cost)
        and is_decimal(realized)
        and is_decimal(fees)
        and is_decimal(cash)
    )
    return held, cost, realized, fees, cash, is_small and is_kept


@inner_kernel
def _store(holding: Any, held: Any, cost: Any, realized: Any, fees: Any) -> None:
    holding.quantity = narrow(held)
    holding.cost_high = high(cost)
    holding.cost_low = low(cost)
    holding.realized_high = high(realized)
    holding.realized_low = low(realized)
    holding.fees_high = high(fees)
    holding.fees_low = low(fees)


@inner_kernel
def _write_position(
    out: Any, fill: Any, clock: Any, behind: Any, held: Any, cost: Any, realized: Any, fees: Any
) -> None:
    """Write the Position of an entry into the free row so far behind the last."""
    row = table_at(out.positions, POSITION)[out.positions_used + behind]
    row.account = fill.account
    row.strategy = fill.strategy
    row.instrument = fill.instrument
    row.event_time = clock
    row.order_id_high = fill.order_id_high
    row.order_id_low = fill.order_id_low
    row.quantity = narrow(held)
    row.cost_high = high(cost)
    row.cost_low = low(cost)
    row.realized_high = high(realized)
    row.realized_low = low(realized)
    row.fees_high = high(fees)
    row.fees_low = low(fees)
