"""Folders that ``sq pull`` writes: whether one is finished, how one is deleted, and those kept for
backtests from a cluster.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from connectors.pulling.recording import RecordingPull, Window
from schemas.errors import ShrivenError, WrongUse
from streams.log.errors import LogLocked
from streams.log.kafka.client import KafkaLog
from streams.log.kafka.cluster import Cluster
from streams.log.local import LOCK, LocalLog
from streams.log.manifest import LOG_MANIFEST, RUN_MANIFEST, canonical_json, read_manifest
from streams.runtime.journal.journal import JOURNAL

CACHE = "SQ_PULL_CACHE"


def cache_folder() -> Path:
    """Where recordings pulled for backtests are kept: ``SQ_PULL_CACHE``, or a folder below the
    user's cache.
    """
    given = os.environ.get(CACHE)
    if given:
        return Path(given)
    cache = os.environ.get("XDG_CACHE_HOME")
    return (Path(cache) if cache else Path.home() / ".cache") / "shrivenquant" / "pulled"


def cached_recording(
    cluster: Cluster,
    end: int | None = None,
    shard: int | None = None,
    on_progress: Callable[[int, int], None] = lambda _a, _b: None,
) -> tuple[Path, bool]:
    """The cluster's market data up to ``end`` (event time, ns UTC; None: all there is) as a
    recording, and whether it was there already.

    Kept under a name made of the cluster's id, the topics' UUIDs and the range. A window that
    market data has passed is pulled once for ever; one that may still grow is pulled again when
    there is more.

    Raises:
        what :class:`RecordingPull` raises.
    """
    pull = RecordingPull(cluster, Window(end=end), shard=shard, on_progress=on_progress)
    sources = [msgspec.to_builtins(each) for each in pull.sources]
    passed = _key(cluster, end, [{**each, "end_offset": -1} for each in sources])
    present = _key(cluster, end, sources)
    for key in (passed, present):
        folder = cache_folder() / key
        if (folder / LOG_MANIFEST).is_file() and (
            key == present or read_manifest(folder / LOG_MANIFEST).get("complete")
        ):
            pull.close()
            return folder, True
    partial = cache_folder() / f".{present}.{os.getpid()}"
    partial.parent.mkdir(parents=True, exist_ok=True)
    manifest = pull.pull(partial)
    folder = cache_folder() / (passed if manifest["complete"] else present)
    try:
        os.replace(partial, folder)
    except OSError:  # another process was faster: its folder holds the same
        shutil.rmtree(partial, ignore_errors=True)
    return folder, False


def _key(cluster: Cluster, end: int | None, sources: list[dict[str, Any]]) -> str:
    """Name of a cached recording."""
    cluster_id = KafkaLog(cluster).admin().client.list_topics(timeout=10).cluster_id
    facts = {
        "cluster": cluster_id,
        "environment": cluster.environment,
        "end": end,
        "sources": sources,
    }
    return hashlib.sha256(canonical_json(facts)).hexdigest()[:32]


def already_pulled(folder: Path, topology: str, shard: int) -> str:
    """A sentence if the folder is closed and holds this shard; empty if it may be pulled into.

    Raises:
        WrongUse: it is closed and holds something else.
    """
    if not (folder / RUN_MANIFEST).is_file():
        return ""
    manifest = read_manifest(folder / RUN_MANIFEST)
    if manifest.get("command") != "pull" or (manifest.get("topology"), manifest.get("shard")) != (
        topology,
        shard,
    ):
        raise WrongUse(
            f"{folder} is closed and holds no shard {shard} of {topology}; pull into a new folder"
        )
    return (
        f"{folder} is pulled already: {manifest.get('batches')} batches, "
        f"{manifest.get('records')} records ({RUN_MANIFEST}); --fresh pulls again"
    )


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
    if (
        (folder / RUN_MANIFEST).is_file()
        and JOURNAL in names
        and read_manifest(folder / RUN_MANIFEST).get("command") != "pull"
    ):
        raise WrongUse(
            f"{folder} is a run of its own, not one that was pulled; --fresh does not delete it"
        )
    if (folder / LOG_MANIFEST).is_file() and read_manifest(folder / LOG_MANIFEST).get(
        "command"
    ) != "pull":
        raise WrongUse(
            f"{folder} is a recording of its own, not one that was pulled; --fresh does not "
            "delete it"
        )
    try:
        LocalLog.open(folder, writable=True).close()
    except LogLocked:
        raise
    except ShrivenError:
        pass  # damaged: one more reason to delete it
    shutil.rmtree(folder)
