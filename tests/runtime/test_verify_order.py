"""The order and the end of a local run are the merge's, whatever its journal says. Oracle: runs
made by a runner that cheats.

Each run is honest in itself: outputs, journal and manifest are what the stages make of the inputs
in that order.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from forgery import kinds, text

from jobs import pipeline
from jobs.sq import main
from jobs.verification import verify_run
from streams.runtime.order.merge import ELEMENT, InputBatch, Merger
from streams.runtime.recovery import recorded
from tests.scenario import START, backtest, make_recording

SECOND = 1_000_000_000


@pytest.fixture(scope="module")
def killed_market(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small recording with a kill switch in it."""
    folder = tmp_path_factory.mktemp("order")
    make_recording(folder / "market", 300, 500, seed=4)
    assert (
        main(
            [
                "control",
                str(folder / "market"),
                "kill",
                "--at",
                "2024-01-01T00:00:05",
                "--out",
                str(folder / "killed"),
            ]
        )
        == 0
    )
    return folder / "killed"


def cheating(rank: Callable[[str], int]) -> type[Merger]:
    """A merger that takes each input to its end before the next, by rank."""

    class Cheating(Merger):
        def take(self, target: InputBatch, wanted: int, present: int, first_of: Any = None) -> None:
            elements, left = [], wanted
            for feed in sorted(self.feeds, key=lambda each: rank(each.topic)):
                held = feed.end_offset - feed.next_offset
                if left and held:
                    count = min(left, held)
                    elements.append(
                        (feed.code, feed.next_offset, feed.next_offset + count - 1, count)
                    )
                    left -= count
            if left:
                elements.append((-1, 0, 0, 1))
            self.repeat(target, np.array(elements, ELEMENT), present)

    return Cheating


ORDERS: dict[str, list[str]] = {
    "the kill switch last": ["ref.instruments", "md.trades", "md.depth", "control"],
    "all trades before depth": ["control", "ref.instruments", "md.trades", "md.depth"],
    "all depth before trades": ["control", "ref.instruments", "md.depth", "md.trades"],
}


@pytest.mark.parametrize("order", ORDERS)
def test_another_order_than_the_merge_s_is_found(
    killed_market: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, order: str
) -> None:
    """E2: 'control' last, all trades before all depth: the journal proves such a run, the inputs do
    not.
    """
    with monkeypatch.context() as patched:
        patched.setattr(recorded, "Merger", cheating(ORDERS[order].index))
        forged = backtest(killed_market, tmp_path / "run", batch=200).folder
    verdict = verify_run(forged)
    assert kinds(verdict) == ["journal"], text(verdict)
    assert "its order is not the merge of the inputs: it takes" in text(verdict)


def test_a_run_that_ended_early_is_found(
    killed_market: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """E2: the run says that its inputs ended, and the recording goes on."""
    with monkeypatch.context() as patched:
        patched.setattr(pipeline, "NEVER", START + 10 * SECOND)
        forged = backtest(killed_market, tmp_path / "run", batch=200).folder
    verdict = verify_run(forged)
    assert kinds(verdict) == ["journal"], text(verdict)
    assert "it takes the end of the inputs where the merge takes md." in text(verdict)


def test_a_run_that_goes_on_after_its_to_is_found(
    killed_market: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And the other way: ``--to`` is in the identity, and records behind it were consumed."""
    honest = pipeline.build_execution

    def endless(configuration: Any, *others: Any) -> Any:
        made = honest(configuration, *others)
        made.merger.end_time = pipeline.NEVER
        return made

    with monkeypatch.context() as patched:
        patched.setattr("jobs.runs.build_execution", endless)
        forged = backtest(
            killed_market, tmp_path / "run", batch=200, to="2024-01-01T00:00:10"
        ).folder
    verdict = verify_run(forged)
    assert kinds(verdict) == ["journal"], text(verdict)
    assert "where the merge takes the end of the inputs" in text(verdict)


def test_an_honest_run_is_proved_with_its_order(
    killed_market: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Also with ``--to``, and where the last batch holds nothing but the end."""
    whole = backtest(killed_market, tmp_path / "whole", batch=802)
    part = backtest(killed_market, tmp_path / "part", batch=200, to="2024-01-01T00:00:10")
    assert whole.manifest["records"] == 802
    assert whole.manifest["batches"] == 2
    for run in (whole, part):
        assert main(["verify", str(run.folder)]) == 0
        assert (
            capsys.readouterr()
            .out.splitlines()[-1]
            .endswith("records, no divergence; order: recomputed from the input; reports: none")
        )
