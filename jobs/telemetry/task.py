"""What the parent of a job and its children call: plain methods, no names or labels at the
caller's.

Each method does a few dictionary look-ups and additions (about a microsecond a series); ``batch``
is called once a committed batch.
"""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from typing import Any

from prometheus_client import CollectorRegistry
from prometheus_client.process_collector import ProcessCollector

from jobs.telemetry import metrics
from jobs.telemetry.table import make, short
from schemas.errors import WrongUse

NOWHERE = ("", "", "")
"""The place of no record: Prometheus takes an empty label for one that is not there."""


class UnknownState(WrongUse):
    """A task state that is not declared."""

    code = "unknown_state"


class ProcessMetrics:
    """Of every process: its build, its start, its CPU, memory and descriptors, and the errors it
    logged.

    Args:
        version: of the package.
        code: digest of the sources; the first twelve characters are shown.

    Attributes:
        registry: what ``serve`` exposes and the other classes here register at.
    """

    def __init__(self, version: str, code: str = "") -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        made = make(metrics.PROCESS, self.registry)
        made["build_info"].labels(version, code[:12], platform.python_version()).set(1)
        self._errors = made["errors_total"]

    def error(self, code: str) -> None:
        """An error was logged."""
        self._errors.labels(code).inc()


class MemberMetrics:
    """Of the parent: which shards it owns, how its children end.

    Args:
        topology: name of the topology.
        shards: number of its shards; series of each exist from the start.
        registry: where to register.
    """

    def __init__(self, topology: str, shards: int, registry: CollectorRegistry) -> None:
        self.topology = topology
        self._metrics = make(metrics.MEMBER, registry)
        self._metrics["rebalances_total"].labels(topology)
        for cause in metrics.REGISTRY_CAUSES:
            self._metrics["registry_errors_total"].labels(topology, cause)
        self._places: dict[int, tuple[str, str, str]] = {}
        for shard in range(shards):
            for name in (
                "task_restarts_total",
                "fenced_total",
                "unknown_outcomes_total",
                "replay_divergence_total",
                "halted",
                "shard_owned",
                "shard_followed",
                "standby_halted",
            ):
                self._of(name, shard)
            for code in metrics.ENDINGS:
                self._of("task_endings_total", shard, code)
            self._of("quarantined", shard, *NOWHERE)

    def _of(self, name: str, shard: int, *values: str) -> Any:
        return self._metrics[name].labels(self.topology, str(shard), *values)

    def owned(self, shard: int, owned: bool) -> None:
        """The shard was given to this member, or taken from it."""
        self._of("shard_owned", shard).set(owned)

    def followed(self, shard: int, followed: bool, halted: bool = False) -> None:
        """The shard has a standby here, or has none, or none any more."""
        self._of("shard_followed", shard).set(followed)
        self._of("standby_halted", shard).set(halted)

    def rebalanced(self) -> None:
        """The group has assigned shards."""
        self._metrics["rebalances_total"].labels(self.topology).inc()

    def registry_error(self, cause: str) -> None:
        """The schema registry did not answer at the start; causes are ``metrics.REGISTRY_CAUSES``.
        """
        self._metrics["registry_errors_total"].labels(self.topology, cause).inc()

    def connected(self, connected: bool) -> None:
        """The member's group session lives, or does not."""
        self._metrics["members_connected"].labels(self.topology).set(connected)

    def ended(self, shard: int, code: str) -> None:
        """A child has ended: ``drained``, ``killed`` (by a signal), ``defect``, or the code of the
        error that ended it.
        """
        self._of("task_endings_total", shard, code).inc()
        counter = {
            metrics.FENCED: "fenced_total",
            metrics.UNKNOWN_OUTCOME: "unknown_outcomes_total",
            metrics.DIVERGED: "replay_divergence_total",
        }.get(code)
        if counter:
            self._of(counter, shard).inc()

    def restarted(self, shard: int) -> None:
        """A child was started again."""
        self._of("task_restarts_total", shard).inc()

    def halted(self, shard: int) -> None:
        """The shard is given up since its end cannot be healed by a start."""
        self._of("halted", shard).set(1)

    def quarantined(
        self, shard: int, topic: str = "", partition: int | str = "", offset: int | str = ""
    ) -> None:
        """The shard is given up after too many crashes, the last at this record; without a place:
        at none that is known.
        """
        found = self._places[shard] = topic, str(partition), str(offset)
        self._of("quarantined", shard, *found).set(1)

    def tried_again(self, shard: int) -> None:
        """The shard is given up no more."""
        place = self._places.pop(shard, NOWHERE)
        if place != NOWHERE:
            self._metrics["quarantined"].remove(self.topology, str(shard), *place)
        self._of("quarantined", shard, *NOWHERE).set(0)
        self._of("halted", shard).set(0)


class TaskMetrics:
    """Of one task (topology, shard), called by the runner's observer.

    Args:
        topology: name of the topology.
        shard: its shard.
        registry: where to register.
        inputs, outputs: topics whose counters exist from 0 on, so that their first records are an
            increase.
    """

    def __init__(
        self,
        topology: str,
        shard: int,
        registry: CollectorRegistry,
        *,
        inputs: Sequence[str] = (),
        outputs: Sequence[str] = (),
    ) -> None:
        self.topology = topology
        self.shard = str(shard)
        self._metrics = make(metrics.TASK, registry)
        self._children: dict[tuple[str, ...], Any] = {}
        self._state = ""
        for reason in metrics.DEAD_LETTER_REASONS:
            self._of("dead_letters_total", reason)
        for topic in inputs:
            self._of("input_records_total", topic)
        for topic in outputs:
            self._of("output_records_total", topic)
            self._of("output_bytes_total", topic)
        for metric in metrics.TASK:
            if metric.labels == metrics.TASK_LABELS and metric.kind != "gauge":
                self._of(short(metric))
        self.state("starting")

    def _of(self, *name_and_values: str) -> Any:
        child = self._children.get(name_and_values)
        if child is None:
            name, *values = name_and_values
            child = self._children[name_and_values] = self._metrics[name].labels(
                self.topology, self.shard, *values
            )
        return child

    def batch(
        self,
        *,
        inputs: Mapping[str, int],
        outputs: Mapping[str, int],
        output_bytes: Mapping[str, int] | None = None,
        seconds: float,
        commit_seconds: float,
        sequence: int,
    ) -> None:
        """A batch has committed.

        Args:
            inputs: records consumed, by catalogue topic.
            outputs: records that came out, by catalogue topic, published or not.
            output_bytes: bytes of their bodies.
            seconds: work before the commit.
            commit_seconds: the commit.
            sequence: of its journal record.
        """
        of = self._of
        for topic, count in inputs.items():
            of("input_records_total", topic).inc(count)
        for topic, count in outputs.items():
            of("output_records_total", topic).inc(count)
        for topic, count in (output_bytes or {}).items():
            of("output_bytes_total", topic).inc(count)
        of("batches_total").inc()
        of("batch_seconds").observe(seconds)
        of("batch_records").observe(sum(inputs.values()))
        of("commit_seconds").observe(commit_seconds)
        of("journal_sequence").set(sequence)

    def tick_to_quote(self, seconds: float) -> None:
        """Kafka timestamp of a market-data record -> acknowledged commit of a batch with quotes."""
        self._latency("tick_to_quote_seconds", seconds)

    def tick_to_order(self, seconds: float) -> None:
        """Kafka timestamp of a market-data record -> acknowledged commit of a batch with order
        requests.
        """
        self._latency("tick_to_order_seconds", seconds)

    def end_to_end(self, seconds: float, linger_seconds: float) -> None:
        """Kafka timestamp of a batch's oldest record -> its acknowledged commit; freshness leaves
        the job's linger out.
        """
        self._latency("end_to_end_seconds", seconds)
        self._latency("freshness_seconds", seconds - linger_seconds)

    def _latency(self, name: str, seconds: float) -> None:
        self._of(name).observe(max(seconds, 0.0))

    def input(
        self, topic: str, position: int, lag_records: int | None, lag_seconds: float | None
    ) -> None:
        """Where an input stands. Unknown lag (None) takes the series away, it is never shown as an
        old value.
        """
        self._of("position", topic).set(position)
        for name, value in (("input_lag_records", lag_records), ("input_lag_seconds", lag_seconds)):
            if value is not None:
                self._of(name, topic).set(max(value, 0))
            elif self._children.pop((name, topic), None) is not None:
                self._metrics[name].remove(self.topology, self.shard, topic)

    def following(self, sequence: int, lag_records: int | None) -> None:
        """A standby is at this journal record, so many behind; None: it follows no more."""
        self._of("journal_sequence").set(sequence)
        if lag_records is not None:
            self._of("standby_lag_records").set(lag_records)
        elif self._children.pop(("standby_lag_records",), None) is not None:
            self._metrics["standby_lag_records"].remove(self.topology, self.shard)

    def event_time_lag(self, seconds: float) -> None:
        """Wall clock minus the pipeline's clock."""
        self._of("event_time_lag_seconds").set(seconds)

    def dead_letters(self, reason: str, count: int = 1) -> None:
        """Records went to the dead-letter topic."""
        self._of("dead_letters_total", reason).inc(count)

    def recovered(self, seconds: float, records: int, sequence: int) -> None:
        """Recovery has ended: ``records`` executed again, the journal ends at ``sequence``."""
        self._of("recoveries_total").inc()
        self._of("recovery_seconds").observe(seconds)
        self._of("recovered_records_total").inc(records)
        self._of("journal_sequence").set(sequence)

    def state(self, state: str) -> None:
        """The task is now in ``state``, one of ``metrics.STATES``. Raises UnknownState."""
        if state not in metrics.STATES:
            raise UnknownState(
                f"task state {state!r} is not known; states are {', '.join(metrics.STATES)}"
            )
        for name in metrics.STATES:
            self._of("task_state", name).set(name == state)

    def snapshot(self, size_bytes: int, seconds: float, sequence: int) -> None:
        """A snapshot was written."""
        self._of("snapshot_bytes").set(size_bytes)
        self._of("snapshot_seconds").set(seconds)
        self._of("snapshot_sequence").set(sequence)

    def snapshot_rejected(self) -> None:
        """Recovery passed over a snapshot that is torn or does not match the journal."""
        self._of("snapshots_rejected_total").inc()

    def clock_skew(self, count: int) -> None:
        """Inputs whose last record has a Kafka timestamp of the future: the producer's clock is
        ahead of ours.
        """
        self._of("input_clock_skew_records_total").inc(count)
