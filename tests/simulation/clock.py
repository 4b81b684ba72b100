"""Virtual time: moves only when the simulation says so."""

from __future__ import annotations

MILLISECOND = 1_000_000
SECOND = 1_000_000_000
START = 1_704_153_600 * SECOND
"""ns UTC: 2 January 2024, a day after the market of ``tests/scenario.py``."""


class VirtualClock:
    """ns UTC and monotonic seconds of one simulated world, which share one source."""

    def __init__(self) -> None:
        self.now = START

    def clock_ns(self) -> int:
        """ns UTC."""
        return self.now

    def monotonic(self) -> float:
        """Seconds since the world began."""
        return (self.now - START) / SECOND

    def advance_to(self, moment: int) -> None:
        """Move on; never back."""
        self.now = max(self.now, moment)
