"""``sq import quotes`` and ``sq import bars``. Oracles: the csv module and Decimal, by hand, and
the exchange's klines.
"""

from __future__ import annotations

import csv
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from binance_lines import records
from hypothesis import given, settings
from hypothesis import strategies as st
from trade_tables import BTC, T0, letters, toml, write

from connectors.tables.bars import import_bars
from connectors.tables.quotes import import_quotes
from connectors.tables.trades import import_trades
from jobs.sq import main
from schemas.errors import ShrivenError
from schemas.vocabulary import Flag
from streams.log.manifest import LOG_MANIFEST, read_manifest

QUOTE_HEADER = "timestamp,bid_price,bid_size,ask_price,ask_size"
QUOTE_ROWS = {  # row: what it is, by hand
    f"{T0},100.00,1.5,100.01,2": (10_000, 150_000_000, 10_001, 200_000_000, 0),
    f"{T0 + 1},100.00,1,100.00,2": (10_000, 10**8, 10_000, 2 * 10**8, Flag.CROSSED),
    f"{T0 + 2},,,100.01,2": (0, 0, 10_001, 2 * 10**8, Flag.ONE_SIDED),
    f"{T0 + 3},100.00,1,0,0": (10_000, 10**8, 0, 0, Flag.ONE_SIDED),
    f"{T0 + 4},100.00,0,100.01,2": (0, 0, 10_001, 2 * 10**8, Flag.ONE_SIDED),
    f"{T0 + 5},100.00,0.000001,100.01,2": (10_000, 100, 10_001, 2 * 10**8, Flag.OFF_TICK),
}
BAD_QUOTES = {
    f"{T0},,,,": "empty_quote",
    f"{T0},-1.00,1,100.01,2": "negative_bid_price",
    f"{T0},100.00,1,100.01,-2": "negative_ask_quantity",
    f"{T0},100.001,1,100.01,2": "off_precision",
    f"{T0},nan,1,100.01,2": "bad_number",
    f"{T0},100.00,1,100.01": "wrong_columns",
    f"{T0 // 1000},100.00,1,100.01,2": "implausible_time",
}
QUOTE_FIELDS = ("bid_price", "bid_quantity", "ask_price", "ask_quantity", "flags")


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_quotes_are_the_venues_best_bid_and_ask_and_bad_rows_are_dead_letters(
    tmp_path: Path, form: str
) -> None:
    path = write(tmp_path / "q.csv", [*QUOTE_ROWS, *BAD_QUOTES], QUOTE_HEADER)
    bad = list(BAD_QUOTES.values())
    if form == "parquet":  # which has no rows of another length
        rows = [row.split(",") for row in (*QUOTE_ROWS, *BAD_QUOTES) if row.count(",") == 4]
        frame = pl.DataFrame(rows, QUOTE_HEADER.split(","), orient="row")
        path = tmp_path / "q.parquet"
        frame.with_columns(pl.all().replace("", None)).write_parquet(path)
        bad.remove("wrong_columns")
    summary = import_quotes([path], tmp_path / "log", None, BTC)
    found = records(tmp_path / "log", "md.book_tickers")
    assert [tuple(each[name] for name in QUOTE_FIELDS) for each in found] == [*QUOTE_ROWS.values()]
    assert [each["update_id"] for each in found] == [1, 2, 3, 4, 5, 6]
    assert [each["event_time"] for each in found] == [(T0 + at) * 1000 for at in range(6)]
    assert [reason for reason, _ in letters(tmp_path / "log")] == bad
    assert summary.crossed == 1 and summary.off_tick == 1


def test_update_ids_may_jump_and_one_that_comes_twice_is_a_dead_letter(tmp_path: Path) -> None:
    rows = [f"{T0 + number},{number},1.00,1,2.00,1" for number in (7, 9, 12, 9)]
    path = write(tmp_path / "q.csv", rows, "time,update_id,bid,bid_qty,ask,ask_qty")
    summary = import_quotes([path], tmp_path / "log", None, BTC)
    found = records(tmp_path / "log", "md.book_tickers")
    assert [(each["update_id"], each["flags"]) for each in found] == [(7, 0), (9, 0), (12, 0)]
    assert summary.reasons == {"duplicate_ticker": 1}


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ("auto", "assumed: orders take what the recorded best prices show"),
        ("book", "The data hold no depth of BTCUSDT, so it was never quoted"),
    ],
)
def test_a_backtest_of_quotes_alone_says_what_it_fills_against(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], data: str, words: str
) -> None:
    path = write(tmp_path / "q.csv", [*QUOTE_ROWS], QUOTE_HEADER)
    import_quotes([path], tmp_path / "log", None, BTC)
    options = ["--strategy", "ema-cross", "--data", data, "--out", str(tmp_path / "run")]
    assert main(["backtest", str(tmp_path / "log"), *options]) == 0
    assert words in capsys.readouterr().out


BAR_HEADER = "time,open,high,low,close,volume,quote_volume,trades,taker_buy_volume"
MINUTE = 60_000_000
BAD_BARS = {
    f"{T0},1.00,2.00,1.50,1.60,1,1,1,1": "inconsistent_bar",
    f"{T0},1.00,2.00,1.00,2.10,1,1,1,1": "inconsistent_bar",
    f"{T0},1.00,0.50,1.00,1.00,1,1,1,1": "inconsistent_bar",
    f"{T0},1.00,2.00,1.00,1.50,1,1,1,2": "inconsistent_bar",
    f"{T0},0,2.00,1.00,1.50,1,1,1,1": "zero_open",
    f"{T0},1.00,2.00,1.00,1.50,-1,1,1,1": "negative_volume",
    f"{T0},1.00,2.00,1.00,1.50,1,-1,1,1": "negative_quote_volume",
    f"{T0},1.00,2.00,1.00,1.50,1,x,1,1": "bad_number",
    f"{T0},1.00,2.00,1.00,1.50,1,1,1.5,1": "off_precision",
    f"{T0 + 20 * MINUTE},1.00,2.00,1.00,1.50,1,1,1,1": "duplicate_bar",
}


def bars(count: int = 30) -> list[str]:
    """Rows of minutes, with quote volumes on both sides of int64."""
    return [
        f"{T0 + at * MINUTE},1.00,{2 + at}.00,0.50,1.25,{at}.5,{at * 10**8}.0123456789,{at},{at}"
        for at in range(count)
    ]


def test_bars_are_what_the_csv_module_and_decimal_read_and_bad_ones_are_dead_letters(
    tmp_path: Path,
) -> None:
    rows = bars()
    path = write(tmp_path / "b.csv", [*rows, *BAD_BARS], BAR_HEADER)
    summary = import_bars([path], tmp_path / "log", None, BTC)
    names = ("open", "high", "low", "close", "volume", "quote_volume", "taker_buy_volume")
    precisions = (2, 2, 2, 2, 8, 10, 8)
    expected: list[dict[str, Any]] = []
    for row in csv.DictReader([BAR_HEADER, *rows]):
        numbers = {
            name: int(Decimal(row[name]).scaleb(places))
            for name, places in zip(names, precisions, strict=True)
        }
        start = int(row["time"]) * 1000
        expected.append({
            **numbers, "instrument": 1, "kind": "TIME", "interval": 60 * 10**9, "version": 1,
            "open_time": start, "close_time": start + 60 * 10**9, "flags": 0,
            "trade_count": int(row["trades"]), "taker_buy_quote_volume": 0,
            "volume_wide": numbers["volume"], "taker_buy_volume_wide": numbers["taker_buy_volume"],
        })  # fmt: skip
    found = [plain(each) for each in records(tmp_path / "log", "md.bars")]
    assert found == [plain(each) for each in expected]
    assert max(each["quote_volume"] for each in found) > 1 << 63
    assert [reason for reason, _ in letters(tmp_path / "log")] == [*BAD_BARS.values()]
    assert "bars are of 60 s, by their times" in "".join(summary.assumed)


def plain(bar: dict[str, Any]) -> dict[str, Any]:
    """Decimals of any size as integers."""
    return {
        name: int(value) if isinstance(value, Decimal) else value for name, value in bar.items()
    }


def digest(log: Path) -> str:
    found: str = read_manifest(log / LOG_MANIFEST)["topics"]["md.bars"]["digest"]
    return found


BY_CLOSE = """
[columns]
time = "time"
open = "open"
high = "high"
low = "low"
close = "close"
volume = "volume"
quote_volume = "quote_volume"
trade_count = "trades"
taker_buy_volume = "taker_buy_volume"
[time]
unit = "us"
[bars]
interval = "1m"
time = "close"
"""


def test_bars_newest_first_or_stamped_at_their_close_are_the_same_bars(tmp_path: Path) -> None:
    rows = bars()
    import_bars([write(tmp_path / "b.csv", rows, BAR_HEADER)], tmp_path / "plain", None, BTC)
    turned = write(tmp_path / "t.csv", rows[::-1], BAR_HEADER)
    assert import_bars([turned], tmp_path / "turned", None, BTC).sorted_rows == 29
    late = [f"{int(row.split(',', 1)[0]) + MINUTE},{row.split(',', 1)[1]}" for row in rows]
    path = write(tmp_path / "l.csv", late, BAR_HEADER)
    import_bars([path], tmp_path / "late", toml(tmp_path, BY_CLOSE), BTC)
    assert digest(tmp_path / "turned") == digest(tmp_path / "late") == digest(tmp_path / "plain")


def test_a_backtest_of_bars_alone_trades_on_them_and_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import_bars([write(tmp_path / "b.csv", bars(), BAR_HEADER)], tmp_path / "log", None, BTC)
    words = ["--strategy", "ema-cross", "--out", str(tmp_path / "run")]
    assert main(["backtest", str(tmp_path / "log"), *words]) == 0
    assert "assumed: a bar is four prints" in capsys.readouterr().out
    assert records(tmp_path / "run", "md.bars") == records(tmp_path / "log", "md.bars")


WRONG_MAPS = {
    '[columns]\nprice = "close"\n': "price is no field of a bar",
    '[bars]\ninterval = "1mo"\n': "is no interval of bars",
    '[bars]\ntime = "middle"\n': "Invalid enum value",
}


@pytest.mark.parametrize("text", WRONG_MAPS)
def test_a_wrong_map_of_bars_is_refused(tmp_path: Path, text: str) -> None:
    path = write(tmp_path / "b.csv", bars(3), BAR_HEADER)
    with pytest.raises(ShrivenError) as refused:
        import_bars([path], tmp_path / "log", toml(tmp_path, text), BTC)
    assert WRONG_MAPS[text] in refused.value.text
    assert not (tmp_path / "log").exists()


def test_one_bar_does_not_show_its_length(tmp_path: Path) -> None:
    path = write(tmp_path / "b.csv", bars(1), BAR_HEADER)
    with pytest.raises(ShrivenError, match="does not show how long its bars are"):
        import_bars([path], tmp_path / "log", None, BTC)


def test_the_exchanges_klines_equal_the_bars_of_the_recordings_trades(
    market_data: Path, tmp_path: Path
) -> None:
    """Bars are not computed here: what is read must be what the exchange wrote."""
    path = market_data / "binance" / "klines" / "BTCUSDT-1m-2024-08.slice_2350_0010.csv"
    import_bars([path], tmp_path / "log", None, "BTCUSDT@binance_usdm")
    found = records(tmp_path / "log", "md.bars")
    with path.open() as lines:
        rows = list(csv.DictReader(lines))
    assert len(found) == len(rows) == 16
    for bar, row in zip(found, rows, strict=True):
        assert bar["open_time"] == int(row["open_time"]) * 10**6
        assert bar["close_time"] == (int(row["close_time"]) + 1) * 10**6
        assert int(bar["quote_volume"]) == Decimal(row["quote_volume"]).scaleb(5)
        assert int(bar["taker_buy_quote_volume"]) == Decimal(row["taker_buy_quote_volume"]).scaleb(
            5
        )
        assert (bar["trade_count"], bar["volume"]) == (
            int(row["count"]), Decimal(row["volume"]).scaleb(3),
        )  # fmt: skip


def test_a_table_of_another_kind_is_told_by_its_columns(tmp_path: Path) -> None:
    path = write(tmp_path / "b.csv", bars(3), BAR_HEADER)
    with pytest.raises(ShrivenError, match="no column is known to be the price"):
        import_trades([path], tmp_path / "log", None, BTC)
    with pytest.raises(ShrivenError, match="no column is known to be the bid_price"):
        import_quotes([path], tmp_path / "log", None, BTC)


@pytest.mark.parametrize("kind", ["quotes", "bars"])
@settings(deadline=None, max_examples=25)
@given(data=st.data())
def test_whatever_a_table_holds_each_line_is_counted_once_or_the_error_is_typed(
    tmp_path_factory: pytest.TempPathFactory, kind: str, data: Any
) -> None:
    folder = tmp_path_factory.mktemp("fuzz")
    rows, header = (bars(20), BAR_HEADER) if kind == "bars" else ([*QUOTE_ROWS], QUOTE_HEADER)
    text = bytearray(write(folder / "t.csv", rows, header).read_bytes())
    for _ in range(data.draw(st.integers(1, 8))):
        at = data.draw(st.integers(0, max(0, len(text) - 1)))
        text[at : at + data.draw(st.integers(0, 30))] = data.draw(st.binary(max_size=8))
    (folder / "f").write_bytes(bytes(text))
    make = import_bars if kind == "bars" else import_quotes
    topic = "md.bars" if kind == "bars" else "md.book_tickers"
    try:
        summary = make([folder / "f"], folder / "log", None, BTC)
    except ShrivenError as problem:
        assert problem.text and "\n" not in problem.text
        return
    counted = sum(summary.set_aside.values()) + sum(summary.reasons.values())
    assert counted + summary.counts[topic] == summary.lines
    for each in records(folder / "log", topic):
        if kind == "bars":
            assert 0 < each["low"] <= min(each["open"], each["close"])
            assert max(each["open"], each["close"]) <= each["high"]
        else:
            assert (each["bid_price"] > 0) == (each["bid_quantity"] > 0)
            assert each["bid_price"] or each["ask_price"]
