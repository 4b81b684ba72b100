"""Shared fixtures: where recorded market data lies, and a reason to skip where it does not."""

from __future__ import annotations

import os
import signal
import sys
import tempfile
from pathlib import Path
from typing import Any

import hypothesis
import pytest

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))
pytest_plugins = ["groups", "turns"]
# a shell starts background jobs deaf to it, and so would be what tests start
signal.signal(signal.SIGINT, signal.default_int_handler)
if "SQ_HOME" not in os.environ:  # the strategies that tests run are none of the user's own
    _HOME = tempfile.TemporaryDirectory(prefix="sq-home-")
    os.environ["SQ_HOME"] = _HOME.name
# the first example of a property compiles its kernels, or loads them
hypothesis.settings.register_profile("project", deadline=None)
hypothesis.settings.load_profile("project")
MARKET_DATA = Path(os.environ.get("SQ_DATA", ROOT.parent / "shared" / "data"))


@pytest.fixture(scope="session")
def market_data() -> Path:
    """Folder of recorded market data (``SQ_DATA``, by default beside the clone); tests that need it
    are skipped without it.
    """
    if not (MARKET_DATA / "binance").is_dir():
        pytest.skip("no recorded market data: set SQ_DATA to the folder that holds it")
    return MARKET_DATA


@pytest.fixture(scope="session")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The generated recording of ``tests/scenario.py``."""
    from tests.scenario import make_recording

    return make_recording(tmp_path_factory.mktemp("scenario") / "market")


@pytest.fixture(scope="session")
def reference_run(recording: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """An uninterrupted run over it with default settings."""
    from tests.scenario import backtest

    return backtest(recording, tmp_path_factory.mktemp("reference") / "run")


@pytest.fixture(scope="session")
def postgres_server() -> Any:
    """A PostgreSQL server of the session's own; skipped, with the reason, where none is installed.
    """
    import postgres_server

    with postgres_server.running() as server:
        yield server


@pytest.fixture
def database(postgres_server: Any) -> str:
    """Connection string of an empty database."""
    return str(postgres_server.database())
