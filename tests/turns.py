"""Tests that are long: which rows of a table, and an eighth of them by turns.

``--turn N`` keeps every eighth test of those collected, from the N-th on; a plug-in of the test
runner.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest

TURNS = 8


def long_but_every(step: int, rows: Iterable[Any]) -> list[Any]:
    """Parameters of a test: every ``step``-th row is run always, the others are long."""
    return [
        pytest.param(row, marks=() if place % step == 0 else pytest.mark.long)
        for place, row in enumerate(rows)
    ]


def pytest_addoption(parser: Any) -> None:
    """``--turn N``; any whole number, taken modulo 8."""
    parser.addoption("--turn", type=int, metavar="N", help=f"keep the tests of turn N of {TURNS}")


def pytest_collection_modifyitems(config: Any, items: list[Any]) -> None:
    """Leave the others out; they are reported as deselected."""
    turn = config.getoption("turn")
    if turn is None:
        return
    kept = items[turn % TURNS :: TURNS]
    left_out = [item for place, item in enumerate(items) if place % TURNS != turn % TURNS]
    config.hook.pytest_deselected(items=left_out)
    items[:] = kept
