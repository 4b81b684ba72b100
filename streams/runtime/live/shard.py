"""The task of one shard of a live topology."""

from __future__ import annotations

import time
from collections.abc import Callable

from streams.log.kafka.transport import Log
from streams.runtime.journal.observer import Observer
from streams.runtime.live.arriving import ArrivingInputs, Make
from streams.runtime.live.shard_log import ShardLog
from streams.runtime.live.spec import Clock, TaskSpec
from streams.runtime.recovery.task import Task, ignore


class ShardTask(Task):
    """A task whose log is a :class:`ShardLog`, and whose inputs are what arrives.

    Args:
        cluster: or the simulator.
        spec: names, inputs, outputs, bounds.
        make: builds the execution from the readers' start offsets: ``make(log, spec,
            start_offsets)``.
        wall_ns: ns UTC, for the wall clock source; read between batches only.
        monotonic: seconds, for waiting.
        on_step: called with each step's name, for fault tests.
        observer: told of commits, recoveries and waits.
    """

    log: ShardLog
    inputs: ArrivingInputs

    def __init__(
        self,
        cluster: Log,
        spec: TaskSpec,
        make: Make,
        wall_ns: Clock = time.time_ns,
        monotonic: Callable[[], float] = time.monotonic,
        on_step: Callable[[str], None] = ignore,
        observer: Observer | None = None,
    ) -> None:
        told = observer or Observer()
        log = ShardLog(cluster, spec, on_step, monotonic)
        inputs = ArrivingInputs(cluster, spec, make, wall_ns, monotonic, on_step, told)
        super().__init__(log, inputs, spec.state_digest_records, on_step, told, monotonic)
