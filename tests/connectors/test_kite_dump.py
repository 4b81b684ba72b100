"""Kite's dump of instruments. Oracles: the shipped mock files read by Python's csv and Decimal; a
generated dump whose contracts are known; the malformed twin of each column."""

from __future__ import annotations

import csv
import gzip
import os
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from connectors.reference.listing import BadDump, BadRow, Listing, instrument_of
from connectors.reference.reading import LINE_MAX, open_dump
from connectors.reference.syncing import Source, sync, writable
from schemas.vocabulary import InstrumentKind
from tests.connectors.kite_dumps import HEADER, contracts, write_dump

DATA = Path(os.environ.get("SQ_DATA", Path(__file__).resolve().parents[3] / "shared" / "data"))
MOCKS = DATA / "zerodha" / "mocks"
GOOD = "12073986,47164,BANKNIFTY18JAN23500CE,,2528.4,2018-01-25,23500.0,0.05,40,CE,NFO-OPT,NFO"


def written(tmp_path: Path, *lines: str, header: str = HEADER) -> Path:
    path = tmp_path / "instruments.csv"
    path.write_text("\r\n".join([header, *lines]) + "\r\n", encoding="utf-8")
    return path


def rows_of(path: Path) -> list[Any]:
    return list(open_dump(path).rows)


@pytest.mark.parametrize("name", ["instruments_all.csv", "instruments_nse.csv"])
def test_every_row_of_the_published_files_is_read_exactly(name: str) -> None:
    if not (MOCKS / name).is_file():
        pytest.skip("no recorded market data: set SQ_DATA to the folder that holds it")
    with (MOCKS / name).open(newline="", encoding="utf-8") as file:
        said = list(csv.DictReader(file))
    listings = rows_of(MOCKS / name)
    assert len(listings) == len(said) > 90
    for found, row in zip(listings, said, strict=True):
        record = instrument_of(found, 7, 0)
        price = Decimal(10) ** -record.price_precision
        assert (record.symbol, record.venue) == (row["tradingsymbol"], row["exchange"].lower())
        assert record.tick_size * price == Decimal(row["tick_size"])
        assert record.lot_size == record.minimum_quantity == int(row["lot_size"])
        assert (found.token, found.exchange_token) == (
            int(row["instrument_token"]),
            int(row["exchange_token"]),
        )
        if row["instrument_type"] == "EQ":
            assert (record.kind, record.expiry, record.shortable) == (
                InstrumentKind.EQUITY,
                None,
                False,
            )
        else:
            assert record.kind == InstrumentKind.OPTION and found.right == row["instrument_type"]
            assert Decimal(found.strike) == Decimal(row["strike"])
            end = datetime.fromisoformat(row["expiry"] + "T15:30:00+05:30").astimezone(UTC)
            assert record.expiry == int(end.timestamp()) * 10**9


def test_an_index_is_listed_in_paise_and_other_exchanges_close_at_their_hour(
    tmp_path: Path,
) -> None:
    nifty, rupee = rows_of(
        written(
            tmp_path,
            "256265,1001,NIFTY 50,NIFTY 50,0,,0,0,0,EQ,INDICES,NSE",
            "412675,1612,USDINR26DECFUT,USDINR,0,2026-12-29,0,0.0025,1,FUT,CDS-FUT,CDS",
        )
    )
    assert (nifty.kind, nifty.tick_size, nifty.lot_size, nifty.venue) == (
        "index",
        "0.01",
        "1",
        "nse",
    )
    assert (rupee.kind, rupee.price_precision, rupee.base) == ("future", 4, "USDINR")
    assert rupee.expiry == int(datetime(2026, 12, 29, 7, 0, tzinfo=UTC).timestamp()) * 10**9


@pytest.mark.parametrize("count", [2_000, pytest.param(100_000, marks=pytest.mark.long)])
def test_a_generated_dump_becomes_a_dated_table(tmp_path: Path, count: int) -> None:
    """Of every contract what it was made from; sampled over the whole file."""
    dump = open_dump(write_dump(tmp_path / "kite.csv", count))
    with writable(tmp_path / "ref.db") as table:
        done = sync(table, dump.rows, Source("kite.csv", dump.digest, 0, 1))
        assert (done.listed, done.new, done.venues) == (count, count, ["nfo"])
        assert sum(rows for _, _, rows in table.counts()) == count
        for row in list(contracts(count))[:: count // 200]:
            fact = table.at("nfo", row.symbol)
            assert fact is not None and fact.terms is not None
            found = instrument_of(_listing(fact.terms), 7, 0)
            assert (found.base, found.lot_size) == (row.underlying, row.lot)


def _listing(terms: bytes) -> Listing:
    from connectors.reference.listing import listing_of

    return listing_of(terms)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (",0.05,", ",0,", "tick_size: '0' is zero"),
        (",0.05,", ",0.0000000000000000001,", "tick_size: .*beyond precision"),
        (",0.05,", ",,", "tick_size: '' is not a decimal"),
        (",40,", ",0,", "lot_size: '0' is zero"),
        (",40,", ",-40,", "lot_size: '-40' is negative"),
        (",40,", "," + "9" * 50 + ",", "lot_size: .*does not fit"),
        (",CE,", ",XX,", "instrument_type is 'XX', and none of EQ, FUT, CE, PE"),
        (",2018-01-25,", ",,", "it is a derivative without an expiry"),
        (",2018-01-25,", ",25/01/2018,", "expiry is '25/01/2018', and no day"),
        (",2018-01-25,", ",0001-01-01,", "expiry is 0001-01-01, and no day of a listed contract"),
        (",23500.0,", ",0.0,", "it is an option without a strike"),
        (",23500.0,", ",nan,", "strike: 'nan' is not a decimal"),
        ("12073986,", "1e7,", "instrument_token is '1e7'"),
        (",47164,", "," + "9" * 30 + ",", "exchange_token is '99999"),
    ],
)
def test_a_row_that_cannot_be_used_names_its_line_and_column(
    tmp_path: Path, old: str, new: str, words: str
) -> None:
    assert old in GOOD
    row = rows_of(written(tmp_path, GOOD.replace("18JAN", "18FEB"), GOOD.replace(old, new, 1)))[1]
    assert isinstance(row, BadRow) and row.symbol == "BANKNIFTY18JAN23500CE"
    with pytest.raises(BadDump, match=f"line 3, BANKNIFTY18JAN23500CE on nfo: {words}.*--skip-bad"):
        raise row.problem


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ([GOOD, GOOD[:40]], "line 3 has 5 fields of 12: the file is cut"),
        ([GOOD.replace("BANKNIFTY18JAN23500CE", "")], "line 2 has no tradingsymbol"),
        ([GOOD[: -len("NFO")]], "line 2 has no tradingsymbol or no exchange"),
        (['1,2,"OPEN'], "line 2 is no CSV"),
        (["x" * (LINE_MAX + 5)], "line 2 has more than 64 KiB"),
    ],
)
def test_a_file_that_is_not_whole_is_refused(tmp_path: Path, lines: list[str], words: str) -> None:
    with pytest.raises(BadDump, match=words):
        rows_of(written(tmp_path, *lines))


def test_other_columns_are_refused_by_name(tmp_path: Path) -> None:
    other = HEADER.replace("tick_size", "tick").removesuffix(",exchange")
    with pytest.raises(
        BadDump, match="no column tick_size, exchange, so it is no dump.*it has instrument_token"
    ):
        rows_of(written(tmp_path, header=other))


def test_columns_go_by_name_and_more_of_them_do_no_harm(tmp_path: Path) -> None:
    (plain,) = rows_of(written(tmp_path, GOOD))
    fields, names = GOOD.split(","), HEADER.split(",")
    turned = written(
        tmp_path, ",".join([*fields[::-1], "9"]), header=",".join([*names[::-1], "freeze"])
    )
    assert rows_of(turned) == [plain]


def test_another_encoding_and_a_cut_gzip_are_refused(tmp_path: Path) -> None:
    path = written(tmp_path, GOOD)
    path.write_bytes(path.read_bytes() + b"1,2,\xff\xfe\r\n")
    with pytest.raises(BadDump, match="line 3 is no UTF-8"):
        rows_of(path)
    packed = gzip.compress(write_dump(path, 500).read_bytes())
    path.write_bytes(packed)
    assert len(rows_of(path)) == 500
    path.write_bytes(packed[:-300])
    with pytest.raises(BadDump, match="cannot be unpacked"):
        rows_of(path)
