"""Recording rules: service levels, from which burn rates and the overview are computed."""

from __future__ import annotations

from typing import NamedTuple

from infra.monitoring.configuration import SCRAPE_SECONDS
from infra.prometheus.objectives import ERROR_BUDGET, FRESHNESS_BATCHES, FRESHNESS_SECONDS

WINDOWS = ("5m", "30m", "1h", "6h")
BY = "by (environment, topology)"
BY_SHARD = "by (environment, topology, shard)"


class Recording(NamedTuple):
    """One recorded series."""

    name: str
    expr: str
    labels: tuple[str, ...]


def _within(window: str) -> str:
    return (
        f'sum {BY} (rate(shriven_freshness_seconds_bucket{{le="{FRESHNESS_SECONDS}"}}[{window}]))'
    )


def _every(window: str) -> str:
    return f"sum {BY} (rate(shriven_freshness_seconds_count[{window}]))"


def _errors(window: str) -> Recording:
    # without traffic there is no share: > 0 leaves the series out, 0 / 0 would be NaN
    return Recording(
        f"shriven:freshness_errors:ratio_rate{window}",
        f"1 - {_within(window)} / ({_every(window)} > 0)",
        ("environment", "topology"),
    )


RECORDINGS: tuple[Recording, ...] = (
    *(_errors(window) for window in WINDOWS),
    Recording("shriven:freshness_batches:rate5m", _every("5m"), ("environment", "topology")),
    Recording(
        "shriven:freshness_late:rate5m",
        f"{_every('5m')} - {_within('5m')}",
        ("environment", "topology"),
    ),
    Recording(
        "shriven:freshness_budget_remaining:ratio",
        # batches weigh alike whenever they were; a budget that is gone is gone, and a start of few
        # batches says nothing of one
        f"clamp_min(1 - sum_over_time(shriven:freshness_late:rate5m[30d])"
        f" / (sum_over_time(shriven:freshness_batches:rate5m[30d]) > {FRESHNESS_BATCHES} / "
        f"{SCRAPE_SECONDS}) / {ERROR_BUDGET}, 0)",
        ("environment", "topology"),
    ),
    Recording(
        "shriven:shard_running:max",
        f'max {BY_SHARD} (shriven_task_state{{state="running"}}) or max {BY_SHARD} '
        "(shriven_shard_owned) * 0",
        ("environment", "topology", "shard"),
    ),
    Recording(
        "shriven:availability:avg1h",
        f"avg {BY} (avg_over_time(shriven:shard_running:max[1h]))",
        ("environment", "topology"),
    ),
    *(
        Recording(
            f"shriven:{name}:p99_rate5m",
            "histogram_quantile(0.99, sum by (environment, topology, shard, le) "
            f"(rate(shriven_{name}_bucket[5m])))",
            ("environment", "topology", "shard"),
        )
        for name in ("commit_seconds", "tick_to_order_seconds", "end_to_end_seconds")
    ),
)
