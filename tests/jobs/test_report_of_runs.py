"""What a report says of time, fees and the balance, on runs made by the command (issue 12: A4, A5,
A6, B14, B15).
"""

from __future__ import annotations

import json
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from jobs.sq import main
from tests.scenario import make_recording, records_in

START = 1_704_067_200_000_000_000
SECOND = 1_000_000_000
TURNS = """\
from streams.signals.strategy import Strategy, StrategyState

class Turns(Strategy):
    NAME = "turns"
    WAKES = ("marks",)

    class State(StrategyState):
        turn: int = -1

    def on_mark(self, mark, context):
        turn = context.clock // {seconds}_000_000_000
        if turn != self.state.turn:
            self.state.turn = turn
            self.signal(context, mark.instrument, {target})
"""


@pytest.fixture(scope="module")
def minutes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Seven generated minutes."""
    folder = tmp_path_factory.mktemp("report") / "market"
    assert main(["generate", "--minutes", "7", "--seed", "9", "--out", str(folder)]) == 0
    return folder


@pytest.fixture
def report(sq: Callable[..., Any], tmp_path: Path) -> Callable[..., dict[str, Any]]:
    """Backtests a strategy of turns; report.json, with the folder's path under "folder"."""
    made: list[Path] = []

    def run(
        recording: Path, *options: object, target: str = "(1, 0, 0)[turn % 3]", seconds: int = 10
    ) -> dict[str, Any]:
        source = tmp_path / "turns.py"
        source.write_text(TURNS.format(target=target, seconds=seconds))
        made.append(tmp_path / f"run{len(made)}")
        ended = sq(
            "backtest",
            recording,
            "--strategy",
            f"{source}:Turns",
            *options,
            "--out",
            made[-1],
            "--json",
        )
        assert ended.code == 0, ended.err
        found = json.loads((made[-1] / "report.json").read_text())
        assert ended.json()["report"] == {
            name: value for name, value in found.items() if name != "run"
        }
        assert [row for row in found["checks"] if not row["ok"]] == []
        return found | {"folder": made[-1]}

    return run


def test_what_adds_up_over_a_run_divided_in_two_adds_up(
    report: Callable[..., dict[str, Any]], minutes: Path
) -> None:
    """Property: [from, T) and [T, to) give the whole's orders, fills, volume, fees, profit, days
    and exposed time; the account is flat at T.
    """
    first, middle, last = (START + seconds * SECOND + 123_456_789 for seconds in (55, 205, 385))
    whole = report(minutes, "--from", first, "--to", last)
    halves = [
        report(minutes, "--from", first, "--to", middle),
        report(minutes, "--from", middle, "--to", last),
    ]

    def added(of: Callable[[dict[str, Any]], Any]) -> bool:
        return bool(of(whole) == sum(of(half) for half in halves))

    for found, (began, ended) in zip(
        (whole, *halves), ((first, last), (first, middle), (middle, last)), strict=True
    ):
        assert (found["period"]["from_ns"], found["period"]["to_ns"]) == (began, ended)
        assert found["days"] == (ended - began) / (86_400 * SECOND)
        assert found["trades_per_day"] == found["trades"] / found["days"]
    assert added(lambda found: found["period"]["to_ns"] - found["period"]["from_ns"])
    assert added(lambda found: found["orders"]["requested"])
    assert added(lambda found: found["round_trips"]["fills"])
    assert added(lambda found: found["trades"])
    assert added(lambda found: Fraction(found["costs"]["volume"]))
    assert added(lambda found: Fraction(found["costs"]["fees"]))
    assert added(lambda found: Fraction(found["balance"]["net"]))
    assert added(
        lambda found: round(
            found["exposure"] * (found["period"]["to_ns"] - found["period"]["from_ns"]) / 1000
        )
    )
    assert whole["trades"] > 5


def test_statistics_begin_with_trading(
    report: Callable[..., dict[str, Any]], minutes: Path
) -> None:
    """Oracle: the first mark, and the fills. Days, exposure and time under water are of the time
    traded, to the nanosecond.
    """
    found = report(minutes, "--warmup", "90s", target="1")
    began = records_in(found["folder"], "md.marks")[0]["event_time"] + 90 * SECOND
    ended = json.loads((found["folder"] / "run.json").read_text())["clock_end"]
    opened = records_in(found["folder"], "fills")[0]["event_time"]
    assert (found["period"]["from_ns"], found["period"]["to_ns"]) == (began, ended)
    assert found["period"]["warmup"] == "90s"
    assert found["exposure"] == (ended - opened) / (ended - began)
    assert found["maximum_drawdown_duration"] <= (ended - began) / SECOND
    assert found["period"]["samples"] == (ended - 1) // (60 * SECOND) - began // (60 * SECOND) + 1
    page = (found["folder"] / "report.html").read_text()
    assert "of data before it only warmed up (after 90s of warm-up)" in page
    assert (found["folder"] / "equity.csv").read_text().count("\n") == found["curve"]["samples"] + 1


def test_how_often_profit_is_published_changes_no_number(
    report: Callable[..., dict[str, Any]], minutes: Path, tmp_path: Path
) -> None:
    """The case pnl_interval: 60 s and 300 s give equal numbers, and no warning is invented."""
    found = []
    for seconds in (60, 300):
        (tmp_path / "run.toml").write_text(f"[portfolio]\npnl_interval = {seconds * SECOND}\n")
        found.append(report(minutes, "--config", tmp_path / "run.toml"))
    assert found[0]["metrics"] == found[1]["metrics"]
    assert found[0]["warnings"] == found[1]["warnings"]
    assert "NO_PRICE" not in [row["code"] for row in found[1]["warnings"]]


def test_the_books_agree_where_a_depth_gap_leaves_an_open_position(
    report: Callable[..., dict[str, Any]], tmp_path: Path
) -> None:
    """Fees and profit of one instant: before, fills after the last value made the page say that no
    number could be believed (A6).
    """
    recording = make_recording(tmp_path / "gap", 2_000, 3_000, gap_at=1_900)
    found = report(recording, target="(1, -1)[turn % 2]", seconds=3)
    valued = found["balance_at"]
    assert records_in(found["folder"], "pnl")[-1]["equity"] is None
    assert any(fill["utc"] > valued for fill in rows(found["folder"] / "fills.csv"))
    assert "NO_VALUE_AT_END" in [row["code"] for row in found["warnings"]]
    balance = {name: Fraction(value) for name, value in found["balance"].items()}
    assert (
        balance["end"]
        == balance["start"] + balance["realized"] + balance["unrealized"] - balance["fees"]
    )


def test_a_fill_bears_the_venue_s_time(
    toy_run: Path, report: Callable[..., dict[str, Any]], toy: Path
) -> None:
    """Oracle: the report's own venue_time; it is delivered 3 ms later. Of the compiled path and of
    the stages in Python.
    """
    for folder in (toy_run, report(toy)["folder"]):
        venue = {
            (row["order_id"], row["venue_trade_id"]): row
            for row in records_in(folder, "venue.reports")
        }
        fills = records_in(folder, "fills")
        assert fills
        for fill in fills:
            told = venue[fill["order_id"], fill["venue_trade_id"]]
            assert (fill["event_time"], told["event_time"]) == (
                told["venue_time"],
                told["venue_time"] + 3_000_000,
            )


def rows(path: Path) -> list[dict[str, str]]:
    """A CSV file's rows."""
    head, *lines = path.read_text().splitlines()
    return [dict(zip(head.split(","), line.split(","), strict=True)) for line in lines]
