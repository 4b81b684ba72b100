"""What a strategy reads besides the record that wakes it, as records: its open orders, and the last
record of each instrument. A stage before the strategy keeps it (``streams/signals/view_stage.py``),
the contexts of strategies of both kinds read it.

An order is open from the request on until an event says that it has ended. Its row is in one of two
chains: ``live`` where an event has told of it, else ``asked``. Between two input records every
request has had its event, so that ``asked`` is empty.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from schemas.compiled.bar import DTYPE as BAR
from schemas.compiled.mark import DTYPE as MARK
from schemas.compiled.market_features import DTYPE as FEATURES
from schemas.compiled.quote import DTYPE as QUOTE
from schemas.compiled.toxicity import DTYPE as TOXICITY
from schemas.compiled.trade import DTYPE as TRADE
from schemas.vocabulary import OrderStatus, RequestKind
from streams.numeric.borrowing import borrowing_kernel, inner_kernel
from streams.numeric.index import ENTRY, find
from streams.numeric.pool import (
    CHAIN,
    LINKS,
    NO_ROW,
    POOL,
    append,
    find_row,
    give_row,
    take_row,
    unlink,
)
from streams.numeric.stage_records import FAULT, INSTRUMENT_KEY, place_of, words
from streams.numeric.table import record_at, table_at

NEW_ORDER = np.int64(RequestKind.NEW)
ASKED, PENDING_CANCEL = np.int64(OrderStatus.NEW), np.int64(OrderStatus.PENDING_CANCEL)
ANY_INSTRUMENT = np.int64(-1)

VIEW = np.dtype(
    [
        *words("account strategy instruments_used bars_used"),
        *(("orders", POOL), ("live", CHAIN), ("asked", CHAIN), ("fault", FAULT)),
        *words("estimates books books_entry books_code asked_at"),
        *words("instruments index trades quotes bars marks features toxicity"),
    ]
)
"""The header. ``account`` and ``strategy`` say whose orders these are. ``estimates``: 1 where queue
positions are kept (``queue_estimates.py``); ``books*`` say how the books are asked for sizes, with
a row that lies at ``asked_at``. The last line are addresses of tables. Those of last records have a
row for each row of ``instruments``; ``bars`` have one for each instrument and interval, and a first
one that stays empty."""

ORDER = np.dtype(
    words("order_id_high order_id_low instrument side quantity remaining price status")
    + words("is_live is_asked is_leaving")
    + words("is_resting queue_ahead displayed traded")
    + LINKS
)
"""An open order. ``is_asked``: a request for it waits for its event; ``is_leaving``: one for its
cancel does. ``is_resting``: an event said that it is at the venue; from then on ``queue_ahead`` is
the estimate (UNKNOWN: there was no book yet), by what its level ``displayed`` last and what
``traded`` there since."""
UNKNOWN = np.int64(-1)
"""A queue position that there is no estimate of."""

INSTRUMENT = np.dtype(
    words("instrument price_precision quantity_precision tick_size lot_size multiplier")
    + words("kept shortest_bar")
)
"""What strategies act on of a specification. ``kept``: a bit for each kind of record there was one
of; ``shortest_bar``: place of the bar of the shortest interval, 0 before the first."""

LAST: dict[str, Any] = {
    "trades": TRADE, "quotes": QUOTE, "bars": BAR, "marks": MARK, "features": FEATURES,
    "toxicity": TOXICITY,
}  # fmt: skip
"""Record types of the last records, by the name that ``READS`` has for them."""
BIT = {name: np.int64(1 << place) for place, name in enumerate(LAST)}
BAR_KEYS = np.int64(1 << 30)
"""Added to an instrument where a key is that of a bar; instruments are below."""


# -- requests and orders


@inner_kernel
def has_room_to_ask(view_address: Any, requests: Any) -> Any:
    """True if so many requests more can be noted."""
    pool = record_at(view_address, VIEW).orders
    return pool.taken + requests <= len(table_at(pool.rows, ORDER))


@borrowing_kernel
def note_request(
    view_address: Any, kind: Any, order_high: Any, order_low: Any, instrument: Any, side: Any,
    quantity: Any, price: Any,
) -> None:  # fmt: skip
    """The strategy asks for an order or for its cancel, and nobody has read the request yet; there
    must be room.
    """
    view = record_at(view_address, VIEW)
    orders = table_at(view.orders.rows, ORDER)
    place = find_row(view.orders, order_high, order_low)
    if kind != NEW_ORDER:
        if place >= 0:
            orders[place].is_leaving = 1
        return
    if place < 0:
        place = take_row(view.orders, orders, order_high, order_low)
        order = orders[place]
        order.order_id_high = order_high
        order.order_id_low = order_low
        order.is_live = 0
        order.is_leaving = 0
        leave_queue(order)
        append(view.asked, orders, place)
    order = orders[place]
    order.is_asked = 1
    if order.is_live == 0:
        order.instrument = instrument
        order.side = side
        order.quantity = quantity
        order.remaining = quantity
        order.price = price
        order.status = ASKED


@inner_kernel
def leave_queue(order: Any) -> None:
    """It does not rest at the venue, as far as is known."""
    order.is_resting = 0
    order.queue_ahead = UNKNOWN
    order.displayed = 0
    order.traded = 0


@inner_kernel
def settle_request(view: Any, orders: Any, place: Any) -> None:
    """Every request leads to an event of its order, which this one is."""
    order = orders[place]
    if order.is_asked != 0:
        order.is_asked = 0
    else:
        order.is_leaving = 0


@inner_kernel
def close_order(view: Any, orders: Any, place: Any) -> None:
    """An order is open no more."""
    order = orders[place]
    if order.is_live != 0:
        unlink(view.live, orders, place)
    else:
        unlink(view.asked, orders, place)
    give_row(view.orders, orders, place, order.order_id_high, order.order_id_low)


@inner_kernel
def open_live(view: Any, orders: Any, place: Any, event: Any) -> None:
    """An event tells of an order, whose row is at a place (-1: it has none yet)."""
    if place < 0:
        place = take_row(view.orders, orders, event.order_id_high, event.order_id_low)
        orders[place].order_id_high = event.order_id_high
        orders[place].order_id_low = event.order_id_low
        orders[place].is_asked = 0
        orders[place].is_leaving = 0
        orders[place].is_live = 1
        leave_queue(orders[place])
        append(view.live, orders, place)
    elif orders[place].is_live == 0:
        unlink(view.asked, orders, place)
        append(view.live, orders, place)
        orders[place].is_live = 1
    order = orders[place]
    order.instrument = event.instrument
    order.side = event.side
    order.quantity = event.quantity
    order.remaining = event.quantity - event.filled_quantity
    order.price = event.price
    order.status = event.status


# -- reading


@inner_kernel
def open_at(view: Any, place: Any, instrument: Any) -> Any:
    """Place of the open order there, or of the next one behind it that is of this instrument (or
    of ANY_INSTRUMENT); -1 if there is none. Oldest first, those that are only asked for last.
    """
    orders = table_at(view.orders.rows, ORDER)
    while place >= 0:
        if instrument < 0 or orders[place].instrument == instrument:
            return place
        place = behind(view, orders, place)
    return NO_ROW


@inner_kernel
def first_of(view: Any) -> Any:
    """Place of the oldest open order, -1 if there is none."""
    return view.live.first if view.live.first >= 0 else view.asked.first


@inner_kernel
def behind(view: Any, orders: Any, place: Any) -> Any:
    """Place of the open order behind this one, -1 if it is the last."""
    order = orders[place]
    if order.next_row >= 0:
        return order.next_row
    return view.asked.first if order.is_live != 0 else NO_ROW


@inner_kernel
def status_of(order: Any) -> Any:
    """Its status, with a cancel that is on its way."""
    return PENDING_CANCEL if order.is_leaving != 0 else order.status


@inner_kernel
def instrument_place(view: Any, instrument: Any) -> Any:
    """Place of an instrument in the tables, -1 if it is not listed."""
    return place_of(view, instrument, INSTRUMENT_KEY)


@inner_kernel
def bar_place(view: Any, instrument: Any, interval: Any) -> Any:
    """Place of the last bar of an instrument and interval, -1 before the first."""
    return find(table_at(view.index, ENTRY), instrument + BAR_KEYS, interval)


@borrowing_kernel
def list_open_orders(view_address: Any, instrument: Any, found_address: Any) -> Any:
    """Write the open orders into a table of ORDER, which is long enough; returns how many there
    are.
    """
    view = record_at(view_address, VIEW)
    found = table_at(found_address, ORDER)
    orders = table_at(view.orders.rows, ORDER)
    count = np.int64(0)
    place = open_at(view, first_of(view), instrument)
    while place >= 0:
        order, row = orders[place], found[count]
        row.order_id_high = order.order_id_high
        row.order_id_low = order.order_id_low
        row.instrument = order.instrument
        row.side = order.side
        row.quantity = order.quantity
        row.remaining = order.remaining
        row.price = order.price
        row.status = status_of(order)
        count += 1
        place = open_at(view, behind(view, orders, place), instrument)
    return count


__all__ = [
    "ANY_INSTRUMENT", "BAR", "BAR_KEYS", "BIT", "FEATURES", "INSTRUMENT", "LAST", "MARK", "ORDER",
    "QUOTE", "TOXICITY", "TRADE", "UNKNOWN", "VIEW", "bar_place", "behind", "close_order",
    "first_of", "has_room_to_ask", "instrument_place", "list_open_orders", "note_request",
    "open_at", "open_live", "settle_request", "status_of",
]  # fmt: skip
