"""A dashboard's queries as Grafana sends them: variables expanded, intervals computed. For proofs
against a Prometheus where no Grafana is.

Source: Grafana's Prometheus data source: ``$__interval`` is the step, ``$__rate_interval =
max($__interval + scrape, 4 * scrape)``, ``$__range`` the range; a multi-value variable becomes
``(a|b)`` with its values escaped for a regular expression, "All" becomes its ``allValue``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

MOST_POINTS = 1000


class Target(NamedTuple):
    """One query of one panel."""

    board: str
    panel: str
    kind: str
    expr: str
    legend: str
    instant: bool


def panels(board: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Every panel, those of folded rows too, without the rows."""
    for panel in board["panels"]:
        if panel["type"] == "row":
            yield from panel["panels"]
        else:
            yield panel


def targets(board: Mapping[str, Any]) -> Iterator[Target]:
    """Every query."""
    for panel in panels(board):
        for target in panel["targets"]:
            yield Target(
                board["uid"],
                panel["title"],
                panel["type"],
                target["expr"],
                target["legendFormat"],
                bool(target.get("instant")),
            )


def step_seconds(range_seconds: int, scrape_seconds: int, points: int = MOST_POINTS) -> int:
    """The step that Grafana chooses: enough for the points, never below the scrape interval."""
    return max(scrape_seconds, -(-range_seconds // points))


def expanded(
    expr: str, variables: Mapping[str, Sequence[str]], range_seconds: int, scrape_seconds: int
) -> str:
    """The expression as it is sent. ``variables`` give the values chosen; none given means All.

    Raises:
        KeyError: the expression names a variable that is not given.
    """
    step = step_seconds(range_seconds, scrape_seconds)
    fixed = {
        "__interval": f"{step}s",
        "__rate_interval": f"{max(step + scrape_seconds, 4 * scrape_seconds)}s",
        "__range": f"{range_seconds}s",
        "__range_s": str(range_seconds),
    }

    def value(found: re.Match[str]) -> str:
        name = found[1] or found[2]
        if name in fixed:
            return fixed[name]
        chosen = variables[name]
        if not chosen:
            return ".+"
        escaped = [re.escape(each).replace("\\", "\\\\") for each in chosen]
        return escaped[0] if len(escaped) == 1 else f"({'|'.join(escaped)})"

    return re.sub(r"\$(?:(\w+)|\{(\w+)(?::\w+)?\})", value, expr)
