"""Bars from bars: a bar of the data is published as it is, and added to the longer bars of its
instrument.

Prices, counts and volumes of a longer bar are exactly those of the bars in it. A bar counts to the
interval in which it opens.
"""

from __future__ import annotations

from typing import Any

from schemas.compiled.bar import DTYPE as GIVEN
from schemas.vocabulary import Flag
from schemas.wire import NULL
from streams.aggregation.bars import begin_bar
from streams.aggregation.state import QUOTE_VOLUME_FAULT
from streams.numeric import wide
from streams.numeric.borrowing import inner_kernel
from streams.numeric.bounds import add_count
from streams.numeric.quality import OF_RECORDS

KEPT = OF_RECORDS | int(Flag.PARTIAL | Flag.OVERFLOW)
"""Flags of a bar that say something about every longer bar that holds it."""
HALF = 1 << 61
"""High limbs of amounts whose sum certainly has at most 38 digits."""
__all__ = ["GIVEN", "bars_on_bar", "copy_bar"]


@inner_kernel
def copy_bar(kept: Any, given: Any) -> None:
    """Field by field: what lies between the fields of a row would differ from run to run, and is
    part of the state's digest.
    """
    kept.instrument = given.instrument
    kept.kind = given.kind
    kept.interval = given.interval
    kept.open_time = given.open_time
    kept.close_time = given.close_time
    kept.version = given.version
    kept.open = given.open
    kept.high = given.high
    kept.low = given.low
    kept.close = given.close
    kept.volume = given.volume
    kept.quote_volume_high = given.quote_volume_high
    kept.quote_volume_low = given.quote_volume_low
    kept.trade_count = given.trade_count
    kept.taker_buy_volume = given.taker_buy_volume
    kept.taker_buy_quote_volume_high = given.taker_buy_quote_volume_high
    kept.taker_buy_quote_volume_low = given.taker_buy_quote_volume_low
    kept.flags = given.flags
    kept.volume_wide_high = given.volume_wide_high
    kept.volume_wide_low = given.volume_wide_low
    kept.taker_buy_volume_wide_high = given.taker_buy_volume_wide_high
    kept.taker_buy_volume_wide_low = given.taker_buy_volume_wide_low


@inner_kernel
def bars_on_bar(state: Any, slot: Any, given: Any, first_time: Any, out: Any) -> None:
    """Publish the bar, and add it to each longer series of its instrument; a shorter series has
    nothing.
    """
    rows, count = out.md_bars
    lengths = state.header[0].lengths
    interval = given.close_time - given.open_time
    for at in range(slot * lengths, (slot + 1) * lengths):
        bar = state.bars[at]
        if bar.interval == interval:
            rows[count[0]] = given
            count[0] += 1
        elif bar.interval > interval:
            open_time = given.open_time - (given.open_time - bar.origin) % bar.interval
            if bar.open_time != open_time:
                begin_bar(state, at, open_time, first_time, out)
            add_bar(state.fault, bar, given)


@inner_kernel
def add_bar(fault: Any, bar: Any, given: Any) -> None:
    """Add a bar that opens in it. ``fault``: the stage's, set where an amount has more than 38
    digits.
    """
    if bar.prints == 0:
        bar.open, bar.high, bar.low = given.open, given.high, given.low
        bar.first_time = given.open_time
    bar.high = max(bar.high, given.high)
    bar.low = min(bar.low, given.low)
    bar.close = given.close
    bar.last_time = given.open_time
    bar.prints += 1
    bar.trade_count = add_count(bar.trade_count, given.trade_count)
    bar.flags |= given.flags & KEPT
    bar.volume_high, bar.volume_low = _sum(
        fault, bar, bar.volume_high, bar.volume_low, given.volume_wide_high, given.volume_wide_low,
        given.volume,
    )
    bar.taker_buy_volume_high, bar.taker_buy_volume_low = _sum(
        fault, bar, bar.taker_buy_volume_high, bar.taker_buy_volume_low,
        given.taker_buy_volume_wide_high, given.taker_buy_volume_wide_low, given.taker_buy_volume,
    )
    bar.quote_volume_high, bar.quote_volume_low = _sum(
        fault, bar, bar.quote_volume_high, bar.quote_volume_low, given.quote_volume_high,
        given.quote_volume_low, 0,
    )
    bar.taker_buy_quote_volume_high, bar.taker_buy_quote_volume_low = _sum(
        fault, bar, bar.taker_buy_quote_volume_high, bar.taker_buy_quote_volume_low,
        given.taker_buy_quote_volume_high, given.taker_buy_quote_volume_low, 0,
    )  # fmt: skip


@inner_kernel
def _sum(
    fault: Any, bar: Any, high: Any, low: Any, more_high: Any, more_low: Any, narrow: Any
) -> Any:
    """(high, low) of a volume with another; the fault where it may leave 38 digits. ``narrow``:
    the other one where it has no wide field (NULL).
    """
    if more_high == NULL:
        more_high, more_low = wide.widen(narrow)
    if high >= HALF or more_high >= HALF or more_high < 0:
        if fault[0] == 0:
            fault[0] = QUOTE_VOLUME_FAULT
            fault[1] = bar.instrument
            fault[2] = bar.open_time
            fault[3] = bar.prints
        return high, low
    return wide.add(high, low, more_high, more_low)
