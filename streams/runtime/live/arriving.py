"""Which records the next batch of a live topology consumes: what has arrived, in the live order.

Implements ``streams/runtime/task_inputs.Inputs``: control and reference data first, then market
data; waits, for a bounded time, for a partition that is known to hold what comes next.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from streams.log.kafka.transport import Log, TransportFailed
from streams.runtime.journal.batch import Batch
from streams.runtime.journal.observer import Observer
from streams.runtime.live.arrival import Arrival
from streams.runtime.live.clock import SteadyClock
from streams.runtime.live.order import LiveOrder
from streams.runtime.live.pace import Pace
from streams.runtime.live.poison_bisection import PoisonBisection
from streams.runtime.live.spec import Clock, TaskSpec
from streams.runtime.order.feed import BUFFERED_RECORDS, POLL_SECONDS, REFILL_SECONDS, Feed
from streams.runtime.recovery.execution import Execution

Make = Callable[[Log, TaskSpec, dict[str, int]], LiveOrder]
"""Builds the order of the inputs, and the execution, from the readers' start offsets: ``make(log,
spec, start_offsets)``.
"""


def fill_to(feed: Feed, end: int) -> None:
    """Take everything before this offset, an end that was asked of the log, or as much as there is
    room for.

    Raises:
        TransportFailed: it does not come.
    """
    tries = 0
    while feed.source.position() < end and feed.waiting < BUFFERED_RECORDS:
        tries = 0 if feed.fill(POLL_SECONDS) else tries + 1
        if tries > REFILL_SECONDS / POLL_SECONDS:
            after = feed.source.position()
            what = f"{feed.topic} ends at offset {end} and nothing comes after {after}"
            raise TransportFailed(f"{what}; check the broker")


class ArrivingInputs:
    """See the module's head.

    Args:
        cluster: or the simulator.
        spec: of the task.
        make: builds the order and the execution.
        wall_ns: ns UTC, for the wall clock source; read between batches only.
        monotonic: seconds, for waiting.
        on_step: called with each step's name, for fault tests.
        observer: told what is waited for.

    Attributes:
        bisection: bounds batches where a record among them killed a process.
        clock: what of the wall clock is believed.
    """

    order: LiveOrder
    execution: Execution
    work_seconds = 0.0

    def __init__(
        self,
        cluster: Log,
        spec: TaskSpec,
        make: Make,
        wall_ns: Clock,
        monotonic: Callable[[], float],
        on_step: Callable[[str], None],
        observer: Observer,
    ) -> None:
        self.cluster = cluster
        self.spec = spec
        self.make = make
        self.monotonic = monotonic
        self.on_step = on_step
        self.observer = observer
        self.clock = SteadyClock(wall_ns, monotonic, spec.clock_jump_max)
        self.bisection = PoisonBisection()
        self.pace = Pace(spec.bounds)
        self._arrival = Arrival(spec.bounds, monotonic)
        self._last_tick = monotonic()
        self._last_batch = -1e9
        self._waiting = ""

    def open(self, genesis: dict[str, Any]) -> Execution:
        """The execution over the partitions, from the genesis record's start offsets on."""
        starts = {item["topic"]: item["start_offset"] for item in genesis["inputs"]}
        self.order = self.make(self.cluster, self.spec, starts)
        self.execution = self.order.execution
        return self.execution

    def hear(self) -> None:
        """What control and reference data hold by now: a record left out while nothing ran is not
        executed again.
        """
        for feed in self.execution.feeds:
            if not feed.is_market_data:
                fill_to(feed, feed.source.end())  # another reader must first ask for the topic

    def start(self) -> None:
        """The clock goes on from the journal's."""
        if self.execution.is_wall:
            self.clock.start(self.execution.present)

    def next(self, wait_seconds: float) -> Batch | None:
        """One batch of what has arrived.

        Raises:
            DeadLetterFlood, UnresolvedSchemaId: the next record halts the task; nothing of it was
                executed.
        """
        execution = self.execution
        self.order.set_time(self.now())
        self._arrival.take(self.order, wait_seconds)
        self.on_step("arrived")
        bound = self.bisection.bound(execution, self.pace.records)
        if not self._arrival.is_due(execution, self.monotonic() - self._last_batch, bound):
            return None
        batch = self._next(bound)
        if batch is not None:
            self.on_step("executed")
            self._last_batch = self.monotonic()
        return batch

    def _next(self, bound: int) -> Batch | None:
        """The next batch in the live order; waits, for a bounded time, for a partition that is
        known to hold what comes next.
        """
        execution, spec = self.execution, self.spec
        if not execution.is_started and not self._can_start():
            return None
        clock = 0
        if execution.is_wall:
            idle = not any(feed.waiting for feed in execution.feeds)
            if idle and self.monotonic() - self._last_tick < spec.bounds.tick_seconds:
                return None
            clock = self.now()
            self._last_tick = self.monotonic()
        for _ in range(2):
            self._arrival.mark_awaited(execution)
            due = spec.state_digest_records - execution.consumed % spec.state_digest_records
            started = self.monotonic()
            self.on_step("taking")
            batch = self.order.next_live(min(bound, spec.bounds.records, due), clock)
            if batch is not None:
                self.work_seconds = self.monotonic() - started
                self.pace.adapt(sum(item.count for item in batch.inputs), self.work_seconds)
                return batch
            if self.order.awaited is None:
                return None
            self._arrival.wait_for(self.order.awaited)
        return None

    def now(self) -> int:
        """The time of day; what arrived says whether a wall clock that is far ahead is right."""
        before = bool(self.clock.complaint)
        now = self.clock.read(max(feed.timestamp_ms for feed in self.execution.feeds) * 1_000_000)
        if bool(self.clock.complaint) != before:
            self._report(self.clock.complaint)
        return now

    def _can_start(self) -> bool:
        """True once there is market data, and every instrument known now has arrived."""
        execution = self.execution
        if not any(feed.holds_market_data for feed in execution.feeds if feed.is_market_data):
            return False
        self.hear()
        if not self.order.is_ready():
            self._report(
                "market data waits for instruments: ref.instruments is empty; 'sq feed' writes it "
                "first"
            )
            return False
        self._report("")
        return True

    def _report(self, what: str) -> None:
        if what != self._waiting:
            self._waiting = what
            self.observer.waiting(what)

    def committed(self, seconds: float) -> None:
        """Batches grow where commits are slow."""
        self.pace.commit_seconds = seconds

    def changed(self, genesis: dict[str, Any]) -> str:
        """A live topology's inputs have no end."""
        return ""
