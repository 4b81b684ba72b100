"""Each field in numbers: how often it is known, why it is not, mean and quantiles."""

from __future__ import annotations

from typing import Any

import numpy as np

from jobs.measuring.running import Measured
from jobs.measuring.series import Series, series_of

QUANTILES = {"least": 0.0, "q05": 0.05, "median": 0.5, "q95": 0.95, "greatest": 1.0}
HEAD = ("field", "unit", "known", "null", "mean", "5 %", "median", "95 %", "why null")


def summary_of(measured: Measured) -> list[dict[str, Any]]:
    """A dict for each instrument, its topics and their fields; plain data, as --json prints it."""
    found = []
    for instrument in measured.instruments:
        topics: dict[str, Any] = {}
        for topic, rows in measured.rows.items():
            mine = list(series_of(topic, rows, instrument))
            times = mine[0].times
            topics[topic] = {
                "records": len(times),
                "first": int(times[0]) if len(times) else None,
                "last": int(times[-1]) if len(times) else None,
                "fields": {each.name: figures(each) for each in mine},
            }
        found.append(
            {"instrument": instrument.instrument, "symbol": instrument.symbol, "topics": topics}
        )
    return found


def figures(series: Series) -> dict[str, Any]:
    """Of one field; a mean or quantile of nothing is None."""
    known = series.values[~np.isnan(series.values)]
    count = len(series.values)
    row: dict[str, Any] = {
        "unit": series.unit,
        "known": len(known),
        "null_share": (count - len(known)) / count if count else None,
        "reasons": series.reasons,
        "mean": float(np.mean(known)) if len(known) else None,
    }
    values = np.quantile(known, list(QUANTILES.values())).tolist() if len(known) else []
    return row | dict(zip(QUANTILES, values or [None] * len(QUANTILES), strict=True))


def table_of(summary: list[dict[str, Any]], when: Any) -> str:
    """The tables as text. ``when`` makes the text of a time."""
    parts = []
    for instrument in summary:
        for topic, facts in instrument["topics"].items():
            title = f"{instrument['symbol']} {topic}, {facts['records']:,} records"
            if facts["records"]:
                title += f", {when(facts['first'])} to {when(facts['last'])}"
                parts.append("\n".join([title, *_lines(facts["fields"])]))
            else:
                parts.append(title)
    return "\n\n".join(parts)


def _lines(fields: dict[str, Any]) -> list[str]:
    rows = [HEAD, *(_cells(name, facts) for name, facts in fields.items())]
    widths = [max(len(row[at]) for row in rows) for at in range(len(HEAD))]
    return [
        "  "
        + "  ".join(
            cell.ljust(width) if at in (0, 1, len(HEAD) - 1) else cell.rjust(width)
            for at, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]


def _cells(name: str, facts: dict[str, Any]) -> tuple[str, ...]:
    share = facts["null_share"]
    why = ", ".join(f"{reason} {count:,}" for reason, count in facts["reasons"].items())
    values = [facts[each] for each in ("mean", "q05", "median", "q95")]
    return (
        name, facts["unit"], f"{facts['known']:,}", f"{100 * share:.1f} %",
        *("-" if value is None else f"{value:.6g}" for value in values), why,
    )  # fmt: skip
