"""The import of the exchange's recordings. Oracles: its bookTicker stream (top of book at every
depth update, by a plain dictionary book), its klines (traded and taker volumes), the contiguity of
its trade ids, and the lines themselves.
"""

from __future__ import annotations

import csv
import gzip
import hashlib
import json
from collections import defaultdict
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from binance_lines import records
from dictionary_book import DictionaryBook, compared

from connectors.captures.importer import import_binance
from connectors.captures.summary import ImportSummary
from schemas.vocabulary import Flag

RECORDINGS: dict[str, tuple[list[str], int, int]] = {
    "usdm BTC": (["usdm/btcusdt_20240808.gz"], 6547, 0),
    "spot ETH": (["spot/ethusdt_20240808.gz"], 3432, 0),
    "spot BTC": (["spot/btcusdt_20240808.gz"], 3447, 0),
    "spot BTC, two days": (["spot/btcusdt_20240808.gz", "spot/btcusdt_20240809.gz"], 6491, 2),
}
"""Files, updates whose top equals the ticker's, updates whose top does not (the venue's streams are
not one).
"""


@pytest.fixture(scope="session")
def imported(market_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Imports a recording once for all tests of this file."""

    @cache
    def make(name: str) -> tuple[Path, ImportSummary, list[Path]]:
        files = [market_data / "binance" / file for file in RECORDINGS[name][0]]
        out = tmp_path_factory.mktemp("imports") / "log"
        return out, import_binance(files, out), files

    return make


@pytest.mark.parametrize("name", RECORDINGS)
def test_the_top_of_the_book_is_the_exchanges_own_at_every_update(imported: Any, name: str) -> None:
    log, _, _ = imported(name)
    book = DictionaryBook()
    same, wrong = compared(book, records(log, "md.depth"), records(log, "md.book_tickers"))
    _, expected, allowed = RECORDINGS[name]
    assert book.gaps == 0
    assert wrong == allowed and same >= expected - 5, (same, wrong)


@pytest.mark.parametrize("name", RECORDINGS)
def test_every_line_is_a_record_and_every_trade_is_there_once_field_for_field(
    imported: Any, name: str
) -> None:
    log, summary, files = imported(name)
    trades = []
    lines = 0
    for file in files:
        with gzip.open(file, "rt") as source:
            for line in source:
                lines += 1
                if "@trade" in line:
                    received, _, message = line.partition(" ")
                    data = json.loads(message)["data"]
                    trades.append(
                        (
                            data["t"],
                            data["T"] * 10**6,
                            int(received),
                            data["p"],
                            data["q"],
                            "SELL" if data["m"] else "BUY",
                        )
                    )
    market = sum(count for topic, count in summary.counts.items() if topic.startswith("md."))
    assert (summary.lines, market, summary.reasons, summary.set_aside) == (lines, lines, {}, {})
    instrument = records(log, "ref.instruments")[0]

    def text(value: int, precision: int, decimals: int) -> str:
        return f"{value // 10**precision}.{value % 10**precision:0{precision}d}".ljust(
            decimals, "0"
        )

    found = []
    for each, (_, _, _, price, quantity, _) in zip(records(log, "md.trades"), trades, strict=True):
        shown = (
            text(each["price"], instrument["price_precision"], len(price)),
            text(each["quantity"], instrument["quantity_precision"], len(quantity)),
        )
        found.append(
            (
                each["trade_id"],
                each["event_time"],
                each["receive_time"],
                *shown,
                each["aggressor_side"],
            )
        )
    assert found == trades
    assert [each["trade_id"] for each in records(log, "md.trades")] == list(
        range(trades[0][0], trades[0][0] + len(trades))
    )


def test_traded_and_taker_volumes_of_each_minute_are_the_exchanges_klines(
    imported: Any, market_data: Path
) -> None:
    log, _, _ = imported("usdm BTC")
    volume, taker, count = (
        defaultdict[int, int](int),
        defaultdict[int, int](int),
        defaultdict[int, int](int),
    )
    for each in records(log, "md.trades"):
        minute = each["event_time"] // (60 * 10**9)
        volume[minute] += each["quantity"]
        taker[minute] += each["quantity"] if each["aggressor_side"] == "BUY" else 0
        count[minute] += 1
    with (
        market_data / "binance" / "klines" / "BTCUSDT-1m-2024-08.slice_2350_0010.csv"
    ).open() as source:
        klines = {int(row["open_time"]) // 60_000: row for row in csv.DictReader(source)}
    whole = sorted(volume)[1:]
    assert len(whole) == 5
    for minute in whole:
        expected = klines[minute]
        assert (count[minute], volume[minute], taker[minute]) == (
            int(expected["count"]),
            round(float(expected["volume"]) * 1000),
            round(float(expected["taker_buy_volume"]) * 1000),
        )


@pytest.mark.parametrize("name", RECORDINGS)
def test_times_follow_the_rules_of_each_feed(imported: Any, name: str) -> None:
    """Depth in order, never estimated but for the spot snapshot; spot tickers all estimated,
    futures tickers none.
    """
    log, summary, _ = imported(name)
    depth, tickers = records(log, "md.depth"), records(log, "md.book_tickers")
    times = [each["event_time"] for each in depth]
    assert times == sorted(times)
    is_spot = name.startswith("spot")
    assert [each["kind"] for each in depth if each["flags"] & Flag.ESTIMATED_TIME] == (
        ["SNAPSHOT"] if is_spot else []
    )
    assert {bool(each["flags"] & Flag.ESTIMATED_TIME) for each in tickers} == {is_spot}
    assert [each["event_time"] for each in tickers] == sorted(
        each["event_time"] for each in tickers
    )
    assert (summary.first_time, summary.last_time) == (
        min(times[0], summary.first_time),
        max(times[-1], summary.last_time),
    )


def test_two_days_in_two_files_are_one_chain(imported: Any) -> None:
    _, summary, _ = imported("spot BTC, two days")
    only = summary.instruments[0]
    assert (only.depth_gaps, only.missing_trades, only.snapshots) == (0, 0, 1)


def test_an_import_is_a_function_of_its_files(imported: Any, tmp_path: Path) -> None:
    log, _, files = imported("spot ETH")
    plain = tmp_path / "ethusdt_20240808.gz"
    plain.write_bytes(gzip.decompress(files[0].read_bytes()))
    import_binance([plain], tmp_path / "again")

    def digests(folder: Path) -> list[str]:
        return [
            hashlib.sha256(path.read_bytes()).hexdigest()
            for path in sorted(folder.glob("[mr]*/0/*"))
        ]

    assert digests(log) == digests(tmp_path / "again") and len(digests(log)) == 8
