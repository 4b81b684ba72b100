"""A task's snapshots on their way to the log: a cache of the journal, queued and never waited for."""

from __future__ import annotations

from streams.log.kafka.transport import Admin, Writer
from streams.runtime.live.spec import TaskSpec
from streams.runtime.live.stored import SLOTS, LiveSnapshot, snapshot_values
from streams.runtime.snapshot import TOPIC as SNAPSHOTS


class SnapshotWriter:
    """Writes snapshots, and trims what lies before the last few.

    Args:
        writer: without transactions.
        admin: of the cluster.
        spec: of the task.
    """

    def __init__(self, writer: Writer, admin: Admin, spec: TaskSpec) -> None:
        self._writer = writer
        self._admin = admin
        self._schema_id = spec.schema_ids[SNAPSHOTS]
        self._partition = spec.partition_of(SNAPSHOTS)
        self._ends: list[int] = []

    def write(self, snapshot: LiveSnapshot) -> int:
        """Queue it; returns its bytes. It is worth nothing until it is whole.

        Raises:
            SnapshotTooLarge: more than 1 GiB of state.
        """
        keys, values = snapshot_values(snapshot, self._schema_id)
        partition = self._partition
        if partition in (delivered := self._writer.commit()):  # the one before, long since
            self._ends.append(delivered[partition] + 1)
            if len(self._ends) > SLOTS:
                self._admin.trim(partition, self._ends.pop(0))
        self._writer.begin()
        self._writer.produce(*partition, values, keys)
        return sum(map(len, values))

    def commit(self) -> None:
        """Wait until what was queued is delivered."""
        self._writer.commit()
