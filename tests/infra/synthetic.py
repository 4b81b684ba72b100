"""A scripted exporter: every declared metric with every label it has, with values that move. For
proofs where no pipeline runs.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Sequence
from typing import Any

from prometheus_client import CollectorRegistry
from prometheus_client.process_collector import ProcessCollector

from jobs.lag import metrics as lag
from jobs.telemetry import metrics
from jobs.telemetry.document import lag_metrics
from jobs.telemetry.table import Metric, make, short
from schemas.catalogue import TOPICS

TICK_SECONDS = 0.5
CONSUMED = ("md.trades", "md.depth")
BATCHES = 50
"""A tick, of each shard: the error budget is told once there were a thousand."""
VALUES: dict[str, Sequence[str]] = {
    "environment": ("test",),
    "topology": ("pipeline",),
    "shard": ("0", "1"),
    "symbol": ("BTCUSDT",),
    "account": ("1",),
    "strategy": ("1",),
    "group": ("pipeline.0", "replay.x"),
    "partition": ("0",),
    "offset": ("7",),
    "member": ("host-0",),
    "host": ("127.0.0.1",),
    "job_version": ("1.0",),
    "market": ("binance",),
    "isolation": ("read_committed",),
    "timestamp_type": ("CreateTime",),
    "cause": ("unreachable", "timeout"),
    "table": ("orders",),
    "direction": ("long", "short", "flat"),
    "outcome": ("APPROVED", "DENIED"),
    "severity": ("WARNING",),
    "status": ("ACCEPTED", "FILLED", "REJECTED", "IN_DOUBT"),
    "side": ("BUY", "SELL"),
    "liquidity": ("MAKER", "TAKER"),
    "kind": ("ACCEPTED", "FILL", "REJECTED"),
    "name": ("sharpe_ratio",),
    "witness": ("md.depth", "md.quotes"),
    "version": ("1.0",),
    "python": ("3.11",),
}


def _values(metric: Metric, label: str) -> Sequence[str]:
    if metric.name == "shriven_consumer_group_info" and label == "shard":
        return ("0",)  # a group is one task's
    if label == "topic":
        topics = (
            CONSUMED
            if metric.name.startswith(
                ("shriven_consumer", "shriven_partition", "shriven_topic", "shriven_open")
            )
            else tuple(TOPICS)
        )
        return [name for name in topics if not name.startswith(("import", "sim"))]
    if label == "state":
        if metric.name == "shriven_shard_state":
            return lag.SHARD_STATES
        return lag.STATES if metric.name.startswith("shriven_consumer") else metrics.STATES
    if label == "reason":
        return (
            lag.REASONS if "lag_unknown" in metric.name else ("malformed_record", "IOC_REMAINDER")
        )
    if label == "code":
        return {
            "shriven_decisions_total": ("NONE", "KILL_SWITCH", "STALE_DATA"),
            "shriven_task_endings_total": metrics.ENDINGS,
        }.get(metric.name, ("x",))
    if label == "purpose":
        return ("live", "replay")
    return VALUES[label]


def _combinations(metric: Metric) -> list[tuple[str, ...]]:
    found: list[tuple[str, ...]] = [()]
    for label in metric.labels:
        found = [(*have, value) for have in found for value in _values(metric, label)]
    return found


class Synthetic:
    """Three registries (task, member, lag) whose series move from a thread of their own until
    stopped.
    """

    def __init__(self) -> None:
        self.registries: dict[str, CollectorRegistry] = {}
        self._moving: list[tuple[Metric, Any]] = []
        tables = {
            "task": (*metrics.PROCESS, *metrics.TASK, *metrics.DOMAIN),
            "member": metrics.MEMBER,
            "canary": metrics.CANARY,
            "lag": lag_metrics(),
        }
        for job, table in tables.items():
            registry = self.registries[job] = CollectorRegistry()
            ProcessCollector(registry=registry)
            made = make(table, registry)
            for metric in table:
                parent = made[short(metric)]
                for values in _combinations(metric):
                    self._moving.append((metric, parent.labels(*values) if values else parent))
        self._random = random.Random(7)
        self._stopped = threading.Event()
        self._move()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._stopped.wait(TICK_SECONDS):
            self._move()

    def _move(self) -> None:
        for metric, series in self._moving:
            if metric.kind == "counter":
                series.inc(self._random.randint(1, 5))
            elif metric.kind == "histogram":
                for _ in range(BATCHES if metric.name == "shriven_freshness_seconds" else 1):
                    series.observe(self._random.choice(metric.buckets) * 0.9)
            elif metric.unit == "1" or metric.name.startswith("shriven_shard"):
                series.set(1)
            else:
                series.set(
                    self._random.uniform(0.2, 0.9)
                    if metric.unit == "ratio"
                    else self._random.uniform(10, 1000)
                )

    def stop(self) -> None:
        """Stop moving."""
        self._stopped.set()
        self._thread.join(10)
