"""Which instrument a table's rows are of: one of a table, or one that the column map describes."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from connectors.instruments import Key, decimals_of, find, number_of, owner_of, specified
from connectors.tables.columns import BadColumnMap
from schemas.errors import WrongUse
from schemas.records import Instrument
from schemas.vocabulary import InstrumentKind
from streams.numeric import fixed

OWN = ("tick", "lot", "kind", "quote")
PRICE, QUANTITY = "price_precision", "quantity_precision"
FIELDS_OF: dict[str, tuple[str, ...]] = {
    "tick": ("tick_size", PRICE),
    "lot": ("lot_size", QUANTITY),
    "minimum_quantity": ("minimum_quantity", QUANTITY),
    "maximum_quantity": ("maximum_quantity", QUANTITY),
    "minimum_notional": ("minimum_notional", PRICE, QUANTITY),
    "funding_hours": ("funding_interval",),
}
"""Of a map's words that are no field of the record: the field, and the precisions it is in."""
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class InstrumentNotSaid(WrongUse):
    """Neither the command nor the column map says of which instrument the rows are."""

    code = "instrument_not_said"


def instrument_of(
    said: str, described: dict[str, Any], table: Mapping[Key, Instrument]
) -> Instrument:
    """The instrument.

    Args:
        said: SYMBOL@VENUE; empty to take the map's.
        described: the map's [instrument].

    Raises:
        InstrumentNotSaid, BadColumnMap, BadInstrumentTable, UnknownSymbol.
    """
    symbol, venue = parted(said) if said else ("", "")
    symbol = symbol or str(described.get("symbol", ""))
    venue = venue or str(described.get("venue", ""))
    if not (symbol and venue):
        raise InstrumentNotSaid(
            "the rows name no instrument; say it with --instrument SYMBOL@VENUE, "
            "for example BTCUSDT@binance"
        )
    known = table.get((venue, symbol))
    if known is not None:
        _check_equal(known, described)
        return find(table, venue, symbol)
    if not described.keys() & set(OWN):
        raise InstrumentNotSaid(
            f"{symbol} on {venue} is in no instrument table; write it into the column map "
            '(--map): [instrument] kind = "spot", tick = "0.01", lot = "0.001", quote = "USDT", '
            "or give a table with --instruments"
        )
    return _described(symbol, venue, described, table)


def parted(said: str) -> tuple[str, str]:
    """Symbol and venue of SYMBOL@VENUE. Raises InstrumentNotSaid."""
    symbol, _, venue = said.partition("@")
    if not (symbol and venue):
        raise InstrumentNotSaid(
            f"--instrument {said} is no SYMBOL@VENUE, for example BTCUSDT@binance"
        )
    return symbol, venue


def _check_equal(known: Instrument, described: dict[str, Any]) -> None:
    """Raises BadColumnMap where a map says something else of an instrument than its table."""
    name = f"{known.symbol} on {known.venue}"
    said = {key: value for key, value in described.items() if key not in ("symbol", "venue")}
    whole = {
        "tick": fixed.format(known.tick_size, known.price_precision),
        "lot": fixed.format(known.lot_size, known.quantity_precision),
        "kind": InstrumentKind(known.kind).name.lower(),
        "quote": known.quote,
        **said,
    }
    found = _specified(known.symbol, known.venue, whole)
    for key, value in said.items():
        field, *precisions = FIELDS_OF.get(key, (key,))
        ours, theirs = getattr(found, field), getattr(known, field)
        if precisions:
            places = [sum(getattr(each, one) for one in precisions) for each in (found, known)]
            ours, theirs = fixed.format(ours, places[0]), fixed.format(theirs, places[1])
        if ours != theirs:
            theirs = InstrumentKind(theirs).name.lower() if field == "kind" else theirs
            raise BadColumnMap(
                f"[instrument] of the column map says {key} = {value!r} of {name}, and the "
                f"instrument table says {theirs}; leave it out of the map, or change the table "
                "with --instruments"
            )


def _described(
    symbol: str, venue: str, described: dict[str, Any], table: Mapping[Key, Instrument]
) -> Instrument:
    missing = [name for name in OWN if name not in described]
    if missing:
        raise BadColumnMap(f"[instrument] of the column map does not say the {missing[0]}")
    found = _specified(symbol, venue, described)
    owner = owner_of(table, found.instrument)
    if owner is not None:
        raise BadColumnMap(
            f"instrument number {found.instrument} is {':'.join(owner)}; "
            "give another one: [instrument] instrument = 2000"
        )
    return found


def _specified(symbol: str, venue: str, described: dict[str, Any]) -> Instrument:
    """The record of what a map describes. Raises BadInstrumentTable."""
    given = {name: value for name, value in described.items() if name not in ("tick", "lot")}
    tick, lot = str(described["tick"]), str(described["lot"])
    entry = {
        "instrument": number_of(symbol, venue),
        "base": symbol.removesuffix(str(described["quote"])) or symbol,
        "price_precision": decimals_of(tick),
        "quantity_precision": decimals_of(lot),
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
    return specified((venue, symbol), entry)
