"""Every scenario gives the records that were written down. Oracle: an earlier version of the product, by its digests."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.digests.found import Digests, digests_of, written
from tests.digests.scenarios import CAPTURED, CAPTURES, RECORDINGS, SCENARIOS

HINT = "run: python -m tests.digests --write, if the results are to change; say in CHANGELOG.md which and why"


@pytest.fixture(scope="session")
def recording_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Makes a recording once."""
    made: dict[str, Path] = {}

    def make(name: str) -> Path:
        if name not in made:
            made[name] = RECORDINGS[name](tmp_path_factory.mktemp("digests"))
        return made[name]

    return make


def difference(name: str, found: Digests) -> list[str]:
    """Topics that are not as written."""
    before = written()[name]
    return [topic for topic in sorted(before.keys() | found.keys()) if before.get(topic) != found.get(topic)]


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_scenario_gives_what_was_written_down(recording_of: Callable[[str], Path], tmp_path: Path, name: str) -> None:
    scenario = SCENARIOS[name]
    found = digests_of(scenario, recording_of(scenario.recording), tmp_path / "run")
    assert difference(name, found) == [], HINT


@pytest.mark.parametrize("name", CAPTURED)
def test_a_scenario_of_a_capture_gives_what_was_written_down(market_data: Path, tmp_path: Path, name: str) -> None:
    scenario = CAPTURED[name]
    found = digests_of(scenario, CAPTURES[scenario.recording](tmp_path, market_data), tmp_path / "run")
    assert difference(name, found) == [], HINT


def test_the_scenarios_reach_what_they_are_for() -> None:
    """Together: fills of makers and takers, denials, cancels, liquidations, dead accounts; each that trades, trades."""
    counts = {name: {topic: int(text.split()[0]) for topic, text in found.items()} for name, found in written().items()}
    assert counts.keys() == SCENARIOS.keys() | CAPTURED.keys()
    assert [name for name, found in counts.items() if found["fills"] == 0] == ["nothing"]
    assert counts["ema, liquidated"]["risk.events"] > 0
    assert counts["everything at once"]["orders.events"] > 100
