"""Tables of the best bid and ask: ``md.book_tickers``, the venue's own best prices.

(``md.quotes`` is what our own book says; it is made from depth alone.)
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from connectors.tables.columns import TIME_NAMES
from connectors.tables.importing import import_table
from connectors.tables.kinds import Kind, Source
from schemas.codec import codec
from schemas.vocabulary import Flag

OFF_TICK, CROSSED, ONE_SIDED = int(Flag.OFF_TICK), int(Flag.CROSSED), int(Flag.ONE_SIDED)


def quote_rows(source: Source) -> Any:
    """Rows of md.book_tickers. A side without price or quantity, 0 or blank, is empty."""
    fields, given = source.fields, source.instrument
    rows = np.zeros(fields.count, codec("BookTicker").dtype)
    rows["instrument"] = given.instrument
    rows["event_time"] = fields.times(source.unit, source.wanted.zone)
    is_off = np.zeros(fields.count, np.bool_)
    for side in ("bid", "ask"):
        price = fields.not_negative(f"{side}_price", given.price_precision)
        quantity = fields.not_negative(f"{side}_quantity", given.quantity_precision)
        is_empty = (price == 0) | (quantity == 0)
        rows[f"{side}_price"] = np.where(is_empty, 0, price)
        rows[f"{side}_quantity"] = np.where(is_empty, 0, quantity)
        is_off |= (price % given.tick_size != 0) | (quantity % given.lot_size != 0)
    if source.has("id"):
        rows["update_id"] = fields.decimals("id", 0)
    bid, ask = rows["bid_price"], rows["ask_price"]
    for row in fields.good_rows((bid == 0) & (ask == 0)):
        fields.refuse(row, "empty_quote", "neither side has a price and a quantity")
    is_one_sided = (bid == 0) | (ask == 0)
    rows["flags"] = (
        np.where(is_off, OFF_TICK, 0)
        | np.where(is_one_sided, ONE_SIDED, 0)
        | np.where(~is_one_sided & (bid >= ask), CROSSED, 0)
    )
    return rows


QUOTES = Kind(
    name="quotes", one="a quote", topic="md.book_tickers", record="BookTicker", time="event_time",
    id="update_id", needed=("time", "bid_price", "bid_quantity", "ask_price", "ask_quantity"),
    is_numbered=True,
    names={
        "time": TIME_NAMES,
        "bid_price": ("bid_price", "bid", "best_bid", "best_bid_price", "bid_px", "bid_px_00"),
        "bid_quantity": ("bid_quantity", "bid_size", "bid_qty", "bid_amount", "best_bid_qty",
                         "best_bid_size", "best_bid_quantity", "bid_sz", "bid_sz_00"),
        "ask_price": ("ask_price", "ask", "best_ask", "best_ask_price", "ask_px", "ask_px_00"),
        "ask_quantity": ("ask_quantity", "ask_size", "ask_qty", "ask_amount", "best_ask_qty",
                         "best_ask_size", "best_ask_quantity", "ask_sz", "ask_sz_00"),
        "id": ("id", "update_id", "sequence"),
    },
    prices=("bid_price", "ask_price"), quantities=("bid_quantity", "ask_quantity"),
    rows=quote_rows, duplicate="duplicate_ticker",
)  # fmt: skip

import_quotes = partial(import_table, QUOTES)
