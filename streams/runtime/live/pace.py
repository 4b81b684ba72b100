"""How many records the next batch may have, so that its work takes about as long as it should, or
as long as the last commit took.

Where commits are slow (a far or a starved broker), small batches would spend nearly all the time in
them; the kill switch bounds how far that goes.
"""

from __future__ import annotations

from streams.runtime.live.spec import Bounds

LONGEST_WORK_SECONDS = 0.05
SLOWEST_START = 512


class Pace:
    """See the module's head.

    Attributes:
        records: bound of the next batch.
        commit_seconds: of the last one.
    """

    def __init__(self, bounds: Bounds) -> None:
        self.records = SLOWEST_START
        self.commit_seconds = 0.0
        self._bounds = bounds

    def adapt(self, records: int, work_seconds: float) -> None:
        """A batch of so many records took so long."""
        if records >= self.records // 2 and work_seconds > 0:
            fitting = int(
                records
                * max(self._bounds.work_seconds, min(self.commit_seconds, LONGEST_WORK_SECONDS))
                / work_seconds
            )
            self.records = max(64, min(fitting, 2 * self.records, self._bounds.records))
