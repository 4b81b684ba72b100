"""Every query of every panel, variables expanded like Grafana, returns data from a real Prometheus
with our rules (MON-6).

The series come from a scripted exporter of every declared metric;
``tests/kafka/test_monitoring_pipeline.py`` has those of a running pipeline. Oracle: Prometheus
itself, and Grafana's rules of expansion.
"""

from __future__ import annotations

import json
import math
import shutil
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from synthetic import Synthetic

from infra.grafana.generate import FOLDER
from infra.grafana.queries import Target, expanded, step_seconds, targets
from infra.monitoring.stack import Stack
from jobs.telemetry.serving import serve

SCRAPE_SECONDS = 2
RANGE_SECONDS = 16
PATIENCE_SECONDS = 180
BOARDS: list[dict[str, Any]] = [
    json.loads(path.read_text()) for path in sorted(FOLDER.glob("*.json"))
]
ALL: dict[str, tuple[str, ...]] = dict.fromkeys(
    ("environment", "topology", "shard", "group", "topic"), ()
)


def ask(prometheus: str, path: str, **arguments: Any) -> Any:
    """The data of an answer. Raises an error that has Prometheus' words."""
    url = f"http://{prometheus}/api/v1/{path}?{urllib.parse.urlencode(arguments)}"
    try:
        with urllib.request.urlopen(url, timeout=30) as answer:
            return json.load(answer)["data"]
    except urllib.error.HTTPError as problem:
        raise AssertionError(problem.read().decode()) from problem


def numbers(prometheus: str, target: Target) -> list[float]:
    """Every value that Grafana would draw."""
    expr = expanded(target.expr, ALL, RANGE_SECONDS, SCRAPE_SECONDS)
    now = time.time()
    if target.instant:
        return [
            float(series["value"][1])
            for series in ask(prometheus, "query", query=expr, time=now)["result"]
        ]
    step = step_seconds(RANGE_SECONDS, SCRAPE_SECONDS)
    result = ask(
        prometheus, "query_range", query=expr, start=now - RANGE_SECONDS, end=now, step=step
    )["result"]
    return [float(value) for series in result for _, value in series["values"]]


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of a Prometheus that has scraped the scripted exporter for a while."""
    for program in ("prometheus", "prometheus-alertmanager"):
        if (
            shutil.which(program) is None
            and shutil.which(program.removeprefix("prometheus-")) is None
        ):
            pytest.skip(f"{program} is not installed (Debian: {program})")
    home = tmp_path_factory.mktemp("monitored")
    synthetic = Synthetic()
    servers = [
        serve(registry, job=job, home=home / job, environment="test")
        for job, registry in synthetic.registries.items()
    ]
    (home / "targets").mkdir()
    for path in home.glob("*/targets/*.json"):
        shutil.copy(path, home / "targets" / path.name)
    stack = Stack(home, scrape_seconds=SCRAPE_SECONDS, dies_with_parent=True)
    try:
        stack.up()
        _until_measured(stack.address("prometheus"))
        yield stack.address("prometheus")
    finally:
        stack.down()
        for server in servers:
            server.close()
        synthetic.stop()


def _until_measured(address: str) -> None:
    """Wait until every job has been scraped over the whole range and the recorded series are there.
    """
    end = time.monotonic() + PATIENCE_SECONDS
    expr = (
        f'count(sum_over_time(up{{job=~"task|member|lag"}}[{3 * RANGE_SECONDS}s]) >= '
        f"{RANGE_SECONDS // SCRAPE_SECONDS})"
    )
    while time.monotonic() < end:
        result = ask(address, "query", query=expr)["result"]
        recorded = ask(address, "query", query="shriven:freshness_budget_remaining:ratio")["result"]
        if result and result[0]["value"][1] == "3" and recorded:
            return
        time.sleep(0.5)
    pytest.fail(f"nothing measured: {ask(address, 'targets')['activeTargets']}")


@pytest.mark.parametrize("board", BOARDS, ids=lambda board: board["uid"])
def test_every_query_of_every_panel_returns_numbers(board: dict[str, Any], prometheus: str) -> None:
    empty = []
    for target in targets(board):
        found = numbers(prometheus, target)
        if not any(math.isfinite(each) for each in found):
            empty.append(f"{target.panel}: {target.expr}")
    assert empty == []


def test_variables_find_their_values(prometheus: str) -> None:
    for board in BOARDS:
        for variable in board["templating"]["list"][1:]:
            query, label = (
                variable["query"].removeprefix("label_values(").removesuffix(")").rsplit(", ", 1)
            )
            series = ask(
                prometheus,
                "series",
                **{"match[]": expanded(query, ALL, RANGE_SECONDS, SCRAPE_SECONDS)},
            )
            assert {each[label] for each in series if label in each}, (
                f"{board['uid']}: ${variable['name']} has no values"
            )


def test_chosen_values_narrow_a_query(prometheus: str) -> None:
    expr = expanded(
        'count(shriven_input_lag_records{topic=~"$topic"})',
        {"topic": ["md.trades", "md.depth"]},
        RANGE_SECONDS,
        SCRAPE_SECONDS,
    )
    (series,) = ask(prometheus, "query", query=expr)["result"]
    assert series["value"][1] == "4", "two topics of two shards"


def test_annotations_are_queries_that_prometheus_understands(prometheus: str) -> None:
    expressions = [each["expr"] for board in BOARDS for each in board["annotations"]["list"]]
    assert expressions
    for expr in dict.fromkeys(expressions):
        ask(prometheus, "query", query=expr)


def test_prometheus_runs_the_rules_without_an_error(prometheus: str) -> None:
    for group in ask(prometheus, "rules")["groups"]:
        for rule in group["rules"]:
            assert rule["health"] in ("ok", "unknown"), (rule["name"], rule.get("lastError"))


def test_a_query_of_a_renamed_metric_is_found_empty(prometheus: str) -> None:
    """The mutation: this proof must be able to fail."""
    assert (
        numbers(
            prometheus,
            Target(
                "x",
                "x",
                "timeseries",
                "sum(rate(shriven_batchs_total[$__rate_interval]))",
                "x",
                False,
            ),
        )
        == []
    )


def test_grafana_is_given_provisioning_that_cannot_be_edited(
    prometheus: str, tmp_path: Path
) -> None:
    stack = Stack(tmp_path)
    stack.ports.keep()
    stack._write("", "", FOLDER)
    provider = json.loads(
        (stack.grafana / "provisioning" / "dashboards" / "shrivenquant.yml").read_text()
    )["providers"][0]
    assert (
        provider["allowUiUpdates"],
        provider["disableDeletion"],
        provider["options"]["path"],
    ) == (False, True, str(stack.grafana / "dashboards"))
    source = json.loads(
        (stack.grafana / "provisioning" / "datasources" / "prometheus.yml").read_text()
    )["datasources"][0]
    assert source["url"] == f"http://{stack.address('prometheus')}" and source["editable"] is False
    assert {path.name for path in (stack.grafana / "dashboards").glob("*.json")} == {
        path.name for path in FOLDER.glob("*.json")
    }
