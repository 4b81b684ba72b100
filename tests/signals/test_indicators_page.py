"""The examples of docs/indicators.md: each block runs, its two strategies as a user's files do.

Oracles: the blocks' assertions, worked out by hand; the Python strategy for the kernel; a run that
is not interrupted.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from jobs.runs import Backtest
from schemas.errors import WrongUse
from streams.runtime.tools import allowed
from streams.runtime.tools.strategy_lint import lint_strategy
from tests.scenario import Killed, backtest, configuration, digests
from tests.test_documents import blocks

PAGE = Path(__file__).resolve().parents[2] / "docs" / "indicators.md"
FILES = {
    block.splitlines()[0].removeprefix("# "): block
    for block in blocks(PAGE, "python")
    if block.startswith("# ")
}
EXAMPLES = [block for block in blocks(PAGE, "python") if not block.startswith("# ")]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page's strategies as files."""
    found = tmp_path_factory.mktemp("strategies")
    for name, text in FILES.items():
        (found / name).write_text(text)
    return found


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda text: text.splitlines()[0])
def test_an_example_holds(example: str) -> None:
    assert "assert " in example
    exec(compile(example, "example", "exec"), {})


def test_every_function_that_a_table_names_may_be_imported() -> None:
    rows = "\n".join(line for line in PAGE.read_text().splitlines() if line.startswith("| "))
    named = set(re.findall(r"`(\w+)[(`]", rows)) - {"nan", "math", "period"}
    found = set().union(*(allowed.names_of(module) or () for module in allowed.OF_OURS))
    assert len(named) > 30 and named - {"sqrt"} <= found


@pytest.mark.parametrize("name", sorted(FILES))
def test_its_strategies_are_allowed_to_strangers_too(folder: Path, name: str) -> None:
    assert lint_strategy({"mine": folder / name}, is_strange=True) == []


CHOSEN = {"period": "10", "width": "1.5", "holidays": "2024-01-02"}


@pytest.fixture(scope="module")
def runs(folder: Path, recording: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """An uninterrupted run of each of the page's strategies."""
    found = tmp_path_factory.mktemp("runs")
    return {
        name: backtest(recording, found / name, str(folder / name), set=CHOSEN) for name in FILES
    }


def test_both_kinds_decide_alike(runs: dict[str, Any]) -> None:
    assert runs["bands.py"].manifest["topics"]["signals"]["count"] > 100
    assert digests(runs["bands.py"])["signals"] == digests(runs["bands_kernel.py"])["signals"]


@pytest.mark.parametrize("name", sorted(FILES))
def test_indicators_go_on_from_a_snapshot(
    folder: Path, recording: Path, runs: dict[str, Any], name: str, tmp_path: Path
) -> None:
    """Stopped behind its third snapshot and started again: every topic is that of the whole run."""
    options: dict[str, Any] = {"set": CHOSEN, "batch": 1500, "state_digest_records": 3000}
    seen: list[str] = []

    def watch(step: str) -> None:
        seen.append(step)
        if seen.count("snapshot written") == 3:
            raise Killed

    with pytest.raises(Killed):
        Backtest(
            configuration(str(folder / name), **options), recording, tmp_path / "run", on_step=watch
        ).run()
    finished = Backtest(
        configuration(str(folder / name), **options), recording, tmp_path / "run"
    ).run()
    assert finished.resumed_at == 6  # batches
    assert digests(finished) == digests(runs[name])


def test_a_period_that_is_none_ends_the_command(
    folder: Path, recording: Path, tmp_path: Path
) -> None:
    with pytest.raises(WrongUse, match="from 1 to 65536, not 0"):
        backtest(recording, tmp_path / "run", str(folder / "bands.py"), set={"period": "0"})
