"""Recordings that one backtest takes together: merged once, and kept under a name made of their
content.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

from connectors.merging import merge, merged_name
from connectors.ordering import ORDER, survey
from jobs.pulling import cache_folder
from streams.log.local import LocalLog
from streams.log.manifest import LOG_MANIFEST, read_manifest


def merged_recording(
    recordings: Sequence[Path], on_progress: Callable[[int, int], None] = lambda _a, _b: None
) -> tuple[Path, bool]:
    """One recording that holds all of these, and whether it was there already. Raises what
    :func:`connectors.merging.merge` raises.
    """
    folder = cache_folder() / f"merged-{merged_name(recordings)}"
    if (folder / LOG_MANIFEST).is_file():
        return folder, True
    partial = folder.with_name(f".{folder.name}.{os.getpid()}")
    partial.parent.mkdir(parents=True, exist_ok=True)
    try:
        merge(recordings, partial, on_progress)
        os.replace(partial, folder)
    except OSError:
        # else another process was faster: its folder holds the same
        if not (folder / LOG_MANIFEST).is_file():
            raise
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return folder, False


def is_in_order(recording: Path) -> bool:
    """False if several instruments lie in order of arrival, as in recordings that were pulled from
    a cluster or made by version 0.1.0.

    Raises:
        LogMissing, CorruptLog: the folder or a block of it cannot be read.
    """
    if (
        not (recording / LOG_MANIFEST).is_file()
        or read_manifest(recording / LOG_MANIFEST).get("order") == ORDER
    ):
        return True
    with LocalLog.open(recording) as log:
        topics = log.topics()
        if "ref.instruments" not in topics or log.reader("ref.instruments").count < 2:
            return True
        return all(
            survey(log.reader(topic)).is_ordered
            for topic in ("md.trades", "md.depth")
            if topic in topics
        )
