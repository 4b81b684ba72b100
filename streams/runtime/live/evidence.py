"""A shard of a live topology as evidence: on the cluster, or in a folder that was pulled from it.

Both are read by the same code. Which order the inputs arrived in is the journal's to say; that the
live rule allows it is checked.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from schemas.errors import BadData, CorruptLog, ShrivenError
from streams.log.kafka.transport import Log, OffsetOutOfRange, Partition
from streams.runtime.journal.batch import Batch
from streams.runtime.journal.divergence import Divergence, Kind
from streams.runtime.journal.entry_validation import malformed_close
from streams.runtime.journal.journal import GENESIS, JOURNAL, NO_DIGEST, UPGRADE, JournalEntry
from streams.runtime.journal.made_by import OtherVersion, check_version
from streams.runtime.live.allowed import AllowedOrder, Order
from streams.runtime.live.order import LiveOrder
from streams.runtime.live.published import Published, removed_by_retention
from streams.runtime.live.schema_ids import UnansweredSchemaId
from streams.runtime.live.spec import TaskSpec
from streams.runtime.live.stored import ENDS, read_journal
from streams.runtime.order.feed import Feed
from streams.runtime.order.merge import AHEAD
from streams.runtime.recovery.execution import Execution
from streams.runtime.verify.verify import AS_JOURNALED, Verdict

Make = Callable[[Log, TaskSpec, dict[str, int]], LiveOrder]


class LiveEvidence:
    """One shard; see :class:`streams.runtime.verify.verify.Evidence`.

    Args:
        log: where everything lies.
        spec_of: from the genesis facts, the task's names and inputs.
        make: builds the execution.
        sources: this code's sources and digests.
        journal: partition of the journal.

    Attributes:
        inputs: feeds, as far as they were consumed.
        ends: where each published output ended at the Close, by topic.
    """

    order = AS_JOURNALED
    whose = "the journal's"
    total = 0

    def __init__(
        self,
        log: Log,
        spec_of: Callable[[dict[str, Any]], TaskSpec],
        make: Callable[[dict[str, Any]], Make],
        sources: Callable[[dict[str, Any]], dict[str, str]],
        journal: Partition,
    ) -> None:
        self.log = log
        self.partition = journal
        self.name = f"{journal[0]}/{journal[1]}"
        self.published: dict[str, Published] = {}
        self.inputs: Sequence[Feed] = ()
        self.ends: dict[str, int] = {}
        self._spec_of, self._make, self.sources = spec_of, make, sources
        self._dated_ahead = 0
        self._end = 0

    order_of: Callable[[Execution], Order] = AllowedOrder

    @property
    def outputs(self) -> list[str]:
        """Topics by number."""
        return self._spec.outputs

    def journal(self) -> Iterator[JournalEntry]:
        """Its records up to its present end."""
        reader = self.log.reader("verify")
        try:
            begin, self._end = reader.start(self.partition), reader.end(self.partition)
            found = read_journal(reader, self.partition, begin, self._end, NO_DIGEST)
            for sequence, (_, entry) in enumerate(found):
                if sequence and entry.sequence != sequence:
                    raise CorruptLog(
                        f"journal record {entry.sequence} comes where {sequence} should"
                    )
                if not sequence and entry.kind == GENESIS:
                    check_version(entry.facts, f"the topology of {self.partition[0]}")
                yield entry
        finally:
            reader.close()

    def begin(self, facts: dict[str, Any]) -> Execution:
        """The execution over the partitions that the genesis record names."""
        self._spec = spec = self._spec_of(facts)
        starts = {item["topic"]: int(item["start_offset"]) for item in facts["inputs"]}
        self._execution = self._make(facts)(self.log, spec, starts).execution
        self.inputs = self._execution.feeds
        self._order = self.order_of(self._execution)
        for item in facts["outputs"]:
            topic = item["topic"]
            if item["published"]:
                self.published[topic] = Published(self.log, spec, topic, int(item["start_offset"]))
        return self._execution

    def impossible(self, entry: JournalEntry) -> str:
        """What else a batch is, its records say."""
        return ""

    def repeat(self, entry: JournalEntry) -> Batch | Divergence:
        """Execute in the journal's order."""
        try:
            return self._execution.repeat_batch(entry.elements)
        except BadData as problem:
            text = f"batch {entry.sequence}: {problem.text}"
            return Divergence(Kind.INPUT, text, entry.sequence)

    def reader_of(self, topic: str) -> Published | None:
        """None for a topic that is only digested."""
        return self.published.get(topic)

    def contradiction(self, entry: JournalEntry, batch: Batch) -> str:
        """The order is one that the live rule allows."""
        if not np.array_equal(entry.elements, batch.elements):
            return "its elements are not the runs of its order, or its clock goes back"
        return self._order.misplaced(entry.elements)

    def accept(self, entry: JournalEntry) -> None:
        """Count what it left out."""
        self._dated_ahead += int((entry.elements["input"] <= AHEAD).sum())

    def other(self, entry: JournalEntry) -> str:
        """An upgrade."""
        if entry.kind != UPGRADE:
            raise CorruptLog(
                f"journal record {entry.sequence} is of a kind this version does not know"
            )
        code = entry.facts["new"]["code"][:12]
        return (
            f"journal record {entry.sequence}: from here on the journal was written by other "
            f"code, {code}"
        )

    def close(self, entry: JournalEntry) -> str:
        """It says where each published output ended."""
        ends = entry.facts.get(ENDS)
        where = f"the journal's Close, record {entry.sequence},"
        wrong = malformed_close(entry, self._execution.consumed, [ENDS])
        if wrong:
            return f"{where} was changed: {wrong}"
        if (
            not isinstance(ends, dict)
            or ends.keys() != self.published.keys()
            or any(type(end) is not int for end in ends.values())
        ):
            return f"{where} does not say where each published output ended"
        self.ends = ends
        return ""

    def end(self, verdict: Verdict) -> list[Divergence]:
        """No record may lie in an output that the journal does not know, unless the topology runs
        on.

        Behind where the Close says an output ended, the topic is another topology's to write;
        before it a foreign record stays one.
        """
        reader = self.log.reader("verify")
        try:
            runs_on = reader.end(self._spec.partition_of(JOURNAL)) != self._end
        finally:
            reader.close()
        found = []
        for topic, published in self.published.items():
            end_offset = self.ends.get(topic, 0) if verdict.closed else None
            beyond = 0 if runs_on else published.left(end_offset)
            if beyond:
                text = (
                    f"{topic} holds {beyond} records after offset {published.last} "
                    "that the journal does not know: another writer"
                )
                found.append(
                    Divergence(Kind.OUTPUT, text, topic=topic, record=published.next_offset)
                )
        if runs_on:
            verdict.notes.append(
                "the topology runs on; its journal was verified up to where it ended "
                "when this began"
            )
        if self._dated_ahead:
            verdict.notes.append(
                f"{self._dated_ahead} records were left out: dated ahead of the clock "
                "that the journal says their reader had"
            )
        return found

    def explain(self, problem: ShrivenError) -> Divergence | None:
        """Records that retention removed are no change; what is corrupt is the journal."""
        if isinstance(problem, OffsetOutOfRange):
            return Divergence(Kind.RETENTION, self._removed() or problem.text)
        if isinstance(problem, OtherVersion | UnansweredSchemaId):
            raise problem
        return Divergence(Kind.JOURNAL, problem.text) if isinstance(problem, CorruptLog) else None

    def _removed(self) -> str:
        """Which of the records that are needed next are gone from the inputs; empty if none are."""
        for feed in self.inputs:
            first, begin = feed.source.start(), feed.source.position()
            if first > begin:
                return removed_by_retention(feed.partition, begin, first).text
        return ""

    def release(self) -> None:
        """Close what reads the outputs."""
        for each in self.published.values():
            each.close()
