"""Where accounts and round trips lie in their tables, and how a new one is entered."""

from __future__ import annotations

from typing import Any

import numpy as np

from streams.numeric.borrowing import inner_kernel
from streams.numeric.stage_records import (
    ACCOUNT_KEY,
    ACCOUNTS_FULL,
    NOTHING,
    enter,
    enter_pair,
    pair_place,
    place_of,
    set_fault,
)
from streams.numeric.table import table_at
from streams.reporting.records import ACCOUNT, NO_TIME, TRIP, TRIPS_FULL


@inner_kernel
def account_of(reporting: Any, account: Any) -> Any:
    """Place of an account, which is entered if it is new; -1 with a fault left without room."""
    place = place_of(reporting, account, ACCOUNT_KEY)
    if place >= 0:
        return place
    length = len(table_at(reporting.accounts, ACCOUNT))
    place = reporting.accounts_used
    if place == length:
        set_fault(reporting, ACCOUNTS_FULL, account, NOTHING, length)
        return np.int64(-1)
    reporting.accounts_used = place + 1
    row = table_at(reporting.accounts, ACCOUNT)[place]
    row.account = account
    row.first_minute = NO_TIME
    row.minute = NO_TIME
    enter(reporting, account, ACCOUNT_KEY, place)
    return place


@inner_kernel
def trip_of(
    reporting: Any, owner_place: Any, strategy: Any, instrument: Any, listed_place: Any
) -> Any:
    """Place of a round trip, which is entered if it is new; -1 with a fault left without room."""
    account = table_at(reporting.accounts, ACCOUNT)[owner_place].account
    place = pair_place(reporting, account, strategy, instrument)
    if place >= 0:
        return place
    length = len(table_at(reporting.trips, TRIP))
    place = reporting.trips_used
    if place == length:
        set_fault(reporting, TRIPS_FULL, instrument, NOTHING, length)
        return np.int64(-1)
    reporting.trips_used = place + 1
    row = table_at(reporting.trips, TRIP)[place]
    row.account = account
    row.strategy = strategy
    row.instrument = instrument
    row.account_place = owner_place
    row.instrument_place = listed_place
    enter_pair(reporting, account, strategy, instrument, place)
    return place
