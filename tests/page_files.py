"""Files and changes of files that a page of docs/extending shows."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from tests.test_documents import ROOT, blocks

FOLDER = ROOT / "docs" / "extending"
SOURCES = ("schemas", "streams", "connectors", "jobs", "infra", "docs", "tests")
SCHEMA = re.compile(r"`(schemas/\w+\.avsc)`:\n\n```json\n(.*?)```", re.DOTALL)


def copy_of_sources(folder: Path) -> Path:
    """What a page may change."""
    unwanted = shutil.ignore_patterns("__pycache__", "images", "peers", "previous", "*.json")
    for name in SOURCES:
        shutil.copytree(ROOT / name, folder / name, ignore=unwanted)
    return folder


def apply(page: str, tree: Path) -> list[str]:
    """Do in a copy of the sources what the page says; returns the files that it wrote or changed.

    A file is a block that begins with a comment of its name; a schema stands below its name; a
    change is a block of ``--- FILE``, lines that are there, and lines with + that come in between.
    Where these lines are not in the file, once, the page is not true any more.
    """
    text = (FOLDER / page).read_text(encoding="utf-8")
    files = files_of(page) | dict(SCHEMA.findall(text))
    for name, content in files.items():
        assert not (tree / name).exists(), name
        (tree / name).write_text(content, encoding="utf-8")
    changed = list(files)
    for block in blocks(FOLDER / page, "diff"):
        first, *lines = block.splitlines(keepends=True)
        path = tree / first.removeprefix("--- ").strip()
        before, after = ("".join(x[1:] for x in lines if x[0] in f" {sign}") for sign in "-+")
        content = path.read_text(encoding="utf-8")
        assert content.count(before) == 1, f"{path.name}: {before}"
        path.write_text(content.replace(before, after), encoding="utf-8")
        changed.append(first.removeprefix("--- ").strip())
    return changed


def files_of(page: str) -> dict[str, str]:
    """Name -> content of the page's Python and TOML blocks that have a name."""
    path = FOLDER / page
    return {
        block.splitlines()[0].removeprefix("# "): block
        for kind in ("python", "toml")
        for block in blocks(path, kind)
        if block.startswith("# ")
    }
