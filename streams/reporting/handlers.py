"""The reporting stage's handlers: what a fill, a P&L record and a specification do to its records.

As the portfolio's: a handler checks every capacity before its first store and leaves a fault in
place of an exception. What is measured at the end is Python (``metrics.py``).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from schemas.vocabulary import Side
from streams.numeric.borrowing import borrowing_kernel, inner_kernel
from streams.numeric.int128 import high, is_decimal, is_int64, join, low, narrow, power_of_ten, wide
from streams.numeric.stage_records import (
    AMOUNT_TOO_LARGE,
    INSTRUMENT_KEY,
    NO_ENTITY,
    NOTHING,
    STRATEGY_IDS,
    STRATEGY_OUT_OF_RANGE,
    UNKNOWN_INSTRUMENT,
    list_instrument,
    listing_place,
    place_of,
    refine_scales,
    set_fault,
)
from streams.numeric.table import record_at, table_at
from streams.reporting.places import account_of, trip_of
from streams.reporting.records import (
    ACCOUNT,
    FILL,
    INSTRUMENT,
    PNL,
    REPORTING,
    SPECIFICATION,
    TRIP,
)
from streams.reporting.round_trips import follow
from streams.reporting.samples import on_pnl

__all__ = [
    "ON_FILL",
    "ON_INSTRUMENT",
    "ON_PNL",
    "handle",

    "on_fill",
    "on_instrument",
    "on_pnl",
]

BUY = int(Side.BUY)
ON_INSTRUMENT, ON_FILL, ON_PNL = range(3)


@inner_kernel
def on_fill(reporting: Any, fill: Any) -> None:
    """Volume, time in the market, and the round trip the fill belongs to."""
    account, strategy, instrument = (
        np.int64(fill.account),
        np.int64(fill.strategy),
        np.int64(fill.instrument),
    )
    listed_place = place_of(reporting, instrument, INSTRUMENT_KEY)
    if listed_place < 0:
        set_fault(reporting, UNKNOWN_INSTRUMENT, instrument, NOTHING, NOTHING)
        return
    if strategy < 0 or strategy >= STRATEGY_IDS:
        set_fault(reporting, STRATEGY_OUT_OF_RANGE, strategy, strategy, np.int64(STRATEGY_IDS - 1))
        return
    owner_place = account_of(reporting, account)
    if owner_place < 0:
        return
    place = trip_of(reporting, owner_place, strategy, instrument, listed_place)
    if place < 0:
        return
    listed = table_at(reporting.instruments, INSTRUMENT)[listed_place]
    owner = table_at(reporting.accounts, ACCOUNT)[owner_place]
    trip = table_at(reporting.trips, TRIP)[place]
    scale = join(listed.scale_high, listed.scale_low)
    unit_price = wide(fill.price) * listed.multiplier
    value = unit_price * fill.quantity * scale
    volume = join(owner.volume_high, owner.volume_low) + value
    held, entry_notional = (
        wide(trip.position),
        join(trip.entry_notional_high, trip.entry_notional_low),
    )
    is_closed, closed_exit, closed_fees, position, entered, entry, exit_notional, fees = follow(
        held,
        wide(trip.entered),
        entry_notional,
        join(trip.exit_notional_high, trip.exit_notional_low),
        join(trip.fees_high, trip.fees_low),
        wide(fill.quantity) if fill.side == BUY else -wide(fill.quantity),
        unit_price,
        join(fill.fee_high, fill.fee_low),
    )
    gross = closed_exit - entry_notional
    if held < 0:
        gross = -gross
    profit = gross - closed_fees
    net = profit * scale
    is_whole = is_int64(position) and is_int64(entered) and is_decimal(entry) and is_decimal(fees)
    is_whole = is_whole and is_decimal(exit_notional) and is_decimal(value) and is_decimal(volume)
    if is_closed:
        is_whole = is_whole and is_decimal(closed_exit) and is_decimal(closed_fees)
        is_whole = is_whole and is_decimal(gross) and is_decimal(profit) and is_decimal(net)
        total = join(owner.profit_high, owner.profit_low)
        if net < 0:
            total = join(owner.loss_high, owner.loss_low)
        is_whole = is_whole and is_decimal(total + net)
    if not is_whole:
        set_fault(reporting, AMOUNT_TOO_LARGE, instrument, fill.price, fill.quantity)
        return
    owner.fills += 1
    owner.volume_high = high(volume)
    owner.volume_low = low(volume)
    if owner.open_trips == 0:
        owner.exposed_since = fill.event_time
    if held == 0:
        owner.open_trips += 1
    if is_closed:
        _add_trip(owner, net, fill.event_time - trip.opened)
    if position == 0:
        owner.open_trips -= 1
        if owner.open_trips == 0:
            owner.exposed += fill.event_time - owner.exposed_since
    if held == 0 or is_closed:
        trip.opened = fill.event_time
        trip.fills = 0
    trip.fills += 1
    _store(trip, position, entered, entry, exit_notional, fees)


@inner_kernel
def _store(
    trip: Any, position: Any, entered: Any, entry: Any, exit_notional: Any, fees: Any
) -> None:
    trip.position = narrow(position)
    trip.entered = narrow(entered)
    trip.entry_notional_high = high(entry)
    trip.entry_notional_low = low(entry)
    trip.exit_notional_high = high(exit_notional)
    trip.exit_notional_low = low(exit_notional)
    trip.fees_high = high(fees)
    trip.fees_low = low(fees)


@inner_kernel
def _add_trip(owner: Any, net: Any, held_time: Any) -> None:
    """Add a closed round trip with a profit in the account's unit."""
    owner.trades += 1
    holding = join(owner.holding_high, owner.holding_low) + held_time
    owner.holding_high = high(holding)
    owner.holding_low = low(holding)
    if net > 0:
        owner.wins += 1
        profit = join(owner.profit_high, owner.profit_low) + net
        owner.profit_high = high(profit)
        owner.profit_low = low(profit)
        if net > join(owner.largest_win_high, owner.largest_win_low):
            owner.largest_win_high = high(net)
            owner.largest_win_low = low(net)
    elif net < 0:
        owner.losses += 1
        loss = join(owner.loss_high, owner.loss_low) + net
        owner.loss_high = high(loss)
        owner.loss_low = low(loss)
        if net < join(owner.largest_loss_high, owner.largest_loss_low):
            owner.largest_loss_high = high(net)
            owner.largest_loss_low = low(net)


@inner_kernel
def on_instrument(reporting: Any, specification: Any) -> None:
    """A new or changed specification; a finer unit than any before rescales what was summed."""
    precision = specification.precision
    instruments = table_at(reporting.instruments, INSTRUMENT)
    place = listing_place(reporting, instruments, specification.instrument)
    if place < 0:
        return
    if precision > reporting.amount_precision:
        factor = power_of_ten(precision - reporting.amount_precision)
        if not _rescale(reporting, factor):
            return
        reporting.amount_precision = precision
    list_instrument(reporting, instruments, place, specification)


@inner_kernel
def _rescale(reporting: Any, factor: Any) -> Any:
    """Sums and scales in units `factor` times finer; False with a fault left if one is no decimal.

    No win is larger than all of them, so that only volume, profit and loss are looked at.
    """
    accounts = table_at(reporting.accounts, ACCOUNT)
    for place in range(reporting.accounts_used):
        owner = accounts[place]
        is_whole = is_decimal(join(owner.volume_high, owner.volume_low) * factor)
        is_whole = is_whole and is_decimal(join(owner.profit_high, owner.profit_low) * factor)
        if not is_whole or not is_decimal(join(owner.loss_high, owner.loss_low) * factor):
            set_fault(reporting, AMOUNT_TOO_LARGE, NO_ENTITY, owner.account, NOTHING)
            return False
    for place in range(reporting.accounts_used):
        owner = accounts[place]
        volume = join(owner.volume_high, owner.volume_low) * factor
        profit = join(owner.profit_high, owner.profit_low) * factor
        loss = join(owner.loss_high, owner.loss_low) * factor
        win = join(owner.largest_win_high, owner.largest_win_low) * factor
        worst = join(owner.largest_loss_high, owner.largest_loss_low) * factor
        owner.volume_high = high(volume)
        owner.volume_low = low(volume)
        owner.profit_high = high(profit)
        owner.profit_low = low(profit)
        owner.loss_high = high(loss)
        owner.loss_low = low(loss)
        owner.largest_win_high = high(win)
        owner.largest_win_low = low(win)
        owner.largest_loss_high = high(worst)
        owner.largest_loss_low = low(worst)
    refine_scales(reporting, table_at(reporting.instruments, INSTRUMENT), factor)
    return True


@borrowing_kernel
def handle(
    kind: Any, reporting_address: Any, record_address: Any, clock: Any, out_address: Any
) -> Any:
    """The one entry: calls the handler of this kind; returns the fault's code. There are no
    outputs.
    """
    reporting = record_at(reporting_address, REPORTING)
    if kind == ON_FILL:
        on_fill(reporting, record_at(record_address, FILL))
    elif kind == ON_PNL:
        on_pnl(reporting, record_at(record_address, PNL))
    else:
        on_instrument(reporting, record_at(record_address, SPECIFICATION))
    return reporting.fault.code
