"""The tear sheet of a market maker on two instruments, run by the command.

Oracle: polars over the run's own topics.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import msgspec
import polars
import pytest

from jobs.sq import main
from tests.scenario import INSTRUMENT, make_market, records_in, write_recording

MAKER = """\
from streams.signals.strategy import GTC, Strategy, StrategyState

class Maker(Strategy):
    NAME = "maker"
    WAKES = ("quotes",)

    class State(StrategyState):
        seen: int = 0
        working: list[tuple[str, int, int]] = []

    def on_quote(self, quote, context):
        state = self.state
        state.seen += 1
        if state.seen % 20 or not quote.bid_price or not quote.ask_price:
            return
        for order, instrument, side in state.working:
            self.cancel(context, order, instrument, side)
        state.working = []
        if state.seen % 300 == 0:
            self.order(context, quote.instrument, 1 + state.seen // 300 % 2, 30)
        for side, price in ((1, quote.bid_price), (2, quote.ask_price)):
            terms = {"price": price, "time_in_force": GTC, "post_only": True}
            order = self.order(context, quote.instrument, side, 40, **terms)
            state.working.append((order, quote.instrument, side))
"""
PRICES = (INSTRUMENT.price_precision, INSTRUMENT.price_precision + 1)
UNITS = tuple(10 ** (precision + INSTRUMENT.quantity_precision) for precision in PRICES)
"""By instrument: decimals of a price, and what one of the account's currency is in the unit of its
amounts.
"""
HORIZONS = {
    "after_100ms": 100_000_000,
    "after_1s": 10**9,
    "after_10s": 10**10,
    "after_60s": 6 * 10**10,
}


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two instruments; the second has other decimals and a multiplier."""
    folder = tmp_path_factory.mktemp("sheet")
    second = msgspec.structs.replace(
        INSTRUMENT,
        instrument=2,
        symbol="OTHERUSDT",
        price_precision=INSTRUMENT.price_precision + 1,
        multiplier=3,
    )
    for number, instrument in ((1, INSTRUMENT), (2, second)):
        trades, depth = (
            [msgspec.structs.replace(each, instrument=number) for each in records]
            for records in make_market(4_000, 6_000, number, -1)
        )
        write_recording(folder / str(number), [instrument], trades, depth)
    assert main(["merge", str(folder / "1"), str(folder / "2"), "--out", str(folder / "both")]) == 0
    return folder / "both"


@pytest.fixture(scope="module")
def run(recording: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The maker over it."""
    folder = tmp_path_factory.mktemp("sheet")
    (folder / "maker.py").write_text(MAKER)
    assert (
        main(
            [
                "backtest",
                str(recording),
                "--strategy",
                f"{folder / 'maker.py'}:Maker",
                "--out",
                str(folder / "run"),
            ]
        )
        == 0
    )
    return folder / "run"


@pytest.fixture(scope="module")
def report(run: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((run / "report.json").read_text())
    assert [row for row in found["checks"] if not row["ok"]] == []
    return found


def rows(path: Path) -> list[dict[str, str]]:
    """A CSV file's rows."""
    with path.open() as file:
        return list(csv.DictReader(file))


def topic(run: Path, name: str) -> polars.DataFrame:
    """A topic by polars, enums as text."""
    return polars.concat(
        [polars.read_avro(path) for path in sorted((run / name / "0").glob("*.avro"))]
    )


def test_markouts_equal_an_asof_join_by_polars(run: Path, report: dict[str, Any]) -> None:
    """Mid of the last quote before the fill, and of the last one not after each horizon; unknown
    where the book was stale or the data end.
    """
    ended = json.loads((run / "run.json").read_text())["clock_end"]
    quotes = (
        topic(run, "md.quotes")
        .with_columns(
            half=polars.when(
                (polars.col("flags") & 3) == 0,
                polars.col("bid_price") > 0,
                polars.col("ask_price") > 0,
            ).then(polars.col("bid_price") + polars.col("ask_price"))
        )
        .select("instrument", "event_time", "half")
    )
    fills = (
        topic(run, "fills")
        .with_row_index("place")
        .with_columns(multiplier=polars.when(polars.col("instrument") == 2).then(3).otherwise(1))
    )
    together = {
        row["liquidity"]: row for row in report["markouts"]["rows"] if row["instrument"] is None
    }
    assert together.keys() == {"MAKER", "TAKER"} and report["markouts"]["source"] == "md.quotes"
    listed = rows(run / "fills.csv")
    for name, offset in {"at_fill": -1, **HORIZONS}.items():
        asked = fills.with_columns(at=polars.col("event_time") + offset).sort("at")
        seen = asked.join_asof(
            quotes.sort("event_time"),
            left_on="at",
            right_on="event_time",
            by="instrument",
            check_sortedness=False,
        )
        seen = seen.with_columns(
            half=polars.when(polars.col("at") <= ended).then(polars.col("half"))
        ).sort("place")
        for place, half, instrument in seen.select("place", "half", "instrument").iter_rows():
            text = listed[place][f"mid_{name}"]
            assert (
                text == ""
                if half is None
                else Decimal(text) == Decimal(half) / 2 / 10 ** PRICES[instrument - 1]
            )
        for liquidity, row in together.items():
            mine = seen.filter(
                (polars.col("liquidity") == liquidity) & polars.col("half").is_not_null()
            )
            amount = sum(
                Fraction(
                    (half - 2 * price) * quantity * multiplier * (1 if side == "BUY" else -1),
                    2 * UNITS[instrument - 1],
                )
                for half, price, quantity, multiplier, side, instrument in mine.select(
                    "half", "price", "quantity", "multiplier", "side", "instrument"
                ).iter_rows()
            )
            assert (row[name]["fills"], Fraction(row[name]["amount"])) == (len(mine), amount), (
                name,
                liquidity,
            )
    assert (
        together["MAKER"]["at_fill"]["basis_points"]
        > 0
        > together["TAKER"]["at_fill"]["basis_points"]
    )


def test_instruments_add_up_to_the_account_exactly(run: Path, report: dict[str, Any]) -> None:
    """Oracle: the balance that the ledger's last P&L record gives, and the positions topic."""
    parts, balance = report["profit_by_instrument"], report["balance"]
    assert [row["symbol"] for row in parts] == ["TESTUSDT", "OTHERUSDT"]
    for name in ("realized", "unrealized", "fees", "net"):
        assert sum(Fraction(row[name]) for row in parts) == Fraction(balance[name]), name
        assert any(Fraction(row[name]) for row in parts), name
    assert sum(Fraction(row["volume"]) for row in parts) == Fraction(report["costs"]["volume"])
    assert sum(row["fills"] for row in parts) == report["round_trips"]["fills"] > 50
    assert sum(row["trades"] for row in parts) == report["trades"]
    assert sum(row["contribution"] for row in parts) == pytest.approx(
        report["total_return"], rel=1e-12
    )
    last = {row["instrument"]: row for row in records_in(run, "positions")}
    for row, scale in zip(parts, UNITS, strict=True):
        assert Fraction(row["realized"]) == Fraction(
            int(last[row["instrument"]]["realized"]), scale
        )
    trips = rows(run / "round_trips.csv")
    for row in parts:
        mine = [Fraction(each["net"]) for each in trips if each["symbol"] == row["symbol"]]
        assert row["win_rate"] == sum(net > 0 for net in mine) / len(mine)
    assert rows(run / "instruments.csv") == [
        {key: str(value) for key, value in row.items()} for row in parts
    ]


def test_equity_by_the_second_meets_the_ledger_on_every_minute(
    run: Path, report: dict[str, Any], recording: Path, sq: Callable[..., Any], tmp_path: Path
) -> None:
    """Oracle: the pnl topic, published every second, whose records the report does not use but on
    whole minutes.
    """
    assert report["curve"]["sampled"] == "second"
    (tmp_path / "often.toml").write_text("[portfolio]\npnl_interval = 1000000000\n")
    (tmp_path / "maker.py").write_text(MAKER)
    often = tmp_path / "often"
    ended = sq(
        "backtest",
        recording,
        "--strategy",
        f"{tmp_path / 'maker.py'}:Maker",
        "--config",
        tmp_path / "often.toml",
        "--out",
        often,
    )
    assert ended.code == 0, ended.err
    curve = {int(row["event_time"]): Fraction(row["equity"]) for row in rows(often / "equity.csv")}
    ledger = {
        row["event_time"]: row["equity"]
        for row in records_in(often, "pnl")
        if row["equity"] is not None
    }
    compared = [time for time in curve if time in ledger]
    assert len(compared) > 150
    for time in compared:
        assert curve[time] == Fraction(int(ledger[time]), UNITS[1]), time
    assert (often / "equity.csv").read_bytes() == (run / "equity.csv").read_bytes()


def test_a_run_of_a_maker_is_verified_with_its_reports(
    run: Path, sq: Callable[..., Any], tmp_path: Path
) -> None:
    """The same bytes from the same run; a changed number of any new file is found."""
    ended = sq("report", run, "--out", tmp_path)
    assert ended.code == 0, ended.err
    names = sorted(path.name for path in tmp_path.iterdir())
    assert {"instruments.csv", "returns.csv", "rolling.csv"} < {*names}
    for name in names:
        assert (tmp_path / name).read_bytes() == (run / name).read_bytes(), name
    ended = sq("verify", run)
    assert ended.code == 0 and "reports: derived again" in ended.last, ended.out + ended.err


def test_the_page_of_a_maker_shows_every_chapter(run: Path) -> None:
    page = (run / "report.html").read_text()
    for text in (
        "Result by instrument",
        "Fills and the market after them",
        "buy and hold",
        "Inventory",
        "While they were open",
        "at the end of each second",
    ):
        assert text.lower() in page.lower(), text
    assert page.count("<th scope=row>Account</th>") == 1


@pytest.mark.parametrize("options", [("--warmup", "100h"), ("--from", "2030-01-01T00:00:00")])
def test_a_run_whose_time_traded_is_empty_has_books_that_agree(
    sq: Callable[..., Any], recording: Path, tmp_path: Path, options: tuple[str, str]
) -> None:
    """The page said that the books do not agree and no number is to be believed. Oracle: nothing
    was traded, so the account has what it began with.
    """
    ended = sq(
        "backtest", recording, "--strategy", "noop-python", *options, "--out", tmp_path / "run"
    )
    assert ended.code == 0, ended.err
    model = json.loads((tmp_path / "run" / "report.json").read_text())
    assert [check for check in model["checks"] if not check["ok"]] == []
    assert records_in(tmp_path / "run", "fills") == []
    assert Decimal(model["balance"]["net"]) == 0 and Decimal(model["balance"]["end"]) == 10**6
