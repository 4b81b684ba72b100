"""What a scenario gives: runs it, and digests its topics."""

from __future__ import annotations

import json
from pathlib import Path

from tests.digests.scenarios import Scenario
from tests.scenario import backtest

FILE = Path(__file__).with_name("digests.json")
OWN = (".journal", ".snapshots")
"""Ends of topics that hold identities and states: what is compared is what a run says, not how it was kept."""

Digests = dict[str, str]


def digests_of(scenario: Scenario, recording: Path, folder: Path) -> Digests:
    """By output topic: number of records and SHA-256 of their bodies."""
    run = backtest(recording, folder, scenario.strategy, **scenario.options)
    return {topic: f"{facts['count']} {facts['digest']}" for topic, facts in sorted(run.manifest["topics"].items()) if not topic.endswith(OWN)}


def written() -> dict[str, Digests]:
    """What was written down, by scenario."""
    found: dict[str, Digests] = json.loads(FILE.read_text(encoding="utf-8"))
    return found
