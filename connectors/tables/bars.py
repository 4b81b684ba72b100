"""Tables of bars: ``md.bars``, as their source made them."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from connectors.tables.columns import TIME_NAMES
from connectors.tables.importing import import_table
from connectors.tables.kinds import Kind, Source
from schemas.codec import codec
from schemas.vocabulary import BarKind, Flag
from streams.numeric.bar_prices import have_wrong_prices

OFF_TICK = int(Flag.OFF_TICK)
PRICES = ("open", "high", "low", "close")


def bar_rows(source: Source) -> Any:
    """Rows of md.bars. What the table does not say of volumes is 0."""
    fields, given = source.fields, source.instrument
    rows = np.zeros(fields.count, codec("Bar").dtype)
    rows["instrument"], rows["version"] = given.instrument, 1
    rows["kind"], rows["interval"] = int(BarKind.TIME), source.interval
    times = fields.times(source.unit, source.wanted.zone)
    opens = times - source.interval if source.wanted.bars.time == "close" else times
    rows["open_time"], rows["close_time"] = opens, opens + source.interval
    is_off = np.zeros(fields.count, np.bool_)
    for name in PRICES:
        rows[name] = fields.positive(name, given.price_precision)
        is_off |= rows[name] % given.tick_size != 0
    rows["volume"] = fields.not_negative("volume", given.quantity_precision)
    if source.has("trade_count"):
        rows["trade_count"] = fields.not_negative("trade_count", 0)
    if source.has("taker_buy_volume"):
        name = "taker_buy_volume"
        rows[name] = fields.not_negative(name, given.quantity_precision)
    for name in ("volume", "taker_buy_volume"):
        rows[f"{name}_wide_low"] = rows[name]
    for name in ("quote_volume", "taker_buy_quote_volume"):
        if source.has(name):
            precision = given.price_precision + given.quantity_precision
            rows[f"{name}_high"], rows[f"{name}_low"] = fields.amounts(name, precision)
    _check(source, rows)
    rows["flags"] = np.where(is_off, OFF_TICK, 0)
    return rows


def _check(source: Source, rows: Any) -> None:
    """A bar's prices lie between its low and its high, and what buyers took is of its volume."""
    fields = source.fields
    for row in fields.good_rows(have_wrong_prices(rows)):
        said = ", ".join(f"{name} {source.batch.field(name, row)[:40]}" for name in PRICES)
        fields.refuse(row, "inconsistent_bar", said)
    for row in fields.good_rows(rows["taker_buy_volume"] > rows["volume"]):
        fields.refuse(row, "inconsistent_bar", "the taker buy volume is above the volume")


BARS = Kind(
    name="bars", one="a bar", topic="md.bars", record="Bar", time="open_time", id="open_time",
    needed=("time", *PRICES, "volume"), is_numbered=False,
    names={
        "time": ("open_time", "bar_time", "date", *TIME_NAMES),
        **{name: (name, name[0], f"{name}_price") for name in PRICES},
        "volume": ("volume", "vol", "v", "base_volume"),
        "quote_volume": ("quote_volume", "quote_asset_volume", "turnover"),
        "trade_count": ("trade_count", "trades", "count", "number_of_trades"),
        "taker_buy_volume": ("taker_buy_volume", "taker_buy_base_volume"),
        "taker_buy_quote_volume": ("taker_buy_quote_volume",),
    },
    prices=PRICES, quantities=("volume", "taker_buy_volume"),
    rows=bar_rows, duplicate="duplicate_bar",
)  # fmt: skip

import_bars = partial(import_table, BARS)
