"""Verify a live topology: its journal executed again with this code, and every record it published compared, from the log alone.

The log is the cluster, or a folder that was pulled from it; both are read by the same code. Input, code, output and journal are told apart, and
the first batch that differs is named, with topic, offset and fields.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from schemas.catalogue import topic as topic_of
from schemas.errors import BadData, CorruptLog, ShrivenError
from streams.log.kafka.transport import Log, OffsetOutOfRange, Partition
from streams.runtime.code import changed_sources
from streams.runtime.comparison import compare
from streams.runtime.execution import Batch
from streams.runtime.journal import BATCH, CLOSE, GENESIS, NO_DIGEST, UPGRADE, JournalEntry
from streams.runtime.live.allowed import AllowedOrder, Order
from streams.runtime.live.execution import LiveExecution
from streams.runtime.live.feed import LiveFeed
from streams.runtime.live.merge import AHEAD
from streams.runtime.live.published import Published, removed_by_retention
from streams.runtime.live.schema_ids import UnansweredSchemaId
from streams.runtime.live.spec import TaskSpec
from streams.runtime.live.stored import ENDS, read_journal
from streams.runtime.made_by import OtherVersion, check_version
from streams.runtime.task import JOURNAL
from streams.runtime.validation import malformed, malformed_close
from streams.runtime.verify import AS_JOURNALED, Finding, Verdict
from streams.runtime.written import first_difference

Make = Callable[[Log, TaskSpec, dict[str, int]], LiveExecution]


class LiveVerifier:
    """Verifies one shard.

    Args:
        log: where everything lies.
        spec_of: from the genesis facts, the task's names and inputs.
        make: builds the execution.
        sources: this code's sources and digests.
        journal: partition of the journal.
        on_progress: called with input records verified.
    """

    def __init__(
        self,
        log: Log,
        spec_of: Callable[[dict[str, Any]], TaskSpec],
        make: Callable[[dict[str, Any]], Make],
        sources: Callable[[dict[str, Any]], dict[str, str]],
        journal: Partition,
        on_progress: Callable[[int], None] = lambda _: None,
    ) -> None:
        self.log = log
        self.spec_of = spec_of
        self.make = make
        self.sources = sources
        self.journal = journal
        self.on_progress = on_progress
        self.verdict = Verdict(findings=[], order=AS_JOURNALED)
        self.published: dict[str, Published] = {}
        self.inputs: Sequence[LiveFeed] = ()
        self.ends: dict[str, int] = {}
        self.facts: dict[str, Any] = {}
        self._dated_ahead = 0
        self._note = ""

    order_of: Callable[[LiveExecution], Order] = AllowedOrder

    def verify(self) -> Verdict:
        """Every batch up to the journal's present end; stops at the first that differs.

        Raises:
            OtherVersion: another version wrote the journal, and only that one can prove it.
            UnansweredSchemaId: an input holds records of another version's schema, and the registry does not answer.
        """
        try:
            self._verify()
        except OffsetOutOfRange as problem:
            self._found("retention", self._removed() or problem.text)
        except (OtherVersion, UnansweredSchemaId):
            raise
        except CorruptLog as problem:
            self._found("journal", problem.text)
        except ShrivenError as problem:
            self._found("code", f"batch {self.verdict.batches + 1}: {problem.text}{self._note}")
        finally:
            for each in self.published.values():
                each.close()
        return self.verdict

    def _removed(self) -> str:
        """Which of the records that are needed next are gone from the inputs; empty if none are."""
        for feed in self.inputs:
            first, begin = feed.source.start(feed.partition), feed.source.position(feed.partition)
            if first > begin:
                return removed_by_retention(feed.partition, begin, first).text
        return ""

    def _found(self, kind: str, text: str) -> None:
        self.verdict.findings.append(Finding(kind, text))

    def _verify(self) -> None:
        reader = self.log.reader("verify")
        try:
            begin, end = reader.start(self.journal), reader.end(self.journal)
            entries = read_journal(reader, self.journal, begin, end, NO_DIGEST)
            first = next(entries, None)
            if first is None or first[1].kind != GENESIS:
                raise CorruptLog(f"{self.journal[0]}/{self.journal[1]} is empty or does not begin with a genesis record; nothing can be verified")
            facts = first[1].facts
            check_version(facts, f"the topology of {self.journal[0]}")
            spec = self.spec_of(facts)
            self.facts = facts
            changed = changed_sources(facts.get("sources", {}), self.sources(facts))
            self._note = f"; this code differs from the journal's in {', '.join(changed[:5])}" if changed else ""
            execution = self.make(facts)(self.log, spec, {item["topic"]: int(item["start_offset"]) for item in facts["inputs"]})
            self.inputs = execution.live
            self.order = self.order_of(execution)
            self.published = {
                item["topic"]: Published(self.log, spec, item["topic"], int(item["start_offset"])) for item in facts["outputs"] if item["published"]
            }
            for sequence, (_, entry) in enumerate(entries, 1):
                if entry.sequence != sequence:
                    raise CorruptLog(f"journal record {entry.sequence} comes where {sequence} should")
                if self.verdict.closed:
                    raise CorruptLog(f"journal record {entry.sequence} comes after the journal's Close")
                if entry.kind == CLOSE:
                    self._close(entry, execution)
                elif entry.kind == UPGRADE:
                    code = entry.facts["new"]["code"][:12]
                    self.verdict.notes.append(f"journal record {entry.sequence}: from here on the journal was written by other code, {code}")
                elif entry.kind != BATCH:
                    raise CorruptLog(f"journal record {entry.sequence} is of a kind this version does not know")
                elif not self._batch(entry, execution, spec):
                    return
            self._end(spec, end)
        finally:
            reader.close()

    def _close(self, entry: JournalEntry, execution: LiveExecution) -> None:
        """Take the Close: where each published output ended then. Raises CorruptLog where it is none that a task writes."""
        self.verdict.closed = True
        ends = entry.facts.get(ENDS)
        wrong = malformed_close(entry, execution.consumed, [ENDS])
        if wrong:
            raise CorruptLog(f"the journal's Close, record {entry.sequence}, was changed: {wrong}")
        if not isinstance(ends, dict) or ends.keys() != self.published.keys() or any(type(end) is not int for end in ends.values()):
            raise CorruptLog(f"the journal's Close, record {entry.sequence}, does not say where each published output ended")
        self.ends = ends

    def _batch(self, entry: JournalEntry, execution: LiveExecution, spec: TaskSpec) -> bool:
        """Execute one batch again and compare; False at the first difference."""
        wrong = malformed(entry, len(spec.inputs), len(spec.outputs))
        if wrong:
            self._found("journal", f"batch {entry.sequence}: the journal was changed: {wrong}")
            return False
        try:
            batch = execution.repeat_batch(entry.elements)
        except BadData as problem:
            self._found("input", f"batch {entry.sequence}: {problem.text}")
            return False
        difference = compare(batch, entry, execution)
        if difference.startswith("input"):
            self._found("input", f"batch {entry.sequence}: {difference}")
            return False
        on_log, misplaced = self._compare_published(entry, batch, spec)
        if on_log and difference:
            note = self._note or "; this code is the journal's own: a stage is not deterministic, or output and journal were both rewritten"
            self._found("code", f"batch {entry.sequence}: {difference} ({on_log}){note}")
        elif on_log:
            self._found("output", f"batch {entry.sequence}: output changed: {on_log}")
        elif difference:
            self._found("code", f"batch {entry.sequence}: {difference}{self._note}")
        elif wrong := misplaced or _contradiction(entry, batch) or self.order.misplaced(entry.elements):
            self._found("journal", f"batch {entry.sequence}: the journal was changed: {wrong}")
        if self.verdict.findings:
            return False
        verdict = self.verdict
        verdict.batches += 1
        self._dated_ahead += int((entry.elements["input"] <= AHEAD).sum())
        verdict.records, verdict.clock = execution.consumed, execution.present
        self.on_progress(verdict.records)
        return True

    def _compare_published(self, entry: JournalEntry, batch: Batch, spec: TaskSpec) -> tuple[str, str]:
        """The first record on the log that is not what was made now, and the first that does not lie where the journal says; empty if none."""
        made = {output.topic: output for output in batch.outputs}
        misplaced = ""
        for item in entry.outputs:
            topic = spec.outputs[item.output]
            output = made.pop(topic, None)
            if topic not in self.published:
                continue
            published = self.published[topic]
            first = published.last + 1
            body, wrong = published.take(item)
            if output is None:
                return f"{topic} after offset {first - 1} is on the log and was not made", ""
            if hashlib.sha256(body).digest() != output.digest:
                published.check_retention(first)
                if not body:
                    return wrong, ""
                return first_difference(topic_of(topic).name, first, body, bytes(output.body), item.count, output.count), ""
            misplaced = misplaced or wrong
        for topic, output in made.items():
            if topic in self.published:
                return f"{topic}: {output.count} records are made now and are not in the journal", ""
        return "", misplaced

    def _end(self, spec: TaskSpec, end: int) -> None:
        """After the last batch: no record may lie in an output that the journal does not know, unless the topology runs on.

        A Close says where each output ended: behind that the topics are another topology's to write, before it a foreign record stays one.
        """
        verdict = self.verdict
        reader = self.log.reader("verify")
        try:
            runs_on = reader.end(spec.partition_of(JOURNAL)) != end
        finally:
            reader.close()
        for topic, published in self.published.items():
            end_offset = self.ends.get(topic, 0) if verdict.closed else None
            beyond = 0 if runs_on else published.left(end_offset)
            if beyond:
                self._found("output", f"{topic} holds {beyond} records after offset {published.last} that the journal does not know: another writer")
        if runs_on:
            verdict.notes.append("the topology runs on; its journal was verified up to where it ended when this began")
        if self._dated_ahead:
            verdict.notes.append(f"{self._dated_ahead} records were left out: dated ahead of the clock that the journal says their reader had")
        if verdict.batches == 0:
            self._found("file", "the journal has no batch: nothing was verified")


def _contradiction(entry: JournalEntry, batch: Batch) -> str:
    """What of a journal record is not what its batch was, its outputs aside; empty if all is."""
    if (entry.clock, entry.input_sequence) != (batch.clock, batch.consumed):
        return f"it says {entry.input_sequence} records at clock {entry.clock}, there are {batch.consumed} at {batch.clock}"
    if entry.inputs != batch.inputs:
        return "its counts of inputs"
    if not np.array_equal(entry.elements, batch.elements):
        return "its elements are not the runs of its order, or its clock goes back"
    return ""
