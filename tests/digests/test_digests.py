"""Every scenario gives the records that were written down. Oracle: an earlier version of the
product, by its digests.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.digests.found import Recordings, difference, digests_of, written
from tests.digests.scenarios import CAPTURED, SCENARIOS

HINT = (
    "run: python -m tests.digests --write, if the results are to change; say in CHANGELOG.md "
    "which and why"
)


@pytest.fixture(scope="module")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> Recordings:
    return Recordings(tmp_path_factory.mktemp("digests"), Path())


@pytest.fixture(scope="module")
def captures(market_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Recordings:
    return Recordings(tmp_path_factory.mktemp("captures"), market_data)


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_scenario_gives_what_was_written_down(
    recordings: Recordings, tmp_path: Path, name: str
) -> None:
    scenario = SCENARIOS[name]
    found = digests_of(scenario, recordings.path(scenario.recording), tmp_path / "run")
    assert difference(written()[name], found) == [], HINT


@pytest.mark.parametrize("name", CAPTURED)
def test_a_scenario_of_a_capture_gives_what_was_written_down(
    captures: Recordings, tmp_path: Path, name: str
) -> None:
    scenario = CAPTURED[name]
    found = digests_of(scenario, captures.path(scenario.recording), tmp_path / "run")
    assert difference(written()[name], found) == [], HINT


def test_the_scenarios_reach_what_they_are_for() -> None:
    """Together: fills of makers and takers, denials, cancels, liquidations, dead accounts; each
    that trades, trades.
    """
    counts = {
        name: {topic: int(text.split()[0]) for topic, text in found.items()}
        for name, found in written().items()
    }
    assert counts.keys() == SCENARIOS.keys() | CAPTURED.keys()
    assert [name for name, found in counts.items() if found["fills"] == 0] == ["nothing"]
    assert counts["ema, liquidated"]["risk.events"] > 0
    assert counts["everything at once"]["orders.events"] > 100
