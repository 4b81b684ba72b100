"""The peers as processes: started on topics of one partition, ended when their output is complete.
"""

from __future__ import annotations

import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from streams.log.kafka.cluster import Cluster
from tests.benchmarks.kafka import truth
from tests.benchmarks.peers import install

ROOT = Path(__file__).resolve().parents[3]
PEERS = ROOT / "tests" / "benchmarks" / "peers"
LOGS = ROOT / "build" / "bench" / "kafka"
READY_SECONDS = 120
END_SECONDS = 30
HEAP = ("-Xms256m", "-Xmx512m")


class PeerFailed(Exception):
    """A peer's process ended or did not start; the text names its log."""


class Job(NamedTuple):
    """What a peer is to do: names of topics with one partition, and a name nothing used before."""

    cluster: Cluster
    name: str
    source: str
    outputs: tuple[str, ...]
    folder: Path


class Engine(NamedTuple):
    """A peer.

    Attributes:
        name: as rows call it. command: its command for a job. absent: why it is not here, empty if
            it is. bar: reads a bar it wrote.
        guarantee: what it promises.
    """

    name: str
    command: Callable[[Job], Sequence[str]]
    absent: Callable[[], str]
    bar: Callable[[bytes], truth.Bar]
    guarantee: str


class Spent(NamedTuple):
    """CPU seconds of a process that has ended; filled in then."""

    cpu_seconds: list[float]


def kstreams(work: str, commit_interval_ms: int, changelog: bool) -> Callable[[Job], Sequence[str]]:
    """Command of Kafka Streams: ``bars``, or ``answers`` (each trade's id to every output)."""

    def command(job: Job) -> Sequence[str]:
        program = [
            "java",
            *HEAP,
            "-XX:ActiveProcessorCount=2",
            "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
        ]
        program += [
            "-cp",
            f"{install.KSTREAMS / 'classes'}:{install.KSTREAMS / 'jars'}/*",
            "Peer",
            work,
            job.cluster.bootstrap,
            job.name,
        ]
        return [
            *program,
            str(job.folder),
            job.source,
            ",".join(job.outputs),
            str(commit_interval_ms),
            "changelog" if changelog else "no-changelog",
        ]

    return command


def _python(interpreter: Path | str, script: str) -> Callable[[Job], Sequence[str]]:
    def command(job: Job) -> Sequence[str]:
        schema = ROOT / "schemas" / "trade.avsc"
        return [
            str(interpreter),
            str(PEERS / script),
            job.cluster.bootstrap,
            job.name,
            str(job.folder),
            job.source,
            job.outputs[0],
            str(schema),
        ]

    return command


KSTREAMS = Engine(
    "kstreams",
    kstreams("bars", 100, changelog=False),
    install.kstreams_reason,
    truth.peer_bar,
    "exactly once",
)
KSTREAMS_CHANGELOG = KSTREAMS._replace(
    name="kstreams-changelog", command=kstreams("bars", 100, changelog=True)
)
QUIX = Engine(
    "quix",
    _python(install.QUIX / "bin" / "python", "quix_engine.py"),
    install.quix_reason,
    truth.peer_bar,
    "exactly once",
)
FAUST = Engine(
    "faust", _python(sys.executable, "faust_engine.py"), lambda: "", truth.peer_bar, "at least once"
)


@contextmanager
def running(
    engine: Engine, cluster: Cluster, name: str, source: str, outputs: Sequence[str]
) -> Iterator[Spent]:
    """The peer at work on ``source``; ended on leaving.

    Raises:
        PeerFailed: it ended by itself, or was not ready within ``READY_SECONDS``.
    """
    LOGS.mkdir(parents=True, exist_ok=True)
    log = LOGS / f"{engine.name}.log"
    folder = Path(tempfile.mkdtemp(prefix=f"bench-{engine.name}-"))
    before = children_seconds()
    spent = Spent([])
    with log.open("w") as errors:
        command = engine.command(Job(cluster, name, source, tuple(outputs), folder))
        process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            cwd=ROOT,
            start_new_session=True,
        )
        try:
            _await_ready(process, engine.name, log)
            yield spent
            if process.poll() is not None:
                raise PeerFailed(
                    f"{engine.name} ended with {process.returncode}; its log is "
                    f"{log.relative_to(ROOT)}"
                )
        finally:
            _end(process)
            shutil.rmtree(folder, ignore_errors=True)
            spent.cpu_seconds.append(children_seconds() - before)


def _await_ready(process: subprocess.Popen[str], name: str, log: Path) -> None:
    """Wait for the line ``ready``; whatever else it prints is thrown away, on a thread, so that it
    never blocks.
    """
    ready = threading.Event()

    def read() -> None:
        assert process.stdout is not None
        for line in process.stdout:
            if line.strip() == "ready":
                ready.set()

    threading.Thread(target=read, daemon=True).start()
    for _ in range(READY_SECONDS * 10):
        if ready.wait(0.1):
            return
        if process.poll() is not None:
            break
    raise PeerFailed(
        f"{name} did not start within {READY_SECONDS} s; its log is {log.relative_to(ROOT)}"
    )


def _end(process: subprocess.Popen[str]) -> None:
    for number in (signal.SIGTERM, signal.SIGKILL):
        if process.poll() is None:
            os.killpg(process.pid, number)
        try:
            process.wait(END_SECONDS)
            return
        except subprocess.TimeoutExpired:
            continue


def children_seconds() -> float:
    """CPU seconds of all children that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
