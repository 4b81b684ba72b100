"""What a user's strategy is made of: its file, the helper modules beside it that it imports, and
the artefacts that it declares.

Helpers are found by reading imports, nothing is executed: ``import means``, ``from models.linear
import weights`` and ``from . import means`` mean files of the strategy's own folder. A name of the
standard library, of an installed library that strategies use, or of this project never does.
Artefacts are files of the folder that a class (or the module) names as ``ARTEFACTS = {"weights":
"weights.npy"}``.
"""

from __future__ import annotations

import ast
import hashlib
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from schemas.errors import WrongUse

NOT_BESIDE = frozenset(
    (
        *sys.stdlib_module_names,
        "numpy",
        "msgspec",
        "numba",
        "schemas",
        "streams",
        "connectors",
        "jobs",
        "infra",
        "shrivenquant",
    )
)
"""Names that never mean a file beside the strategy."""
FILES_MAX = 1_000
BYTES_MAX = 256 << 20
"""Of one artefact."""
SOURCE_BYTES_MAX = 1 << 20
"""Of one module."""


class UnusableArtefact(WrongUse):
    """A file that a strategy declares cannot be used."""

    code = "unusable_artefact"


class StrategySources(NamedTuple):
    """The files of a strategy.

    Attributes:
        main: the strategy's file.
        modules: module name -> file, the strategy's own first.
        artefacts: name -> path relative to the folder, as declared.
    """

    main: Path
    modules: dict[str, Path]
    artefacts: dict[str, str]

    def files(self) -> dict[str, Path]:
        """Path relative to the folder -> file, the strategy's own first."""
        folder = self.main.parent
        found = {path.relative_to(folder).as_posix(): path for path in self.modules.values()}
        return {**found, **{name: folder / name for name in sorted(self.artefacts.values())}}

    def digests(self) -> dict[str, str]:
        """SHA-256 in hex of each file, by its path relative to the folder."""
        return {
            name: hashlib.sha256(_content(path)).hexdigest() for name, path in self.files().items()
        }

    def digest(self) -> str:
        """SHA-256 over the names and contents of all files: two strategies with one digest do the
        same.
        """
        return digest_of(self.digests())


def digest_of(digests: Mapping[str, str]) -> str:
    """SHA-256 over names and digests of files."""
    whole = hashlib.sha256()
    for name, digest in sorted(digests.items()):
        whole.update(f"{len(name.encode())}:{name}:{digest}\n".encode())
    return whole.hexdigest()


def sources_of(main: Path) -> StrategySources:
    """The files of the strategy in ``main``; a file that cannot be read as Python has no helpers.

    Raises:
        UnusableArtefact: a declared artefact is missing, too large, or no file of the folder.
        OSError: ``main`` cannot be read.
    """
    _check_size(main)
    modules = {main.stem: main}
    waiting = [main.stem]
    artefacts = _declared(main)
    while waiting:
        name = waiting.pop()
        for imported in sorted(set(_imported(name, modules[name]))):
            for part in _prefixes(imported):
                path = _beside(main.parent, part)
                if path is not None and part not in modules:
                    _check_size(path)
                    modules[part] = path
                    waiting.append(part)
        if len(modules) > FILES_MAX:
            raise WrongUse(
                f"{main} imports more than {FILES_MAX} files of its folder; keep the strategy in a "
                "folder of its own"
            )
    return StrategySources(main, {main.stem: main, **dict(sorted(modules.items()))}, artefacts)


def _check_size(path: Path) -> None:
    if path.stat().st_size > SOURCE_BYTES_MAX:
        raise WrongUse(
            f"{path} is larger than {SOURCE_BYTES_MAX >> 20} MiB, no source of a strategy is; put "
            "data into an artefact"
        )


def _prefixes(name: str) -> list[str]:
    """``a``, ``a.b``, ``a.b.c``."""
    parts = name.split(".")
    return [".".join(parts[: count + 1]) for count in range(len(parts))]


def _beside(folder: Path, name: str) -> Path | None:
    """The file of the folder that a module name means, None for none."""
    if not name or name.partition(".")[0] in NOT_BESIDE:
        return None
    path = folder.joinpath(*name.split("."))
    for file in (path / "__init__.py", path.with_name(path.name + ".py")):
        if file.is_file():
            return file
    return None


def _imported(name: str, path: Path) -> Iterator[str]:
    """Absolute names of what a module may import, relative imports resolved."""
    tree = _tree(path)
    for node in ast.walk(tree) if tree is not None else ():
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            parts = name.split(".")
            parent = (
                parts[: len(parts) - node.level + (path.name == "__init__.py")]
                if node.level
                else []
            )
            base = ".".join([*parent, *([node.module] if node.module else [])])
            yield base
            yield from (f"{base}.{alias.name}" if base else alias.name for alias in node.names)


def _tree(path: Path) -> ast.Module | None:
    try:
        return ast.parse(_content(path))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None  # the lint names what is wrong


def _content(path: Path) -> bytes:
    return path.read_bytes()


def _declared(main: Path) -> dict[str, str]:
    """The artefacts that the file declares. Raises UnusableArtefact."""
    tree = _tree(main)
    found: dict[str, str] = {}
    for node in ast.walk(tree) if tree is not None else ():
        targets = (
            node.targets
            if isinstance(node, ast.Assign)
            else [node.target]
            if isinstance(node, ast.AnnAssign)
            else []
        )
        if not any(isinstance(each, ast.Name) and each.id == "ARTEFACTS" for each in targets):
            continue
        for name, path in _literal(main, node.value).items():  # type: ignore[attr-defined]
            if found.setdefault(name, path) != path:
                raise UnusableArtefact(
                    f"{main} declares the artefact {name!r} twice, as {found[name]} and as {path}; "
                    "give one another name"
                )
    for name, relative in found.items():
        _check_artefact(main, name, relative)
    return found


def _literal(main: Path, node: ast.expr | None) -> dict[str, str]:
    try:
        value = ast.literal_eval(node) if node is not None else {}
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        value = None
    if not isinstance(value, dict) or not all(
        isinstance(each, str) for pair in value.items() for each in pair
    ):
        raise UnusableArtefact(
            f"{main}: ARTEFACTS is not written out; write names and files: ARTEFACTS = "
            f'{{"weights": "weights.npy"}}'
        )
    return value


def _check_artefact(main: Path, name: str, relative: str) -> None:
    path = PurePosixPath(relative)
    file = main.parent / relative
    if (
        path.is_absolute()
        or ".." in path.parts
        or not path.parts
        or "\\" in relative
        or not file.resolve().is_relative_to(main.parent.resolve())
    ):
        raise UnusableArtefact(
            f"{main}: the artefact {name!r} is {relative}, which is outside of the strategy's "
            "folder; copy the file there"
        )
    if not file.is_file():
        raise UnusableArtefact(
            f"{main}: the artefact {name!r} is {relative}, and {file} is no file; put it there, or "
            "correct ARTEFACTS"
        )
    if file.stat().st_size > BYTES_MAX:
        raise UnusableArtefact(
            f"{main}: the artefact {name!r}, {relative}, is larger than {BYTES_MAX >> 20} MiB; "
            "make it smaller"
        )
