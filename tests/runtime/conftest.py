"""A small run to prove things on: several batches, snapshots, reports."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from jobs.reports import write_reports
from jobs.runs import Backtest, Run
from tests.scenario import configuration, make_recording

UPDATES, TRADES = 2_000, 3_000
OPTIONS: dict[str, Any] = {"batch": 1500, "state_digest_records": 2000, "set": {"fast": "5", "slow": "12"}}


@pytest.fixture(scope="session")
def proof_market(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recording of 5,001 records."""
    return make_recording(tmp_path_factory.mktemp("proof") / "market", UPDATES, TRADES, seed=3)


@pytest.fixture(scope="session")
def proof_run(proof_market: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A finished run over it, with its reports."""
    folder = tmp_path_factory.mktemp("proof") / "run"
    return Backtest(configuration(**OPTIONS), proof_market, folder).run(lambda log, manifest: write_reports(log, manifest))

