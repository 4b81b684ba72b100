"""The alert rules: each fires for its fault, no other does, and it clears (MON-7, MON-8, MON-12).

Oracle: ``promtool``, which evaluates the committed files over scripted series; the rows are
``infra.prometheus.faults``.
"""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import promql_parser
import pytest

from infra.prometheus import generate
from infra.prometheus.alerts import ALERTS
from infra.prometheus.faults import FAULTS, ROWS, SILENT
from infra.prometheus.recording import RECORDINGS
from infra.prometheus.rows import ALWAYS
from jobs.telemetry.document import declared
from tests.infra.prometheus_rows import FIRING, RULES, promtool, run

ROOT = Path(__file__).resolve().parents[2]
SYNTHETIC = {"up", "ALERTS", "prometheus_rule_evaluation_failures_total"}
TARGET_LABELS = {"environment", "job", "instance", "le", "rule_group"}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.fault)
def test_exactly_the_alerts_of_a_fault_fire_and_clear(row: object, tmp_path: Path) -> None:
    ended = run(row, tmp_path)  # type: ignore[arg-type]
    assert ended.returncode == 0, ended.stdout + ended.stderr


def test_the_alert_of_a_quarantined_shard_names_the_record(tmp_path: Path) -> None:
    (row,) = [row for row in FAULTS if row.fault == "F18"]
    labels = {
        "severity": "critical",
        "area": "tasks",
        "environment": "e",
        "topology": "pipeline",
        "shard": "0",
    }
    place = {"topic": "md.depth", "partition": "0", "offset": "7"}
    says = {
        "summary": "pipeline shard 0 is given up after crashes at md.depth/0/7",
        "runbook": "docs/runbooks/ShardQuarantined.md",
        "dashboard": "/d/shriven-overview",
    }
    expected = {
        "eval_time": "40m",
        "alertname": "ShardQuarantined",
        "exp_alerts": [{"exp_labels": labels | place, "exp_annotations": says}],
    }
    ended = run(row, tmp_path, alerts=(expected,))
    assert ended.returncode == 0, ended.stdout + ended.stderr


def test_every_alert_fires_for_some_row_and_is_silent_in_another_moment_of_it() -> None:
    for alert in ALERTS:
        if alert.name == ALWAYS:
            continue
        rows = [row for row in ROWS if any(alert.name in alerts for _, alerts in row.moments)]
        assert rows, f"{alert.name} is never shown to fire"
        assert any(alert.name not in alerts for row in rows for _, alerts in row.moments), (
            f"{alert.name} is never shown to clear"
        )
    assert all(alerts == () for row in SILENT for _, alerts in row.moments)
    assert {"quiet market", "planned replay"} <= {row.fault for row in SILENT}


def test_the_catalogue_has_the_faults_it_must_have() -> None:
    present = {row.fault.split(",")[0] for row in FAULTS}
    assert {*(f"F{number}" for number in range(1, 13)), "F18", "F21"} <= present


def test_the_budget_counts_batches_is_never_negative_and_unknown_for_a_few(tmp_path: Path) -> None:
    """Regression: -9900 % after one bad hour. Oracle: 1 - late / all / 1 %, by hand."""
    labels = '{environment="e",topology="pipeline"}'
    for fault, minute, expected in (
        ("healthy", 60, [1.0]),
        ("late", 60, [0.0]),
        ("one late batch", 60, [0.9]),
        ("late start", 60, []),
    ):
        (row,) = [row for row in ROWS if row.fault == fault]
        remaining = f"round(shriven:freshness_budget_remaining:ratio{labels}, 0.01)"
        asked = {
            "expr": remaining,
            "eval_time": f"{minute}m",
            "exp_samples": [{"labels": labels, "value": value} for value in expected],
        }
        ended = run(row, tmp_path, queries=(asked,))
        assert ended.returncode == 0, ended.stdout + ended.stderr


def test_a_rule_that_never_fires_is_found(tmp_path: Path) -> None:
    """The mutation: with the threshold of one rule out of reach, its row is red."""
    (row,) = [row for row in FAULTS if row.fault == "F9"]
    mutated = tmp_path / "alerts.yml"
    text = (generate.FOLDER / "alerts.yml").read_text()
    expr = "max by (environment, topic) (shriven_open_transaction_age_seconds) > 5"
    assert expr in text
    mutated.write_text(
        text.replace(expr, expr + "000").replace('state="TXN_BLOCKED"', 'state="NONE"')
    )
    ended = run(row, tmp_path, [RULES[0], mutated])
    assert ended.returncode == 1 and FIRING.split("(")[0] in ended.stdout + ended.stderr


def test_promtool_finds_nothing_wrong_with_the_rules() -> None:
    ended = subprocess.run(
        [promtool(), "check", "rules", "--lint=all", "--lint-fatal", *map(str, RULES)],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr


@pytest.mark.parametrize("path", generate.files(), ids=lambda path: path.name)
def test_a_generated_file_is_the_committed_one(path: Path) -> None:
    assert path.read_text(encoding="utf-8") == generate.files()[path], (
        "run: python -m infra.prometheus.generate"
    )


def selectors(expr: str) -> list[tuple[str, set[str]]]:
    """(metric, labels matched on) of every selector in an expression. Raises ValueError if it is no
    PromQL.
    """
    promql_parser.parse(expr)
    found = []
    for name, labels in re.findall(
        r"\b([a-zA-Z_][\w:]*)(?:\{([^}]*)\})?(?=[\s)\[>=<*/+-]|$)", re.sub(r'"[^"]*"', '""', expr)
    ):
        if name.startswith(("shriven", "process_")) or name in SYNTHETIC:
            found.append((name, set(re.findall(r"(\w+)\s*[=!]~?", labels))))
    return found


RECORDED = {rule.name: rule for rule in RECORDINGS}


@pytest.mark.parametrize(
    ("name", "expr"),
    [
        *((alert.name, alert.expr) for alert in ALERTS),
        *((rule.name, rule.expr) for rule in RECORDINGS),
    ],
    ids=lambda value: value[:40],
)
def test_rules_read_only_what_is_declared(name: str, expr: str) -> None:
    series = {series: metric for metric in declared().values() for series in metric.series}
    found = selectors(expr)
    assert found or expr == "vector(1)"
    for metric, labels in found:
        if metric in SYNTHETIC:
            continue
        known = (
            set(RECORDED[metric].labels)
            if metric in RECORDED
            else {*series[metric].labels, *TARGET_LABELS}
        )
        assert labels <= known | TARGET_LABELS, f"{name}: {metric} has no label {labels - known}"


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert.name)
def test_an_alert_has_a_runbook_with_what_how_and_numbered_steps(alert: object) -> None:
    path = ROOT / "docs" / "runbooks" / f"{alert.name}.md"  # type: ignore[attr-defined]
    text = path.read_text(encoding="utf-8")
    assert text.startswith(f"# {alert.name}\n")  # type: ignore[attr-defined]
    for heading in ("## What it means", "## How to see it", "## What to do"):
        assert heading in text
    steps = text.split("## What to do")[1]
    assert re.search(r"^1\. ", steps, re.MULTILINE) and re.search(r"^2\. ", steps, re.MULTILINE)


def test_no_runbook_is_left_over() -> None:
    alerts = {alert.name for alert in ALERTS}
    pages = {
        path.stem
        for path in (ROOT / "docs" / "runbooks").glob("*.md")
        if path.stem[0].isupper() and path.stem != "README"
    }
    assert pages == alerts
