"""``docs/reference/metrics.md`` from the tables: ``python -m jobs.telemetry.document``. A test
compares it with the committed file.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from jobs.lag import metrics as lag
from jobs.telemetry import metrics
from jobs.telemetry.table import Metric

PATH = Path(__file__).resolve().parents[2] / "docs" / "reference" / "metrics.md"

HEAD = """\
# Metrics

Generated from the tables in [`jobs/telemetry/metrics.py`](../../jobs/telemetry/metrics.py) and
[`jobs/lag/metrics.py`](../../jobs/lag/metrics.py) by `python -m jobs.telemetry.document`; edit
those, not this.

Every process serves `/metrics` and `/healthz` on a port of its own and writes a target file by
which Prometheus finds it. Prometheus adds `job` (`member`: the parent of a job, `task`: the child
that runs a shard, `lag`, ...), `instance` and `environment`.
What is unknown is absent: never -1, NaN or an old value.
"""

SECTIONS: tuple[tuple[str, str, tuple[Metric, ...]], ...] = (
    ("Every process", "", metrics.PROCESS),
    (
        "Members",
        "The parent of a job (`sq run`): who owns which shard and how its children end.",
        metrics.MEMBER,
    ),
    (
        "Tasks",
        "The child that runs one shard. Counted when a batch has committed; nothing is measured "
        "inside a stage.",
        metrics.TASK,
    ),
    (
        "Records",
        "What a shard's records say, read from a batch's outputs after its commit.",
        metrics.DOMAIN,
    ),
    ("Canary", "`sq canary`: marked ticks through running topologies.", metrics.CANARY),
    ("From prometheus-client", "Of every process.", metrics.LIBRARY),
)


def lag_metrics() -> tuple[Metric, ...]:
    """The lag exporter's table in this package's form. Its rows have no unit: the last word of the
    name says it.
    """
    return tuple(
        Metric(row.name, row.kind, row.help, _unit(row.name), row.labels) for row in lag.METRICS
    )


def declared() -> dict[str, Metric]:
    """Every metric that a process of ours may expose, by name."""
    return {metric.name: metric for metric in (*metrics.OURS, *metrics.LIBRARY, *lag_metrics())}


def page() -> str:
    """The page."""
    parts = [HEAD]
    for title, text, table in SECTIONS:
        parts.append(_section(title, text, table))
    text = "`sq lag --serve`: consumer groups and partitions of the whole cluster."
    parts.append(_section("Lag exporter", text, lag_metrics()))
    parts.append(
        "## Label values\n\n"
        f"- `state` of `shriven_task_state`: {_codes(metrics.STATES)}\n"
        f"- `code` of `shriven_task_endings_total`: an error's code, or {_codes(metrics.ENDINGS)}\n"
        f"- `witness` of `shriven_canary_*`: {_codes(metrics.WITNESSES)}\n"
        f"- `state` of `shriven_consumer_state`: {_codes(lag.STATES)}\n"
        f"- `state` of `shriven_shard_state`: {_codes(lag.SHARD_STATES)}\n"
        f"- `reason` of `shriven_consumer_lag_unknown`: {_codes(lag.REASONS)}\n"
        f"- `purpose`: {_codes(lag.PURPOSES)}\n"
        f"- `cause` of `shriven_registry_errors_total`: {_codes(metrics.REGISTRY_CAUSES)}\n"
    )
    return "\n".join(parts)


def _section(title: str, text: str, table: Iterable[Metric]) -> str:
    lines = [f"## {title}", ""]
    if text:
        lines += [text, ""]
    lines += ["| metric | type | unit | labels | what |", "|---|---|---|---|---|"]
    for metric in table:
        labels = ", ".join(f"`{label}`" for label in metric.labels)
        bounds = (
            f" Bounds: {', '.join(f'{bound:g}' for bound in metric.buckets)}."
            if metric.buckets
            else ""
        )
        lines.append(
            f"| `{metric.name}` | {metric.kind} | {metric.unit} | {labels} | "
            f"{metric.help}{bounds} |"
        )
    return "\n".join(lines) + "\n"


def _codes(values: Iterable[str]) -> str:
    return ", ".join(f"`{value}`" for value in values)


def _unit(name: str) -> str:
    last = name.removesuffix("_total").rsplit("_", 1)[-1]
    units = (
        "seconds",
        "records",
        "offset",
        "ratio",
        "members",
        "groups",
        "series",
        "collections",
        "errors",
        "fetches",
    )
    return last if last in units else "1"


def main() -> None:
    """Write the page."""
    PATH.parent.mkdir(parents=True, exist_ok=True)
    PATH.write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
