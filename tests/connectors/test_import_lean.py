"""``sq import lean``. Oracles: the csv module, Decimal and zoneinfo; LEAN's own minutes beside its
seconds, aggregated by polars; the opening hours of the library of exchange calendars; the examples
of LEAN's description of its files.
"""

from __future__ import annotations

import csv
import io
import random
import shlex
import zipfile
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl
import pytest
from binance_lines import records
from recordings import COINBASE
from trade_tables import as_zip, letters, summary_or_error, toml

from connectors.reference.calendars import calendar
from connectors.tables.lean import import_lean
from connectors.tables.trades import import_trades
from jobs.sq import main
from schemas.errors import ShrivenError
from schemas.vocabulary import Flag

MINUTE, SECOND = 60 * 10**9, 10**9
PRICES = ("open", "high", "low", "close")
SPY = """
[time]
zone = "America/New_York"
[instrument]
symbol = "SPY"
venue = "arca"
kind = "equity"
tick = "0.01"
lot = "1"
quote = "USD"
"""
INDIAN = {
    "equity/minute/yesbank": ("YESBANK@nse", 4, 1_130),
    "equity/minute/juniorbees": ("JUNIORBEES@nse", 4, 783),
    "index/minute/nifty50": ("NIFTY 50@nse", 0, 1_509),
}
"""By folder: the instrument, the decimals that its integers imply, the bars of its days."""


def plain_bars(folder: Path, zone: str, implied: int) -> list[tuple[Any, ...]]:
    """A plain reading: open time and fields in units of 10^-2, of the file of each zip's day."""
    found = []
    for path in sorted(folder.glob("*_trade.zip")):
        day = date.fromisoformat(path.name[:8])
        with zipfile.ZipFile(path) as archive:
            name = next(each for each in archive.namelist() if each.startswith(path.name[:8]))
            rows = list(csv.reader(io.StringIO(archive.read(name).decode())))
        for row in rows:
            shown = datetime.combine(day, datetime.min.time(), ZoneInfo(zone))
            moment = shown + timedelta(milliseconds=int(row[0]))
            prices = (Decimal(text).scaleb(2 - implied) for text in row[1:5])
            found.append((int(moment.timestamp()) * SECOND, *map(int, prices), Decimal(row[5])))
    return found


@pytest.mark.parametrize("folder", INDIAN)
def test_indian_days_are_what_the_csv_module_decimal_and_zoneinfo_read(
    market_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], folder: str
) -> None:
    instrument, implied, count = INDIAN[folder]
    path = market_data / "india" / folder
    words = ["--instrument", instrument, "--out", str(tmp_path / "log")]
    assert main(["import", "lean", str(path), *words]) == 0
    found = records(tmp_path / "log", "md.bars")
    expected = plain_bars(path, "Asia/Kolkata", implied)
    assert len(expected) == count
    assert [(each["open_time"], *(each[name] for name in PRICES), each["volume"])
            for each in found] == expected  # fmt: skip
    assert {each["close_time"] - each["open_time"] for each in found} == {MINUTE}
    assert not any(each["flags"] & Flag.OFF_TICK for each in found)
    assert letters(tmp_path / "log") == []
    other_days = "zips with another day beside their own, which is left out: 4"
    assert (other_days in capsys.readouterr().out) == instrument.startswith("NIFTY")


def test_what_the_commands_page_says_of_lean_is_carried_out(
    market_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = (Path(__file__).resolve().parents[2] / "docs" / "commands.md").read_text("utf-8")
    for kind in ("equity", "index"):  # the folders as LEAN has them
        (tmp_path / kind).mkdir()
        (tmp_path / kind / "india").symlink_to(market_data / "india" / kind)
    (tmp_path / "crypto").mkdir()
    (tmp_path / "crypto" / "coinbase").symlink_to(market_data / "coinbase")
    (tmp_path / "btcusd.toml").write_text(COINBASE)
    monkeypatch.chdir(tmp_path)
    lines = [line for line in page.splitlines() if line.startswith("sq import lean ")]
    for line in dict.fromkeys(lines):
        assert main(shlex.split(line)[1:]) == 0
    for name, count in (("yesbank", 1_130), ("nifty", 1_509), ("btcusd", 4_216)):
        assert len(records(tmp_path / "data" / name, "md.bars")) == count


def test_a_share_first_trades_when_the_library_of_calendars_says_that_the_venue_opens(
    market_data: Path, tmp_path: Path
) -> None:
    path = market_data / "india/equity/minute/yesbank"
    import_lean([path], tmp_path / "log", None, "YESBANK@nse")
    opens = [each["open_time"] for each in records(tmp_path / "log", "md.bars")]
    days = calendar("nse").sessions(date(2019, 7, 9), date(2019, 7, 11))
    assert len(days) == 3
    for day in days:
        within = [each for each in opens if day.open <= each < day.close]
        assert within == list(range(day.open, day.close, MINUTE))


def test_seconds_of_coinbase_make_the_minutes_beside_them(
    market_data: Path, tmp_path: Path
) -> None:
    frames = {}
    described = toml(tmp_path, COINBASE)
    for resolution in ("second", "minute"):
        path, log = market_data / "coinbase" / resolution / "btcusd", tmp_path / resolution
        words = ["--map", str(described), "--out", str(log)]
        assert main(["import", "lean", str(path), *words]) == 0
        frames[resolution] = pl.DataFrame(records(log, "md.bars")).select(
            "open_time", *PRICES, "volume", "interval"
        )
    seconds, minutes = frames["second"], frames["minute"]
    assert seconds["interval"].unique().to_list() == [SECOND]
    assert minutes["interval"].unique().to_list() == [MINUTE]
    made = seconds.group_by(
        (pl.col("open_time") // MINUTE * MINUTE).alias("open_time"), maintain_order=True
    ).agg(
        pl.col("open").first(), pl.col("high").max(), pl.col("low").min(), pl.col("close").last(),
        pl.col("volume").sum(),
    )  # fmt: skip
    assert made.equals(minutes.drop("interval"))
    assert len(made) == 4_216


def folder_of(tmp_path: Path, files: dict[str, str]) -> Path:
    """Zips as LEAN names them, of texts by their path."""
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        day, held = path.stem.split("_")
        entry = f"{day}_{path.parent.name}_{path.parent.parent.name}_{held}.csv"
        path.write_bytes(as_zip(text.encode(), entry))
    return tmp_path


def test_the_examples_of_the_description_of_the_files(tmp_path: Path) -> None:
    """Data/equity/readme.md of LEAN: 15,300,000 ms is 04:15 in New York, 6448000 is $644.80."""
    folder = folder_of(tmp_path, {
        "equity/usa/minute/spy/20140605_trade.zip": "15300000,6448000,6448000,6448000,6448000,90\n",
        "equity/usa/minute/spy/20140605_quote.zip":
            "15300000,6448000,6448000,6448000,6448000,90,6500000,6500000,6500000,6500000,100\n",
    })  # fmt: skip
    words = ["--map", str(toml(tmp_path, SPY)), "--out", str(tmp_path / "log")]
    assert main(["import", "lean", str(folder / "equity"), *words]) == 0
    opens = datetime(2014, 6, 5, 4, 15, tzinfo=ZoneInfo("America/New_York")).timestamp()
    (bar,) = records(tmp_path / "log", "md.bars")
    assert [bar[name] for name in ("open_time", *PRICES, "volume")] == [
        opens * SECOND, 64_480, 64_480, 64_480, 64_480, 90,
    ]  # fmt: skip
    (quote,) = records(tmp_path / "log", "md.book_tickers")
    fields = ("event_time", "bid_price", "bid_quantity", "ask_price", "ask_quantity")
    assert [quote[name] for name in fields] == [
        opens * SECOND + MINUTE, 64_480, 90, 65_000, 100
    ]  # fmt: skip


def test_an_hour_that_a_clock_shows_twice_or_never_is_a_dead_letter(tmp_path: Path) -> None:
    hour = 3_600_000
    line = ",1000000,1000000,1000000,1000000,1\n"
    files = {
        f"minute/spy/{day}_trade.zip": "".join(f"{at * hour}{line}" for at in hours)
        for day, hours in (("20141102", (0, 1, 3)), ("20150308", (1, 2, 3)))
    }
    folder = folder_of(tmp_path, files)
    summary = import_lean([folder], tmp_path / "log", toml(tmp_path, SPY))
    place = ZoneInfo("America/New_York")
    opens = [datetime(2014, 11, 2, at, tzinfo=place) for at in (0, 3)]
    opens += [datetime(2015, 3, 8, at, tzinfo=place) for at in (1, 3)]
    found = [each["open_time"] for each in records(tmp_path / "log", "md.bars")]
    assert found == [int(each.timestamp()) * SECOND for each in opens]
    assert summary.reasons == {"ambiguous_time": 2}


BAD_ROWS = {
    "86400000,1000000,1000000,1000000,1000000,1": "implausible_time",
    "1546314900000,1000000,1000000,1000000,1000000,1": "implausible_time",
    "-60000,1000000,1000000,1000000,1000000,1": "implausible_time",
    "33360000,1000000,1000000,1000000,1000000": "wrong_columns",
    "33360000,1000050,1000050,1000050,1000050,1": "off_precision",
    "33360000,1000000.5,1000000,1000000,1000000,1": "off_precision",
    "33360000,1000000,900000,1000000,1000000,1": "inconsistent_bar",
    "33360000,0,1000000,0,1000000,1": "zero_open",
    "33360000,1000000,1000000,1000000,1000000,-1": "negative_volume",
    "33300000,1000000,1000000,1000000,1000000,1": "duplicate_bar",
    "33360000,x,1000000,1000000,1000000,1": "bad_number",
}
GOOD_ROW = "33300000,1000000,1000000,1000000,1000000,1"


def test_a_row_that_cannot_be_used_is_a_dead_letter_with_its_file_and_line(tmp_path: Path) -> None:
    text = "\n".join([GOOD_ROW, *BAD_ROWS]) + "\n"
    folder = folder_of(tmp_path, {"equity/india/minute/yesbank/20190109_trade.zip": text})
    import_lean([folder], tmp_path / "log", None, "YESBANK@nse")
    assert letters(tmp_path / "log") == [
        (reason, 2 + at) for at, reason in enumerate(BAD_ROWS.values())
    ]
    assert {each["origin_topic"] for each in records(tmp_path / "log", "import.dlq")} == {
        "20190109_trade.zip"
    }


REFUSED: dict[str, tuple[tuple[str, ...], str, str]] = {
    "symbols": (("minute/a/20190109_trade.zip", "minute/b/20190110_trade.zip"), "a and b", ""),
    "resolutions": (
        ("minute/a/20190109_trade.zip", "second/a/20190109_trade.zip"), "minute and second", ""),
    "ticks": (("tick/a/20190109_trade.zip",), "is of tick", ""),
    "open interest": (("minute/a/20190109_openinterest.zip",), "open interest alone", ""),
    "nothing": (("other/a/20191309_trade.zip",), "holds no file of LEAN", ""),
    "another kind": (("crypto/x/minute/a/20190109_trade.zip",), "a folder of crypto", ""),
    "forex": (("forex/x/minute/a/20190109_trade.zip",), "a folder of forex", ""),
    "a map of columns": (
        ("minute/a/20190109_trade.zip",), "takes [time] zone", "[file]\nseparator = ';'\n"),
    "a venue without a zone": (
        ("minute/a/20190109_trade.zip",), "say it with --map",
        SPY.replace('zone = "America/New_York"', "")),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_files_that_are_not_one_instruments_bars_are_refused_in_words(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], case: str
) -> None:
    names, text, described = REFUSED[case]
    folder = folder_of(tmp_path / "data", dict.fromkeys(names, GOOD_ROW))
    words = ["--instrument", "YESBANK@nse", "--out", str(tmp_path / "log")]
    if "[instrument]" in described:
        words = words[2:]
    if described:
        words += ["--map", str(toml(tmp_path, described))]
    assert main(["import", "lean", str(folder), *words]) == 2
    assert text in capsys.readouterr().err
    assert not (tmp_path / "log").exists()


def test_a_day_that_comes_twice_is_refused(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, {"minute/a/20190109_trade.zip": GOOD_ROW})
    plain = folder / "minute/a/20190109_a_minute_trade.csv"
    plain.write_text(GOOD_ROW)
    with pytest.raises(ShrivenError, match="are of the same day"):
        import_lean([folder], tmp_path / "log", None, "YESBANK@nse")
    import_lean([plain], tmp_path / "log", None, "YESBANK@nse")
    assert len(records(tmp_path / "log", "md.bars")) == 1


@pytest.mark.parametrize("form", ["csv", "parquet"])
@pytest.mark.parametrize("decimals", [0, 2, 4, 6])
def test_a_map_may_say_how_many_decimals_integers_of_prices_have(
    tmp_path: Path, form: str, decimals: int
) -> None:
    texts = [str(100 * number) for number in range(1, 250)]
    frame = pl.DataFrame({"t": range(1_723_075_200, 1_723_075_449), "p": texts, "q": ["1"] * 249})
    path = tmp_path / f"t.{form}"
    if form == "csv":
        frame.write_csv(path)
    else:
        frame.with_columns(pl.col("p").cast(pl.Float64)).write_parquet(path)
    described = toml(tmp_path, '[columns]\ntime = "t"\nprice = "p"\nquantity = "q"\n'
                     f'[time]\nunit = "s"\n[file]\nprice_decimals = {decimals}\n')  # fmt: skip
    import_trades([path], tmp_path / "log", described, "BTCUSDT@binance")
    expected = [Decimal(text).scaleb(2 - decimals) for text in texts]
    found = [each["price"] for each in records(tmp_path / "log", "md.trades")]
    assert found == [price for price in expected if price == int(price)]
    assert {reason for reason, _ in letters(tmp_path / "log")} <= {"off_precision"}


def test_auto_knows_a_folder_of_lean(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = folder_of(tmp_path / "data", {"minute/a/20190109_trade.zip": GOOD_ROW})
    assert main(["import", "auto", str(folder)]) == 0
    said = capsys.readouterr().out
    assert f"sq import lean {folder} --out FOLDER --instrument SYMBOL@VENUE" in said
    words = ["--instrument", "YESBANK@nse", "--out", str(tmp_path / "log")]
    assert main(["import", "auto", str(folder), *words]) == 0
    assert len(records(tmp_path / "log", "md.bars")) == 1


@pytest.mark.parametrize("name", ["20190109_trade.csv", "00010109_trade.zip", "99990109_trade.zip"])
def test_a_file_that_is_named_alike_is_none_of_lean(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    path = tmp_path / name
    table = b"time,price,quantity\n1723075200,1,1\n"
    path.write_bytes(table if name.endswith("csv") else as_zip(table, name[:-3] + "csv"))
    assert main(["import", "auto", str(path)]) == 0
    assert "sq import trades" in capsys.readouterr().out


def test_files_of_anything_end_in_words_or_in_a_log_that_accounts_for_every_row(
    tmp_path: Path,
) -> None:
    """A failure names its seed."""
    closed = 0
    for seed in range(60):
        draw = random.Random(seed)
        rows = [f"{33300000 + at * 60000}{GOOD_ROW[8:]}" for at in range(draw.randint(1, 30))]
        for _ in range(draw.randrange(4)):
            at = draw.randrange(len(rows))
            rows[at] = draw.choice([*BAD_ROWS, rows[at][: len(rows[at]) // 2], "", '"', "\x00,,,,"])
        packed = bytearray(as_zip("\n".join(rows).encode(), "20190109_a_minute_trade.csv"))
        for _ in range(draw.choice([0, 0, 1, 9])):
            packed[draw.randrange(len(packed))] = draw.randrange(256)
        path, log = tmp_path / "minute/a/20190109_trade.zip", tmp_path / "log"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(packed)
        run = partial(import_lean, [path], log, None, "YESBANK@nse")
        summary = summary_or_error(seed, log, run)
        if summary is None:
            continue
        kept = len(records(log, "md.bars")) + len(records(log, "import.dlq"))
        assert kept + sum(summary.set_aside.values()) == summary.lines, f"seed {seed}"
        closed += 1
    assert closed > 20
