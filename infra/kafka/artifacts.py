"""The programs: Apache Kafka and Apicurio Registry at pinned versions, fetched once per user with
Maven into a cache folder.

Apache publishes no broker on PyPI, npm or Debian; its Maven artifacts are the whole broker. Kafka
4.x stays on slf4j 1.7, so its logging back end is ``log4j-slf4j-impl`` (``log4j-slf4j2-impl`` would
be silent).
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from infra.kafka.errors import NoArtifacts

KAFKA_VERSION = "4.3.1"
SCALA_VERSION = "2.13"
LOG4J_VERSION = "2.25.5"
APICURIO_VERSION = "3.3.3"
CACHE = "SQ_CACHE"
FETCH_SECONDS = 900

POM = f"""\
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>shrivenquant</groupId><artifactId>local-kafka</artifactId><version>1</version><packaging>pom</packaging>
  <dependencies>
    <dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_{SCALA_VERSION}</artifactId><version>{KAFKA_VERSION}</version></dependency>
    <dependency><groupId>org.apache.logging.log4j</groupId><artifactId>log4j-slf4j-impl</artifactId><version>{LOG4J_VERSION}</version></dependency>
    <dependency><groupId>org.apache.logging.log4j</groupId><artifactId>log4j-1.2-api</artifactId><version>{LOG4J_VERSION}</version></dependency>
  </dependencies>
</project>
"""

Say = Callable[[str], None]


def silent(_: str) -> None:
    """Says nothing."""


def cache() -> Path:
    """The folder of fetched programs: ``SQ_CACHE``, or ``shrivenquant`` below the user's cache
    folder.
    """
    given = os.environ.get(CACHE)
    if given:
        return Path(given)
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "shrivenquant"


def have_kafka() -> bool:
    """True if the broker's jars are in the cache."""
    return (cache() / f"kafka-{KAFKA_VERSION}" / "libs").is_dir()


def have_registry() -> bool:
    """True if the registry is in the cache."""
    return (cache() / f"apicurio-{APICURIO_VERSION}" / "app" / "quarkus-run.jar").is_file()


def kafka(say: Say = silent) -> Path:
    """Folder with ``libs/*.jar`` of the broker, fetched if it is not there. Raises NoArtifacts."""

    def fetch(folder: Path) -> None:
        (folder / "pom.xml").write_text(POM)
        say(f"fetching Apache Kafka {KAFKA_VERSION} (44 MB, once)")
        _maven(
            folder,
            "dependency:copy-dependencies",
            "-DincludeScope=runtime",
            f"-DoutputDirectory={folder / 'libs'}",
        )

    return _once(f"kafka-{KAFKA_VERSION}", fetch)


def registry(say: Say = silent) -> Path:
    """Folder with ``app/quarkus-run.jar`` of the registry, fetched if it is not there. Raises
    NoArtifacts.
    """

    def fetch(folder: Path) -> None:
        say(f"fetching Apicurio Registry {APICURIO_VERSION} (159 MB, once)")
        artifact = f"io.apicurio:apicurio-registry-app:{APICURIO_VERSION}:tar.gz:all"
        _maven(folder, "dependency:copy", f"-Dartifact={artifact}", f"-DoutputDirectory={folder}")
        packed = next(folder.glob("*.tar.gz"))
        say(f"unpacking {packed.name}")
        with tarfile.open(packed) as archive:
            archive.extractall(folder / "app", filter="data")
        packed.unlink()

    return _once(f"apicurio-{APICURIO_VERSION}", fetch)


def _once(name: str, fetch: Callable[[Path], None]) -> Path:
    """The cached folder; it is made beside and renamed when whole, and only one process makes it.
    """
    folder = cache() / name
    if folder.is_dir():
        return folder
    cache().mkdir(parents=True, exist_ok=True)
    with _locked(cache() / f".{name}.lock"):
        if not folder.is_dir():
            making = Path(tempfile.mkdtemp(prefix=f".{name}.", dir=cache()))
            try:
                fetch(making)
                making.chmod(0o755)
                making.rename(folder)
            finally:
                shutil.rmtree(making, ignore_errors=True)
    return folder


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _maven(folder: Path, *goal: str) -> None:
    maven = shutil.which("mvn")
    if maven is None:
        raise NoArtifacts(
            "Maven is needed once, to fetch the broker and the registry: install it ('mvn' on the "
            "PATH), or run a container engine and use 'sq kafka up --backend containers'"
        )
    try:
        done = subprocess.run(
            [maven, "-B", "-q", *goal],
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=FETCH_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as late:
        raise NoArtifacts(
            f"Maven did not finish in {FETCH_SECONDS} s; look at the network, then run the same "
            "command again"
        ) from late
    if done.returncode:
        said = next(
            (line for line in done.stdout.splitlines() if "ERROR" in line), "it did not say why"
        ).removeprefix("[ERROR] ")
        raise NoArtifacts(f"Maven could not fetch {goal[-1]}: {said[:300]}")
