"""The code digest covers what decides the records and nothing else. Oracle: a copy of the sources
with one file changed.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from jobs.runs import Run

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("schemas", "streams", "connectors", "jobs")


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A copy of the sources."""
    for folder in FOLDERS:
        shutil.copytree(
            ROOT / folder, tmp_path / "tree" / folder, ignore=shutil.ignore_patterns("__pycache__")
        )
    return tmp_path / "tree"


def touched(tree: Path, *names: str) -> None:
    """Each file with one line more."""
    for name in names:
        path = tree / name
        path.write_text(path.read_text() + "\nTOUCHED = True\n")


def go_on(tree: Path, market: Path, run: Path) -> subprocess.CompletedProcess[str]:
    """``sq backtest`` on the finished run folder, by the sources of the tree: the same code finds
    it finished, other code refuses.
    """
    command = [sys.executable, "-m", "jobs.sq", "backtest", str(market), "--strategy", "ema-cross"]
    command += ["--set", "fast=5", "--set", "slow=12", "--out", str(run)]
    return subprocess.run(
        command,
        cwd=tree,
        env=os.environ | {"PYTHONPATH": str(tree)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_colour_forces_nothing_and_what_computes_is_named(
    proof_market: Path, proof_run: Run, tree: Path
) -> None:
    """E12 and B4: pages, words, commands and the lint are outside the digest, the pipeline and its
    configuration inside.
    """
    touched(
        tree,
        "streams/reporting/appearance.py",
        "streams/reporting/wording.py",
        "streams/runtime/tools/lint.py",
        "jobs/commands/backtest.py",
    )
    same = go_on(tree, proof_market, proof_run.folder)
    assert "is finished already" in same.stdout, same.stderr
    touched(tree, "streams/venue/fill_models/log_prob.py", "streams/venue/venues/brokered.py")
    by_name = go_on(tree, proof_market, proof_run.folder)
    named = "streams/venue/fill_models/log_prob.py, streams/venue/venues/brokered.py"
    assert f"made by other code ({named} differ)" in by_name.stderr, "loaded by their names"
    touched(
        tree,
        "jobs/pipeline.py",
        "jobs/configuration.py",
        "streams/risk/prices.py",
        "streams/runtime/live/order.py",
        "schemas/compiled/trade.py",
    )
    other = go_on(tree, proof_market, proof_run.folder)
    assert other.returncode == 2
    named = (
        "jobs/configuration.py, jobs/pipeline.py, schemas/compiled/trade.py, "
        "streams/risk/prices.py, streams/runtime/live/order.py"
    )
    assert f"made by other code ({named} differ)" in other.stderr
