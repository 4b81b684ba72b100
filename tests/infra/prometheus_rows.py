"""A row of the fault catalogue as a ``promtool test rules`` file, and promtool itself."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from infra.prometheus.generate import FOLDER
from infra.prometheus.rows import ALWAYS, Row
from infra.prometheus.script import INTERVAL_SECONDS, healthy, values

RULES = [FOLDER / "recording.yml", FOLDER / "alerts.yml"]
ONE_THREAD = {"GOMAXPROCS": "1", "GOGC": "400"}
"""For a program of less than a second: two thirds of the CPU time, since its memory is hardly ever
collected.
"""
FIRING = 'count by (alertname) (ALERTS{alertstate="firing"})'


def promtool() -> str:
    """Its path; skips where there is none."""
    path = shutil.which("promtool")
    if path is None:
        pytest.skip("promtool is not installed (Debian: prometheus)")
    return path


def test_file(
    row: Row,
    rules: list[Path] = RULES,
    alerts: tuple[dict[str, Any], ...] = (),
    queries: tuple[dict[str, Any], ...] = (),
) -> str:
    """The test file; JSON is YAML. ``alerts`` and ``queries``: more tests, as promtool's
    ``alert_rule_test`` and ``promql_expr_test`` have them.
    """
    series = {
        name: phases
        for name, phases in healthy().items()
        if not any(part in name for part in row.without)
    } | row.changes
    moments = [
        {
            "expr": FIRING,
            "eval_time": f"{round(minute * 60)}s",
            "exp_samples": [
                {"labels": f'{{alertname="{name}"}}', "value": 1}
                for name in sorted((ALWAYS, *firing))
            ],
        }
        for minute, firing in row.moments
    ]
    test = {
        "interval": f"{INTERVAL_SECONDS}s",
        "input_series": [
            {"series": name, "values": values(phases)} for name, phases in series.items()
        ],
        "promql_expr_test": [*moments, *queries],
        "alert_rule_test": list(alerts),
    }
    return json.dumps(
        {"rule_files": [str(path) for path in rules], "evaluation_interval": "30s", "tests": [test]}
    )


def run(
    row: Row, folder: Path, rules: list[Path] = RULES, **more: tuple[dict[str, Any], ...]
) -> subprocess.CompletedProcess[str]:
    """promtool over the row."""
    path = folder / "row.json"
    path.write_text(test_file(row, rules, **more))
    command = [promtool(), "test", "rules", str(path)]
    return subprocess.run(
        command, capture_output=True, text=True, timeout=240, env=os.environ | ONE_THREAD
    )
