"""Frames of Kraken, OKX and Coinbase, as cryptofeed records them, to books and trades.

Kraken (version 1): ``[channel id, {"as": .., "bs": ..} or {"a": .., "c": checksum}, "book-1000",
"XBT/USD"]`` and ``[.., [[price, quantity, time, "b" or "s", ..]], "trade", pair]``.
OKX (version 5): ``{"arg": {"channel": "books", "instId": ..}, "action": .., "data": [..]}``.
Coinbase: ``{"type": "snapshot" | "l2update" | "match", "product_id": ..}``; its ``side`` is that of
the maker. Sources: the exchanges' pages, and cryptofeed, whose captures the tests read.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import msgspec

from connectors.captures.frames import Id, Rows, SetAside, Symbol, Text, TickerFrame, TradeFrame
from connectors.captures.numbers import BadField
from schemas.errors import BadData
from streams.numeric import fixed

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
NO_ID = 0
"""Of a trade or a ticker whose exchange gives it none."""
INVERSE = re.compile(r"[A-Z0-9]+-USD-(SWAP|\d{6})")
"""OKX's contracts that are settled in the coin."""


class BookFrame(msgspec.Struct):
    """Levels of one book, all of it or those that changed.

    Attributes:
        time: ms or us; None where the frame has none.
        depth: levels of each side that the exchange keeps; 0: all.
        checksum: of the book behind it; None where the frame has none.
        change, before: its own number and that of the change before, where the exchange says them.
    """

    symbol: str
    time: int | None
    is_snapshot: bool
    bids: Rows
    asks: Rows
    depth: int = 0
    checksum: int | None = None
    change: int | None = None
    before: int | None = None


Frames = list[BookFrame | TradeFrame | TickerFrame]
Reader = Callable[[bytes], Frames | SetAside]
_Levels = list[Annotated[list[Text], msgspec.Meta(min_length=3)]]


class _KrakenBook(msgspec.Struct, rename={"snapshot_asks": "as", "snapshot_bids": "bs"}):
    snapshot_asks: _Levels | None = None
    snapshot_bids: _Levels | None = None
    a: _Levels = []
    b: _Levels = []
    c: str | None = None


class _OkxArgument(msgspec.Struct):
    channel: str
    instId: Symbol = ""  # noqa: N815 - the venue's name


class _OkxFrame(msgspec.Struct):
    arg: _OkxArgument
    event: str = ""
    action: str = ""
    data: msgspec.Raw = msgspec.Raw(b"[]")


class _OkxBook(msgspec.Struct):
    asks: list[Annotated[list[Text], msgspec.Meta(min_length=2)]]
    bids: list[Annotated[list[Text], msgspec.Meta(min_length=2)]]
    ts: str
    checksum: int | None = None


class _OkxTrade(msgspec.Struct):
    instId: Symbol  # noqa: N815
    tradeId: str  # noqa: N815
    px: Text
    sz: Text
    side: str
    ts: str


class _CoinbaseFrame(msgspec.Struct):
    type: str
    product_id: Symbol = ""
    time: str | None = None
    bids: Rows = []
    asks: Rows = []
    changes: list[tuple[str, Text, Text]] = []
    trade_id: Id = 0
    side: str = ""
    size: Text = ""
    price: Text = ""


_okx_books = msgspec.json.Decoder(list[_OkxBook])
_okx_trades = msgspec.json.Decoder(list[_OkxTrade])


def kraken(message: bytes) -> Frames | SetAside:
    """Raises BadField."""
    found = _decoded(message, Any)
    if isinstance(found, dict):
        return SetAside(str(found.get("event", "status"))[:40])
    if not (isinstance(found, list) and len(found) >= 4):
        raise BadField("unknown_stream", "the message is no frame of Kraken")
    *bodies, channel, symbol = found[1:]
    if not (isinstance(channel, str) and isinstance(symbol, str) and 0 < len(symbol) <= 64):
        raise BadField("malformed_fields", "the frame names no channel and pair")
    name, _, depth = channel.partition("-")
    if name == "trade":
        return [_kraken_trade(symbol, each) for body in bodies for each in _rows(body)]
    if name != "book":
        return SetAside(name[:40])
    parts = [converted(each, _KrakenBook) for each in bodies]
    is_snapshot = parts[0].snapshot_asks is not None or parts[0].snapshot_bids is not None
    asks = [row for part in parts for row in (part.snapshot_asks or part.a)]
    bids = [row for part in parts for row in (part.snapshot_bids or part.b)]
    times = [number(row[2], 6) for row in (*asks, *bids)]
    checksums = [int(number(part.c, 0)) for part in parts if part.c is not None]
    return [
        BookFrame(
            symbol, max(times, default=None), is_snapshot, [(row[0], row[1]) for row in bids],
            [(row[0], row[1]) for row in asks], int(depth) if depth.isdigit() else 0,
            checksums[-1] if checksums else None,
        )
    ]  # fmt: skip


def _kraken_trade(symbol: str, row: Any) -> TradeFrame:
    price, quantity, time, side, *_ = converted(row, list[Text], 4)
    return TradeFrame(
        symbol, NO_ID, price, quantity, number(time, 6), is_maker_buyer(side, "b", "s")
    )


def okx(message: bytes) -> Frames | SetAside:
    """Raises BadField."""
    frame = _decoded(message, _OkxFrame)
    if frame.event or frame.arg.channel not in ("books", "trades"):
        return SetAside(frame.event or frame.arg.channel[:40])
    symbol = frame.arg.instId
    if INVERSE.fullmatch(symbol):
        return SetAside(f"{symbol}, settled in the coin")
    try:
        if frame.arg.channel == "trades":
            trades = _okx_trades.decode(frame.data)
            return [
                TradeFrame(each.instId, number(each.tradeId, 0), each.px, each.sz,
                           number(each.ts, 0), is_maker_buyer(each.side, "buy", "sell"))
                for each in trades
            ]  # fmt: skip
        books = _okx_books.decode(frame.data)
    except msgspec.ValidationError as problem:
        raise BadField("malformed_fields", f"{frame.arg.channel}: {problem}") from None
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise BadField("malformed_json", f"{frame.arg.channel}: it is not whole JSON") from None
    return [
        BookFrame(
            symbol, number(each.ts, 0), frame.action == "snapshot",
            [(row[0], row[1]) for row in each.bids], [(row[0], row[1]) for row in each.asks],
            checksum=None if each.checksum is None else each.checksum & 0xFFFFFFFF,
        )
        for each in books
    ]  # fmt: skip


def coinbase(message: bytes) -> Frames | SetAside:
    """Raises BadField."""
    frame = _decoded(message, _CoinbaseFrame)
    time = None if frame.time is None else _instant(frame.time)
    if frame.type == "match":
        is_buyer = is_maker_buyer(frame.side, "sell", "buy")  # whose side it is: the maker's
        return [
            TradeFrame(
                frame.product_id, frame.trade_id, frame.price, frame.size, time or 0, is_buyer
            )
        ]
    if frame.type == "snapshot":
        return [BookFrame(frame.product_id, time, True, frame.bids, frame.asks)]
    if frame.type != "l2update":
        return SetAside(frame.type[:40])
    sides: dict[str, Rows] = {"buy": [], "sell": []}
    for side, price, size in frame.changes:
        if side not in sides:
            raise BadField("unknown_side", f"side {side[:40]!r} is neither buy nor sell")
        sides[side].append((price, size))
    return [BookFrame(frame.product_id, time, False, sides["buy"], sides["sell"])]


def _decoded(message: bytes, kind: Any) -> Any:
    try:
        return msgspec.json.decode(message, type=kind)
    except msgspec.ValidationError as problem:
        raise BadField("malformed_fields", str(problem)) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise BadField("malformed_json", "the message is not whole JSON") from None


def converted(value: Any, kind: Any, least: int = 0) -> Any:
    try:
        found = msgspec.convert(value, kind)
    except msgspec.ValidationError as problem:
        raise BadField("malformed_fields", str(problem)) from None
    if least and len(found) < least:
        raise BadField("malformed_fields", f"a row of {len(found)} fields of {least}")
    return found


def _rows(body: Any) -> list[Any]:
    if not isinstance(body, list):
        raise BadField("malformed_fields", "trades are no list")
    return body


def number(text: str, decimals: int) -> int:
    """A number of an exchange in units of 10^-decimals, not negative."""
    try:
        found = fixed.parse(text, decimals)
    except BadData as problem:
        raise BadField(problem.code, str(problem)) from None
    if found < 0:
        raise BadField("malformed_fields", f"{text[:40]!r} is negative")
    return found


def _instant(text: str) -> int:
    """An instant of ISO 8601 in us."""
    try:
        return (datetime.fromisoformat(text) - EPOCH) // MICROSECOND
    except (ValueError, TypeError, OverflowError):
        raise BadField("implausible_time", f"{text[:40]!r} is no instant in UTC") from None


def is_maker_buyer(aggressor: str, buy: str, sell: str) -> bool:
    if aggressor not in (buy, sell):
        raise BadField("unknown_side", f"side {aggressor[:40]!r} is neither {buy} nor {sell}")
    return aggressor == sell
