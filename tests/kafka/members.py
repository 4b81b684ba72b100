"""Members of a topology as a user starts them, and the commands around them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
from prometheus_client.parser import text_string_to_metric_families

from jobs.lag.cluster import KafkaLagSource
from jobs.lag.settings import LagSettings
from jobs.lag.watching import Watch
from streams.log.kafka.client import KafkaLog
from streams.log.kafka.cluster import Cluster
from tests.kafka.edge_topics import ROOT, EdgeTopics, Ended
from tests.kafka.live_market import wait_until

PIPELINE = ("pipeline", "--clock", "event", "--strategy", "ema-cross", "--linger", "0s")


class Member:
    """A ``sq run`` in a session of its own."""

    def __init__(
        self, edge: EdgeTopics, log: Path, home: Path, *arguments: str, **variables: str
    ) -> None:
        self.log = log
        with log.open("w") as file:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "jobs.sq", "run", *arguments],
                cwd=ROOT,
                env=edge.environment(SQ_KAFKA_HOME=str(home), **variables),
                stdout=file,
                stderr=file,
                start_new_session=True,
            )

    def events(self, name: str) -> list[dict[str, Any]]:
        """What it has told under this name."""
        lines = [
            json.loads(line) for line in self.log.read_text().splitlines() if line.startswith("{")
        ]
        return [line for line in lines if line["event"] == name]

    def wait(self, name: str, count: int = 1, seconds: float = 150) -> dict[str, Any]:
        """The event, once it was told ``count`` times."""

        def told() -> list[dict[str, Any]]:
            found = self.events(name)
            assert len(found) >= count or self.process.poll() is None, self.log.read_text()[-2000:]
            return found if len(found) >= count else []

        found: list[dict[str, Any]] = wait_until(told, seconds, f"{name} number {count}")
        return found[count - 1]

    def kill(self) -> None:
        """SIGKILL to it and its children."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def stop(self, seconds: float = 60) -> int:
        """SIGTERM; its exit code."""
        self.process.terminate()
        return self.process.wait(seconds)


Run = Callable[..., Member]


def members(edge: EdgeTopics, tmp_path: Path) -> Iterator[Run]:
    """For a fixture: starts members, kills what is left of them."""
    started: list[Member] = []

    def start(*arguments: str, **variables: str) -> Member:
        started.append(
            Member(
                edge,
                tmp_path / f"member{len(started)}.log",
                tmp_path / "home",
                *(arguments or PIPELINE),
                **variables,
            )
        )
        return started[-1]

    yield start
    for member in started:
        if member.process.poll() is None:
            member.kill()


def edge_of(cluster: Cluster) -> EdgeTopics:
    """The cluster without topics of its own: the commands make them."""
    made = EdgeTopics.__new__(EdgeTopics)
    made.cluster = cluster
    made.log = KafkaLog(cluster)
    return made


def sq(edge: EdgeTopics, tmp_path: Path, *arguments: str) -> Ended:
    """A command that must succeed."""
    done = edge.sq(*arguments, SQ_KAFKA_HOME=str(tmp_path / "home"))
    assert done.returncode == 0, done.stderr
    return done


def status(edge: EdgeTopics, tmp_path: Path) -> list[dict[str, Any]]:
    """Rows of ``sq status``."""
    found: list[dict[str, Any]] = json.loads(sq(edge, tmp_path, "status", "--json").stdout)
    return found


def counted(home: Path, job: str) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    """Series of every process of a job (``member``, ``task``) that lives, as Prometheus would read
    them.
    """
    found = {}
    for path in (home / "targets").glob(f"{job}-*.json"):
        address = json.loads(path.read_text())[0]["targets"][0]
        with urllib.request.urlopen(f"http://{address}/metrics", timeout=20) as answer:
            for family in text_string_to_metric_families(answer.read().decode()):
                found.update(
                    {
                        (each.name, frozenset(each.labels.items())): each.value
                        for each in family.samples
                    }
                )
    return found


def seen_by_exporter(edge: EdgeTopics) -> dict[int, str]:
    """State by shard, as the lag exporter tells it, started in another environment of the cluster.
    """
    cluster = msgspec.structs.replace(edge.cluster, environment="")
    settings = LagSettings(groups=f"{edge.cluster.environment}.*")
    source = KafkaLagSource(cluster, settings)
    try:
        return {
            each.shard: each.state
            for each in Watch(source, settings).collect().shards
            if each.environment == edge.cluster.environment
        }
    finally:
        source.close()


def consumed(edge: EdgeTopics, tmp_path: Path) -> int:
    """Input records of all shards."""
    return sum(row["records"] for row in status(edge, tmp_path))
