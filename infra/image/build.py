"""``python -m infra.image.build``: the wheelhouse, then the image.

The Dockerfile's Python must be this one (major.minor), for the wheels are. ``--wheels-only`` stops
before the engine is asked.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
from pathlib import Path

from infra.image.wheelhouse import ROOT, NoWheelhouse, fetch
from infra.kafka.container import engine, engine_answers
from infra.kafka.errors import NoEngine
from schemas.errors import ShrivenError

WHEELHOUSE = ROOT / "build" / "wheelhouse"
TAG = "shrivenquant:local"


def base() -> tuple[str, str]:
    """(image, its Python's major.minor) that the Dockerfile begins with."""
    found = re.search(
        r"^ARG BASE=(\S*python:(\d+\.\d+)\S*)$",
        (ROOT / "Dockerfile").read_text(encoding="utf-8"),
        re.MULTILINE,
    )
    assert found, "the Dockerfile names no base"
    return found[1], found[2]


def check_python(wanted: str) -> None:
    """Raise NoWheelhouse if the wheels of this Python would not fit."""
    here = f"{sys.version_info.major}.{sys.version_info.minor}"
    if here != wanted:
        raise NoWheelhouse(
            f"the image has Python {wanted}, this is {here}: its wheels would not fit; set up with "
            f"'make setup PYTHON=python{wanted}'"
        )


def build(tag: str, folder: Path = WHEELHOUSE) -> str:
    """Build the image; returns its size in megabytes, as text. Raises NoWheelhouse, NoEngine."""
    if not engine_answers():
        raise NoEngine("no container engine answers; start one ('docker info' must succeed)")
    done = subprocess.run(
        ["docker", "build", "--network", "none", "--tag", tag, str(ROOT)], check=False
    )
    if done.returncode:
        raise NoEngine(
            f"the image was not built: exit code {done.returncode}; the engine's last lines above "
            "say why"
        )
    size = engine("image", "inspect", "--format", "{{.Size}}", tag).stdout.strip()
    return f"{int(size) / 1e6:,.0f}"


def main(arguments: list[str] | None = None) -> int:
    """Build; errors are one line."""
    parser = argparse.ArgumentParser(prog="python -m infra.image.build", description=__doc__)
    parser.add_argument(
        "--tag",
        default=TAG,
        help=f"name of the image (default {TAG}, which docker-compose.yml runs)",
    )
    parser.add_argument("--wheels-only", action="store_true", help="fetch the wheels and stop")
    chosen = parser.parse_args(arguments)
    try:
        check_python(base()[1])
        sys.stdout.write(f"{fetch(WHEELHOUSE)} wheels in {WHEELHOUSE.relative_to(ROOT)}\n")
        sys.stdout.flush()
        if not chosen.wheels_only:
            sys.stdout.write(f"{chosen.tag}: {build(chosen.tag)} MB\n")
    except ShrivenError as problem:
        sys.stderr.write(f"image: {problem}\n")
        return problem.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
