"""What a record of md.microstructure says, group by group, and why a measure of it is null."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from schemas.vocabulary import Flag, MeasureReason
from streams.numeric import wide
from streams.numeric.borrowing import inner_kernel
from streams.numeric.measures.amihud import amihud_value
from streams.numeric.measures.bulk import bought_share, bulk_bought
from streams.numeric.measures.hawkes import hawkes_advance, hawkes_intensities
from streams.numeric.measures.kyle import kyle_lambda
from streams.numeric.measures.markouts import HORIZONS
from streams.numeric.measures.microprice import microprice
from streams.numeric.measures.order_flow import integrated_order_flow
from streams.numeric.measures.roll import roll_spread
from streams.numeric.measures.variance_ratio import variance_ratio
from streams.numeric.measures.weighted_mid import weighted_mid
from streams.numeric.rolling import first_not_below, window_deviation, window_full
from streams.numeric.smoothing import ema_value

NAN = math.nan
NONE, WARMING_UP, UNDEFINED, NO_TRADES, STALE_BOOK, NOT_GIVEN = (
    int(each) for each in list(MeasureReason)[1:]
)
STALE, OVERFLOW = int(Flag.STALE), int(Flag.OVERFLOW)
BASIS_POINTS = 1e4
SHARE_UNITS = 2.0**-31
assert len(HORIZONS) == 5, "a record has fields for five horizons"  # noqa: S101


@inner_kernel
def reason_of(is_ready: Any, value: Any) -> Any:
    """Of a measure that is nan until its window is full, and where it is undefined."""
    if value == value:
        return NONE
    return UNDEFINED if is_ready else WARMING_UP


@inner_kernel
def write_record(state: Any, books: Any, slot: Any, flags: Any, row: Any) -> None:
    """Fill a row with the interval that ends at the clock, whose points are entered already."""
    flow = state.flows[slot]
    row.instrument = flow.instrument
    row.event_time = state.clock[0]
    row.interval = state.header[0].interval
    row.method = flow.method
    row.flags = flow.flags | flags
    if books.books[slot].synced == 0:
        row.flags |= STALE
    write_spreads(state.horizons[slot], row)
    row.refused_trades = state.queues[slot].refused - flow.refused_before
    write_flow(state, slot, flow, row)
    write_impact(state, slot, row)
    write_volatility(state, slot, flow, row)
    write_hawkes(state, slot, flow, row)
    write_bulk(state, slot, flow, row)
    write_order_flow(state, slot, flow, row)
    write_book(state, slot, flow, row)
    write_quoted(flow, row)
    write_rank(state.vpins[slot], state.vpin_ranking[slot], flow.last_vpin, row)


@inner_kernel
def write_spreads(horizons: Any, row: Any) -> None:
    """Sums of the trades whose horizon passed in the interval."""
    each = horizons[0]
    row.spread_trades_100ms = each.trades
    row.effective_spread_100ms_high = each.effective_high
    row.effective_spread_100ms_low = each.effective_low
    row.realised_spread_100ms_high = each.realised_high
    row.realised_spread_100ms_low = each.realised_low
    row.price_impact_100ms_high = each.impact_high
    row.price_impact_100ms_low = each.impact_low
    each = horizons[1]
    row.spread_trades_1s = each.trades
    row.effective_spread_1s_high = each.effective_high
    row.effective_spread_1s_low = each.effective_low
    row.realised_spread_1s_high = each.realised_high
    row.realised_spread_1s_low = each.realised_low
    row.price_impact_1s_high = each.impact_high
    row.price_impact_1s_low = each.impact_low
    each = horizons[2]
    row.spread_trades_5s = each.trades
    row.effective_spread_5s_high = each.effective_high
    row.effective_spread_5s_low = each.effective_low
    row.realised_spread_5s_high = each.realised_high
    row.realised_spread_5s_low = each.realised_low
    row.price_impact_5s_high = each.impact_high
    row.price_impact_5s_low = each.impact_low
    each = horizons[3]
    row.spread_trades_30s = each.trades
    row.effective_spread_30s_high = each.effective_high
    row.effective_spread_30s_low = each.effective_low
    row.realised_spread_30s_high = each.realised_high
    row.realised_spread_30s_low = each.realised_low
    row.price_impact_30s_high = each.impact_high
    row.price_impact_30s_low = each.impact_low
    each = horizons[4]
    row.spread_trades_60s = each.trades
    row.effective_spread_60s_high = each.effective_high
    row.effective_spread_60s_low = each.effective_low
    row.realised_spread_60s_high = each.realised_high
    row.realised_spread_60s_low = each.realised_low
    row.price_impact_60s_high = each.impact_high
    row.price_impact_60s_low = each.impact_low


@inner_kernel
def imbalance(buys: Any, sells: Any) -> Any:
    """(buys - sells) / (buys + sells), nan without either."""
    total = buys + sells
    return (buys - sells) / total if total > 0.0 else NAN


@inner_kernel
def write_flow(state: Any, slot: Any, flow: Any, row: Any) -> None:
    """Who took, by trades and by volume, in the interval and over the last trades."""
    row.buy_trades, row.sell_trades = flow.buy_trades, flow.sell_trades
    row.trade_imbalance = imbalance(float(flow.buy_trades), float(flow.sell_trades))
    row.flow_imbalance = imbalance(
        wide.to_float(flow.bought_high, flow.bought_low),
        wide.to_float(flow.sold_high, flow.sold_low),
    )
    row.flow_reason = NONE if row.trade_imbalance == row.trade_imbalance else NO_TRADES
    window, values = state.signed[slot], state.signed_quantities[slot]
    buys = sells = 0.0
    if window_full(window):
        for at in range(window.period):
            if values[at] > 0.0:
                buys += values[at]
            else:
                sells -= values[at]
    row.recent_flow_imbalance = imbalance(buys, sells)
    row.recent_flow_reason = reason_of(window_full(window), row.recent_flow_imbalance)


@inner_kernel
def write_impact(state: Any, slot: Any, row: Any) -> None:
    """Kyle's lambda, Amihud's illiquidity, Roll's spread and the variance ratios."""
    points = state.points[slot]
    changes = state.mid_changes[slot]
    is_ready = window_full(points)
    row.kyle_lambda, row.kyle_error, row.kyle_r_squared = kyle_lambda(
        points, state.signed_volumes[slot], changes
    )
    row.kyle_reason = reason_of(is_ready, row.kyle_lambda + row.kyle_r_squared)
    illiquidity = state.illiquidity[slot]
    row.amihud = amihud_value(illiquidity, state.illiquidity_ratios[slot])
    row.amihud_reason = reason_of(False, row.amihud)
    prints = state.prints[slot]
    row.roll_spread = roll_spread(prints, state.print_changes[slot], 1)
    row.roll_reason = reason_of(window_full(prints), row.roll_spread)
    row.variance_ratio_2 = variance_ratio(points, changes, 2)
    row.variance_ratio_5 = variance_ratio(points, changes, 5)
    row.variance_ratio_10 = variance_ratio(points, changes, 10)
    row.variance_ratio_reason = reason_of(is_ready, row.variance_ratio_2)


@inner_kernel
def write_volatility(state: Any, slot: Any, flow: Any, row: Any) -> None:
    """How much the mid moved, over the last intervals and in this one."""
    points, returns = state.points[slot], state.log_returns[slot]
    row.quote_volatility = math.sqrt(flow.squared_changes)
    row.return_deviation = window_deviation(points, returns, 1)
    row.ewma_volatility = row.realised_volatility = row.momentum = NAN
    row.volatility_reason = reason_of(False, row.return_deviation)
    if not window_full(points):
        return
    squares = total = 0.0
    for age in range(points.period):
        place = points.oldest + age
        value = returns[place if place < points.period else place - points.period]
        squares += value * value
        total += value
    row.realised_volatility = math.sqrt(squares)
    row.ewma_volatility = math.sqrt(ema_value(state.squares[slot]))
    row.momentum = total * BASIS_POINTS


@inner_kernel
def write_hawkes(state: Any, slot: Any, flow: Any, row: Any) -> None:
    """The intensities at the end of the interval."""
    row.hawkes_buy_intensity = row.hawkes_sell_intensity = NAN
    row.hawkes_reason = NOT_GIVEN
    if flow.is_hawkes:
        hawkes_advance(state.hawkes[slot], state.clock[0])
        row.hawkes_buy_intensity, row.hawkes_sell_intensity = hawkes_intensities(
            state.hawkes[slot]
        )
        row.hawkes_reason = NONE


@inner_kernel
def write_bulk(state: Any, slot: Any, flow: Any, row: Any) -> None:
    """The volume by bulk classification, by the changes of the intervals before this one."""
    row.bulk_bought_share = NAN
    row.bulk_bought_high = row.bulk_sold_high = 0
    row.bulk_bought_low = row.bulk_sold_low = 0
    bars = state.bars[slot]
    if flow.volume_high == 0 and flow.volume_low == 0:
        row.bulk_reason = NO_TRADES
    elif not window_full(bars):
        row.bulk_reason = WARMING_UP
    elif not wide.fits_int64(flow.volume_high, flow.volume_low):
        row.bulk_reason = UNDEFINED
        row.flags |= OVERFLOW
    else:
        change = float(flow.last_price) - float(flow.price_at_start)
        of_2_31 = bought_share(change, window_deviation(bars, state.bar_changes[slot], 1))
        volume = np.int64(flow.volume_low)
        bought = bulk_bought(volume, of_2_31)
        row.bulk_bought_high, row.bulk_bought_low = wide.widen(bought)
        row.bulk_sold_high, row.bulk_sold_low = wide.widen(volume - bought)
        row.bulk_bought_share = float(of_2_31) * SHARE_UNITS
        row.bulk_reason = NONE


@inner_kernel
def write_order_flow(state: Any, slot: Any, flow: Any, row: Any) -> None:
    """The flow of each level, and of all by their weights."""
    sums, flows = state.level_flows[slot], state.flows_now
    row.order_flow_1_high, row.order_flow_1_low = sums[0].high, sums[0].low
    row.order_flow_2_high, row.order_flow_2_low = sums[1].high, sums[1].low
    row.order_flow_3_high, row.order_flow_3_low = sums[2].high, sums[2].low
    row.order_flow_4_high, row.order_flow_4_low = sums[3].high, sums[3].low
    row.order_flow_5_high, row.order_flow_5_low = sums[4].high, sums[4].low
    row.integrated_order_flow = NAN
    row.order_flow_reason = STALE_BOOK
    if flow.level_events > 0:
        for level in range(len(flows)):
            flows[level] = wide.to_float(sums[level].high, sums[level].low)
        quantities = 2.0 * len(flows) * flow.level_events
        mean = wide.to_float(flow.level_sum_high, flow.level_sum_low) / quantities
        row.integrated_order_flow = integrated_order_flow(flows, state.weights, mean)
        row.order_flow_reason = reason_of(True, row.integrated_order_flow)


@inner_kernel
def write_book(state: Any, slot: Any, flow: Any, row: Any) -> None:
    """The book at the end: what its best levels hold, and where between them the price lies."""
    bids_high = asks_high = np.int64(0)
    bids_low = asks_low = wide.ZERO
    levels = state.levels[slot]
    if flow.levels_known:
        for level in range(len(levels)):
            high, low = wide.widen(levels[level].bid_quantity)
            bids_high, bids_low = wide.add(bids_high, bids_low, high, low)
            high, low = wide.widen(levels[level].ask_quantity)
            asks_high, asks_low = wide.add(asks_high, asks_low, high, low)
    row.bid_depth_high, row.bid_depth_low = bids_high, bids_low
    row.ask_depth_high, row.ask_depth_low = asks_high, asks_low
    best, length = levels[0], state.table_lengths[slot]
    row.weighted_mid = row.microprice = NAN
    row.book_reason = UNDEFINED if flow.levels_known else STALE_BOOK
    row.microprice_reason = NOT_GIVEN if length == 0 else row.book_reason
    if flow.levels_known and best.bid_quantity > 0 and best.ask_quantity > 0:
        row.weighted_mid = weighted_mid(
            best.bid_price, best.bid_quantity, best.ask_price, best.ask_quantity
        )
        row.book_reason = NONE
        if length > 0:
            row.microprice = microprice(
                best.bid_price, best.bid_quantity, best.ask_price, best.ask_quantity,
                state.adjustments[slot][:length], flow.spreads, flow.tick,
            )  # fmt: skip
            row.microprice_reason = reason_of(True, row.microprice)


@inner_kernel
def write_quoted(flow: Any, row: Any) -> None:
    """Means over the time that both sides stood."""
    row.quoted_time = flow.quoted_time
    row.quoted_spread = row.quoted_depth = row.quote_slope = row.log_quote_slope = NAN
    row.quoted_reason = STALE_BOOK
    if flow.quoted_time > 0:
        time = float(flow.quoted_time)
        row.quoted_spread = wide.to_float(flow.spread_sum_high, flow.spread_sum_low) / time
        row.quoted_depth = wide.to_float(flow.depth_sum_high, flow.depth_sum_low) / time
        row.quoted_reason = UNDEFINED
        if flow.sloped_time > 0:
            row.quote_slope = flow.slope_sum / flow.sloped_time
            row.log_quote_slope = flow.log_slope_sum / flow.sloped_time
            row.quoted_reason = NONE


@inner_kernel
def write_rank(window: Any, ranking: Any, vpin: Any, row: Any) -> None:
    """The share of the last VPINs that are not above the last one."""
    row.vpin_rank = NAN
    if window_full(window):
        place = first_not_below(ranking, window.period, vpin)
        while place < window.period and ranking[place] == vpin:
            place += 1
        row.vpin_rank = place / window.period
    row.vpin_reason = reason_of(False, row.vpin_rank)
