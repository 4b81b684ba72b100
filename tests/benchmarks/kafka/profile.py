"""Where a task's CPU time goes without a broker: the task itself over records that lie in memory as
they come from the bulk queue.

    python -m tests.benchmarks.kafka.profile trades [--records 1000000] [--functions 25]
    python -m tests.benchmarks.kafka.profile ledger|orders|depth

Prints records (depth: rows too) per CPU second of the batch loop, and with ``--functions`` the
profiler's list. Left out are fetching, producing and committing, whose cost ``consuming.py`` and
reference/kafka.md 11 give; everything else is the runner's own code. CPU seconds, so a busy machine
does not matter much; the profiler itself costs little here, for there are few calls a record.
"""

from __future__ import annotations

import argparse
import cProfile
import pstats
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from jobs.configuration import Configuration
from jobs.live.deployment import Deployment, maker, published, spec_of
from schemas.codec import codec
from streams.log.kafka.cluster import Cluster
from streams.log.kafka.framing import FramedValues
from streams.log.kafka.transport import NOTHING, Chunk, Partition, TopicFacts
from streams.log.local import LocalLog
from streams.runtime.live.shard import ShardTask
from tests.benchmarks import recordings
from tests.benchmarks.kafka import inputs, market
from tests.benchmarks.kafka.latency import STRATEGY

Array = np.ndarray[Any, Any]
Held = tuple[Array, Array]


class Memory:
    """A log of one partition a topic: inputs as bodies and ends, outputs counted and dropped. The
    roles of the transport in one object.
    """

    def __init__(self, held: Mapping[str, Held]) -> None:
        self.held = held
        self._at: Partition = ("", 0)
        self._next = 0
        self._written: dict[Partition, int] = {}
        self._count: dict[Partition, int] = {}

    def reader(self, group: str) -> Memory:
        """A reader of its own."""
        return Memory(self.held)

    def writer(self, transactional_id: str) -> Memory:
        """A writer of its own."""
        return Memory(self.held)

    def plain_writer(self) -> Memory:
        """A writer of its own."""
        return Memory(self.held)

    def admin(self) -> Memory:
        """Itself."""
        return self

    def describe(self, topics: Sequence[str]) -> dict[str, TopicFacts]:
        """Every topic is there."""
        return {topic: TopicFacts(topic, 1) for topic in topics}

    def assign(self, positions: Mapping[Partition, int]) -> None:
        """Read this partition."""
        for self._at, self._next in positions.items():
            pass

    def end(self, partition: Partition) -> int:
        """Records held."""
        return len(self.held[partition[0]][1]) if partition[0] in self.held else 0

    def start(self, partition: Partition) -> int:
        """0."""
        return 0

    def position(self, partition: Partition) -> int:
        """Next offset."""
        return self._next

    def is_behind(self, partition: Partition) -> bool:
        """More is held."""
        return self._next < self.end(partition)

    def fetch(self, limit: int, wait_seconds: float) -> Chunk:
        """The next records."""
        first, last = self._next, min(self._next + limit, self.end(self._at))
        if first >= last:
            return NOTHING
        body, ends = self.held[self._at[0]]
        begin = int(ends[first - 1]) if first else 0
        self._next = last
        values = FramedValues(
            body[begin : int(ends[last - 1])],
            ends[first:last] - begin,
            np.ones(last - first, np.int64),
        )
        return Chunk(list(range(first, last)), values, time.time_ns() // 1_000_000)

    def beside(self, work: Callable[[], None]) -> Callable[[], None]:
        """When it is waited for."""
        return work

    def init(self) -> None:
        """Nothing to fence."""

    begin = abort = close = init

    def produce(
        self,
        topic: str,
        partition: int,
        values: Sequence[bytes],
        keys: Sequence[bytes] | None = None,
    ) -> None:
        """Count."""
        at = topic, partition
        self._count[at] = self._count.get(at, 0) + len(values)
        self._written[at] = self._count[at] - 1

    def commit(self) -> dict[Partition, int]:
        """Last offsets written."""
        written, self._written = self._written, {}
        return written

    def commit_position(self, offsets: Mapping[Partition, int], wait: bool = False) -> None:
        """Nothing to store."""


def _held(recording: Path, topic: str) -> Held:
    with LocalLog.open(recording) as log:
        bodies, ends, base = [], [], 0
        for block in log.reader(topic).blocks():
            body = np.frombuffer(block.body, np.uint8)
            bodies.append(body)
            ends.append(
                codec("DepthUpdate" if topic == "md.depth" else "Trade").record_ends(
                    body, block.count
                )
                + base
            )
            base += len(body)
    return np.concatenate(bodies), np.concatenate(ends)


def _instruments(recording: Path) -> Held:
    with LocalLog.open(recording) as log:
        records = [
            codec("Instrument").decode_records(block.body, block.count)
            for block in log.reader("ref.instruments").blocks()
        ]
    found = [codec("Instrument").encode_records([each]) for part in records for each in part]
    return np.frombuffer(b"".join(found), np.uint8), np.cumsum(
        [len(each) for each in found], dtype=np.int64
    )


def _steps(task: ShardTask, wanted: int) -> Iterator[int]:
    """Records of each batch."""
    done = 0
    while done < wanted:
        found = task.step(0.01)
        if not found:
            return
        done += found
        yield found


def main() -> int:
    """Print the figures."""
    command = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    command.add_argument("what", choices=("trades", "ledger", "orders", "depth"))
    command.add_argument("--records", type=int, default=1_000_000, help="trades, or rows of depth")
    command.add_argument("--functions", type=int, default=0)
    arguments = command.parse_args()
    recording = (
        recordings.tiled(arguments.records)
        if arguments.what == "depth"
        else inputs.trades_recording(arguments.records)
    )
    held = {"ref.instruments": _instruments(recording), "md.trades": _held(recording, "md.trades")}
    if arguments.what == "depth":
        held["md.depth"] = _held(recording, "md.depth")
    job, publish, strategy, parameters = {
        "trades": ("market", "md.bars", "ema-cross", {}),
        "depth": ("market", "md.marks", "ema-cross", {}),
        "ledger": ("pipeline", "signals", f"{STRATEGY}:BarsInPython", {}),
        "orders": ("pipeline", "orders.requests", f"{STRATEGY}:OrderOnTrade", {"every": "50"}),
    }[arguments.what]
    configuration = Configuration(strategy=strategy, parameters=parameters)
    deployment = Deployment(
        job=job, topology=job, configuration=configuration, cluster=Cluster(bootstrap="memory")
    )
    outputs = deployment.outputs()
    deployment.publish = published(outputs, publish, job)
    deployment.schema_ids = dict.fromkeys(deployment.topics(), 1)
    log: Any = Memory(held)  # of the transport, what one task over memory calls
    task = ShardTask(log, spec_of(deployment, 0, outputs), maker(deployment))
    task.prepare()
    total = sum(len(ends) for _, ends in held.values())
    steps = _steps(task, total)
    done = next(steps)  # compiles
    profiler = cProfile.Profile(time.thread_time)  # a busy machine's waits belong to no function
    started = time.thread_time()
    if arguments.functions:
        profiler.enable()
    batches = 0
    for found in steps:
        batches += 1
        done += found
    profiler.disable()
    seconds = time.thread_time() - started
    rows = (
        f", {market.rows_by_time(recording)[1][-1] * done / total / seconds:,.0f} rows per CPU "
        "second"
        if arguments.what == "depth"
        else ""
    )
    sys.stdout.write(
        f"{arguments.what}: {done:,} of {total:,} records in {batches} batches, "
        f"{done / seconds:,.0f} records per CPU second{rows}\n"
    )
    if arguments.functions:
        pstats.Stats(profiler, stream=sys.stdout).sort_stats("tottime").print_stats(
            arguments.functions
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
