"""Seconds and outcomes by folder of the tests, printed at the end of a lane; a plug-in of the test
runner.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import Any


def group_of(node: str) -> str:
    """``tests/kafka/lag/test_x.py::test`` is of group ``kafka``; a file directly under ``tests`` of
    group ``project``.
    """
    parts = node.partition("::")[0].split("/")
    return parts[1] if len(parts) > 2 else "project"


def lines(reports: Iterator[tuple[str, Any]]) -> list[str]:
    """One line a group, the longest first.

    Args:
        reports: (outcome, report) of every phase of every test, as the runner keeps them.
    """
    seconds: dict[str, float] = defaultdict(float)
    tests: dict[str, int] = defaultdict(int)
    skipped: dict[str, int] = defaultdict(int)
    for outcome, report in reports:
        group = group_of(report.nodeid)
        seconds[group] += report.duration
        tests[group] += report.when == "call" and outcome != "skipped"
        skipped[group] += outcome == "skipped"
    return [
        f"{seconds[group]:8.1f} s  {group}: {tests[group]} tests"
        + (f", {skipped[group]} skipped" if skipped[group] else "")
        for group in sorted(seconds, key=lambda name: -seconds[name])
    ]


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Print them; with several processes the sum is more than the wall time."""
    kept = (
        (outcome, report)
        for outcome, reports in terminalreporter.stats.items()
        for report in reports
        if hasattr(report, "duration")
    )
    terminalreporter.section("seconds by group")
    for line in lines(kept):
        terminalreporter.write_line(line)
