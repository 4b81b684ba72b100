"""Our source files: their content digests, and what a file imports, directly or not."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Container, Iterable
from pathlib import Path

from schemas.import_index import import_index

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("streams", "schemas")


@functools.cache
def content_digest(path: Path) -> str:
    """SHA-256 of a file as it was when this process first asked, in hex."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


@functools.cache
def _imported_names(path: Path, package: str) -> list[str]:
    """Absolute names of the modules that the file imports, relative imports resolved against
    ``package``.
    """
    names: list[str] = []
    for level, module, taken in import_index().statements(path.read_bytes()):
        base = module
        if level:
            parent = package.split(".")[: len(package.split(".")) - level + 1]
            base = ".".join([*parent, base] if base else parent)
        names.append(base)
        names.extend(f"{base}.{name}" for name in taken)
    return names


@functools.cache
def _imported_files(path: Path, package: str, packages: tuple[str, ...]) -> list[tuple[Path, str]]:
    """Files of ours that the file imports, each with the package it lies in."""
    found = {}
    for name in _imported_names(path, package):
        target = _file_of(ROOT, name, packages)
        if target is not None:
            is_package = target.name == "__init__.py"
            found[target] = name if is_package else name.rpartition(".")[0]
    return list(found.items())


@functools.cache
def _file_of(root: Path, name: str, packages: tuple[str, ...]) -> Path | None:
    """Source file below ``root`` of one of our modules, None for a name that is not a module of
    ours.
    """
    if name.split(".")[0] not in packages:
        return None
    path = root.joinpath(*name.split("."))
    if (path / "__init__.py").is_file():
        return path / "__init__.py"
    return path.with_suffix(".py") if path.with_suffix(".py").is_file() else None


def source_closure(
    starts: Iterable[tuple[Path, str]],
    packages: tuple[str, ...] = PACKAGES,
    without: Container[Path] = (),
) -> list[Path]:
    """Files and every file of ours they import, directly or not, sorted.

    Args:
        starts: the files to begin with, each with the package it lies in, for relative imports.
        packages: top-level packages that count as ours.
        without: files that are left out, with what only they import.
    """
    found: set[Path] = set()
    open_files = [(path.resolve(), package) for path, package in starts]
    while open_files:
        file, owner = open_files.pop()
        if file in found:
            continue
        found.add(file)
        open_files.extend(
            (target, inner)
            for target, inner in _imported_files(file, owner, packages)
            if target not in found and target not in without
        )
    return sorted(found)


def forget_sources() -> None:
    """Read every file again, as a new process would."""
    for function in (content_digest, _imported_names, _imported_files, _file_of):
        function.cache_clear()
