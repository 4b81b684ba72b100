"""The runner under 2,000 schedules, and killed at every point of a quiet one.

Oracles (``checker.py``): the simulated broker's own account of every transaction, and one execution
of the journal's order that nothing ever interrupted and that knows no batches. A violation prints
the one command that repeats it.
"""

from __future__ import annotations

import pytest

from tests.simulation.__main__ import replay_command
from tests.simulation.schedules import MIXED, Total, crash_matrix, run_one, run_range

SCHEDULES = 2000
PIPELINE_SCHEDULES = 6
READING_SCHEDULES = 3
STANDBY_SCHEDULES = 200
CLAIMS_SCHEDULES = 100
PROOF_SCHEDULES = 60
CLOCKS_SCHEDULES = 60
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
    "outputs that others wrote before",
    "power cut",
    "transaction hangs",
)


def violations(total: Total, subject: str) -> list[str]:
    """Each with the command that repeats it."""
    return [
        f"{violation.name}: {violation.text}; again: {replay_command(subject, seed)}"
        for seed, violation in total.violations
    ]


def test_no_schedule_breaks_the_runner() -> None:
    total = run_range(MIXED, 0, SCHEDULES)
    assert violations(total, MIXED) == []
    assert total.schedules == SCHEDULES
    assert [fault for fault in MUST_HAPPEN if total.faults[fault] < 50] == [], (
        "a fault that hardly ever happens proves nothing"
    )
    assert total.batches > 5 * total.schedules
    assert total.incarnations > 2 * total.schedules


def test_no_schedule_breaks_the_whole_pipeline() -> None:
    total = run_range("pipeline", 0, PIPELINE_SCHEDULES)
    assert violations(total, "pipeline") == []
    assert total.batches > 20 * PIPELINE_SCHEDULES
    assert total.faults["crash"] > PIPELINE_SCHEDULES // 2


@pytest.mark.parametrize("subject", ["reading", "acting", "compiled"])
def test_what_a_strategy_reads_and_does_is_the_same_under_every_schedule(subject: str) -> None:
    """Strategies that log what they read of their account and the book, and what came of targets,
    modified orders and timers.

    Their lines are a published topic. And a compiled one that wakes on all there is and orders in
    every way.
    """
    total = run_range(subject, 0, READING_SCHEDULES)
    assert violations(total, subject) == []
    assert total.batches > 20 * READING_SCHEDULES
    assert total.faults["crash"] > READING_SCHEDULES // 2


def test_no_schedule_breaks_a_standby() -> None:
    """ENG-9: processes follow the journal beside its owner, and are promoted while that one lives,
    is paused or is dead.
    """
    total = run_range("standby", 0, STANDBY_SCHEDULES)
    assert violations(total, "standby") == []
    assert total.faults["batches that a standby executed"] > 5 * STANDBY_SCHEDULES
    assert total.faults["promotions of a standby"] > STANDBY_SCHEDULES


def test_no_schedule_breaks_members_that_claim_together() -> None:
    """E1, E9: several members start at once on a fresh environment, and records that are no claims
    lie among theirs.
    """
    total = run_range("claims", 0, CLAIMS_SCHEDULES)
    assert violations(total, "claims") == []
    assert total.faults["members started at once"] > CLAIMS_SCHEDULES // 2


def test_no_step_of_a_hosts_clock_is_journaled() -> None:
    """E4: hosts' wall clocks step a day forward and back, and heal."""
    total = run_range("clocks", 0, CLOCKS_SCHEDULES)
    assert violations(total, "clocks") == []
    assert total.faults["clock steps"] > CLOCKS_SCHEDULES


def test_the_verifier_finds_each_change_of_the_log_and_nothing_else() -> None:
    """E6, E8, E11, E13: journals rewritten, foreign records, closes, retention; and forged
    snapshots while the runner recovers.
    """
    total = run_range("proof", 0, PROOF_SCHEDULES)
    assert violations(total, "proof") == []
    assert total.faults["snapshots forged"] > PROOF_SCHEDULES // 2


@pytest.mark.parametrize("subject", ["event", "wall", "standby"])
def test_a_kill_at_any_point_is_harmless(subject: str) -> None:
    points, found = crash_matrix(subject, seed=1)
    assert points > 100
    assert found == []


def test_a_seed_is_one_schedule() -> None:
    first, second = (run_one("event", 11, tells_story=True) for _ in range(2))
    assert first.story == second.story
    assert len(first.story) > 50
    assert run_one("event", 12, tells_story=True).story != first.story
