"""Two threads give what one gives, and stop where one stops. Oracle: runs on one thread
(``reference_run``, and the journal of one).
"""

from __future__ import annotations

import contextlib
import shutil
from pathlib import Path
from typing import Any

import pytest

from jobs.runs import Backtest
from schemas.errors import ShrivenError
from streams.log.local import LocalLog
from streams.runtime.journal.journal import JOURNAL
from streams.runtime.recovery import task_inputs
from streams.runtime.schedule import overlap
from streams.runtime.schedule.overlap import Overlap
from tests.scenario import backtest, configuration, digests

OPTIONS: dict[str, Any] = {"batch": 1000, "state_digest_records": 5000}


class Stopped(BaseException):
    """Stands for the process's end: nothing of ours catches it."""


@pytest.fixture
def two_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """Batches of any size overlap, whatever processors there are."""
    monkeypatch.setattr(task_inputs, "OVERLAP_RECORDS", 1)
    monkeypatch.setattr(task_inputs, "processors", lambda: 2)


def journal_of(folder: Path) -> list[bytes]:
    """The journal's records but for the first, which names folders and code."""
    log = LocalLog.open(folder)
    found = [bytes(block.body) for block in log.reader(JOURNAL).blocks()]
    log.close()
    return found[1:]


@pytest.mark.parametrize("batch", [37, 1000, 4096, 65_536])
@pytest.mark.parametrize("strategy", ["ema-cross", "ema-cross-python"])
def test_two_threads_write_the_same_journal(
    recording: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    batch: int,
    strategy: str,
    request: pytest.FixtureRequest,
) -> None:
    """Journals hold the digests of every batch's inputs and outputs, and of the states: equal
    journals are equal runs.
    """
    monkeypatch.setattr(task_inputs, "OVERLAP_RECORDS", 1 << 40)
    one = backtest(recording, tmp_path / "one", strategy, batch=batch, state_digest_records=5000)
    request.getfixturevalue("two_threads")
    started: list[Overlap] = []
    monkeypatch.setattr(overlap.Overlap, "__enter__", _counting(started, overlap.Overlap.__enter__))
    two = backtest(recording, tmp_path / "two", strategy, batch=batch, state_digest_records=5000)
    assert len(started) == 1
    assert digests(two) == digests(one)
    assert journal_of(two.folder) == journal_of(one.folder)


def _counting(started: list[Overlap], enter: Any) -> Any:
    def counted(self: Overlap) -> Overlap:
        started.append(self)
        entered: Overlap = enter(self)
        return entered

    return counted


def test_stopping_two_threads_at_any_step_changes_nothing(
    recording: Path, reference_run: Any, tmp_path: Path, two_threads: None
) -> None:
    def run_until(folder: Path, step: int) -> list[str]:
        names: list[str] = []

        def watch(name: str) -> None:
            names.append(name)
            if len(names) == step:
                raise Stopped(name)

        with contextlib.suppress(Stopped):
            Backtest(configuration(**OPTIONS), recording, folder, on_step=watch).run()
        return names

    names = run_until(tmp_path / "run", 0)
    assert {
        "taking",
        "executed",
        "output appended",
        "journal appended",
        "committed",
        "snapshot written",
    } <= set(names)
    middle = len(names) // 2
    for step in [*range(middle, middle + 24, 2), 1, 2, 3, 4, len(names) - 3]:
        folder = tmp_path / "run"
        shutil.rmtree(folder, ignore_errors=True)
        run_until(folder, step + 1)
        finished = Backtest(configuration(**OPTIONS), recording, folder).run()
        assert digests(finished) == digests(reference_run), f"stopped after step {step}"


def test_nothing_is_written_after_a_writing_that_failed() -> None:
    """Steps 3 to 7 of batch n must not run when those of batch n - 1 failed: the journal would have
    a hole.
    """
    written: list[int] = []

    def write(number: int) -> None:
        if number == 1:
            raise ShrivenError("no room")
        written.append(number)

    with pytest.raises(ShrivenError, match="no room"), Overlap() as other:
        for number in range(4):
            other.commit(write, number)
    assert written == [0]


def test_the_error_of_an_earlier_batch_goes_before_that_of_a_later() -> None:
    def fail(text: str) -> None:
        raise ShrivenError(text)

    with pytest.raises(ShrivenError, match="writing"), Overlap() as other:
        coming = other.submit(fail, "preparing the next")
        other.commit(fail, "writing this")
        coming.result()
