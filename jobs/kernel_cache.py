"""The cache of compiled code: what lies in it, when it was last used, and taking out what nobody
uses.

Each entry is a folder of the cache (``schemas/cache_root.py``) with the machine code of one source
file, under a name that is a hash of all the code depends on (``schemas/kernel.py``). So a changed
line leaves an entry behind that nothing loads again. The source of a generated loop is an entry,
and so is the index of imports (``schemas/import_index.py``). The time of last use is the time of
change: a process that loaded code of an entry sets it when it ends, at most once a day.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from schemas.cache_root import cache_root
from schemas.errors import WrongUse
from schemas.import_index import FILE_NAME

UNUSED_DAYS_MAX = 30
"""An entry that was not used for longer goes by itself, when a process compiles something."""
DAY_SECONDS = 86_400
LOOPS = "loops"
_ENTRY = re.compile(r"[0-9a-f]{32}")
_LOOP = re.compile(r"sq_loop_[0-9a-f]{24}")


class UnwritableCache(WrongUse):
    """Compiled code cannot be kept where it is to lie."""

    code = "unwritable_cache"


def check_writable() -> None:
    """Raises UnwritableCache. Numba would keep the code beside the sources then, under a name that
    says nothing of what it was made of.
    """
    root = cache_root()
    try:
        root.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=root).close()
    except OSError as problem:
        what = f"compiled code cannot be kept in {root} ({problem.strerror or problem})"
        raise UnwritableCache(
            f"{what}; name a folder that can be written with SQ_KERNEL_CACHE"
        ) from problem


class Entry(NamedTuple):
    """An entry of the cache: a folder, the source of a generated loop, or the index of imports."""

    path: Path
    functions: int
    """Compiled functions in it."""
    size_bytes: int
    unused_days: float


def entries(root: Path | None = None) -> list[Entry]:
    """What lies in the cache, least recently used first. Folders and files of other names are not
    ours and are left out.
    """
    root = cache_root() if root is None else root
    now = time.time()
    found = []
    for path in _ours(root):
        try:
            files = (
                [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]
            )
            size = sum(file.stat().st_size for file in files)
            days = (now - path.stat().st_mtime) / DAY_SECONDS
        except FileNotFoundError:  # another process took it out meanwhile
            continue
        found.append(
            Entry(path, sum(file.suffix == ".nbc" for file in files), size, max(0.0, days))
        )
    return sorted(found, key=lambda entry: (-entry.unused_days, entry.path.name))


def _ours(root: Path) -> Iterator[Path]:
    if root.is_dir():
        yield from (
            path for path in root.iterdir() if _ENTRY.fullmatch(path.name) and path.is_dir()
        )
    if (root / LOOPS).is_dir():
        yield from (path for path in (root / LOOPS).glob("*.py") if _LOOP.fullmatch(path.stem))
    if (root / FILE_NAME).is_file():
        yield root / FILE_NAME


def prune(unused_days: float, root: Path | None = None) -> list[Entry]:
    """Take out the entries that were not used for so many days, and return them.

    A process that needs one of them compiles it again; one that loaded it goes on with what it has
    in memory.
    """
    gone = [entry for entry in entries(root) if entry.unused_days >= unused_days]
    for entry in gone:
        if entry.path.is_file():
            entry.path.unlink(missing_ok=True)
        else:
            shutil.rmtree(entry.path, ignore_errors=True)
    return gone


def mark_used() -> bool:
    """Set the time of last use of every entry that this process loaded code from. Returns True if
    it compiled something.
    """
    compiled = False
    now = time.time()
    used: set[str] = set()
    for module in list(sys.modules.values()):
        for value in list(getattr(module, "__dict__", {}).values()):
            stats = _stats_of(value)
            if stats is None or not (stats.cache_hits or stats.cache_misses):
                continue
            compiled = compiled or bool(stats.cache_misses)
            used.add(os.path.dirname(stats.cache_path))
            if module.__name__.startswith("sq_loop_"):
                used.add(str(module.__file__))
    for path in used:
        try:
            if now - os.stat(path).st_mtime > DAY_SECONDS:
                os.utime(path)
        except OSError:  # taken out meanwhile, or a cache that this user may only read
            continue
    return compiled


def _stats_of(value: Any) -> Any:
    """Counts of a compiled function's cache, None of anything else."""
    dispatcher = sys.modules.get("numba.core.dispatcher")
    if dispatcher is None or not isinstance(value, dispatcher.Dispatcher):
        return None
    return value.stats if value.stats.cache_path else None


def tidy() -> None:
    """At the end of a command: note what was used; where something was compiled, take out what
    nobody used for long.
    """
    if mark_used():
        prune(UNUSED_DAYS_MAX)
