"""What each record does to a strategy's view (``streams/numeric/strategy_view.py``)."""

from __future__ import annotations

from typing import Any

import numpy as np

from schemas.compiled.fill import DTYPE as FILL
from schemas.compiled.order_event import DTYPE as EVENT
from streams.numeric.borrowing import borrowing_kernel, inner_kernel
from streams.numeric.pool import find_row, has_room
from streams.numeric.queue_estimates import note_depth, note_event, note_fill, note_trade
from streams.numeric.rows import copy_row, row_address
from streams.numeric.stage_records import enter, set_fault
from streams.numeric.strategy_view import (
    BAR,
    BAR_KEYS,
    BIT,
    FEATURES,
    INSTRUMENT,
    MARK,
    ORDER,
    QUOTE,
    TOXICITY,
    TRADE,
    VIEW,
    bar_place,
    close_order,
    instrument_place,
    open_live,
    settle_request,
)
from streams.numeric.table import record_at, table_at
from streams.signals.view_rules import CLOSED, is_latest

ENDED = np.int64(sum(1 << int(status) for status in CLOSED))
"""A bit for each status of an order that works no more."""
ON_EVENT, ON_TRADE, ON_QUOTE, ON_BAR, ON_MARK, ON_FEATURES, ON_TOXICITY = range(7)
ON_FILL, ON_DEPTH = 7, 8
ORDERS_FULL, BARS_FULL, BOOKS_FAULT = map(np.int64, (13, 14, 15))
"""Faults: after the first two the owner lets the table grow and calls again; the reader of the
books raises what is wrong at the third."""
NO_INSTRUMENT = np.int64(-1)
HEAD = np.dtype([("instrument", "i4")])
"""How every record of the market begins."""


@inner_kernel
def on_order_event(view: Any, event: Any) -> None:
    """Every request leads to an event of its order; a refused one changes nothing."""
    orders = table_at(view.orders.rows, ORDER)
    place = find_row(view.orders, event.order_id_high, event.order_id_low)
    is_ours = (
        event.refused == 0 and event.strategy == view.strategy and event.account == view.account
    )
    has_ended = (ENDED >> event.status) & 1 != 0
    if place < 0 and is_ours and not has_ended and not has_room(view.orders, orders):
        set_fault(view, ORDERS_FULL, NO_INSTRUMENT, np.int64(0), len(orders))
        return
    if place >= 0:
        settle_request(view, orders, place)
    if is_ours and not has_ended:
        open_live(view, orders, place, event)
    elif place >= 0 and (is_ours or (orders[place].is_live == 0 and orders[place].is_asked == 0)):
        close_order(view, orders, place)
    if view.estimates != 0 and is_ours and not has_ended:
        note_event(view, event)


@inner_kernel
def keep(view: Any, table: Any, bit: Any, stride: Any, given: Any) -> None:
    """The last record of its kind and instrument."""
    place = instrument_place(view, np.int64(record_at(given, HEAD).instrument))
    if place >= 0:
        table_at(view.instruments, INSTRUMENT)[place].kept |= bit
        copy_row(given, row_address(table, place, stride), stride)


@inner_kernel
def on_bar(view: Any, given: Any) -> None:
    """The last bar of an instrument and interval; an amended one in its place."""
    bar, bars = record_at(given, BAR), table_at(view.bars, BAR)
    instrument, interval = np.int64(bar.instrument), bar.interval
    listed = instrument_place(view, instrument)
    if listed < 0:
        return
    place = bar_place(view, instrument, interval)
    if place < 0:
        place = view.bars_used
        if place == len(bars):
            set_fault(view, BARS_FULL, NO_INSTRUMENT, np.int64(0), len(bars))
            return
        view.bars_used = place + 1
        enter(view, instrument + BAR_KEYS, interval, place)
        bars[place].open_time = bar.open_time
        row = table_at(view.instruments, INSTRUMENT)[listed]
        row.kept |= BARS
        if row.shortest_bar == 0 or interval < bars[row.shortest_bar].interval:
            row.shortest_bar = place
    if is_latest(bar.open_time, bars[place].open_time):
        copy_row(given, row_address(view.bars, place, BAR_BYTES), BAR_BYTES)


BAR_BYTES = np.int64(BAR.itemsize)
TRADE_BYTES, QUOTE_BYTES, MARK_BYTES, FEATURES_BYTES, TOXICITY_BYTES = (
    np.int64(each.itemsize) for each in (TRADE, QUOTE, MARK, FEATURES, TOXICITY)
)
TRADES, QUOTES, MARKS, LAST_FEATURES, LAST_TOXICITY, BARS = (
    BIT[name] for name in ("trades", "quotes", "marks", "features", "toxicity", "bars")
)


@borrowing_kernel
def handle(kind: Any, view_address: Any, given: Any, clock: Any, out: Any) -> Any:
    """The one entry: calls the handler of this kind. Returns the fault's code, 0 for none."""
    view = record_at(view_address, VIEW)
    if kind == ON_EVENT:
        on_order_event(view, record_at(given, EVENT))
    elif kind == ON_TRADE:
        keep(view, view.trades, TRADES, TRADE_BYTES, given)
        if view.estimates != 0:
            note_trade(view, record_at(given, TRADE))
    elif kind == ON_DEPTH:
        note_depth(view, np.int64(record_at(given, HEAD).instrument))
    elif kind == ON_FILL:
        note_fill(view, record_at(given, FILL))
    elif kind == ON_QUOTE:
        keep(view, view.quotes, QUOTES, QUOTE_BYTES, given)
    elif kind == ON_MARK:
        keep(view, view.marks, MARKS, MARK_BYTES, given)
    elif kind == ON_FEATURES:
        keep(view, view.features, LAST_FEATURES, FEATURES_BYTES, given)
    elif kind == ON_TOXICITY:
        keep(view, view.toxicity, LAST_TOXICITY, TOXICITY_BYTES, given)
    else:
        on_bar(view, given)
    if view.books_code != 0:
        set_fault(view, BOOKS_FAULT, NO_INSTRUMENT, np.int64(0), np.int64(0))
    return view.fault.code
