"""A full disk: the error is typed, the exit code 1, and the same command later finishes as if
nothing had happened.

The limit is RLIMIT_FSIZE: a write beyond it fails as on a full disk. Oracle: the digests of an
uninterrupted run.
"""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from jobs.sq import main
from streams.log.local import LocalLog

ROOT = Path(__file__).resolve().parents[2]
LIMITED = """
import resource, sys
from jobs.sq import main
from streams.log.local import LocalLog
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]), resource.RLIM_INFINITY))
sys.exit(main(sys.argv[2:]))
"""


def limited(size: int, *arguments: object) -> subprocess.CompletedProcess[str]:
    """``sq`` in a process whose files may not grow beyond ``size`` bytes."""
    command = [sys.executable, "-c", LIMITED, str(size), *map(str, arguments)]
    return subprocess.run(
        command, cwd=ROOT, env=dict(os.environ), capture_output=True, text=True, check=False
    )


def assert_full(ended: subprocess.CompletedProcess[str]) -> None:
    assert ended.returncode == 1, ended.stderr
    assert "Traceback" not in ended.stderr
    assert "no room" in ended.stderr or "File too large" in ended.stderr, ended.stderr


def digests(folder: Path) -> dict[str, Any]:
    """Digests of a run's topics; the journal holds the batches, which may differ."""
    topics: dict[str, Any] = json.loads((folder / "run.json").read_text())["topics"]
    return {
        name: entry
        for name, entry in topics.items()
        if name not in ("pipeline.journal", "pipeline.snapshots")
    }


COMMAND = (
    "--strategy",
    "ema-cross",
    "--set",
    "fast=5",
    "--set",
    "slow=15",
    "--batch",
    "100",
    "--out",
)


@pytest.fixture(scope="module")
def whole(toy: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The uninterrupted run."""
    folder = tmp_path_factory.mktemp("full") / "whole"
    assert main(["backtest", str(toy), *COMMAND, str(folder)]) == 0
    return folder


def sizes(whole: Path) -> dict[str, int]:
    """Bytes that a file may have. The journal is the longest topic; its first record names each
    file of the code, so that its length changes with them.
    """
    with LocalLog.open(whole) as log:
        second = list(itertools.islice(log.reader("pipeline.journal").blocks(), 2))[1]
    journal = Path(second.segment).stat().st_size
    return {
        "no record of the journal": second.position // 4,
        "a third of the batches": second.position + (journal - second.position) // 3,
        "all but the report": journal + 100,
    }


@pytest.mark.parametrize("room", ["no record of the journal", "a third of the batches",
                                  "all but the report"])  # fmt: skip
def test_a_backtest_goes_on_when_there_is_room_again(
    sq: Callable[..., Any], toy: Path, whole: Path, tmp_path: Path, room: str
) -> None:
    size = sizes(whole)[room]
    command = ("backtest", toy, *COMMAND)
    assert_full(limited(size, *command, tmp_path / "run"))
    ended = sq(*command, tmp_path / "run")
    assert ended.code == 0, ended.err
    assert room == "no record of the journal" or "resumed at batch" in ended.out
    assert sq("verify", tmp_path / "run").code == 0
    assert digests(tmp_path / "run") == digests(whole)
    assert (tmp_path / "run" / "report.json").read_bytes() == (whole / "report.json").read_bytes()


def test_generate_fails_in_words_and_can_be_repeated(
    sq: Callable[..., Any], toy: Path, tmp_path: Path
) -> None:
    assert_full(
        limited(9_000, "generate", "--minutes", "2", "--seed", "5", "--out", tmp_path / "toy")
    )
    refused = sq("backtest", tmp_path / "toy", "--strategy", "ema-cross", "--out", tmp_path / "run")
    assert refused.code == 2, "half a recording is none"
    again = sq("generate", "--minutes", "2", "--seed", "5", "--out", tmp_path / "again")
    assert again.code == 0
    assert (tmp_path / "again" / "log.json").read_bytes() == (toy / "log.json").read_bytes()


def test_an_import_fails_in_words(sq: Callable[..., Any], tmp_path: Path) -> None:
    lines = []
    for i in range(3000):
        at = 1723161256000 + i
        trade = {
            "e": "trade",
            "E": at,
            "s": "BTCUSDT",
            "t": i,
            "p": "60000.10",
            "q": "0.00100",
            "T": at,
            "m": i % 2 == 0,
            "M": True,
        }
        lines.append(
            f"{1723161256000000000 + i * 1000000} "
            + json.dumps({"stream": "btcusdt@trade", "data": trade})
        )
    (tmp_path / "frames").write_text("\n".join(lines) + "\n")
    assert_full(limited(5_000, "import", "binance", tmp_path / "frames", "--out", tmp_path / "log"))
    assert not (tmp_path / "log" / "log.json").exists()
    assert sq("import", "binance", tmp_path / "frames", "--out", tmp_path / "other").code == 0


def test_control_fails_in_words(toy: Path, tmp_path: Path) -> None:
    assert_full(
        limited(
            3_000,
            "control",
            toy,
            "kill",
            "--at",
            "2024-01-01T00:01:00",
            "--out",
            tmp_path / "halted",
        )
    )
