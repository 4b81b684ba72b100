"""What every compiled strategy of the order side is put through; ``test_compiled_orders.py``,
``test_compiled_reads.py`` and ``test_compiled_acting.py`` say which ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from readable_scheduler import ReadableScheduler
from test_overlap import journal_of

from jobs.pipeline import build_execution
from jobs.runs import Backtest
from jobs.verification import verify_run
from schemas.errors import ShrivenError
from streams.log.local import LocalLog
from streams.runtime.recovery.run_folder import folder_task
from streams.runtime.schedule import driver, engine, rows
from tests.scenario import Killed, backtest, configuration, digests

SLOW = "feed=1ms,entry=300ms,response=900ms"
TABLES = ((driver, "EMISSIONS"), (driver, "FRAMES"), (rows, "ROWS"))


def topics_of(
    recording: Path, folder: Path, strategy: str, batch: int, options: dict[str, Any]
) -> dict[str, Any]:
    """Counts and digests by topic of a run with journal id 1, whatever the strategy."""
    source, out = LocalLog.open(recording), LocalLog.create(folder, sync="never")
    chosen = configuration(strategy, **options)
    task = folder_task(out, build_execution(chosen, source, 1), {"identity": {}, "code": ""}, batch)
    task.prepare()
    task.run()
    found = task.log.topics(task.counts)
    out.close()
    source.close()
    return {name: facts for name, facts in found.items() if not name.startswith("pipeline.")}


def check_batches(market: Path, folder: Path, strategy: str, batch: int) -> None:
    """Batches of any size change nothing."""
    expected = backtest(market, folder / "expected", strategy, batch=1000)
    run = backtest(market, folder / "run", strategy, batch=batch)
    assert digests(run) == digests(expected)


def check_resumed(recording: Path, folder: Path, strategy: str) -> None:
    """Stopped behind its third snapshot and started again: every topic is that of the whole run."""
    seen: list[str] = []

    def watch(step: str) -> None:
        seen.append(step)
        if seen.count("snapshot written") == 3:
            raise Killed

    chosen = configuration(strategy, batch=1500, state_digest_records=3000)
    with pytest.raises(Killed):
        Backtest(chosen, recording, folder / "run", on_step=watch).run()
    finished = Backtest(chosen, recording, folder / "run").run()
    assert finished.resumed_at == 6  # batches
    assert digests(finished) == digests(backtest(recording, folder / "whole", strategy))
    assert verify_run(finished.folder).is_good


def check_scheduler(
    recording: Path,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    strategy: str,
    tables: Sequence[tuple[Any, str, Any]] = (),
) -> None:
    """The readable scheduler gives equal journals, with the digests of every stage's state; then
    all tables have one row at first.

    Args:
        tables: what else has a length: owner, name, and the length to give.
    """
    options: dict[str, Any] = {"batch": 5000, "state_digest_records": 2500}
    run = backtest(recording, folder / "run", strategy, **options)
    with monkeypatch.context() as patch:
        patch.setattr(engine, "Scheduler", ReadableScheduler)
        backtest(recording, folder / "readable", strategy, **options)
    assert journal_of(run.folder) == journal_of(folder / "readable")
    with monkeypatch.context() as patch:
        for owner, name, length in (*((*each, 1) for each in TABLES), *tables):
            patch.setattr(owner, name, length)
        full = backtest(recording, folder / "full", strategy, **options)
    assert digests(full) == digests(run)


def check_refused(
    market: Path, file: Path, text: str, kind: type[ShrivenError], said: str
) -> None:
    """A run of the strategy in this text ends with this error."""
    file.write_text(text)
    with pytest.raises(kind, match=said):
        backtest(market, file.parent / "run", str(file))
