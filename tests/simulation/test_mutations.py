"""The runner broken on purpose is caught, each time, under a name that fits: a check that no
mutation turns red proves nothing.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.simulation.broken_claims import CLAIMS
from tests.simulation.broken_runners import EXECUTIONS, TASKS
from tests.simulation.broken_verifiers import EVIDENCES, VERIFIERS
from tests.simulation.mutations import MUTATIONS
from tests.simulation.schedules import first_caught, run_one


def test_every_mutation_of_the_table_is_a_switch() -> None:
    assert sorted([*TASKS, *EXECUTIONS, *CLAIMS, *EVIDENCES, *VERIFIERS]) == sorted(MUTATIONS)


def test_the_page_has_the_table() -> None:
    page = (Path(__file__).resolve().parents[2] / "docs" / "simulation.md").read_text()
    assert [line for line in page.splitlines() if line.startswith("| `")] == [
        f"| `{row.name}` | {row.what} |" for row in MUTATIONS.values()
    ]


def test_the_whole_pipeline_broken_is_caught_too() -> None:
    row = MUTATIONS["outputs-before-begin"]
    assert first_caught("pipeline", row.name, row.caught_as, 10) is not None


@pytest.mark.parametrize("name", MUTATIONS)
def test_a_broken_runner_is_caught(name: str) -> None:
    row = MUTATIONS[name]
    caught = first_caught(row.subject, name, row.caught_as, row.seeds)
    assert caught is not None, f"{row.what}: not caught by {row.seeds} schedules"
    seed, _ = caught
    assert run_one(row.subject, seed).violations == [], "the same schedule without the mutation"
