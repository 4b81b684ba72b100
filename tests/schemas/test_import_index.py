"""The index of imports is a memory and no source of truth: oracle, the same question asked with no
index.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from schemas.import_index import FILE_NAME, FILES_MAX, ImportIndex
from schemas.sources import ROOT

SOURCE = b"""
import numpy.linalg, json as j
from . import near
from ..far import one, two
def late():
    if True:
        from streams.numeric import wide
"""


def asked(folder: Path, content: bytes = SOURCE) -> tuple[ImportIndex, list[object]]:
    index = ImportIndex(folder)
    return index, sorted(index.statements(content))


def test_every_import_statement_is_found(tmp_path: Path) -> None:
    assert asked(tmp_path)[1] == [
        (0, "json", ()),
        (0, "numpy.linalg", ()),
        (0, "streams.numeric", ("wide",)),
        (1, "", ("near",)),
        (2, "far", ("one", "two")),
    ]


def test_what_was_kept_is_what_is_parsed(tmp_path: Path) -> None:
    first, parsed = asked(tmp_path)
    first.write()
    assert (tmp_path / FILE_NAME).exists()
    (tmp_path / FILE_NAME).touch()
    second, kept = asked(tmp_path)
    assert kept == parsed
    before = (tmp_path / FILE_NAME).stat().st_mtime_ns
    second.write()
    assert (tmp_path / FILE_NAME).stat().st_mtime_ns == before, "nothing new: not written again"


@pytest.mark.parametrize(
    "damage", [b"", b"{", b"[]", b'{"a": 1}', b'{"a": [[1]]}', b'{"a": [["x", 1, 2]]}', b"\xff"]
)
def test_a_damaged_index_is_parsed_again_and_replaced(tmp_path: Path, damage: bytes) -> None:
    (tmp_path / FILE_NAME).write_bytes(damage)
    index, parsed = asked(tmp_path)
    assert len(parsed) == 5
    index.write()
    assert len(json.loads((tmp_path / FILE_NAME).read_bytes())) == 1


def test_processes_keep_each_others_and_it_does_not_grow_for_ever(tmp_path: Path) -> None:
    one, two = ImportIndex(tmp_path), ImportIndex(tmp_path)
    one.statements(b"import a")
    two.statements(b"import b")
    one.write()
    two.write()
    assert len(json.loads((tmp_path / FILE_NAME).read_bytes())) == 2
    many = ImportIndex(tmp_path)
    for number in range(FILES_MAX):
        many.statements(f"import m{number}".encode())
    many.write()
    assert len(json.loads((tmp_path / FILE_NAME).read_bytes())) == FILES_MAX
    assert [path.name for path in tmp_path.iterdir()] == [FILE_NAME]


def test_the_kernels_folders_are_the_same_with_and_without_it(tmp_path: Path) -> None:
    """Through the product: two processes import the pipeline, the second finds the index."""
    program = """
import jobs.pipeline, json, os, sys
from numba.core.dispatcher import Dispatcher
from streams.runtime.tools.code import source_digests
values = [value for module in list(sys.modules.values()) for value in vars(module).values()]
paths = [value.stats.cache_path for value in values if isinstance(value, Dispatcher)]
folders = {os.path.basename(os.path.dirname(path)) for path in paths if path}
print(json.dumps([sorted(folders), source_digests()]))
"""
    environment = {**os.environ, "SQ_KERNEL_CACHE": str(tmp_path)}
    texts = [
        subprocess.run(
            [sys.executable, "-c", program],
            cwd=ROOT,
            env=environment,
            check=True,
            capture_output=True,
        ).stdout
        for _ in range(2)
    ]
    folders, digests = json.loads(texts[0])
    assert texts[0] == texts[1] and len(folders) > 50 and len(digests) > 100
    assert (tmp_path / FILE_NAME).exists()
