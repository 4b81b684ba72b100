"""From the journal to a running state: the last good snapshot, and the journal after it executed again with every digest checked.

Nothing is emitted, and group offsets are not looked at. Every restart is thereby a test of determinism. A standby is the same loop that does not
end: it follows the journal that another owner writes (:meth:`Recovery.follow`), until a take-over finds it near the journal's end.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

from schemas.errors import CorruptLog, ShrivenError
from streams.log.kafka.transport import Chunk, Partition, Reader
from streams.runtime.comparison import compare
from streams.runtime.execution import Batch
from streams.runtime.failures import StageFailed
from streams.runtime.journal import BATCH, CLOSE, GENESIS, UPGRADE, JournalEntry
from streams.runtime.live.identity import check_code, check_same
from streams.runtime.live.published import difference_on_log, last_offsets
from streams.runtime.live.snapshots import read_snapshots
from streams.runtime.live.stored import FETCH_RECORDS, journal_record, read_journal, read_on
from streams.runtime.live.topics import check_topics
from streams.runtime.snapshot import TOPIC as SNAPSHOTS
from streams.runtime.snapshot import Snapshot
from streams.runtime.task import JOURNAL, Diverged, OtherIdentity
from streams.runtime.validation import MalformedJournal, malformed

if TYPE_CHECKING:
    from streams.runtime.live.task import LiveTask

FOLLOW_SECONDS = 0.05
"""Work of a standby before it looks up: whether it is to be promoted."""


class Recovery:
    """Rebuilds one task's state: :meth:`read`, :meth:`execute`, :meth:`finish` under a fence; before that, :meth:`follow` as often as wanted.

    Args:
        task: not running yet.

    Attributes:
        is_begun: there is a journal, and its identity and snapshot were taken up.
        pending: journal records read and not executed again yet.
        problem: what ended it. A state that diverged is never used.
    """

    def __init__(self, task: LiveTask) -> None:
        self.task = task
        self.spec = task.spec
        self.partition: Partition = task.spec.partition_of(JOURNAL)
        self._reader: Reader | None = None
        self._started = task.monotonic()
        self._begin_anew()

    def _begin_anew(self) -> None:
        self.snapshot: Snapshot | None = None
        self.is_begun = False
        self.pending: deque[tuple[int, JournalEntry]] = deque()
        self.problem: ShrivenError | None = None
        self._read_digest: bytes | None = None
        self._is_upgrade = False
        self._latest: dict[str, tuple[int, int]] = {}
        self._last_identity = 0.0
        self._batches = self._records = 0

    # following

    def follow(self, wait_seconds: float) -> int:
        """Execute again what the owner has committed, for a short while; returns the batches.

        Raises:
            Diverged: a batch executed again gave something else; no state of this recovery may be promoted any more.
            OtherIdentity: the journal goes on under other code.
            ShrivenError: the journal cannot be followed; another standby may begin from a later snapshot.
        """
        self.check()
        try:
            if not self.is_begun:
                self._begin_to_follow(wait_seconds)
            elif not self.pending:
                self._take(wait_seconds)
            self._look_after()
            return self.execute(FOLLOW_SECONDS)
        except ShrivenError as problem:
            self.problem = problem
            raise

    def check(self) -> None:
        """Refuse to go on after a failure. Raises what it failed by."""
        if self.problem is not None:
            raise self.problem

    def _begin_to_follow(self, wait_seconds: float) -> None:
        """The journal may not be there yet: then its first record is waited for."""
        if not self.read() and wait_seconds > 0:
            reader = self._tail()
            reader.assign({self.partition: reader.start(self.partition)})
            reader.fetch(1, wait_seconds)

    def _take(self, wait_seconds: float) -> None:
        self._push(self._tail().fetch(FETCH_RECORDS, wait_seconds))

    def _look_after(self) -> None:
        now = self.task.monotonic()
        if self.is_begun and now - self._last_identity >= self.spec.bounds.identity_seconds:
            self._last_identity = now
            check_topics(self.task.admin, self.spec, self.task.genesis)

    def position(self) -> int:
        """Offset of the next journal record to execute again; past markers where none is left. -1: there is no journal yet."""
        if not self.is_begun:
            return -1
        return self.pending[0][0] if self.pending else self._tail().position(self.partition)

    def end(self) -> int:
        """Where the journal ends now: what is committed lies before."""
        return self._tail().end(self.partition)

    # reading

    def read(self) -> bool:
        """Take what the journal holds up to its present end; False if there is no journal.

        Raises:
            CorruptLog: it does not begin with a genesis record, or its chain has a fork.
            OtherIdentity: another topology, or other code where the journal does not end with a drain.
        """
        reader = self._tail()
        end = reader.end(self.partition)
        if self.is_begun:
            for chunk in read_on(reader, self.partition, end):
                self._push(chunk)
            return True
        entries = self._entries(reader, end)
        if not entries:
            return False
        self._begin(entries)
        if reader.position(self.partition) != end:  # more was written meanwhile, and what of it was read was dropped
            reader.assign({self.partition: end})
        self.is_begun = True
        return True

    def _tail(self) -> Reader:
        """The journal's reader, of this partition alone."""
        if self._reader is None:
            self._reader = self.task.log.reader(f"{self.spec.group}.recovery")
        return self._reader

    def _push(self, chunk: Chunk) -> None:
        """Journal records are pending. Raises CorruptLog where their chain has a fork."""
        for offset, value in zip(chunk.offsets, chunk.values, strict=True):
            entry = journal_record(self.partition, offset, value, self._read_digest)
            self.pending.append((offset, entry))
            self._read_digest = entry.digest

    def _entries(self, reader: Reader, end: int) -> list[tuple[int, JournalEntry]]:
        """The journal from the snapshot chosen on, the genesis record first; empty if there is no journal."""
        begin = reader.start(self.partition)
        if begin >= end:
            return []
        aside = self.task.log.reader(f"{self.spec.group}.recovery")  # the other one goes to where the journal is executed from, and nowhere else
        try:
            first = next(read_journal(aside, self.partition, begin, end), None)
            if first is None:
                return []
            if first[1].kind != GENESIS:
                raise CorruptLog(
                    f"{self.partition[0]}/{self.partition[1]} begins with journal record {first[1].sequence}, not with the genesis record: "
                    "its beginning was deleted; a journal is kept for ever ('sq topics drift')"
                )
            for snapshot in read_snapshots(aside, self.spec.partition_of(SNAPSHOTS), self.task.observer.snapshot_rejected):
                entries = self._from(reader, snapshot, begin, end)
                if entries is not None:
                    self.snapshot = snapshot
                    return [first, *entries]
                self.task.observer.snapshot_rejected()
        finally:
            aside.close()
        return [first, *read_journal(reader, self.partition, first[0] + 1, end, first[1].digest)]

    def _from(self, reader: Reader, snapshot: Snapshot, begin: int, end: int) -> list[tuple[int, JournalEntry]] | None:
        """The journal from this snapshot's record on; None if the snapshot is not one of this journal."""
        if not begin <= snapshot.journal_offset < end:
            return None
        entries = list(read_journal(reader, self.partition, snapshot.journal_offset, end))
        return entries if entries and snapshot.belongs_to(entries[0][1]) else None

    # executing

    def _begin(self, entries: list[tuple[int, JournalEntry]]) -> None:
        """Identity, topics, snapshot; the records after it are then pending."""
        task = self.task
        task.genesis = entries[0][1].facts
        task.counts = dict.fromkeys(self.spec.outputs, 0)
        offset, last = entries[-1]
        upgrade = next((entry.facts["new"] for _, entry in reversed(entries) if entry.kind == UPGRADE), None)
        if upgrade is None and self.snapshot is not None and self.snapshot.code and self.snapshot.code != task.genesis.get("code"):
            upgrade = {"code": self.snapshot.code, "sources": {}}
        self._before = {**task.genesis, **(upgrade or {})}
        is_drained = self.snapshot is not None and last.sequence == self.snapshot.journal_sequence
        self._is_upgrade = self._before.get("code") != self.spec.facts.get("code")
        self._check_identity(self._before, is_drained)
        check_topics(task.admin, self.spec, task.genesis)
        self._last_identity = task.monotonic()
        starts = {item["topic"]: item["start_offset"] for item in task.genesis["inputs"]}
        task.execution = task.make(task.log, self.spec, starts)
        self._read_digest = last.digest
        self._known_to = last.sequence
        if last.kind == CLOSE:
            self._stand_at(offset, last)
            return
        self._stand_at(*entries[0])
        after = entries[1:]
        if self.snapshot is not None:
            self._restore(self.snapshot)
            self._note_outputs(after[0][1])
            self._stand_at(*after[0])
            after = after[1:]
        self.pending.extend(after)

    def _stand_at(self, offset: int, entry: JournalEntry) -> None:
        task = self.task
        task.sequence, task.last_digest, task.journal_offset = entry.sequence, entry.digest, offset
        task.is_closed = entry.kind == CLOSE

    def execute(self, seconds: float = float("inf")) -> int:
        """Execute pending records again, all of them or for so long; returns the batches.

        Raises:
            Diverged: a batch gave something else.
            OtherIdentity: records of other code came while they were followed.
        """
        deadline = self.task.monotonic() + seconds
        batches = 0
        while self.pending and (not batches or self.task.monotonic() < deadline):
            offset, entry = self.pending[0]
            if entry.kind == BATCH:
                self.repeat(entry)
                batches += 1
            elif entry.kind == UPGRADE and entry.sequence > self._known_to:
                self._upgraded(entry)
            self.pending.popleft()
            self._stand_at(offset, entry)
        return batches

    def get_ahead(self) -> None:
        """Execute again what is committed by now, which needs no fence; a standby has.

        What fails is not judged here, for a former owner may be at work still; it is done again, from the beginning, behind the fence.
        """
        if self.is_begun:
            return
        try:
            if self.read():
                self.execute()
        except ShrivenError:
            self.close()
            if hasattr(self.task, "execution"):
                self.task.execution.close()
            self._begin_anew()

    def finish(self) -> None:
        """At the journal's end, under a fence: where outputs end, and the record of an upgrade."""
        task = self.task
        starts = {item["topic"]: int(item.get("start_offset", 0)) for item in task.genesis["outputs"]}
        if not task.is_closed:
            task.last_offsets.update(last_offsets(task.log, self.spec, self._latest, starts))
            if self._is_upgrade:
                new = {key: self.spec.facts.get(key) for key in ("code", "sources", "versions")}
                facts = {"old": {"code": self._before.get("code")}, "new": new, "migration": "from the drain snapshot"}
                sequence = task.sequence + 1
                task._commit(JournalEntry(sequence=sequence, kind=UPGRADE, input_sequence=task.execution.consumed, facts=facts), [])
            self._hear_operators()
        task.observer.recovered(self._batches, self._records, task.sequence, task.monotonic() - self._started)
        self.close()

    def _hear_operators(self) -> None:
        """What control and reference data hold by now is there before the first batch: a record left out while nothing ran is not executed again."""
        for feed in self.task.execution.live:
            if not feed.is_market_data:
                feed.fill_to(feed.source.end(feed.partition))  # another reader would have to ask for the topic first

    def take_over(self) -> None:
        """A take-over begins: what follows is counted and timed anew."""
        self.check()
        self._started, self._batches, self._records = self.task.monotonic(), 0, 0

    def close(self) -> None:
        """Give the connection back."""
        if self._reader is not None:
            self._reader.close()
            self._reader = None

    def _check_identity(self, before: dict[str, Any], is_drained: bool) -> None:
        check_same(before, self.spec.facts, self.spec.topology)
        if not is_drained:
            check_code(before, self.spec.facts, self.spec.topology)

    def _refuse_upgraded(self, entry: JournalEntry) -> None:
        """This code waits at another one's drain, and that code goes on."""
        if self._is_upgrade:
            raise OtherIdentity(
                f"batch {entry.sequence} of {self._name()} was written by code {str(self._before.get('code'))[:12]}, this is "
                f"{str(self.spec.facts.get('code'))[:12]}; only a process of the same code can follow it"
            )

    def _upgraded(self, entry: JournalEntry) -> None:
        """An upgrade came while the journal was followed: to this code, or away from it."""
        self._before = {**self._before, **entry.facts["new"]}
        self._is_upgrade = self._before.get("code") != self.spec.facts.get("code")
        if self._is_upgrade:
            self._refuse_upgraded(entry)

    def _restore(self, snapshot: Snapshot) -> None:
        task = self.task
        try:
            task.execution.restore(snapshot.instruments, snapshot.states, snapshot.feeds, snapshot.skips)
        except StageFailed as problem:
            what = f"the snapshot of topology {self.spec.topology} does not fit this code: {problem.text}"
            raise OtherIdentity(f"{what}; start the version that wrote it") from problem
        task.counts.update(snapshot.counts)
        task.last_offsets.update(snapshot.last_offsets)

    def repeat(self, entry: JournalEntry) -> Batch:
        """Execute one batch again. Raises what :meth:`execute` does."""
        self._refuse_upgraded(entry)
        task = self.task
        wrong = malformed(entry, len(self.spec.inputs), len(self.spec.outputs))
        if wrong:
            raise MalformedJournal(f"batch {entry.sequence} of {self._name()}: the journal was changed: {wrong}; the task halts")
        batch = task.execution.repeat_batch(entry.elements)
        finding = compare(batch, entry, task.execution)
        if finding:
            where = difference_on_log(task.log, self.spec, entry, batch)
            raise Diverged(
                f"recovery at batch {entry.sequence} of {self._name()}: {finding.text}{f' ({where})' if where else ''}; the task halts. "
                f"'sq verify kafka://... --topology {self.spec.topology}' says more"
            )
        for output in entry.outputs:
            task.counts[self.spec.outputs[output.output]] += output.count
        self._note_outputs(entry)
        self._batches += 1
        self._records += sum(int(item.count) for item in entry.inputs)
        task.on_step("batch repeated")
        return batch

    def last_written(self, topic: str) -> tuple[int, int]:
        """Of the last batch that wrote to a published output: the offset of the record before it (-1: none), and its records (0: no batch)."""
        return self._latest.get(topic, (-1, 0))

    def _note_outputs(self, entry: JournalEntry) -> None:
        """Where its records lie is found at the end, for the last record of each output."""
        for output in entry.outputs:
            topic = self.spec.outputs[output.output]
            if topic in self.spec.published:
                self._latest[topic] = output.previous_offset, output.count

    def _name(self) -> str:
        return f"{self.partition[0]}/{self.partition[1]}"
