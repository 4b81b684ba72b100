"""How far a run is, for whoever waits for it."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from streams.runtime.journal.observer import BatchFacts, Observer


class Progress(msgspec.Struct):
    """Where a run is: input records consumed, of how many, in so many batches."""

    consumed: int
    total: int
    batches: int


class RunProgress(Observer):
    """Tells of each batch that is committed, or executed again.

    Args:
        total: input records.
        on_progress: called after each batch; with two threads, on the one that writes.
        on_resume: called with the number of batches committed before, when an unfinished run goes
            on.
    """

    def __init__(
        self, total: int, on_progress: Callable[[Progress], None], on_resume: Callable[[int], None]
    ) -> None:
        self.total = total
        self.resumed_at: int | None = None
        self._on_progress = on_progress
        self._on_resume = on_resume

    def resumed(self, batches: int) -> None:
        """There is an unfinished run."""
        self.resumed_at = batches
        self._on_resume(batches)

    def executed_again(self, sequence: int, consumed: int) -> None:
        """A batch of it."""
        self._on_progress(Progress(consumed, self.total, sequence))

    def committed(self, facts: BatchFacts) -> None:
        """A new batch."""
        self._on_progress(Progress(facts.consumed, self.total, facts.sequence))
