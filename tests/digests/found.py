"""What a scenario gives: runs it, and digests its topics."""

from __future__ import annotations

import json
from pathlib import Path

from tests.digests.scenarios import RECORDINGS, Scenario
from tests.scenario import backtest

FILE = Path(__file__).with_name("digests.json")
OWN = (".journal", ".snapshots")
"""Ends of topics that hold identities and states: what is compared is what a run says, not how it
was kept.
"""

Digests = dict[str, str]


class Recordings:
    """Recordings by name, each made once.

    Args:
        folder: where they are made.
        data: the recorded data that captures need.
    """

    def __init__(self, folder: Path, data: Path) -> None:
        self._folder = folder
        self._data = data
        self._made: dict[str, Path] = {}

    def path(self, name: str) -> Path:
        """The recording's folder."""
        if name not in self._made:
            place = self._folder / f"recording{len(self._made)}"
            place.mkdir()
            self._made[name] = RECORDINGS[name](place, self._data)
        return self._made[name]


def digests_of(scenario: Scenario, recording: Path, folder: Path) -> Digests:
    """By output topic: number of records and SHA-256 of their bodies."""
    run = backtest(recording, folder, scenario.strategy, **scenario.options)
    return {
        topic: f"{facts['count']} {facts['digest']}"
        for topic, facts in sorted(run.manifest["topics"].items())
        if not topic.endswith(OWN)
    }


def difference(before: Digests, found: Digests) -> list[str]:
    """Topics that are not as written."""
    return [
        topic
        for topic in sorted(before.keys() | found.keys())
        if before.get(topic) != found.get(topic)
    ]


def written() -> dict[str, Digests]:
    """What was written down, by scenario."""
    found: dict[str, Digests] = json.loads(FILE.read_text(encoding="utf-8"))
    return found
