"""Which input records the next batch consumes: the protocol, and the merge of a recording.

A recording's records are merged by event time, or taken in the order that another run's journal
has (exact replay). On a cluster the order is made of what has arrived: ``live/arriving.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Protocol

from schemas.errors import WrongUse
from streams.runtime.journal.batch import Batch, Prepared
from streams.runtime.journal.journal import BATCH, JournalEntry
from streams.runtime.recovery.execution import Execution
from streams.runtime.tools.processors import processors

OVERLAP_RECORDS = 8192
"""Smaller batches are not worth a second thread."""


class Inputs(Protocol):
    """Chooses and executes the records of the next batch.

    Attributes:
        work_seconds: what the last batch took to execute, by the runner's monotonic clock.
    """

    work_seconds: float

    def open(self, genesis: dict[str, Any]) -> Execution:
        """The execution, its inputs where the genesis record says that they begin."""

    def hear(self) -> None:
        """A journal goes on: what operators said meanwhile is there before its next batch."""

    def start(self) -> None:
        """The state is that of the journal's end, and its owner goes on from there."""

    def next(self, wait_seconds: float) -> Batch | None:
        """Steps 1 and 2 of a batch; None if nothing has arrived within ``wait_seconds``."""

    def committed(self, seconds: float) -> None:
        """The batch was committed, which took so long."""

    def changed(self, genesis: dict[str, Any]) -> str:
        """At the end of the inputs: which of them are not those of the genesis record; empty if all
        are.
        """


class RecordedInputs:
    """The inputs of a log folder.

    Args:
        execution: over them.
        batch_records: most input records in a batch.
        state_digest_records: a batch ends every so many input records.
        on_step: called with each step's name, for fault tests.
        script: batch records of another run's journal; their order is repeated instead of merging.
        threads: 1 or 2; None: 2 where batches are large and there are two processors. Nothing that
            comes out depends on it.
    """

    work_seconds = 0.0

    def __init__(
        self,
        execution: Execution,
        batch_records: int,
        state_digest_records: int,
        on_step: Callable[[str], None],
        script: Iterator[JournalEntry] | None = None,
        threads: int | None = None,
    ) -> None:
        self.execution = execution
        self.batch_records = batch_records
        self.state_digest_records = state_digest_records
        self.on_step = on_step
        self.script = script
        by_default = processors() > 1 and batch_records >= OVERLAP_RECORDS
        self.overlaps = by_default if threads is None else threads > 1

    def open(self, genesis: dict[str, Any]) -> Execution:
        """The execution as it was given."""
        return self.execution

    def hear(self) -> None:
        """Nobody speaks to a recording."""

    def start(self) -> None:
        """Everything is there."""

    def next(self, wait_seconds: float) -> Batch | None:
        """The next batch; nothing is waited for."""
        batch = self.execution.finish(self.prepare())
        self.on_step("executed")
        return batch

    def prepare(self) -> Prepared:
        """Step 1 and, of 2, the upstream pass."""
        self.on_step("taking")
        if self.script is not None:
            given = next((entry for entry in self.script if entry.kind == BATCH), None)
            if given is None:
                raise WrongUse(
                    "the journal to repeat ends before its inputs do: the run it belongs to is not "
                    "finished"
                )
            self.execution.check_elements(given.elements)
            return self.execution.prepare_again(given.elements)
        due = self.state_digest_records - self.execution.prepared % self.state_digest_records
        return self.execution.prepare(min(self.batch_records, due))

    def committed(self, seconds: float) -> None:
        """The size of batches does not follow their cost."""

    def changed(self, genesis: dict[str, Any]) -> str:
        """Topics whose bytes, as they were read, are not those of the run's identity."""
        inputs = genesis.get("identity", {}).get("inputs", {})
        return ", ".join(self.execution.read_digests.differing(inputs))
