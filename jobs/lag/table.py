"""Lag as rows for programs and as a table for people."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from jobs.lag.states import SEVERITY
from jobs.lag.watching import Lag

COLUMNS = (
    "group",
    "topic",
    "partition",
    "position",
    "lag_records",
    "lag_seconds",
    "state",
    "reason",
)
LEFT = ("group", "topic", "state", "reason")
HEADS = {
    "partition": "part",
    "lag_records": "records behind",
    "lag_seconds": "time behind",
    "reason": "unknown because",
}
UNKNOWN = "?"


def rows(lags: Iterable[Lag]) -> list[dict[str, Any]]:
    """One dict a partition, null where unknown; seconds to the millisecond."""
    found = []
    for lag in lags:
        row = {name: getattr(lag, name) for name in COLUMNS}
        if lag.lag_seconds is not None:
            row["lag_seconds"] = round(lag.lag_seconds, 3)
        found.append(row)
    return found


def by_badness(lags: Iterable[Lag]) -> list[Lag]:
    """Worst first: by state (unknown after known faults), then time, then records behind."""

    def key(lag: Lag) -> tuple[float, float, int, str, str, int]:
        severity = SEVERITY.index(lag.state) if lag.state else 0.5
        return (
            -severity,
            -(lag.lag_seconds or 0.0),
            -(lag.lag_records or 0),
            lag.group,
            lag.topic,
            lag.partition,
        )

    return sorted(lags, key=key)


def text(lags: Sequence[Lag], lines_max: int | None = None) -> str:
    """The table, aligned, with a line that sums it up; of more than ``lines_max`` partitions the
    worst.
    """
    if not lags:
        return "no group of this cluster has a position"
    columns = [name for name in COLUMNS if name != "reason" or any(lag.reason for lag in lags)]
    shown = by_badness(lags)[: max(1, lines_max) if lines_max is not None else None]
    lines = [[HEADS.get(name, name) for name in columns]] + [
        _cells(lag)[: len(columns)] for lag in shown
    ]
    widths = [max(len(line[at]) for line in lines) for at in range(len(columns))]
    left = [name in LEFT for name in columns]
    laid = []
    for line in lines:
        cells = [
            cell.ljust(width) if flush else cell.rjust(width)
            for cell, width, flush in zip(line, widths, left, strict=True)
        ]
        laid.append("  ".join(cells).rstrip())
    if len(shown) < len(lags):
        laid.append(f"... and {len(lags) - len(shown)} more, none worse")
    return "\n".join([*laid, "", _summary(lags)])


def age(seconds: float) -> str:
    """``0 s``, ``0.35 s``, ``12.4 s``, ``3 min 20 s``, ``5 h 12 min``, ``3 d 4 h``."""
    if seconds == 0:
        return "0 s"
    if seconds < 1:
        return f"{seconds:.2f} s"
    if seconds < 60:
        return f"{seconds:.1f} s"
    whole = int(seconds)
    for size, unit, below, small in (
        (86_400, "d", 3_600, "h"),
        (3_600, "h", 60, "min"),
        (60, "min", 1, "s"),
    ):
        if whole >= size:
            return f"{whole // size} {unit} {whole % size // below} {small}"
    return f"{whole} s"


def _cells(lag: Lag) -> list[str]:
    return [
        lag.group,
        lag.topic,
        str(lag.partition),
        UNKNOWN if lag.position is None else f"{lag.position:,}",
        UNKNOWN if lag.lag_records is None else f"{lag.lag_records:,}",
        UNKNOWN if lag.lag_seconds is None else age(lag.lag_seconds),
        lag.state or UNKNOWN,
        lag.reason or "",
    ]


def _summary(lags: Sequence[Lag]) -> str:
    groups = {lag.group for lag in lags}
    counts = {state: sum(lag.state == state for lag in lags) for state in (*SEVERITY[::-1], None)}
    parts = [f"{count} {state or 'not known yet'}" for state, count in counts.items() if count]
    return (
        f"{len(groups)} group{'s' * (len(groups) != 1)}, {len(lags)} "
        f"partition{'s' * (len(lags) != 1)}: {', '.join(parts)}"
    )
