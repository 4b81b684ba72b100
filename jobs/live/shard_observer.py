"""What a shard's process tells of itself between batches: metrics, taken at the edges and never
inside a stage.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

from jobs.live.deployment import Deployment, facts_of
from jobs.telemetry.domain import DomainMetrics, Symbol
from jobs.telemetry.serving import serve
from jobs.telemetry.task import ProcessMetrics, TaskMetrics
from schemas.codec import codec
from schemas.version import VERSION
from streams.log.kafka.cluster import home
from streams.runtime.journal.observer import BatchFacts, Observer
from streams.runtime.order.canary import CANARY
from streams.runtime.order.dead_letters import DEAD_LETTERS
from streams.signals.view import LOG

POSITIONS_SECONDS = 1.0
LINES_MAX = 100
"""Lines of a strategy in one batch that go to the structured log."""


class ShardObserver(Observer):
    """Observer of one task.

    Args:
        deployment: the job.
        shard: which.
        say: sends an event to the parent.
        outputs: topics that the task writes or digests.
    """

    def __init__(
        self,
        deployment: Deployment,
        shard: int,
        say: Callable[..., None],
        outputs: Sequence[str] = (),
    ) -> None:
        self.repeated = 0
        self._say = say
        self._shard = shard
        self._linger_seconds = deployment.linger / 1e9
        self._symbols: dict[int, Symbol] = {}
        self._execution: Any = None
        self._named: Any = None
        self._clock = 0
        self._last_positions = 0.0
        process = ProcessMetrics(VERSION, facts_of(deployment)["code"])
        self._metrics = TaskMetrics(
            deployment.topology,
            shard,
            process.registry,
            inputs=deployment.inputs(),
            outputs=outputs,
        )
        self._domain = DomainMetrics(deployment.topology, shard, process.registry, self._symbols)
        self._server = serve(
            process.registry, job="task", home=home(), environment=deployment.cluster.environment
        )
        self.port = self._server.port

    def state(self, name: str) -> None:
        """The task is in another state."""
        self._metrics.state(name)

    def following(self, sequence: int, lag_records: int | None) -> None:
        """Where a standby is; None: it follows no more."""
        self._metrics.following(sequence, lag_records)

    def committed(self, facts: BatchFacts) -> None:
        """A batch was committed: count it, and measure from its records' Kafka timestamps to now.
        """
        now = time.time()
        self._clock = facts.clock
        if self._execution is not None and self._execution.known is not self._named:
            self._name_instruments()
        self._metrics.batch(
            inputs=facts.inputs,
            outputs={output.topic: output.count for output in facts.outputs},
            output_bytes={output.topic: len(output.body) for output in facts.outputs},
            seconds=facts.work_seconds,
            commit_seconds=facts.commit_seconds,
            sequence=facts.sequence,
        )
        ticks = [ms for topic, ms in facts.input_ms.items() if topic.startswith("md.") and ms > 0]
        written = {output.topic for output in facts.outputs}
        if ticks:
            if "md.quotes" in written:
                self._metrics.tick_to_quote(now - max(ticks) / 1000)
            if "orders.requests" in written:
                self._metrics.tick_to_order(now - max(ticks) / 1000)
            self._metrics.end_to_end(now - min(ticks) / 1000, self._linger_seconds)
        ahead = sum(ms / 1000 > now for ms in facts.input_ms.values())
        if ahead:
            self._metrics.clock_skew(ahead)
        for output in facts.outputs:
            if output.topic == DEAD_LETTERS:
                for letter in codec("DeadLetter").decode_records(output.body, output.count):
                    self._metrics.dead_letters(letter.reason)
            elif output.topic == LOG:
                self._strategy_lines(codec("LogLine").decode_records(output.body, output.count))
        self._domain.observe(facts.outputs)

    def _strategy_lines(self, lines: Sequence[Any]) -> None:
        """What the strategy logged in the batch, into the structured log."""
        for line in lines[:LINES_MAX]:
            self._say("strategy_log", shard=self._shard, text=line.text, clock=line.event_time)
        if len(lines) > LINES_MAX:
            text = f"{len(lines) - LINES_MAX} more lines of this batch are in {LOG}"
            self._say("strategy_log", shard=self._shard, text=text, clock=lines[-1].event_time)

    def recovered(self, batches: int, records: int, sequence: int, seconds: float) -> None:
        """The state was rebuilt."""
        self.repeated = batches
        self._metrics.recovered(seconds, records, sequence)

    def snapshot_rejected(self) -> None:
        """A snapshot was passed over."""
        self._metrics.snapshot_rejected()

    def hung(self, partitions: int, batches: int) -> None:
        """What brokers left open was ended."""
        text = (
            f"the brokers had lost the marker of a transaction in {partitions} partitions: it was "
            f"ended, and {batches} batches of it were carried out again (runbook "
            "TransactionBlocked)"
        )
        self._say("hung", shard=self._shard, text=text)

    def snapshot(self, size: int, seconds: float, sequence: int) -> None:
        """A snapshot was written."""
        self._metrics.snapshot(size, seconds, sequence)

    def waiting(self, what: str) -> None:
        """The task waits for something."""
        self._say("waiting", shard=self._shard, text=what)

    def positions(self, task: Any) -> None:
        """Called between batches: where the inputs stand, once a second."""
        now = time.time()
        if now - self._last_positions < POSITIONS_SECONDS:
            return
        self._last_positions = now
        self._execution = task.execution
        self._name_instruments()
        for feed in task.execution.feeds:
            position = feed.next_offset if feed.waiting else feed.source.position()
            is_caught_up = not feed.waiting and not feed.is_behind
            lag_seconds = (
                0.0
                if is_caught_up
                else now - feed.timestamp_ms / 1000
                if feed.timestamp_ms
                else None
            )
            self._metrics.input(feed.topic, position, feed.waiting, lag_seconds)
        if self._clock:
            self._metrics.event_time_lag(now - self._clock / 1e9)

    def _name_instruments(self) -> None:
        """Those that are known by now; what is shown of one that has expired goes."""
        self._named = self._execution.known
        for each in (*self._execution.known, CANARY):
            is_gone = each.expiry is not None and 0 < each.expiry <= self._clock
            if is_gone and self._symbols.pop(each.instrument, None) is not None:
                self._domain.forget(each.symbol)
            elif not is_gone and each.instrument not in self._symbols:
                self._symbols[each.instrument] = Symbol(
                    each.symbol, each.price_precision, each.quantity_precision
                )

    def close(self) -> None:
        """Take down what was put up."""
        self._server.close()
