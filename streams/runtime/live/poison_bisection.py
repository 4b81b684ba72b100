"""Small batches over the records that a process died at, until what is left of them is one record,
and that one is named.

A process that is killed while it executes a batch cannot say by which of its records. The next one
is told what the batch held, and executes it in pieces of a sixty-fourth; the one after that does
the same with the piece that killed it. Batches may be cut anywhere (design.md, idea 2), so nothing
that is written depends on it.
"""

from __future__ import annotations

from collections.abc import Sequence

from streams.runtime.journal.in_flight import Run
from streams.runtime.recovery.execution import Execution

PARTS = 64


class PoisonBisection:
    """See the module's head. Without suspects it bounds nothing."""

    def __init__(self) -> None:
        self._last: dict[str, int] = {}
        self._records = 0

    def suspect(self, runs: Sequence[Run]) -> None:
        """Among these records is one that kills."""
        self._last = {run.topic: run.last_offset for run in runs}
        self._records = -(-sum(run.records for run in runs) // PARTS)

    def bound(self, execution: Execution, wanted: int) -> int:
        """Most records of the next batch: ``wanted``, or a piece while a suspect is not consumed.
        """
        if not self._last:
            return wanted
        if not any(feed.next_offset <= self._last.get(feed.topic, -1) for feed in execution.feeds):
            self._last = {}
            return wanted
        return min(self._records, wanted)
