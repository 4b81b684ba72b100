"""Backtests on best prices, trades or bars alone (VEN-17).

Oracles: the bars and prints of the recording, read by fastavro and grouped by polars; the same
strategy on the order book of the same market; `sq verify`. The rules of fills have a brute-force
venue of their own in `tests/venue/test_assumed_prices.py`.
"""

from __future__ import annotations

import bisect
import itertools
import json
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import polars as pl
import pytest
from recordings import COINBASE

from jobs.configuration import BadConfiguration
from jobs.runs import Backtest
from jobs.verification import verify_run
from schemas.codec import codec
from schemas.records import Bar
from streams.log.local import LocalLog
from tests.scenario import (
    INSTRUMENT,
    Killed,
    backtest,
    close_recording,
    configuration,
    digests,
    make_recording,
    records_in,
)

ROOT = Path(__file__).resolve().parents[2]
SECOND = 1_000_000_000
SECONDS: dict[str, Any] = {"aggregation": {"intervals": [SECOND]}}
MONEY: dict[str, Any] = {"cash": "100000000USDT"}
STRATEGIES = Path(__file__).parent / "bar_crosser.py"
CROSSER = f"{STRATEGIES}:BarCrosser"
REPORTED = 3_000_000
"""From a fill at the venue to its record: the response leg less the feed leg, ns."""


def bars_only(folder: Path, bars: list[Bar]) -> Path:
    """A recording of these bars and nothing else."""
    log = LocalLog.create(folder)
    log.writer("ref.instruments").append(codec("Instrument").encode_records([INSTRUMENT]), 1, 1)
    encoder = codec("Bar")
    for first in range(0, len(bars), 100):
        part = bars[first : first + 100]
        log.writer("md.bars").append(
            encoder.encode_records(part), len(part), max(each.open_time for each in part)
        )
    close_recording(log, folder)
    return folder


def bars_in(folder: Path) -> list[Bar]:
    """The bars of a recording or a run."""
    decoder = codec("Bar")
    log = LocalLog.open(folder)
    found = [
        bar
        for block in log.reader("md.bars").blocks()
        for bar in decoder.decode_records(block.body, block.count)
    ]
    log.close()
    return found


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Depth, trades and best prices of about a minute."""
    return make_recording(tmp_path_factory.mktemp("market") / "m", 1500, 3000, has_tickers=True)


@pytest.fixture(scope="module")
def on_book(market: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("book") / "run"
    return backtest(market, folder, CROSSER, ticker="off", **SECONDS, **MONEY)


@pytest.fixture(scope="module")
def bars(on_book: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bars of the market's trades by the second, as a recording of their own."""
    return bars_only(tmp_path_factory.mktemp("bars") / "b", bars_in(on_book.folder))


def fills_of(run: Any) -> list[dict[str, Any]]:
    return records_in(run.folder, "fills")


def worst(prints: list[dict[str, Any]], side: str) -> int:
    """What an order of this side gets after these prints, by docs/data.md."""
    tick, last = INSTRUMENT.tick_size, prints[-1]["price"]
    paid = next((each["price"] for each in reversed(prints) if each["aggressor_side"] == side), 0)
    return max(last + tick, paid) if side == "BUY" else min(last - tick, paid or last)


def test_the_same_strategy_on_all_data_of_one_market_differs_as_the_rules_say(
    market: Path, bars: Path, on_book: Any, tmp_path: Path
) -> None:
    """The bars are equal, so the decisions are; every fill's price is what docs/data.md says,
    worked out from the recording. By how much that differs from the order book is at the end.
    """
    runs = {
        "quotes": backtest(market, tmp_path / "q", CROSSER, data="quotes", **SECONDS, **MONEY),
        "trades": backtest(market, tmp_path / "t", CROSSER, data="trades", **SECONDS, **MONEY),
        "bars": backtest(bars, tmp_path / "b", CROSSER, **MONEY),
    }
    expected = records_in(on_book.folder, "md.bars")
    tick = INSTRUMENT.tick_size
    prints, tickers = (records_in(market, f"md.{name}") for name in ("trades", "book_tickers"))
    clocks, shown = (
        list(itertools.accumulate((each["event_time"] for each in rows), max))
        for rows in (prints, tickers)
    )
    opens = {each["open_time"]: each["open"] for each in expected}
    for name, run in runs.items():
        assert records_in(run.folder, "md.bars")[:-1] == expected[:-1]  # the last one is cut
        assert len(fills_of(run)) > 10
        for fill in fills_of(run):
            at, is_buy = fill["event_time"] - REPORTED, fill["side"] == "BUY"
            if name == "quotes":
                ticker = tickers[bisect.bisect_right(shown, at) - 1]
                assert fill["price"] == ticker["ask_price" if is_buy else "bid_price"]
            elif name == "trades":
                known = prints[: bisect.bisect_right(clocks, at)]
                assert fill["price"] == worst(known, fill["side"])
            else:
                assert fill["price"] == opens[at - at % SECOND] + (tick if is_buy else -tick)
    costs = {name: cost_in_ticks(run, on_book) for name, run in runs.items()}
    # measured: 0.58, 0.90 and 1.14 ticks an order worse than on the book (docs/data.md)
    assert 0 < costs["quotes"] < 1, costs
    assert 0.5 < costs["trades"] < 1.5, costs
    assert 0.5 < costs["bars"] < 1.5, costs


def cost_in_ticks(run: Any, on_book: Any) -> float:
    """How much worse the orders of a run filled than on the book, those of the same time and side:
    mean in ticks.
    """
    mine, theirs = (
        {(each["event_time"] // SECOND, each["side"]): each["price"] for each in fills_of(each_run)}
        for each_run in (run, on_book)
    )
    signed = [
        (mine[key] - theirs[key]) * (1 if key[1] == "BUY" else -1) for key in mine if key in theirs
    ]
    assert len(signed) > 10
    return sum(signed) / len(signed) / INSTRUMENT.tick_size


def test_bars_of_the_data_are_published_as_they_are_and_longer_ones_are_their_sums(
    bars: Path, tmp_path: Path
) -> None:
    """Oracle: polars' group_by_dynamic."""
    lengths = [SECOND, 5 * SECOND, 60 * SECOND]
    run = backtest(bars, tmp_path / "r", CROSSER, aggregation={"intervals": lengths}, **MONEY)
    given = records_in(bars, "md.bars")
    found = records_in(run.folder, "md.bars")
    assert [each for each in found if each["interval"] == SECOND] == given
    frame = pl.DataFrame(
        [
            {key: row[key] for key in row if "quote" not in key and "wide" not in key}
            for row in given
        ]
    )
    for length in lengths[1:]:
        grouped = (
            frame.with_columns((pl.col("open_time") // length * length).alias("begins"))
            .group_by("begins", maintain_order=True)
            .agg(
                pl.col("open").first(), pl.col("high").max(), pl.col("low").min(),
                pl.col("close").last(), pl.col("volume").sum(), pl.col("trade_count").sum(),
                pl.col("taker_buy_volume").sum(),
            )
        )  # fmt: skip
        mine = [
            {"begins": each["open_time"], **{name: each[name] for name in grouped.columns[1:]}}
            for each in found
            if each["interval"] == length
        ]
        assert mine == grouped.to_dicts()
        longer = [each for each in found if each["interval"] == length]
        for name in ("quote_volume", "taker_buy_quote_volume", "volume_wide"):
            assert sum(each[name] for each in longer) == sum(each[name] for each in given)


@pytest.mark.parametrize("data", ["quotes", "trades", "bars"])
def test_batches_kills_and_proof_are_those_of_any_run(
    market: Path, bars: Path, tmp_path: Path, data: str
) -> None:
    source = bars if data == "bars" else market
    whole = backtest(source, tmp_path / "whole", CROSSER, data=data, **MONEY)
    for batch in (1, 13):
        run = backtest(source, tmp_path / str(batch), CROSSER, data=data, batch=batch, **MONEY)
        assert digests(run) == digests(whole)
    seen: list[str] = []

    def watch(step: str) -> None:
        seen.append(step)
        if seen.count("snapshot written") == 3:
            raise Killed

    chosen = configuration(CROSSER, data=data, batch=7, state_digest_records=14, **MONEY)
    with pytest.raises(Killed):
        Backtest(chosen, source, tmp_path / "killed", on_step=watch).run()
    resumed = Backtest(chosen, source, tmp_path / "killed").run()
    assert resumed.resumed_at
    assert digests(resumed) == digests(whole)
    assert verify_run(resumed.folder).is_good


def test_the_most_telling_data_are_traded_on_and_everything_says_which(
    market: Path, bars: Path, sq: Callable[..., Any], tmp_path: Path
) -> None:
    cash = ("--cash", MONEY["cash"])
    ended = sq("backtest", market, "--strategy", CROSSER, *cash, "--out", tmp_path / "m")
    assert "ticker cap" in ended.out
    assert "assumed:" not in ended.out
    ended = sq("backtest", bars, "--strategy", CROSSER, *cash, "--out", tmp_path / "b")
    assert ended.code == 0
    assert "traded on bars" in ended.out
    assert "assumed: a bar is four prints" in ended.out
    report = json.loads((tmp_path / "b" / "report.json").read_text())
    assert report["run"]["data"] == "bars"
    assert report["run"]["fill_model"] == "through"
    assert "waits for the next open" in report["run"]["fill_rule"]
    assert "ASSUMED_FILLS" in [each["code"] for each in report["warnings"]]
    assert "waits for the next open" in (tmp_path / "b" / "report.html").read_text()
    again = sq("backtest", bars, "--strategy", CROSSER, *cash, "--out", tmp_path / "b")
    assert "finished already" in again.out
    assert sq("verify", tmp_path / "b").code == 0
    assert sq("replay", tmp_path / "b", "--out", tmp_path / "c").code == 0


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"data": "bars"}, "has no md.bars; it has book, quotes, trades"),
        ({"data": "trades", "fill_model": "log-prob"}, "needs a recorded order book"),
        ({"data": "trades", "ticker": "cap"}, "--ticker is for a recorded order book"),
        ({"data": "book", "spread": "2"}, "--spread is of prices that are assumed"),
        ({"data": "trades", "spread": "-1"}, "give a whole number of ticks"),
        ({"data": "trades", "spread": "1000001"}, "give 0 to 1000000"),
        ({"data": "ticks"}, "data is 'ticks'"),
        ({"aggregation": {"data": "ticks"}}, "--data ticks: .* has no ticks"),
        ({"venue": {"data": "trades"}}, "sets data, which --data and --spread do"),
    ],
    ids=str,
)
def test_what_cannot_be_is_refused_by_name(
    market: Path, tmp_path: Path, options: dict[str, Any], words: str
) -> None:
    with pytest.raises(BadConfiguration, match=words):
        backtest(market, tmp_path / "run", CROSSER, **options, **MONEY)


def test_a_deployment_trades_on_the_order_book(sq: Callable[..., Any], tmp_path: Path) -> None:
    """Refused before a cluster is asked for anything."""
    (tmp_path / "run.toml").write_text('strategy = "ema-cross"\ndata = "trades"\n')
    ended = sq("run", "pipeline", "--config", tmp_path / "run.toml", "--cluster", "kafka://nowhere")
    assert ended.code == 2
    assert "a deployed topology trades on the order book" in ended.err
    (tmp_path / "run.toml").write_text('strategy = "ema-cross"\ncharges = "future"\n')
    ended = sq("run", "pipeline", "--config", tmp_path / "run.toml", "--cluster", "kafka://nowhere")
    assert ended.code == 2
    assert "give a deployment fees" in ended.err


@pytest.mark.parametrize(
    ("strategy", "data", "words"),
    [
        ("BookReader", "trades", "reads md.depth, and the run trades on data of trades"),
        ("BookReader", "quotes", "reads md.depth, and the run trades on data of quotes"),
        ("TradeReader", "bars", "reads md.trades, and the run trades on data of bars"),
    ],
)
def test_a_strategy_that_reads_what_the_data_do_not_make_is_refused(
    market: Path, bars: Path, tmp_path: Path, strategy: str, data: str, words: str
) -> None:
    source = bars if data == "bars" else market
    with pytest.raises(BadConfiguration, match=words):
        backtest(source, tmp_path / "run", f"{STRATEGIES}:{strategy}", data=data, **MONEY)


def test_bars_of_several_lengths_and_intervals_that_they_cannot_make_are_refused(
    bars: Path, tmp_path: Path
) -> None:
    with pytest.raises(BadConfiguration, match="bars of 1s make bars of multiples of"):
        intervals = {"intervals": [SECOND + 1]}
        backtest(bars, tmp_path / "a", CROSSER, aggregation=intervals, **MONEY)
    rows = bars_in(bars)
    other = msgspec.structs.replace(rows[-1], close_time=rows[-1].close_time + 1)
    mixed = bars_only(tmp_path / "mixed", [*rows, other])
    with pytest.raises(BadConfiguration, match="trade on a recording of bars of one length"):
        backtest(mixed, tmp_path / "b", CROSSER, **MONEY)


def test_the_page_of_data_does_what_it_says(
    sq: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its commands, one after the other, in an empty folder."""
    monkeypatch.chdir(tmp_path)
    page = (ROOT / "docs" / "data.md").read_text(encoding="utf-8")
    lines = page.split("```sh\n")[1].split("```")[0].splitlines()
    for line in lines:
        assert sq(*shlex.split(line)[1:]).code == 0, line
    reports = {
        name: json.loads((tmp_path / "runs" / name / "report.json").read_text())["run"]
        for name in ("book", "quotes", "trades")
    }
    assert {name: run["data"] for name, run in reports.items()} == {name: name for name in reports}
    assert "2 ticks beyond its price" in reports["trades"]["fill_rule"]


def test_a_forged_bar_is_a_dead_letter_with_its_reason(bars: Path, tmp_path: Path) -> None:
    """Bars that no import lets through: prices that do not lie within low and high."""
    rows = bars_in(bars)
    forged = list(rows)
    at = len(rows) // 2
    forged[at] = msgspec.structs.replace(rows[at], low=rows[at].high + 5)
    run = backtest(bars_only(tmp_path / "f", forged), tmp_path / "run", CROSSER, **MONEY)
    (letter,) = records_in(run.folder, "pipeline.dlq")
    assert letter["reason"] == "price_range"
    published = records_in(run.folder, "md.bars")
    assert len(published) == len(rows) - 1


def test_minutes_made_of_recorded_seconds_are_the_publishers_minutes(
    market_data: Path, sq: Callable[..., Any], tmp_path: Path
) -> None:
    """Oracle: QuantConnect's own minutes of the same days of Coinbase, all 4,216."""
    (tmp_path / "map.toml").write_text(COINBASE)
    for name in ("second", "minute"):
        source = market_data / "coinbase" / name / "btcusd"
        mapped = ("--map", tmp_path / "map.toml", "--out", tmp_path / name)
        assert sq("import", "lean", source, *mapped).code == 0
    (tmp_path / "run.toml").write_text(
        f'strategy = "noop-python"\n[aggregation]\nintervals = [{SECOND}, {60 * SECOND}]\n'
    )
    words = ("--config", tmp_path / "run.toml", "--cash", "1000000USD", "--out", tmp_path / "run")
    assert sq("backtest", tmp_path / "second", *words).code == 0
    names = ("open_time", "open", "high", "low", "close", "volume")
    minutes = [
        tuple(each[name] for name in names)
        for each in records_in(tmp_path / "run", "md.bars")
        if each["interval"] == 60 * SECOND
    ]
    theirs = records_in(tmp_path / "minute", "md.bars")
    assert minutes == [tuple(each[name] for name in names) for each in theirs]
    assert len(minutes) == 4_216


def test_the_recorded_days_of_nse_run_from_the_two_commands_of_the_page(
    market_data: Path, sq: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its commands as written, where LEAN's folders lie; the index, which has no volume, too."""
    for kind in ("equity", "index"):
        (tmp_path / kind).mkdir()
        (tmp_path / kind / "india").symlink_to(market_data / "india" / kind)
    monkeypatch.chdir(tmp_path)
    page = (ROOT / "docs" / "commands.md").read_text("utf-8").split("`--charges` in place of")[1]
    for line in page.split("```sh\n")[1].split("```")[0].splitlines():
        assert sq(*shlex.split(line)[1:]).code == 0, line
    nifty = ("index/india/minute/nifty50", "--instrument", "NIFTY 50@nse", "--out", "data/nifty")
    assert sq("import", "lean", *nifty).code == 0
    words = ("--strategy", CROSSER, "--cash", "10000000INR", "--out", "runs/nifty")
    ended = sq("backtest", "data/nifty", *words)
    assert "of an instrument without any volume in the data any quantity is assumed" in ended.out
    opens = {each["open_time"]: each["open"] for each in records_in(Path("data/nifty"), "md.bars")}
    fills = records_in(Path("runs/nifty"), "fills")
    assert len(fills) > 50
    for fill in fills:
        at = fill["event_time"] - fill["event_time"] % (60 * SECOND)
        assert fill["price"] == opens[at] + (1 if fill["side"] == "BUY" else -1)
    for run in ("yesbank", "nifty"):
        assert sq("verify", f"runs/{run}").code == 0
