"""The runner under 2,000 schedules, and killed at every point of a quiet one.

Oracles (``checker.py``): the simulated broker's own account of every transaction, and one execution of the journal's order that nothing ever
interrupted and that knows no batches. A violation prints the one command that repeats it.
"""

from __future__ import annotations

import pytest

from tests.simulation.__main__ import replay_command
from tests.simulation.schedules import crash_matrix, run_one, run_range

SCHEDULES = {"event": 1000, "wall": 600, "end": 400}
PROCESSES = 2
MUST_HAPPEN = (
    "crash",
    "pause",
    "network error",
    "second owner",
    "two take-overs at once",
    "commit request lost",
    "commit answer lost",
    "commit lands late",
    "fetch delayed",
    "inputs deleted before the last snapshot",
)


@pytest.mark.parametrize("subject", SCHEDULES)
def test_no_schedule_breaks_the_runner(subject: str) -> None:
    total = run_range(subject, 0, SCHEDULES[subject], PROCESSES)
    assert [f"{violation.name}: {violation.text}; again: {replay_command(subject, seed)}" for seed, violation in total.violations] == []
    assert total.schedules == SCHEDULES[subject]
    assert [fault for fault in MUST_HAPPEN if total.faults[fault] < 10] == [], "a fault that hardly ever happens proves nothing"
    assert total.batches > 5 * total.schedules
    assert total.incarnations > 2 * total.schedules


@pytest.mark.parametrize("subject", ["event", "wall"])
def test_a_kill_at_any_point_is_harmless(subject: str) -> None:
    points, found = crash_matrix(subject, seed=1)
    assert points > 100
    assert found == []


def test_a_seed_is_one_schedule() -> None:
    first, second = (run_one("event", 11, tells_story=True) for _ in range(2))
    assert first.story == second.story
    assert len(first.story) > 50
    assert run_one("event", 12, tells_story=True).story != first.story
