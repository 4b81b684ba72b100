"""Reads a shard's journal on a cluster: from the last good snapshot to its present end, and on.

Implements ``streams/runtime/task_log.Journal``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from schemas.errors import CorruptLog
from streams.log.kafka.transport import Admin, Chunk, Log, Partition, Reader
from streams.runtime.journal.journal import GENESIS, JOURNAL, UPGRADE
from streams.runtime.journal.snapshot import TOPIC as SNAPSHOTS
from streams.runtime.journal.snapshot import Snapshot
from streams.runtime.live.identity import check_code, check_same
from streams.runtime.live.snapshots import read_snapshots
from streams.runtime.live.spec import TaskSpec
from streams.runtime.live.stored import FETCH_RECORDS, journal_record, read_journal, read_on
from streams.runtime.live.topics import check_topics
from streams.runtime.recovery.task_log import Beginning, Stored


class ShardJournal:
    """See the module's head.

    Args:
        cluster: or the simulator.
        spec: of the task.
        admin: of the cluster.
        rejected: called for each snapshot that is passed over.
    """

    def __init__(
        self, cluster: Log, spec: TaskSpec, admin: Admin, rejected: Callable[[], None]
    ) -> None:
        self.cluster = cluster
        self.spec = spec
        self.admin = admin
        self.partition: Partition = spec.partition_of(JOURNAL)
        self._rejected = rejected
        self._reader: Reader | None = None

    @property
    def reader(self) -> Reader:
        """Of this partition alone."""
        if self._reader is None:
            self._reader = self.cluster.reader(f"{self.spec.group}.recovery")
        return self._reader

    def begin(self) -> Beginning | None:
        """From the snapshot chosen on.

        Raises:
            CorruptLog: it does not begin with a genesis record, or its chain has a fork.
            OtherIdentity: another topology, or other code where the journal does not end with a
                drain.
            TopicChanged: an input or output was made anew.
        """
        reader = self.reader
        end = reader.end(self.partition)
        found = self._read(reader, end)
        if found is None:
            return None
        genesis, snapshot, entries = found
        last = entries[-1][1] if entries else genesis[1]
        written_by = self._written_by(genesis[1].facts, snapshot, entries)
        check_same(written_by, self.spec.facts, self.spec.topology)
        if snapshot is None or last.sequence != snapshot.journal_sequence:
            check_code(written_by, self.spec.facts, self.spec.topology)
        check_topics(self.admin, self.spec, genesis[1].facts)
        return Beginning(genesis, snapshot, entries, written_by)

    def _read(
        self, reader: Reader, end: int
    ) -> tuple[Stored, Snapshot | None, list[Stored]] | None:
        """Genesis record, snapshot, and the records behind; None if there is no journal."""
        begin = reader.start(self.partition)
        if begin >= end:
            return None
        # the other one goes to where the journal is executed from, and nowhere else
        aside = self.cluster.reader(f"{self.spec.group}.recovery")
        try:
            first = next(read_journal(aside, self.partition, begin, end), None)
            if first is None:
                return None
            if first[1].kind != GENESIS:
                raise CorruptLog(
                    f"{self.partition[0]}/{self.partition[1]} begins with journal record "
                    f"{first[1].sequence}, not with the genesis record: its beginning was deleted; "
                    "a journal is kept for ever ('sq topics drift')"
                )
            for snapshot in read_snapshots(
                aside, self.spec.partition_of(SNAPSHOTS), self._rejected
            ):
                entries = self.entries_from(reader, snapshot, begin, end)
                if entries is not None:
                    return first, snapshot, entries
                self._rejected()
        finally:
            aside.close()
        return (
            first,
            None,
            list(read_journal(reader, self.partition, first[0] + 1, end, first[1].digest)),
        )

    def entries_from(
        self, reader: Reader, snapshot: Snapshot, begin: int, end: int
    ) -> list[Stored] | None:
        """The journal from this snapshot's record on; None if the snapshot is not one of this
        journal.
        """
        if not begin <= snapshot.journal_offset < end:
            return None
        entries = list(read_journal(reader, self.partition, snapshot.journal_offset, end))
        return entries if entries and snapshot.belongs_to(entries[0][1]) else None

    @staticmethod
    def _written_by(
        genesis: dict[str, Any], snapshot: Snapshot | None, entries: list[Stored]
    ) -> dict[str, Any]:
        """The genesis facts, and of the code that the last Upgrade named. One before the snapshot
        is not read: the snapshot names the code.
        """
        upgrade = next(
            (entry.facts["new"] for _, entry in reversed(entries) if entry.kind == UPGRADE), None
        )
        if (
            upgrade is None
            and snapshot is not None
            and snapshot.code
            and snapshot.code != genesis.get("code")
        ):
            upgrade = {"code": snapshot.code, "sources": {}}
        return {**genesis, **(upgrade or {})}

    def read_on(self, previous: bytes) -> list[Stored]:
        """Up to the present end. Raises CorruptLog where the chain has a fork."""
        found: list[Stored] = []
        for chunk in read_on(self.reader, self.partition, self.end()):
            found += self._records(chunk, found[-1][1].digest if found else previous)
        return found

    def fetch(self, previous: bytes, wait_seconds: float) -> list[Stored]:
        """What one fetch brings."""
        return self._records(self.reader.fetch(FETCH_RECORDS, wait_seconds), previous)

    def _records(self, chunk: Chunk, previous: bytes) -> list[Stored]:
        found: list[Stored] = []
        for offset, value in zip(chunk.offsets, chunk.values, strict=True):
            found.append((offset, journal_record(self.partition, offset, value, previous)))
            previous = found[-1][1].digest
        return found

    def wait(self, wait_seconds: float) -> None:
        """For a first record."""
        self.reader.assign({self.partition: self.reader.start(self.partition)})
        self.reader.fetch(1, wait_seconds)

    def position(self) -> int:
        """Past markers where no record is left."""
        return self.reader.position(self.partition)

    def end(self) -> int:
        """What is committed lies before."""
        return self.reader.end(self.partition)

    def close(self) -> None:
        """Give the connection back."""
        if self._reader is not None:
            self._reader.close()
            self._reader = None
