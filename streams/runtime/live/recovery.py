"""From the journal to a running state: the last good snapshot, and the journal after it executed again with every digest checked.

Nothing is emitted, and group offsets are not looked at. Every restart is thereby a test of determinism.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from schemas.errors import CorruptLog
from streams.log.kafka.transport import Partition
from streams.runtime.failures import StageFailed
from streams.runtime.journal import BATCH, CLOSE, GENESIS, UPGRADE, JournalEntry
from streams.runtime.live.stored import FETCH_RECORDS, PATIENCE, LiveSnapshot, read_journal, read_snapshots
from streams.runtime.live.topics import check_topics
from streams.runtime.snapshot import TOPIC as SNAPSHOTS
from streams.runtime.task import JOURNAL, Diverged, OtherIdentity, check_identity, compare

if TYPE_CHECKING:
    from streams.runtime.live.task import LiveTask


class Recovery:
    """Rebuilds one task's state.

    Args:
        task: fenced, so that the journal has an end.
    """

    def __init__(self, task: LiveTask) -> None:
        self.task = task
        self.spec = task.spec
        self.partition: Partition = task.spec.partition_of(JOURNAL)
        self.snapshot: LiveSnapshot | None = None

    def read(self) -> list[tuple[int, JournalEntry]] | None:
        """The journal from the snapshot chosen on, the genesis record first; None if there is no journal.

        Raises:
            CorruptLog: it does not begin with a genesis record, or its chain has a fork.
        """
        reader = self.task.log.reader(f"{self.spec.group}.recovery")
        try:
            begin, end = reader.start(self.partition), reader.end(self.partition)
            first = next(read_journal(reader, self.partition, begin, end), None)
            if first is None:
                return None
            if first[1].kind != GENESIS:
                raise CorruptLog(
                    f"{self.partition[0]}/{self.partition[1]} begins with journal record {first[1].sequence}, not with the genesis record: "
                    "its beginning was deleted; a journal is kept for ever ('sq topics drift')"
                )
            for snapshot in read_snapshots(self.task.log.reader(f"{self.spec.group}.recovery"), self.spec.partition_of(SNAPSHOTS)):
                entries = self._from(snapshot, end)
                if entries is not None:
                    self.snapshot = snapshot
                    return [first, *entries]
            return [first, *read_journal(reader, self.partition, first[0] + 1, end, first[1].digest)]
        finally:
            reader.close()

    def _from(self, snapshot: LiveSnapshot, end: int) -> list[tuple[int, JournalEntry]] | None:
        """The journal from this snapshot's record on; None if the snapshot is not one of this journal."""
        if not self.partition or snapshot.journal_offset >= end:
            return None
        reader = self.task.log.reader(f"{self.spec.group}.recovery")
        try:
            if snapshot.journal_offset < reader.start(self.partition):
                return None
            entries = list(read_journal(reader, self.partition, snapshot.journal_offset, end))
        finally:
            reader.close()
        if not entries or entries[0][1].digest != snapshot.journal_digest or [digest for _, digest in entries[0][1].states] != snapshot.digests():
            return None
        return entries

    def recover(self, entries: list[tuple[int, JournalEntry]]) -> None:
        """Bring the task to the journal's end.

        Raises:
            OtherIdentity: another topology, or other code where the journal does not end with a drain.
            Diverged: a batch executed again gave something else.
        """
        task = self.task
        started = task.monotonic()
        task.genesis = entries[0][1].facts
        offset, last = entries[-1]
        upgrade = next((entry.facts["new"] for _, entry in reversed(entries) if entry.kind == UPGRADE), None)
        if upgrade is None and self.snapshot is not None and self.snapshot.code and self.snapshot.code != task.genesis.get("code"):
            upgrade = {"code": self.snapshot.code, "sources": {}}
        before = {**task.genesis, **(upgrade or {})}
        is_drained = self.snapshot is not None and last.sequence == self.snapshot.journal_sequence
        is_upgrade = before.get("code") != self.spec.facts.get("code")
        self._check(before, is_upgrade, is_drained)
        check_topics(task.admin, self.spec, task.genesis)
        starts = {item["topic"]: item["start_offset"] for item in task.genesis["inputs"]}
        task.execution = task.make(task.log, self.spec, starts)
        task.sequence, task.last_digest, task.journal_offset = last.sequence, last.digest, offset
        task.is_closed = last.kind == CLOSE
        if task.is_closed:
            return
        batches = [(place, entry) for place, entry in entries[1:] if entry.kind == BATCH]
        if self.snapshot is not None:
            self._restore(self.snapshot)
            batches = [(place, entry) for place, entry in batches if entry.sequence > self.snapshot.journal_sequence]
        for _, entry in batches:
            self._repeat(entry)
        self._last_offsets(batches)
        if is_upgrade:
            new = {key: self.spec.facts.get(key) for key in ("code", "sources", "versions")}
            facts = {"old": {"code": before.get("code")}, "new": new, "migration": "from the drain snapshot"}
            task._commit(JournalEntry(sequence=last.sequence + 1, kind=UPGRADE, input_sequence=last.input_sequence, facts=facts), [])
        records = sum(int(item.count) for _, entry in batches for item in entry.inputs)
        task.observer.recovered(len(batches), records, task.sequence, task.monotonic() - started)

    def _check(self, before: dict[str, Any], is_upgrade: bool, is_drained: bool) -> None:
        now = self.spec.facts
        if is_upgrade and is_drained:
            check_identity({**before, "code": now.get("code")}, now)
            return
        try:
            check_identity(before, now)
        except OtherIdentity as problem:
            name = f"topology {self.spec.topology}"
            what = problem.text.partition("; choose another")[0].partition("; use that code")[0]
            what = what.replace("the folder", name).replace("the run was made", f"the journal of {name} was written")
            advice = (
                "other code goes on only from a drain: start that version once, stop it with Ctrl-C, then start this one"
                if is_upgrade
                else "start it as it was, or end it with 'sq stop --close' and give the new one a name of its own"
            )
            raise OtherIdentity(f"{what}; {advice}") from problem

    def _restore(self, snapshot: LiveSnapshot) -> None:
        task = self.task
        try:
            task.execution.restore(snapshot.instruments, snapshot.states, snapshot.feeds, snapshot.skips)
        except StageFailed as problem:
            what = f"the snapshot of topology {self.spec.topology} does not fit this code: {problem.text}"
            raise OtherIdentity(f"{what}; start the version that wrote it") from problem
        task.counts.update(snapshot.counts)
        task.last_offsets.update(snapshot.last_offsets)

    def _repeat(self, entry: JournalEntry) -> None:
        """Execute one batch again."""
        task = self.task
        batch = task.execution.repeat_batch(entry.elements)
        finding = compare(batch, entry, task.execution)
        if finding:
            raise Diverged(
                f"recovery at batch {entry.sequence} of {self.partition[0]}/{self.partition[1]}: {finding}; the task halts. "
                f"'sq verify kafka://... --topology {self.spec.topology}' says more"
            )
        for output in entry.outputs:
            task.counts[self.spec.outputs[output.output]] += output.count
        task.on_step("batch repeated")

    def _last_offsets(self, batches: list[tuple[int, JournalEntry]]) -> None:
        """Where this journal's last record lies in each published output: found by reading on from the one before.

        They are waited for: the markers of a transaction reach its partitions one after another, the journal's perhaps first.
        """
        task = self.task
        latest: dict[str, tuple[int, int]] = {}
        starts = {item["topic"]: int(item.get("start_offset", 0)) for item in task.genesis["outputs"]}
        for _, entry in batches:
            for output in entry.outputs:
                topic = self.spec.outputs[output.output]
                if topic in self.spec.published:
                    latest[topic] = output.previous_offset, output.count
        for topic, (previous, count) in latest.items():
            partition = self.spec.partition_of(topic)
            reader = task.log.reader(f"{self.spec.group}.recovery")
            try:
                begin = max(reader.start(partition), starts.get(topic, 0))  # another topology may have written there before
                reader.assign({partition: previous + 1 if previous >= 0 else begin})
                offsets: list[int] = []
                tries = 0
                while len(offsets) < count and tries < PATIENCE:
                    chunk = reader.fetch(FETCH_RECORDS, 0.1)
                    offsets += chunk.offsets
                    tries += not chunk.offsets
            finally:
                reader.close()
            if len(offsets) < count:
                raise CorruptLog(f"{partition[0]}/{partition[1]} holds {len(offsets)} records after offset {previous}, the journal committed {count}")
            task.last_offsets[topic] = offsets[count - 1]


