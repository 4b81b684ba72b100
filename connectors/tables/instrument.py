"""Which instrument a table's rows are of: one of a table, or one that the column map describes."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from typing import Any

from connectors.instruments import ID_MAX, Key, find, specified
from connectors.tables.columns import BadColumnMap
from schemas.errors import WrongUse
from schemas.records import Instrument

OWN = ("tick", "lot", "kind", "quote")
FIRST_ID = 1024
"""Ids below are for tables; one that a map describes without an id gets one from its name."""
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class InstrumentNotSaid(WrongUse):
    """Neither the command nor the column map says of which instrument the rows are."""

    code = "instrument_not_said"


def instrument_of(said: str, described: dict[str, Any], table: dict[Key, Instrument]) -> Instrument:
    """The instrument.

    Args:
        said: SYMBOL@VENUE; empty to take the map's.
        described: the map's [instrument].

    Raises:
        InstrumentNotSaid, BadColumnMap, BadInstrumentTable, UnknownSymbol.
    """
    symbol, _, venue = said.partition("@")
    if said and not (symbol and venue):
        raise InstrumentNotSaid(
            f"--instrument {said} is no SYMBOL@VENUE, for example BTCUSDT@binance"
        )
    symbol = symbol or str(described.get("symbol", ""))
    venue = venue or str(described.get("venue", ""))
    if not (symbol and venue):
        raise InstrumentNotSaid(
            "the rows name no instrument; say it with --instrument SYMBOL@VENUE, "
            "for example BTCUSDT@binance"
        )
    if described.keys() & set(OWN):
        return _described(symbol, venue, described, table)
    if (venue, symbol) not in table:
        raise InstrumentNotSaid(
            f"{symbol} on {venue} is in no instrument table; write it into the column map "
            '(--map): [instrument] kind = "spot", tick = "0.01", lot = "0.001", quote = "USDT", '
            "or give a table with --instruments"
        )
    return find(table, venue, symbol)


def _described(
    symbol: str, venue: str, described: dict[str, Any], table: dict[Key, Instrument]
) -> Instrument:
    missing = [name for name in OWN if name not in described]
    if missing:
        raise BadColumnMap(f"[instrument] of the column map does not say the {missing[0]}")
    given = {name: value for name, value in described.items() if name not in ("tick", "lot")}
    tick, lot = str(described["tick"]), str(described["lot"])
    entry = {
        "instrument": _id_of(symbol, venue),
        "base": symbol.removesuffix(str(described["quote"])) or symbol,
        "price_precision": _decimals(tick),
        "quantity_precision": _decimals(lot),
        "minimum_quantity": lot,
        "maximum_quantity": "1000000000",
        "minimum_notional": "0",
        "valid_from": EPOCH,
        **given,
        "symbol": symbol,
        "venue": venue,
        "tick_size": tick,
        "lot_size": lot,
    }
    found = specified((venue, symbol), entry)
    owner = next((key for key, each in table.items() if each.instrument == found.instrument), None)
    if owner not in (None, (venue, symbol)):
        raise BadColumnMap(
            f"instrument number {found.instrument} is {':'.join(owner or ())}; "
            "give another one: [instrument] instrument = 2000"
        )
    return found


def _decimals(text: str) -> int:
    return len(text.partition(".")[2])


def _id_of(symbol: str, venue: str) -> int:
    """An id of the name alone, so that it is the same in every import."""
    digest = hashlib.sha256(f"{venue}:{symbol}".encode()).digest()
    return FIRST_ID + int.from_bytes(digest[:8], "big") % (ID_MAX + 1 - FIRST_ID)
