"""The wheels that the image is made of, fetched on the host: ``docker build`` then reaches no
registry.

The lock names what developers need as well. The image takes the closure of the project's own
dependencies but ``LEFT_OUT``, each at the version and with the hashes of the lock; nothing that is
not in the lock can get in.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from schemas.errors import WrongUse

ROOT = Path(__file__).resolve().parents[2]
BUILD_TOOLS = ("setuptools",)
"""Needed while the image is built; removed from it again."""
LEFT_OUT = ("exchange-calendars", "polars")
"""One module imports each, when it is asked for a calendar or for Parquet: no stream job is. Polars
would be a quarter of the image, and calendars bring pandas. A user's own programs may have both."""


class NoWheelhouse(WrongUse):
    """The wheels of the image cannot be put together."""

    code = "no_wheelhouse"


def locked(text: str) -> dict[str, list[str]]:
    """The lock's entries by canonical name: each a requirement with its marker and hashes, as pip
    reads it. A name has several, by Python version.
    """
    entries: dict[str, list[str]] = {}
    for block in re.findall(r"^[A-Za-z0-9][^\n]*(?:\n[ \t]+[^\n]*)*", text, re.MULTILINE):
        entry = "\n".join(line for line in block.splitlines() if not line.strip().startswith("#"))
        name = re.match(r"[A-Za-z0-9._-]+", entry)
        assert name
        entries.setdefault(canonicalize_name(name[0]), []).append(entry)
    return entries


def closure(roots: list[str], lock: Mapping[str, list[str]]) -> set[str]:
    """Canonical names of everything that the roots need here, as the installed packages' own
    metadata say.

    Raises:
        NoWheelhouse: something needed is not installed, or not in the lock.
    """
    found: set[str] = set()
    waiting = [Requirement(root) for root in roots]
    seen: set[tuple[str, tuple[str, ...]]] = set()
    while waiting:
        wanted = waiting.pop()
        name, extras = canonicalize_name(wanted.name), tuple(sorted(wanted.extras))
        if (name, extras) in seen:
            continue
        seen.add((name, extras))
        if name not in lock:
            raise NoWheelhouse(f"{name} is needed and not in requirements.lock; lock it first")
        found.add(name)
        try:
            needs = metadata.requires(name) or []
        except metadata.PackageNotFoundError as absent:
            raise NoWheelhouse(f"{name} is not installed here; run 'make setup' first") from absent
        for need in map(Requirement, needs):
            if need.marker is None or any(
                need.marker.evaluate({"extra": extra}) for extra in ("", *extras)
            ):
                waiting.append(need)
    return found


def dependencies() -> list[str]:
    """The project's own dependencies that the image has, without extras for developers."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return [
        str(each)
        for each in project["dependencies"]
        if canonicalize_name(Requirement(each).name) not in LEFT_OUT
    ]


def requirements() -> str:
    """The part of the lock that the image installs."""
    lock = locked((ROOT / "requirements.lock").read_text(encoding="utf-8"))
    names = sorted(closure([*dependencies(), *BUILD_TOOLS], lock))
    return "\n".join(entry for name in names for entry in lock[name]) + "\n"


def fetch(folder: Path) -> int:
    """Fill the folder with ``requirements.txt`` and the wheels it names, for the running Python;
    returns how many. Raises NoWheelhouse.
    """
    folder.mkdir(parents=True, exist_ok=True)
    listed = folder / "requirements.txt"
    listed.write_text(requirements(), encoding="utf-8")
    for old in folder.glob("*.whl"):
        old.unlink()
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
    done = subprocess.run(
        [
            *pip,
            "download",
            "--quiet",
            "--require-hashes",
            "--no-deps",
            "--only-binary=:all:",
            "-r",
            str(listed),
            "-d",
            str(folder),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        said = [line for line in done.stderr.splitlines() if line.strip()]
        raise NoWheelhouse(
            f"pip cannot fetch the wheels: {said[-1] if said else f'exit code {done.returncode}'}; "
            "is the package registry reachable?"
        )
    return len(list(folder.glob("*.whl")))
