"""The later chapters of the report against peer libraries and loops: the curve, buy and hold,
calendar, rolling statistics, instruments.
"""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import msgspec
import numpy as np
import pytest
from reporting_demo_market import BTC, MINUTE, PERPETUAL, SECOND, START, demo_input

from schemas.records import Fill, PnL
from schemas.vocabulary import Flag, Side
from streams.reporting.curve import SHORT_RUN
from streams.reporting.document import QuoteSeries, Report, ReportInput, build_report
from streams.reporting.metrics import METRICS, PERIODS_PER_DAY, PERIODS_PER_YEAR, minute_returns

DAYS_FROM = 1_722_470_400 * SECOND
"""2024-08-01: a run of 61 days from here ends in October."""
NEW_YEAR = 1_735_689_600 * SECOND


@pytest.fixture(scope="module")
def days() -> Report:
    """Three days and a bit, a quote a minute."""
    return build_report(
        demo_input(minutes=3 * 1440 + 100, seed=3, quotes_a_minute=1, fast=10, slow=60)
    )


def walk(minutes: int, seed: int, first: int = DAYS_FROM) -> ReportInput:
    """Equity alone, a P&L record a minute, over a quoted instrument."""
    draw = np.random.Generator(np.random.Philox(seed))
    levels = (10**16 + np.cumsum(draw.integers(-(10**11), 10**11 + 10**9, minutes))).tolist()
    times = [first + at * MINUTE for at in range(minutes + 1)]
    pnl = [PnL(1, times[0], 10, 0, 0, 0, 10**16, 10**16, 1, int(Flag.PARTIAL))]
    pnl += [
        PnL(1, time, 10, level - 10**16, 0, 0, level, level, 1, 0)
        for time, level in zip(times[1:], levels, strict=True)
    ]
    bids = 6_000_000 + np.cumsum(draw.integers(-300, 301, minutes + 1))
    quotes = QuoteSeries(
        np.array(times, np.int64), bids.astype(np.int64), bids.astype(np.int64) + 2
    )
    return ReportInput(
        instruments=[BTC], quotes={1: quotes}, pnl=pnl, facts={"end_time": times[-1]}
    )


@pytest.fixture(scope="module")
def months() -> Report:
    """62 days, a P&L record a minute."""
    return build_report(walk(62 * 1440, 5))


def test_calendar_returns_equal_empyrical() -> None:
    """Oracle: empyrical-reloaded's aggregate_returns over the same minute returns, dated by the
    minute's beginning; over a new year.
    """
    empyrical = pytest.importorskip("empyrical")
    pandas = pytest.importorskip("pandas")
    report = build_report(walk(500, 5, first=NEW_YEAR - 200 * MINUTE))
    result, calendar, drawn = report.result, report.model["calendar"], report.detail.curve
    held = report.detail.held
    assert held is not None and drawn.times == result.times
    dates = pandas.to_datetime([time - MINUTE for time in result.times], utc=True)
    for name, samples in (("return", result.samples), ("benchmark_return", held.samples)):
        series = pandas.Series(minute_returns(result.start or 0, samples), index=dates)
        for unit in ("monthly", "yearly"):
            expected = empyrical.aggregate_returns(series, unit)
            found = [row[name] for row in calendar[unit]]
            assert found == pytest.approx(expected.tolist(), rel=1e-9, abs=1e-12)
    assert [row["period"] for row in calendar["monthly"]] == ["2024-12", "2025-01"]
    assert [row["period"] for row in calendar["daily"]] == ["2024-12-31", "2025-01-01"]


def test_daily_returns_equal_pandas(days: Report) -> None:
    """Oracle: pandas' resampling of the CSV's own minutes, closed right."""
    pandas = pytest.importorskip("pandas")
    rows = days.to_csv()["equity.csv"].decode().splitlines()[1:]
    frame = pandas.DataFrame(
        [row.split(",") for row in rows], columns=["time", "utc", "equity", "drawdown", "held"]
    )
    index = pandas.to_datetime(frame["time"].astype("int64") - 1, utc=True)
    for column, name in (("equity", "return"), ("held", "benchmark_return")):
        last = (
            pandas.Series(frame[column].astype(float).to_numpy(), index=index).resample("1D").last()
        )
        expected = (last / last.shift(fill_value=1_000_000.0) - 1).tolist()
        assert [row[name] for row in days.model["calendar"]["daily"]] == pytest.approx(
            expected, rel=1e-9, abs=1e-12
        )
    profits = [Fraction(row["profit"]) for row in days.model["calendar"]["daily"]]
    assert len(profits) == 4 and sum(profits) == Fraction(days.model["balance"]["net"])


@pytest.mark.parametrize(
    ("name", "window"), [("days", PERIODS_PER_DAY), ("months", 30 * PERIODS_PER_DAY)]
)
def test_rolling_statistics_equal_empyrical_and_pandas(
    request: pytest.FixtureRequest, name: str, window: int
) -> None:
    """Oracle: empyrical's roll_sharpe_ratio and roll_max_drawdown, pandas' rolling standard
    deviation, at every thirtieth of our points.
    """
    empyrical = pytest.importorskip("empyrical")
    pandas = pytest.importorskip("pandas")
    report: Report = request.getfixturevalue(name)
    found, result = report.detail.rolling, report.result
    assert found is not None and found.window == window and len(found.times) <= 240
    assert (report.model["calendar"]["daily"] is None) == (name == "months")
    assert found.times[-1] == result.times[-1]
    places = {time: at for at, time in enumerate(result.times)}
    series = pandas.Series(minute_returns(result.start or 0, result.samples))
    spread = series.rolling(window).std(ddof=1)
    for at in range(0, len(found.times), 30):
        end = places[found.times[at]] + 1
        part = series[end - window : end]
        assert found.volatility[at] == pytest.approx(
            spread[end - 1] * PERIODS_PER_YEAR**0.5, rel=1e-6
        )
        assert found.sharpe[at] == pytest.approx(
            empyrical.sharpe_ratio(part, annualization=PERIODS_PER_YEAR), rel=1e-9
        )
        assert found.drawdown[at] == pytest.approx(empyrical.max_drawdown(part), rel=1e-9)


def test_a_window_of_an_hour_is_not_annualised() -> None:
    """Oracle: pandas. For an hour annualised is a number about nothing."""
    pandas = pytest.importorskip("pandas")
    report = build_report(demo_input(minutes=150, quotes_a_minute=10))
    found, result = report.detail.rolling, report.result
    assert found is not None and found.window == 60
    assert found.sharpe == [] and report.model["rolling"]["sharpe"] is None
    series = pandas.Series(minute_returns(result.start or 0, result.samples))
    assert found.volatility[-1] == pytest.approx(series[-60:].std(ddof=1), rel=1e-9)
    assert build_report(demo_input(minutes=100, quotes_a_minute=10)).model["rolling"] is None


@pytest.mark.parametrize("instrument", [BTC, PERPETUAL])
def test_equity_by_the_second_equals_a_ledger_kept_by_hand(instrument) -> None:
    """Oracle: cash and position walked second by second in Python integers, at whole minutes too,
    where the report has the ledger's.
    """
    records = demo_input(minutes=40, seed=11, instrument=instrument, quotes_a_minute=50)
    report = build_report(records)
    curve = report.detail.curve
    assert (
        curve.unit == "second" and len(curve.samples) == report.model["curve"]["samples"] > 39 * 60
    )
    quotes = records.quotes[instrument.instrument]
    stamps, bids, asks = (
        quotes.event_time.tolist(),
        quotes.bid_price.tolist(),
        quotes.ask_price.tolist(),
    )
    cash, held, fill_at, quote_at = 10**16, 0, 0, 0
    for time, sample in zip(curve.times, curve.samples, strict=True):
        while fill_at < len(records.fills) and records.fills[fill_at].event_time <= time:
            fill = records.fills[fill_at]
            signed = fill.quantity if fill.side == Side.BUY else -fill.quantity
            cash -= signed * fill.price + fill.fee
            held += signed
            fill_at += 1
        while quote_at < len(stamps) and stamps[quote_at] <= time:
            quote_at += 1
        assert sample == cash + held * (bids if held > 0 else asks)[quote_at - 1]
    assert curve.samples[-1] == report.result.samples[-1]
    assert (report.model["maximum_drawdown"] or 0) >= report.model["curve"]["maximum_drawdown"]
    assert report.model["metrics"] == build_report(records).model["metrics"]


def test_the_bound_of_a_short_run_is_six_hours() -> None:
    """A run of six hours is drawn by the minute; one a second shorter, by the second."""
    assert SHORT_RUN == 6 * 3600 * SECOND
    for cut, unit in ((0, "minute"), (SECOND, "second")):
        records = walk(360, 1)
        records.facts["end_time"] -= cut
        records.pnl = [
            msgspec.structs.replace(row, event_time=min(row.event_time, records.facts["end_time"]))
            for row in records.pnl
        ]
        assert build_report(records).model["curve"]["sampled"] == unit


def test_equity_stays_by_the_minute_without_marks_and_repeats_itself_while_a_book_is_stale() -> (
    None
):
    records = demo_input(minutes=20)
    quotes = records.quotes[1]
    records.quotes = {}
    assert build_report(records).model["curve"]["sampled"] == "minute"
    flags = np.where(np.arange(len(quotes.event_time)) > 1_000, int(Flag.STALE), 0).astype(np.int64)
    records.quotes = {1: msgspec.structs.replace(quotes, flags=flags)}
    curve = build_report(records).detail.curve
    stale = [
        at
        for at, time in enumerate(curve.times)
        if time > quotes.event_time[1_001] and time % MINUTE and time < curve.times[-1]
    ]
    assert stale and all(
        curve.samples[at] == curve.samples[at - 1] for at in stale if at - 1 in stale
    )


def two_quoted() -> ReportInput:
    """Equity over two instruments, the second quoted from the tenth minute on, the first stale at
    its beginning.
    """
    records = walk(30, 9)
    first = records.quotes[1]
    flags = np.where(np.arange(31) < 2, int(Flag.STALE), 0).astype(np.int64)
    second = QuoteSeries(
        first.event_time[10:] + 7 * SECOND, first.bid_price[10:] // 3, first.bid_price[10:] // 3 + 5
    )
    records.instruments = [BTC, PERPETUAL]
    records.quotes = {1: msgspec.structs.replace(first, flags=flags), 2: second}
    return records


def test_buy_and_hold_equals_fractions_of_the_capital() -> None:
    """Oracle: the stated rule in fractions; each part is rounded once, half-even."""
    records = two_quoted()
    report = build_report(records)
    found = report.model["benchmark"]
    assert [each["part"] for each in found["instruments"]] == ["500000", "500000"]
    bought = {1: records.quotes[1].event_time[2], 2: records.quotes[2].event_time[0]}
    held = report.detail.held
    assert held is not None
    for time, value in zip(report.detail.curve.times, held.samples, strict=True):
        expected = 0
        for instrument, quotes in records.quotes.items():
            usable = [
                at
                for at in range(len(quotes.event_time))
                if quotes.flags is None or not quotes.flags[at]
            ]
            before = [at for at in usable if quotes.event_time[at] <= time]
            part = Fraction(10**16, 2)
            if time >= bought[instrument]:
                part = part * int(quotes.bid_price[before[-1]]) / int(quotes.ask_price[usable[0]])
            expected += round(part)
        assert value == expected
    last = report.detail.curve.samples[-1]
    assert Fraction(found["excess_profit"]) * 10**10 == last - held.samples[-1]
    assert found["total_return"] == (held.samples[-1] - 10**16) / 10**16
    prices = {each["instrument"]: each["price"] for each in found["instruments"]}
    assert prices[1] == f"{records.quotes[1].ask_price[2] / 100:.2f}".rstrip("0").rstrip(".")


def test_there_is_no_benchmark_without_a_quote_or_a_capital() -> None:
    records = walk(10, 2)
    records.quotes = {}
    assert build_report(records).model["benchmark"] is None
    records = demo_input(minutes=5)
    records.pnl = []
    assert build_report(records).model["benchmark"] is None


def test_parts_of_instruments_are_compared_with_the_account() -> None:
    """A planted position of one instrument is found by the parts, on the page too."""
    records = demo_input(minutes=60)
    assert [row for row in build_report(records).model["checks"] if not row["ok"]] == []
    last = records.positions[-1]
    records.positions = [
        *records.positions[:-1],
        msgspec.structs.replace(last, cost=last.cost + 1, realized=last.realized + 1),
    ]
    failed = [row["name"] for row in build_report(records).model["checks"] if not row["ok"]]
    assert "realized of the instruments = realized of the account" in failed


def test_a_folder_without_positions_says_nothing_of_instruments() -> None:
    """What a topology did not publish is not taken for zero: the books agree."""
    records = demo_input(minutes=60)
    records.positions = []
    report = build_report(records)
    assert report.model["profit_by_instrument"] == []
    assert [row for row in report.model["checks"] if not row["ok"]] == []
    assert report.model["curve"]["sampled"] == "minute"


def test_positions_of_the_balance_s_own_instant_are_told_apart_by_what_the_ledger_booked() -> None:
    """A fill of the very instant of the last valued record lies before it, or behind it: both are
    balanced.
    """
    records = demo_input(minutes=60)
    at = next(
        place
        for place, row in enumerate(records.pnl)
        if row.event_time > records.positions[2].event_time
    )
    valued = records.pnl[at - 1]
    behind = msgspec.structs.replace(records.positions[2], event_time=valued.event_time)
    rest = [
        msgspec.structs.replace(row, event_time=max(row.event_time, valued.event_time))
        for row in records.positions[3:]
    ]
    records.positions = [*records.positions[:2], behind, *rest]
    blind = [msgspec.structs.replace(row, equity=None, unrealized=None) for row in records.pnl[at:]]
    records.pnl = [*records.pnl[:at], *blind]
    report = build_report(records)
    assert [
        row
        for row in report.model["checks"]
        if row["name"].startswith("realized of") and not row["ok"]
    ] == []
    assert report.model["profit_by_instrument"][0]["fees"] == report.model["balance"]["fees"]


def test_inventory_equals_a_walk_in_fractions() -> None:
    """Oracle: position times time held, in fractions, over the time traded."""
    fills = [
        Fill("0" * 20, 1, 1, 1, START + second * SECOND, side, 6_000_000, quantity, 1, 0, number)
        for number, (second, side, quantity) in enumerate(
            [(0, 1, 5), (10, 2, 3), (40, 2, 4), (70, 1, 2), (90, 1, 1)]
        )
    ]
    report = build_report(
        ReportInput(instruments=[BTC], fills=fills, facts={"end_time": START + 100 * SECOND})
    )
    (row,) = report.model["inventory"]
    held = [(10, 5), (30, 2), (30, -2), (20, 0), (10, 1)]
    assert row["average"] == float(
        Fraction(sum(length * size for length, size in held), 100) / 10**8
    )
    assert row["average_size"] == float(
        Fraction(sum(length * abs(size) for length, size in held), 100) / 10**8
    )
    assert (row["time_long"], row["time_short"], row["time_flat"]) == (0.5, 0.3, 0.2)
    assert (row["largest_long"], row["largest_short"], row["at_end"]) == (
        "0.00000005",
        "-0.00000002",
        "0.00000001",
    )


def test_the_page_of_the_tear_sheet_names_every_chapter_and_file(days: Report) -> None:
    """docs/tearsheet.md against the model and the files."""
    page = (Path(__file__).resolve().parents[2] / "docs" / "tearsheet.md").read_text()
    known = {metric.name for metric in METRICS}
    told = {
        "report", "version", "strategy", "account", "currency", "period", "metrics", "honesty",
        "balance_at", "balance", "orders", "costs", "returns", "round_trips", "instruments",
        "checks", "warnings", "run",
    }  # fmt: skip
    chapters = [name for name in days.model if name not in known | told]
    assert len(chapters) == 8 and [name for name in chapters if f"`{name}`" not in page] == []
    new = ("equity.csv", "fills.csv", "instruments.csv", "returns.csv", "rolling.csv")
    assert [name for name in new if f"`{name}`" not in page or name not in days.to_csv()] == []
