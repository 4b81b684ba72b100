"""Samples of equity: what a P&L record does to the series of its account (``equity.py``)."""

from __future__ import annotations

from typing import Any

import numpy as np

from schemas.vocabulary import Flag
from schemas.wire import NULL
from streams.numeric.borrowing import inner_kernel
from streams.numeric.int128 import high, is_decimal, join, low, power_of_ten
from streams.numeric.stage_records import AMOUNT_TOO_LARGE, NO_ENTITY, NOTHING, set_fault
from streams.numeric.table import table_at
from streams.reporting.equity import minute_of
from streams.reporting.places import account_of
from streams.reporting.records import ACCOUNT, NO_TIME, SAMPLE, SAMPLES_FULL

PARTIAL = int(Flag.PARTIAL)


@inner_kernel
def on_pnl(reporting: Any, pnl: Any) -> None:
    """A sample of equity; the opening record says when trading may begin.

    Up to ``began`` records say the capital, and are no samples.
    """
    owner_place = account_of(reporting, np.int64(pnl.account))
    if owner_place < 0:
        return
    series = table_at(reporting.accounts, ACCOUNT)[owner_place]
    began, time = reporting.began, pnl.event_time
    if pnl.flags & PARTIAL and began == NO_TIME:
        began = max(reporting.trade_from, time + reporting.warmup)
    is_valued = pnl.equity_high != NULL and pnl.unrealized_high != NULL
    minute = minute_of(time)
    if series.has_start != 0 and minute > series.minute:
        missing = minute - series.minute
        length = len(table_at(reporting.samples, SAMPLE))
        if length - reporting.samples_used < missing:
            set_fault(
                reporting,
                SAMPLES_FULL,
                np.int64(pnl.account),
                reporting.samples_used + missing,
                length,
            )
            return
    equity = join(pnl.equity_high, pnl.equity_low)
    if is_valued and not can_observe(reporting, series, owner_place, pnl, equity):
        set_fault(reporting, AMOUNT_TOO_LARGE, NO_ENTITY, np.int64(pnl.account), NOTHING)
        return
    reporting.began = began
    if series.has_start == 0:
        if not is_valued:
            return
        start = capital(pnl, equity)
        series.has_start = 1
        series.start_high = high(start)
        series.start_low = low(start)
        series.equity_precision = pnl.amount_precision
        series.minute = minute if began == NO_TIME else minute_of(max(time, began + 1))
        series.first_minute = series.minute
    if minute > series.minute:
        _close_before(reporting, series, owner_place, minute)
    is_measured = 1 if began == NO_TIME or time > began else 0
    if not is_valued:
        series.is_unpriced = is_measured
        return
    if pnl.amount_precision != series.equity_precision:
        _refine(reporting, series, owner_place, np.int64(pnl.amount_precision))
    series.last_high = high(equity)
    series.last_low = low(equity)
    series.is_priced = is_measured


@inner_kernel
def capital(pnl: Any, equity: Any) -> Any:
    """Capital before the first sample, the same at every record that has a value."""
    profit = join(pnl.realized_high, pnl.realized_low) + join(
        pnl.unrealized_high, pnl.unrealized_low
    )
    return equity - profit + join(pnl.fees_high, pnl.fees_low)


@inner_kernel
def can_observe(reporting: Any, series: Any, owner_place: Any, pnl: Any, equity: Any) -> Any:
    """True if the capital is a decimal, and so is every sample in a unit that is finer."""
    realized = join(pnl.realized_high, pnl.realized_low)
    profit = realized + join(pnl.unrealized_high, pnl.unrealized_low)
    if (
        not is_decimal(profit)
        or not is_decimal(equity - profit)
        or not is_decimal(capital(pnl, equity))
    ):
        return False
    if series.has_start == 0 or pnl.amount_precision == series.equity_precision:
        return True
    factor = power_of_ten(pnl.amount_precision - series.equity_precision)
    samples = table_at(reporting.samples, SAMPLE)
    for place in range(reporting.samples_used):
        sample = samples[place]
        if sample.account_place == owner_place:
            if not is_decimal(join(sample.equity_high, sample.equity_low) * factor):
                return False
    is_whole = is_decimal(join(series.last_high, series.last_low) * factor)
    return is_whole and is_decimal(join(series.start_high, series.start_low) * factor)


@inner_kernel
def _close_before(reporting: Any, series: Any, owner_place: Any, minute: Any) -> None:
    """Close every minute before `minute` and open it."""
    samples = table_at(reporting.samples, SAMPLE)
    while series.minute < minute:
        sample = samples[reporting.samples_used]
        reporting.samples_used += 1
        sample.account_place = owner_place
        sample.equity_high = series.last_high
        sample.equity_low = series.last_low
        if series.is_unpriced != 0 and series.is_priced == 0:
            series.carried += 1
        series.is_priced = 0
        series.is_unpriced = 0
        series.minute += 1


@inner_kernel
def _refine(reporting: Any, series: Any, owner_place: Any, precision: Any) -> None:
    """An instrument with a finer unit was added: rescale, exactly."""
    factor = power_of_ten(precision - series.equity_precision)
    samples = table_at(reporting.samples, SAMPLE)
    for place in range(reporting.samples_used):
        sample = samples[place]
        if sample.account_place == owner_place:
            equity = join(sample.equity_high, sample.equity_low) * factor
            sample.equity_high = high(equity)
            sample.equity_low = low(equity)
    start = join(series.start_high, series.start_low) * factor
    series.start_high = high(start)
    series.start_low = low(start)
    series.equity_precision = precision
