"""A small generated market and a run over it, made by the commands themselves."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from jobs.sq import main


class Ended(NamedTuple):
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def last(self) -> str:
        """The last line it printed."""
        return self.out.splitlines()[-1]

    def json(self) -> Any:
        """What it printed, parsed."""
        return json.loads(self.out)


Command = Callable[..., Ended]


@pytest.fixture
def sq(capsysbinary: pytest.CaptureFixture[bytes]) -> Command:
    """Runs ``sq`` in this process; nothing may end in a traceback."""

    def run(*arguments: object) -> Ended:
        capsysbinary.readouterr()
        try:
            code = main([str(each) for each in arguments])
        except SystemExit as ending:  # argparse
            code = int(ending.code or 0)
        printed = capsysbinary.readouterr()
        ended = Ended(code, printed.out.decode(), printed.err.decode())
        assert "Traceback" not in ended.err
        assert "defect" not in ended.err, ended.err
        assert code in (0, 1, 2)
        assert code == 0 or ended.err or ended.out, "a silent failure"
        return ended

    return run


@pytest.fixture(scope="session")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two generated minutes."""
    folder = tmp_path_factory.mktemp("jobs") / "toy"
    assert main(["generate", "--minutes", "2", "--seed", "5", "--out", str(folder)]) == 0
    return folder


@pytest.fixture(scope="session")
def toy_run(toy: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A backtest over them."""
    folder = tmp_path_factory.mktemp("jobs") / "run"
    assert (
        main(
            [
                "backtest",
                str(toy),
                "--strategy",
                "ema-cross",
                "--set",
                "fast=5",
                "--set",
                "slow=15",
                "--out",
                str(folder),
            ]
        )
        == 0
    )
    return folder
