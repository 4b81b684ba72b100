"""What an interval sums up, and what its end enters into the windows that look back on intervals.

An interval in which nothing came has no record and is no point of a window: the mid stood, and
nobody traded. Where no mid stood at one of an interval's ends it is no point either.
"""

from __future__ import annotations

from typing import Any

from streams.numeric import wide
from streams.numeric.borrowing import inner_kernel
from streams.numeric.elementary import log
from streams.numeric.measures.amihud import amihud_push
from streams.numeric.measures.kyle import kyle_push
from streams.numeric.measures.markouts import markouts_reset
from streams.numeric.measures.quote_slope import log_depth, log_quote_slope, quote_slope
from streams.numeric.quality import VALIDITY
from streams.numeric.rolling import window_push
from streams.numeric.smoothing import ema_update


@inner_kernel
def begin_interval(flow: Any, start: Any) -> None:
    """The first record of an interval: the quote that stands is summed from its start on."""
    flow.active = 1
    flow.quoted_since = max(flow.quoted_since, start)


@inner_kernel
def sum_quotes(flow: Any, clock: Any) -> None:
    """Add the quote that stood until now, by the time it stood: exact sums of spread and depth."""
    elapsed = clock - flow.quoted_since
    flow.quoted_since = clock
    if elapsed <= 0 or flow.doubled_mid == 0:
        return
    bid, ask = flow.bid_price, flow.ask_price
    flow.quoted_time += elapsed
    high, low = wide.mul(ask - bid, elapsed)
    flow.spread_sum_high, flow.spread_sum_low = wide.add(
        flow.spread_sum_high, flow.spread_sum_low, high, low
    )
    for quantity in (flow.bid_quantity, flow.ask_quantity):
        high, low = wide.mul(quantity, elapsed)
        flow.depth_sum_high, flow.depth_sum_low = wide.add(
            flow.depth_sum_high, flow.depth_sum_low, high, low
        )
    of_depth = log_depth(flow.bid_quantity, flow.ask_quantity)
    if of_depth > 0.0:
        flow.sloped_time += elapsed
        flow.slope_sum += float(elapsed) * quote_slope(bid, ask, of_depth)
        flow.log_slope_sum += float(elapsed) * log_quote_slope(bid, ask, of_depth)


@inner_kernel
def enter_point(state: Any, slot: Any, flow: Any) -> None:
    """The interval as a point of Kyle's line, of Amihud's mean and of the returns."""
    mid, before = flow.doubled_mid, flow.doubled_mid_at_start
    if mid == 0 or before == 0:
        return
    high, low = wide.sub(flow.bought_high, flow.bought_low, flow.sold_high, flow.sold_low)
    points = state.points[slot]
    place = points.count if points.count < points.period else points.oldest
    change = float(mid - before)
    log_return = log(float(mid) / float(before))
    state.log_returns[slot, place] = log_return
    ema_update(state.squares[slot], log_return * log_return)
    kyle_push(
        points, state.signed_volumes[slot], state.mid_changes[slot],
        wide.to_float(high, low), 0.5 * change,
    )  # fmt: skip
    turnover = wide.to_float(flow.turnover_high, flow.turnover_low) * flow.turnover_scale
    amihud_push(
        state.illiquidity[slot], state.illiquidity_ratios[slot], change / float(before), turnover
    )


@inner_kernel
def enter_bar(state: Any, slot: Any, flow: Any) -> None:
    """The change of the last price, for the sigma of later intervals."""
    if flow.volume_high == 0 and flow.volume_low == 0:
        return
    if flow.price_at_start != 0:
        change = float(flow.last_price) - float(flow.price_at_start)
        window_push(state.bars[slot], state.bar_changes[slot], change)
    flow.price_at_start = flow.last_price


@inner_kernel
def reset_interval(state: Any, slot: Any, flow: Any) -> None:
    """Begin the next interval; what waits for a horizon goes on waiting."""
    markouts_reset(state.horizons[slot])
    flow.refused_before = state.queues[slot].refused
    flow.active = flow.method = flow.buy_trades = flow.sell_trades = 0
    flow.bought_high = flow.sold_high = flow.volume_high = flow.turnover_high = 0
    flow.bought_low = flow.sold_low = flow.volume_low = flow.turnover_low = 0
    flow.quoted_time = flow.sloped_time = flow.spread_sum_high = flow.depth_sum_high = 0
    flow.spread_sum_low = flow.depth_sum_low = 0
    flow.slope_sum = flow.log_slope_sum = flow.squared_changes = 0.0
    flow.level_events = flow.level_sum_high = 0
    flow.level_sum_low = 0
    sums = state.level_flows[slot]
    for level in range(len(sums)):
        sums[level].high = 0
        sums[level].low = 0
    flow.doubled_mid_at_start = flow.doubled_mid
    # how the quote stands when the next interval begins
    flow.flags = flow.quote_flags & VALIDITY
