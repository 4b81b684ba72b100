"""Orders that are modified, as records: what is sent in their place once they are cancelled. A
stage behind the strategy sends it (``streams/signals/replacing.py``); strategies of both kinds ask
for it by these steps.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from schemas.vocabulary import OrderStatus, Side
from streams.numeric.borrowing import borrowing_kernel, inner_kernel
from streams.numeric.bounds import INT64_MAX
from streams.numeric.int128 import is_int64, narrow, wide
from streams.numeric.pool import CHAIN, LINKS, POOL, append, find_row, give_row, take_row, unlink
from streams.numeric.stage_records import FAULT, words
from streams.numeric.strategy_view import ORDER, VIEW, behind, first_of, open_at
from streams.numeric.table import record_at, table_at

BUY, PENDING_CANCEL = np.int64(Side.BUY), np.int64(OrderStatus.PENDING_CANCEL)

REPLACING = np.dtype(
    [
        *words("account strategy view_at"),
        *(("orders", POOL), ("waiting", CHAIN), ("fault", FAULT)),
    ]
)
"""The header. ``account`` and ``strategy`` are what requests carry; ``view_at`` is the address of
the strategy's view (``strategy_view.py``), which counts them at once."""

REPLACEMENT = np.dtype(
    words("order_id_high order_id_low new_high new_low instrument side quantity price post_only")
    + LINKS
)
"""What is sent in the place of an order, which is the key. ``quantity`` is the whole order's, what
the old one fills included."""


@inner_kernel
def has_room_to_replace(replacing_at: Any, count: Any) -> Any:
    """True if so many orders more can be modified."""
    pool = record_at(replacing_at, REPLACING).orders
    return pool.taken + count <= len(table_at(pool.rows, REPLACEMENT))


@borrowing_kernel
def replacement_place(replacing_at: Any, order_high: Any, order_low: Any) -> Any:
    """Place of the replacement of this order, or of the one that will have this id; -1 if there is
    none. Few wait at a time.
    """
    replacing = record_at(replacing_at, REPLACING)
    place = find_row(replacing.orders, order_high, order_low)
    if place >= 0:
        return place
    rows = table_at(replacing.orders.rows, REPLACEMENT)
    place = replacing.waiting.first
    while place >= 0 and (rows[place].new_high != order_high or rows[place].new_low != order_low):
        place = rows[place].next_row
    return place


@borrowing_kernel
def amend(replacing_at: Any, place: Any, quantity: Any, price: Any, post_only: Any) -> None:
    """Change the terms of a replacement that is not sent yet; 0 leaves them as they are."""
    row = table_at(record_at(replacing_at, REPLACING).orders.rows, REPLACEMENT)[place]
    if quantity != 0:
        row.quantity = quantity
    if price != 0:
        row.price = price
    row.post_only = post_only


@borrowing_kernel
def replace(
    replacing_at: Any, order_high: Any, order_low: Any, new_high: Any, new_low: Any,
    instrument: Any, side: Any, quantity: Any, price: Any, post_only: Any,
) -> None:  # fmt: skip
    """Send another order once this one, which has no replacement, has been cancelled; there must be
    room.
    """
    replacing = record_at(replacing_at, REPLACING)
    rows = table_at(replacing.orders.rows, REPLACEMENT)
    place = take_row(replacing.orders, rows, order_high, order_low)
    row = rows[place]
    row.order_id_high = order_high
    row.order_id_low = order_low
    row.new_high = new_high
    row.new_low = new_low
    row.instrument = instrument
    row.side = side
    row.quantity = quantity
    row.price = price
    row.post_only = post_only
    append(replacing.waiting, rows, place)


@borrowing_kernel
def drop(replacing_at: Any, order_high: Any, order_low: Any) -> None:
    """The strategy cancels an order, by the id of the old or of the new one: nothing is sent in its
    place.
    """
    place = replacement_place(replacing_at, order_high, order_low)
    if place >= 0:
        forget(record_at(replacing_at, REPLACING), place)


@inner_kernel
def forget(replacing: Any, place: Any) -> None:
    """No order waits to be replaced at this place any more."""
    rows = table_at(replacing.orders.rows, REPLACEMENT)
    unlink(replacing.waiting, rows, place)
    give_row(replacing.orders, rows, place, rows[place].order_id_high, rows[place].order_id_low)


@inner_kernel
def _will_fill(order: Any, replacing: Any) -> Any:
    """What an open order may still fill; of one that is being modified, what its replacement asks
    for.
    """
    place = find_row(replacing.orders, order.order_id_high, order.order_id_low)
    if place < 0:
        return order.remaining
    filled = order.quantity - order.remaining
    quantity = table_at(replacing.orders.rows, REPLACEMENT)[place].quantity
    return max(quantity - filled, np.int64(0))


@borrowing_kernel
def working_quantity(view_at: Any, replacing_at: Any, instrument: Any) -> Any:
    """Signed quantity that open orders of the instrument may still fill; at most INT64_MAX."""
    view, replacing = record_at(view_at, VIEW), record_at(replacing_at, REPLACING)
    orders = table_at(view.orders.rows, ORDER)
    total = wide(0)
    place = open_at(view, first_of(view), instrument)
    while place >= 0:
        size = _will_fill(orders[place], replacing)
        total += wide(size if orders[place].side == BUY else -size)
        place = open_at(view, behind(view, orders, place), instrument)
    if is_int64(total):
        return narrow(total)
    return np.int64(INT64_MAX if total > 0 else -INT64_MAX)
