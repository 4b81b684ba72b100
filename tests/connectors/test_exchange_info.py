"""Binance's exchangeInfo. Oracles: a recorded answer read by plain json and Decimal; the filters of
the venue's documentation, written here as its example; the malformed twin of each field."""

from __future__ import annotations

import copy
import gzip
import json
import os
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from connectors.instruments import InverseContract
from connectors.reference.binance import FILTERS
from connectors.reference.listing import BadDump, BadRow, Listing, instrument_of
from connectors.reference.reading import NotADump, open_dump
from connectors.reference.table import Entry

DATA = Path(os.environ.get("SQ_DATA", Path(__file__).resolve().parents[3] / "shared" / "data"))
RECORDED = DATA / "captures" / "BINANCE_FUTURES.0.gz"
SPOT_FILTERS: list[dict[str, Any]] = [
    {"filterType": "PRICE_FILTER", "minPrice": "0.01", "maxPrice": "100000", "tickSize": "0.0100"},
    {"filterType": "LOT_SIZE", "minQty": "0.00001", "maxQty": "9000", "stepSize": "0.00001000"},
    {"filterType": "MARKET_LOT_SIZE", "minQty": "0", "maxQty": "82.5", "stepSize": "0"},
    {"filterType": "ICEBERG_PARTS", "limit": 100},
    {"filterType": "TRAILING_DELTA", "minTrailingAboveDelta": 10, "maxTrailingAboveDelta": 2000,
     "minTrailingBelowDelta": 10, "maxTrailingBelowDelta": 2000},
    {"filterType": "PERCENT_PRICE", "multiplierUp": "5", "multiplierDown": "0.2",
     "avgPriceMins": 5},
    {"filterType": "PERCENT_PRICE_BY_SIDE", "bidMultiplierUp": "5", "bidMultiplierDown": "0.2",
     "askMultiplierUp": "5", "askMultiplierDown": "0.2", "avgPriceMins": 5},
    {"filterType": "NOTIONAL", "minNotional": "5.00000000", "applyMinToMarket": True,
     "maxNotional": "9000000", "applyMaxToMarket": False, "avgPriceMins": 5},
    {"filterType": "MAX_NUM_ORDERS", "maxNumOrders": 200},
    {"filterType": "MAX_NUM_ALGO_ORDERS", "maxNumAlgoOrders": 5},
    {"filterType": "MAX_NUM_ICEBERG_ORDERS", "maxNumIcebergOrders": 5},
    {"filterType": "MAX_NUM_ORDER_AMENDS", "maxNumOrderAmends": 10},
    {"filterType": "MAX_NUM_ORDER_LISTS", "maxNumOrderLists": 20},
    {"filterType": "MAX_POSITION", "maxPosition": "10.00000000"},
    {"filterType": "MAX_SIDEWAYS", "sideways": "3"},
]  # fmt: skip
SPOT: dict[str, Any] = {
    "timezone": "UTC",
    "serverTime": 1723075200123,
    "rateLimits": [
        {"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1, "limit": 6000},
    ],
    "exchangeFilters": [{"filterType": "EXCHANGE_MAX_NUM_ORDERS", "maxNumOrders": 1000}],
    "symbols": [
        {"symbol": "LTCUSDT", "status": "TRADING", "baseAsset": "LTC", "baseAssetPrecision": 8,
         "quoteAsset": "USDT", "quoteAssetPrecision": 8, "orderTypes": ["LIMIT"],
         "filters": SPOT_FILTERS},
    ],
}  # fmt: skip


def written(tmp_path: Path, answer: Any) -> Path:
    path = tmp_path / "exchangeInfo.json"
    path.write_text(answer if isinstance(answer, str) else json.dumps(answer), encoding="utf-8")
    return path


def rows_of(path: Path) -> list[Any]:
    return list(open_dump(path).rows)


@pytest.fixture(scope="module")
def recorded() -> dict[str, Any]:
    if not RECORDED.is_file():
        pytest.skip("no recorded market data: set SQ_DATA to the folder that holds it")
    line = gzip.decompress(RECORDED.read_bytes()).decode().splitlines()[0]
    answer: dict[str, Any] = json.loads(line[line.index("{") :])
    return answer


def test_every_symbol_and_filter_of_a_recorded_answer_is_kept_exactly(
    recorded: dict[str, Any], tmp_path: Path
) -> None:
    *listings, terms = rows_of(written(tmp_path, recorded))
    assert len(listings) == len(recorded["symbols"]) == 122
    for found, said in zip(listings, recorded["symbols"], strict=True):
        filters = {each["filterType"]: each for each in said["filters"]}
        assert isinstance(found, Listing) and found.unknown_filters == []
        assert {
            name: {"filterType": name, **each} for name, each in found.filters.items()
        } == filters
        record = instrument_of(found, 9, 5)
        price, quantity = (
            Decimal(10) ** -record.price_precision,
            Decimal(10) ** -record.quantity_precision,
        )
        lot = filters["LOT_SIZE"]
        assert record.tick_size * price == Decimal(filters["PRICE_FILTER"]["tickSize"])
        assert record.lot_size * quantity == Decimal(lot["stepSize"])
        assert record.minimum_quantity * quantity == Decimal(lot["minQty"])
        assert record.maximum_quantity * quantity == Decimal(lot["maxQty"])
        assert record.minimum_notional * price * quantity == Decimal(
            filters["MIN_NOTIONAL"]["notional"]
        )
        assert (record.symbol, record.venue, record.shortable) == (
            said["symbol"],
            "binance_usdm",
            True,
        )
        is_future = said["contractType"] == "CURRENT_QUARTER"
        assert record.expiry == (said["deliveryDate"] * 10**6 if is_future else None)
        assert record.funding_interval == (0 if is_future else 8 * 3600 * 10**9)
        assert found.status == said["status"]
    assert isinstance(terms, Entry)
    assert json.loads(terms.terms)["rate_limits"] == recorded["rateLimits"]


def test_every_filter_of_spot_is_kept_and_one_that_is_not_known_is_flagged(tmp_path: Path) -> None:
    found, terms = rows_of(written(tmp_path, SPOT))
    said = {
        each["filterType"]: {key: value for key, value in each.items() if key != "filterType"}
        for each in SPOT_FILTERS
    }
    assert found.filters == said and found.unknown_filters == ["MAX_SIDEWAYS"]
    assert set(said) - FILTERS == {"MAX_SIDEWAYS"}
    assert (found.kind, found.tick_size, found.lot_size, found.minimum_notional) == (
        "spot",
        "0.01",
        "0.00001",
        "5",
    )
    assert (found.price_precision, found.quantity_precision) == (2, 8)
    assert json.loads(terms.terms)["exchange_filters"] == SPOT["exchangeFilters"]


def test_the_servers_time_and_a_gzip_are_taken(tmp_path: Path) -> None:
    path = tmp_path / "info.gz"
    path.write_bytes(gzip.compress(b"\xef\xbb\xbf" + json.dumps(SPOT).encode()))
    dump = open_dump(path)
    assert (dump.time, dump.format) == (1_723_075_200_123_000_000, "binance exchangeInfo")
    assert len(list(dump.rows)) == 2


def broken(name: str, field: str | None = None, value: Any = None) -> dict[str, Any]:
    """The spot answer with a filter left out, or a field of it replaced."""
    answer = copy.deepcopy(SPOT)
    filters = answer["symbols"][0]["filters"]
    if field is None:
        answer["symbols"][0]["filters"] = [each for each in filters if each["filterType"] != name]
    else:
        next(each for each in filters if each["filterType"] == name)[field] = value
    return answer


def with_symbol(**fields: Any) -> dict[str, Any]:
    answer = copy.deepcopy(SPOT)
    answer["symbols"][0].update(fields)
    return answer


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (broken("PRICE_FILTER"), "PRICE_FILTER is missing"),
        (broken("LOT_SIZE"), "LOT_SIZE is missing"),
        (broken("NOTIONAL"), r"NOTIONAL \(or MIN_NOTIONAL\) is missing"),
        (broken("PRICE_FILTER", "tickSize", "0.00000000"), "tickSize: .*is zero"),
        (broken("LOT_SIZE", "stepSize", "-1"), "stepSize: .*is negative"),
        (broken("LOT_SIZE", "maxQty", "1" + "0" * 60), "does not fit in 38 digits"),
        (broken("LOT_SIZE", "maxQty", "1e9999"), "does not fit"),
        (broken("LOT_SIZE", "minQty", "NaN"), "not a decimal number"),
        (broken("PRICE_FILTER", "tickSize", 0.01), "must be a decimal as text"),
        (broken("PRICE_FILTER", "tickSize", None), "must be a decimal as text"),
        (with_symbol(filters=None), "has no filters"),
        (with_symbol(filters=SPOT_FILTERS + SPOT_FILTERS[:1]), "PRICE_FILTER stands there twice"),
        (with_symbol(filters=[{"tickSize": "1"}]), "a filter has no filterType"),
        (with_symbol(baseAsset=""), "is empty"),
        (with_symbol(contractType="PERPETUAL", contractSize=100), "coin-margined"),
        (with_symbol(contractType="CURRENT_QUARTER", deliveryDate=-5), "is no time in ms"),
    ],
)
def test_a_symbol_that_cannot_be_used_says_why_and_what_to_do(
    tmp_path: Path, answer: dict[str, Any], words: str
) -> None:
    row = rows_of(written(tmp_path, answer))[0]
    assert isinstance(row, BadRow) and row.symbol == "LTCUSDT"
    with pytest.raises(BadDump, match=f"LTCUSDT on .*{words}.*fetch the file again.*--skip-bad"):
        raise row.problem


@pytest.mark.parametrize(
    ("text", "error", "words"),
    [
        (
            '{"code": -1003, "msg": "Too many requests"}',
            BadDump,
            "a refusal of the venue, -1003: Too many",
        ),
        ('{"serverTime": 1}', BadDump, "JSON without 'symbols'"),
        ('{"symbols": 5}', BadDump, "no answer of exchangeInfo"),
        ('{"symbols": [{"symbol": "X"}]}', BadDump, "baseAsset"),
        ('{"symbols": [], "serverTime": -5}', BadDump, "serverTime -5"),
        ('{"symbols": [', BadDump, "no answer of exchangeInfo"),
        ('{"symbols": ' + "[" * 100_000, BadDump, "no answer of exchangeInfo"),
        ("[1, 2]", NotADump, r"no list of instruments: it begins with '\[1, 2"),
        ("", NotADump, "is empty"),
        ("PK\x03\x04", NotADump, "a zip archive"),
        ("\x00\x01", NotADump, "binary"),
    ],
)
def test_another_file_is_refused_with_what_it_seems_to_be(
    tmp_path: Path, text: str, error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        rows_of(written(tmp_path, text))


def test_a_cut_gzip_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "info.gz"
    path.write_bytes(gzip.compress(json.dumps(SPOT).encode())[:-20])
    with pytest.raises(BadDump, match="cannot be unpacked"):
        rows_of(path)


def test_an_inverse_contract_is_refused_by_name() -> None:
    coin = Listing(
        venue="binance_usdm", symbol="BTCUSD_PERP", kind="perpetual", base="BTC", quote="USD",
        price_precision=1, quantity_precision=0, tick_size="0.1", lot_size="1",
        minimum_quantity="1", maximum_quantity="9", minimum_notional="0",
    )  # fmt: skip
    with pytest.raises(InverseContract, match="BTCUSD_PERP"):
        coin.entry()
