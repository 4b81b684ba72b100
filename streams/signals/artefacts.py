"""Artefacts: files that a strategy declares (weights, tables, parameters), read before a run begins
and given to it through the context.

A strategy gets values that cannot be changed, for no snapshot would hold what it wrote into them:

======== ==========================================================
``.npy`` an array that is read only; never objects
``.json`` ``.toml`` mappings that are read only, tuples, text, numbers
``.csv`` a tuple of rows, each a tuple of texts
``.txt`` text (UTF-8)
``.bin`` bytes
======== ==========================================================

Formats that execute code when they are read (pickle and what is made of it) are refused.
"""

from __future__ import annotations

import csv
import io
import tomllib
from collections.abc import Callable
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from schemas.json_text import parsed
from streams.signals.sources import StrategySources, UnusableArtefact

PICKLES = (".pkl", ".pickle", ".joblib", ".pt", ".pth", ".npz", ".h5", ".keras", ".dill")


def read_artefacts(sources: StrategySources) -> dict[str, Any]:
    """Name -> value of what a strategy declares.

    Raises:
        UnusableArtefact: names the file and what to do.
    """
    return {
        name: read_artefact(sources.main.parent / path) for name, path in sources.artefacts.items()
    }


def read_artefact(path: Path) -> Any:
    """The value of one file, by its suffix; the raises of ``read_artefacts``."""
    reader = READERS.get(path.suffix.lower())
    if reader is None:
        why = (
            "can execute code when it is read"
            if path.suffix.lower() in PICKLES
            else "is of no format that strategies read"
        )
        raise UnusableArtefact(f"the artefact {path} {why}; save it as one of {', '.join(READERS)}")
    try:
        return reader(path.read_bytes())
    except OSError as problem:
        raise UnusableArtefact(
            f"the artefact {path} cannot be read: {problem.strerror}"
        ) from problem
    except (ValueError, EOFError, MemoryError, RecursionError, csv.Error) as problem:
        raise UnusableArtefact(
            f"the artefact {path} is no {path.suffix} file: {problem}; write it again"
        ) from problem


def unchanging(value: Any) -> Any:
    """The value with its lists as tuples and its mappings read only."""
    if isinstance(value, dict):
        return MappingProxyType({key: unchanging(each) for key, each in value.items()})
    return tuple(unchanging(each) for each in value) if isinstance(value, list | tuple) else value


def _array(content: bytes) -> Any:
    if not content.startswith(b"\x93NUMPY"):
        raise ValueError("it does not begin as one")
    found = np.load(io.BytesIO(content), allow_pickle=False)
    found.flags.writeable = False
    return found


def _rows(content: bytes) -> Any:
    return tuple(
        tuple(row) for row in csv.reader(io.StringIO(content.decode(), newline=""), strict=True)
    )


READERS: dict[str, Callable[[bytes], Any]] = {
    ".npy": _array,
    ".json": lambda content: unchanging(parsed(content)),
    ".toml": lambda content: unchanging(tomllib.loads(content.decode())),
    ".csv": _rows,
    ".txt": lambda content: content.decode(),
    ".bin": bytes,
}
