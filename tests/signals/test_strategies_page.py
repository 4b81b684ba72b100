"""The examples of docs/strategies.md are a user's files: each is allowed, runs, does what the page says, and verifies.

Oracle: limits that the page states, over the run's own topics; a run that is not interrupted.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from jobs.runs import Run
from jobs.verification import verify_run
from streams.runtime.strategy_lint import lint_strategy
from tests.scenario import backtest, make_recording, records_in
from tests.test_documents import blocks

PAGE = Path(__file__).resolve().parents[2] / "docs" / "strategies.md"
FILES = {block.splitlines()[0].removeprefix("# "): block for block in blocks(PAGE, "python") if block.startswith("# ")}


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


def test_the_inventory_stays_within_its_limit_and_the_log_says_what_it_holds(runs: dict[str, Run]) -> None:
    run = runs["inventory.py"]
    held = [record["quantity"] for record in records_in(run.folder, "positions")]
    fills, lines = records_in(run.folder, "fills"), records_in(run.folder, "strategy.log")
    assert len(fills) > 20 and {fill["liquidity"] for fill in fills} == {"MAKER"}
    assert max(map(abs, held)) <= 50 and min(held) < 0 < max(held)
    quantity = 0
    for fill, line in zip(fills, lines, strict=True):
        quantity += fill["quantity"] if fill["side"] == "BUY" else -fill["quantity"]
        assert line["text"].startswith(f"holds {quantity} at ")
