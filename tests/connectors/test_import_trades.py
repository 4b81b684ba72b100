"""``sq import trades``: tables of trades into topics. Oracles: the csv module, Decimal, polars as
the writer of Parquet, the recorder import of the same trades, and the exchange's klines.
"""

from __future__ import annotations

import csv
import gzip
import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from binance_lines import records
from hypothesis import given, settings
from hypothesis import strategies as st
from trade_tables import BTC, T0, as_zip, digest, letters, table, toml, write

from connectors.captures.importer import import_binance
from connectors.tables.trades import import_trades
from jobs.sq import main
from schemas.errors import ShrivenError
from schemas.vocabulary import Flag
from streams.log.manifest import LOG_MANIFEST, read_manifest
from streams.log.verify import verify_files


def test_every_row_is_what_the_csv_module_and_decimal_read(tmp_path: Path) -> None:
    path = write(tmp_path / "t.csv", table())
    summary = import_trades([path], tmp_path / "log", instrument=BTC)
    with path.open() as source:
        expected = [
            (int(row["timestamp"]) * 1000, int(row["id"]), row["side"].upper(),
             int(Decimal(row["price"]) * 10**2), int(Decimal(row["amount"]) * 10**8))
            for row in csv.DictReader(source)
        ]  # fmt: skip
    found = [
        (each["event_time"], each["trade_id"], each["aggressor_side"], each["price"],
         each["quantity"])
        for each in records(tmp_path / "log", "md.trades")
    ]  # fmt: skip
    assert found == expected
    assert summary.counts == {"import.dlq": 0, "md.trades": 500, "ref.instruments": 1}
    assert verify_files(tmp_path / "log", read_manifest(tmp_path / "log" / LOG_MANIFEST)) == []


def turned(row: bytes) -> bytes:
    return row[::-1]


FORMS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "zip": as_zip,
    "CRLF": lambda text: text.replace(b"\n", b"\r\n"),
    "a byte order mark": lambda text: b"\xef\xbb\xbf" + text,
    "no last line end": lambda text: text[:-1],
    "semicolons": lambda text: text.replace(b",", b";"),
    "quotes": lambda text: (
        text.replace(b",", b'","').replace(b"\n", b'"\n"')[:-1].join((b'"', b""))
    ),
    "a separator inside quotes": lambda text: text.replace(
        b"\n", b',"said ""x"", then y"\n'
    ).replace(b'"said ""x"", then y"', b'"a, b"', 1),
    "blank lines": lambda text: b"\n" + text.replace(b"\n", b"\n\n"),
    "newest first": lambda text: b"\n".join(
        [text.split(b"\n", 1)[0], *reversed(text.strip().split(b"\n")[1:]), b""]
    ),
    "shuffled": lambda text: b"\n".join(
        [text.split(b"\n", 1)[0], *sorted(text.strip().split(b"\n")[1:], key=turned), b""]
    ),
}


@pytest.mark.parametrize("form", FORMS)
def test_one_table_in_another_form_is_the_same_topic(tmp_path: Path, form: str) -> None:
    path = write(tmp_path / "t.csv", table())
    import_trades([path], tmp_path / "plain", instrument=BTC)
    other = tmp_path / "other"
    other.write_bytes(FORMS[form](path.read_bytes()))
    summary = import_trades([other], tmp_path / "log", instrument=BTC)
    assert digest(tmp_path / "log") == digest(tmp_path / "plain")
    assert (summary.reasons, bool(summary.sorted_rows)) == (
        {},
        form in ("newest first", "shuffled"),
    )


KINDS: dict[str, list[Any]] = {
    "text": [],
    "doubles": [pl.col("price", "amount").cast(pl.Float64)],
    "decimals": [pl.col("price", "amount").str.to_decimal(scale=8)],
    "times with a zone": [
        pl.from_epoch(pl.col("timestamp").cast(pl.Int64), "us").dt.replace_time_zone("Asia/Kolkata")
        .dt.replace_time_zone(None).dt.replace_time_zone("UTC")
    ],
    "whole numbers": [pl.col("timestamp", "id").cast(pl.Int64)],
}  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_parquet_columns_of_any_type_are_the_same_topic(tmp_path: Path, kind: str) -> None:
    path = write(tmp_path / "t.csv", table())
    import_trades([path], tmp_path / "plain", instrument=BTC)
    frame = pl.read_csv(path, infer_schema=False).with_columns(KINDS[kind])
    frame.write_parquet(tmp_path / "t.parquet", row_group_size=123)
    import_trades([tmp_path / "t.parquet"], tmp_path / "log", instrument=BTC)
    assert digest(tmp_path / "log") == digest(tmp_path / "plain")


def test_a_double_that_lies_on_no_unit_is_a_dead_letter_or_rounded_where_the_map_says_so(
    tmp_path: Path,
) -> None:
    frame = pl.DataFrame({"time": [T0, T0 + 1], "price": [0.1 + 0.2, 0.5], "size": [1.0, 2.0]})
    frame.write_parquet(tmp_path / "t.parquet")
    summary = import_trades([tmp_path / "t.parquet"], tmp_path / "exact", instrument=BTC)
    assert (summary.reasons, summary.counts["md.trades"]) == ({"off_precision": 1}, 1)
    rounding = toml(
        tmp_path,
        '[columns]\ntime = "time"\nprice = "price"\nquantity = "size"\n'
        '[time]\nunit = "us"\n[file]\ndoubles = "nearest"\n',
    )
    import_trades([tmp_path / "t.parquet"], tmp_path / "near", rounding, BTC)
    assert [each["price"] for each in records(tmp_path / "near", "md.trades")] == [30, 50]


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns", "iso"])
@pytest.mark.parametrize("has_map", [True, False])
def test_a_unit_is_declared_or_said_to_be_assumed(tmp_path: Path, unit: str, has_map: bool) -> None:
    texts = {"s": "1723075200", "ms": "1723075200000", "us": "1723075200000000",
             "ns": "1723075200000000000", "iso": "2024-08-08T05:30:00+05:30"}  # fmt: skip
    path = write(tmp_path / "t.csv", [f"{texts[unit]},1.00,1"], "time,price,size")
    said = (
        f'[columns]\ntime = "time"\nprice = "price"\nquantity = "size"\n[time]\nunit = "{unit}"\n'
    )
    given_map = toml(tmp_path, said) if has_map else None
    summary = import_trades([path], tmp_path / "log", given_map, BTC)
    only = records(tmp_path / "log", "md.trades")[0]
    assert only["event_time"] == T0 * 1000
    assert (only["aggressor_side"], only["trade_id"]) == ("UNKNOWN", 1)
    assert any(f"times are in {unit}" in each for each in summary.assumed) is not has_map


def test_a_map_names_columns_words_zone_and_an_instrument_of_its_own(tmp_path: Path) -> None:
    said = """
[columns]
time = 3
price = 1
quantity = 2
side = 4
[time]
unit = "iso"
zone = "+05:30"
[side]
buy = ["K"]
sell = ["V"]
of = "maker"
[file]
header = false
separator = "|"
[instrument]
kind = "equity"
tick = "0.05"
lot = "1"
quote = "INR"
"""
    path = tmp_path / "t.txt"
    path.write_text("101.05|10|2024-08-08 05:30:00.5|K\n101.07|3|2024-08-08 05:30:01|V\n")
    import_trades([path], tmp_path / "log", toml(tmp_path, said), "INFY@nse")
    rows = records(tmp_path / "log", "md.trades")
    assert [(each["price"], each["quantity"]) for each in rows] == [(10105, 10), (10107, 3)]
    assert [each["aggressor_side"] for each in rows] == ["SELL", "BUY"]
    assert [each["flags"] for each in rows] == [0, Flag.OFF_TICK]
    at = datetime(2024, 8, 8, tzinfo=UTC).timestamp()
    assert [each["event_time"] for each in rows] == [int(at * 1e9) + 5 * 10**8, int(at + 1) * 10**9]
    instrument = records(tmp_path / "log", "ref.instruments")[0]
    assert (instrument["symbol"], instrument["venue"], instrument["tick_size"]) == (
        "INFY",
        "nse",
        5,
    )
    assert (instrument["kind"], instrument["quote"], instrument["lot_size"]) == ("EQUITY", "INR", 1)


def missing_of(log: Path) -> list[tuple[int, bool]]:
    rows = records(log, "md.trades")
    return [(each["trade_id"], bool(each["flags"] & Flag.GAP)) for each in rows]


@pytest.mark.parametrize("order", [1, -1])
def test_an_id_that_does_not_follow_the_one_before_is_flagged_and_the_missing_are_counted(
    tmp_path: Path, order: int
) -> None:
    rows = table(60)
    kept = [row for number, row in enumerate(rows, 1) if number not in (1, 20, 21, 40, 60)]
    path = write(tmp_path / "t.csv", kept[::order])
    summary = import_trades([path], tmp_path / "log", instrument=BTC)
    assert [number for number, is_gap in missing_of(tmp_path / "log") if is_gap] == [22, 41]
    assert summary.instruments[0].missing_trades == 3
    assert any("3 trade ids" in each for each in summary.remarks())
    sparse = toml(tmp_path, '[file]\nids = "sparse"\n')
    summary = import_trades([path], tmp_path / "sparse", sparse, BTC)
    assert not any(is_gap for _, is_gap in missing_of(tmp_path / "sparse"))
    assert summary.instruments[0].missing_trades == 0


PLACE = (
    '[columns]\ntime = "time"\nprice = "price"\nquantity = "size"\n'
    '[time]\nunit = "iso"\nzone = "America/New_York"\n'
)
SHOWN = {  # what a clock in New York shows, and UTC by the standard library; None: twice or never
    "2024-03-10 01:59:59.5": "2024-03-10T06:59:59.5+00:00",
    "2024-03-10 02:30:00": None,
    "2024-03-10 03:00:00": "2024-03-10T07:00:00+00:00",
    "2024-11-03 00:59:59": "2024-11-03T04:59:59+00:00",
    "2024-11-03 01:30:00": None,
    "2024-11-03 02:00:00": "2024-11-03T07:00:00+00:00",
}


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_times_of_a_place_are_those_of_its_clocks_and_never_a_guess(
    tmp_path: Path, kind: str
) -> None:
    frame = pl.DataFrame({"time": [*SHOWN], "price": ["1.00"] * 6, "size": ["1"] * 6})
    if kind == "parquet":
        frame.with_columns(pl.col("time").str.to_datetime()).write_parquet(tmp_path / "t.parquet")
    else:
        frame.extend(frame[:1].with_columns(time=pl.lit("2024-12-03T00:00:00+05:30")))
        frame.write_csv(tmp_path / "t.csv")
    path = tmp_path / f"t.{kind}"
    summary = import_trades([path], tmp_path / "log", toml(tmp_path, PLACE), BTC)
    assert summary.reasons == {"ambiguous_time": 2}
    assert [line for _, line in letters(tmp_path / "log")] == (
        [2, 5] if kind == "parquet" else [3, 6]
    )
    expected = [each for each in SHOWN.values() if each]
    expected += ["2024-12-02T18:30:00+00:00"] if kind == "csv" else []
    assert [each["event_time"] for each in records(tmp_path / "log", "md.trades")] == [
        int(datetime.fromisoformat(each).timestamp() * 10) * 10**8 for each in expected
    ]


# -- what is not a trade

BAD_ROWS = {
    "1723075200000000,9001,buy,nan,1": "bad_number",
    "1723075200000000,9001,buy,,1": "bad_number",
    "1723075200000000,9001,buy,inf,1": "bad_number",
    "1723075200000000,9001,buy,-1.00,1": "negative_price",
    "1723075200000000,9001,buy,0.00,1": "zero_price",
    "1723075200000000,9001,buy,1.00,0": "zero_quantity",
    "1723075200000000,9001,buy,1.00,-2": "negative_quantity",
    "1723075200000000,9001,buy,1.001,2": "off_precision",
    f"1723075200000000,9001,buy,1{'0' * 30},2": "out_of_range",
    "1723075200000000,9001,buy,92233720368547758.07,2": "out_of_range",
    "1723075200000000,9001,buy,1.00": "wrong_columns",
    "1723075200000000,9001,buy,1.00,2,3": "wrong_columns",
    "1723075200000000,9001,b": "wrong_columns",
    "1723075200000,9001,buy,1.00,2": "implausible_time",
    "0,9001,buy,1.00,2": "implausible_time",
    "soon,9001,buy,1.00,2": "implausible_time",
    "1723075200000000,x9,buy,1.00,2": "bad_number",
    "1723075200000000,9001,long,1.00,2": "unknown_side",
    "1723075200000000,7,buy,1.00,2": "duplicate_trade",
    "1723075200000000,9001,buy,1.\0,2": "truncated_line",
}


@pytest.mark.parametrize("row", BAD_ROWS)
def test_a_bad_row_is_a_dead_letter_by_its_line_and_the_others_are_kept(
    tmp_path: Path, row: str
) -> None:
    rows = table(50)
    import_trades([write(tmp_path / "t.csv", rows)], tmp_path / "plain", instrument=BTC)
    path = write(tmp_path / "bad.csv", [*rows[:20], row, *rows[20:]])
    summary = import_trades([path], tmp_path / "log", instrument=BTC)
    assert letters(tmp_path / "log") == [(BAD_ROWS[row], 22)]
    assert records(tmp_path / "log", "import.dlq")[0]["payload"] == row.encode()
    assert digest(tmp_path / "log") == digest(tmp_path / "plain")
    assert summary.lines == 51


def test_repeated_rows_are_found_when_the_rows_are_sorted_and_when_they_are_not(
    tmp_path: Path,
) -> None:
    rows = table(300)
    import_trades([write(tmp_path / "t.csv", rows)], tmp_path / "plain", instrument=BTC)
    for name, twice in {"beside": [each for row in rows for each in (row, row)],
                        "behind": rows + rows, "turned": rows[::-1] + rows}.items():  # fmt: skip
        summary = import_trades([write(tmp_path / "d.csv", twice)], tmp_path / name, instrument=BTC)
        assert summary.reasons == {"duplicate_trade": 300}
        assert digest(tmp_path / name) == digest(tmp_path / "plain")


def test_rows_beyond_the_remembered_ids_are_found_while_sorting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("connectors.tables.repeated.REMEMBERED_ROWS", 0)
    monkeypatch.setattr("connectors.tables.rows.BATCH_ROWS", 100)
    monkeypatch.setattr("connectors.tables.sorting.SHARE_ROWS", 64)
    rows = table(300)
    import_trades([write(tmp_path / "t.csv", rows)], tmp_path / "plain", instrument=BTC)
    path = write(tmp_path / "d.csv", rows + rows)
    summary = import_trades([path], tmp_path / "log", instrument=BTC)
    assert summary.reasons == {"duplicate_trade": 300}
    assert digest(tmp_path / "log") == digest(tmp_path / "plain")


def test_trades_of_one_time_without_ids_keep_their_order_newest_first_too(tmp_path: Path) -> None:
    rows = [f"{T0 + number // 3},{number + 1}.00,1" for number in range(30)]
    turned = write(tmp_path / "t.csv", rows[::-1], "time,price,size")
    import_trades([turned], tmp_path / "log", instrument=BTC)
    found = [(each["price"], each["trade_id"]) for each in records(tmp_path / "log", "md.trades")]
    assert found == [(100 * number, number) for number in range(1, 31)]


# -- files that are something else


def rows_of_recording(path: Path) -> Iterator[str]:
    with gzip.open(path, "rt") as lines:
        for line in lines:
            data = json.loads(line.split(" ", 1)[1]).get("data", {})
            if data.get("e") == "trade" and data.get("X", "MARKET") == "MARKET":
                yield f"{data['t']},{data['p']},{data['q']},{data['T']},{str(data['m']).lower()}"


def test_a_recordings_trades_as_a_table_are_those_of_the_recorder_import_and_give_the_klines(
    market_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recording = market_data / "binance" / "usdm" / "btcusdt_20240808.gz"
    rows = list(rows_of_recording(recording))
    path = write(tmp_path / "t.csv", rows, "id,price,qty,time,is_buyer_maker")
    import_trades([path], tmp_path / "log", instrument="BTCUSDT@binance_usdm")
    import_binance([recording], tmp_path / "frames")
    fields = ("trade_id", "price", "quantity", "aggressor_side", "event_time")
    found, expected = (
        sorted(
            tuple(each[name] for name in fields) for each in records(tmp_path / log, "md.trades")
        )
        for log in ("log", "frames")
    )
    assert found == expected
    run = tmp_path / "run"
    log = str(tmp_path / "log")
    assert main(["backtest", log, "--strategy", "ema-cross", "--out", str(run)]) == 0
    assert "traded on trades" in capsys.readouterr().out
    assert main(["verify", str(run)]) == 0
    bars = {each["open_time"] // 10**6: each for each in records(run, "md.bars")}
    klines = market_data / "binance" / "klines" / "BTCUSDT-1m-2024-08.slice_2350_0010.csv"
    equal = 0
    with klines.open() as lines:
        for row in csv.DictReader(lines):
            bar = bars.get(int(row["open_time"]))
            if bar is None or bar["flags"]:
                continue
            for name, scale in {"open": 2, "high": 2, "low": 2, "close": 2, "volume": 3,
                                "taker_buy_volume": 3}.items():  # fmt: skip
                assert bar[name] == int(Decimal(row[name]) * 10**scale), name
            assert bar["trade_count"] == int(row["count"])
            equal += 1
    assert equal == 4  # nothing comes behind the fifth minute, to close its bar


# -- whatever comes


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_whatever_a_table_holds_each_line_is_counted_once_or_the_error_is_typed(
    tmp_path_factory: pytest.TempPathFactory, data: Any
) -> None:
    folder = tmp_path_factory.mktemp("fuzz")
    text = bytearray(write(folder / "t.csv", table(40)).read_bytes())
    for _ in range(data.draw(st.integers(1, 12))):
        at = data.draw(st.integers(0, len(text) - 1))
        cut = data.draw(st.integers(0, 30))
        text[at : at + cut] = data.draw(st.binary(max_size=8))
        if not text:
            return
    packing = data.draw(st.sampled_from([bytes, gzip.compress, as_zip]))
    (folder / "f").write_bytes(packing(bytes(text)))
    try:
        summary = import_trades([folder / "f"], folder / "log", instrument=BTC)
    except ShrivenError as problem:
        assert problem.text and "\n" not in problem.text
        return
    counted = sum(summary.set_aside.values()) + sum(summary.reasons.values())
    assert counted + summary.counts["md.trades"] == summary.lines
    times = [each["event_time"] for each in records(folder / "log", "md.trades")]
    assert times == sorted(times)
    assert all(
        each["price"] > 0 < each["quantity"] for each in records(folder / "log", "md.trades")
    )
