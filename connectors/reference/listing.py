"""One instrument as a venue lists it: the terms that are kept, and the record they become."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, NamedTuple

import msgspec

from connectors.instruments import decimals_of, specified
from connectors.reference.table import Entry
from schemas.errors import BadData
from schemas.records import Instrument
from streams.numeric import fixed

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
VENUE_TERMS = "venue"
"""Kind of the entry, without a symbol, that holds a venue's own limits and filters."""


class BadDump(BadData):
    """A venue's file of instruments says something impossible, or is not whole."""

    code = "bad_dump"


class BadRow(NamedTuple):
    """An instrument of a file that cannot be used, and why."""

    venue: str
    symbol: str
    problem: BadDump


class Listing(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Terms of one instrument. Decimals are text in base (quantities) or quote (prices) units.

    Attributes:
        expiry: ns UTC; None for none.
        strike: of an option; ``right``: "CE" (call) or "PE" (put).
        token: the feed's number for it today. Tokens are used again: no key.
        filters: the venue's order filters by name, every field as published.
        unknown_filters: names among them that this version does not know.
    """

    venue: str
    symbol: str
    kind: str
    base: str
    quote: str
    price_precision: int
    quantity_precision: int
    tick_size: str
    lot_size: str
    minimum_quantity: str
    maximum_quantity: str
    minimum_notional: str
    shortable: bool = False
    funding_hours: int = 0
    expiry: int | None = None
    name: str = ""
    status: str = ""
    underlying: str = ""
    strike: str = ""
    right: str = ""
    segment: str = ""
    token: int = 0
    exchange_token: int = 0
    filters: dict[str, dict[str, Any]] = {}
    unknown_filters: list[str] = []

    def entry(self) -> Entry:
        """The row of the dated table. Raises BadInstrumentTable, InverseContract."""
        instrument_of(self, 1, 0)
        return Entry(
            self.venue, self.symbol, self.kind, f"{self.name} {self.underlying}".strip(),
            self.expiry, _ENCODER.encode(self),
        )  # fmt: skip


_ENCODER = msgspec.json.Encoder(order="sorted")
_DECODER = msgspec.json.Decoder(Listing)
Row = Listing | BadRow
Rows = Iterator[Row]


def listing_of(terms: bytes) -> Listing:
    """The listing that an entry's terms hold."""
    return _DECODER.decode(terms)


def instrument_of(listing: Listing, number: int, valid_from: int) -> Instrument:
    """The record of ``ref.instruments``. Raises BadInstrumentTable, InverseContract."""
    entry: dict[str, Any] = {
        "instrument": number,
        "venue": listing.venue,
        "symbol": listing.symbol,
        "kind": listing.kind,
        "base": listing.base,
        "quote": listing.quote,
        "price_precision": listing.price_precision,
        "quantity_precision": listing.quantity_precision,
        "tick_size": listing.tick_size,
        "lot_size": listing.lot_size,
        "minimum_quantity": listing.minimum_quantity,
        "maximum_quantity": listing.maximum_quantity,
        "minimum_notional": listing.minimum_notional,
        "shortable": listing.shortable,
        "funding_hours": listing.funding_hours,
        "valid_from": EPOCH,
    }
    if listing.expiry is not None:
        entry["expiry"] = EPOCH + timedelta(microseconds=listing.expiry // 1000)
    found = specified((listing.venue, listing.symbol), entry)
    return msgspec.structs.replace(found, valid_from=valid_from)


@lru_cache(maxsize=1 << 14)
def decimal(text: str) -> str:
    """The shortest text of a decimal that is not negative. Raises BadData."""
    value = fixed.parse_amount(text, fixed.PRECISION_MAX)
    if value < 0:
        raise fixed.OutOfRange(f"{text[:40]!r} is negative")
    return fixed.format(value, fixed.PRECISION_MAX)


def positive(text: str) -> str:
    """The same above 0. Raises BadData."""
    found = decimal(text)
    if found == "0":
        raise fixed.OutOfRange(f"{text[:40]!r} is zero, and would allow every price or size")
    return found


def precision_of(text: str, least: int = 0) -> int:
    """Decimals of a step, at least ``least``."""
    return max(decimals_of(text), least)
