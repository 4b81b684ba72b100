"""The kernel cache is keyed by all that machine code depends on: oracle, a small tree of sources
that is edited.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from schemas import kernel, sources


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """stage.py imports helper.py, which imports constants.py by a relative import; other.py is
    imported by nobody.
    """
    folder = tmp_path / "streams" / "mine"
    folder.mkdir(parents=True)
    (tmp_path / "schemas").mkdir()
    (tmp_path / "schemas" / "record.avsc").write_text("{}")
    (folder / "__init__.py").write_text("")
    (folder / "stage.py").write_text("from streams.mine import helper\nimport numpy\n")
    (folder / "helper.py").write_text("from .constants import LIMIT\n")
    (folder / "constants.py").write_text("LIMIT = 1\n")
    (folder / "other.py").write_text("")
    monkeypatch.setattr(kernel, "ROOT", tmp_path)
    monkeypatch.setattr(sources, "ROOT", tmp_path)
    forget()
    yield tmp_path
    forget()


def forget() -> None:
    """A new process would read everything again."""
    kernel.cache_folder.cache_clear()
    kernel.environment_digest.cache_clear()
    sources.forget_sources()


def folder_of(tree: Path) -> Path:
    forget()
    return kernel.cache_folder(tree / "streams" / "mine" / "stage.py", "streams.mine")


def test_the_closure_follows_imports_of_our_own_modules(tree: Path) -> None:
    found = sources.source_closure([(tree / "streams" / "mine" / "stage.py", "streams.mine")])
    assert [path.name for path in found] == ["__init__.py", "constants.py", "helper.py", "stage.py"]


@pytest.mark.parametrize("name", ["stage.py", "helper.py", "constants.py", "__init__.py"])
def test_an_edit_of_anything_imported_is_another_folder(tree: Path, name: str) -> None:
    before = folder_of(tree)
    path = tree / "streams" / "mine" / name
    path.write_text(path.read_text().replace("1", "2") + "# edited\n")
    assert folder_of(tree) != before


def test_an_edit_elsewhere_is_the_same_folder(tree: Path) -> None:
    before = folder_of(tree)
    (tree / "streams" / "mine" / "other.py").write_text("x = 1\n")
    assert folder_of(tree) == before


def test_schemas_and_switches_are_part_of_the_key(
    tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = folder_of(tree)
    monkeypatch.setenv("NUMBA_BOUNDSCHECK", "1")
    checked = folder_of(tree)
    monkeypatch.delenv("NUMBA_BOUNDSCHECK")
    (tree / "schemas" / "record.avsc").write_text('{"name": "Other"}')
    assert len({before, checked, folder_of(tree)}) == 3


def test_the_folder_lies_where_the_user_says(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SQ_KERNEL_CACHE", "/somewhere")
    assert folder_of(tree).parent == Path("/somewhere")
    monkeypatch.delenv("SQ_KERNEL_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", "/cache")
    assert folder_of(tree).parent == Path("/cache/shrivenquant/kernels")
