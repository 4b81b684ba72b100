"""The import statements of source files, kept between processes by the content of the files.

Every process asks what some two hundred of our files import, before it may use compiled code
(``schemas/sources.py``). Parsing them takes a third of a second, and their content rarely changes.
So the index lies beside the compiled code, keyed by the SHA-256 of a file's content. It is written
when a process ends that parsed something, whole and under a new name first: a reader finds the one
version or the other. An index that cannot be read or written costs the time of parsing, no more.
"""

from __future__ import annotations

import ast
import atexit
import contextlib
import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from schemas.cache_root import cache_root

FILE_NAME = "imports.json"
FILES_MAX = 2_000
"""Beyond this many contents the index keeps those that the writing process asked for."""
Statement = tuple[int, str, tuple[str, ...]]
"""An import: dots in front, module (empty for ``from . import x``), names taken from it."""


class ImportIndex:
    """Import statements by the content of files.

    Args:
        folder: where the index is kept.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / FILE_NAME
        self._kept = _read(self._path)
        self._asked: dict[str, list[Statement]] = {}
        self._parsed = False
        self.is_kept = True
        """False in a process that must not open files any more: nothing is written."""

    def statements(self, content: bytes) -> list[Statement]:
        """Every import statement of a file with this content, those in functions too.

        Raises:
            SyntaxError: the content is no Python.
        """
        digest = hashlib.sha256(content).hexdigest()
        found = self._asked.get(digest, self._kept.get(digest))
        if found is None:
            self._parsed = True
            found = list(_imports(ast.parse(content)))
        self._asked[digest] = found
        return found

    def write(self) -> None:
        """Keep what was parsed, if something was."""
        if not (self._parsed and self.is_kept):
            return
        kept = {**_read(self._path), **self._asked}
        draft = self._path.with_name(f"{FILE_NAME}.{os.getpid()}")
        with contextlib.suppress(OSError):  # a cache that this user may only read, or a full disk
            self._path.parent.mkdir(parents=True, exist_ok=True)
            draft.write_text(json.dumps(kept if len(kept) <= FILES_MAX else self._asked))
            os.replace(draft, self._path)
        with contextlib.suppress(OSError):
            draft.unlink(missing_ok=True)


def _read(path: Path) -> dict[str, list[Statement]]:
    """The index as it was kept; empty where there is none or it is damaged."""
    try:
        kept = json.loads(path.read_bytes())
        return {
            digest: [_statement(row) for row in rows]
            for digest, rows in kept.items()
            if isinstance(digest, str)
        }
    except (OSError, ValueError, TypeError, AttributeError):
        return {}


def _statement(row: Any) -> Statement:
    level, module, names = row
    if not (isinstance(level, int) and isinstance(module, str) and isinstance(names, list)):
        raise TypeError("not an import statement")
    return level, module, tuple(str(name) for name in names)


def _imports(tree: ast.Module) -> Iterator[Statement]:
    for node in _statements(tree):
        if isinstance(node, ast.Import):
            yield from ((0, alias.name, ()) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.level, node.module or "", tuple(alias.name for alias in node.names)


def _statements(tree: ast.Module) -> Iterator[ast.AST]:
    """Every statement, those inside other statements too. Imports are statements, and expressions
    need not be walked for them.
    """
    waiting: list[ast.AST] = [tree]
    while waiting:
        node = waiting.pop()
        yield node
        for block in ("body", "orelse", "finalbody", "handlers", "cases"):
            waiting.extend(getattr(node, block, ()))


_indexes: dict[Path, ImportIndex] = {}


def import_index() -> ImportIndex:
    """This process' index of the cache folder that is set now."""
    folder = cache_root()
    if folder not in _indexes:
        _indexes[folder] = ImportIndex(folder)
        atexit.register(_indexes[folder].write)
    return _indexes[folder]


def keep_no_index() -> None:
    """From now on this process writes no index."""
    for index in _indexes.values():
        index.is_kept = False
