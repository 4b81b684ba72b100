"""What alert expressions are made of: by which labels they are told apart, and what holds an alert
back.
"""

from __future__ import annotations

from typing import NamedTuple

from infra.prometheus import objectives as at

TASK = "by (environment, topology, shard)"
AT_RECORD = "by (environment, topology, shard, topic, partition, offset)"
TOPOLOGY = "by (environment, topology)"
UNLESS_BROKER = "unless on (environment) (min by (environment) (shriven_lag_exporter_up) == 0)"
QUIET = "unless on (environment) (min by (environment) (shriven_expected_quiet) == 1)"
SHARD = "{{ $labels.topology }} shard {{ $labels.shard }}"
RECORD = (
    "{{ if $labels.topic }} at {{ $labels.topic }}/{{ $labels.partition }}/{{ $labels.offset "
    "}}{{ end }}"
)
GROUP = "group {{ $labels.group }} on {{ $labels.topic }}"
MARKET_DATA = 'rate(shriven_input_records_total{topic=~"md[.].+"}[5m])'
WATCHED = 'shriven_input_records_total{topic=~"md[.].+"} offset 5m'
"""Five minutes of quiet need a counter that was there five minutes ago: one that is born with its
records has no rate yet.
"""
DRAINED = f'(max {TASK} (shriven_shard_state{{state="drained"}}) == 1)'
CANARY_DATA = 'rate(shriven_canary_seen_total{witness=~"md[.](depth|trades)"}[5m])'


class Alert(NamedTuple):
    """One alert; severities as in :mod:`infra.prometheus.alerts`.

    Attributes:
        name: CamelCase; also the name of its runbook.
        expr: PromQL, true while the fault lasts.
        hold: how long it must be true.
        severity: critical, warning, info or none.
        dashboard: uid of the dashboard where the fault is seen.
        summary: one line, with what is affected.
        area: rule group.
    """

    name: str
    expr: str
    hold: str
    severity: str
    dashboard: str
    summary: str
    area: str


def state(states: str) -> str:
    """True where a live group is in one of these states (``A|B``)."""
    return of_task(
        "max by (environment, group, topic) "
        f'(shriven_consumer_state{{purpose="live",state=~"{states}"}}) == 1'
    )


def of_task(expr: str) -> str:
    """What is true of a group, with the topology and shard whose task it is, by which it is held
    back; not of one that was drained on purpose.
    """
    info = "max by (environment, group, topology, shard) (shriven_consumer_group_info)"
    return (
        f"({expr}) * on (environment, group) group_left (topology, shard) {info} unless on "
        f"(environment, topology, shard) {DRAINED}"
    )


def shard_in(wanted: str) -> str:
    """True where a shard is in this state, by the facts on the cluster: whether anything of ours
    lives or not.
    """
    return f'max {TASK} (shriven_shard_state{{state="{wanted}"}}) == 1'


def grew(metric: str, window: str, by: str = TASK, least: str = "> 0") -> str:
    """True where a counter grew within the window."""
    return f"sum {by} (increase({metric}[{window}])) {least}"


def given_up(metric: str, by: str = TASK) -> str:
    """True until the shard runs again: a parent whose shards are all given up ends after a last
    scrape, and takes its series away.

    The lag exporter says the same from the facts on the cluster, and goes on saying it; this is
    here at once, and without it.
    """
    running = f'max {TASK} (shriven_task_state{{state="running"}}) == 1'
    return (
        f"max {by} (max_over_time({metric}[10m])) == 1 unless on (environment, topology, shard) "
        f"{running}"
    )


def grew_or_born(metric: str, window: str, by: str = TASK) -> str:
    """The same for a counter of a child: a child that counts before it is first scraped shows no
    increase, but it is young.
    """
    seconds = {"10m": 600, "1h": 3600, "5m": 300}[window]
    young = f"(time() - process_start_time_seconds < {seconds})"
    return f"{grew(metric, window, by)} or sum {by} ({metric} and on (instance) {young}) > 0"


def enough(window: str) -> str:
    """Condition of a share: enough batches in the window for it to mean something."""
    return (
        f" and sum {TOPOLOGY} (increase(shriven_freshness_seconds_count[{window}])) >= "
        f"{at.FRESHNESS_BATCHES}"
    )
