"""Whether a bar's prices can be: its open and its close lie between its low and its high."""

from __future__ import annotations

from typing import Any


def have_wrong_prices(rows: Any) -> Any:
    """bool array: True for the rows of Bar, or of another table with these fields, that cannot be.
    """
    is_wrong = rows["low"] > rows["high"]
    for name in ("open", "close"):
        is_wrong |= (rows[name] > rows["high"]) | (rows[name] < rows["low"])
    return is_wrong
