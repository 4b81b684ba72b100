"""A task: one topology over its inputs, to its log, exactly once, recoverable at every step.

There is one task for run folders and for clusters. What differs is behind two protocols: the log
that it writes to (``task_log.py``: a run folder, or one shard's topics), and which records come
next (``task_inputs.py``: the merge of a recording, or of what has arrived).

Taking over (:meth:`Task.prepare`), by numbers:

1. own the log: no former owner can write any more. Beside that, rebuild the state from what is
   committed already: last good snapshot, and the journal after it executed again with every digest
   checked, emitting nothing
2. only then read the journal's end, and execute what came before it meanwhile; or write the genesis
   record, where there is no journal
3. what a former owner left behind the journal's end is made an end of: cut, or aborted and its
   batches carried out again

The batch (:meth:`Task.step`), by numbers; tests stop or kill the process at each:

1. take the next records in their order
2. execute every stage
3. write the batch's outputs and dead letters: appended to their topics, or in a transaction
4. on a run folder, sync them as the policy says
5. write the journal record
6. sync it, or commit the transaction: **the commit point**
7. write a snapshot, if one is due

Whatever a kill leaves behind: what lies after the journal's end is nobody's, the state is the last
good snapshot plus the journal executed again, and the task goes on as if nothing had happened. Any
error in a batch ends the task; nothing is undone in memory.

Where batches of a recording are large and there are two processors, threads share the work
(``overlap.py``): one takes and prepares batch n + 1 while this one executes the order side of batch
n and a third does steps 3 to 7 of batch n - 1. Steps 3 to 7 stay in the order of batches, on one
thread.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import msgspec

from streams.runtime.failures import BeforeBatch, InputChanged, JournalClosed
from streams.runtime.journal.batch import Batch, Prepared
from streams.runtime.journal.journal import BATCH, CLOSE, GENESIS, NO_DIGEST, JournalEntry
from streams.runtime.journal.observer import BatchFacts, Observer
from streams.runtime.journal.snapshot import Snapshot
from streams.runtime.recovery.execution import Execution
from streams.runtime.recovery.recovery import Recovery
from streams.runtime.recovery.task_inputs import Inputs, RecordedInputs
from streams.runtime.recovery.task_log import TaskLog
from streams.runtime.schedule.overlap import Overlap

STATE_DIGEST_RECORDS = 1_000_000


def ignore(_: str) -> None:
    """Nobody follows the steps."""


class Task:
    """See the module's head.

    Args:
        log: journal, outputs and snapshots.
        inputs: chooses the records of each batch.
        state_digest_records: a state digest and a snapshot every so many input records.
        on_step: called with each step's name, for fault tests.
        observer: told of commits, recoveries and waits.
        monotonic: seconds.

    Attributes:
        sequence, last_digest: of the last journal record.
        records, clock: consumed since genesis, and the clock behind the last batch.
        counts: records written, by output.
        genesis: facts of the genesis record.
    """

    def __init__(
        self,
        log: TaskLog,
        inputs: Inputs,
        state_digest_records: int = STATE_DIGEST_RECORDS,
        on_step: Callable[[str], None] = ignore,
        observer: Observer | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.log = log
        self.inputs = inputs
        self.state_digest_records = state_digest_records
        self.on_step = on_step
        self.observer = observer or Observer()
        self.monotonic = monotonic
        self.sequence = -1
        self.last_digest = NO_DIGEST
        self.records = self.clock = 0
        self.counts = dict.fromkeys(log.outputs, 0)
        self.genesis: dict[str, Any] = {}
        self.is_closed = False
        self.recovery = Recovery(self)
        self._execution: Execution | None = None

    @property
    def execution(self) -> Execution:
        """Once the journal was opened or begun."""
        assert self._execution is not None, "the journal was neither opened nor begun"
        return self._execution

    @execution.setter
    def execution(self, execution: Execution) -> None:
        self._execution = execution

    def open_execution(self) -> None:
        """Prepare the stages for the journal's genesis."""
        self._execution = self.inputs.open(self.genesis)

    def close_execution(self) -> None:
        """Give back what the stages hold."""
        if self._execution is not None:
            self._execution.close()

    # taking over

    def follow(self, wait_seconds: float) -> int:
        """Be a standby for a short while: execute what the owner has committed, write nothing,
        fence nobody; returns the batches.

        Raises:
            JournalClosed: the topology was ended.
            ShrivenError: as :meth:`Recovery.follow`; this task can never be promoted then.
        """
        batches = self.recovery.follow(wait_seconds)
        if self.is_closed:
            raise JournalClosed(f"{self.log.title} was ended: there is nothing to follow")
        return batches

    def prepare(self) -> None:
        """Become the owner: recover what was not followed yet, or begin.

        Raises:
            OtherIdentity: the journal is another topology's or run's, or of other code.
            Diverged: re-execution did not give the journal's digests.
            CorruptLog: the journal is damaged.
            TransportFailed: the log cannot be used.
        """
        self.recovery.take_over()
        self.log.own(self.recovery.get_ahead)
        is_there, left = self._read(), self.log.loose_ends(self)
        if left.clear():
            is_there = self._read()
        if is_there:
            left.carry_out()
            self.recovery.finish()
        else:
            self._begin()
        self.inputs.start()
        self.on_step("prepared")

    def _read(self) -> bool:
        """The journal, read and executed again to its present end; False if there is none."""
        is_there = self.recovery.read()
        self.on_step("journal read")
        if is_there:
            self.recovery.execute()
        return is_there

    def _begin(self) -> None:
        """Write the genesis record."""
        self.genesis = self.log.begin()
        self.open_execution()
        self.commit(JournalEntry(sequence=0, kind=GENESIS, facts=self.genesis))

    def stand_at(self, entry: JournalEntry) -> None:
        """The state is that behind this journal record."""
        self.sequence, self.last_digest = entry.sequence, entry.digest
        self.is_closed = entry.kind == CLOSE
        self.records = entry.input_sequence
        if entry.kind == BATCH:
            self.clock = entry.clock

    # batches

    def step(self, wait_seconds: float = 0.0) -> int:
        """One batch, if anything has arrived within ``wait_seconds``; returns the records it
        consumed.

        Raises:
            ShrivenError: the task is over; make a new one.
        """
        if self.is_closed:
            raise JournalClosed(
                f"{self.log.title} was ended; 'sq run' starts another one under another name"
            )
        try:
            batch = self.inputs.next(wait_seconds)
            if batch is not None:
                self.write(batch, self._state_due(batch))
            self.log.look_after(self.execution)
            self.log.check(self.genesis)
            return sum(item.count for item in batch.inputs) if batch is not None else 0
        except BeforeBatch:
            if self.records:
                # the state is that of the journal's end, and repaired code can go on from here
                self.drain()
            raise
        except BaseException:
            self.log.abandon()
            raise

    def run(self) -> None:
        """Batches until the inputs end; the last record is Close.

        Raises:
            InputChanged: the records that were read are not those of the digests in the run's
                identity.
        """
        if self.is_closed:
            return
        if (
            isinstance(self.inputs, RecordedInputs)
            and self.inputs.overlaps
            and not self.execution.engine.ended
        ):
            self._run_overlapped(self.inputs)
        while not self.execution.engine.ended:
            self.step()
        changed = self.inputs.changed(self.genesis)
        if changed:
            raise InputChanged(
                f"input changed: the records of {changed} in "
                f"{self.genesis.get('input_path', 'the recording')} are not those its log.json "
                "speaks of; restore the recording or import it again, and run with --fresh"
            )
        self.end()

    def _run_overlapped(self, inputs: RecordedInputs) -> None:
        """The same batches; while one's order side is executed here, the next is prepared and those
        before are written on other threads.
        """
        execution = inputs.execution
        execution.overlaps = True
        try:
            with Overlap() as other:
                coming = other.submit(inputs.prepare)
                while True:
                    prepared = coming.result()
                    other.check()
                    ended = prepared.input_batch.ended
                    is_due = self._is_due(ended, prepared.consumed)
                    if not is_due:
                        coming = other.submit(inputs.prepare)
                    encoded = execution.run_order_side(prepared)
                    self.on_step("executed")
                    other.commit(
                        lambda made, state: self.write(made(), state),
                        encoded,
                        self._state_due(prepared, ended),
                    )
                    if ended:
                        return
                    if is_due:  # states were taken with no batch prepared beyond them
                        coming = other.submit(inputs.prepare)
        finally:
            execution.overlaps = False

    def _is_due(self, ended: bool, consumed: int) -> bool:
        return ended or (consumed > 0 and consumed % self.state_digest_records == 0)

    def _state_due(self, batch: Batch | Prepared, ended: bool | None = None) -> Snapshot | None:
        """The state behind the batch, if its journal record is to hold the digests of it."""
        ended = batch.ended if isinstance(batch, Batch) else bool(ended)
        is_tick = not batch.inputs and not ended
        return self._state() if self._is_due(ended, batch.consumed) and not is_tick else None

    def _state(self) -> Snapshot:
        execution = self.execution
        return Snapshot(
            sequence=execution.consumed,
            journal_sequence=-1,
            journal_digest=NO_DIGEST,
            feeds=execution.positions(),
            counts={},
            states=execution.stage_states(),
        )

    def write(self, batch: Batch, state: Snapshot | None) -> None:
        """Steps 3 to 7."""
        entry = JournalEntry(
            sequence=self.sequence + 1,
            kind=BATCH,
            input_sequence=batch.consumed,
            clock=batch.clock,
            elements=batch.elements,
            inputs=batch.inputs,
        )
        counts = {
            **self.counts,
            **{output.topic: self.counts[output.topic] + output.count for output in batch.outputs},
        }
        snapshot = self._bound(state, entry, counts) if state is not None else None
        started = self.monotonic()
        entry.outputs = self.log.append(entry.sequence, batch.outputs, batch.clock)
        self.commit(entry)
        seconds = self.monotonic() - started
        self.counts = counts
        self.inputs.committed(seconds)
        self.observer.committed(self._facts(entry, batch, seconds))
        if snapshot is not None and not batch.ended:
            self._write_snapshot(snapshot)

    def _facts(self, entry: JournalEntry, batch: Batch, seconds: float) -> BatchFacts:
        topics, feeds = self.log.inputs, self.execution.feeds
        return BatchFacts(
            sequence=entry.sequence,
            records=sum(item.count for item in batch.inputs),
            consumed=batch.consumed,
            inputs={topics[item.input]: item.count for item in batch.inputs},
            outputs=batch.outputs,
            input_ms={topics[item.input]: feeds[item.input].timestamp_ms for item in batch.inputs},
            work_seconds=self.inputs.work_seconds,
            commit_seconds=seconds,
            clock=batch.clock,
        )

    def commit(self, entry: JournalEntry) -> None:
        """Steps 5 and 6: this journal record, behind the last one."""
        entry.previous_digest = self.last_digest
        self.log.commit(entry)
        self.stand_at(entry)

    def _bound(self, state: Snapshot, entry: JournalEntry, counts: dict[str, int]) -> Snapshot:
        """The state behind this journal record, not written yet; the record is given the digests of
        it.
        """
        snapshot = msgspec.structs.replace(
            state, journal_sequence=entry.sequence, counts=dict(counts)
        )
        return self.log.complete(snapshot, entry, self.execution)

    def _write_snapshot(self, snapshot: Snapshot) -> None:
        """A cache of the journal, behind its record: worth nothing until it is whole."""
        started = self.monotonic()
        size = self.log.write_snapshot(
            msgspec.structs.replace(snapshot, journal_digest=self.last_digest)
        )
        self.on_step("snapshot written")
        self.observer.snapshot(size, self.monotonic() - started, self.sequence)

    # the end

    def drain(self) -> None:
        """Stop well: a snapshot at the journal's exact end; tools are told where it is."""
        execution = self.execution
        if execution.is_started and not self.is_closed:
            entry = JournalEntry(
                sequence=self.sequence + 1,
                kind=BATCH,
                input_sequence=execution.consumed,
                clock=execution.present,
            )
            snapshot = self._bound(self._state(), entry, self.counts)
            self.commit(entry)
            self._write_snapshot(snapshot)
        self.log.flush(execution)
        self.on_step("drained")

    def end(self) -> None:
        """Close the journal for good: nothing can be appended after it."""
        if not self.is_closed:
            facts = self.log.closing_facts()
            self.commit(
                JournalEntry(
                    sequence=self.sequence + 1,
                    kind=CLOSE,
                    input_sequence=self.execution.consumed,
                    facts=facts,
                )
            )

    def close(self) -> None:
        """Give connections back."""
        self.close_execution()
        self.recovery.close()
        self.log.close()
