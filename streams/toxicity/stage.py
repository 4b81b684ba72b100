"""The toxicity stage: one function per input record, tied to signing, order flow, depth and VPIN.
"""

from __future__ import annotations

from typing import Any

from schemas.vocabulary import Flag
from streams.numeric import book, wide
from streams.numeric.borrowing import inlined_kernel, inner_kernel
from streams.numeric.bounds import INT32_MAX, add_count, saturated
from streams.numeric.measures.order_flow import order_flow_event
from streams.numeric.measures.signing import remember_quote, sign_trade, weaker_method
from streams.numeric.quality import CARRIED, VALIDITY
from streams.toxicity.depth import write_depth, write_no_depth
from streams.toxicity.state import NEVER, Settings, State, new_state
from streams.toxicity.vpin import BUCKETS_A_CALL, fill_buckets

NAME = "toxicity"
INPUTS = ("md.trades", "md.quotes")
OUTPUTS = ("md.features", "md.toxicity")
VIEWS = ("book",)
STATE_VERSION = 2
ENDS_IN_PARTS = True
FEATURES_A_CALL = 8
RESERVE = {"md.features": FEATURES_A_CALL, "md.toxicity": BUCKETS_A_CALL}
FAULTS: dict[int, str] = {}

STALE = int(Flag.STALE)
LAST_OF_SNAPSHOT = int(Flag.LAST_OF_SNAPSHOT)
PARTIAL = int(Flag.PARTIAL)
OVERFLOW = int(Flag.OVERFLOW)

__all__ = [
    "ENDS_IN_PARTS",
    "FAULTS",
    "INPUTS",
    "NAME",
    "OUTPUTS",
    "RESERVE",
    "STATE_VERSION",
    "VIEWS",
    "Settings",
    "State",
    "new_state",
]


@inner_kernel
def want_features(state: Any, flow: Any) -> None:
    """Ask for a feature record of this instrument at the next multiple of the interval after the
    clock.
    """
    if flow.active:
        return
    flow.active = 1
    header = state.header[0]
    if header.feature_timer == NEVER:
        interval, clock = header.feature_interval, state.clock[0]
        header.feature_timer = clock - clock % interval + interval
        state.timer[0] = min(state.timer[0], header.feature_timer)


@inlined_kernel
def on_trade(state: Any, books: Any, trade: Any, out: Any) -> None:
    """A trade: signed, counted in the interval, put into the volume buckets."""
    slot = book.slot_of(books, trade.instrument)
    if slot < 0 or trade.quantity <= 0:
        return
    flow = state.flows[slot]
    sign, method = sign_trade(flow, state.header[0].lee_ready, trade)
    flags = trade.flags & CARRIED
    high, low = wide.widen(trade.quantity)
    if sign > 0:
        flow.window_buy_high, flow.window_buy_low = wide.add(
            flow.window_buy_high, flow.window_buy_low, high, low
        )
    elif sign < 0:
        flow.window_sell_high, flow.window_sell_low = wide.add(
            flow.window_sell_high, flow.window_sell_low, high, low
        )
    flow.window_trades = add_count(flow.window_trades, trade.trade_count)
    flow.window_method = weaker_method(flow.window_method, method)
    flow.window_flags |= flags
    want_features(state, flow)
    flow.pending, flow.pending_sign, flow.pending_method, flow.pending_flags = (
        trade.quantity,
        sign,
        method,
        flags,
    )
    if not fill_buckets(state, slot, out):
        state.timer[0] = state.clock[0]


@inlined_kernel
def on_quote(state: Any, books: Any, quote: Any, out: Any) -> None:
    """A quote: its order-flow event, and the mid that later trades are compared with."""
    slot = book.slot_of(books, quote.instrument)
    if slot < 0:
        return
    flow = state.flows[slot]
    flags = quote.flags & CARRIED
    remember_quote(flow, quote)
    if (
        flow.quote_known
        and not (quote.flags | flow.quote_flags) & STALE
        and not quote.flags & LAST_OF_SNAPSHOT
    ):
        high, low = order_flow_event(flow, quote)
        flow.window_ofi_high, flow.window_ofi_low = wide.add(
            flow.window_ofi_high, flow.window_ofi_low, high, low
        )
        flow.window_events += 1
        flow.bucket_ofi_high, flow.bucket_ofi_low = wide.add(
            flow.bucket_ofi_high, flow.bucket_ofi_low, high, low
        )
    flow.window_flags |= flags
    flow.bucket_flags |= flags
    flow.quote_known = 1
    flow.quote_time = quote.event_time
    flow.bid_price, flow.bid_quantity = quote.bid_price, quote.bid_quantity
    flow.ask_price, flow.ask_quantity = quote.ask_price, quote.ask_quantity
    flow.quote_flags = quote.flags
    want_features(state, flow)


@inner_kernel
def write_sums(flow: Any, row: Any, flags: Any) -> None:
    """The sums of the interval, exact in the wide fields; OVERFLOW where an older field cannot hold
    one.
    """
    fits = wide.fits_int64(flow.window_ofi_high, flow.window_ofi_low)
    fits &= wide.fits_int64(flow.window_buy_high, flow.window_buy_low)
    fits &= wide.fits_int64(flow.window_sell_high, flow.window_sell_low)
    fits &= flow.window_events <= INT32_MAX and flow.window_trades <= INT32_MAX
    row.order_flow_imbalance = saturated(flow.window_ofi_high, flow.window_ofi_low)
    row.order_flow_imbalance_wide_high = flow.window_ofi_high
    row.order_flow_imbalance_wide_low = flow.window_ofi_low
    row.buy_volume = saturated(flow.window_buy_high, flow.window_buy_low)
    row.buy_volume_wide_high = flow.window_buy_high
    row.buy_volume_wide_low = flow.window_buy_low
    row.sell_volume = saturated(flow.window_sell_high, flow.window_sell_low)
    row.sell_volume_wide_high = flow.window_sell_high
    row.sell_volume_wide_low = flow.window_sell_low
    row.order_flow_events = min(flow.window_events, INT32_MAX)
    row.trade_count = min(flow.window_trades, INT32_MAX)
    row.flags = flags if fits else flags | OVERFLOW


@inner_kernel
def emit_features(state: Any, books: Any, slot: Any, flags: Any, out: Any) -> None:
    """Publish what happened in the interval and how the book stands at its end, and begin the next
    interval.
    """
    flow = state.flows[slot]
    rows, count = out.md_features
    row = rows[count[0]]
    row.instrument = flow.instrument
    row.event_time = state.clock[0]
    known = books.books[slot]
    row.sequence = known.sequence
    row.interval = state.header[0].feature_interval
    if known.synced:
        write_depth(books, known, row)
    else:
        write_no_depth(row)
        flags |= STALE
    write_sums(flow, row, flow.window_flags | flags)
    row.method = flow.window_method
    count[0] += 1
    flow.active = 0
    flow.window_ofi_high = flow.window_buy_high = flow.window_sell_high = flow.window_events = (
        flow.window_trades
    ) = 0
    flow.window_ofi_low = flow.window_buy_low = flow.window_sell_low = 0
    flow.window_method = 0
    # how the quote stands when the next interval begins
    flow.window_flags = flow.quote_flags & VALIDITY


@inner_kernel
def emit_due_features(state: Any, books: Any, flags: Any, out: Any) -> Any:
    """Publish due features, at most ``FEATURES_A_CALL``; returns True, and disarms the timer, when
    none is left.
    """
    published = 0
    for slot in range(state.flows.shape[0]):
        if state.flows[slot].active:
            if published == FEATURES_A_CALL:
                return False
            emit_features(state, books, slot, flags, out)
            published += 1
    state.header[0].feature_timer = NEVER
    return True


@inner_kernel
def on_timer(state: Any, books: Any, deadline: Any, out: Any) -> None:
    """Finish pouring a print that spans many buckets; publish due features."""
    for slot in range(state.flows.shape[0]):
        if state.flows[slot].pending > 0 and not fill_buckets(state, slot, out):
            state.timer[0] = deadline
            return
    if state.header[0].feature_timer <= deadline and not emit_due_features(state, books, 0, out):
        state.timer[0] = deadline
        return
    state.timer[0] = state.header[0].feature_timer


@inner_kernel
def on_end(state: Any, books: Any, out: Any) -> None:
    """The input ends: features of the unfinished interval as PARTIAL; the open bucket is not
    published.
    """
    state.timer[0] = NEVER if emit_due_features(state, books, PARTIAL, out) else state.clock[0]
