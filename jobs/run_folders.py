"""Run folders as files: what lies in one besides its topics, and how one is deleted."""

from __future__ import annotations

import shutil
from pathlib import Path

from jobs.user_files import kept_files
from schemas.errors import ShrivenError, WrongUse
from streams.log.errors import LogLocked
from streams.log.local import LOCK, LocalLog
from streams.runtime.journal.journal import JOURNAL


def delete_run(folder: Path) -> None:
    """Remove a run folder, and nothing that is not one.

    Raises:
        WrongUse: it is something else.
        LogLocked: another process is writing it.
    """
    if not folder.exists():
        return
    names = {path.name for path in folder.iterdir()} if folder.is_dir() else {"?"}
    if JOURNAL not in names and not names <= {LOCK}:
        raise WrongUse(f"{folder} is no run folder; --fresh deletes only what 'sq backtest' wrote")
    try:
        LocalLog.open(folder, writable=True).close()
    except LogLocked:
        raise
    except ShrivenError:
        pass  # damaged: one more reason to delete it
    shutil.rmtree(folder)


def other_files_of(folder: Path) -> list[Path]:
    """Files of a run folder besides its topics: the reports, and the copies of the user's files."""
    found = (*folder.glob("report.*"), *folder.glob("*.csv"), *kept_files(folder))
    return sorted(path for path in found if path.is_file())
