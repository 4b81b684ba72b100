"""A run that is killed just before its end, with no snapshot behind it; or, with ``ready``, one
that recovers and says so.

    python -m tests.benchmarks.killed RECORDING RUN kill|ready
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from jobs.configuration import build
from jobs.pipeline import build_execution, feeds_of
from jobs.run_progress import Progress
from jobs.runs import Backtest, genesis_facts, open_recording
from streams.log.local import LocalLog
from streams.runtime.recovery.run_folder import folder_task

SETTINGS = {
    "strategy": "ema-cross",
    "set": {"fast": "20", "slow": "50"},
    "ticker": "off",
    "state_digest_records": 100_000_000,
}
RECORDS = 1_000_000
"""What must be behind the recovered process; the kill comes a batch later, for a batch is reported
before its files are written.
"""
BATCH = 65_536


def kill(recording: Path, folder: Path) -> None:
    """Run until a million records are committed, then die."""

    def watch(progress: Progress) -> None:
        if progress.consumed >= RECORDS + BATCH:
            os.kill(os.getpid(), signal.SIGKILL)

    Backtest(build(SETTINGS), recording, folder, on_progress=watch).run()


def ready(recording: Path, folder: Path) -> None:
    """Recover to the point where the next batch can be taken."""
    source, log = open_recording(recording), LocalLog.open(folder, writable=True)
    chosen = build(SETTINGS)
    facts = genesis_facts(chosen, recording, source, feeds_of(source, chosen))
    task = folder_task(log, build_execution(chosen, source, facts["journal_id"]), facts)
    task.prepare()
    if task.execution.engine.consumed < RECORDS:
        raise SystemExit(f"only {task.execution.engine.consumed} records were recovered")
    log.close()


if __name__ == "__main__":
    (kill if sys.argv[3] == "kill" else ready)(Path(sys.argv[1]), Path(sys.argv[2]))
