"""``sq import binance-public`` and ``sq import auto``. Oracles: ``sq import trades`` of the same
rows, the csv module, and the recorder import of the same day.
"""

from __future__ import annotations

import gzip
import json
import shlex
import zipfile
from pathlib import Path
from typing import Any

import pytest
from binance_lines import records
from trade_tables import BTC, T0, digest, table, write

from connectors.captures.importer import import_binance
from connectors.tables.binance_public import import_public
from connectors.tables.trades import import_trades
from jobs.sq import main
from schemas.errors import ShrivenError
from streams.log.manifest import LOG_MANIFEST, read_manifest

USDM = "BTCUSDT@binance_usdm"
TRADES_HEADER = "id,price,qty,quote_qty,time,is_buyer_maker"
AGGREGATES_HEADER = (
    "agg_trade_id,price,quantity,first_trade_id,last_trade_id,transact_time,is_buyer_maker"
)
TICKERS_HEADER = (
    "update_id,best_bid_price,best_bid_qty,best_ask_price,best_ask_qty,transaction_time,event_time"
)
KLINES_HEADER = (
    "open_time,open,high,low,close,volume,close_time,quote_volume,count,taker_buy_volume,"
    "taker_buy_quote_volume,ignore"
)


def public(folder: Path, name: str, rows: list[str], header: str = "") -> Path:
    """A zip as the exchange publishes it."""
    text = "\n".join([*([header] if header else []), *rows]) + "\n"
    path = folder / f"{name}.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(f"{name}.csv", text)
    return path


def trades_of(rows: list[str], unit: int, is_spot: bool) -> list[str]:
    """The exchange's columns from those of ``trade_tables``; a time loses what the unit has not."""
    found = []
    for row in rows:
        time, number, side, price, size = row.split(",")
        maker = "True" if side == "sell" else "False"
        best = ",True" if is_spot else ""
        found.append(f"{number},{price},{size},1.0,{int(time) // unit},{maker}{best}")
    return found


@pytest.mark.parametrize("unit", ["ms", "us"])
@pytest.mark.parametrize("days", [1, 2])
def test_spot_trades_of_either_unit_are_those_of_the_table(
    tmp_path: Path, unit: str, days: int
) -> None:
    divisor = 1000 if unit == "ms" else 1
    rows = [
        f"{int(time) // divisor * divisor},{rest}"
        for time, rest in (row.split(",", 1) for row in table(200))
    ]
    import_trades([write(tmp_path / "t.csv", rows)], tmp_path / "plain", None, BTC)
    part = 200 // days
    files = [
        public(tmp_path, f"BTCUSDT-trades-2024-08-{8 + day:02}",
               trades_of(rows[day * part : (day + 1) * part], divisor, True))
        for day in range(days)
    ]  # fmt: skip
    summary = import_public(files, tmp_path / "log")
    assert digest(tmp_path / "log") == digest(tmp_path / "plain")
    assert summary.symbols == ["binance:BTCUSDT"] and summary.units == {unit: 200}
    assert summary.reasons == {} and summary.instruments[0].missing_trades == 0


def usdm_rows(recording: Path) -> dict[str, list[str]]:
    """Public rows of the recorded day: trades, aggregates of runs of them, tickers."""
    found: dict[str, list[str]] = {"trades": [], "bookTicker": []}
    with gzip.open(recording, "rt") as lines:
        for line in lines:
            data = json.loads(line.split(" ", 1)[1]).get("data", {})
            if data.get("e") == "trade" and data.get("X", "MARKET") == "MARKET":
                maker = str(data["m"]).lower()
                found["trades"].append(
                    f"{data['t']},{data['p']},{data['q']},0,{data['T']},{maker}"
                )
            elif data.get("e") == "bookTicker":
                values = [str(data[name]) for name in "ubBaATE"]
                found["bookTicker"].append(",".join(values))
    return found


def test_a_day_of_futures_is_that_of_the_recorder_import(market_data: Path, tmp_path: Path) -> None:
    recording = market_data / "binance" / "usdm" / "btcusdt_20240808.gz"
    rows = usdm_rows(recording)
    files = [
        public(tmp_path, "BTCUSDT-bookTicker-2024-08-08", rows["bookTicker"], TICKERS_HEADER),
        public(tmp_path, "BTCUSDT-trades-2024-08-08", rows["trades"], TRADES_HEADER),
        tmp_path / "BTCUSDT-1m-2024-08.csv",
    ]
    klines = market_data / "binance" / "klines" / "BTCUSDT-1m-2024-08.slice_2350_0010.csv"
    files[2].write_bytes(klines.read_bytes())
    summary = import_public(files, tmp_path / "log")
    assert summary.symbols == ["binance_usdm:BTCUSDT"] and summary.reasons == {}
    assert summary.counts["md.bars"] == 16
    import_binance([recording], tmp_path / "frames")
    for topic, id_name in (("md.trades", "trade_id"), ("md.book_tickers", "update_id")):
        found, expected = (
            sorted((each[id_name], each["event_time"], without_receipt(each))
                   for each in records(tmp_path / log, topic))
            for log in ("log", "frames")
        )  # fmt: skip
        assert [row[:2] for row in found] == [row[:2] for row in expected]
        if topic == "md.book_tickers":
            assert found == expected


def without_receipt(record: dict[str, Any]) -> list[Any]:
    return [value for name, value in record.items() if name != "receive_time"]


def test_an_aggregate_has_the_last_id_of_its_trades_and_their_number(tmp_path: Path) -> None:
    rows = [
        f"10,100.00,3,501,503,{T0},True,True",
        f"11,100.01,1,504,504,{T0 + 1},False,True",
        f"12,100.02,1,506,507,{T0 + 2},False,True",
        f"13,100.02,1,509,508,{T0 + 3},False,True",
    ]
    summary = import_public(
        [public(tmp_path, "BTCUSDT-aggTrades-2025-01-02", rows)], tmp_path / "log"
    )
    found = records(tmp_path / "log", "md.trades")
    assert [(each["trade_id"], each["trade_count"], each["aggressor_side"]) for each in found] == [
        (503, 3, "SELL"), (504, 1, "BUY"), (507, 2, "BUY"),
    ]  # fmt: skip
    assert [bool(each["flags"] & 2) for each in found] == [False, False, True]
    assert summary.reasons == {"malformed_fields": 1}
    assert summary.instruments[0].missing_trades == 1


KLINE = f"{T0},1.00,2.00,0.50,1.50,10,{T0 + 59_999_999},15.0,3,4,6.0,0"


def test_klines_of_spot_need_the_market_and_have_the_interval_of_their_name(
    tmp_path: Path,
) -> None:
    path = public(tmp_path, "BTCUSDT-5m-2025-01", [KLINE])
    with pytest.raises(ShrivenError, match="say --instrument BTCUSDT@binance or"):
        import_public([path], tmp_path / "log")
    import_public([path], tmp_path / "log", BTC)
    only = records(tmp_path / "log", "md.bars")[0]
    assert (only["open_time"], only["interval"]) == (T0 * 1000, 300 * 10**9)
    assert (only["quote_volume"], only["taker_buy_quote_volume"]) == (15 * 10**10, 6 * 10**10)


def test_files_that_are_none_or_do_not_belong_together_are_refused(tmp_path: Path) -> None:
    spot = public(tmp_path, "BTCUSDT-trades-2024-08-08", trades_of(table(3), 1, True))
    usdm = public(tmp_path, "BTCUSDT-trades-2024-08-09", trades_of(table(3), 1000, False))
    other = public(tmp_path, "ETHUSDT-trades-2024-08-08", trades_of(table(3), 1, True))
    unnamed = public(tmp_path, "mine", trades_of(table(3), 1, True))
    narrow = public(tmp_path, "BTCUSDT-trades-2024-08-10", ["1,2,3"])
    months = public(tmp_path, "BTCUSDT-1mo-2024-08", [KLINE])
    coin = public(tmp_path, "BTCUSD_PERP-trades-2024-08-08", trades_of(table(3), 1, False))
    unknown = public(tmp_path, "DOGEUSDT-trades-2024-08-08", trades_of(table(3), 1, True))
    agg = public(tmp_path, "BTCUSDT-aggTrades-2024-08-08", [f"1,1.00,1,1,1,{T0},True,True"])
    cases: list[tuple[list[Path], str, str]] = [
        ([spot, usdm], "", "import each market by itself"),
        ([spot, other], "", "of BTCUSDT and ETHUSDT; import each, then 'sq merge'"),
        ([unnamed], "", "is no name of a public file"),
        ([narrow], "", "has 3 columns; public files of trades have 7 or 6"),
        ([months], BTC, "months are no bars of one length"),
        ([coin], "", "is an inverse contract"),
        ([unknown], "", "DOGEUSDT on binance is in no instrument table"),
        ([spot, agg], "", "files of trades and aggTrades would be the same topic twice"),
        ([spot], USDM, "and the files are of BTCUSDT@binance"),
        ([usdm], "ETHUSDT@binance_usdm", "and the files are of BTCUSDT@binance_usdm"),
    ]
    for files, said, words in cases:
        with pytest.raises(ShrivenError) as refused:
            import_public(files, tmp_path / "log", said)
        assert words in refused.value.text
        assert not (tmp_path / "log").exists()


# -- sq import auto


def test_auto_says_what_the_files_are_and_the_command_that_does_the_same(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = table(20)
    quotes = write(tmp_path / "q.csv", [f"{T0},1.00,1,2.00,1"], "time,bid,bid_qty,ask,ask_qty")
    files = {
        "trades": write(tmp_path / "t.csv", rows),
        "quotes": quotes,
        "bars": write(tmp_path / "b.csv", [KLINE, KLINE.replace(str(T0), str(T0 + 60_000_000))],
                      KLINES_HEADER),
        "binance-public": public(tmp_path, "BTCUSDT-trades-2024-08-08", trades_of(rows, 1, True)),
    }  # fmt: skip
    for what, path in files.items():
        words = [str(path), "--instrument", BTC]
        assert main(["import", "auto", *words]) == 0
        told = capsys.readouterr().out.splitlines()[-1]
        assert told == f"sq import {what} {path} --instrument {BTC} --out FOLDER"
        said = shlex.split(told.replace("FOLDER", str(tmp_path / f"{what}-said")))
        assert main(said[1:]) == 0
        assert main(["import", "auto", *words, "--out", str(tmp_path / f"{what}-auto")]) == 0
        found = [topics(tmp_path / f"{what}-{how}") for how in ("said", "auto")]
        assert found[0] == found[1]
    frames = tmp_path / "frames"
    frames.write_text('1723161255088169167 {"stream":"x","data":{}}\n')
    assert main(["import", "auto", str(frames), "--json"]) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["command"] == [
        "sq", "import", "binance", str(frames), "--out", "FOLDER"
    ]  # fmt: skip


def topics(log: Path) -> Any:
    return read_manifest(log / LOG_MANIFEST)["topics"]


def test_auto_refuses_what_it_does_not_know_and_what_is_of_several_kinds(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    trades = write(tmp_path / "t.csv", table(3))
    bars = write(tmp_path / "b.csv", [KLINE], KLINES_HEADER)
    both = write(tmp_path / "both.csv", ["1,1,1,1,1,1,1"],
                 "time,price,size,bid,bid_size,ask,ask_size")  # fmt: skip
    none = write(tmp_path / "n.csv", ["1,2"], "a,b")
    empty = tmp_path / "e.csv"
    empty.write_text("")
    for files, words in (
        ([trades, bars], "the files are of several kinds"),
        ([both], "has the columns of trades and of quotes"),
        ([none], "its columns are a, b: neither trades nor quotes nor bars"),
        ([empty], "is empty"),
        ([tmp_path / "absent"], "does not exist"),
    ):
        assert main(["import", "auto", *map(str, files)]) == 2
        assert words in capsys.readouterr().err
    assert main(["import", "trades", str(trades), "--instrument", BTC]) == 2
    assert "say where the topics go with --out" in capsys.readouterr().err
