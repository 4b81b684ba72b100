"""Names of derivatives. Oracles: the published dump's own columns; a generated dump whose names are
made by another rule's text (``kite_dumps``); contracts drawn at random, built and parsed."""

from __future__ import annotations

import csv
import os
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.reference.contracts import (
    Contract,
    NotAContract,
    binance_symbol,
    parse,
    parse_binance,
    readings,
    symbol_of,
)
from connectors.reference.listing import Listing
from connectors.reference.reading import open_dump
from tests.connectors.kite_dumps import contracts

DATA = Path(os.environ.get("SQ_DATA", Path(__file__).resolve().parents[3] / "shared" / "data"))
ALL = DATA / "zerodha" / "mocks" / "instruments_all.csv"


def test_every_published_name_round_trips_and_says_what_its_columns_say() -> None:
    if not ALL.is_file():
        pytest.skip("no recorded market data: set SQ_DATA to the folder that holds it")
    with ALL.open(newline="", encoding="utf-8") as file:
        rows = {row["tradingsymbol"]: row for row in csv.DictReader(file)}
    found = {name: parse(name) for name, row in rows.items() if row["instrument_type"] != "EQ"}
    assert len(found) == 25
    for name, contract in found.items():
        expiry = date.fromisoformat(rows[name]["expiry"])
        assert contract.symbol() == name
        assert (contract.year, contract.month, contract.day) == (expiry.year, expiry.month, None)
        assert Decimal(contract.strike) == Decimal(rows[name]["strike"])
        assert contract.right == rows[name]["instrument_type"]
    assert {contract.underlying for contract in found.values()} == {
        "BANKNIFTY", "ADANIPORTS", "INDIACEM", "INDIANB",
    }  # fmt: skip
    shares = [name for name, row in rows.items() if row["instrument_type"] == "EQ"]
    assert [name for name in shares if readings(name)] == []
    listed = [row for row in open_dump(ALL).rows if isinstance(row, Listing)]
    of_options = {each.symbol: each.underlying for each in listed if each.kind == "option"}
    assert of_options == {name: contract.underlying for name, contract in found.items()}


@pytest.mark.parametrize("count", [3_000, pytest.param(100_000, marks=pytest.mark.long)])
def test_every_name_of_a_generated_dump_round_trips(count: int) -> None:
    for row in contracts(count):
        found = parse(row.symbol)
        day = row.expiry.day if row.is_weekly else None
        wanted = (row.underlying, row.expiry.year, row.expiry.month, day, row.strike, row.right)
        assert found == wanted, row
        built = symbol_of(
            row.underlying, row.expiry, row.right, row.strike, is_monthly=not row.is_weekly
        )
        assert found.symbol() == built == row.symbol


UNDERLYINGS = st.from_regex(r"[A-Z0-9][A-Z0-9&-]{0,9}", fullmatch=True)
STRIKES = st.decimals(1, 10**6, places=2).map(
    lambda value: f"{value:f}".rstrip("0").rstrip(".") if "." in f"{value:f}" else f"{value:f}"
)


@given(UNDERLYINGS, st.dates(date(2000, 1, 1), date(2099, 12, 31)), STRIKES,
       st.sampled_from(("FUT", "CE", "PE")), st.booleans())  # fmt: skip
def test_what_is_built_is_among_the_readings_and_the_known_underlying_decides(
    underlying: str, expiry: date, strike: str, right: str, is_monthly: bool
) -> None:
    strike = "" if right == "FUT" else strike
    symbol = symbol_of(underlying, expiry, right, strike, is_monthly=is_monthly)
    day = None if is_monthly else expiry.day
    wanted = Contract(underlying, expiry.year, expiry.month, day, strike, right)
    assert wanted in readings(symbol)
    assert parse(symbol, [underlying]).underlying == underlying
    assert all(each.symbol() == symbol for each in readings(symbol))


def test_names_that_can_be_read_in_several_ways() -> None:
    """The shortest underlying counts, unless one that is known says otherwise."""
    for symbol, ways in {
        "NIFTYNXT5026DEC65000CE": ["NIFTYNXT50"],
        "NIFTY26D0822150CE": ["NIFTY", "NIFTY26D"],
        "X1126123011PE": ["X1", "X1126"],
    }.items():
        assert [each.underlying for each in readings(symbol)] == ways
        assert parse(symbol).underlying == ways[0]
        assert parse(symbol, ways[-1:]).underlying == ways[-1]


@pytest.mark.parametrize(
    "symbol",
    ["", "CE", "FUT", "RELIANCE", "PEACE", "26DEC24000CE", "NIFTY26DEC024000CE", "NIFTY26DECCE",
     "NIFTY26DEC24000.50CE", "NIFTY26D3224000CE", "NIFTY26DEC24000XE", "NIFTY26DEC24000FUT",
     "NIFTY26DEC２4000CE", "INDIACEM-BE", "DECCANCE"],
)  # fmt: skip
def test_another_name_is_no_contract(symbol: str) -> None:
    with pytest.raises(NotAContract, match="no name of a derivative"):
        parse(symbol)


def test_an_unknown_underlying_is_named() -> None:
    with pytest.raises(NotAContract, match="no name of a derivative of NIFTY that is known"):
        parse("NIFTY26DECFUT", ["BANKNIFTY"])


@pytest.mark.parametrize(
    "contract",
    [
        Contract("", 2026, 12, None, "", "FUT"),
        Contract("NIFTY", 2026, 12, None, "", "XX"),
        Contract("NIFTY", 2026, 12, None, "", "CE"),
        Contract("NIFTY", 2026, 12, None, "24000.0", "CE"),
        Contract("NIFTY", 2026, 12, None, "024", "CE"),
        Contract("NIFTY", 2026, 12, None, "24000", "FUT"),
        Contract("NIFTY", 2026, 2, 30, "", "FUT"),
        Contract("NIFTY", 1999, 2, 3, "", "FUT"),
    ],
)
def test_terms_that_no_name_can_hold_are_refused(contract: Contract) -> None:
    with pytest.raises(NotAContract):
        contract.symbol()


def test_binances_dated_futures_round_trip() -> None:
    assert parse_binance("BTCUSDT_261225") == ("BTCUSDT", date(2026, 12, 25))
    assert binance_symbol("1000SHIBUSDT", date(2026, 3, 27)) == "1000SHIBUSDT_260327"
    for wrong in ("BTCUSDT", "BTCUSDT_261325", "BTCUSD_PERP", "_261225"):
        with pytest.raises(NotAContract, match="BTCUSDT_261225"):
            parse_binance(wrong)
