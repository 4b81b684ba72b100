"""What --symbols, --from, --to, --warmup, --short, fees and an operator's commands mean. Oracle:
the recording's own times, and a plain run.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import ROUND_HALF_EVEN, Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.scenario import records_in

START = 1_704_067_200_000_000_000
SECOND = 1_000_000_000
INPUTS = ("ref.instruments", "md.trades", "md.depth", "md.book_tickers")
FAST = ("--strategy", "ema-cross", "--set", "fast=5", "--set", "slow=15")
END_STATUS = ("FILLED", "CANCELLED", "REJECTED", "EXPIRED", "DENIED")

RESTING = """\
from streams.signals.strategy import GTC, Strategy, StrategyState

class Resting(Strategy):
    NAME = "resting"
    WAKES = ("marks",)

    class State(StrategyState):
        marks: int = 0

    def on_mark(self, mark, context):
        self.state.marks += 1
        if self.state.marks % 10 == 5 and mark.bid_price:
            low = mark.bid_price - 2000
            self.order(context, mark.instrument, 1, 10, price=low, time_in_force=GTC)
"""


def minute(seconds: int) -> str:
    """Time of the recording's second, as one types it."""
    return f"2024-01-01T00:{seconds // 60:02d}:{seconds % 60:02d}"


@pytest.fixture
def run(sq: Callable[..., Any], toy: Path, tmp_path: Path) -> Callable[..., Path]:
    """Runs a backtest of the toy market and verifies it."""
    made: list[Path] = []

    def backtest(*options: object, recording: Path = toy) -> Path:
        made.append(tmp_path / f"run{len(made)}")
        strategy = () if "--strategy" in options else FAST
        ended = sq("backtest", recording, *strategy, *options, "--out", made[-1])
        assert ended.code == 0, ended.err
        assert sq("verify", made[-1]).code == 0
        return made[-1]

    return backtest


@pytest.mark.parametrize(
    "options",
    [
        ("--to", "2020-01-01T00:00:00"),
        ("--from", "2025-01-01T00:00:00"),
        ("--warmup", "5h"),
        ("--from", minute(100), "--warmup", "30s"),
    ],
    ids=" ".join,
)
def test_a_window_in_which_nothing_can_be_traded_is_said(
    sq: Callable[..., Any], toy: Path, tmp_path: Path, options: tuple[str, ...]
) -> None:
    """The toy market has two minutes. Before, such a run said that its result is unknown, and not
    why.
    """
    ended = sq("backtest", toy, *FAST, *options, "--out", tmp_path / "run")
    assert ended.code == 0
    assert (
        f"{options[0]} " in ended.err
        and "leaves nothing to trade" in ended.err
        and "goes from 2024-01-01T00:00:0" in ended.err
    )


def test_to_reads_up_to_and_not_including_its_time(run: Callable[..., Path], toy: Path) -> None:
    at = records_in(toy, "md.trades")[100]["event_time"]
    folder = run("--to", at)
    manifest = json.loads((folder / "run.json").read_text())
    read = [
        record for topic in INPUTS for record in records_in(toy, topic) if record["event_time"] < at
    ]
    assert manifest["records"] == len(read)
    assert max(record["event_time"] for record in records_in(folder, "md.quotes")) < at


def test_a_shorter_run_is_the_beginning_of_a_longer_one(
    run: Callable[..., Path], toy_run: Path
) -> None:
    """Oracle: the whole run's quotes and signals up to that time."""
    folder, until = run("--to", minute(60)), START + 60 * SECOND
    for topic in ("md.quotes", "signals"):
        assert records_in(folder, topic) == [
            record for record in records_in(toy_run, topic) if record["event_time"] < until
        ]


def test_to_before_the_first_record_reads_nothing(
    sq: Callable[..., Any], toy: Path, tmp_path: Path
) -> None:
    ended = sq("backtest", toy, *FAST, "--to", "2023-01-01", "--out", tmp_path / "run", "--json")
    assert ended.code == 0
    assert ended.json()["records"] == 0
    assert sq("verify", tmp_path / "run").code == 0


def test_from_warms_the_books_and_trades_afterwards(
    run: Callable[..., Path], toy_run: Path
) -> None:
    """Market data and signals are those of the whole run; no request is older than --from."""
    folder, since = run("--from", minute(60)), START + 60 * SECOND
    for topic in ("md.quotes", "md.bars", "signals"):
        assert records_in(folder, topic) == records_in(toy_run, topic)
    requests = records_in(folder, "orders.requests")
    assert requests
    assert min(record["event_time"] for record in requests) >= since
    assert len(requests) < len(records_in(toy_run, "orders.requests"))


def test_warmup_notes_and_does_not_trade(run: Callable[..., Path], toy_run: Path) -> None:
    folder = run("--warmup", "45s")
    first = min(
        record["event_time"]
        for topic in ("md.marks", "signals")
        for record in records_in(toy_run, topic)
    )
    assert records_in(folder, "signals") == records_in(toy_run, "signals")
    assert (
        min(record["event_time"] for record in records_in(folder, "orders.requests"))
        >= first + 45 * SECOND
    )


def test_no_shorts_means_no_short_position(run: Callable[..., Path], toy_run: Path) -> None:
    assert min(record["quantity"] for record in records_in(toy_run, "positions")) < 0
    assert min(record["quantity"] for record in records_in(run("--short", "off"), "positions")) >= 0


@pytest.mark.parametrize(
    "rates",
    [
        {"maker": Decimal(0), "taker": Decimal(0)},
        {"maker": Decimal("-0.5"), "taker": Decimal("7.3")},
    ],
)
def test_fees_are_the_rates_given(run: Callable[..., Path], rates: dict[str, Decimal]) -> None:
    """Oracle: ``decimal``: notional times the rate in basis points, rounded half-even once a fill.
    """
    folder = run("--fees", ",".join(f"{name}={rate}bp" for name, rate in rates.items()))
    fills = records_in(folder, "fills")
    assert fills
    for fill in fills:
        exact = (
            Decimal(fill["price"] * fill["quantity"]) * rates[fill["liquidity"].lower()] / 10_000
        )
        assert fill["fee"] == exact.quantize(Decimal(1), ROUND_HALF_EVEN)


def test_latency_separates_a_request_from_its_report(run: Callable[..., Path]) -> None:
    folder = run("--latency", "feed=1ms,entry=30ms,response=20ms")
    sent = {
        record["order_id"]: record["event_time"] for record in records_in(folder, "venue.commands")
    }
    for report in records_in(folder, "venue.reports"):
        assert report["venue_time"] >= sent[report["order_id"]] + 31_000_000
        assert report["event_time"] == report["venue_time"] + 19_000_000


def test_symbols_pick_instruments(run: Callable[..., Path], toy_run: Path) -> None:
    named = run("--symbols", "simusdt")
    assert records_in(named, "md.quotes") == records_in(toy_run, "md.quotes")


# -- an operator's commands


def test_after_a_kill_orders_are_denied_and_working_ones_cancelled(
    sq: Callable[..., Any], run: Callable[..., Path], toy: Path, tmp_path: Path
) -> None:
    (tmp_path / "resting.py").write_text(RESTING)
    strategy = ("--strategy", f"{tmp_path / 'resting.py'}:Resting")
    at = START + 70 * SECOND
    assert (
        sq(
            "control",
            toy,
            "kill",
            "--at",
            minute(70),
            "--reason",
            "test",
            "--out",
            tmp_path / "halted",
        ).code
        == 0
    )
    folder = run(*strategy, recording=tmp_path / "halted")
    decisions = records_in(folder, "orders.decisions")
    before = [each for each in decisions if each["event_time"] < at and each["kind"] == "NEW"]
    after = [each for each in decisions if each["event_time"] > at and each["kind"] == "NEW"]
    assert before
    assert after
    assert all(each["outcome"] == "APPROVED" for each in before)
    assert all((each["outcome"], each["code"]) == ("DENIED", "KILL_SWITCH") for each in after)
    ends: dict[str, str] = {}
    for event in records_in(folder, "orders.events"):
        ends[event["order_id"]] = event["status"]
    events = records_in(run(*strategy), "orders.events")
    working = [
        event["order_id"]
        for event in events
        if event["status"] == "ACCEPTED" and event["event_time"] < at
    ]
    assert working
    assert all(ends[each["order_id"]] in END_STATUS for each in before), "none is left working"
    assert "CANCELLED" in {ends[each["order_id"]] for each in before}
    assert any(
        event["severity"] in ("CRITICAL", "EMERGENCY")
        for event in records_in(folder, "risk.events")
    )


def test_a_rearm_lets_orders_through_again(
    sq: Callable[..., Any], run: Callable[..., Path], toy: Path, tmp_path: Path
) -> None:
    assert sq("control", toy, "kill", "--at", minute(40), "--out", tmp_path / "killed").code == 0
    assert (
        sq(
            "control",
            tmp_path / "killed",
            "rearm",
            "--at",
            minute(80),
            "--out",
            tmp_path / "rearmed",
        ).code
        == 0
    )
    outcomes = {False: set(), True: set()}  # type: dict[bool, set[str]]
    for each in records_in(run(recording=tmp_path / "rearmed"), "orders.decisions"):
        if each["event_time"] > START + 40 * SECOND:
            outcomes[each["event_time"] > START + 80 * SECOND].add(each["outcome"])
    assert outcomes == {False: {"DENIED"}, True: {"APPROVED"}}


def test_a_limit_takes_effect_at_its_time(
    sq: Callable[..., Any], run: Callable[..., Path], toy: Path, tmp_path: Path
) -> None:
    arguments = ("limit", "--name", "max_quantity", "--value", "0.001", "--at", minute(60))
    assert sq("control", toy, *arguments, "--out", tmp_path / "limited").code == 0
    decisions = records_in(
        run("--config", _sized(tmp_path), recording=tmp_path / "limited"), "orders.decisions"
    )
    at = START + 60 * SECOND
    assert {each["outcome"] for each in decisions if each["event_time"] < at} == {"APPROVED"}
    assert {each["code"] for each in decisions if each["event_time"] > at} == {"MAX_QUANTITY"}


def _sized(folder: Path) -> Path:
    """A configuration whose orders are larger than the limit."""
    path = folder / "sized.toml"
    path.write_text('[sizing]\nsize = "0.05"\n')
    return path


def test_a_command_changes_nothing_before_its_time(
    sq: Callable[..., Any], run: Callable[..., Path], toy: Path, toy_run: Path, tmp_path: Path
) -> None:
    """Ids differ (the inputs are part of the identity); everything else up to the kill is the plain
    run's.
    """
    assert sq("control", toy, "kill", "--at", minute(70), "--out", tmp_path / "halted").code == 0
    folder, at = run(recording=tmp_path / "halted"), START + 70 * SECOND

    def told(where: Path) -> list[dict[str, Any]]:
        return [
            {**each, "order_id": ""}
            for each in records_in(where, "orders.decisions")
            if each["event_time"] < at
        ]

    assert told(folder) == told(toy_run)
    assert records_in(folder, "md.quotes") == records_in(toy_run, "md.quotes")
    assert [
        each
        for each in sq("cat", tmp_path / "halted", "control").out.splitlines()
        if '"KILL"' in each
    ]
