"""Data-quality flags that derived records take over from what they are made of."""

from __future__ import annotations

from schemas.vocabulary import Flag

VALIDITY = int(Flag.STALE | Flag.GAP | Flag.CROSSED | Flag.ONE_SIDED)
"""Of a quote: how the top of the book stands."""
OF_RECORDS = int(
    Flag.LATE
    | Flag.AMENDED
    | Flag.ESTIMATED_TIME
    | Flag.OUT_OF_HOURS
    | Flag.SYNTHETIC
    | Flag.SIMULATED
    | Flag.OFF_TICK
)
"""Of a trade, a bar or an update: what is true of every record made from it, too."""
CARRIED = VALIDITY | OF_RECORDS
"""Of a trade or quote: what is true of every measure made from it, too."""
