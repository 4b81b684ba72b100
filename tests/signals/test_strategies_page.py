"""The examples of docs/strategies.md are a user's files: each is allowed, runs, does what the page
says, and verifies.

Oracle: limits that the page states, over the run's own topics; a run that is not interrupted.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from jobs.runs import Run
from jobs.verification import verify_run
from streams.runtime.tools.strategy_lint import lint_strategy
from tests.scenario import backtest, make_recording, records_in
from tests.test_documents import blocks

PAGE = Path(__file__).resolve().parents[2] / "docs" / "strategies.md"
FILES = {
    block.splitlines()[0].removeprefix("# "): block
    for block in blocks(PAGE, "python")
    if block.startswith("# ")
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page's strategies as files."""
    found = tmp_path_factory.mktemp("page")
    for name, text in FILES.items():
        (found / name).write_text(text)
    return found


@pytest.fixture(scope="module")
def runs(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Run]:
    """A run of each over a small market."""
    place = tmp_path_factory.mktemp("runs")
    market = make_recording(place / "market", updates=1_500, trades=2_500, seed=5)
    return {name: backtest(market, place / Path(name).stem, str(folder / name)) for name in FILES}


@pytest.mark.parametrize("name", sorted(FILES))
def test_an_example_is_allowed_and_verifies(folder: Path, runs: dict[str, Run], name: str) -> None:
    assert lint_strategy({"mine": folder / name}, is_strange=True) == []
    assert verify_run(runs[name].folder).is_good


def test_the_inventory_stays_within_its_limit_and_the_log_says_what_it_holds(
    runs: dict[str, Run],
) -> None:
    run = runs["inventory.py"]
    held = [record["quantity"] for record in records_in(run.folder, "positions")]
    fills, lines = records_in(run.folder, "fills"), records_in(run.folder, "strategy.log")
    assert len(fills) > 20 and {fill["liquidity"] for fill in fills} == {"MAKER"}
    assert max(map(abs, held)) <= 50 and min(held) < 0 < max(held)
    quantity = 0
    for fill, line in zip(fills, lines, strict=True):
        quantity += fill["quantity"] if fill["side"] == "BUY" else -fill["quantity"]
        assert line["text"].startswith(f"holds {quantity} at ")


def test_rebalancing_holds_its_share_within_a_lot_and_the_fee(runs: dict[str, Run]) -> None:
    """Oracle: by hand. A fifth of 1,000,000 at some 50,000 is 4.000, of lots of 0.001: the price
    moves by 0.1 % at most.
    """
    run = runs["rebalance.py"]
    held = [record["quantity"] for record in records_in(run.folder, "positions")]
    requests, lines = (
        records_in(run.folder, "orders.requests"),
        records_in(run.folder, "strategy.log"),
    )
    assert len(requests) > 2 and len(lines) == len(requests)
    times = [request["event_time"] for request in requests]
    assert all((time - times[0]) % 10_000_000_000 == 0 for time in times), "by its timer"
    assert requests[0]["quantity"] == held[1] and 3_990 < held[1] < 4_010 and held[0] < held[1], (
        "filled at two levels"
    )
    assert all(abs(each - 4_000) < 10 for each in held[1:])
    assert lines[0]["text"] == f"TESTUSDT: 0 held, {held[1]} ordered"


def test_requoting_never_has_two_orders_at_work(runs: dict[str, Run]) -> None:
    """Oracle: the venue's word. Each order of the bid begins after the one before it has ended."""
    run = runs["requote.py"]
    working: set[str] = set()
    moved = 0
    for event in records_in(run.folder, "orders.events"):
        if event["refused"]:
            continue
        working.discard(event["order_id"])
        moved += event["reason"] == "USER_CANCEL" and event["status"] == "CANCELLED"
        if event["status"] not in ("CANCELLED", "FILLED", "REJECTED", "EXPIRED", "DENIED"):
            working.add(event["order_id"])
        assert len(working) <= 1
    assert moved > 20
    assert max(record["quantity"] for record in records_in(run.folder, "positions")) <= 100


def test_patience_leaves_long_queues_only(runs: dict[str, Run]) -> None:
    """Oracle: the page. Each order that it cancels had so many ahead, by its own line; some were
    filled away from the touch."""
    run = runs["patient.py"]
    lines = [line["text"].split()[0] for line in records_in(run.folder, "strategy.log")]
    requests = records_in(run.folder, "orders.requests")
    cancelled = [each for each in requests if each["kind"] == "CANCEL"]
    assert len(lines) == len(cancelled) > 5 and min(map(int, lines)) >= 500
    assert len(set(lines)) > 3, "not one number again and again"
    fills = records_in(run.folder, "fills")
    assert len(fills) > 5 and {fill["liquidity"] for fill in fills} == {"MAKER"}
