"""Windows for the tests of the measures: plain objects with the fields of rows."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np

from streams.numeric.rolling import window_push


def window_of(*columns: Sequence[float]) -> tuple[SimpleNamespace, list[list[float]]]:
    """A full window over columns of one length. Its oldest is in the middle."""
    period = len(columns[0])
    turn = period // 2
    window = SimpleNamespace(period=period, count=0, oldest=0)
    values = [[0.0] * period for _ in columns]
    for column, held in zip(columns, values, strict=True):
        window.count = window.oldest = 0
        for value in [*range(turn), *column]:
            window_push(window, held, value)
    return window, values


def first_row(rows: Any) -> Any:
    """The first row of a structured array, its fields as attributes; what is set lands in it."""
    return rows.view(np.recarray)[0]
