"""A small market on a real broker, and the task that trades it: what the fault tests break.

Everything is fed before a task starts and an empty buffer is waited for as long as it takes, so the
live order is the merge's, and every run that ends has one and the same set of records: that of an
uninterrupted run.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from jobs.live.accounts import with_accounts
from jobs.live.deployment import Deployment, maker, published, spec_of
from jobs.strangers import remember
from jobs.strategies import strategy_sources
from jobs.ticker import settled
from schemas.catalogue import topic as topic_of
from schemas.registry import Registry
from streams.log.kafka.applying import apply, compare
from streams.log.kafka.client import KafkaLog
from streams.log.kafka.cluster import Cluster
from streams.log.kafka.framing import HEADER_BYTES, header
from streams.log.local import LocalLog
from streams.runtime.journal.journal import JournalEntry
from streams.runtime.live.shard import ShardTask
from streams.runtime.live.spec import Bounds
from streams.runtime.live.stored import read_journal, read_range, split
from tests.kafka.settled import settled_ends
from tests.scenario import configuration

ROOT = Path(__file__).resolve().parents[2]
BOUNDS = Bounds(records=200, order_wait_seconds=30.0)
"""Some twenty batches in a small recording; the order never gives up on a partition that holds
more.
"""
JOURNAL_ID = 7
ROUNDS = 12
NUMBERS = itertools.count(1)
SESSION = secrets.token_hex(3)


def fresh_environment(name: str) -> str:
    """A prefix that no other test uses."""
    return f"{name}-{SESSION}-{next(NUMBERS)}"


class LiveMarket:
    """A recording on a cluster, in this environment.

    Args:
        cluster: its environment is the test's own.
        recording: closed log.
        shards: partitions of sharded topics.
        tickers: the recording has the venue's own best bid and ask.
        options: of the configuration.
    """

    def __init__(
        self,
        cluster: Cluster,
        recording: Path,
        shards: int = 1,
        publish: str = "orders",
        tickers: bool = False,
        **options: Any,
    ) -> None:
        self.cluster = cluster
        self.log = KafkaLog(cluster)
        self.recording = recording
        self.make_topics(shards)
        options = {"strategy": "ema-cross", "state_digest_records": 500, **options}
        chosen = with_accounts(
            settled(configuration(**options), has_tickers=tickers), shards, trades=True
        )
        self.deployment = Deployment(
            job="pipeline",
            topology="pipeline",
            configuration=chosen,
            cluster=cluster,
            journal_id=JOURNAL_ID,
            shards=shards,
        )
        # as `sq run` does; a proof executes no stranger's strategy
        remember(strategy_sources(chosen))
        self.outputs = self.deployment.outputs()
        self.deployment.publish = published(self.outputs, publish, "pipeline")
        self.deployment.schema_ids = self.ids

    def make_topics(self, shards: int) -> None:
        """The catalogue on the cluster, schemas registered."""
        with Registry(self.cluster) as registry:
            apply(
                self.cluster,
                compare(self.cluster, ["pipeline"], shards, registry),
                registry,
                lambda _: None,
            )
            names = [name for name, entry in _catalogue().items() if entry.kind != "local"]
            self.ids = registry.resolve(names)

    def write(self, topic: str, values: Sequence[bytes], partition: int = 0) -> int:
        """Write values, framed or not, to a partition; returns how many."""
        writer = self.log.plain_writer()
        writer.begin()
        writer.produce(self.cluster.name(topic), partition, values)
        writer.commit()
        return len(values)

    def feed(self, first: float = 0.0, last: float = 1.0) -> int:
        """Write this share of every topic, reference data first; returns the number of records."""
        count = 0
        with LocalLog.open(self.recording) as source:
            for topic in ("ref.instruments", "control", "md.trades", "md.depth", "md.book_tickers"):
                if topic not in source.topics():
                    continue
                found = [
                    body
                    for block in source.reader(topic).blocks()
                    for body in split(block.body, block.count, topic_of(topic).record)
                ]
                part = (
                    found[int(first * len(found)) : int(last * len(found))]
                    if topic.startswith("md.")
                    else found
                    if first == 0.0
                    else []
                )
                count += self.write(topic, [header(self.ids[topic]) + body for body in part])
        return count

    def feed_others(self, topic: str) -> int:
        """Every topic but this one, which a test writes by itself; returns the number of records.
        """
        count = 0
        with LocalLog.open(self.recording) as source:
            for other in ("ref.instruments", "control", "md.trades", "md.depth"):
                if other in source.topics() and other != topic:
                    bodies = [
                        body
                        for block in source.reader(other).blocks()
                        for body in split(block.body, block.count, topic_of(other).record)
                    ]
                    count += self.write(other, [header(self.ids[other]) + body for body in bodies])
        return count

    @contextmanager
    def cluster_without_instruments(self) -> Iterator[Callable[[], int]]:
        """Market data alone is there; the function handed out writes the rest and returns how many
        records there are.
        """
        with LocalLog.open(self.recording) as source:
            bodies = {
                topic: [
                    body
                    for block in source.reader(topic).blocks()
                    for body in split(block.body, block.count, topic_of(topic).record)
                ]
                for topic in ("ref.instruments", "md.trades", "md.depth")
            }

        def write(topics: tuple[str, ...]) -> None:
            for topic in topics:
                self.write(topic, [header(self.ids[topic]) + body for body in bodies[topic]])

        def rest() -> int:
            write(("ref.instruments",))
            return sum(map(len, bodies.values()))

        write(("md.trades", "md.depth"))
        yield rest

    def task(
        self,
        on_step: Callable[[str], None] = lambda _: None,
        bounds: Bounds = BOUNDS,
        shard: int = 0,
    ) -> ShardTask:
        """A task of this market, in this process."""
        return ShardTask(
            self.log,
            spec_of(self.deployment, shard, self.outputs, bounds),
            maker(self.deployment),
            on_step=on_step,
        )

    def process(self, die_at: str = "", occurrence: int = 1, **more: Any) -> subprocess.Popen[str]:
        """The same in a process of its own, which kills itself at the given occurrence of a step;
        it drains when everything is consumed.
        """
        script = {
            "deployment": msgspec.to_builtins(self.deployment),
            "die_at": die_at,
            "occurrence": occurrence,
            **more,
        }
        command = [sys.executable, "-m", "tests.kafka.one_task", json.dumps(script)]
        return subprocess.Popen(
            command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    def journal(self, shard: int = 0) -> list[JournalEntry]:
        """The journal's records, its chain checked: a fork is an error."""
        reader = self.log.reader(self.cluster.name("test"))
        partition = self.cluster.name("pipeline.journal"), shard
        try:
            end = settled_ends(self.cluster, [partition])[partition]
            return [
                entry
                for _, entry in read_journal(
                    reader, partition, reader.start(partition), end, b"\0" * 32
                )
            ]
        finally:
            reader.close()

    def records(self, topic: str, shard: int = 0) -> list[bytes]:
        """Bodies of a topic's committed records."""
        reader = self.log.reader(self.cluster.name("test"))
        partition = self.cluster.name(topic), shard
        try:
            found = read_range(
                reader,
                partition,
                reader.start(partition),
                settled_ends(self.cluster, [partition])[partition],
            )
            return [value[HEADER_BYTES:] for chunk in found for value in chunk.values]
        finally:
            reader.close()

    def digests(self, shard: int = 0) -> dict[str, str]:
        """SHA-256 over every published topic's committed bodies."""
        return {
            topic: hashlib.sha256(b"".join(self.records(topic, shard))).hexdigest()
            for topic in self.deployment.publish
        }


def run_to_end(task: ShardTask, records: int) -> int:
    """Steps until this many records were consumed since genesis; returns the steps."""
    steps = consumed = 0
    deadline = time.monotonic() + 120
    while consumed < records:
        task.step(0.05)
        steps += 1
        if task.execution.consumed > consumed:  # the first step may compile for minutes
            consumed, deadline = task.execution.consumed, time.monotonic() + 120
        assert time.monotonic() < deadline, f"{consumed} of {records} records, none for 120 s"
    return steps


def uninterrupted(market: LiveMarket, records: int) -> dict[str, str]:
    """Digests of a run that nothing disturbs."""
    task = market.task()
    task.prepare()
    run_to_end(task, records)
    task.drain()
    task.close()
    return market.digests()


def said(process: subprocess.Popen[str], word: str, seconds: float = 120.0) -> dict[str, Any]:
    """The process's next event of this name."""
    assert process.stdout is not None
    deadline = time.monotonic() + seconds
    for line in process.stdout:
        event: dict[str, Any] = json.loads(line)
        if event["event"] == word:
            return event
        assert time.monotonic() < deadline
    assert process.stderr is not None
    raise AssertionError(
        f"the process ended without saying {word}: {process.stderr.read()[-2000:]}"
    )


def ended(process: subprocess.Popen[str], seconds: float = 120.0) -> int:
    """Its exit code."""
    process.communicate(timeout=seconds)
    return process.returncode


def stopped(process: subprocess.Popen[str]) -> None:
    """End what a test leaves running."""
    if process.poll() is None:
        os.kill(process.pid, signal.SIGKILL)
    process.communicate()


def _catalogue() -> dict[str, Any]:
    from schemas.catalogue import cluster_topics

    return {entry.name: entry for entry in cluster_topics(["pipeline"])}


def carried_through(
    market: LiveMarket, fed: int, first: subprocess.Popen[str] | None = None
) -> list[str]:
    """Start the task again until it has drained; returns the error codes it ended with on the way.
    """
    ends: list[str] = []
    process = first or market.process()
    for _ in range(ROUNDS):
        out, _ = process.communicate(timeout=150)
        lines = [line for line in out.splitlines() if line.startswith("{")]
        if process.returncode == 0:
            assert f'"records": {fed}' in lines[-1]
            return ends
        ends.append(
            lines[-1].partition('"code": "')[2].partition('"')[0]
            if lines
            else f"exit {process.returncode}"
        )
        process = market.process()
    raise AssertionError(f"it never drained: {ends}")


def wait_until(check: Callable[[], Any], seconds: float = 60.0, what: str = "it") -> Any:
    """The first true answer."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = check()
        if found:
            return found
        time.sleep(0.1)
    raise AssertionError(f"{what} did not happen within {seconds:g} s")


def each_step() -> Iterator[str]:
    """Every step of taking over, of the batch loop and of draining."""
    yield from (
        "fenced 0",
        "fenced 1",
        "journal read",
        "prepared",
        "arrived",
        "taking",
        "executed",
        "begun",
        "output written",
    )
    yield from ("journal written", "committed", "snapshot written", "drained")
