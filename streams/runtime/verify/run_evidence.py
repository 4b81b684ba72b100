"""A run folder as evidence: the journal's order must be the merge of the recording's inputs."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from schemas.catalogue import topic as topic_of
from schemas.codec import codec
from schemas.errors import BadData, CorruptLog, ShrivenError
from streams.log.local import LocalLog
from streams.runtime.journal.batch import Batch
from streams.runtime.journal.divergence import Divergence, Kind
from streams.runtime.journal.entry_validation import malformed_close
from streams.runtime.journal.journal import JOURNAL, JournalEntry
from streams.runtime.journal.snapshot import TOPIC as SNAPSHOTS
from streams.runtime.journal.snapshot import read_snapshots
from streams.runtime.order.merge import CLOCK, END_OF_INPUTS
from streams.runtime.recovery.comparison import compare_inputs
from streams.runtime.recovery.execution import Execution
from streams.runtime.verify.output_reader import OutputReader
from streams.runtime.verify.verify import RECOMPUTED, Verdict, journal_changed, read_journal


class RunEvidence:
    """One run folder; see :class:`streams.runtime.verify.verify.Evidence`.

    Args:
        folder: the run.
        prepare: builds the execution from the genesis facts.
        sources: this code's sources and digests.
        is_finished: the folder is closed by its manifest.
    """

    order = RECOMPUTED
    name = "the journal"
    whose = "the run's"

    def __init__(
        self,
        folder: LocalLog,
        prepare: Callable[[dict[str, Any]], Execution],
        sources: dict[str, str],
        is_finished: bool = True,
    ) -> None:
        self.folder = folder
        self.prepare = prepare
        self.is_finished = is_finished
        self.total = 0
        self._sources = sources
        self._counts: dict[str, int] = {}
        self._marks: dict[int, Any] = {}

    @property
    def outputs(self) -> list[str]:
        """Topics by number."""
        return self.execution.outputs

    def journal(self) -> Iterator[JournalEntry]:
        """Its records."""
        return read_journal(self.folder, self.is_finished)

    def sources(self, facts: dict[str, Any]) -> dict[str, str]:
        """Those that were given."""
        return self._sources

    def begin(self, facts: dict[str, Any]) -> Execution | Divergence:
        """The execution over the recording."""
        try:
            self.execution = execution = self.prepare(facts)
        except CorruptLog as problem:
            return Divergence(Kind.INPUT, f"the recording is damaged: {problem}")
        self._inputs: Mapping[str, str] = facts.get("identity", {}).get("inputs", {})
        self._written = {topic: OutputReader(self.folder, topic) for topic in execution.outputs}
        configuration = facts["configuration"]
        self._every = int(configuration["state_digest_records"])
        self._most = int(configuration["batch"])
        self.total = sum(feed.end_offset - feed.offset for feed in execution.feeds)
        return execution

    def impossible(self, entry: JournalEntry) -> str:
        """A local run has no wall clock, and batches of at most so many records."""
        if (entry.elements["input"] <= CLOCK).any():
            return "its elements are no order of inputs: a local run has no wall clock"
        if not len(entry.elements):
            return "it consumes nothing"
        if self.execution.engine.ended:
            return "it comes after the end of the inputs"
        count = int(entry.elements["count"][entry.elements["input"] >= 0].sum())
        if count > self._most:
            return (
                f"it consumes {count} records, and the run's configuration says that a batch has "
                f"at most {self._most}"
            )
        return ""

    def repeat(self, entry: JournalEntry) -> Batch | Divergence:
        """Merge the inputs now; their order must be the journal's."""
        where = f"batch {entry.sequence}"
        try:
            self.execution.check_elements(entry.elements)
        except BadData as problem:
            return Divergence(Kind.INPUT, f"{where}: {problem}", entry.sequence)
        try:
            return self._other_order(entry) or self.execution.execute_merged()
        except CorruptLog as problem:
            text = f"{where}: the recording is damaged: {problem}"
            return Divergence(Kind.INPUT, text, entry.sequence)

    def _other_order(self, entry: JournalEntry) -> Divergence | None:
        """How the inputs, merged now, do not come in the batch's order or end where it ends."""
        elements = entry.elements
        wanted = int(
            elements["count"].sum()
        )  # the end of the inputs counts as one, and is found only by asking for one more
        merged = self.execution.merged(wanted)
        if np.array_equal(merged, elements):
            return None
        changed = compare_inputs(self.execution.inputs_of(elements), entry, self.execution)
        if changed:
            return changed.within(f"batch {entry.sequence}: {changed.text}")
        topics = [feed.topic for feed in self.execution.feeds]
        return self._other_inputs() or journal_changed(entry, other_order(elements, merged, topics))

    def _other_inputs(self) -> Divergence | None:
        """Inputs that are not, as they were read, those of the run's identity."""
        changed = self.execution.read_digests.differing(self._inputs)
        if not changed:
            return None
        text = f"{', '.join(changed)} of the recording is not what it was when the run was made"
        return Divergence(Kind.INPUT, text, topic=changed[0])

    def reader_of(self, topic: str) -> OutputReader | None:
        """Every output of a run is on its log."""
        return self._written.get(topic)

    def contradiction(self, entry: JournalEntry, batch: Batch) -> str:
        """State digests come where the configuration says."""
        if bool(entry.states) != (batch.ended or batch.consumed % self._every == 0):
            return "its state digests are not the ones due"
        return ""

    def accept(self, entry: JournalEntry) -> None:
        """Remember what a snapshot behind this batch must hold."""
        for item in entry.outputs:
            topic = self.outputs[item.output]
            self._counts[topic] = self._counts.get(topic, 0) + item.count
        if entry.states:
            counts = {topic: self._counts.get(topic, 0) for topic in self.outputs}
            states = [digest for _, digest in entry.states]
            positions = self.execution.positions()
            self._marks[entry.sequence] = (
                entry.input_sequence,
                entry.digest,
                positions,
                counts,
                states,
            )

    def other(self, entry: JournalEntry) -> str:
        """There is none."""
        raise CorruptLog(f"journal record {entry.sequence} is of a kind this version does not know")

    def close(self, entry: JournalEntry) -> str:
        """It comes when all inputs are consumed."""
        engine = self.execution.engine
        if not engine.ended or entry.input_sequence != engine.consumed:
            return f"the journal is closed after {entry.input_sequence} records, its inputs go on"
        wrong = malformed_close(entry, engine.consumed)
        return f"the journal's Close was changed: {wrong}" if wrong else ""

    def end(self, verdict: Verdict) -> list[Divergence]:
        """Nothing more may be on the log, and each snapshot is the state behind its batch."""
        inputs = self._other_inputs()
        found = [inputs] if inputs is not None else []
        known = {*self._written, JOURNAL, SNAPSHOTS, "ref.instruments"}
        for topic in self.folder.topics():
            if topic not in known:
                found.append(
                    Divergence(Kind.OUTPUT, f"{topic} is no topic of this run", topic=topic)
                )
        for topic, written in self._written.items():
            verdict.topics[topic] = written.facts()
            beyond = written.end_offset - written.next_offset
            if beyond and verdict.closed:
                text = (
                    f"{topic} holds {beyond} records after the journal's end, "
                    f"from offset {written.next_offset}"
                )
                found.append(Divergence(Kind.OUTPUT, text, topic=topic, record=written.next_offset))
            elif beyond:
                verdict.notes.append(
                    f"{topic}: {beyond} records after the journal's end were not committed; "
                    "the next start cuts them"
                )
        if not verdict.closed and self.is_finished:
            found.append(Divergence(Kind.JOURNAL, "the run is finished, its journal is not closed"))
        return found + self._other_snapshots()

    def _other_snapshots(self) -> list[Divergence]:
        """A snapshot is only a cache, and a resumed run believes it."""
        if SNAPSHOTS not in self.folder.topics():
            return []
        found = []
        snapshots, end = read_snapshots(self.folder)
        reader = self.folder.reader(SNAPSHOTS)
        decode = codec(topic_of(SNAPSHOTS).record).decode_records
        chunks = [
            chunk for block in reader.blocks(None, end) for chunk in decode(block.body, block.count)
        ]
        whole = {(each.sequence, each.snapshot_digest) for each in chunks}
        if self.is_finished and (end != reader.end_offset or len(whole) != len(snapshots)):
            text = f"{SNAPSHOTS} holds a snapshot that is not whole"
            found.append(Divergence(Kind.FILE, text, topic=SNAPSHOTS))
        for each in snapshots:
            says = each.sequence, each.journal_digest, each.feeds, each.counts, each.digests()
            if each.is_of_a_cluster() or says != self._marks.get(each.journal_sequence):
                batch = each.journal_sequence
                text = (
                    f"{SNAPSHOTS} holds a snapshot that is not the run's state behind batch {batch}"
                )
                found.append(Divergence(Kind.FILE, text, batch, SNAPSHOTS))
        return found

    def explain(self, problem: ShrivenError) -> Divergence | None:
        """What is corrupt is a file."""
        return Divergence(Kind.FILE, str(problem)) if isinstance(problem, CorruptLog) else None

    def release(self) -> None:
        """Its owner closes the folder."""


def other_order(journaled: Any, merged: Any, topics: list[str]) -> str:
    """How an order of inputs differs from the merge's, at the first element that does."""
    pairs = itertools.zip_longest(journaled.tolist(), merged.tolist())
    one, other = next((one, other) for one, other in pairs if one != other)

    def named(element: tuple[int, int, int, int] | None) -> str:
        if element is None:
            return "nothing more"
        code, first, last, _ = element
        return (
            "the end of the inputs"
            if code == END_OF_INPUTS
            else f"{topics[code]} offsets {first}..{last}"
        )

    return (
        f"its order is not the merge of the inputs: it takes {named(one)} "
        f"where the merge takes {named(other)}"
    )
