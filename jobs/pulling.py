"""Folders that ``sq pull`` writes: whether one is finished, and how one is deleted."""

from __future__ import annotations

import shutil
from pathlib import Path

from schemas.errors import ShrivenError, WrongUse
from streams.log.errors import LogLocked
from streams.log.local import LOCK, LocalLog
from streams.log.manifest import LOG_MANIFEST, RUN_MANIFEST, read_manifest
from streams.runtime.task import JOURNAL


def already_pulled(folder: Path, topology: str, shard: int) -> str:
    """A sentence if the folder is closed and holds this shard; empty if it may be pulled into.

    Raises:
        WrongUse: it is closed and holds something else.
    """
    if not (folder / RUN_MANIFEST).is_file():
        return ""
    manifest = read_manifest(folder / RUN_MANIFEST)
    if manifest.get("command") != "pull" or (manifest["topology"], manifest["shard"]) != (topology, shard):
        raise WrongUse(f"{folder} is closed and holds no shard {shard} of {topology}; pull into a new folder")
    return f"{folder} is pulled already: {manifest['batches']} batches, {manifest['records']} records ({RUN_MANIFEST}); --fresh pulls again"


def delete_pulled(folder: Path) -> None:
    """Remove a folder that was pulled, and nothing that is not one.

    Raises:
        WrongUse: it is something else. LogLocked: another process is writing it.
    """
    if not folder.exists():
        return
    names = {path.name for path in folder.iterdir()} if folder.is_dir() else {"?"}
    if LOCK not in names and not names & {RUN_MANIFEST, LOG_MANIFEST} and names:
        raise WrongUse(f"{folder} is no folder that 'sq pull' wrote; --fresh deletes no other")
    if (folder / RUN_MANIFEST).is_file() and JOURNAL in names and read_manifest(folder / RUN_MANIFEST).get("command") != "pull":
        raise WrongUse(f"{folder} is a run of its own, not one that was pulled; --fresh does not delete it")
    if (folder / LOG_MANIFEST).is_file() and read_manifest(folder / LOG_MANIFEST).get("command") != "pull":
        raise WrongUse(f"{folder} is a recording of its own, not one that was pulled; --fresh does not delete it")
    try:
        LocalLog.open(folder, writable=True).close()
    except LogLocked:
        raise
    except ShrivenError:
        pass  # damaged: one more reason to delete it
    shutil.rmtree(folder)
