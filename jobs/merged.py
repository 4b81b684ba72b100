"""Recordings that one backtest takes together: merged once, and kept under a name made of their content."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

from connectors.merging import merge, merged_name
from jobs.pulling import cache_folder
from streams.log.manifest import LOG_MANIFEST


def merged_recording(recordings: Sequence[Path], on_progress: Callable[[int, int], None] = lambda _a, _b: None) -> tuple[Path, bool]:
    """One recording that holds all of these, and whether it was there already. Raises what :func:`connectors.merging.merge` raises."""
    folder = cache_folder() / f"merged-{merged_name(recordings)}"
    if (folder / LOG_MANIFEST).is_file():
        return folder, True
    partial = folder.with_name(f".{folder.name}.{os.getpid()}")
    partial.parent.mkdir(parents=True, exist_ok=True)
    try:
        merge(recordings, partial, on_progress)
        os.replace(partial, folder)
    except OSError:
        if not (folder / LOG_MANIFEST).is_file():  # else another process was faster: its folder holds the same
            raise
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return folder, False
