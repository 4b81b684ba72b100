"""A task: one topology over one input log, written to one run folder, recoverable at every step.

The batch loop, by numbers (tests kill the process at each):

1. take the next records in merge order
2. execute every stage
3. append the batch's blocks to the output topics
4. sync them, as the policy says
5. append the journal record
6. sync it: **the commit point**
7. write a snapshot, if one is due

Whatever a kill leaves behind: records after the journal's end are cut, the state is the last good snapshot plus the journal re-executed
with every digest checked, and the run goes on as if nothing had happened.

Where batches are large and there are two processors, threads share the work (``overlap.py``): one takes and prepares batch n + 1 while this one
executes the ledgers of batch n and a third does steps 3 to 7 of batch n - 1. Steps 3 to 7 stay in the order of batches, on one thread.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from schemas.catalogue import topic as topic_of
from schemas.codec import codec
from schemas.errors import BadData, CorruptLog, ShrivenError, WrongUse
from streams.log.digest import TopicDigest, digest_so_far
from streams.log.local import LocalLog
from streams.runtime.code import changed_sources
from streams.runtime.comparison import compare
from streams.runtime.execution import Batch, Prepared, RecordedExecution
from streams.runtime.failures import StageFailed
from streams.runtime.journal import BATCH, CLOSE, GENESIS, NO_DIGEST, JournalEntry, OutputEntry, decode_entry
from streams.runtime.made_by import version_of
from streams.runtime.overlap import Overlap
from streams.runtime.processors import processors
from streams.runtime.snapshot import TOPIC as SNAPSHOTS
from streams.runtime.snapshot import Snapshot, lies_behind, read_snapshots, write_snapshot
from streams.runtime.states import restore, stage_states
from streams.runtime.validation import MalformedJournal, malformed

JOURNAL = "pipeline.journal"
STATE_DIGEST_RECORDS = 1_000_000
OVERLAP_RECORDS = 8192
"""Smaller batches are not worth a second thread."""


class OtherIdentity(WrongUse):
    """The run folder holds a run with another identity, or made by other code."""

    code = "other_identity"


class Diverged(ShrivenError):
    """Re-execution did not give what the journal says."""

    code = "diverged"
    restart_helps = False
    bars_owning = True


class InputChanged(BadData):
    """The recording is not the one a run was made from, or not what its own manifest says."""

    code = "input_changed"


class Progress(msgspec.Struct):
    """Where a task is."""

    consumed: int
    total: int
    batches: int


def _ignore(_: Any) -> None:
    return None


class Task:
    """Runs an execution into a run folder.

    Args:
        folder: the run folder, opened for writing.
        execution: topology over its inputs.
        genesis: facts for record 0; ``identity`` and ``code`` among them decide whether an unfinished run may go on.
        batch_records: most input records in a batch.
        state_digest_records: a state digest and a snapshot every so many input records.
        on_step: called with each step's number and name, for fault tests.
        on_progress: called after each batch.
        on_resume: called with the number of batches committed before, when there is an unfinished run.
        script: batch records of another run's journal; their order is repeated instead of merging (exact replay).
        threads: 1 or 2; None: 2 where batches are large and there are two processors. Nothing that comes out depends on it.
    """

    def __init__(
        self,
        folder: LocalLog,
        execution: RecordedExecution,
        genesis: dict[str, Any],
        batch_records: int = 65_536,
        state_digest_records: int = STATE_DIGEST_RECORDS,
        on_step: Callable[[str], None] = _ignore,
        on_progress: Callable[[Progress], None] = _ignore,
        script: Iterator[JournalEntry] | None = None,
        on_resume: Callable[[int], None] = _ignore,
        threads: int | None = None,
    ) -> None:
        self.folder = folder
        self.execution = execution
        self.genesis = genesis
        self.batch_records = batch_records
        self.state_digest_records = state_digest_records
        self.on_step = on_step
        self.on_progress = on_progress
        self.script = script
        self.on_resume = on_resume
        self.overlaps = processors() > 1 and batch_records >= OVERLAP_RECORDS if threads is None else threads > 1
        self.total = sum(feed.end_offset - feed.offset for feed in execution.feeds)
        self.sequence = -1
        self.last_digest = NO_DIGEST
        self.counts = dict.fromkeys(execution.outputs, 0)
        self.closed = False
        self.records = 0
        self.clock = 0
        self.resumed_at: int | None = None
        self.reports: list[str] = []
        self._digests: dict[str, TopicDigest] = {}
        self._writers = {topic: folder.writer(topic) for topic in [*execution.outputs, JOURNAL, SNAPSHOTS]}

    def prepare(self) -> None:
        """Recover what is there, or write the genesis record.

        Raises:
            OtherIdentity: the folder's run is not this one.
            Diverged: re-execution did not give the journal's digests.
            CorruptLog: a journal record other than a torn last one is damaged.
        """
        entries = self._read_journal()
        if not entries:
            self._truncate()
            self._commit(JournalEntry(sequence=0, kind=GENESIS, facts=self.genesis))
            return
        first = entries[0]
        if first.kind != GENESIS:
            raise CorruptLog("the journal does not begin with a genesis record; start over with --fresh")
        check_identity(first.facts, self.genesis)
        self.genesis = first.facts
        for entry in entries:
            wrong = malformed(entry, len(self.execution.feeds), len(self.execution.outputs)) if entry.kind == BATCH else ""
            if wrong:
                raise MalformedJournal(f"journal record {entry.sequence} was changed: {wrong}; restore the folder, or start over with --fresh")
        for entry in entries:
            for output in entry.outputs:
                self.counts[self.execution.outputs[output.output]] += output.count
        batches = [entry for entry in entries if entry.kind == BATCH]
        if batches:
            self.records, self.clock = batches[-1].input_sequence, batches[-1].clock
        self.closed = entries[-1].kind == CLOSE
        self.sequence = entries[-1].sequence
        self.last_digest = entries[-1].digest
        self._truncate()
        self.resumed_at = len(batches)
        self.on_resume(len(batches))
        if not self.closed:
            self._recover(entries)

    def _read_journal(self) -> list[JournalEntry]:
        entries: list[JournalEntry] = []
        writer = self._writers[JOURNAL]
        blocks = list(self.folder.reader(JOURNAL).blocks()) if writer.next_offset else []
        for number, block in enumerate(blocks):
            try:
                entry = decode_entry(bytes(block.body))
                if entries and entry.previous_digest != entries[-1].digest:
                    raise CorruptLog(f"journal record {number} does not continue the one before it; start over with --fresh")
            except CorruptLog:
                if number + 1 < len(blocks):
                    raise
                self.reports.append(f"the journal's last record was torn and is cut: record {number}")
                writer.truncate(number)
                break
            entries.append(entry)
        return entries

    def _truncate(self) -> None:
        """Cut every output back to what the journal commits."""
        for topic, count in self.counts.items():
            writer = self._writers[topic]
            if writer.fault is not None and writer.fault.offset < count:
                raise writer.fault
            if writer.next_offset < count:
                raise CorruptLog(f"{topic} holds {writer.next_offset} records, the journal committed {count}; start over with --fresh")
            if writer.next_offset > count or writer.fault is not None:
                self.reports.append(f"{topic}: {writer.next_offset - count} records after the journal's end are cut")
                writer.truncate(count)

    def _recover(self, entries: list[JournalEntry]) -> None:
        """Restore the best snapshot and re-execute the journal after it, emitting nothing."""
        by_sequence = {entry.sequence: entry for entry in entries}
        start = 0
        snapshots, good = read_snapshots(self.folder)
        writer = self._writers[SNAPSHOTS]
        if good < writer.next_offset or writer.fault is not None:
            self.reports.append(f"{SNAPSHOTS} is damaged after offset {good}: cut, for it is only a cache")
            writer.truncate(good)
        begins = [feed.offset for feed in self.execution.feeds]
        for snapshot in snapshots:
            entry = by_sequence.get(snapshot.journal_sequence)
            if entry is None or not snapshot.has_states_of(entry):
                continue
            if not lies_behind(snapshot, entries, begins, self.execution.outputs):
                continue
            try:
                restore(self.execution.engine, snapshot.states)
            except StageFailed:
                continue
            self.execution.seek(snapshot.feeds)
            start = snapshot.journal_sequence
            break
        for entry in entries:
            if entry.kind == BATCH and entry.sequence > start:
                self.execution.check_elements(entry.elements)
                batch = self.execution.repeat_batch(entry.elements)
                finding = compare(batch, entry, self.execution)
                if finding:
                    raise Diverged(f"recovery at batch {entry.sequence}: {finding.text}; 'sq verify' says more, --fresh starts over")
                self.on_progress(Progress(batch.consumed, self.total, entry.sequence))

    def run(self) -> None:
        """Batches until the inputs end; the last record is Close.

        Raises:
            InputChanged: the records that were read are not those of the digests in the run's identity.
        """
        if self.closed:
            return
        if self.overlaps and not self.execution.engine.ended:
            self._run_overlapped()
        while not self.execution.engine.ended:
            self._batch()
        self._check_inputs()
        self._commit(JournalEntry(sequence=self.sequence + 1, kind=CLOSE, input_sequence=self.records))
        self.closed = True

    def _check_inputs(self) -> None:
        changed = self.execution.read_digests.differing(self.genesis.get("identity", {}).get("inputs", {}))
        if changed:
            raise InputChanged(
                f"input changed: the records of {', '.join(changed)} in {self.genesis.get('input_path', 'the recording')} are not those its "
                "log.json speaks of; restore the recording or import it again, and run with --fresh"
            )

    def _batch(self) -> None:
        prepared = self._prepare()
        encoded = self.execution.run_order_side(prepared)
        self.on_step("executed")
        self._write(encoded, *self._state_due(prepared))
        self.on_progress(Progress(prepared.consumed, self.total, self.sequence))

    def _run_overlapped(self) -> None:
        """The same batches; while one's ledgers are executed here, the next is prepared and those before are written on other threads."""
        execution = self.execution
        execution.overlaps = True
        try:
            with Overlap() as other:
                coming = other.submit(self._prepare)
                while True:
                    prepared = coming.result()
                    other.check()
                    ended = prepared.piece.ended
                    is_due = ended or prepared.consumed % self.state_digest_records == 0
                    if not is_due:
                        coming = other.submit(self._prepare)
                    encoded = execution.run_order_side(prepared)
                    self.on_step("executed")
                    other.commit(self._write, encoded, *self._state_due(prepared))
                    self.on_progress(Progress(prepared.consumed, self.total, self.sequence + 1))
                    if ended:
                        return
                    if is_due:  # states were taken with no batch prepared beyond them
                        coming = other.submit(self._prepare)
        finally:
            execution.overlaps = False

    def _prepare(self) -> Prepared:
        """Steps 1 and, of 2, the ahead loop."""
        self.on_step("taking")
        if self.script is not None:
            given = next((entry for entry in self.script if entry.kind == BATCH), None)
            if given is None:
                raise WrongUse("the journal to repeat ends before its inputs do: the run it belongs to is not finished")
            self.execution.check_elements(given.elements)
            return self.execution.prepare_again(given.elements)
        due = self.state_digest_records - self.execution.prepared % self.state_digest_records
        return self.execution.prepare(min(self.batch_records, due))

    def _state_due(self, batch: Prepared) -> tuple[dict[str, bytes], list[list[int]]]:
        """States and positions behind the batch, if its journal record is to hold their digests; else nothing."""
        if not batch.piece.ended and batch.consumed % self.state_digest_records:
            return {}, []
        return dict(stage_states(self.execution.engine)), self.execution.positions()

    def _write(self, encoded: Callable[[], Batch], states: dict[str, bytes], positions: list[list[int]]) -> None:
        """Steps 3 to 7."""
        batch = encoded()
        entries: list[OutputEntry] = []
        for output in batch.outputs:
            writer = self._writers[output.topic]
            self._digest_of(output.topic).update(output.body, output.count, output.end_of)
            checksum = writer.append(output.body, output.count, batch.clock)
            self.counts[output.topic] += output.count
            number = self.execution.outputs.index(output.topic)
            entries.append(OutputEntry(number, output.count, output.digest, checksum, writer.end_position, -1))
            self.on_step("output appended")
        for output in batch.outputs:
            self._writers[output.topic].sync()
        self.on_step("outputs synced")
        entry = JournalEntry(
            sequence=self.sequence + 1,
            kind=BATCH,
            input_sequence=batch.consumed,
            clock=batch.clock,
            elements=batch.elements,
            inputs=batch.inputs,
            outputs=entries,
            states=[(number, hashlib.sha256(state).digest()) for number, state in enumerate(states.values())],
        )
        self._commit(entry)
        self.records, self.clock = batch.consumed, batch.clock
        self.on_step("committed")
        if states and not batch.ended:
            snapshot = Snapshot(
                sequence=batch.consumed,
                journal_sequence=entry.sequence,
                journal_digest=entry.digest,
                feeds=positions,
                counts=dict(self.counts),
                states=states,
            )
            write_snapshot(self._writers[SNAPSHOTS], snapshot)
            self.on_step("snapshot written")

    def _digest_of(self, topic: str) -> TopicDigest:
        """The topic's digest so far; what a process before this one wrote is read for it once."""
        if topic not in self._digests:
            coder = codec(topic_of(topic).record)
            is_new = not self.counts[topic]
            self._digests[topic] = TopicDigest(coder.fingerprint) if is_new else digest_so_far(self.folder.reader(topic), coder)
        return self._digests[topic]

    def topics(self) -> dict[str, dict[str, Any]]:
        """Count and digest of each output, as a manifest has them."""
        return {topic: {"count": count, "digest": self._digest_of(topic).digest().hex()} for topic, count in self.counts.items()}

    def _commit(self, entry: JournalEntry) -> None:
        entry.previous_digest = self.last_digest
        body = entry.encode()
        writer = self._writers[JOURNAL]
        writer.append(body, 1)
        self.on_step("journal appended")
        writer.sync()
        self.sequence = entry.sequence
        self.last_digest = entry.digest


def check_identity(before: dict[str, Any], now: dict[str, Any]) -> None:
    """Refuse to go on with a run that is another one.

    Raises:
        OtherIdentity: names what differs.
    """
    if version_of(before) != version_of(now):
        raise OtherIdentity(
            f"the folder holds a run made by version {version_of(before)}, this is version "
            f"{version_of(now)}; use that version, or --fresh to start over"
        )
    old, new = before.get("identity", {}), now.get("identity", {})
    differing = sorted(key for key in old.keys() | new.keys() if old.get(key) != new.get(key))
    if differing:
        named = ", ".join(_changed(key, old.get(key), new.get(key)) for key in differing)
        raise OtherIdentity(f"the folder holds another run: {named}; choose another --out, or --fresh to start over")
    if before.get("code") != now.get("code"):
        named = ", ".join(changed_sources(before.get("sources", {}), now.get("sources", {}))[:5]) or "unknown files"
        raise OtherIdentity(f"the run was made by other code ({named} differ); use that code, or --fresh to start over")


def _changed(key: str, old: Any, new: Any) -> str:
    names = changed_sources(old or {}, new or {})[:5] if key == "strategy_files" else []
    return f"{', '.join(names)} of {key} differ" if names else f"{key} was {_short(old)}, now {_short(new)}"


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
