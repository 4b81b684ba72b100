"""Verify: re-execute a run's journal with this code, and check every byte that was written.

Says apart what changed: the input, the code, the output, or the journal. The first divergent batch, topic and record are named.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import msgspec
import numpy as np

from schemas.catalogue import topic as topic_of
from schemas.codec import codec
from schemas.errors import CorruptLog, ShrivenError
from streams.log.local import LocalLog
from streams.runtime.code import changed_sources
from streams.runtime.comparison import compare, compare_inputs
from streams.runtime.execution import Batch, Execution
from streams.runtime.journal import BATCH, CLOSE, GENESIS, NO_DIGEST, JournalEntry, decode_entry
from streams.runtime.snapshot import TOPIC as SNAPSHOTS
from streams.runtime.snapshot import read_snapshots
from streams.runtime.task import JOURNAL
from streams.runtime.validation import CLOCK, END, malformed, malformed_close
from streams.runtime.written import Written, first_difference


class Finding(msgspec.Struct, frozen=True):
    """Something that is not as the run says. ``kind``: input, code, output, journal or file."""

    kind: str
    text: str


RECOMPUTED = "recomputed from the input"
AS_JOURNALED = "as journaled"


class Verdict(msgspec.Struct):
    """Result of a verification.

    Attributes:
        batches, records: those verified.
        clock: after them, ns UTC.
        closed: the journal ends with Close.
        topics: count and digest of each output as it was read.
        notes: what is no fault but should be known.
        order: where the order of the inputs came from.
        reports: what was done with the reports; empty where there is nothing to say.
    """

    batches: int = 0
    records: int = 0
    clock: int = 0
    closed: bool = False
    findings: list[Finding] = []
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


def read_journal(folder: LocalLog, is_finished: bool = True) -> Iterator[JournalEntry]:
    """The journal's records in order, the chain checked; of an unfinished run, a last record that was torn by its end is left out.

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
    end = int(codec(topic_of(JOURNAL).record).record_ends(block.body, block.count)[0]) if block.count > 1 else len(block.body)
    try:
        return decode_entry(bytes(block.body[:end]))
    except CorruptLog as problem:
        raise CorruptLog(f"journal record 0: {problem}") from problem


class Verifier:
    """Verifies one run folder.

    Args:
        folder: the run.
        prepare: builds the execution from the genesis facts.
        sources: this code's sources and digests.
        is_finished: the folder is closed by its manifest.
    """

    def __init__(
        self,
        folder: LocalLog,
        prepare: Callable[[dict[str, Any]], Execution],
        sources: dict[str, str],
        on_progress: Callable[[int, int], None] | None = None,
        is_finished: bool = True,
    ) -> None:
        self.folder = folder
        self.prepare = prepare
        self.sources = sources
        self.verdict = Verdict(findings=[], order=RECOMPUTED)
        self.on_progress = on_progress
        self.is_finished = is_finished
        self._counts: dict[str, int] = {}
        self._marks: dict[int, Any] = {}

    def verify(self) -> Verdict:
        """Re-execute every batch; stops at the first that differs."""
        try:
            self._verify()
        except CorruptLog as problem:
            self._found("file", str(problem))
        except ShrivenError as problem:
            self._found("code", f"batch {self.verdict.batches + 1}: {problem}{self._note}")
        return self.verdict

    def _found(self, kind: str, text: str) -> None:
        self.verdict.findings.append(Finding(kind, text))

    _note = ""
    _most = 0
    _identity: Mapping[str, Any] = {}

    def _verify(self) -> None:
        verdict = self.verdict
        entries = read_journal(self.folder, self.is_finished)
        genesis = next(entries, None)
        if genesis is None or genesis.kind != GENESIS:
            raise CorruptLog("the journal is empty or does not begin with a genesis record; nothing can be verified")
        changed = changed_sources(genesis.facts.get("sources", {}), self.sources)
        self._note = f"; this code differs from the run's in {', '.join(changed[:5])}" if changed else ""
        try:
            execution = self.prepare(genesis.facts)
        except CorruptLog as problem:
            self._found("input", f"the recording is damaged: {problem}")
            return
        self._identity = genesis.facts.get("identity", {})
        written = {topic: Written(self.folder, topic) for topic in execution.outputs}
        configuration = genesis.facts["configuration"]
        every, self._most = int(configuration["state_digest_records"]), int(configuration["batch"])
        total = sum(feed.end_offset - feed.offset for feed in execution.feeds)
        for entry in entries:
            if verdict.closed:
                raise CorruptLog(f"journal record {entry.sequence} comes after the journal's Close")
            if entry.kind == CLOSE:
                self._close(entry, execution)
                continue
            if entry.kind != BATCH:
                raise CorruptLog(f"journal record {entry.sequence} is of a kind this version does not know")
            if not self._batch(entry, execution, written, every):
                return
            self._mark(entry, execution)
            verdict.batches += 1
            verdict.records, verdict.clock = execution.engine.consumed, execution.engine.present
            if self.on_progress is not None:
                self.on_progress(verdict.records, total)
        self._inputs_differ(execution)
        self._end(written)

    def _batch(self, entry: JournalEntry, execution: Execution, written: dict[str, Written], every: int) -> bool:
        """Execute one batch again and compare; False at the first difference."""
        wrong = malformed(entry, len(execution.feeds), len(execution.outputs)) or _impossible(entry, execution, self._most)
        if wrong:
            self._found("journal", f"batch {entry.sequence}: the journal was changed: {wrong}")
            return False
        try:
            execution.check_elements(entry.elements)
            if not self._is_merge_order(entry, execution):
                return False
            batch = execution.execute_merged()
        except CorruptLog as problem:
            self._found("input", f"batch {entry.sequence}: the recording is damaged: {problem}")
            return False
        except ShrivenError as problem:
            if "input changed" not in str(problem):
                raise
            self._found("input", f"batch {entry.sequence}: {problem}")
            return False
        difference = compare(batch, entry, execution)
        if difference.startswith("input"):
            self._found("input", f"batch {entry.sequence}: {difference}")
            return False
        on_log, misplaced = self._compare_written(entry, batch, execution, written)
        if on_log and difference:
            note = self._note or "; this code is the run's own: a stage is not deterministic, or output and journal were both rewritten"
            self._found("code", f"batch {entry.sequence}: {difference} ({on_log}){note}")
        elif on_log:
            self._found("output", f"batch {entry.sequence}: output changed: {on_log}")
        elif difference.startswith("code diverged: the state of"):
            self._found("code", f"batch {entry.sequence}: {difference}; every record is as it was{self._note}")
        else:
            wrong = difference or misplaced or _not_journaled(batch, entry, every)
            if wrong:
                text = f"batch {entry.sequence}: the journal was changed: {wrong}; the records on the log are what this code makes"
                self._found("journal", text)
        return not self.verdict.findings

    def _is_merge_order(self, entry: JournalEntry, execution: Execution) -> bool:
        """True if the inputs, merged now, come in the batch's order and end where it ends; else the difference is a finding."""
        elements = entry.elements
        wanted = int(elements["count"].sum())  # the end of the inputs counts as one, and is found only by asking for one more
        merged = execution.merged(wanted)
        if np.array_equal(merged, elements):
            return True
        other = compare_inputs(execution.inputs_of(elements), entry, execution)
        if other:
            self._found("input", f"batch {entry.sequence}: {other}")
        elif not self._inputs_differ(execution):
            topics = [feed.topic for feed in execution.feeds]
            self._found("journal", f"batch {entry.sequence}: the journal was changed: {other_order(elements, merged, topics)}")
        return False

    def _inputs_differ(self, execution: Execution) -> bool:
        """True, and a finding, if the inputs as they were read are not those of the run's identity."""
        changed = execution.read_digests.differing(self._identity.get("inputs", {}))
        if changed:
            self._found("input", f"{', '.join(changed)} of the recording is not what it was when the run was made")
        return bool(changed)

    def _compare_written(self, entry: JournalEntry, batch: Batch, execution: Execution, written: dict[str, Written]) -> tuple[str, str]:
        """The first record on the log that is not what was made now, and the first block that is not the journal's; empty if none."""
        made = {output.topic: output for output in batch.outputs}
        misplaced = ""
        for item in entry.outputs:
            topic = execution.outputs[item.output]
            first = written[topic].offset
            body, wrong = written[topic].take(item)
            output = made.pop(topic, None)
            if output is None:
                return f"{topic} offset {first} is on the log and was not made", ""
            if body != memoryview(output.body).cast("B"):
                return (wrong if not body else first_difference(topic, first, bytes(body), bytes(output.body), item.count, output.count)), ""
            misplaced = misplaced or wrong
        if made:
            topic, output = next(iter(made.items()))
            return f"{topic} offset {written[topic].offset}: {output.count} records are made now and are not on the log", ""
        return "", misplaced

    def _close(self, entry: JournalEntry, execution: Execution) -> None:
        if not execution.engine.ended or entry.input_sequence != execution.engine.consumed:
            self._found("journal", f"the journal is closed after {entry.input_sequence} records, its inputs go on")
        elif wrong := malformed_close(entry, execution.engine.consumed):
            self._found("journal", f"the journal's Close was changed: {wrong}")
        self.verdict.closed = True

    def _end(self, written: dict[str, Written]) -> None:
        """After the last batch: nothing more may be there."""
        verdict = self.verdict
        known = {*written, JOURNAL, SNAPSHOTS, "ref.instruments"}
        for topic in self.folder.topics():
            if topic not in known:
                self._found("output", f"{topic} is no topic of this run")
        for topic, found in written.items():
            verdict.topics[topic] = found.facts()
            beyond = found.end_offset - found.offset
            if beyond and verdict.closed:
                self._found("output", f"{topic} holds {beyond} records after the journal's end, from offset {found.offset}")
            elif beyond:
                verdict.notes.append(f"{topic}: {beyond} records after the journal's end were not committed; the next start cuts them")
        if not verdict.closed and self.is_finished:
            self._found("journal", "the run is finished, its journal is not closed")
        self._check_snapshots()
        if verdict.batches == 0:
            self._found("file", "the journal has no batch: nothing was verified")


    def _mark(self, entry: JournalEntry, execution: Execution) -> None:
        """Remember what a snapshot behind this batch must hold."""
        for item in entry.outputs:
            topic = execution.outputs[item.output]
            self._counts[topic] = self._counts.get(topic, 0) + item.count
        if entry.states:
            counts = {topic: self._counts.get(topic, 0) for topic in execution.outputs}
            states = [digest for _, digest in entry.states]
            self._marks[entry.sequence] = entry.input_sequence, entry.digest, execution.positions(), counts, states

    def _check_snapshots(self) -> None:
        """A snapshot is only a cache, and a resumed run believes it: each must be the state behind its batch."""
        if SNAPSHOTS not in self.folder.topics():
            return
        snapshots, end = read_snapshots(self.folder)
        reader = self.folder.reader(SNAPSHOTS)
        decode = codec(topic_of(SNAPSHOTS).record).decode_records
        chunks = [chunk for block in reader.blocks(None, end) for chunk in decode(block.body, block.count)]
        if self.is_finished and (end != reader.end_offset or len({(each.sequence, each.snapshot_digest) for each in chunks}) != len(snapshots)):
            self._found("file", f"{SNAPSHOTS} holds a snapshot that is not whole")
        for each in snapshots:
            if (each.sequence, each.journal_digest, each.feeds, each.counts, each.digests()) != self._marks.get(each.journal_sequence):
                self._found("file", f"{SNAPSHOTS} holds a snapshot that is not the run's state behind batch {each.journal_sequence}")


def _impossible(entry: JournalEntry, execution: Execution, most: int) -> str:
    """What of a batch record cannot be in a local run, whose batches have at most so many records; empty if nothing."""
    if (entry.elements["input"] <= CLOCK).any():
        return "its elements are no order of inputs: a local run has no wall clock"
    if not len(entry.elements):
        return "it consumes nothing"
    if execution.engine.ended:
        return "it comes after the end of the inputs"
    count = int(entry.elements["count"][entry.elements["input"] >= 0].sum())
    if count > most:
        return f"it consumes {count} records, and the run's configuration says that a batch has at most {most}"
    return ""


def other_order(journaled: Any, merged: Any, topics: list[str]) -> str:
    """How an order of inputs differs from the merge's, at the first element that does."""
    pairs = itertools.zip_longest(journaled.tolist(), merged.tolist())
    one, other = next((one, other) for one, other in pairs if one != other)

    def named(element: tuple[int, int, int, int] | None) -> str:
        if element is None:
            return "nothing more"
        code, first, last, _ = element
        return "the end of the inputs" if code == END else f"{topics[code]} offsets {first}..{last}"

    return f"its order is not the merge of the inputs: it takes {named(one)} where the merge takes {named(other)}"


def _not_journaled(batch: Batch, entry: JournalEntry, every: int) -> str:
    """What of the journal's record is not what the batch was, its outputs aside; empty if all is."""
    if (entry.clock, entry.input_sequence) != (batch.clock, batch.consumed):
        return f"it says {entry.input_sequence} records at clock {entry.clock}, there are {batch.consumed} at {batch.clock}"
    if entry.inputs != batch.inputs:
        return "its counts of inputs"
    if bool(entry.states) != (batch.ended or batch.consumed % every == 0):
        return "its state digests are not the ones due"
    return ""
