"""Setting up says how far it is, and what pip said if it fails. Oracle: pip itself, over a lock of
no package and one that no index has.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def install(lock: Path) -> subprocess.CompletedProcess[str]:
    """As the Makefile does."""
    command = [sys.executable, str(ROOT / "infra" / "environment.py"), sys.executable, str(lock)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_a_locked_package_that_is_there_is_counted(tmp_path: Path) -> None:
    """The first requirement of our own lock, which this environment has."""
    lines = (ROOT / "requirements.lock").read_text().splitlines(keepends=True)
    starts = [number for number, line in enumerate(lines) if "==" in line]
    lock = tmp_path / "one.lock"
    lock.write_text("".join(lines[starts[0] : starts[1]]))
    ended = install(lock)
    assert ended.returncode == 0, ended.stderr
    assert "pip failed" not in ended.stderr


def test_a_failure_shows_what_pip_said(tmp_path: Path) -> None:
    lock = tmp_path / "none.lock"
    lock.write_text("no-such-package==1.0 --hash=sha256:" + "0" * 64 + "\n")
    ended = subprocess.run(
        [sys.executable, str(ROOT / "infra" / "environment.py"), sys.executable, str(lock)],
        capture_output=True, text=True, check=False, env={"PIP_NO_INDEX": "1", "PATH": ""},
    )  # fmt: skip
    assert ended.returncode == 1
    assert "setup: pip failed" in ended.stderr and "no-such-package" in ended.stderr
