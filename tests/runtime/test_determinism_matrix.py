"""One scenario, one expected digest: batch sizes, book windows, hash seeds, threads, CPU targets,
bounds checking, the Python twin's runs.

Oracle: the topic digests of one run with default settings (and its bytes, read back from the log).
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.scenario import backtest, bytes_of, digests
from tests.turns import long_but_every

ROOT = Path(__file__).resolve().parents[2]
ENVIRONMENTS: dict[str, dict[str, str]] = {
    "hash seed 1, one thread": {
        "PYTHONHASHSEED": "1",
        "OMP_NUM_THREADS": "1",
        "NUMBA_NUM_THREADS": "1",
        "POLARS_MAX_THREADS": "1",
    },
    "hash seed 2, two threads": {
        "PYTHONHASHSEED": "2",
        "OMP_NUM_THREADS": "2",
        "POLARS_MAX_THREADS": "2",
    },
    "generic CPU (without AVX and FMA), bounds checked": {
        "PYTHONHASHSEED": "3",
        "NUMBA_CPU_NAME": "generic",
        "NUMBA_CPU_FEATURES": "",
        "NUMBA_BOUNDSCHECK": "1",
    },
}
TARGETS = tuple(name for name, variables in ENVIRONMENTS.items() if "NUMBA_CPU_NAME" in variables)
SEEDS = tuple(name for name in ENVIRONMENTS if name not in TARGETS)
SCRIPT = """
import json, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from tests.scenario import backtest, digests
print(json.dumps(digests(backtest(Path(sys.argv[2]), Path(sys.argv[3]), batch=int(sys.argv[4])))))
"""


def test_batches_of_one_record_give_the_same_records(
    proof_market: Path, proof_run: Any, tmp_path: Path
) -> None:
    """On the smaller recording: five thousand batches."""
    run = backtest(proof_market, tmp_path / "run", batch=1, set={"fast": "5", "slow": "12"})
    assert digests(run) == digests(proof_run)


@pytest.mark.parametrize("batch", long_but_every(3, [7, 1000, 65_536, 1_000_000]))
def test_every_batch_size_gives_the_same_records(
    recording: Path, reference_run: Any, tmp_path: Path, batch: int
) -> None:
    assert digests(backtest(recording, tmp_path / "run", batch=batch)) == digests(reference_run)


@pytest.mark.parametrize("window", long_but_every(3, [64, 256, 4096, 1 << 20]))
def test_every_book_window_gives_the_same_records(
    recording: Path, reference_run: Any, tmp_path: Path, window: int
) -> None:
    assert digests(backtest(recording, tmp_path / "run", book_window=window)) == digests(
        reference_run
    )


@pytest.mark.parametrize("batch", [13, 65_536])
def test_a_python_strategy_gives_the_same_records_for_every_batch_size(
    recording: Path, tmp_path: Path, batch: int
) -> None:
    """Oracle: a run of the same strategy with batches of 1000."""
    expected = digests(backtest(recording, tmp_path / "expected", "ema-cross-python", batch=1000))
    assert (
        digests(backtest(recording, tmp_path / "run", "ema-cross-python", batch=batch)) == expected
    )


def test_the_kernel_and_its_python_twin_decide_alike(
    recording: Path, reference_run: Any, tmp_path: Path
) -> None:
    """Oracle: the twin. Ids differ, for the strategy is part of the identity; signals carry none.
    """
    twin = backtest(recording, tmp_path / "run", "ema-cross-python")
    assert digests(twin)["signals"] == digests(reference_run)["signals"]
    assert (
        twin.manifest["topics"]["fills"]["count"]
        == reference_run.manifest["topics"]["fills"]["count"]
    )


def test_the_scenario_does_something(reference_run: Any) -> None:
    counts = {name: facts["count"] for name, facts in reference_run.manifest["topics"].items()}
    for topic in (
        "md.quotes",
        "md.bars",
        "md.marks",
        "md.features",
        "md.toxicity",
        "signals",
        "orders.requests",
        "orders.events",
        "fills",
        "pnl",
    ):
        assert counts[topic] > 2, topic


def test_equal_digests_mean_equal_bytes(
    recording: Path, reference_run: Any, tmp_path: Path
) -> None:
    """Oracle: SHA-256 over the bodies read from both logs."""
    run = backtest(recording, tmp_path / "run", batch=77)
    for topic in digests(reference_run):
        assert bytes_of(run.folder, topic) == bytes_of(reference_run.folder, topic)


@pytest.mark.parametrize(
    "names",
    [SEEDS, pytest.param(TARGETS, marks=pytest.mark.long)],
    ids=["seeds and threads", "CPU target"],
)
def test_every_environment_gives_the_same_records(
    recording: Path, reference_run: Any, tmp_path: Path, names: tuple[str, ...]
) -> None:
    """Each environment is a process of its own; CPU targets and bounds checking compile every
    kernel anew.
    """

    def run(
        numbered: tuple[int, tuple[str, dict[str, str]]],
    ) -> tuple[str, subprocess.CompletedProcess[str]]:
        number, (name, variables) = numbered
        command = [
            sys.executable,
            "-c",
            SCRIPT,
            str(ROOT / "tests"),
            str(recording),
            str(tmp_path / str(number)),
            str(500 + number),
        ]
        return name, subprocess.run(
            command,
            cwd=ROOT,
            env=os.environ | variables,
            capture_output=True,
            text=True,
            check=False,
        )

    with ThreadPoolExecutor(2) as pool:
        for name, finished in pool.map(
            run, enumerate((name, ENVIRONMENTS[name]) for name in names)
        ):
            assert finished.returncode == 0, f"{name}: {finished.stderr[-2000:]}"
            assert json.loads(finished.stdout) == digests(reference_run), name


def test_bounds_checking_raises_on_a_planted_overrun() -> None:
    """The proof that the bounds-checked lane checks: without it this kernel reads beyond its array
    in silence.
    """
    script = (
        "import numpy as np\nfrom tests.runtime.overrun import beyond\n"
        "try:\n    beyond(np.zeros(3))\nexcept IndexError:\n    print('raised')\nelse:\n    "
        "print('silent')\n"
    )
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    for variables, expected in (
        ({}, "silent"),
        ({"NUMBA_BOUNDSCHECK": "1"}, "raised"),
        ({}, "silent"),
    ):
        found = subprocess.run(
            [sys.executable, "-c", script],
            cwd=ROOT,
            env=environment | variables,
            capture_output=True,
            text=True,
            check=True,
        )
        assert found.stdout.strip() == expected
