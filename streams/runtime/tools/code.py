"""The code digest: which sources a run was made with, file by file, so that a difference can be
named.

It covers what decides the records: the import closure of what turns a configuration into stages,
and of the tasks that run them. Files that are imported by their name and not by an import statement
are named here. Pages, words, commands and the lint are outside: another colour on a page must not
force a topology to be drained.
"""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from schemas.sources import PACKAGES, ROOT, content_digest, source_closure

ROOTS = (
    "jobs/pipeline.py",
    "jobs/configuration.py",
    "streams/runtime/recovery/run_folder.py",
    "streams/runtime/live/shard.py",
)
"""What turns a configuration into stages, and what runs them on the local log and on Kafka."""
BY_NAME = (
    "schemas/*.avsc",
    "schemas/compiled/*.py",
    "streams/signals/*.py",
    "streams/numeric/*.py",
    "streams/numeric/measures/*.py",
    "streams/venue/fill_models/*.py",
    "streams/venue/venues/*.py",
)
"""Loaded by name: schemas, the codecs generated from them, the strategies of the catalogue, what a
user's may import, and what the venue chooses from."""
OUTSIDE = ("streams/runtime/tools/lint*.py", "streams/runtime/tools/strategy_lint*.py")
"""The lint refuses files and changes nothing that is computed."""


def source_digests(
    extra: Sequence[Path] = (), named: Mapping[str, Path] | None = None
) -> dict[str, str]:
    """SHA-256 (first 16 hex digits) of every source that can change what a stage computes.

    Args:
        extra: a user's files, which are listed as ``user/`` and their base name.
        named: a user's files by the name to list them under, for helpers in folders of their own.
    """
    users = {f"user/{path.name}": path for path in extra} | dict(named or {})
    return {**_own_sources(), **file_digests(users)}


def file_digests(files: Mapping[str, Path]) -> dict[str, str]:
    """SHA-256 (first 16 hex digits) of files, by their names."""
    return {name: _digest(path) for name, path in files.items()}


def source_files(root: Path = ROOT) -> list[Path]:
    """The files that the code digest covers, sorted."""
    left_out = {path for pattern in OUTSIDE for path in root.glob(pattern)}
    found = {path for pattern in BY_NAME for path in root.glob(pattern)}
    starts = [root / name for name in ROOTS] + [path for path in found if path.suffix == ".py"]
    packages = [path.parent.relative_to(root).as_posix().replace("/", ".") for path in starts]
    found.update(
        source_closure(zip(starts, packages, strict=True), (*PACKAGES, "jobs"), left_out)
    )
    return sorted(found)


@functools.cache
def _own_sources() -> dict[str, str]:
    """Our files as they were when this process first asked: what it runs, not what an editor saves
    meanwhile.
    """
    return {path.relative_to(ROOT).as_posix(): content_digest(path)[:16] for path in source_files()}


def code_digest(sources: dict[str, str]) -> str:
    """SHA-256 over the sources' names and digests, in hex."""
    return hashlib.sha256(json.dumps(sources, sort_keys=True).encode()).hexdigest()


def changed_sources(before: dict[str, str], now: dict[str, str]) -> list[str]:
    """Names of the files that differ, sorted."""
    return sorted(name for name in before.keys() | now.keys() if before.get(name) != now.get(name))


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()[:16]
