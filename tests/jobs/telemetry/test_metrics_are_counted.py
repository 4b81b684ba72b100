"""Every metric is counted by the product: a method that only its own test calls counts nothing, and
an alert on it never fires (B1).

Oracle: the source, read as a syntax tree.
"""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from infra.prometheus.alerts import ALERTS
from jobs.telemetry import metrics
from schemas.reasons import GOOD, NOT_SELECTED, REASONS, UNRESOLVED

ROOT = Path(__file__).resolve().parents[3]
CLASSES = {
    "jobs/telemetry/task.py": ("ProcessMetrics", "MemberMetrics", "TaskMetrics"),
    "jobs/telemetry/domain.py": ("DomainMetrics",),
}


def _methods() -> list[tuple[str, str]]:
    found = []
    for path, names in CLASSES.items():
        for node in ast.parse((ROOT / path).read_text()).body:
            if isinstance(node, ast.ClassDef) and node.name in names:
                found += [
                    (path, each.name)
                    for each in node.body
                    if isinstance(each, ast.FunctionDef) and not each.name.startswith("_")
                ]
    return found


def _used() -> dict[str, set[str]]:
    """Attributes that the product's files read, by name."""
    found: dict[str, set[str]] = {}
    for path in (*(ROOT / "jobs").rglob("*.py"), *(ROOT / "streams").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load):
                found.setdefault(node.attr, set()).add(path.relative_to(ROOT).as_posix())
    return found


@pytest.fixture(scope="module")
def used() -> dict[str, set[str]]:
    return _used()


def test_every_method_of_the_metrics_has_a_caller_in_the_product(used: dict[str, set[str]]) -> None:
    assert len(_methods()) > 20
    assert [name for path, name in _methods() if not used.get(name, set()) - {path}] == []


def test_every_metric_of_ours_is_moved_by_some_method() -> None:
    """A declared name that no code but the table has is a panel without data."""
    text = "".join(
        (ROOT / path).read_text()
        for path in (
            *CLASSES,
            "jobs/canary/flight.py",
            "jobs/canary/sightings.py",
            "jobs/canary/watching.py",
        )
    )
    text += "".join(path.read_text() for path in (ROOT / "jobs" / "commands").glob("canary*.py"))
    names = [metric.name.removeprefix("shriven_") for metric in metrics.OURS]
    assert [
        name for name in names if name not in text and not name.startswith(("account_", "canary_"))
    ] == []


def test_the_reasons_of_dead_letters_are_those_that_the_runner_writes() -> None:
    """The runner looks a row's status up in this table; every status that is no good record has its
    word.
    """
    assert set(metrics.DEAD_LETTER_REASONS) == set(REASONS.values())
    assert {*range(10)} - set(REASONS) == {GOOD, NOT_SELECTED, UNRESOLVED}
    assert not [alert for alert in ALERTS if "aborted_transactions" in alert.expr]
