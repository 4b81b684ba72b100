"""What a task tells: of commits, recoveries, waits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec


class BatchFacts(msgspec.Struct, frozen=True):
    """What an observer is told of a committed batch.

    Attributes:
        records: consumed by it; ``consumed`` since genesis.
        inputs: records by topic.
        outputs: what came out, as ``streams.runtime.recovery.execution.Output``.
        input_ms: Kafka timestamp of the last record fetched, by topic; transport only.
        work_seconds, commit_seconds: by the runner's monotonic clock.
        clock: after it, ns UTC.
    """

    sequence: int
    records: int
    consumed: int
    inputs: Mapping[str, int]
    outputs: Sequence[Any]
    input_ms: Mapping[str, int]
    work_seconds: float
    commit_seconds: float
    clock: int


class Observer:
    """Every method does nothing here. Called between batches, never inside one."""

    def resumed(self, batches: int) -> None:
        """A journal of so many batches was found, and is to be gone on with."""

    def executed_again(self, sequence: int, consumed: int) -> None:
        """Recovery executed this batch again."""

    def committed(self, facts: BatchFacts) -> None:
        """A batch was committed."""

    def recovered(self, batches: int, records: int, sequence: int, seconds: float) -> None:
        """The state was rebuilt from the journal."""

    def hung(self, partitions: int, batches: int) -> None:
        """A take-over ended a transaction that hung there, and carried so many batches out again.
        """

    def snapshot(self, size: int, seconds: float, sequence: int) -> None:
        """A snapshot was written."""

    def snapshot_rejected(self) -> None:
        """Recovery passed over a snapshot, or an input batch of one: it is torn, or of another
        journal.
        """

    def waiting(self, what: str) -> None:
        """The task waits for something; told once for each change."""
