"""Time bars: interval [open_time, close_time), closed on the clock, amended by late trades.

The rules (design section 5; AGG-1, AGG-3, AGG-5):

1. A bar opens with the first trade of its interval and closes when the clock reaches
   ``close_time``; closing needs no further trade.
2. Open and close prices follow (event time, trade id), so trades out of order inside the interval
   give the same bar.
3. A bar is PARTIAL when its interval began before the instrument's first record, or when the input
   ends inside it.
4. A trade whose interval is closed is late. It amends the kept bar (``version + 1``, AMENDED); an
   interval that had no bar gets one (version 1, LATE); and where the bar is no longer kept, the
   trade alone is published as version 0, LATE and PARTIAL: a fragment that replaces nothing, so
   that volumes still add up.
5. With ``fill_empty`` an interval without trades gives a flat SYNTHETIC bar at the close known at
   that moment.
6. Volumes are exact: two limbs, ``volume_wide`` and ``taker_buy_volume_wide``. Where one leaves
   int64 the old field stays at 2^63 - 1 and the bar is flagged OVERFLOW. A quote volume beyond 38
   digits is a fault that names the instrument, the bar and the trade.
7. A trade ahead of the clock (possible on a wall clock only) closes the bar before it early; rule 4
   takes what still arrives for it.
"""

from __future__ import annotations

from typing import Any

from schemas.vocabulary import BarKind, Flag, Side
from streams.aggregation.state import NEVER, QUOTE_VOLUME_FAULT
from streams.numeric import wide
from streams.numeric.borrowing import inner_kernel
from streams.numeric.bounds import COUNT_MAX, add_count, saturated
from streams.numeric.quality import OF_RECORDS

BUY = int(Side.BUY)
TIME = int(BarKind.TIME)
LATE = int(Flag.LATE)
AMENDED = int(Flag.AMENDED)
PARTIAL = int(Flag.PARTIAL)
SYNTHETIC = int(Flag.SYNTHETIC)
OVERFLOW = int(Flag.OVERFLOW)
BARS_A_CALL = 8
FAR = 1 << 62  # high limbs of amounts that may have more than 38 digits: 10^38 is 1.18 * 2^126


@inner_kernel
def add_trade(fault: Any, bar: Any, trade: Any) -> None:
    """Add a trade to the bar of its interval. ``fault``: the stage's, set where an amount has more
    than 38 digits.
    """
    price, quantity, time, identity = trade.price, trade.quantity, trade.event_time, trade.trade_id
    if bar.prints == 0:
        bar.open = bar.high = bar.low = bar.close = price
        bar.first_time = bar.last_time = time
        bar.first_id = bar.last_id = identity
    else:
        bar.high = max(bar.high, price)
        bar.low = min(bar.low, price)
        if time > bar.last_time or (time == bar.last_time and identity >= bar.last_id):
            bar.close, bar.last_time, bar.last_id = price, time, identity
        elif time < bar.first_time or (time == bar.first_time and identity < bar.first_id):
            bar.open, bar.first_time, bar.first_id = price, time, identity
    bar.prints += 1
    bar.trade_count = add_count(bar.trade_count, trade.trade_count)
    bar.flags |= trade.flags & OF_RECORDS
    quantity_high, quantity_low = wide.widen(quantity)
    bar.volume_high, bar.volume_low = wide.add(
        bar.volume_high, bar.volume_low, quantity_high, quantity_low
    )
    high, low = wide.mul(price, quantity)
    bar.quote_volume_high, bar.quote_volume_low = wide.add(
        bar.quote_volume_high, bar.quote_volume_low, high, low
    )
    is_far = bar.quote_volume_high >= FAR or bar.quote_volume_high < -FAR
    if trade.aggressor_side == BUY:
        bar.taker_buy_volume_high, bar.taker_buy_volume_low = wide.add(
            bar.taker_buy_volume_high, bar.taker_buy_volume_low, quantity_high, quantity_low
        )
        bar.taker_buy_quote_volume_high, bar.taker_buy_quote_volume_low = wide.add(
            bar.taker_buy_quote_volume_high, bar.taker_buy_quote_volume_low, high, low
        )
        is_far |= bar.taker_buy_quote_volume_high >= FAR or bar.taker_buy_quote_volume_high < -FAR
    if is_far:
        check_amounts(fault, bar, trade.trade_id)


@inner_kernel
def check_amounts(fault: Any, bar: Any, trade_id: Any) -> None:
    """Where a quote volume of the bar has more than 38 digits with this trade, the run ends here.
    """
    fits = wide.fits_decimal(bar.quote_volume_high, bar.quote_volume_low)
    fits &= wide.fits_decimal(bar.taker_buy_quote_volume_high, bar.taker_buy_quote_volume_low)
    if fault[0] == 0 and not fits:
        fault[0] = QUOTE_VOLUME_FAULT
        fault[1] = bar.instrument
        fault[2] = bar.open_time
        fault[3] = trade_id


@inner_kernel
def start_bar(bar: Any, open_time: Any, version: Any, flags: Any) -> None:
    """Make ``bar`` the empty bar that starts at ``open_time``; its close price stays, a synthetic
    bar is made from it.
    """
    bar.open_time = open_time
    bar.close_time = open_time + bar.interval
    bar.version = version
    bar.flags = flags
    bar.prints = bar.trade_count = 0
    bar.volume_high = bar.taker_buy_volume_high = bar.quote_volume_high = (
        bar.taker_buy_quote_volume_high
    ) = 0
    bar.volume_low = bar.taker_buy_volume_low = bar.quote_volume_low = (
        bar.taker_buy_quote_volume_low
    ) = 0
    bar.first_time = bar.first_id = bar.last_time = bar.last_id = 0


@inner_kernel
def flatten_bar(bar: Any, price: Any) -> None:
    """Turn an empty bar into a synthetic one at ``price``."""
    bar.open = bar.high = bar.low = bar.close = price
    bar.flags |= SYNTHETIC


@inner_kernel
def emit_bar(bar: Any, out: Any) -> None:
    """Append the bar to md.bars."""
    rows, count = out.md_bars
    row = rows[count[0]]
    row.instrument = bar.instrument
    row.kind = TIME
    row.interval = bar.interval
    row.open_time = bar.open_time
    row.close_time = bar.close_time
    row.version = bar.version
    row.open = bar.open
    row.high = bar.high
    row.low = bar.low
    row.close = bar.close
    row.volume = saturated(bar.volume_high, bar.volume_low)
    row.quote_volume_high = bar.quote_volume_high
    row.quote_volume_low = bar.quote_volume_low
    row.trade_count = bar.trade_count
    row.taker_buy_volume = saturated(bar.taker_buy_volume_high, bar.taker_buy_volume_low)
    row.taker_buy_quote_volume_high = bar.taker_buy_quote_volume_high
    row.taker_buy_quote_volume_low = bar.taker_buy_quote_volume_low
    row.flags = bar.flags
    if not wide.fits_int64(bar.volume_high, bar.volume_low) or bar.trade_count == COUNT_MAX:
        row.flags |= OVERFLOW
    row.volume_wide_high = bar.volume_high
    row.volume_wide_low = bar.volume_low
    row.taker_buy_volume_wide_high = bar.taker_buy_volume_high
    row.taker_buy_volume_wide_low = bar.taker_buy_volume_low
    count[0] += 1


@inner_kernel
def keep_bar(state: Any, at: Any, bar: Any) -> Any:
    """Insert a closed bar among the kept ones of its series, dropping the oldest when full; returns
    its place.
    """
    kept, series = state.kept[at], state.series[at]
    count = series.kept
    if count == kept.shape[0]:
        for i in range(count - 1):
            kept[i] = kept[i + 1]
        count -= 1
    place = count
    while place > 0 and kept[place - 1].open_time > bar.open_time:
        kept[place] = kept[place - 1]
        place -= 1
    kept[place] = bar
    series.kept = count + 1
    return place


@inner_kernel
def close_bar(state: Any, at: Any, out: Any) -> None:
    """Publish and keep the open bar of series ``at``; with ``fill_empty`` the next interval opens
    empty.
    """
    bar, series = state.bars[at], state.series[at]
    if bar.prints == 0:
        flatten_bar(bar, bar.close)
    emit_bar(bar, out)
    keep_bar(state, at, bar)
    series.closed_until = bar.close_time
    if state.header[0].fill_empty:
        start_bar(bar, bar.close_time, 1, 0)
    else:
        bar.open_time = bar.close_time = NEVER


@inner_kernel
def fill_gap(state: Any, at: Any, out: Any) -> None:
    """Publish one synthetic bar of the stretch [gap_next, gap_until) that a trade ahead of the
    clock skipped.
    """
    bar, series = state.bars[at], state.series[at]
    # a copy at the end, rewritten: the stretch lies after every kept bar
    place = keep_bar(state, at, bar)
    synthetic = state.kept[at, place]
    start_bar(synthetic, series.gap_next, 1, 0)
    flatten_bar(synthetic, series.gap_price)
    emit_bar(synthetic, out)
    series.gap_next = synthetic.close_time
    series.closed_until = synthetic.close_time


@inner_kernel
def add_late_trade(
    state: Any, at: Any, open_time: Any, first_time: Any, trade: Any, out: Any
) -> None:
    """Amend the closed bar that starts at ``open_time``, or make the bar or the fragment that rule
    4 asks for.
    """
    kept, series = state.kept[at], state.series[at]
    state.header[0].late_trades += 1
    for i in range(series.kept - 1, -1, -1):
        bar = kept[i]
        if bar.open_time == open_time:
            if bar.prints == 0:
                bar.flags &= ~SYNTHETIC
            bar.flags |= AMENDED
            bar.version += 1
            add_trade(state.fault, bar, trade)
            emit_bar(bar, out)
            state.header[0].amended_bars += 1
            return
    full = series.kept == kept.shape[0]
    if full and open_time < kept[0].open_time:
        state.header[0].fragments += 1
        newest = kept[series.kept - 1]
        saved = state.scratch[0]
        saved.instrument = newest.instrument
        saved.interval = newest.interval
        start_bar(saved, open_time, 0, LATE | PARTIAL)
        add_trade(state.fault, saved, trade)
        emit_bar(saved, out)
        return
    place = keep_bar(state, at, state.bars[at])
    while place > 0 and kept[place - 1].open_time > open_time:
        kept[place] = kept[place - 1]
        place -= 1
    bar = kept[place]
    bar.instrument = state.bars[at].instrument
    start_bar(bar, open_time, 1, LATE | (PARTIAL if open_time < first_time else 0))
    add_trade(state.fault, bar, trade)
    emit_bar(bar, out)


@inner_kernel
def begin_bar(state: Any, at: Any, open_time: Any, first_time: Any, out: Any) -> None:
    """Close what is open of series ``at``, note the stretch to be filled, and start the bar of
    ``open_time``. At most one bar is published.
    """
    bar, series = state.bars[at], state.series[at]
    if bar.open_time != NEVER:
        close_bar(state, at, out)
        if bar.open_time != NEVER and bar.open_time < open_time:
            series.gap_next, series.gap_until, series.gap_price = (
                bar.open_time,
                open_time,
                bar.close,
            )
    start_bar(bar, open_time, 1, PARTIAL if open_time < first_time else 0)
    state.timer[0] = min(state.timer[0], bar.close_time)
    if series.gap_next < series.gap_until:
        state.timer[0] = state.clock[0]


@inner_kernel
def add_trade_elsewhere(state: Any, at: Any, first_time: Any, trade: Any, out: Any) -> None:
    """Place a trade that does not fall into the open bar of series ``at``: start a bar, or take it
    as late. At most one bar is published.
    """
    bar, series = state.bars[at], state.series[at]
    time = trade.event_time
    open_time = time - (time - bar.origin) % bar.interval
    close_time = open_time + bar.interval
    if close_time <= state.clock[0] or close_time <= series.closed_until:
        add_late_trade(state, at, open_time, first_time, trade, out)
        return
    begin_bar(state, at, open_time, first_time, out)
    add_trade(state.fault, bar, trade)


@inner_kernel
def bars_on_trade(state: Any, slot: Any, trade: Any, first_time: Any, out: Any) -> None:
    """Add the trade to every series of its instrument."""
    lengths = state.header[0].lengths
    time = trade.event_time
    for at in range(slot * lengths, (slot + 1) * lengths):
        bar = state.bars[at]
        if bar.open_time <= time and time < bar.close_time:
            add_trade(state.fault, bar, trade)
        else:
            add_trade_elsewhere(state, at, first_time, trade, out)


@inner_kernel
def bars_on_timer(state: Any, deadline: Any, out: Any) -> Any:
    """Close what is due, at most ``BARS_A_CALL`` bars; returns the next deadline (``deadline``
    itself while work is left).
    """
    published = 0
    following = NEVER
    for at in range(state.bars.shape[0]):
        bar, series = state.bars[at], state.series[at]
        while series.gap_next < series.gap_until or bar.close_time <= deadline:
            if published == BARS_A_CALL:
                return deadline
            if series.gap_next < series.gap_until:
                fill_gap(state, at, out)
            else:
                close_bar(state, at, out)
            published += 1
        following = min(following, bar.close_time)
    return following


@inner_kernel
def bars_on_end(state: Any, out: Any) -> Any:
    """Publish the bars still open as PARTIAL, at most ``BARS_A_CALL`` of them; returns True when
    none is left.
    """
    published = 0
    for at in range(state.bars.shape[0]):
        bar = state.bars[at]
        if bar.open_time == NEVER:
            continue
        if bar.prints > 0:
            if published == BARS_A_CALL:
                return False
            bar.flags |= PARTIAL
            emit_bar(bar, out)
            published += 1
        bar.open_time = bar.close_time = NEVER
    return True
