"""``sq check`` of bars, and of recordings that hold one kind of data. Oracles: what is planted; the
sessions of NSE, of which every minute has a bar or is missing; klines of a day.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from checked_markets import checked, counts, planted

from connectors.captures.tiling import tile
from jobs.sq import main

Rows = Any
MINUTE = 60 * 10**9
AT = 40


@pytest.fixture(scope="module")
def bars(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two hours of one-minute bars from a table."""
    place = tmp_path_factory.mktemp("bars")
    lines = ["open_time,open,high,low,close,volume,quote_volume,count"]
    for at in range(120):
        price = 60_000 + 5 * (at % 7)
        start = 1_723_075_200_000 + 60_000 * at
        lines.append(f"{start},{price},{price + 9},{price - 9},{price + 1},{at + 1}.5,9.5,7")
    (place / "bars.csv").write_text("\n".join(lines) + "\n")
    arguments = ["bars", str(place / "bars.csv"), "--instrument", "BTCUSDT@binance"]
    assert main(["import", *arguments, "--out", str(place / "log")]) == 0
    return place / "log"


def field(name: str, value: Callable[[Any], Any]) -> Callable[[Rows], Rows]:
    def change(rows: Rows) -> Rows:
        rows[name][AT] = value(rows[name][AT])
        return rows

    return change


def overlap(rows: Rows) -> Rows:
    for name in ("open_time", "close_time"):
        rows[name][AT] -= MINUTE // 2
    return rows


FAULTS: dict[str, tuple[Callable[[Rows], Rows], dict[str, int]]] = {
    "nothing": (lambda rows: rows, {}),
    "a high below the close": (field("high", lambda _: 1), {"bar_inconsistent": 1}),
    "a low above the open": (field("low", lambda low: 2 * low), {"bar_inconsistent": 1}),
    "more bought than traded": (field("taker_buy_volume", lambda _: 10**15), {
        "bar_inconsistent": 1,
    }),
    "a missing bar": (lambda rows: np.delete(rows, [AT, AT + 1]), {"bar_missing": 1}),
    "a bar twice": (lambda rows: np.insert(rows, AT, rows[AT]), {"bar_repeated": 1}),
    "an amended bar": (lambda rows: amended(rows), {}),
    "an overlap": (overlap, {"bar_overlap": 1, "bar_missing": 1}),
    "another length": (field("close_time", lambda time: time + 1), {
        "bar_length": 1, "bar_missing": 1,
    }),
    "no volume": (field("volume", lambda _: 0), {"bar_zero_volume": 1}),
}  # fmt: skip


def amended(rows: Rows) -> Rows:
    """A second version of a bar, behind the one after it."""
    again = rows[AT : AT + 1].copy()
    again["version"] = 2
    return np.insert(rows, AT + 2, again)


@pytest.mark.parametrize("fault", FAULTS)
def test_what_is_planted_among_bars_is_found_and_nothing_else(
    bars: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], fault: str
) -> None:
    change, expected = FAULTS[fault]
    folder = planted(bars, tmp_path / "log", {"md.bars": change})
    found = checked(capsys, folder)
    assert counts(found) == {f"md.bars {code}": times for code, times in expected.items()}
    missing = [each["total"] for each in found["findings"] if each["code"] == "bar_missing"]
    assert fault != "a missing bar" or missing == [2]


def test_bars_of_two_instruments_are_two_series(
    bars: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def doubled(rows: Rows) -> Rows:
        other = rows.copy()
        other["instrument"] = 999  # in no table: an error for each of its bars, and no overlap
        return np.concatenate((rows, other))

    folder = planted(bars, tmp_path / "log", {"md.bars": doubled})
    found = checked(capsys, folder, code=1)
    assert counts(found) == {"md.bars unknown_instrument": 120}
    assert {each["instrument"]: each["rows"] for each in found["subjects"]} == {
        "binance:BTCUSDT": 120, "unknown": 120,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("symbol", "folder", "days"),
    [("YESBANK", "equity/minute/yesbank", 3), ("JUNIORBEES", "equity/minute/juniorbees", 4)],
)
def test_each_minute_of_a_session_has_a_bar_or_is_missing(
    market_data: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    symbol: str,
    folder: str,
    days: int,
) -> None:
    """375 minutes a session of NSE; bars after the close (YESBANK) are outside of it."""
    pytest.importorskip("exchange_calendars")
    source = str(market_data / "india" / folder)
    out = tmp_path / "log"
    assert main(["import", "lean", source, "--instrument", f"{symbol}@nse", "--out", str(out)]) == 0
    found = checked(capsys, out, code=0)
    (subject,) = found["subjects"]
    missing = sum(each["total"] for each in found["findings"] if each["code"] == "bar_missing")
    after_close = {"YESBANK": 5, "JUNIORBEES": 0}[symbol]
    assert subject["rows"] - after_close + missing == 375 * days
    assert found["hours"] == {"nse": True}


@pytest.mark.parametrize("kept", ["md.trades", "md.depth", "md.book_tickers"])
def test_a_recording_of_one_topic_is_checked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], kept: str
) -> None:
    market = tmp_path / "toy"
    assert main(["generate", "--minutes", "5", "--out", str(market)]) == 0
    others = {"md.trades", "md.depth", "md.book_tickers"} - {kept}
    folder = planted(market, tmp_path / "log", dict.fromkeys(others))
    found = checked(capsys, folder, "--strict", code=0)
    assert found["findings"] == [] and [each["topic"] for each in found["subjects"]] == [kept]


def test_records_without_any_instrument_are_all_unknown(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    market = tmp_path / "toy"
    assert main(["generate", "--minutes", "2", "--out", str(market)]) == 0
    folder = planted(market, tmp_path / "log", {"ref.instruments": None})
    found = checked(capsys, folder, code=1)
    rows = {each["topic"]: each["rows"] for each in found["subjects"]}
    unknown = {
        each["topic"]: each["count"]
        for each in found["findings"]
        if each["code"] == "unknown_instrument"
    }
    assert unknown == rows and len(rows) == 3


def test_a_recording_that_begins_anew_with_a_snapshot_is_compared_behind_it(
    market_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Oracle: three tiles of the recorded day are three times its 6,547 tops, but for the first
    update of each: a tile begins with its snapshot, and no ticker of it came before that update.
    """
    raw = market_data / "binance" / "usdm" / "btcusdt_20240808.gz"
    assert main(["import", "binance", str(raw), "--out", str(tmp_path / "one")]) == 0
    tile(tmp_path / "one", tmp_path / "log", 3)
    found = checked(capsys, tmp_path / "log", code=0)
    (depth,) = (each for each in found["subjects"] if each["topic"] == "md.depth")
    assert depth["equal"] == depth["compared"] == 3 * (6547 - 1)
    assert counts(found)["md.trades silence"] == 2


def test_two_instruments_side_by_side_are_each_what_they_are_alone(
    market_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Oracle: the counts of each recording by itself (data/README.md)."""
    for name in ("btcusdt", "ethusdt"):
        raw = market_data / "binance" / "spot" / f"{name}_20240808.gz"
        assert main(["import", "binance", str(raw), "--out", str(tmp_path / name)]) == 0
    arguments = [str(tmp_path / name) for name in ("btcusdt", "ethusdt")]
    assert main(["merge", *arguments, "--out", str(tmp_path / "both")]) == 0

    def plain(folder: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = checked(capsys, tmp_path / folder)["subjects"]
        return found

    alone = plain("btcusdt") + plain("ethusdt")

    def key(each: dict[str, Any]) -> tuple[str, str]:
        return each["topic"], each["instrument"]

    assert sorted(plain("both"), key=key) == sorted(alone, key=key)
