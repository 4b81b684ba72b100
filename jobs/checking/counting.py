"""Counting a finding in Python, as ``streams.numeric.checking.tally.count_in`` does in kernels."""

from __future__ import annotations

from typing import Any

from streams.numeric.bounds import COUNT_MAX
from streams.numeric.checking.codes import Code


def count(
    checks: Any, slot: int, code: Code, offset: int, time: int, amount: int = 0, times: int = 1
) -> None:
    """Count a finding, ``times`` over at the same place."""
    tally = checks.tallies[slot, int(code)]
    if tally["count"] == 0:
        tally["first_offset"], tally["first_time"] = offset, time
    tally["count"] += times
    tally["last_offset"], tally["last_time"] = offset, time
    tally["worst"] = max(int(tally["worst"]), min(amount, COUNT_MAX))
    tally["total"] = min(int(tally["total"]) + amount, COUNT_MAX)
