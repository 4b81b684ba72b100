"""Shared fixtures: where recorded market data lies, and a reason to skip where it does not."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
MARKET_DATA = Path(os.environ.get("SQ_DATA", ROOT.parent / "shared" / "data"))


@pytest.fixture(scope="session")
def market_data() -> Path:
    """Folder of recorded market data (``SQ_DATA``, by default beside the clone); tests that need it are skipped without it."""
    if not (MARKET_DATA / "binance").is_dir():
        pytest.skip("no recorded market data: set SQ_DATA to the folder that holds it")
    return MARKET_DATA
