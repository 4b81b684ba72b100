"""Panels that several dashboards show, and how rates and quantiles are written."""

from __future__ import annotations

from infra.grafana.board import EVERYWHERE, TASKS, TOPOLOGIES, Row
from infra.grafana.panels import GREEN, ORANGE, RED, YELLOW, Panel, graph, number, rows
from infra.prometheus import objectives as at


def rate(metric: str, by: str, selector: str = TASKS) -> str:
    """Sum of rates a second."""
    return f"sum by ({by}) (rate({metric}{{{selector}}}[$__rate_interval]))"


def quantile(share: float, metric: str, by: str = "", selector: str = TASKS) -> str:
    """A quantile of a histogram; absent while nothing is observed."""
    labels = f"{by}, le" if by else "le"
    return (
        f"histogram_quantile({share}, sum by ({labels}) "
        f"(rate({metric}_bucket{{{selector}}}[$__rate_interval])))"
    )


def quantiles(metric: str, selector: str = TASKS) -> tuple[tuple[str, str], ...]:
    """p50, p99, p99.9 as queries of a graph."""
    return tuple(
        (quantile(share, metric, "", selector), name)
        for share, name in ((0.5, "p50"), (0.99, "p99"), (0.999, "p99.9"))
    )


def topics(metric: str, pattern: str) -> str:
    """Rates of the topics that match, a series each."""
    return rate(metric, "topic", f'{TASKS},topic=~"{pattern}"')


def input_rate(pattern: str, what: str, **more: object) -> Panel:
    """Records consumed a second, by topic."""
    return graph(
        f"{what}, in",
        "Records consumed a second by topic, when their batch has committed.",
        "short",
        (topics("shriven_input_records_total", pattern), "{{topic}}"),
        **more,
    )


def output_rate(pattern: str, what: str, **more: object) -> Panel:
    """Records that came out a second, by topic."""
    return graph(
        f"{what}, out",
        "Records that came out a second by topic, published or only digested, when their batch has "
        "committed.",
        "short",
        (topics("shriven_output_records_total", pattern), "{{topic}}"),
        **more,
    )


FRESHNESS = number(
    "Within 500 ms, 1 h",
    "Share of the last hour's batches committed within 500 ms of the Kafka timestamp of their "
    f"oldest record. Objective {at.FRESHNESS_OBJECTIVE:.0%}; FreshnessBurnFast fires below 85.6 %.",
    "percentunit",
    f"1 - max(shriven:freshness_errors:ratio_rate1h{{{TOPOLOGIES}}})",
    thresholds=(
        (1 - at.FAST_BURN_RATIO, ORANGE),
        (1 - at.SLOW_BURN_RATIO, YELLOW),
        (at.FRESHNESS_OBJECTIVE, GREEN),
    ),
    low_is_bad=True,
    nothing="no traffic",
)
WORST_LAG = number(
    "Worst lag",
    "Age of the oldest unread record over all live groups, by its Kafka timestamp. 0 when "
    "everything committed is read.",
    "s",
    f'max(shriven_consumer_lag_seconds{{{EVERYWHERE},purpose="live"}})',
    thresholds=((1, YELLOW), (at.LAG_SECONDS, RED)),
    nothing="unknown",
)
OPEN_ALERTS = number(
    "Alerts firing",
    "Critical and warning alerts that fire now. Which: Alertmanager, or the table below.",
    "none",
    'count(ALERTS{alertstate="firing",severity=~"critical|warning"}) or vector(0)',
    thresholds=((1, RED),),
)
RUNNING = number(
    "Shards running",
    "Shards whose task runs, of the shards that somebody owns.",
    "percentunit",
    f"avg(shriven:shard_running:max{{{TASKS}}})",
    thresholds=((1, GREEN),),
    low_is_bad=True,
    nothing="none owned",
)
TICK_TO_ORDER = number(
    "Tick to order, p99",
    "Kafka timestamp of a market-data record to the acknowledged commit of the batch with its "
    "order requests: 99 % are faster. Last five minutes.",
    "s",
    f"max(shriven:tick_to_order_seconds:p99_rate5m{{{TASKS}}} > 0)",
    thresholds=((0.1, YELLOW), (at.FRESHNESS_SECONDS, RED)),
    nothing="no orders",
)
FIRING = rows(
    "Firing alerts",
    "Name, severity and labels of what fires now. Each has a page in docs/runbooks.",
    "none",
    "sum by (alertname, severity, topology, shard, group, topic) "
    '(ALERTS{alertstate="firing",severity!="none"})',
    nothing="nothing fires",
    width=24,
    height=6,
)


def process_row(jobs: str) -> Row:
    """CPU, memory, descriptors of the processes of these jobs; folded."""
    selector = f'{EVERYWHERE},job=~"{jobs}"'
    return Row(
        "Processes",
        (
            graph(
                "CPU",
                "Cores used by each process. A child that catches up uses one.",
                "short",
                (
                    rate("process_cpu_seconds_total", "job, instance", selector),
                    "{{job}} {{instance}}",
                ),
            ),
            graph(
                "Memory",
                "Resident memory of each process.",
                "bytes",
                (
                    f"max by (job, instance) (process_resident_memory_bytes{{{selector}}})",
                    "{{job}} {{instance}}",
                ),
            ),
            graph(
                "File descriptors",
                "Open descriptors of the most it may open.",
                "percentunit",
                (
                    f"max by (job, instance) (process_open_fds{{{selector}}} / "
                    f"process_max_fds{{{selector}}})",
                    "{{job}} {{instance}}",
                ),
                thresholds=((at.CAPACITY_RATIO, RED),),
            ),
        ),
        folded=True,
    )
