"""The long-running exporter: collects on a thread of its own, answers scrapes from the last
snapshot.

A scrape never asks Kafka anything and never waits for a collection. A snapshot older than three
intervals and the time of one request (25 s by default) is no longer shown: what is unknown is
absent.
"""

from __future__ import annotations

import threading
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from jobs.lag.metrics import METRICS, SHARD_STATES, STATES
from jobs.lag.quiet import Calendar
from jobs.lag.shards import ShardState, environment_of
from jobs.lag.states import worst
from jobs.lag.watching import Lag, Snapshot, Watch
from jobs.live.shard_state import QUARANTINED
from jobs.telemetry.logs import Log
from jobs.telemetry.serving import Server, environment_label
from jobs.telemetry.serving import serve as served
from jobs.telemetry.task import ProcessMetrics
from schemas.errors import ShrivenError
from schemas.version import VERSION

STALE_INTERVALS = 3
UNREACHABLE = "unreachable"
BLIND = frozenset({"not_authorized"})
NOT_AUTHORISED = (
    "not authorised: this user may not see the cluster's groups or topics; grant it "
    "DESCRIBE on the cluster, its groups and topics"
)
Value = tuple[str, tuple[str, ...], float]
"""(metric, values of its labels in the table's order, value)."""


class LagExporter(Collector):
    """Collects every ``interval_seconds``, exposes what ``metrics.py`` lists.

    Args:
        watch: the cluster being watched.
        interval_seconds: between the starts of two collections.
        calendar: when which market is expected to be quiet.
        now: wall-clock seconds.
    """

    def __init__(
        self,
        watch: Watch,
        interval_seconds: float,
        calendar: Calendar,
        now: Callable[[], float] = time.time,
    ) -> None:
        self.watch = watch
        self.interval_seconds = interval_seconds
        self.calendar = calendar
        self.now = now
        self.process = ProcessMetrics(VERSION)
        self.log = Log({"job": "lag"}, on_error=self.process.error)
        self.snapshot: Snapshot | None = None
        self.answered = False
        self.environments: set[str] = {watch.environment}
        self.unread: Counter[str] = Counter(dict.fromkeys(BLIND, 0))
        self.collections = 0
        self.collection_seconds = 0.0
        self.last_success = 0.0
        self.errors: Counter[str] = Counter()
        self.problem = ""
        self.stopping = threading.Event()
        self.thread = threading.Thread(target=self._run, name="lag-collector", daemon=True)

    def start(self) -> None:
        """Begin to collect."""
        self.thread.start()

    def stop(self) -> None:
        """End after the collection that is under way."""
        self.stopping.set()
        self.thread.join(self.interval_seconds + self.watch.settings.request_seconds)

    def health(self) -> str:
        """What is wrong with the exporter itself; empty if nothing is."""
        return (
            ""
            if self.thread.is_alive() or self.stopping.is_set()
            else "the collecting thread has ended"
        )

    def collect_once(self) -> None:
        """One collection; a failure is counted and logged once per kind, and the next collection
        tries again.
        """
        began = time.monotonic()
        try:
            snapshot = self.watch.collect()
        except ShrivenError as problem:
            self.answered = False
            self.errors[problem.code] += 1
            self._say(problem.text)
        except Exception as problem:  # noqa: BLE001 - a defect of ours must not end the thread in silence: counted, said, and tried again
            self.answered = False
            self.errors["defect"] += 1
            self.log.error("collection_failed", problem, where=traceback.format_exc(limit=-3))
        else:
            self.snapshot = snapshot
            failures = snapshot.reading.failures
            self.environments |= snapshot.environments
            self.errors.update(failures)
            self.unread.update(
                {cause: count for cause, count in failures.items() if cause != UNREACHABLE}
            )
            self.answered = UNREACHABLE not in failures
            if not failures:
                self.last_success = snapshot.time
                self._say("")
            else:
                causes = ", ".join(f"{cause} {count}" for cause, count in failures.items())
                self._say(
                    NOT_AUTHORISED
                    if set(failures) >= BLIND
                    else f"some groups or partitions could not be read: {causes}"
                )
        self.collections += 1
        self.collection_seconds = time.monotonic() - began

    def collect(self) -> Iterator[Metric]:
        """Every family of the table, from the last snapshot (prometheus_client calls this for a
        scrape).
        """
        values = [*self._values(), *self._own_values()]
        families: dict[str, Any] = {}
        for metric in METRICS:
            make = CounterMetricFamily if metric.kind == "counter" else GaugeMetricFamily
            families[metric.name] = make(metric.name, metric.help, labels=metric.labels)
        for name, labels, value in values:
            families[name].add_metric(labels, value)
        families["shriven_lag_exporter_series"].add_metric((), float(len(values) + 1))
        yield from families.values()

    def _run(self) -> None:
        while not self.stopping.is_set():
            began = time.monotonic()
            self.collect_once()
            self.stopping.wait(max(0.0, self.interval_seconds - (time.monotonic() - began)))

    def _say(self, problem: str) -> None:
        if problem != self.problem:
            if problem:
                self.log.warning("lag_incomplete", problem)
            else:
                self.log.info("lag_complete", "every group and partition is read again")
        self.problem = problem

    def _fresh(self) -> Snapshot | None:
        snapshot = self.snapshot
        stale_seconds = (
            STALE_INTERVALS * self.interval_seconds + self.watch.settings.request_seconds
        )
        if snapshot is None or self.now() - snapshot.time > stale_seconds:
            return None
        return snapshot

    def _values(self) -> Iterator[Value]:
        snapshot = self._fresh()
        if snapshot is None:
            return
        for lag in snapshot.lags:
            yield from _of_partition(lag)
        yield from _states(snapshot.lags)
        for group, (purpose, count) in snapshot.members.items():
            whose = snapshot.whose[group]
            yield (
                "shriven_consumer_group_members",
                (environment_label(whose.environment), group, purpose),
                float(count),
            )
            yield (
                "shriven_consumer_group_info",
                (environment_label(whose.environment), group, whose.topology, whose.shard),
                1.0,
            )
        yield from _of_shards(snapshot.shards)
        for (topic, number), bounds in snapshot.reading.bounds.items():
            at = (self._of_topic(topic), topic, str(number))
            yield "shriven_partition_log_start_offset", at, float(bounds.log_start)
            yield "shriven_partition_last_stable_offset", at, float(bounds.last_stable)
            yield "shriven_partition_high_watermark_offset", at, float(bounds.high_watermark)
            yield "shriven_open_transaction_hold_records", at, float(bounds.hold)
            if not bounds.hold or (topic, number) in snapshot.transaction_age:
                yield (
                    "shriven_open_transaction_age_seconds",
                    at,
                    snapshot.transaction_age.get((topic, number), 0.0),
                )
        for topic, settings in snapshot.reading.settings.items():
            if settings.retention_seconds is not None:
                yield (
                    "shriven_topic_retention_seconds",
                    (self._of_topic(topic), topic),
                    settings.retention_seconds,
                )
            yield (
                "shriven_topic_timestamp_type_info",
                (self._of_topic(topic), topic, settings.timestamp_type),
                1.0,
            )
            yield (
                "shriven_clock_skew_records_total",
                (self._of_topic(topic), topic),
                float(snapshot.skew.get(topic, 0)),
            )
        yield "shriven_lag_exporter_groups", (), float(len(snapshot.members))

    def _of_topic(self, topic: str) -> str:
        return environment_label(environment_of(topic, self.environments))

    def _own_values(self) -> Iterator[Value]:
        for market, quiet in self.calendar.quiet(self.now()).items():
            for environment in sorted(self.environments):
                yield (
                    "shriven_expected_quiet",
                    (environment_label(environment), market),
                    float(quiet),
                )
        for environment in sorted(self.environments):
            yield (
                "shriven_lag_exporter_up",
                (environment_label(environment),),
                float(self.answered and self._fresh() is not None),
            )
        if self.last_success:
            yield "shriven_lag_exporter_last_success_timestamp_seconds", (), self.last_success
        yield "shriven_lag_exporter_collection_seconds", (), self.collection_seconds
        yield "shriven_lag_exporter_collections_total", (), float(self.collections)
        for cause, count in sorted(self.errors.items()):
            yield "shriven_lag_exporter_errors_total", (cause,), float(count)
        for cause, count in sorted(self.unread.items()):
            yield "shriven_lag_exporter_unread_total", (cause,), float(count)
        yield "shriven_lag_exporter_fetches_total", (), float(self.watch.looks)
        yield "shriven_lag_exporter_fetches_saved_total", (), float(self.watch.looks_saved)


def _of_partition(lag: Lag) -> Iterator[Value]:
    at = (
        environment_label(lag.whose.environment),
        lag.group,
        lag.topic,
        str(lag.partition),
        lag.purpose,
    )
    if lag.lag_records is not None:
        yield "shriven_consumer_lag_records", (*at, "read_committed"), float(lag.lag_records)
    if lag.lag_seconds is None:
        yield "shriven_consumer_lag_unknown", (*at, lag.reason or "one_look"), 1.0
    for name, value in (
        ("shriven_consumer_lag_seconds", lag.lag_seconds),
        ("shriven_consumer_position_offset", lag.position),
        ("shriven_consumer_eta_drain_seconds", lag.eta_drain_seconds),
        ("shriven_consumer_retention_margin_seconds", lag.retention_margin_seconds),
        ("shriven_consumer_replay_speed_ratio", lag.replay_speed),
        ("shriven_consumer_replay_progress_ratio", lag.replay_progress),
    ):
        if value is not None:
            yield name, at, float(value)
    if lag.member is not None:
        owner = (lag.member.name, lag.member.host, lag.member.job_version)
        yield "shriven_consumer_member_info", (*at[:4], *owner), 1.0


def _of_shards(shards: Iterable[ShardState]) -> Iterator[Value]:
    for each in shards:
        at = (environment_label(each.environment), each.topology, str(each.shard))
        for state in SHARD_STATES:
            yield "shriven_shard_state", (*at, state), float(state == each.state.replace(" ", "_"))
        if each.state == QUARANTINED:
            yield "shriven_shard_quarantined", (*at, *each.record), 1.0


def _states(lags: Iterable[Lag]) -> Iterator[Value]:
    """One series per state of a (group, topic), 1 for the worst of its partitions; none while no
    partition's state is known.
    """
    known: dict[tuple[str, str, str, str], list[str]] = {}
    for lag in lags:
        if lag.state is not None:
            known.setdefault(
                (environment_label(lag.whose.environment), lag.group, lag.topic, lag.purpose), []
            ).append(lag.state)
    for at, states in known.items():
        found = worst(states)
        for state in STATES:
            yield "shriven_consumer_state", (*at, state), float(state == found)


def series_budget(groups: int, topics: int, partitions: int) -> int:
    """Most series for so many groups that each read so many topics of so many partitions each, all
    on the same topics.

    A rebalance adds none: members are labels of ``shriven_consumer_member_info`` alone, one series
    a partition.
    """
    of_group = topics * (partitions * (8 + 1) + len(STATES)) + 2
    of_cluster = topics * (partitions * 5 + 3)
    return groups * of_group + of_cluster + 20


def serve(
    exporter: LagExporter, port: int, *, environment: str = "", home: Path | None = None
) -> Server:
    """Start collecting, and answer ``/metrics`` and ``/healthz``. ``/healthz`` says whether the
    collecting thread lives; Kafka has no part in it.

    Args:
        exporter: not started yet.
        port: 0 takes a free one.
        environment: label of every series, if there is one.
        home: below it a file tells Prometheus where this process serves; None writes none.

    Raises:
        PortTaken: another process has the port.
    """
    registry = exporter.process.registry
    registry.register(exporter)
    server = served(
        registry, port, job="lag", home=home, environment=environment, health=exporter.health
    )
    exporter.start()
    return server
