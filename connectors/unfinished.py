"""New folders for recordings, and what an interrupted command left in one: it starts over by
itself.

An import, a generated market and a merge are written by one command from its beginning to its end,
and closed by ``log.json``. A folder without it that holds only what such a command writes is
unfinished, and nothing in it can be used. It is removed, if no other process is writing it.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from streams.log.local import LOCK, LocalLog
from streams.log.manifest import LOG_MANIFEST, MANIFESTS

RECORDED = (
    "ref.instruments", "md.trades", "md.depth", "md.book_tickers", "md.bars", "sim.truth",
    "import.dlq", "control",
)  # fmt: skip


def create(out: Path) -> LocalLog:
    """A new log to be written from its beginning; an unfinished one of the same kind makes way for
    it.

    Raises:
        LogExists: a finished recording, or a run. ForeignFolder: something else. LogLocked: another
            process is writing it. LogFull.
    """
    if not (out.is_dir() and any(out.iterdir()) and is_unfinished(out)):
        return LocalLog.create(out)
    log = LocalLog.open(out, writable=True)
    for path in sorted(out.iterdir()):
        if path.is_dir():
            shutil.rmtree(path)
        elif path.name != LOCK:
            path.unlink()
    log.reports.clear()
    log.faults.clear()
    return log


def is_unfinished(folder: Path) -> bool:
    """True if a command that writes recordings was interrupted here."""
    names = {path.name for path in folder.iterdir()}
    left = {name for name in names if not _is_aside(name)} - {LOCK, *RECORDED}
    return LOCK in names and not left and not names & set(MANIFESTS)


def _is_aside(name: str) -> bool:
    """True for a topic that was set aside to be written anew, or a manifest that was not whole."""
    return name.startswith(".") and name[1:].partition(".arrival")[0] in (
        *RECORDED,
        f"{LOG_MANIFEST}.tmp",
    )
