"""Returns by calendar month, and by day where a run is shorter than two months; UTC.

A period's return is equity at its last sample over equity at the last sample of the period before
it, or over the starting capital for the first, - 1. The minute that ends at midnight belongs to the
day before. A year's return compounds its months, which is the same ratio over the year. The
benchmark's are the same of buy and hold.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from streams.reporting.metrics import DAY
from streams.reporting.wording import utc

if TYPE_CHECKING:
    from streams.reporting.document import Result

TWO_MONTHS = 62 * DAY
"""Time traded below which days are listed too, ns."""


def calendar_returns(result: Result, held: list[int] | None) -> dict[str, Any]:
    """Lists of `period`, `profit`, `return` and `benchmark_return` by month and by year, and by day
    in short runs.

    held: worth of buy and hold at each sample of `result.samples`, null without a benchmark.
    """
    span = result.last_time - result.first_time
    days = _rows(result, held, "D") if span < TWO_MONTHS else None
    return {"monthly": _rows(result, held, "M"), "yearly": _rows(result, held, "Y"), "daily": days}


def _rows(result: Result, held: list[int] | None, unit: str) -> list[dict[str, Any]]:
    """One row for each period that has a sample."""
    if not result.samples:
        return []
    stamps = (
        (np.array(result.times, np.int64) - 1)
        .astype("datetime64[ns]")
        .astype(f"datetime64[{unit}]")
    )
    ends = [*(np.flatnonzero(stamps[1:] != stamps[:-1])).tolist(), len(stamps) - 1]
    before, before_held = result.start or 0, result.start or 0
    rows = []
    for at in ends:
        equity = result.samples[at]
        row = {
            "period": str(stamps[at]),
            "to": utc(result.times[at], 0),
            "profit": result.exact(equity - before),
            "return": (equity - before) / before if before > 0 else None,
            "benchmark_return": (held[at] - before_held) / before_held
            if held is not None and before_held > 0
            else None,
        }
        rows.append(row)
        before, before_held = equity, held[at] if held is not None else 0
    return rows
