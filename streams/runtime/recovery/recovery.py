"""From the journal to a running state: the last good snapshot, and the journal after it executed
again with every digest checked.

Nothing is emitted, and group offsets are not looked at. Every restart is thereby a test of
determinism. A standby is the same loop that does not end: it follows the journal that another owner
writes (:meth:`Recovery.follow`), until a take-over finds it near the journal's end.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

from schemas.errors import ShrivenError
from streams.runtime.failures import Diverged, OtherIdentity, StageFailed
from streams.runtime.journal.batch import Batch
from streams.runtime.journal.entry_validation import MalformedJournal, malformed
from streams.runtime.journal.journal import BATCH, CLOSE, UPGRADE, JournalEntry
from streams.runtime.journal.snapshot import Snapshot
from streams.runtime.recovery.comparison import compare
from streams.runtime.recovery.task_log import Beginning, Journal, Stored

if TYPE_CHECKING:
    from streams.runtime.recovery.task import Task

FOLLOW_SECONDS = 0.05
"""Work of a standby before it looks up: whether it is to be promoted."""


class Recovery:
    """Rebuilds one task's state: :meth:`read`, :meth:`execute`, :meth:`finish` by the owner; before
    that, :meth:`follow` as often as wanted.

    Args:
        task: not running yet.

    Attributes:
        is_begun: there is a journal, and its snapshot was taken up.
        snapshot: that one, if there is one.
        pending: journal records read and not executed again yet.
        problem: what ended it. A state that diverged is never used.
    """

    def __init__(self, task: Task) -> None:
        self.task = task
        self.log = task.log
        self._journal: Journal | None = None
        self._started = task.monotonic()
        self._begin_anew()

    def _begin_anew(self) -> None:
        self.is_begun = False
        self.snapshot: Snapshot | None = None
        self.pending: deque[Stored] = deque()
        self.problem: ShrivenError | None = None
        self._written_by: dict[str, Any] = {}
        self._batches = self._records = 0

    @property
    def journal(self) -> Journal:
        """The journal's reader."""
        if self._journal is None:
            self._journal = self.log.journal(self.task.observer.snapshot_rejected)
        return self._journal

    @property
    def is_upgrade(self) -> bool:
        """True if the last record was written by other code."""
        return bool(self._written_by.get("code") != self.log.facts.get("code"))

    # following

    def follow(self, wait_seconds: float) -> int:
        """Execute again what the owner has committed, for a short while; returns the batches.

        Raises:
            Diverged: a batch executed again gave something else; no state of this recovery may be
                promoted any more.
            OtherIdentity: the journal goes on under other code.
            ShrivenError: the journal cannot be followed; another standby may begin from a later
                snapshot.
        """
        self.check()
        try:
            if self.is_begun:
                if not self.pending:
                    self._push(self.journal.fetch(self._read_digest, wait_seconds))
            elif not self.read() and wait_seconds > 0:
                self.journal.wait(wait_seconds)
            if self.is_begun:
                self.log.check(self.task.genesis)
            return self.execute(FOLLOW_SECONDS)
        except ShrivenError as problem:
            self.problem = problem
            raise

    def check(self) -> None:
        """Refuse to go on after a failure. Raises what it failed by."""
        if self.problem is not None:
            raise self.problem

    def position(self) -> int:
        """Offset of the next journal record to execute again; past markers where none is left. -1:
        there is no journal yet.
        """
        if not self.is_begun:
            return -1
        return self.pending[0][0] if self.pending else self.journal.position()

    def end(self) -> int:
        """Where the journal ends now: what is committed lies before."""
        return self.journal.end()

    # reading

    def read(self) -> bool:
        """Take what the journal holds up to its present end; False if there is no journal.

        Raises:
            CorruptLog: it does not begin with a genesis record, or its chain has a fork.
            OtherIdentity: another topology or run, or other code where the journal does not end
                with a drain.
        """
        if self.is_begun:
            self._push(self.journal.read_on(self._read_digest))
            return True
        found = self.journal.begin()
        if found is None:
            return False
        self._begin(found)
        self.is_begun = True
        return True

    def _push(self, found: list[Stored]) -> None:
        self.pending.extend(found)
        if found:
            self._read_digest = found[-1][1].digest

    def _begin(self, found: Beginning) -> None:
        """Execution and snapshot; the records after it are then pending."""
        task = self.task
        task.genesis = found.genesis[1].facts
        task.counts = dict.fromkeys(self.log.outputs, 0)
        self._written_by, self.snapshot = found.written_by, found.snapshot
        task.open_execution()
        entries = [found.genesis, *found.entries]
        last = entries[-1][1]
        self._read_digest, self._known_to = last.digest, last.sequence
        if last.kind == CLOSE:
            for place, entry in entries:
                self._stand_at(place, entry)
                self._count(entry)
            task.observer.resumed(last.sequence - 1)
            return
        task.observer.resumed(last.sequence)
        self._stand_at(*found.genesis)
        after = found.entries
        if found.snapshot is not None:
            (place, entry), after = after[0], after[1:]
            self._restore(found.snapshot, entry)
            self._stand_at(place, entry, found.snapshot)
        self.pending.extend(after)

    def _stand_at(self, place: int, entry: JournalEntry, snapshot: Snapshot | None = None) -> None:
        self.log.stand_at(place, snapshot)
        self.task.stand_at(entry)

    def _count(self, entry: JournalEntry) -> None:
        for output in entry.outputs:
            self.task.counts[self.log.outputs[output.output]] += output.count

    def _restore(self, snapshot: Snapshot, entry: JournalEntry) -> None:
        task = self.task
        try:
            task.execution.restore(
                snapshot.instruments, snapshot.states, snapshot.feeds, snapshot.skips
            )
        except StageFailed as problem:
            what = f"the snapshot of {self.log.title} does not fit this code: {problem.text}"
            raise OtherIdentity(f"{what}; start the version that wrote it") from problem
        task.counts.update(snapshot.counts)
        self.log.note(entry)

    # executing

    def execute(self, seconds: float = float("inf")) -> int:
        """Execute pending records again, all of them or for so long; returns the batches.

        Raises:
            Diverged: a batch gave something else.
            OtherIdentity: records of other code came while they were followed.
        """
        deadline = self.task.monotonic() + seconds
        batches = 0
        while self.pending and (not batches or self.task.monotonic() < deadline):
            place, entry = self.pending[0]
            if entry.kind == BATCH:
                self.repeat(entry)
                batches += 1
            elif entry.kind == UPGRADE and entry.sequence > self._known_to:
                self._upgraded(entry)
            self.pending.popleft()
            self._stand_at(place, entry)
        return batches

    def repeat(self, entry: JournalEntry) -> Batch:
        """Execute one batch again. Raises what :meth:`execute` does."""
        self._refuse_upgraded(entry)
        task, of = self.task, self.log.of
        wrong = malformed(entry, len(self.log.inputs), len(self.log.outputs))
        if wrong:
            raise MalformedJournal(
                f"batch {entry.sequence}{of}: the journal was changed: {wrong}; the task halts"
            )
        batch = task.execution.repeat_batch(entry.elements)
        finding = compare(batch, entry, task.execution)
        if finding:
            where = self.log.difference(entry, batch)
            what = f"{finding.text}{f' ({where})' if where else ''}"
            raise Diverged(f"recovery at batch {entry.sequence}{of}: {what}; {self.log.advice}")
        self._count(entry)
        self.log.note(entry)
        self._batches += 1
        self._records += sum(int(item.count) for item in entry.inputs)
        task.on_step("batch repeated")
        task.observer.executed_again(entry.sequence, batch.consumed)
        return batch

    def get_ahead(self) -> None:
        """Execute again what is committed by now, which needs no ownership; a standby has.

        What fails is not validated here, for a former owner may be at work still; it is done again,
        from the beginning, by the owner.
        """
        if self.is_begun:
            return
        try:
            if self.read():
                self.execute()
        except ShrivenError:
            self.close()
            self.task.close_execution()
            self._begin_anew()

    def finish(self) -> None:
        """At the journal's end, owned: where outputs end, and the record of an upgrade."""
        task = self.task
        if not task.is_closed:
            self.log.settle(task.genesis)
            if self.is_upgrade:
                self._write_upgrade()
            task.inputs.hear()
        task.observer.recovered(
            self._batches, self._records, task.sequence, task.monotonic() - self._started
        )
        self.close()

    def _write_upgrade(self) -> None:
        task = self.task
        new = {key: self.log.facts.get(key) for key in ("code", "sources", "versions")}
        facts = {
            "old": {"code": self._written_by.get("code")},
            "new": new,
            "migration": "from the drain snapshot",
        }
        sequence = task.sequence + 1
        task.commit(
            JournalEntry(
                sequence=sequence, kind=UPGRADE, input_sequence=task.execution.consumed, facts=facts
            )
        )

    def take_over(self) -> None:
        """A take-over begins: what follows is counted and timed anew."""
        self.check()
        self._started, self._batches, self._records = self.task.monotonic(), 0, 0

    def close(self) -> None:
        """Give the connection back."""
        if self._journal is not None:
            self._journal.close()
            self._journal = None

    def _refuse_upgraded(self, entry: JournalEntry) -> None:
        """This code waits at another one's drain, and that code goes on."""
        if self.is_upgrade:
            raise OtherIdentity(
                f"batch {entry.sequence}{self.log.of} was written by code "
                f"{str(self._written_by.get('code'))[:12]}, this is "
                f"{str(self.log.facts.get('code'))[:12]}; only a process of the same code can "
                "follow it"
            )

    def _upgraded(self, entry: JournalEntry) -> None:
        """An upgrade came while the journal was followed: to this code, or away from it."""
        self._written_by = {**self._written_by, **entry.facts["new"]}
        self._refuse_upgraded(entry)
