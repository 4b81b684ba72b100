"""Make the environments of the benchmark peers: ``make bench-peers``.

NautilusTrader needs CPython 3.13 or 3.14, looked for on PATH and among pyenv's versions. Without one this says so and ends well, and the
rows of the benchmark say so too. Runs on any Python 3.11, with the standard library alone.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
REQUIREMENTS = Path(__file__).with_name("nautilus_requirements.txt")
ENVIRONMENT = ROOT / "build" / "peers" / "nautilus"
MADE = ENVIRONMENT / "requirements.sha256"
VERSIONS = ("3.13", "3.14")
ABSENT = f"NautilusTrader needs CPython {' or '.join(VERSIONS)}; none was found on PATH or among pyenv's versions"
NOT_MADE = "the NautilusTrader environment is not installed; run 'make bench-peers'"


def is_made() -> bool:
    """Whether the environment is there, with the locked packages."""
    return MADE.is_file() and MADE.read_text() == hashlib.sha256(REQUIREMENTS.read_bytes()).hexdigest()


def reason() -> str:
    """Why there is no environment; empty if there is one."""
    if is_made():
        return ""
    return NOT_MADE if find_python() else ABSENT


def find_python() -> Path | None:
    """An interpreter that runs and is CPython 3.13 or 3.14; None without one."""
    for candidate in _candidates():
        asked = (
            "import sys, sysconfig; print(sys.implementation.name, '%d.%d' % sys.version_info[:2], bool(sysconfig.get_config_var('Py_GIL_DISABLED')))"
        )
        try:
            told = subprocess.run([candidate, "-c", asked], capture_output=True, text=True, timeout=60, check=True).stdout.split()
        except (OSError, subprocess.SubprocessError):
            continue
        if len(told) == 3 and told[0] == "cpython" and told[1] in VERSIONS and told[2] == "False":
            return candidate
    return None


def _candidates() -> Iterator[Path]:
    for version in VERSIONS:
        for folder in os.environ.get("PATH", "").split(os.pathsep):
            found = Path(folder) / f"python{version}"
            if folder and os.access(found, os.X_OK):
                yield found
    roots = [os.environ.get("PYENV_ROOT"), shutil.which("pyenv") and Path(str(shutil.which("pyenv"))).parents[1], Path.home() / ".pyenv"]
    for root in roots:
        for version in VERSIONS:
            if root:
                yield from sorted((Path(root) / "versions").glob(f"{version}*/bin/python{version}"), reverse=True)


def main() -> int:
    """Install; 0 when done or when there is no Python for it, 1 when the installation fails."""
    if is_made():
        sys.stdout.write(f"bench-peers: NautilusTrader is in {ENVIRONMENT.relative_to(ROOT)}\n")
        return 0
    python = find_python()
    if python is None:
        sys.stdout.write(f"bench-peers: {ABSENT}; its rows will say so\n")
        return 0
    sys.stdout.write(f"bench-peers: installing NautilusTrader into {ENVIRONMENT.relative_to(ROOT)}\n")
    sys.stdout.flush()
    shutil.rmtree(ENVIRONMENT, ignore_errors=True)
    pip = [str(ENVIRONMENT / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--require-hashes"]
    for command in ([str(python), "-m", "venv", str(ENVIRONMENT)], [*pip, "-r", str(REQUIREMENTS)]):
        if subprocess.run(command, check=False).returncode:
            sys.stderr.write(f"bench-peers: {' '.join(command)} failed; the peer's rows will say that it is not installed\n")
            return 1
    MADE.write_text(hashlib.sha256(REQUIREMENTS.read_bytes()).hexdigest())
    return 0


if __name__ == "__main__":
    sys.exit(main())
