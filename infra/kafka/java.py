"""Which Java: the newest found that is new enough."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from infra.kafka.errors import NoJava

CANDIDATES = ("/usr/lib/jvm/*", "/opt/java/*", "/Library/Java/JavaVirtualMachines/*/Contents/Home")
OWN_CANDIDATES = (".sdkman/candidates/java/*", ".jdks/*")
VERSION = re.compile(r'"?(?:1\.)?(\d+)')


class Java(NamedTuple):
    """A Java: the path of its ``java`` and its feature release (17, 21, 25)."""

    path: Path
    release: int


def find_java(minimum: int, purpose: str) -> Java:
    """The newest Java of ``JAVA_HOME``, ``PATH`` and the usual folders.

    Args:
        minimum: lowest feature release that will do.
        purpose: what it is for, for the error.

    Raises:
        NoJava: none is new enough.
    """
    found = {java.path.resolve(): java for java in _found()}
    fit = [java for java in found.values() if java.release >= minimum]
    if not fit:
        has = (
            ", ".join(
                f"{java.release} ({java.path})"
                for java in sorted(found.values(), key=lambda java: java.release)
            )
            or "none"
        )
        raise NoJava(
            f"{purpose} needs Java {minimum} or newer, found: {has}; install one, for example a "
            "Temurin JDK, and set JAVA_HOME to it"
        )
    return max(fit, key=lambda java: java.release)


def _found() -> Iterator[Java]:
    homes = [Path(os.environ["JAVA_HOME"])] if os.environ.get("JAVA_HOME") else []
    for pattern in CANDIDATES:
        homes += sorted(Path("/").glob(pattern[1:]))
    for pattern in OWN_CANDIDATES:
        homes += sorted(Path.home().glob(pattern))
    on_path = shutil.which("java")
    if on_path:
        homes.append(Path(on_path).resolve().parents[1])
    for home in homes:
        java = home / "bin" / "java"
        if java.is_file():
            release = _release(home, java)
            if release:
                yield Java(java, release)


def _release(home: Path, java: Path) -> int:
    """Feature release from the ``release`` file, else from what ``java -version`` prints; 0 if it
    does not say.
    """
    try:
        for line in (home / "release").read_text().splitlines():
            if line.startswith("JAVA_VERSION="):
                match = VERSION.match(line.partition("=")[2])
                return int(match.group(1)) if match else 0
    except OSError:
        pass
    try:
        said = subprocess.run(
            [java, "-version"], capture_output=True, text=True, timeout=20, check=False
        ).stderr
    except (OSError, subprocess.TimeoutExpired):
        return 0
    match = re.search(r'version "(?:1\.)?(\d+)', said)
    return int(match.group(1)) if match else 0
