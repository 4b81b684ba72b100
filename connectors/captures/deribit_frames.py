"""Frames of Deribit, as cryptofeed records them: books, trades and the best bid and ask of tickers.

``{"method": "subscription", "params": {"channel": "book.BTC-31DEC21-34000-P.raw", "data": {..}}}``,
version 2 of its API. Numbers are JSON numbers, whose digits are kept. A change names the one before
it (``prev_change_id``). A contract of which the amount is in USD is settled in the coin.
"""

from __future__ import annotations

import json
import re

import msgspec

from connectors.captures.exchange_frames import (
    NO_ID,
    BookFrame,
    Frames,
    converted,
    is_maker_buyer,
    number,
)
from connectors.captures.frames import Rows, SetAside, Symbol, Text, TickerFrame, TradeFrame
from connectors.captures.numbers import BadField

INVERSE = re.compile(r"[A-Z0-9]+-(PERPETUAL|\d{1,2}[A-Z]{3}\d{2})")
RAW_DOTS = 2
"""Of a channel with every change; one that has more gives the best levels alone, again and again.
"""


class _Book(msgspec.Struct):
    instrument_name: Symbol
    timestamp: Text
    change_id: Text
    bids: list[tuple[str, Text, Text]]
    asks: list[tuple[str, Text, Text]]
    type: str = "change"
    prev_change_id: Text | None = None


class _Trade(msgspec.Struct):
    instrument_name: Symbol
    timestamp: Text
    trade_seq: Text
    price: Text
    amount: Text
    direction: str


class _Ticker(msgspec.Struct):
    instrument_name: Symbol
    timestamp: Text
    best_bid_price: Text | None
    best_bid_amount: Text | None
    best_ask_price: Text | None
    best_ask_amount: Text | None


def deribit(message: bytes) -> Frames | SetAside:
    """Raises BadField."""
    try:
        found = json.loads(message, parse_float=str, parse_int=str, parse_constant=str)
    except (ValueError, RecursionError):
        raise BadField("malformed_json", "the message is not whole JSON") from None
    parameters = found.get("params") if isinstance(found, dict) else None
    if not isinstance(parameters, dict):
        return SetAside("answer")
    channel, data = str(parameters.get("channel", "")), parameters.get("data")
    name, _, rest = channel.partition(".")
    if name not in ("book", "trades", "ticker"):
        return SetAside(name[:40] or str(found.get("method"))[:40])
    if INVERSE.fullmatch(rest.partition(".")[0]):
        return SetAside(f"{rest.partition('.')[0]}, settled in the coin")
    if name == "book" and channel.count(".") > RAW_DOTS:
        return SetAside("book of some levels")
    if name == "book":
        return [_book(converted(data, _Book))]
    if name == "trades":
        return [_trade(each) for each in converted(data, list[_Trade])]
    return [_best(converted(data, _Ticker))]


def _book(given: _Book) -> BookFrame:
    return BookFrame(
        given.instrument_name, number(given.timestamp, 0), given.type == "snapshot",
        _levels(given.bids), _levels(given.asks),
        change=number(given.change_id, 0),
        before=None if given.prev_change_id is None else number(given.prev_change_id, 0),
    )  # fmt: skip


def _levels(rows: list[tuple[str, str, str]]) -> Rows:
    """Price and quantity of each level; one that is deleted has 0."""
    for what, _, _ in rows:
        if what not in ("new", "change", "delete"):
            raise BadField("malformed_fields", f"a level is {what[:40]!r}: no new, change, delete")
    return [(price, "0" if what == "delete" else amount) for what, price, amount in rows]


def _trade(given: _Trade) -> TradeFrame:
    return TradeFrame(
        given.instrument_name, number(given.trade_seq, 0), given.price, given.amount,
        number(given.timestamp, 0), is_maker_buyer(given.direction, "buy", "sell"),
    )  # fmt: skip


def _best(given: _Ticker) -> TickerFrame:
    return TickerFrame(
        given.instrument_name, NO_ID, given.best_bid_price or "0", given.best_bid_amount or "0",
        given.best_ask_price or "0", given.best_ask_amount or "0", number(given.timestamp, 0),
    )  # fmt: skip
