"""What a row of the fault table is."""

from __future__ import annotations

from typing import NamedTuple

from infra.prometheus.script import Series

ALWAYS = "DeadMansSwitch"
Moments = tuple[tuple[float, tuple[str, ...]], ...]


class Row(NamedTuple):
    """One row.

    Attributes:
        fault: id in the catalogue, or a word.
        what: what happens.
        seen: which panel moves.
        changes: series that differ from the healthy world; the fault begins at minute 20.
        moments: minute -> alerts that fire then, besides the dead-man's switch.
        without: series of the healthy world that are not there.
    """

    fault: str
    what: str
    seen: str
    changes: Series
    moments: Moments
    without: tuple[str, ...] = ()
