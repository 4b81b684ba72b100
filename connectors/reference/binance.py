"""Binance's ``exchangeInfo``, spot and USD-M, to listings.

Sources: the filters page of binance-spot-api-docs, and the answer of ``/fapi/v1/exchangeInfo``.
Prices have the tick's decimals, of futures at least ``pricePrecision``; quantities
``baseAssetPrecision`` of spot, for the venue prints sizes off the lot, and ``quantityPrecision`` of
futures. A filter of a name that is not listed here is kept and flagged.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from connectors.reference.listing import (
    VENUE_TERMS,
    BadDump,
    BadRow,
    Listing,
    Row,
    Rows,
    decimal,
    positive,
    precision_of,
)
from connectors.reference.table import Entry
from schemas.errors import BadData

SPOT, USDM = "binance", "binance_usdm"
FILTERS = frozenset(
    {
        "PRICE_FILTER", "PERCENT_PRICE", "PERCENT_PRICE_BY_SIDE", "LOT_SIZE", "MARKET_LOT_SIZE",
        "MIN_NOTIONAL", "NOTIONAL", "ICEBERG_PARTS", "MAX_NUM_ORDERS", "MAX_NUM_ALGO_ORDERS",
        "MAX_NUM_ICEBERG_ORDERS", "MAX_NUM_ORDER_AMENDS", "MAX_NUM_ORDER_LISTS", "MAX_POSITION",
        "TRAILING_DELTA", "POSITION_RISK_CONTROL", "EXCHANGE_MAX_NUM_ORDERS",
        "EXCHANGE_MAX_NUM_ALGO_ORDERS", "EXCHANGE_MAX_NUM_ICEBERG_ORDERS",
        "EXCHANGE_MAX_NUM_ORDER_LISTS", "MAX_ASSET",
    }
)  # fmt: skip
NO_DELIVERY = 4_133_404_800_000
"""``deliveryDate``, ms, of what never delivers: 2100-12-25."""
FUNDING_HOURS = 8
"""Of a perpetual: ``exchangeInfo`` does not say it, and it is the venue's usual one."""
MILLISECOND = 1_000_000
AGAIN = "fetch the file again: GET /api/v3/exchangeInfo (spot), GET /fapi/v1/exchangeInfo (USD-M)"


class Symbol(msgspec.Struct):
    """One element of ``symbols``; only futures have what has a default of None."""

    symbol: str
    baseAsset: str  # noqa: N815 - the venue's names
    quoteAsset: str  # noqa: N815
    status: str = ""
    filters: list[dict[str, Any]] | None = None
    baseAssetPrecision: int = 8  # noqa: N815
    pair: str = ""
    contractType: str | None = None  # noqa: N815
    contractStatus: str = ""  # noqa: N815
    contractSize: int | None = None  # noqa: N815
    deliveryDate: int | None = None  # noqa: N815
    pricePrecision: int = 0  # noqa: N815
    quantityPrecision: int = 0  # noqa: N815


class ExchangeInfo(msgspec.Struct):
    """The answer; ``code`` and ``msg`` are those of a refusal."""

    symbols: list[Symbol] | None = None
    serverTime: int | None = None  # noqa: N815
    rateLimits: list[dict[str, Any]] = []  # noqa: N815
    exchangeFilters: list[dict[str, Any]] = []  # noqa: N815
    code: int = 0
    msg: str = ""


def read(name: str, content: bytes) -> tuple[ExchangeInfo, int | None]:
    """The answer and its server's time, ns UTC. Raises BadDump."""
    try:
        found = msgspec.json.decode(content, type=ExchangeInfo)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as problem:
        raise BadDump(f"{name} is no answer of exchangeInfo: {problem}; {AGAIN}") from None
    if found.code:
        raise BadDump(f"{name} is a refusal of the venue, {found.code}: {found.msg[:200]}; {AGAIN}")
    if found.symbols is None:
        raise BadDump(f"{name} is JSON without 'symbols', so no answer of exchangeInfo; {AGAIN}")
    time = found.serverTime
    if time is not None and not 0 < time < NO_DELIVERY:
        raise BadDump(f"{name}: serverTime {time} is no time in ms; {AGAIN}")
    return found, None if time is None else time * MILLISECOND


def rows(info: ExchangeInfo) -> Rows:
    """A listing for each symbol, or why there is none."""
    symbols = info.symbols or []
    venue = USDM if any(each.contractType is not None for each in symbols) else SPOT
    for each in symbols:
        try:
            yield _listing(each, venue)
        except BadData as problem:
            yield _bad(each, venue, problem)


def venue_terms(info: ExchangeInfo, venue: str) -> Entry:
    """The venue's own filters and rate limits."""
    terms = {"exchange_filters": info.exchangeFilters, "rate_limits": info.rateLimits}
    return Entry(venue, "", VENUE_TERMS, "", None, msgspec.json.encode(terms, order="sorted"))


def _bad(given: Symbol, venue: str, problem: BadData) -> BadRow:
    text = f"{given.symbol[:40]} on {venue}: {problem.text}; {AGAIN}, or leave it out: --skip-bad"
    return BadRow(venue, given.symbol, BadDump(text))


def _listing(given: Symbol, venue: str) -> Row:
    """Raises BadData."""
    if not given.symbol or not given.baseAsset or not given.quoteAsset:
        raise BadDump("symbol, baseAsset or quoteAsset is empty")
    filters, unknown = _filters(given)
    is_spot = venue == SPOT
    tick = _value(filters, "PRICE_FILTER", "tickSize", positive)
    lot = _value(filters, "LOT_SIZE", "stepSize", positive)
    expiry = None if is_spot else _expiry(given)
    kind = "spot" if is_spot else "perpetual" if expiry is None else "future"
    return Listing(
        venue=venue,
        symbol=given.symbol,
        kind=kind,
        base=given.baseAsset,
        quote=given.quoteAsset,
        price_precision=precision_of(tick, given.pricePrecision),
        quantity_precision=precision_of(
            lot, given.baseAssetPrecision if is_spot else given.quantityPrecision
        ),
        tick_size=tick,
        lot_size=lot,
        minimum_quantity=_value(filters, "LOT_SIZE", "minQty", decimal),
        maximum_quantity=_value(filters, "LOT_SIZE", "maxQty", positive),
        minimum_notional=_notional(filters),
        shortable=not is_spot,
        funding_hours=FUNDING_HOURS if kind == "perpetual" else 0,
        expiry=expiry,
        status=given.status or given.contractStatus,
        underlying="" if is_spot else given.pair,
        filters=filters,
        unknown_filters=unknown,
    )


def _filters(given: Symbol) -> tuple[dict[str, dict[str, Any]], list[str]]:
    """Every filter by its name, and the names that are not known. Raises BadDump."""
    if given.contractSize is not None:
        raise BadDump("it is a coin-margined contract; sync the USDT-margined file instead")
    if given.filters is None:
        raise BadDump("it has no filters")
    found: dict[str, dict[str, Any]] = {}
    for each in given.filters:
        fields = dict(each)
        name = fields.pop("filterType", None)
        if not isinstance(name, str):
            raise BadDump("a filter has no filterType")
        if name in found:
            raise BadDump(f"its filter {name} stands there twice")
        found[name] = fields
    return found, sorted(name for name in found if name not in FILTERS)


def _value(
    filters: dict[str, dict[str, Any]], name: str, field: str, read_as: Callable[[str], str]
) -> str:
    """A decimal of a filter. Raises BadDump."""
    if name not in filters:
        raise BadDump(f"its filter {name} is missing")
    text = filters[name].get(field)
    if not isinstance(text, str):
        raise BadDump(f"{name}.{field} is {text!r:.40}, and must be a decimal as text")
    try:
        return read_as(text)
    except BadData as problem:
        raise BadDump(f"{name}.{field}: {problem.text}") from None


def _notional(filters: dict[str, dict[str, Any]]) -> str:
    """Spot has NOTIONAL, or MIN_NOTIONAL as it was before; futures say ``notional``."""
    if "NOTIONAL" in filters:
        return _value(filters, "NOTIONAL", "minNotional", decimal)
    field = "notional" if "notional" in filters.get("MIN_NOTIONAL", {}) else "minNotional"
    if "MIN_NOTIONAL" not in filters:
        raise BadDump("its filter NOTIONAL (or MIN_NOTIONAL) is missing")
    return _value(filters, "MIN_NOTIONAL", field, decimal)


def _expiry(given: Symbol) -> int | None:
    """Delivery, ns UTC; None for a perpetual. A contract that is not open yet has no type."""
    if "PERPETUAL" in (given.contractType or "") or given.deliveryDate in (None, NO_DELIVERY):
        return None
    delivery = given.deliveryDate or 0
    if not 0 < delivery < NO_DELIVERY:
        raise BadDump(f"deliveryDate {delivery} is no time in ms")
    return delivery * MILLISECOND
