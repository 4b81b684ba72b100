"""The microstructure stage: one function per input record."""

from __future__ import annotations

from typing import Any

from schemas.vocabulary import Flag
from streams.microstructure.intervals import (
    begin_interval,
    enter_bar,
    enter_point,
    reset_interval,
    sum_quotes,
)
from streams.microstructure.publishing import write_record
from streams.microstructure.state import NEVER, Settings, State, new_state
from streams.numeric import book, wide
from streams.numeric.book_queries import next_price, quantity_of
from streams.numeric.borrowing import inlined_kernel, inner_kernel
from streams.numeric.bounds import add_count
from streams.numeric.measures.hawkes import hawkes_event
from streams.numeric.measures.markouts import markouts_due, markouts_wait
from streams.numeric.measures.order_flow import order_flow_of_levels
from streams.numeric.measures.signing import remember_quote, sign_trade, weaker_method
from streams.numeric.quality import CARRIED, VALIDITY
from streams.numeric.rolling import ranked_push, window_push

NAME = "microstructure"
INPUTS = ("md.trades", "md.quotes", "md.depth", "md.toxicity")
OUTPUTS = ("md.microstructure",)
VIEWS = ("book",)
STATE_VERSION = 1
ENDS_IN_PARTS = True
RECORDS_A_CALL = 8
RESERVE = {"md.microstructure": RECORDS_A_CALL}
FAULTS: dict[int, str] = {}

LAST_OF_SNAPSHOT = int(Flag.LAST_OF_SNAPSHOT)
PARTIAL = int(Flag.PARTIAL)

__all__ = [
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
def want_record(state: Any, flow: Any) -> None:
    """Ask for a record of this instrument at the next multiple of the interval after the clock."""
    if flow.active:
        return
    header = state.header[0]
    interval, clock = header.interval, state.clock[0]
    begin_interval(flow, clock - clock % interval)
    if header.timer == NEVER:
        header.timer = clock - clock % interval + interval
        state.timer[0] = min(state.timer[0], header.timer)


@inner_kernel
def add_to_flow(state: Any, slot: Any, flow: Any, trade: Any, sign: Any) -> None:
    """A trade whose aggressor is known: its volume, its intensity, and its wait for markouts."""
    high, low = wide.widen(trade.quantity)
    if sign > 0:
        flow.buy_trades = add_count(flow.buy_trades, 1)
        flow.bought_high, flow.bought_low = wide.add(
            flow.bought_high, flow.bought_low, high, low
        )
    else:
        flow.sell_trades = add_count(flow.sell_trades, 1)
        flow.sold_high, flow.sold_low = wide.add(flow.sold_high, flow.sold_low, high, low)
    window_push(
        state.signed[slot], state.signed_quantities[slot], sign * wide.to_float(high, low)
    )
    if flow.is_hawkes:
        hawkes_event(state.hawkes[slot], state.clock[0], sign)
    if flow.doubled_mid > 0:
        markouts_wait(
            state.queues[slot], state.waiting[slot], state.horizons[slot],
            state.clock[0], sign, trade.price, flow.doubled_mid,
        )  # fmt: skip


@inlined_kernel
def on_trade(state: Any, books: Any, trade: Any, out: Any) -> None:
    """A trade: into the interval's sums, and into the windows that look back on trades."""
    slot = book.slot_of(books, trade.instrument)
    if slot < 0 or trade.quantity <= 0:
        return
    flow = state.flows[slot]
    want_record(state, flow)
    if flow.last_price != 0:
        window_push(
            state.prints[slot], state.print_changes[slot],
            float(trade.price) - float(flow.last_price),
        )  # fmt: skip
    sign, method = sign_trade(flow, state.header[0].lee_ready, trade)
    flow.flags |= trade.flags & CARRIED
    flow.method = weaker_method(flow.method, method)
    high, low = wide.widen(trade.quantity)
    flow.volume_high, flow.volume_low = wide.add(flow.volume_high, flow.volume_low, high, low)
    high, low = wide.mul(trade.price, trade.quantity)
    flow.turnover_high, flow.turnover_low = wide.add(
        flow.turnover_high, flow.turnover_low, high, low
    )
    if sign != 0:
        add_to_flow(state, slot, flow, trade, sign)


@inlined_kernel
def on_quote(state: Any, books: Any, quote: Any, out: Any) -> None:
    """A quote: what stood until now is measured, then it stands."""
    slot = book.slot_of(books, quote.instrument)
    if slot < 0:
        return
    flow = state.flows[slot]
    clock = state.clock[0]
    want_record(state, flow)
    sum_quotes(flow, clock)
    markouts_due(
        state.queues[slot], state.waiting[slot], state.horizons[slot],
        clock, flow.doubled_mid > 0, flow.doubled_mid,
    )  # fmt: skip
    remember_quote(flow, quote)
    flow.flags |= quote.flags & CARRIED
    flow.quote_known = 1
    flow.quote_time = quote.event_time
    flow.bid_price, flow.bid_quantity = quote.bid_price, quote.bid_quantity
    flow.ask_price, flow.ask_quantity = quote.ask_price, quote.ask_quantity
    flow.quote_flags = quote.flags
    mid = 0 if quote.flags & VALIDITY else quote.bid_price + quote.ask_price
    if mid > 0 and flow.doubled_mid > 0:
        change = 0.5 * float(mid - flow.doubled_mid)
        flow.squared_changes += change * change
    flow.doubled_mid = mid


@inlined_kernel
def on_toxicity(state: Any, books: Any, toxicity: Any, out: Any) -> None:
    """A volume bucket: its VPIN, once it is known, among those of the buckets before it."""
    slot = book.slot_of(books, toxicity.instrument)
    if slot < 0:
        return
    ranked_push(
        state.vpins[slot], state.vpin_values[slot], state.vpin_ranking[slot], toxicity.vpin
    )
    state.flows[slot].last_vpin = toxicity.vpin


@inner_kernel
def read_side(books: Any, side: Any, rows: Any, is_bid: Any) -> None:
    """The best levels of a side, walking from its best; quantity 0 where there is none."""
    price, quantity = side.price, side.quantity
    for level in range(len(rows)):
        row = rows[level]
        if is_bid:
            row.bid_price, row.bid_quantity = price, quantity
        else:
            row.ask_price, row.ask_quantity = price, quantity
        if quantity > 0:
            price = next_price(books, side, price)
            quantity = quantity_of(books, side, price) if price != 0 else 0


@inner_kernel
def remember_levels(flow: Any, levels: Any, now: Any) -> None:
    """The levels of a book that was replaced: no order moved them there."""
    for level in range(len(now)):
        known, row = levels[level], now[level]
        known.bid_price, known.bid_quantity = row.bid_price, row.bid_quantity
        known.ask_price, known.ask_quantity = row.ask_price, row.ask_quantity
    flow.levels_known = 1


@inlined_kernel
def on_depth_update(state: Any, books: Any, update: Any, levels: Any, out: Any) -> None:
    """A depth update that the book has taken: the order flow of its best levels."""
    slot = book.slot_of(books, update.instrument)
    if slot < 0:
        return
    flow, known, now = state.flows[slot], books.books[slot], state.levels_now
    if known.synced == 0:
        flow.levels_known = 0
        return
    want_record(state, flow)
    read_side(books, known.bids, now, True)
    read_side(books, known.asks, now, False)
    if flow.levels_known == 0 or update.flags & LAST_OF_SNAPSHOT:
        remember_levels(flow, state.levels[slot], now)
        return
    order_flow_of_levels(state.levels[slot], now, state.level_flows[slot])
    flow.level_events += 1
    for level in range(len(now)):
        for quantity in (now[level].bid_quantity, now[level].ask_quantity):
            high, low = wide.widen(quantity)
            flow.level_sum_high, flow.level_sum_low = wide.add(
                flow.level_sum_high, flow.level_sum_low, high, low
            )


@inner_kernel
def emit_record(state: Any, books: Any, slot: Any, flags: Any, out: Any) -> None:
    """Publish an interval, and begin the next."""
    flow, clock = state.flows[slot], state.clock[0]
    sum_quotes(flow, clock)
    markouts_due(
        state.queues[slot], state.waiting[slot], state.horizons[slot],
        clock, flow.doubled_mid > 0, flow.doubled_mid,
    )  # fmt: skip
    enter_point(state, slot, flow)
    rows, count = out.md_microstructure
    write_record(state, books, slot, flags, rows[count[0]])
    count[0] += 1
    enter_bar(state, slot, flow)
    reset_interval(state, slot, flow)


@inner_kernel
def emit_due_records(state: Any, books: Any, flags: Any, out: Any) -> Any:
    """Publish due records, at most ``RECORDS_A_CALL``; returns True, and disarms the timer, when
    none is left.
    """
    published = 0
    for slot in range(state.flows.shape[0]):
        if state.flows[slot].active:
            if published == RECORDS_A_CALL:
                return False
            emit_record(state, books, slot, flags, out)
            published += 1
    state.header[0].timer = NEVER
    return True


@inner_kernel
def on_timer(state: Any, books: Any, deadline: Any, out: Any) -> None:
    """Publish due records."""
    if state.header[0].timer <= deadline and not emit_due_records(state, books, 0, out):
        state.timer[0] = deadline
        return
    state.timer[0] = state.header[0].timer


@inner_kernel
def on_end(state: Any, books: Any, out: Any) -> None:
    """The input ends: the unfinished interval as PARTIAL; called again while the timer stands at
    the clock.
    """
    state.timer[0] = NEVER if emit_due_records(state, books, PARTIAL, out) else state.clock[0]
