"""Install the locked packages into an environment, and say how far it is: ``python
infra/environment.py PYTHON LOCK``.

Runs under the user's own Python before anything is installed, so it imports nothing of ours.
"""

from __future__ import annotations

import collections
import subprocess
import sys
from pathlib import Path

LINES_SHOWN = 15


def install(python: str, lock: Path) -> int:
    """Run pip over the lock; returns its exit code, after showing the end of what it said if it
    failed.
    """
    packages = sum("==" in line for line in lock.read_text().splitlines())
    command = [python, "-m", "pip", "install", "--disable-pip-version-check"]
    command += ["--progress-bar", "off", "--require-hashes", "-r", str(lock)]
    said: collections.deque[str] = collections.deque(maxlen=LINES_SHOWN)
    found = 0
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as pip:
        assert pip.stdout is not None
        for line in pip.stdout:
            said.append(line)
            if line.startswith(("Collecting ", "Requirement already satisfied: ")):
                found += 1
                _show(f"setup: {min(found, packages)} of {packages} packages found", found)
            elif line.startswith("Installing "):
                _show(f"setup: installing {packages} packages (about half a minute)", 0)
    if sys.stdout.isatty():
        sys.stdout.write("\n")
    if pip.returncode:
        sys.stderr.write("setup: pip failed:\n" + "".join(said))
    return pip.returncode


def _show(text: str, number: int) -> None:
    """One line that moves on a terminal; elsewhere every twentieth."""
    if sys.stdout.isatty():
        sys.stdout.write(f"\r\x1b[K{text}")
    elif number % 20 == 0:
        sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(install(sys.argv[1], Path(sys.argv[2])))
