"""A small run to prove things on: several batches, snapshots, reports."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from jobs.reports import write_reports
from jobs.runs import Backtest, Run
from tests.runtime.user_stages import FILES
from tests.scenario import configuration, make_recording

UPDATES, TRADES = 2_000, 3_000
OPTIONS: dict[str, Any] = {
    "batch": 1500,
    "state_digest_records": 2000,
    "set": {"fast": "5", "slow": "12"},
}


@pytest.fixture(scope="session")
def proof_market(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recording of 5,001 records."""
    return make_recording(tmp_path_factory.mktemp("proof") / "market", UPDATES, TRADES, seed=3)


@pytest.fixture(scope="session")
def proof_run(proof_market: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A finished run over it, with its reports."""
    folder = tmp_path_factory.mktemp("proof") / "run"
    return Backtest(configuration(**OPTIONS), proof_market, folder).run(
        lambda log, manifest: write_reports(log, manifest)
    )


@pytest.fixture(scope="session")
def stage_market(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the stages of docs/extending/add-a-stage.md are run over."""
    folder = tmp_path_factory.mktemp("stages") / "market"
    return make_recording(folder, updates=1_500, trades=2_500, seed=5)


@pytest.fixture
def stage_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The page's files, in the folder that commands run in."""
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    monkeypatch.chdir(tmp_path)
    return tmp_path
