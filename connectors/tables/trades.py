"""Tables of trades: ``md.trades``."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from connectors.tables.columns import TIME_NAMES, side_of
from connectors.tables.importing import import_table
from connectors.tables.kinds import Kind, Source
from schemas.codec import codec
from schemas.vocabulary import Flag
from streams.numeric.bounds import INT32_MAX

OFF_TICK = int(Flag.OFF_TICK)


def trade_rows(source: Source) -> Any:
    """Rows of md.trades. Of trades that were aggregated the id is the last one's."""
    fields, given = source.fields, source.instrument
    rows = np.zeros(fields.count, codec("Trade").dtype)
    rows["instrument"], rows["trade_count"] = given.instrument, 1
    rows["event_time"] = fields.times(source.unit, source.wanted.zone)
    price = rows["price"] = fields.positive("price", given.price_precision)
    quantity = rows["quantity"] = fields.positive("quantity", given.quantity_precision)
    if source.has("id"):
        rows["trade_id"] = fields.decimals("id", 0)
    if source.has("first_id") and source.has("last_id"):
        first, last = fields.decimals("first_id", 0), fields.decimals("last_id", 0)
        count = last - first + 1
        for row in fields.good_rows((count < 1) | (count > INT32_MAX)):
            fields.refuse(row, "malformed_fields", f"ids from {first[row]} to {last[row]}")
        rows["trade_id"], rows["trade_count"] = last, np.clip(count, 1, INT32_MAX)
    if source.side_column:
        words = side_of(source.side_column, source.wanted)
        rows["aggressor_side"] = np.maximum(fields.sides(words), 0)
    is_off = (price % given.tick_size != 0) | (quantity % given.lot_size != 0)
    rows["flags"] = np.where(is_off, OFF_TICK, 0)
    return rows


TRADES = Kind(
    name="trades", one="a trade", topic="md.trades", record="Trade", time="event_time",
    id="trade_id", needed=("time", "price", "quantity"), is_numbered=True,
    names={
        "time": TIME_NAMES,
        "price": ("price", "px", "trade_price"),
        "quantity": ("quantity", "qty", "size", "amount", "volume", "q"),
        "side": ("side", "aggressor_side", "taker_side", "aggressor", "is_buyer_maker"),
        "id": ("id", "trade_id", "tid", "agg_trade_id", "aggregate_trade_id"),
        "first_id": ("first_trade_id",),
        "last_id": ("last_trade_id",),
    },
    prices=("price",), quantities=("quantity",), rows=trade_rows, duplicate="duplicate_trade",
)  # fmt: skip

import_trades = partial(import_table, TRADES)
