"""One line of a Binance recording to one typed frame, or the reason why not.

A line is ``<receive time> <message>``: the time an integer in ns (or s, ms, us, told by its size),
or seconds with a fraction, a colon behind it or not. The message is a combined-stream frame
``{"stream": "btcusdt@depth@100ms", "data": {...}}``, the bare event of a single stream, or a REST
depth snapshot (``lastUpdateId``, no symbol). The market is told by content: USD-M events carry
``pu`` (depth), ``X`` (trade) or ``e`` and ``T`` (bookTicker), and aggregated trades lack ``M``;
spot events do not. Prices and quantities are texts; programs that write recordings anew make
numbers of them, which are read as the same digits.
"""

from __future__ import annotations

import json
import re
from typing import Annotated, Any

import msgspec

from connectors.captures.numbers import BadField

SPOT, USDM = "binance", "binance_usdm"
"""Venue names, as in the instrument table."""

Id = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
Text = Annotated[str, msgspec.Meta(max_length=64)]
Symbol = Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
Rows = list[tuple[Text, Text]]

_NOT_IMPORTED = re.compile(
    r"(blockTrade|kline_\w+|continuousKline_\w+|markPrice|markPriceKline_\w+|indexPrice\w*|ticker|ticker_\w+|miniTicker|avgPrice"
    r"|forceOrder|rpiDepth|depth\d+|compositeIndex|contractInfo|assetIndex|referencePrice|tradingSession)(@\w+)?",
    re.IGNORECASE,
)
_DIFF_DEPTH = re.compile(r"depth(@\d+ms)?")
_BARE = {"trade": "trade", "aggTrade": "aggregate", "depthUpdate": "depth", "bookTicker": "ticker"}
_ROUTES_MAX = 4096


class TradeFrame(msgspec.Struct):
    """``<symbol>@trade``: t id, p price, q quantity, T time, m buyer is maker, X (USD-M) kind of
    trade, M (spot) unused by Binance.
    """

    s: Symbol
    t: Id
    p: Text
    q: Text
    T: Id
    m: bool
    X: str | msgspec.UnsetType = msgspec.UNSET


class AggregateFrame(msgspec.Struct):
    """``<symbol>@aggTrade``: a its id, f and l first and last trade id, the rest as of a trade; M
    on spot only.
    """

    s: Symbol
    a: Id
    f: Id
    l: Id  # noqa: E741 - the venue's name
    p: Text
    q: Text
    T: Id
    m: bool
    M: bool | msgspec.UnsetType = msgspec.UNSET


class DepthFrame(msgspec.Struct):
    """``<symbol>@depth``: U first and u final update id, pu (USD-M) final id of the update before,
    E sent, T (USD-M) matched.
    """

    s: Symbol
    U: Id
    u: Id
    E: Id
    b: Rows
    a: Rows
    pu: Annotated[int, msgspec.Meta(ge=-1, le=2**63 - 1)] | msgspec.UnsetType = msgspec.UNSET
    T: Id | msgspec.UnsetType = msgspec.UNSET


class TickerFrame(msgspec.Struct):
    """``<symbol>@bookTicker``: u update id, best bid and ask; T (USD-M) matched. Spot gives no time
    at all.
    """

    s: Symbol
    u: Id
    b: Text
    B: Text
    a: Text
    A: Text
    T: Id | msgspec.UnsetType = msgspec.UNSET


class SnapshotFrame(msgspec.Struct):
    """REST depth: no symbol; T only on USD-M."""

    lastUpdateId: Id
    bids: Rows
    asks: Rows
    T: Id | msgspec.UnsetType = msgspec.UNSET


class NamedSnapshot(msgspec.Struct):
    """REST depth of a recording that names its symbol beside it."""

    venue: str
    symbol: str
    snapshot: SnapshotFrame


class SetAside(msgspec.Struct):
    """A good frame of a stream that is not imported."""

    stream: str


Frame = (
    TradeFrame
    | AggregateFrame
    | DepthFrame
    | TickerFrame
    | SnapshotFrame
    | NamedSnapshot
    | SetAside
)


class _Envelope(msgspec.Struct):
    stream: str = ""
    data: msgspec.Raw = msgspec.Raw(b"")
    e: str = ""
    lastUpdateId: Any = None
    u: Any = None
    B: Any = None


_envelope = msgspec.json.Decoder(_Envelope)
_decoders: dict[str, Any] = {
    "trade": msgspec.json.Decoder(TradeFrame),
    "aggregate": msgspec.json.Decoder(AggregateFrame),
    "depth": msgspec.json.Decoder(DepthFrame),
    "ticker": msgspec.json.Decoder(TickerFrame),
    "snapshot": msgspec.json.Decoder(SnapshotFrame),
}
_SECONDS = re.compile(rb"(\d{9,11})(?:\.(\d{1,9})\d*)?:? ")
_NUMERIC = frozenset("pqbaBA")
_routes: dict[str, tuple[str, str]] = {}


def receive_time(line: bytes) -> tuple[int, int]:
    """(receive time as written, in ns where it has a fraction; position of the message). Raises
    BadField ``malformed_line``.
    """
    end = line.find(b" ")
    digits = line[:end]
    if 0 < end <= 20 and digits.isdigit():
        return int(digits), end + 1
    found = _SECONDS.match(line)
    if found is None:
        raise BadField("malformed_line", "the line does not begin with a receive time and a space")
    fraction = (found[2] or b"").ljust(9, b"0")
    return int(found[1]) * 10**9 + int(fraction), found.end()


def read_line(line: bytes) -> tuple[int | None, Frame]:
    """Receive time and frame of one line. Raises BadField."""
    received, at = receive_time(line)
    return received, read(line[at:])


def read(message: bytes) -> Frame:
    """The frame of one message.

    Raises:
        BadField: ``malformed_json``; ``unknown_stream``; ``malformed_fields`` (one is missing, or
            of another type); ``symbol_mismatch``.
    """
    try:
        envelope = _envelope.decode(message)
    except msgspec.ValidationError as problem:
        raise BadField("malformed_fields", f"not a stream frame: {problem}") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise BadField("malformed_json", "the message is not whole JSON") from None
    stream, symbol = envelope.stream, ""
    payload: Any = envelope.data
    if stream:
        kind, symbol = _routes.get(stream) or _route(stream)
        if kind == "":
            raise BadField("unknown_stream", f"stream {stream[:80]!r} is none of Binance's")
        if kind == "set_aside":
            return SetAside(symbol)
    else:
        payload = message
        if envelope.lastUpdateId is not None:
            kind = "snapshot"
        elif envelope.e:
            kind = _BARE.get(envelope.e, "")
        else:
            kind = "ticker" if envelope.u is not None and envelope.B is not None else ""
        if kind == "":
            raise BadField(
                "unknown_stream",
                "the message names no stream and is no trade, depthUpdate, bookTicker or depth "
                "snapshot",
            )
    try:
        frame: Frame = _decoders[kind].decode(payload)
    except msgspec.ValidationError as problem:
        frame = _with_numbers(kind, bytes(payload), problem)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise BadField("malformed_json", f"{kind}: the message is not whole JSON") from None
    if stream and frame.s != symbol:  # type: ignore[union-attr]
        raise BadField("symbol_mismatch", f"stream {stream} carries symbol {frame.s}")  # type: ignore[union-attr]
    return frame


def _with_numbers(kind: str, payload: bytes, problem: Exception) -> Frame:
    """The frame of a message whose prices and quantities are numbers, their digits as they are
    written. Raises BadField of ``problem``.
    """
    try:
        plain = json.loads(payload, parse_float=_Digits, parse_int=_Digits, parse_constant=_Digits)
        texts = {"bids", "asks", *(_NUMERIC - {"a"} if kind == "aggregate" else _NUMERIC)}
        whole = {name: _plain(value, name in texts) for name, value in plain.items()}
        frame: Frame = msgspec.convert(whole, _decoders[kind].type)
    except (msgspec.ValidationError, ValueError, AttributeError, RecursionError):
        raise BadField("malformed_fields", f"{kind}: {problem}") from None
    return frame


class _Digits(str):
    """A number of a JSON text, as it is written."""

    __slots__ = ()


def _plain(value: Any, is_text: bool) -> Any:
    """Numbers as text where text is wanted, else as integers."""
    if isinstance(value, _Digits):
        return str(value) if is_text else int(value)
    if isinstance(value, list):
        return [_plain(each, is_text) for each in value]
    return value


def _route(stream: str) -> tuple[str, str]:
    """(kind, symbol) of a stream name; kind "" for none of Binance's, "set_aside" with the
    channel's name in place of the symbol.
    """
    symbol, at, channel = stream.partition("@")
    if channel == "trade":
        route = ("trade", symbol.upper())
    elif channel == "aggTrade":
        route = ("aggregate", symbol.upper())
    elif channel == "bookTicker":
        route = ("ticker", symbol.upper())
    elif _DIFF_DEPTH.fullmatch(channel):
        route = ("depth", symbol.upper())
    elif at and _NOT_IMPORTED.fullmatch(channel):
        route = ("set_aside", channel.partition("@")[0])
    else:
        route = ("", "")
    if len(_routes) >= _ROUTES_MAX:
        _routes.clear()
    _routes[stream] = route
    return route


def venue_of(frame: TradeFrame | AggregateFrame | DepthFrame | TickerFrame) -> str:
    """The market a frame comes from."""
    if isinstance(frame, AggregateFrame):
        return USDM if frame.M is msgspec.UNSET else SPOT
    if isinstance(frame, DepthFrame):
        mark: Any = frame.pu
    elif isinstance(frame, TradeFrame):
        mark = frame.X
    else:
        mark = frame.T
    return SPOT if mark is msgspec.UNSET else USDM
