"""How a metric is declared, and made from its declaration: the table is the only place that knows
names, labels and buckets.

A table is a tuple of :class:`Metric`. ``docs/reference/metrics.md``, the dashboards' and the rules'
tests read the same tables, so a metric that is renamed here breaks everything that drew it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import prometheus_client
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from schemas.errors import WrongUse

PREFIX = "shriven_"
KINDS = ("counter", "gauge", "histogram")

# A `_created` series beside every counter doubles the series for a value that nobody draws.
prometheus_client.disable_created_metrics()  # type: ignore[no-untyped-call]


class UnknownMetric(WrongUse):
    """A metric that no table declares."""

    code = "unknown_metric"


class Metric(NamedTuple):
    """One metric.

    Attributes:
        name: full name, ``shriven_`` first, unit last (counters: ``_total`` last).
        kind: ``counter``, ``gauge`` or ``histogram``.
        help: what it says, one sentence.
        unit: unit of the value: ``seconds``, ``records``, ``bytes``, ``ratio``, ``1`` for flags,
            ...
        labels: label names in order.
        buckets: upper bounds of a histogram, in its unit.
    """

    name: str
    kind: str
    help: str
    unit: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()

    @property
    def series(self) -> tuple[str, ...]:
        """Names of the series it is exposed as."""
        if self.kind == "histogram":
            return (f"{self.name}_bucket", f"{self.name}_count", f"{self.name}_sum")
        return (self.name,)


def make(metrics: Iterable[Metric], registry: CollectorRegistry) -> dict[str, Any]:
    """prometheus-client's objects of these declarations, by name without prefix, registered at
    ``registry``.
    """
    made: dict[str, Any] = {}
    for metric in metrics:
        arguments = (metric.name, metric.help, metric.labels)
        if metric.kind == "counter":
            made[short(metric)] = Counter(*arguments, registry=registry)
        elif metric.kind == "gauge":
            made[short(metric)] = Gauge(*arguments, registry=registry)
        else:
            made[short(metric)] = Histogram(*arguments, registry=registry, buckets=metric.buckets)
    return made


def short(metric: Metric) -> str:
    """Name without the prefix."""
    return metric.name.removeprefix(PREFIX)
