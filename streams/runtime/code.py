"""The code digest: which sources a run was made with, file by file, so that a difference can be named."""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("schemas", "streams")
SUFFIXES = (".py", ".avsc")


def source_digests(extra: Sequence[Path] = ()) -> dict[str, str]:
    """SHA-256 (first 16 hex digits) of every source that can change what a stage computes; a user's files under their base names."""
    return {**_own_sources(), **{f"user/{path.name}": _digest(path) for path in extra}}


@functools.cache
def _own_sources() -> dict[str, str]:
    """Our files as they were when this process first asked: what it runs, not what an editor saves meanwhile."""
    files = sorted(path for folder in FOLDERS for path in (ROOT / folder).rglob("*") if path.suffix in SUFFIXES)
    return {path.relative_to(ROOT).as_posix(): _digest(path) for path in files}


def code_digest(sources: dict[str, str]) -> str:
    """SHA-256 over the sources' names and digests, in hex."""
    return hashlib.sha256(json.dumps(sources, sort_keys=True).encode()).hexdigest()


def changed_sources(before: dict[str, str], now: dict[str, str]) -> list[str]:
    """Names of the files that differ, sorted."""
    return sorted(name for name in before.keys() | now.keys() if before.get(name) != now.get(name))


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()[:16]
