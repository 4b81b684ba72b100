"""Our side of the benchmarks: the commands a user types, in an environment of the benchmark's own
on the cluster.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from schemas.codec import codec
from schemas.records import Instrument
from schemas.registry import resolve
from streams.log.kafka.cluster import Cluster
from streams.log.kafka.framing import header
from streams.log.kafka.partitions import key_of_instrument
from tests.benchmarks.kafka import topics
from tests.benchmarks.kafka.engines import LOGS, ROOT, Spent, children_seconds

SECONDS = 600
DRAIN_SECONDS = 60


class CommandFailed(Exception):
    """One of our commands failed; the text is its own."""


class Place:
    """An environment on a cluster where one benchmark's topics are; a context manager that deletes
    them.

    ``topologies``: names of those that have topics, in the order they were made.

    Args:
        cluster: bootstrap and registry.
        name: of the environment; made unique.
    """

    def __init__(self, cluster: Cluster, name: str) -> None:
        self.cluster = msgspec.structs.replace(
            cluster, environment=f"bench-{name}-{time.time_ns() // 1_000_000 % 10**8}"
        )
        self.topologies: list[str] = []

    def __enter__(self) -> Place:
        return self

    def __exit__(self, *_: object) -> None:
        prefix = f"{self.cluster.environment}."
        topics.remove(
            self.cluster,
            [name for name in topics.existing(self.cluster) if name.startswith(prefix)],
        )

    @property
    def variables(self) -> dict[str, str]:
        """The environment of a command that works here."""
        given = {
            "SQ_KAFKA_BOOTSTRAP": self.cluster.bootstrap,
            "SQ_KAFKA_REGISTRY": self.cluster.registry,
        }
        return {**os.environ, **given, "SQ_KAFKA_ENVIRONMENT": self.cluster.environment}

    def sq(self, *arguments: str) -> str:
        """Run a command; returns what it prints. Raises CommandFailed."""
        done = subprocess.run(
            [*SQ, *arguments],
            cwd=ROOT,
            env=self.variables,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
        if done.returncode:
            raise CommandFailed(
                f"sq {' '.join(arguments)}: {done.stderr.strip() or done.stdout.strip()}"
            )
        return done.stdout

    def topology(self, name: str) -> str:
        """Make the topics of a topology; returns its name."""
        self.topologies.append(name)
        self.sq(
            "topics",
            "apply",
            "--shards",
            "1",
            *[part for each in self.topologies for part in ("--topology", each)],
        )
        return name

    def feed(self, recording: Path) -> int:
        """Put a recording on the topics as fast as it goes; returns how many records."""
        return int(
            json.loads(self.sq("feed", str(recording), "--speed", "max", "--json"))["records"]
        )

    def refer(self, known: Sequence[Instrument]) -> None:
        """Put instruments alone on ``ref.instruments``; ``sq feed`` takes recordings with market
        data only.
        """
        frame = header(resolve(self.cluster, ["ref.instruments"])["ref.instruments"])
        values = [frame + codec("Instrument").encode_records([each]) for each in known]
        topics.fill(
            self.cluster,
            self.cluster.name("ref.instruments"),
            [values],
            [key_of_instrument(each.instrument) for each in known],
        )

    def end(self, topic: str) -> int:
        """Last stable offset of a topic's partition 0."""
        return topics.end(self.cluster, self.cluster.name(topic))

    @contextmanager
    def running(
        self,
        job: str,
        name: str,
        *flags: str,
        close: bool = True,
        ends_well: bool = True,
        log: str = "ours.log",
    ) -> Iterator[Running]:
        """``sq run`` at work; drained on leaving, and with ``close`` its topology closed, so that
        the next one may own its topics.

        ``ends_well``: it is an error if it has ended by then.
        """
        found = Running(self, [job, "--name", name, "--linger", "0s", *flags], log)
        try:
            yield found
            if ends_well:
                found.expect_alive()
        finally:
            found.stop()
        if close:
            self.sq("stop", name, "--close")


class Running:
    """A ``sq run`` process."""

    def __init__(self, place: Place, arguments: Sequence[str], log: str) -> None:
        LOGS.mkdir(parents=True, exist_ok=True)
        self.log = LOGS / log
        self.spent = Spent([])
        self._before = children_seconds()
        with self.log.open("w") as output:
            self.process = subprocess.Popen(
                [*SQ, "run", *arguments],
                cwd=ROOT,
                env=place.variables,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    def expect_alive(self) -> None:
        """Raise CommandFailed if it has ended."""
        if self.process.poll() is not None:
            raise CommandFailed(
                f"sq run ended with {self.process.returncode}: {self.log.read_text()[-500:]}"
            )

    def events(self, name: str) -> list[dict[str, Any]]:
        """Lines of its log with this event."""
        lines = [
            json.loads(line) for line in self.log.read_text().splitlines() if line.startswith("{")
        ]
        return [line for line in lines if line.get("event") == name]

    def await_running(self) -> None:
        """Wait until its shard runs. Raises CommandFailed, TimeoutError."""
        self.await_event("running")

    def await_event(self, name: str) -> None:
        """Wait for a line of its log. Raises CommandFailed, TimeoutError."""
        deadline = time.monotonic() + SECONDS
        while not self.events(name):
            self.expect_alive()
            if time.monotonic() > deadline:
                raise TimeoutError(
                    f"sq run did not say {name!r} within {SECONDS} s; its log is "
                    f"{self.log.relative_to(ROOT)}"
                )
            time.sleep(0.1)

    def owner(self) -> int:
        """Process id of the shard's process: the busiest fork of the warm one."""
        warm = [
            child
            for child in _children(self.process.pid)
            if "jobs.live.warm" in Path(f"/proc/{child}/cmdline").read_text()
        ]
        return max((fork for each in warm for fork in _children(each)), key=_ticks)

    def stop(self) -> None:
        """Drain, as Ctrl-C does; kill if that does not end it."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            try:
                self.process.wait(DRAIN_SECONDS)
            except subprocess.TimeoutExpired:
                os.killpg(self.process.pid, signal.SIGKILL)
                self.process.wait()
        if not self.spent.cpu_seconds:
            self.spent.cpu_seconds.append(children_seconds() - self._before)

    def kill(self) -> None:
        """SIGKILL the process and its children."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


def _children(process: int) -> list[int]:
    return [
        int(child)
        for path in Path(f"/proc/{process}/task").glob("*/children")
        for child in path.read_text().split()
    ]


def _ticks(process: int) -> int:
    """CPU ticks a process has used (``proc(5)``, fields 14 and 15)."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


SQ: tuple[str, ...] = (sys.executable, "-m", "jobs.sq")
