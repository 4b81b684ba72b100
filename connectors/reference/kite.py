"""Zerodha's dump of instruments (CSV) to listings, a line at a time.

The key is exchange and trading symbol: tokens are used again after expiry. The last price is no
term. An index has no tick and no lot in the dump: it is listed in paise, by the unit. Quantities
are units (shares), of which an order takes a multiple of the lot. The dump has no freeze quantity
and no upper bound of an order.
"""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, time, timedelta, timezone
from functools import lru_cache

from connectors.reference.contracts import readings
from connectors.reference.listing import (
    BadDump,
    BadRow,
    Listing,
    Row,
    Rows,
    decimal,
    positive,
    precision_of,
)
from schemas.errors import BadData

COLUMNS = (
    "instrument_token", "exchange_token", "tradingsymbol", "name", "last_price", "expiry", "strike",
    "tick_size", "lot_size", "instrument_type", "segment", "exchange",
)  # fmt: skip
INDICES = "INDICES"
KINDS = {"EQ": "equity", "FUT": "future", "CE": "option", "PE": "option"}
IST = timezone(timedelta(hours=5, minutes=30), "IST")
CLOSES = {"CDS": time(12, 30), "BCD": time(12, 30), "MCX": time(23, 30), "NCO": time(23, 30)}
"""When trading in an expiring contract ends, IST, where it is not at 15:30."""
CLOSE = time(15, 30)
CURRENCY = "INR"
PAISE = 2
NO_MAXIMUM = "1000000000"
TOKEN_MAX = (1 << 63) - 1
AGAIN = "fetch the dump again: GET https://api.kite.trade/instruments"


def rows(name: str, lines: Iterable[str]) -> Rows:
    """A listing for each line, or why there is none.

    Raises:
        BadDump: the columns are others, or a line is not whole: then nothing of the file is sure.
    """
    reader = csv.reader(lines, strict=True)
    header = _next(name, reader)
    missing = [column for column in COLUMNS if column not in (header or [])]
    if header is None or missing:
        raise BadDump(
            f"{name} has no column {', '.join(missing)}, so it is no dump of instruments of Kite "
            f"(it has {', '.join(header or [])[:200] or 'no line'}); {AGAIN}"
        )
    places = [header.index(column) for column in COLUMNS]
    width = len(header)
    while (fields := _next(name, reader)) is not None:
        if not fields:
            continue
        if len(fields) != width:
            raise BadDump(
                f"{name}: line {reader.line_num} has {len(fields)} fields of {width}: the file is "
                f"cut or damaged; {AGAIN}"
            )
        yield _row(name, reader.line_num, [fields[place] for place in places])


def _next(name: str, reader: Iterator[list[str]]) -> list[str] | None:
    try:
        return next(reader, None)
    except csv.Error as problem:
        number = getattr(reader, "line_num", 0)
        raise BadDump(f"{name}: line {number} is no CSV: {problem}; {AGAIN}") from None


def _row(name: str, line: int, fields: list[str]) -> Row:
    symbol, exchange = fields[2], fields[11]
    if not symbol or not exchange:
        raise BadDump(
            f"{name}: line {line} has no tradingsymbol or no exchange, which are its key; {AGAIN}"
        )
    venue = sys.intern(exchange.lower())
    try:
        return _listing(venue, fields)
    except BadData as problem:
        text = f"{name}: line {line}, {symbol[:40]} on {venue}: {problem.text}"
        return BadRow(venue, symbol, BadDump(f"{text}; {AGAIN}, or leave it out: --skip-bad"))


def _listing(venue: str, fields: list[str]) -> Listing:
    """Raises BadData."""
    token, exchange_token, symbol, name, _, expiry, strike, tick, lot, kind, segment, exchange = (
        fields
    )
    if kind not in KINDS:
        raise BadDump(f"instrument_type is {kind[:40]!r}, and none of {', '.join(KINDS)}")
    is_index = segment == INDICES
    is_option, is_derivative = KINDS[kind] == "option", KINDS[kind] in ("option", "future")
    tick = "0.01" if is_index else _checked("tick_size", tick, positive)
    lot = "1" if is_index else _checked("lot_size", lot, positive)
    underlying = name or _underlying(symbol) if is_derivative else ""
    if is_derivative and not expiry:
        raise BadDump("it is a derivative without an expiry")
    if is_option and _checked("strike", strike, decimal) == "0":
        raise BadDump("it is an option without a strike")
    return Listing(
        venue=venue,
        symbol=symbol,
        kind="index" if is_index else KINDS[kind],
        base=underlying or symbol,
        quote=CURRENCY,
        price_precision=precision_of(tick, PAISE),
        quantity_precision=precision_of(lot),
        tick_size=tick,
        lot_size=lot,
        minimum_quantity=lot,
        maximum_quantity=NO_MAXIMUM,
        minimum_notional="0",
        shortable=is_derivative,
        expiry=_expiry(exchange, expiry) if is_derivative else None,
        name=name,
        underlying=underlying,
        strike=_checked("strike", strike, decimal) if is_option else "",
        right=kind if is_option else "",
        segment=segment,
        token=_token("instrument_token", token),
        exchange_token=_token("exchange_token", exchange_token),
    )


def _underlying(symbol: str) -> str:
    """Of a contract whose line has no name: what its symbol says, if it says anything."""
    found = readings(symbol)
    return found[0].underlying if found else ""


def _checked(column: str, text: str, read_as: object) -> str:
    """Raises BadDump, which names the column."""
    assert callable(read_as)
    try:
        return str(read_as(text))
    except BadData as problem:
        raise BadDump(f"{column}: {problem.text}") from None


def _token(column: str, text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 20 and int(text) <= TOKEN_MAX):
        raise BadDump(f"{column} is {text[:40]!r}, and no whole number of 64 bits")
    return int(text)


@lru_cache(maxsize=1 << 12)
def _expiry(exchange: str, text: str) -> int:
    """The end of trading on the day, ns UTC. Raises BadDump."""
    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise BadDump(f"expiry is {text[:40]!r}, and no day such as 2026-12-31") from None
    if not 1990 <= day.year <= 2200:
        raise BadDump(f"expiry is {text}, and no day of a listed contract")
    end = datetime.combine(day, CLOSES.get(exchange, CLOSE), IST).astimezone(UTC)
    return int(end.timestamp()) * 1_000_000_000
