"""Dashboards: committed JSON is the generated one, and keeps the rules of grafana/dashboard-linter
(MON-6).

Oracles: promql-parser for PromQL, the declared metrics for names and labels, the linter's list of
rules. What is not kept is in ``grafana_exclusions.toml`` with its reason.
"""

from __future__ import annotations

import itertools
import json
import re
import tomllib
from pathlib import Path
from typing import Any

import promql_parser
import pytest

from infra.grafana import generate
from infra.grafana.boards import BOARDS
from infra.grafana.queries import Target, expanded, panels, targets
from infra.prometheus.alerts import ALERTS
from infra.prometheus.recording import RECORDINGS
from jobs.telemetry.document import declared
from schemas.catalogue import TOPICS

ROOT = Path(__file__).resolve().parents[2]
DASHBOARDS: list[dict[str, Any]] = [
    json.loads(path.read_text(encoding="utf-8")) for path in sorted(generate.FOLDER.glob("*.json"))
]
TARGETS = [target for board in DASHBOARDS for target in targets(board)]
TARGET_LABELS = {"environment", "job", "instance", "le"}
OUTSIDE = {
    "up": {"job", "instance", "environment"},
    "ALERTS": {
        "alertname",
        "alertstate",
        "severity",
        "topology",
        "shard",
        "group",
        "topic",
        "area",
    },
}
# metrics that say something to a program, or that another series says better; each with its reason
UNDRAWN = {
    "process_start_time_seconds": "used by annotations and rules",
    "process_virtual_memory_bytes": "resident memory is drawn",
    "shriven_consumer_group_info": "joined to the state of groups by rules",
    "shriven_build_info": "drawn as the annotation Deploys",
}
BOARD_IDS = pytest.mark.parametrize("board", DASHBOARDS, ids=lambda board: board["uid"])


def whole(target: Target) -> str:
    """The expression with variables as All."""
    names = ("environment", "topology", "shard", "group", "topic")
    return expanded(target.expr, dict.fromkeys(names, ()), 3600, 5)


def selectors(expr: str) -> list[tuple[str, set[str]]]:
    """(metric, labels it is selected by) of a whole expression, by walking promql-parser's tree."""
    found: list[tuple[str, set[str]]] = []

    def visit(node: Any) -> None:
        if isinstance(node, promql_parser.VectorSelector):
            matchers = node.matchers
            found.append(
                (node.name, {matcher.name for matcher in matchers.matchers} - {"__name__"})
            )
        for name in ("expr", "lhs", "rhs", "vector_selector", "param"):
            child = getattr(node, name, None)
            if child is not None and not isinstance(child, (str, int, float)):
                visit(child)
        for child in getattr(node, "args", None) or []:
            visit(child)

    visit(promql_parser.parse(expr))
    return found


@pytest.mark.parametrize("path", generate.files(), ids=lambda path: path.stem)
def test_the_committed_dashboard_is_the_generated_one(path: Path) -> None:
    assert path.read_text(encoding="utf-8") == generate.files()[path], (
        "run: python -m infra.grafana.generate"
    )


def test_every_board_the_issue_names_is_there() -> None:
    stages = {topic.owner for topic in TOPICS.values()} - {
        "operator",
        "connectors",
        "runner",
        "simulators",
    }
    assert {f"shriven-{stage}" for stage in stages} | {
        "shriven-overview",
        "shriven-lag",
        "shriven-day",
        "shriven-kafka",
    } == {board.uid for board in BOARDS}
    assert {board["uid"] for board in DASHBOARDS} == {board.uid for board in BOARDS}


@BOARD_IDS
def test_a_dashboard_keeps_the_rules_of_the_whole(board: dict[str, Any]) -> None:
    assert len(board["uid"]) <= 40 and board["title"] and board["description"]
    assert board["editable"] is False
    assert board["graphTooltip"] == 1, "one crosshair for all panels"
    assert board["schemaVersion"] >= 42
    first, *others = board["templating"]["list"]
    assert (first["type"], first["name"]) == ("datasource", "datasource")
    for variable in others:
        assert variable["includeAll"] and variable["multi"] and variable["allValue"] == ".+", (
            variable["name"]
        )
        assert variable["refresh"] == 2, "read again when the range changes"
        assert variable["datasource"]["uid"] == "${datasource}"
        assert variable["label"] and variable["query"].startswith("label_values(")
    identities = [
        panel["id"]
        for panel in (
            *board["panels"],
            *(inner for row in board["panels"] for inner in row.get("panels", [])),
        )
    ]
    assert len(set(identities)) == len(identities)
    titles = [(panel["title"], panel["type"]) for panel in panels(board)]
    assert len(set(titles)) == len(titles)


@BOARD_IDS
def test_every_variable_is_used_and_every_use_is_defined(board: dict[str, Any]) -> None:
    text = json.dumps(
        [board["panels"], [variable.get("query") for variable in board["templating"]["list"]]]
    )
    used = set(re.findall(r"\$\{?(\w+)", text)) - {"__rate_interval", "__range", "__interval"}
    assert used == {variable["name"] for variable in board["templating"]["list"]}


@BOARD_IDS
def test_variables_read_declared_metrics_and_labels(board: dict[str, Any]) -> None:
    for variable in board["templating"]["list"][1:]:
        query, label = re.fullmatch(r"label_values\((.+), (\w+)\)", variable["query"]).groups()  # type: ignore[union-attr]
        name, labels = re.fullmatch(r"(\w+)(?:\{(.*)\})?", query).groups()  # type: ignore[union-attr]
        known = {*(() if name == "up" else declared()[name].labels), "environment"}
        assert {label, *re.findall(r"(\w+)=~", labels or "")} <= known


@BOARD_IDS
def test_panels_do_not_overlap_and_fit_the_grid(board: dict[str, Any]) -> None:
    for group in (
        board["panels"],
        *(row["panels"] for row in board["panels"] if row["type"] == "row"),
    ):
        places = [panel["gridPos"] for panel in group]
        assert all(place["x"] >= 0 and place["x"] + place["w"] <= 24 for place in places)
        for one, other in itertools.combinations(places, 2):
            apart_across = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
            apart_down = one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
            assert apart_across or apart_down, (one, other)


@BOARD_IDS
def test_the_first_row_is_open_and_a_dashboard_begins_with_numbers(board: dict[str, Any]) -> None:
    first, second = board["panels"][:2]
    assert first["type"] == "row" and not first["collapsed"] and second["type"] == "stat"


@BOARD_IDS
def test_panels_keep_the_rules(board: dict[str, Any]) -> None:
    for panel in panels(board):
        check_panel(panel)


def check_panel(panel: dict[str, Any]) -> None:
    """Title, description, data source, unit, queries."""
    assert panel["title"] and panel["description"].endswith((".", ".py"))
    assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
    assert panel["targets"], "no query"
    assert panel["fieldConfig"]["defaults"]["unit"]
    assert panel["fieldConfig"]["defaults"]["thresholds"]["steps"][0]["value"] is None
    references = [target["refId"] for target in panel["targets"]]
    assert len(set(references)) == len(references) and all(references)
    for target in panel["targets"]:
        assert target["datasource"] == panel["datasource"]
        assert target["expr"].strip() == target["expr"] != ""
        assert target["legendFormat"] if panel["type"] in ("timeseries", "state-timeline") else True


@BOARD_IDS
def test_events_are_whole_numbers_shares_or_rates(board: dict[str, Any]) -> None:
    """``increase`` stretches to the window: 1.07 fills were shown."""
    for target in targets(board):
        assert (
            "increase(" not in target.expr
            or target.expr.startswith("round(")
            or " / " in target.expr
        ), target


@BOARD_IDS
def test_queries_are_promql_over_declared_metrics_with_known_labels(board: dict[str, Any]) -> None:
    for target in targets(board):
        check_query(target)


def check_query(target: Target) -> None:
    """It parses, its metrics and labels exist, its legend has the labels it groups by."""
    known = {
        series: {*metric.labels, *TARGET_LABELS}
        for metric in declared().values()
        for series in metric.series
    }
    known |= {rule.name: set(rule.labels) for rule in RECORDINGS} | OUTSIDE
    found = selectors(whole(target))
    assert found
    for name, labels in found:
        assert name in known, f"{name} is not declared"
        assert labels <= known[name], f"{name} has no label {labels - known[name]}"
    legend = set(re.findall(r"\{\{(\w+)\}\}", target.legend))
    grouped = re.match(
        r"(?:round)?\(?\(?(?:sum|max|min|avg|count|histogram_quantile)[^(]*?by \(([^)]*)\)",
        target.expr,
    )
    if legend:
        assert grouped and legend <= {label.strip() for label in grouped[1].split(",")}, (
            "the legend names labels that the query does not leave"
        )


@BOARD_IDS
def test_counters_are_rated_and_aggregated_over_the_rate_interval(board: dict[str, Any]) -> None:
    for target in targets(board):
        check_rates(target)


def check_rates(target: Target) -> None:
    """Counters are never drawn raw, windows are Grafana's."""
    expr = re.sub(r'"[^"]*"', '""', target.expr)
    counters = {
        series
        for metric in declared().values()
        for series in metric.series
        if metric.kind != "gauge"
    }
    for name in counters:
        for found in re.finditer(rf"(\w+)\({name}(?:\{{[^}}]*\}})?(?:\[([^\]]+)\])?", expr):
            function, window = found.groups()
            if function in ("rate", "increase"):
                # fixed windows only in numbers that say so in their title or description
                assert window == "$__rate_interval" or window == "$__range" or target.instant, (
                    function,
                    window,
                )
            else:
                assert function in ("sum", "by"), f"{name} is drawn raw by {function}"
    for function, window in re.findall(r"(rate|increase|deriv)\([^\[\]]*\[([^\]]+)\]", expr):
        assert window.startswith("$__") or target.instant, (function, window)


def test_every_metric_is_drawn_or_said_why_not() -> None:
    drawn = {name for target in TARGETS for name, _ in selectors(whole(target))}
    drawn |= {name for rule in RECORDINGS for name, _ in selectors(rule.expr)}
    undrawn = {
        metric.name for metric in declared().values() if not drawn.intersection(metric.series)
    }
    assert undrawn == set(UNDRAWN)


def test_thresholds_of_panels_are_those_of_the_alerts() -> None:
    """Where a panel draws the very quantity an alert judges."""
    judged = {
        "Drawdown": 0.1,
        "Commit": 0.1,
        "Oldest open transaction": 5.0,
        "Retention margin": 0.2,
    }
    rules = " ".join(alert.expr for alert in ALERTS)
    for title, threshold in judged.items():
        assert f"> {threshold:g}" in rules or f"< {threshold:g}" in rules
        drawn = [
            {step["value"] for step in panel["fieldConfig"]["defaults"]["thresholds"]["steps"]}
            for board in DASHBOARDS
            for panel in panels(board)
            if panel["title"] == title
            and len(panel["fieldConfig"]["defaults"]["thresholds"]["steps"]) > 1
        ]
        assert drawn and all(threshold in steps for steps in drawn), title


def test_every_alert_names_a_dashboard_that_exists() -> None:
    assert {alert.dashboard for alert in ALERTS} <= {board["uid"] for board in DASHBOARDS}


def test_what_is_not_kept_of_the_linters_rules_has_a_reason_and_is_really_not_kept() -> None:
    exclusions = tomllib.loads((Path(__file__).parent / "grafana_exclusions.toml").read_text())
    assert all(
        len(entry["reason"]) > 20 or entry["reason"].startswith("See ")
        for entry in exclusions.values()
    )
    names = {variable["name"] for board in DASHBOARDS for variable in board["templating"]["list"]}
    broken = {
        "target-job-rule": any("job=" not in target.expr for target in TARGETS),
        "target-instance-rule": any("instance=" not in target.expr for target in TARGETS),
        "template-job-rule": "job" not in names,
        "template-instance-rule": "instance" not in names,
    }
    assert {rule for rule, fails in broken.items() if fails} == set(exclusions)


def test_expansion_is_grafanas() -> None:
    """Grafana's own documentation of $__rate_interval, and of multi-value variables in regular
    expressions.
    """
    expr = 'rate(x{topic=~"$topic",group=~"${group}"}[$__rate_interval])'
    assert (
        expanded(expr, {"topic": ["md.trades", "fills"], "group": []}, 3600, 15)
        == 'rate(x{topic=~"(md\\\\.trades|fills)",group=~".+"}[60s])'
    )
    assert expanded("x[$__rate_interval]", {}, 7 * 86400, 15) == "x[620s]"
    with pytest.raises(KeyError):
        expanded("x{a=~'$unknown'}", {}, 3600, 15)


@pytest.mark.parametrize(
    ("expr", "problem"),
    [
        ("sum(rate(shriven_batches_total[5m])", "no PromQL"),
        ("sum(rate(shriven_batchs_total[$__rate_interval]))", "an unknown metric"),
        ('sum(shriven_position{group="x"})', "an unknown label"),
    ],
)
def test_a_planted_defect_is_found(expr: str, problem: str) -> None:
    planted = Target("board", problem, "timeseries", expr, "", False)
    with pytest.raises((AssertionError, ValueError)):
        check_query(planted)
