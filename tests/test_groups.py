"""The lane's summary. Oracle: sums done by hand over made-up reports."""

from __future__ import annotations

from types import SimpleNamespace

from groups import group_of, lines


def report(node: str, when: str, duration: float) -> SimpleNamespace:
    return SimpleNamespace(nodeid=node, when=when, duration=duration)


def test_seconds_are_summed_by_folder_and_skips_counted():
    kept = [
        ("passed", report("tests/log/test_a.py::test_x", "call", 1.0)),
        ("", report("tests/log/test_a.py::test_x", "setup", 0.5)),
        ("failed", report("tests/kafka/lag/test_b.py::test_y[::]", "call", 4.0)),
        ("skipped", report("tests/kafka/test_c.py::test_z", "setup", 0.25)),
        ("passed", report("tests/test_lint.py::test_w", "call", 0.125)),
    ]
    assert lines(iter(kept)) == [
        "     4.2 s  kafka: 1 tests, 1 skipped",
        "     1.5 s  log: 1 tests",
        "     0.1 s  project: 1 tests",
    ]
    assert group_of("tests/test_lint.py::test_w") == "project"
