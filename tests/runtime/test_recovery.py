"""Kill it anywhere, start it again: the finished run equals an uninterrupted one. Oracle: the
uninterrupted run's topic digests.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from jobs.runs import Backtest
from streams.log.local import LocalLog
from streams.runtime.failures import OtherIdentity
from streams.runtime.journal.journal import JOURNAL
from streams.runtime.journal.snapshot import TOPIC as SNAPSHOTS
from streams.runtime.journal.snapshot import read_snapshots
from tests.scenario import Killed, backtest, configuration, digests

ROOT = Path(__file__).resolve().parents[2]
OPTIONS: dict[str, Any] = {"batch": 3000, "state_digest_records": 5000}


def run_until(recording: Path, folder: Path, step: int) -> list[str]:
    """Run until the given step of the batch loop and stop there; returns the steps' names that were
    reached.
    """
    names: list[str] = []

    def watch(name: str) -> None:
        names.append(name)
        if len(names) == step:
            raise Killed(name)

    with contextlib.suppress(Killed):
        Backtest(configuration(**OPTIONS), recording, folder, on_step=watch).run()
    return names


@pytest.fixture(scope="module")
def steps(recording: Path, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Every step of an uninterrupted run."""
    return run_until(recording, tmp_path_factory.mktemp("steps") / "run", 0)


def test_the_steps_cover_the_batch_loop(steps: list[str]) -> None:
    assert set(steps) == {
        "journal read",
        "prepared",
        "taking",
        "executed",
        "output appended",
        "outputs synced",
        "journal appended",
        "committed",
        "snapshot written",
        "closed",
        "reports written",
    }


def test_stopping_at_every_step_changes_nothing(
    recording: Path, reference_run: Any, steps: list[str], tmp_path: Path
) -> None:
    first_of_batch = [i for i, name in enumerate(steps) if name == "taking"]
    chosen = sorted(
        {
            *range(first_of_batch[2], first_of_batch[3]),
            1,
            2,
            3,
            len(steps) - 3,
            len(steps) - 2,
            len(steps) - 1,
        }
    )
    for step in chosen:
        folder = tmp_path / "run"
        shutil.rmtree(folder, ignore_errors=True)
        run_until(recording, folder, step + 1)
        finished = Backtest(configuration(**OPTIONS), recording, folder).run()
        assert digests(finished) == digests(reference_run), (
            f"stopped after step {step}: {steps[step]}"
        )


def test_stopping_again_and_again_changes_nothing(
    recording: Path, reference_run: Any, tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    for step in (4, 11, 19, 32, 33, 7, 42):
        run_until(recording, folder, step)
    finished = Backtest(configuration(**OPTIONS), recording, folder).run()
    assert digests(finished) == digests(reference_run)


KILLED = """
import os, signal, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from tests.scenario import configuration
from jobs.runs import Backtest
seen = [0]
def watch(name):
    seen[0] += 1
    if seen[0] == int(sys.argv[4]):
        os.kill(os.getpid(), signal.SIGKILL)
chosen = configuration(batch=3000, state_digest_records=5000)
Backtest(chosen, Path(sys.argv[2]), Path(sys.argv[3]), on_step=watch).run()
"""


@pytest.mark.parametrize("step", [6, 63])
def test_a_real_kill_9_changes_nothing(
    recording: Path, reference_run: Any, tmp_path: Path, step: int
) -> None:
    folder = tmp_path / "run"
    command = [
        sys.executable,
        "-c",
        KILLED,
        str(ROOT / "tests"),
        str(recording),
        str(folder),
        str(step),
    ]
    killed = subprocess.run(
        command, cwd=ROOT, env=dict(os.environ), check=False, capture_output=True, text=True
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    finished = Backtest(configuration(**OPTIONS), recording, folder).run()
    assert finished.resumed_at is not None
    assert digests(finished) == digests(reference_run)


def stop_in_the_middle(recording: Path, folder: Path) -> None:
    names: list[str] = []

    def watch(name: str) -> None:
        names.append(name)
        if names.count("snapshot written") == 2 and name == "committed":
            raise Killed

    with pytest.raises(Killed):
        Backtest(configuration(**OPTIONS), recording, folder, on_step=watch).run()


def test_recovery_starts_at_the_latest_good_snapshot(recording: Path, tmp_path: Path) -> None:
    stop_in_the_middle(recording, tmp_path / "run")
    log = LocalLog.open(tmp_path / "run")
    assert [snapshot.sequence for snapshot in read_snapshots(log)[0]] == [10_000, 5_000]
    log.close()


@pytest.mark.parametrize("damage", ["flip the last", "flip the first", "cut", "delete"])
def test_a_broken_snapshot_costs_time_not_truth(
    recording: Path, reference_run: Any, tmp_path: Path, damage: str
) -> None:
    folder = tmp_path / "run"
    stop_in_the_middle(recording, folder)
    path = sorted((folder / SNAPSHOTS / "0").glob("*.avro"))[-1]
    content = bytearray(path.read_bytes())
    if damage == "delete":
        shutil.rmtree(folder / SNAPSHOTS)
    elif damage == "cut":
        path.write_bytes(content[: len(content) * 2 // 3])
    else:
        content[len(content) - 500 if damage == "flip the last" else 4000] ^= 4
        path.write_bytes(content)
    finished = Backtest(configuration(**OPTIONS), recording, folder).run()
    assert digests(finished) == digests(reference_run)


def test_a_torn_journal_tail_is_cut(recording: Path, reference_run: Any, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    stop_in_the_middle(recording, folder)
    path = sorted((folder / JOURNAL / "0").glob("*.avro"))[-1]
    content = path.read_bytes()
    path.write_bytes(content[:-7])
    finished = Backtest(configuration(**OPTIONS), recording, folder).run()
    assert finished.reports
    assert digests(finished) == digests(reference_run)


def test_a_finished_run_is_left_alone(recording: Path, tmp_path: Path) -> None:
    first = backtest(recording, tmp_path / "run", **OPTIONS)
    second = backtest(recording, tmp_path / "run", **OPTIONS)
    assert not first.was_finished
    assert second.was_finished
    assert second.manifest["digest"] == second.manifest["digest"]


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"cash": "5USDT"}, "cash"),
        ({"fees": "maker=0,taker=9bp"}, "fees"),
        ({"latency": "feed=0,entry=1ms,response=1ms"}, "latency"),
        ({"short": "off"}, "short"),
        ({"warmup": "1m"}, "warmup"),
        ({"set": {"fast": "3"}}, "parameters"),
        ({"strategy": "ema-cross-python"}, "strategy"),
        ({"risk": {"max_position": "3"}}, "stages"),
    ],
)
def test_another_identity_is_refused_by_name(
    recording: Path, reference_run: Any, change: dict[str, Any], named: str
) -> None:
    with pytest.raises(OtherIdentity, match=named):
        backtest(recording, reference_run.folder, **change)


@pytest.mark.parametrize("change", [{"batch": 5}, {"book_window": 64}, {"tail_capacity": 1 << 17}])
def test_how_it_is_computed_is_no_part_of_the_identity(
    recording: Path, reference_run: Any, change: dict[str, Any]
) -> None:
    assert backtest(recording, reference_run.folder, **change).was_finished
