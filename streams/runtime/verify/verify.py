"""Verify: execute a journal again with this code, and compare every byte that was written.

Says apart what changed: the input, the code, the output, or the journal. The first divergent batch,
topic and record are named. Where everything lies, :class:`Evidence` says: a run folder
(``run_evidence.py``), a cluster or a folder that was pulled from one (``live/evidence.py``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Protocol

import msgspec

from schemas.catalogue import topic as topic_of
from schemas.codec import codec
from schemas.errors import CorruptLog, ShrivenError
from streams.log.local import LocalLog
from streams.runtime.journal.batch import Batch
from streams.runtime.journal.divergence import Difference, Divergence, Kind
from streams.runtime.journal.entry_validation import malformed
from streams.runtime.journal.journal import (
    BATCH,
    CLOSE,
    GENESIS,
    JOURNAL,
    NO_DIGEST,
    JournalEntry,
    OutputEntry,
    decode_entry,
)  # fmt: skip
from streams.runtime.recovery.comparison import STATE, compare
from streams.runtime.recovery.execution import Execution
from streams.runtime.tools.code import changed_sources
from streams.runtime.verify.output_reader import first_difference

RECOMPUTED = "recomputed from the input"
AS_JOURNALED = "as journaled"


class Verdict(msgspec.Struct):
    """Result of a verification.

    Attributes:
        batches, records: those verified.
        clock: after them, ns UTC.
        closed: the journal ends with Close.
        topics: count and digest of each output as it was read; of a run folder.
        notes: what is no fault but should be known.
        order: where the order of the inputs came from.
        reports: what was done with the reports; empty where there is nothing to say.
    """

    batches: int = 0
    records: int = 0
    clock: int = 0
    closed: bool = False
    findings: list[Divergence] = []
    topics: dict[str, dict[str, int | str]] = {}
    notes: list[str] = []
    order: str = AS_JOURNALED
    reports: str = ""

    @property
    def scope(self) -> str:
        """What the verdict speaks of, as the last line says it."""
        return f"order: {self.order}" + (f"; reports: {self.reports}" if self.reports else "")

    @property
    def is_good(self) -> bool:
        """True if at least one batch was verified and nothing was found."""
        return self.batches > 0 and not self.findings


class OutputReader(Protocol):
    """One output topic on the log, read along with the journal."""

    @property
    def next_offset(self) -> int:
        """Offset of the next record, or a lower one behind the last."""

    def take(self, item: OutputEntry) -> tuple[Any, str]:
        """Bodies of the records that the journal's entry speaks of, and what of them is not as the
        entry says (empty: nothing)."""

    def require_kept(self, offset: int) -> None:
        """Raise OffsetOutOfRange if retention has removed records from this offset on."""


class Evidence(Protocol):
    """A journal, the inputs it names and the outputs it speaks of.

    Attributes:
        order: where the order of the inputs comes from, for the verdict.
        name: of the journal, for messages.
        whose: whose the journal is, for messages.
        total: input records there are; 0 if that is not known.
        outputs: topics by number, as the journal counts them.
    """

    order: str
    name: str
    whose: str
    total: int

    @property
    def outputs(self) -> list[str]: ...

    def journal(self) -> Iterator[JournalEntry]:
        """The journal's records; the chain is checked.

        Raises:
            CorruptLog: it breaks. OtherVersion: another version wrote it.
        """

    def sources(self, facts: dict[str, Any]) -> dict[str, str]:
        """This code's sources and digests."""

    def begin(self, facts: dict[str, Any]) -> Execution | Divergence:
        """What executes the journal of these genesis facts."""

    def impossible(self, entry: JournalEntry) -> str:
        """What of a well-formed batch record cannot be in such a journal; empty if nothing."""

    def repeat(self, entry: JournalEntry) -> Batch | Divergence:
        """Execute the batch's inputs in their order."""

    def reader_of(self, topic: str) -> OutputReader | None:
        """The output's records on the log; None where it is not published."""

    def contradiction(self, entry: JournalEntry, batch: Batch) -> str:
        """What of a batch record is not what its batch was, beside what the verifier compares."""

    def accept(self, entry: JournalEntry) -> None:
        """The batch was verified."""

    def other(self, entry: JournalEntry) -> str:
        """A note on a record that is no batch and no Close. Raises CorruptLog if there is none."""

    def close(self, entry: JournalEntry) -> str:
        """Take the Close; what of it is not as a task writes it; empty if nothing."""

    def end(self, verdict: Verdict) -> list[Divergence]:
        """After the last batch: what else is there, and must not be. May add notes and topics."""

    def explain(self, problem: ShrivenError) -> Divergence | None:
        """What an error says of the evidence; None: it is the code's. Raises what is neither."""

    def release(self) -> None:
        """Give back what reads."""


class Verifier:
    """Verifies one journal.

    Args:
        evidence: where everything lies.
        on_progress: called with the input records verified and how many there are (0: not known).

    Attributes:
        facts: of the genesis record, once it was read.
    """

    def __init__(
        self, evidence: Evidence, on_progress: Callable[[int, int], None] | None = None
    ) -> None:
        self.evidence = evidence
        self.on_progress = on_progress
        self.facts: dict[str, Any] = {}
        self.verdict = Verdict(findings=[], order=evidence.order)
        self._note = ""

    def verify(self) -> Verdict:
        """Execute every batch again; stop at the first that differs.

        Raises:
            OtherVersion: another version wrote the journal, and only that one can prove it.
            UnansweredSchemaId: an input holds records of another version's schema, and the
                registry does not answer.
        """
        verdict = self.verdict
        try:
            verdict.findings += self._journal()
        except ShrivenError as problem:
            found = self.evidence.explain(problem)
            if found is None:
                batch = verdict.batches + 1
                found = Divergence(Kind.CODE, f"batch {batch}: {problem.text}{self._note}", batch)
            verdict.findings.append(found)
        finally:
            self.evidence.release()
        return verdict

    def _journal(self) -> list[Divergence]:
        """1. genesis; 2. each batch, to the first that differs; 3. what is left behind the last."""
        evidence, verdict = self.evidence, self.verdict
        entries = evidence.journal()
        genesis = next(entries, None)
        if genesis is None or genesis.kind != GENESIS:
            raise CorruptLog(
                f"{evidence.name} is empty or does not begin with a genesis record; "
                "nothing can be verified"
            )
        self.facts = facts = genesis.facts
        changed = changed_sources(facts.get("sources", {}), evidence.sources(facts))
        if changed:
            named = ", ".join(changed[:5])
            self._note = f"; this code differs from {evidence.whose} in {named}"
        begun = evidence.begin(facts)
        if isinstance(begun, Divergence):
            return [begun]
        for entry in entries:
            if verdict.closed:
                raise CorruptLog(
                    f"journal record {entry.sequence} comes after the journal's Close"
                )
            if entry.kind == CLOSE:
                verdict.closed = True
                if wrong := evidence.close(entry):
                    return [Divergence(Kind.JOURNAL, wrong, entry.sequence)]
            elif entry.kind != BATCH:
                verdict.notes.append(evidence.other(entry))
            elif found := self._batch(entry, begun):
                return [found]
        found_behind = evidence.end(verdict)
        if not verdict.batches:
            text = "the journal has no batch: nothing was verified"
            found_behind.append(Divergence(Kind.FILE, text))
        return found_behind

    def _batch(self, entry: JournalEntry, execution: Execution) -> Divergence | None:
        """Execute one batch again and compare; the first difference, None if there is none."""
        evidence = self.evidence
        wrong = malformed(entry, len(execution.feeds), len(evidence.outputs))
        if wrong := wrong or evidence.impossible(entry):
            return journal_changed(entry, wrong)
        batch = evidence.repeat(entry)
        if isinstance(batch, Divergence):
            return batch
        found = self._outcome_of(entry, batch, compare(batch, entry, execution))
        if found is not None:
            return found
        evidence.accept(entry)
        verdict = self.verdict
        verdict.batches += 1
        verdict.records, verdict.clock = batch.consumed, batch.clock
        if self.on_progress is not None:
            self.on_progress(verdict.records, evidence.total)
        return None

    def _outcome_of(
        self, entry: JournalEntry, batch: Batch, found: Divergence | None
    ) -> Divergence | None:
        """Whether input, code, output or journal was changed, if anything was.

        Args:
            found: how the batch differs from its journal record.
        """
        where = f"batch {entry.sequence}"
        if found is not None and found.kind is Kind.INPUT:
            return found.within(f"{where}: {found.text}")
        on_log, misplaced = self._compare_outputs(entry, batch)
        if on_log is not None and found is not None:
            own = f"; this code is {self.evidence.whose} own: a stage is not deterministic, "
            own += "or output and journal were both rewritten"
            text = f"{where}: {found.text} ({on_log.text}){self._note or own}"
            return _at(on_log, Kind.CODE, text, entry)
        if on_log is not None:
            text = f"{where}: output changed: {on_log.text}"
            return _at(on_log, Kind.OUTPUT, text, entry)
        if found is not None and found.field == STATE:
            text = f"{where}: {found.text}; every record is as it was{self._note}"
            return found.within(text)
        if found is not None and self.evidence.reader_of(found.topic) is None:
            return found.within(f"{where}: {found.text}{self._note}")
        if found is not None:
            wrong = f"its digest or count of {found.topic}"
        else:
            wrong = misplaced or self._contradiction(entry, batch)
        behind = "; the records on the log are what this code makes"
        return journal_changed(entry, f"{wrong}{behind}") if wrong else None

    def _contradiction(self, entry: JournalEntry, batch: Batch) -> str:
        """What of a journal record is not what its batch was, its outputs aside."""
        if (entry.clock, entry.input_sequence) != (batch.clock, batch.consumed):
            return (
                f"it says {entry.input_sequence} records at clock {entry.clock}, "
                f"there are {batch.consumed} at {batch.clock}"
            )
        if entry.inputs != batch.inputs:
            return "its counts of inputs"
        return self.evidence.contradiction(entry, batch)

    def _compare_outputs(
        self, entry: JournalEntry, batch: Batch
    ) -> tuple[Difference | None, str]:
        """The first record on the log that is not what was made now, None if all are; and the
        first that does not lie where the journal says, empty if all do."""
        made = {output.topic: output for output in batch.outputs}
        misplaced = ""
        for item in entry.outputs:
            topic = self.evidence.outputs[item.output]
            output = made.pop(topic, None)
            reader = self.evidence.reader_of(topic)
            if reader is None:
                continue
            first = reader.next_offset
            body, wrong = reader.take(item)
            if output is None:
                return Difference(
                    f"{topic} offset {first} is on the log and was not made", topic, first
                ), ""
            if memoryview(body) != memoryview(output.body).cast("B"):
                reader.require_kept(first)
                if not body:
                    return Difference(wrong, topic), ""
                counts = item.count, output.count
                return first_difference(topic, first, bytes(body), bytes(output.body), *counts), ""
            misplaced = misplaced or wrong
        for topic, output in made.items():
            reader = self.evidence.reader_of(topic)
            if reader is not None:
                first = reader.next_offset
                text = (
                    f"{topic} offset {first}: {output.count} records are made now and are not "
                    "on the log"
                )
                return Difference(text, topic, first), ""
        return None, misplaced


def journal_changed(entry: JournalEntry, wrong: str) -> Divergence:
    """The divergence of a journal record that says what it cannot, or what was not."""
    text = f"batch {entry.sequence}: the journal was changed: {wrong}"
    return Divergence(Kind.JOURNAL, text, entry.sequence)


def _at(difference: Difference, kind: Kind, text: str, entry: JournalEntry) -> Divergence:
    return Divergence(
        kind, text, entry.sequence, difference.topic, difference.record, difference.field
    )


def read_journal(folder: LocalLog, is_finished: bool = True) -> Iterator[JournalEntry]:
    """The journal's records in order, the chain checked; of an unfinished run, a last record that
    was torn by its end is left out.

    Raises:
        CorruptLog: a record is damaged or does not continue the one before.
    """
    previous = NO_DIGEST
    reader = folder.reader(JOURNAL)
    for number, block in enumerate(reader.blocks()):
        try:
            entry = decode_entry(bytes(block.body))
        except CorruptLog as problem:
            if block.end_offset == reader.end_offset and number and not is_finished:
                return
            raise CorruptLog(f"journal record {number}: {problem}") from problem
        if entry.previous_digest != previous or entry.sequence != number or block.count != 1:
            raise CorruptLog(f"journal record {number} does not continue the one before it")
        previous = entry.digest
        yield entry


def genesis_of(folder: LocalLog) -> JournalEntry:
    """The journal's first record; a pulled journal has many in a block.

    Raises:
        CorruptLog: it is damaged. StopIteration: there is none.
    """
    block = next(iter(folder.reader(JOURNAL).blocks()))
    end = (
        int(codec(topic_of(JOURNAL).record).record_ends(block.body, block.count)[0])
        if block.count > 1
        else len(block.body)
    )
    try:
        return decode_entry(bytes(block.body[:end]))
    except CorruptLog as problem:
        raise CorruptLog(f"journal record 0: {problem}") from problem
