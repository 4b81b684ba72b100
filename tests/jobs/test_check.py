"""``sq check`` finds what was planted, and nothing in a clean market. Oracles: the venue's own best
bid and ask and klines in recorded days (counts published in the data's README), polars over the
same rows, and what each test planted.
"""

from __future__ import annotations

import csv
import gzip
import json
import shlex
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from checked_markets import (
    MIDDLE,
    SECOND,
    Rows,
    again,
    checked,
    counts,
    planted,
    row,
    rows_of,
    without,
)

from jobs.checking.kinds import KINDS
from jobs.sq import main
from streams.log.manifest import LOG_MANIFEST, read_manifest, write_manifest
from streams.numeric.checking.codes import Code

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten minutes of a generated market."""
    folder = tmp_path_factory.mktemp("check") / "data" / "toy"
    assert main(["generate", "--minutes", "10", "--seed", "5", "--out", str(folder)]) == 0
    return folder


def test_every_kind_of_finding_is_explained() -> None:
    assert list(KINDS) == sorted(KINDS, key=list(KINDS).index) and KINDS.keys() == set(Code)
    assert [code.name for code, kind in KINDS.items() if not (kind.meaning and kind.action)] == []


@pytest.mark.parametrize("seed", [5, 11])
def test_a_clean_market_has_no_finding_and_every_top_is_the_tickers(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], seed: int
) -> None:
    folder = tmp_path / "toy"
    assert main(["generate", "--minutes", "20", "--seed", str(seed), "--out", str(folder)]) == 0
    found = checked(capsys, folder, "--strict", code=0)
    assert found["findings"] == []
    (depth,) = (each for each in found["subjects"] if each["topic"] == "md.depth")
    assert depth["equal"] == depth["compared"] == depth["rows"] - 1  # all but the snapshot
    assert found["topics"] == read_manifest(folder / LOG_MANIFEST)["topics"]


def test_market_topics_of_a_run_are_checked_and_the_run_stays_verified(
    market: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    arguments = ["--strategy", "ema-cross", "--set", "fast=5", "--set", "slow=12"]
    assert main(["backtest", str(market), *arguments, "--out", str(run)]) == 0
    found = checked(capsys, run, code=0)
    assert found["findings"] == [], counts(found)
    topics = {each["topic"] for each in found["subjects"]}
    assert topics >= {"md.quotes", "md.bars", "md.marks", "md.features", "md.toxicity"}
    assert found["topics"].items() >= read_manifest(run / "run.json")["topics"].items()
    assert main(["verify", str(run)]) == 0


def swapped(at: int) -> Callable[[Rows], Rows]:
    """Two neighbours in the other order, their times as they were."""

    def change(rows: Rows) -> Rows:
        rows["trade_id"][[at, at + 1]] = rows["trade_id"][[at + 1, at]]
        return rows

    return change


def later(name: str, nanoseconds: int, at: int = MIDDLE) -> Callable[[Rows], Rows]:
    """Move a time of all rows from one on."""

    def change(rows: Rows) -> Rows:
        rows[name][at:] += nanoseconds
        return rows

    return change


def behind(nanoseconds: int) -> Callable[[Rows], Rows]:
    """A record so far behind the one before."""

    def change(rows: Rows) -> Rows:
        rows["event_time"][MIDDLE] = rows["event_time"][MIDDLE - 1] - nanoseconds
        return rows

    return change


def anew(rows: Rows) -> Rows:
    """The venue numbers its trades anew."""
    rows["trade_id"][MIDDLE:] = np.arange(1, len(rows) - MIDDLE + 1)
    return rows


TRADE_FAULTS: dict[str, tuple[Callable[[Rows], Rows], dict[str, int]]] = {
    "a gap": (without(MIDDLE, 3), {"trade_gap": 1}),
    "a duplicate": (again(MIDDLE), {"trade_duplicate": 1}),
    "a late id": (swapped(MIDDLE), {"trade_id_late": 1}),
    "an unknown instrument": (row("instrument", lambda _: 77), {
        "unknown_instrument": 1, "trade_gap": 1,
    }),
    "no time": (row("event_time", lambda _: 0), {"implausible_time": 1}),
    "a time back": (behind(90 * SECOND), {"time_back": 1, "latency_jump": 2}),
    "a late record": (behind(SECOND // 2), {"late": 1}),
    "an estimated time": (row("flags", lambda flags: flags | 64), {"estimated_time": 1}),
    "a receipt before the event": (row("receive_time", lambda time: time - 300_000_000), {
        "negative_latency": 1,
    }),
    "a clock set forward": (later("receive_time", 60 * SECOND), {"latency_jump": 1}),
    "a recorder behind": (later("receive_time", -2 * SECOND, 0), {"recorder_clock_behind": 0}),
    "no price": (row("price", lambda _: 0), {"bad_price": 1}),
    "no quantity": (row("quantity", lambda _: 0), {"bad_quantity": 1}),
    "off the tick": (row("price", lambda price: price + 1), {"off_tick": 1}),
    "a far price": (row("price", lambda price: price * 2), {"price_jump": 2}),
    "no side": (row("aggressor_side", lambda _: 0), {"no_aggressor": 1}),
    "ids anew": (anew, {"trade_ids_anew": 1, "trade_duplicate": 1}),
    "other ids": (lambda rows: _with(rows, trade_id=rows["trade_id"] * 7), {
        "ids_not_contiguous": 0,
    }),
}  # fmt: skip
"""What is planted among the trades, and what is found; 0: on all rows."""


def _with(rows: Rows, **columns: Any) -> Rows:
    for name, values in columns.items():
        rows[name] = values
    return rows


@pytest.mark.parametrize("fault", TRADE_FAULTS)
def test_what_is_planted_among_the_trades_is_found_and_nothing_else(
    market: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], fault: str
) -> None:
    change, expected = TRADE_FAULTS[fault]
    folder = planted(market, tmp_path / "log", {"md.trades": change})
    total = len(rows_of(folder, "md.trades")[0])
    wanted = {
        f"md.trades {code}": times or total - (code == "ids_not_contiguous")
        for code, times in expected.items()
    }
    found = checked(capsys, folder)
    assert counts(found) == wanted
    for each in found["findings"]:
        if expected[each["code"]] == 1:
            assert abs(each["first"]["offset"] - MIDDLE) <= 1 and each["first"] == each["last"]


def test_a_gap_of_ids_names_how_many_are_missing(
    market: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = planted(market, tmp_path / "log", {"md.trades": without(MIDDLE, 3)})
    (gap,) = checked(capsys, folder, code=1)["findings"]
    assert (gap["total"], gap["greatest"], gap["severity"]) == (3, 3, "error")


def test_a_silence_and_a_topic_that_ends_early(
    market: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    times = rows_of(market, "md.book_tickers")[0]["event_time"]
    start, end = times[0] + 200 * SECOND, times[0] + 300 * SECOND

    def quiet(rows: Rows) -> Rows:
        return rows[(rows["event_time"] < start) | (rows["event_time"] > end)]

    def ended(rows: Rows) -> Rows:
        return rows[rows["event_time"] < start]

    changes = {"md.book_tickers": quiet, "md.trades": ended, "md.depth": None}
    folder = planted(market, tmp_path / "log", changes)
    document = checked(capsys, folder, code=0)
    assert counts(document) == {"md.book_tickers silence": 1, "md.trades ends_early": 1}
    (found,) = (each for each in document["findings"] if each["code"] == "silence")
    gaps = np.diff(rows_of(folder, "md.book_tickers")[0]["event_time"])
    assert found["limit"] >= max(10 * SECOND, 100 * found["median"])
    assert found["total"] == gaps[gaps >= found["limit"]].sum() == gaps.max()
    assert found["first"]["offset"] == int(gaps.argmax()) + 1
    assert checked(capsys, folder, "--strict", code=1)["counts"]["warning"] == 2
    assert counts(checked(capsys, folder, "--silence", "200s")) == {"md.trades ends_early": 1}


@pytest.mark.parametrize("limit", [1, 3])
def test_counts_of_times_are_those_of_polars_over_the_same_rows(
    market: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], limit: int
) -> None:
    def jumbled(rows: Rows) -> Rows:
        draw = np.random.default_rng(limit)
        rows["event_time"] += draw.integers(-2 * SECOND, 2 * SECOND, len(rows))
        rows["price"] += 100 * draw.integers(-900, 900, len(rows))
        return rows

    folder = planted(market, tmp_path / "log", {"md.trades": jumbled})
    rows = rows_of(folder, "md.trades")[0]
    frame = pl.DataFrame({name: rows[name] for name in ("event_time", "receive_time", "price")})
    reached = pl.col("event_time").cum_max().shift()
    gap, delay = pl.col("event_time") - reached, pl.col("receive_time") - pl.col("event_time")
    moved = (pl.col("price") - pl.col("price").shift()).abs() / pl.col("price").shift()
    expected = frame.select(
        late=((gap < 0) & (gap > -SECOND)).sum(),
        time_back=(gap <= -SECOND).sum(),
        silence=(gap > limit * SECOND).sum(),
        negative_latency=(delay < 0).sum(),
        price_jump=(moved > limit / 100).sum(),
    ).row(0, named=True)
    options = ("--silence", f"{limit}s", "--jump", str(limit))
    found = counts(checked(capsys, folder, *options))
    assert expected["late"] > 100 and expected["time_back"] > 100
    assert {
        name: found.get(f"md.trades {name}", found.get("md.trades recorder_clock_behind", 0))
        if name == "negative_latency"
        else found.get(f"md.trades {name}", 0)
        for name in expected
    } == expected
    median = frame.select(gap.filter(gap >= 0).median()).item()
    (trades,) = (
        each
        for each in checked(capsys, folder)["subjects"]
        if each["topic"] == "md.trades"
    )
    assert abs(trades["median_gap"] - median) <= median / 16


def test_a_manifest_that_lists_other_records_and_a_block_that_cannot_be_read(
    market: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = planted(market, tmp_path / "log", {})
    manifest = read_manifest(folder / LOG_MANIFEST)
    manifest["topics"]["md.trades"]["digest"] = "0" * 64
    write_manifest(folder / LOG_MANIFEST, manifest)
    found = checked(capsys, folder, code=1)
    assert counts(found) == {"md.trades digest_differs": 1}
    segment = folder / "md.trades" / "0" / f"{0:020}.avro"
    content = bytearray(segment.read_bytes())
    content[len(content) // 2] ^= 1
    segment.write_bytes(content)
    found = checked(capsys, folder, code=1)
    assert counts(found) == {"md.trades unreadable": 1}
    (folder / LOG_MANIFEST).unlink()
    assert " not_closed" in counts(checked(capsys, folder, code=1))


RECORDED = {
    "spot BTC": (["spot/btcusdt_20240808.gz", "spot/btcusdt_20240809.gz"], (6491, 6493)),
    "spot ETH": (["spot/ethusdt_20240808.gz"], (3432, 3432)),
    "usdm BTC": (["usdm/btcusdt_20240808.gz"], (6547, 6547)),
}
"""Tops equal to the venue's own bookTicker, of all compared: data/README.md. ETH: its first day."""


@pytest.mark.parametrize("name", RECORDED)
def test_a_recorded_day_is_sound_but_for_the_recorders_clock(
    market_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    files, tops = RECORDED[name]
    paths = [str(market_data / "binance" / file) for file in files]
    assert main(["import", "binance", *paths, "--out", str(tmp_path / "log")]) == 0
    found = checked(capsys, tmp_path / "log", code=0)
    (depth,) = (each for each in found["subjects"] if each["topic"] == "md.depth")
    assert (depth["equal"], depth["compared"]) == tops
    behind = [each for each in found["findings"] if each["code"] == "recorder_clock_behind"]
    assert {each["topic"] for each in behind} >= {"md.trades", "md.depth"}
    assert all(1.26e9 < -each["median"] < each["greatest"] < 1.28e9 for each in behind)
    others = counts(found, "error warning").keys() - {
        f"{each['topic']} recorder_clock_behind" for each in behind
    }
    assert others == ({"md.depth ticker_differs"} if name == "spot BTC" else set())


def usdm_trades(recording: Path, out: Path) -> Path:
    """The recorded trades as the exchange publishes a day."""
    rows = ["id,price,qty,quote_qty,time,is_buyer_maker"]
    with gzip.open(recording, "rt") as frames:
        for line in frames:
            data = json.loads(line.split(" ", 1)[1]).get("data", {})
            if data.get("e") == "trade" and data.get("X", "MARKET") == "MARKET":
                maker = str(data["m"]).lower()
                rows.append(f"{data['t']},{data['p']},{data['q']},0,{data['T']},{maker}")
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr(out.with_suffix(".csv").name, "\n".join(rows) + "\n")
    return out


@pytest.mark.parametrize("wrong", ["", "high", "taker_buy_quote_volume"])
def test_bars_of_trades_are_the_exchanges_own_klines_in_all_nine_fields(
    market_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], wrong: str
) -> None:
    """Oracle: the klines. A kline with one other field is the only one that differs."""
    klines = market_data / "binance" / "klines" / "BTCUSDT-1m-2024-08.slice_2350_0010.csv"
    with klines.open() as file:
        table = list(csv.DictReader(file))
    if wrong:
        row = next(each for each in table if each["open_time"] == "1723161420000")
        row[wrong] = f"{float(row[wrong]) + 0.1:.{len(row[wrong].partition('.')[2])}f}"
    copied = tmp_path / "BTCUSDT-1m-2024-08.csv"
    with copied.open("w", newline="") as file:
        writer = csv.DictWriter(file, table[0])
        writer.writeheader()
        writer.writerows(table)
    recording = market_data / "binance" / "usdm" / "btcusdt_20240808.gz"
    trades = usdm_trades(recording, tmp_path / "BTCUSDT-trades-2024-08-08.zip")
    arguments = ["import", "binance-public", str(trades), str(copied), "--out"]
    assert main([*arguments, str(tmp_path / "log")]) == 0
    found = checked(capsys, tmp_path / "log", code=int(bool(wrong)))
    (bars,) = (each for each in found["subjects"] if each["topic"] == "md.bars")
    assert (bars["equal"], bars["compared"]) == (5 - bool(wrong), 5)
    assert counts(found, "error") == ({"md.bars bar_differs": 1} if wrong else {})


def test_the_examples_of_the_page_run(
    market: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    page = (ROOT / "docs" / "commands.md").read_text("utf-8").split("## sq check")[1]
    monkeypatch.chdir(market.parents[1])
    commands = page.split("```sh\n")[1].split("```")[0].splitlines()
    for line in commands:
        assert main(shlex.split(line)[1:]) == 0, line
    assert len(commands) == 4 and "the certificate holds" in capsys.readouterr().out


def test_a_clock_set_back_is_found_where_it_was_set(
    market: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    changes = {"md.trades": later("receive_time", -4 * SECOND, 2500)}
    folder = planted(market, tmp_path / "log", changes)
    found = checked(capsys, folder, code=0)
    after = len(rows_of(folder, "md.trades")[0]) - 2500
    assert counts(found) == {"md.trades receive_time_back": 1, "md.trades negative_latency": after}
    assert {each["first"]["offset"] for each in found["findings"]} == {2500}
