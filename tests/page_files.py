"""Files that a page of docs/extending shows: each begins with a comment that names it."""

from __future__ import annotations

from tests.test_documents import ROOT, blocks


def files_of(page: str) -> dict[str, str]:
    """Name -> content of the page's Python and TOML blocks that have a name."""
    path = ROOT / "docs" / "extending" / page
    return {
        block.splitlines()[0].removeprefix("# "): block
        for kind in ("python", "toml")
        for block in blocks(path, kind)
        if block.startswith("# ")
    }
