"""Make the environments of the benchmark peers: ``make bench-peers``.

- NautilusTrader needs CPython 3.13 or 3.14, looked for on PATH and among pyenv's versions;
- Kafka Streams needs a JDK (17 or newer) and Maven, which brings its jars;
- Quix Streams and hftbacktest need this Python; Faust is among our own packages.

A peer that cannot be had is said, here and in the benchmark's rows, and is no failure. Runs on any
Python 3.11, with the standard library alone.
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
PEERS = ROOT / "build" / "peers"
REQUIREMENTS = Path(__file__).with_name("nautilus_requirements.txt")
ENVIRONMENT = PEERS / "nautilus"
QUIX = PEERS / "quix"
QUIX_REQUIREMENTS = Path(__file__).with_name("quix_requirements.txt")
HFTBACKTEST = PEERS / "hftbacktest"
HFTBACKTEST_REQUIREMENTS = Path(__file__).with_name("hftbacktest_requirements.txt")
KSTREAMS = PEERS / "kstreams"
KSTREAMS_SOURCES = Path(__file__).with_name("kstreams")
VERSIONS = ("3.13", "3.14")
ABSENT = (
    f"NautilusTrader needs CPython {' or '.join(VERSIONS)}; none was found on PATH or among "
    "pyenv's versions"
)
NOT_MADE = "the {} environment is not installed; run 'make bench-peers'"


def digest(*sources: Path) -> str:
    """SHA-256 over the files that an environment is made from."""
    return hashlib.sha256(b"".join(source.read_bytes() for source in sources)).hexdigest()


def _is_made(folder: Path, *sources: Path) -> bool:
    mark = folder / "requirements.sha256"
    return mark.is_file() and mark.read_text() == digest(*sources)


def is_made() -> bool:
    """Whether NautilusTrader's environment is there, with the locked packages."""
    return _is_made(ENVIRONMENT, REQUIREMENTS)


def reason() -> str:
    """Why there is no NautilusTrader; empty if there is."""
    if is_made():
        return ""
    return NOT_MADE.format("NautilusTrader") if find_python() else ABSENT


def quix_reason() -> str:
    """Why there is no Quix Streams; empty if there is."""
    return "" if _is_made(QUIX, QUIX_REQUIREMENTS) else NOT_MADE.format("Quix Streams")


def hftbacktest_reason() -> str:
    """Why there is no hftbacktest; empty if there is."""
    is_there = _is_made(HFTBACKTEST, HFTBACKTEST_REQUIREMENTS)
    return "" if is_there else NOT_MADE.format("hftbacktest")


def kstreams_reason() -> str:
    """Why there is no Kafka Streams; empty if there is."""
    if _is_made(KSTREAMS, *_kstreams_sources()):
        return ""
    missing = [tool for tool in ("java", "javac", "mvn") if shutil.which(tool) is None]
    return (
        f"Kafka Streams needs {', '.join(missing)} on PATH"
        if missing
        else NOT_MADE.format("Kafka Streams")
    )


def find_python() -> Path | None:
    """An interpreter that runs and is CPython 3.13 or 3.14; None without one."""
    for candidate in _candidates():
        asked = (
            "import sys, sysconfig; print(sys.implementation.name, '%d.%d' % "
            "sys.version_info[:2], bool(sysconfig.get_config_var('Py_GIL_DISABLED')))"
        )
        try:
            told = subprocess.run(
                [candidate, "-c", asked], capture_output=True, text=True, timeout=60, check=True
            ).stdout.split()
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
    roots = [
        os.environ.get("PYENV_ROOT"),
        shutil.which("pyenv") and Path(str(shutil.which("pyenv"))).parents[1],
        Path.home() / ".pyenv",
    ]
    for root in roots:
        for version in VERSIONS:
            if root:
                yield from sorted(
                    (Path(root) / "versions").glob(f"{version}*/bin/python{version}"), reverse=True
                )


def _kstreams_sources() -> list[Path]:
    return sorted(KSTREAMS_SOURCES.iterdir())


def _install_packages(
    name: str, folder: Path, requirements: Path, python: Path | None, absent: str
) -> bool:
    """A virtual environment with the locked packages; False if its installation fails."""
    if _is_made(folder, requirements):
        return _said(f"{name} is in {folder.relative_to(ROOT)}")
    if python is None:
        return _said(f"{absent}; its rows will say so")
    _said(f"installing {name} into {folder.relative_to(ROOT)}")
    pip = [
        str(folder / "bin" / "python"),
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "--require-hashes",
    ]
    return _made(
        name,
        folder,
        [[str(python), "-m", "venv", str(folder)], [*pip, "-r", str(requirements)]],
        [requirements],
    )


def _install_kstreams() -> bool:
    """The jars and the compiled programs; False if that fails."""
    sources = _kstreams_sources()
    if _is_made(KSTREAMS, *sources):
        return _said(f"Kafka Streams is in {KSTREAMS.relative_to(ROOT)}")
    absent = kstreams_reason()
    if absent != NOT_MADE.format("Kafka Streams"):
        return _said(f"{absent}; its rows will say so")
    _said(f"installing Kafka Streams into {KSTREAMS.relative_to(ROOT)}")
    copy = [
        "mvn",
        "-q",
        "-B",
        "-f",
        str(KSTREAMS_SOURCES / "pom.xml"),
        "dependency:copy-dependencies",
        "-DincludeScope=runtime",
    ]
    programs = [str(source) for source in sources if source.suffix == ".java"]
    compile_them = [
        "javac",
        "-nowarn",
        "-cp",
        f"{KSTREAMS / 'jars'}/*",
        "-d",
        str(KSTREAMS / "classes"),
        *programs,
    ]
    return _made(
        "Kafka Streams",
        KSTREAMS,
        [[*copy, f"-DoutputDirectory={KSTREAMS / 'jars'}"], compile_them],
        sources,
    )


def _made(name: str, folder: Path, commands: list[list[str]], sources: list[Path]) -> bool:
    shutil.rmtree(folder, ignore_errors=True)
    for command in commands:
        if subprocess.run(command, check=False).returncode:
            sys.stderr.write(
                f"bench-peers: {' '.join(command)} failed; the rows will say that {name} is not "
                "installed\n"
            )
            return False
    (folder / "requirements.sha256").write_text(digest(*sources))
    return True


def _said(text: str) -> bool:
    sys.stdout.write(f"bench-peers: {text}\n")
    sys.stdout.flush()
    return True


def main() -> int:
    """Install; 0 when done or when a peer cannot be had here, 1 when an installation fails."""
    done = [
        _install_packages(
            "NautilusTrader",
            ENVIRONMENT,
            REQUIREMENTS,
            None if is_made() else find_python(),
            ABSENT,
        ),
        _install_packages("Quix Streams", QUIX, QUIX_REQUIREMENTS, Path(sys.executable), ""),
        _install_packages(
            "hftbacktest", HFTBACKTEST, HFTBACKTEST_REQUIREMENTS, Path(sys.executable), ""
        ),
        _install_kstreams(),
    ]
    return 0 if all(done) else 1


if __name__ == "__main__":
    sys.exit(main())
