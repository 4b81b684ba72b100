"""A runner in a hundred lines, with the steps and the order of the real one: the simulator is proven on it, and its mutations on the checker.

``mutation`` breaks it by name; see ``mutations.py``.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any

from schemas.errors import ShrivenError
from streams.log.kafka.framing import HEADER_BYTES
from streams.log.kafka.transport import Fetched, Log, OutcomeUnknown, Partition
from streams.runtime.journal import BATCH, GENESIS, NO_DIGEST, JournalEntry, OutputEntry, decode_entry
from tests.simulation.stand_in import HEADER, INPUTS, StandInExecution

JOURNAL = "pipeline.journal"


class Diverged(ShrivenError):
    """Re-execution did not give what the journal says."""

    code = "diverged"


class SmallTask:
    """Journal as cursor, two writers by journal sequence, take-over 0, then 1, then the journal's end; crash-only."""

    def __init__(
        self, log: Log, clock_ns: Callable[[], int], on_step: Callable[[str], None], mutation: str, process: str, memory: dict[str, Any], limit: int
    ) -> None:
        self.log = log
        self.clock_ns = clock_ns
        self.on_step = on_step
        self.mutation = mutation
        self.process = process
        self.execution = self._fresh()
        suffix = f"-{process}" if mutation == "random-transactional-id" else ""
        self.writers = [log.writer(f"pipeline.0.{number}{suffix}") for number in (0, 1)]
        self.reader = log.reader("pipeline.0")
        self.sequence = -1
        self.digest = NO_DIGEST
        self.limit = limit
        if mutation == "first-batch-on-free-producer":
            self.attempts = itertools.count(int(process[-1]))
        else:
            self.attempts = memory.setdefault("attempts", itertools.count())

    def _fresh(self) -> StandInExecution:
        execution = StandInExecution()
        if self.mutation == "clock-read-in-apply":
            execution.now = lambda: max(execution.clock, self.clock_ns())  # type: ignore[method-assign]
        return execution

    def prepare(self) -> None:
        """Take over, recover or write genesis."""
        entries: list[JournalEntry] = []
        if self.mutation == "journal-read-before-init":
            entries = self._journal()
        for writer in self.writers[:1] if self.mutation == "one-producer-fenced-only" else self.writers:
            writer.init()
            self.on_step("initialised")
        if self.mutation == "one-producer-fenced-only":
            self.writers[1].init = lambda: None  # type: ignore[method-assign]
            self._steal(self.writers[1])
        if self.mutation != "journal-read-before-init":
            entries = self._journal()
        self.on_step("journal read")
        if not entries:
            self._commit(JournalEntry(sequence=0, kind=GENESIS, facts={"topology": "pipeline"}), [])
        else:
            self._recover(entries)
        positions = {(topic, 0): feed.next_offset for topic, feed in zip(INPUTS, self.execution.feeds, strict=True)}
        if self.mutation == "recovery-from-group-offsets":
            stored: dict[Partition, int] = getattr(self.log, "broker").group_offsets  # noqa: B009
            positions = {key: stored.get(("pipeline.0", key), 0) for key in positions}
        self.reader.assign(positions)

    @staticmethod
    def _steal(writer: Any) -> None:
        """Use the epoch that is there instead of bumping it."""
        state = writer.broker.coordinated.get(writer.transactional_id)
        writer.epoch = state.epoch if state is not None and state.epoch >= 0 else writer.broker.init(writer.transactional_id)

    def _journal(self) -> list[JournalEntry]:
        reader = self.log.reader("")
        key = (JOURNAL, 0)
        reader.assign({key: 0})
        end = reader.end(key)
        found: list[Fetched] = []
        while reader.position(key) < end:
            found += reader.poll(100, 0.01)
        return [decode_entry(item.value[HEADER_BYTES:]) for item in found]

    def _recover(self, entries: Sequence[JournalEntry]) -> None:
        batches = [entry for entry in entries if entry.kind == BATCH]
        wanted = dict.fromkeys(range(len(INPUTS)), 0)
        for entry in batches:
            for item in entry.inputs:
                wanted[item.input] += item.count
        reader = self.log.reader("")
        reader.assign({(topic, 0): 0 for topic, count in zip(INPUTS, wanted.values(), strict=True) if count})
        stale = 0
        while sum(wanted.values()) > 0:
            fetched = reader.poll(100, 0.05)
            stale = 0 if fetched else stale + 1
            if stale > 1000:
                raise Diverged("the inputs end before the journal does")
            for item in fetched:
                code = INPUTS.index(item.topic)
                if wanted[code]:
                    wanted[code] -= 1
                    self.execution.feeds[code].push(item.offset, item.value)
        for entry in batches:
            if self.mutation == "replay-by-event-time":
                batch = self.execution.next_batch(sum(item.count for item in entry.inputs))
            else:
                batch = self.execution.repeat_batch(entry.elements)
            made = [(output.topic, output.digest) for output in batch.outputs]
            given = [(self.execution.outputs[output.output], output.digest) for output in entry.outputs]
            if self.mutation == "dead-letter-skipped":
                made = [item for item in made if item[0] != "pipeline.dlq"]
            if made != given:
                raise Diverged(f"recovery at batch {entry.sequence}: {made} now, {given} then")
            self.on_step("batch re-executed")
        self.sequence, self.digest = entries[-1].sequence, entries[-1].digest
        if self.mutation == "offset-plus-one":
            for feed in self.execution.feeds:
                consumed = sum(item.count for entry in batches for item in entry.inputs if item.input == feed.code)
                feed.next_offset = consumed

    def step(self, wait_seconds: float) -> int:
        """One micro-batch; returns records consumed."""
        fetched = self.reader.poll(self.limit, wait_seconds)
        self.on_step("polled")
        for item in fetched:
            self.execution.feeds[INPUTS.index(item.topic)].push(item.offset, item.value)
        if not fetched:
            return 0
        saved = self.execution.state_bytes(), self.execution.positions()
        batch = self.execution.next_batch(len(fetched))
        self.on_step("executed")
        outputs = [output for output in batch.outputs if self.mutation != "dead-letter-skipped" or output.topic != "pipeline.dlq"]
        entry = JournalEntry(
            sequence=self.sequence + 1,
            kind=BATCH,
            input_sequence=batch.consumed,
            clock=batch.clock,
            elements=batch.elements,
            inputs=batch.inputs,
            outputs=[OutputEntry(self.execution.outputs.index(output.topic), output.count, output.digest, b"", 0, -1) for output in outputs],
        )
        try:
            self._commit(entry, [(output.topic, output.body) for output in outputs])
        except OutcomeUnknown:
            if self.mutation not in ("state-kept-after-abort",):
                raise
            self.writers = [self.log.writer(f"pipeline.0.{number}") for number in (0, 1)]
            for writer in self.writers:
                writer.init()
            self.reader.assign({(topic, 0): offset for topic, (offset, _) in zip(INPUTS, saved[1], strict=True)})
            self.execution.seek(saved[1])
        self.reader.commit_position({(topic, 0): feed.next_offset for topic, feed in zip(INPUTS, self.execution.feeds, strict=True)})
        return len(fetched)

    def _writer(self, sequence: int) -> Any:
        if self.mutation in ("process-local-counter", "first-batch-on-free-producer"):
            return self.writers[next(self.attempts) % 2]
        return self.writers[sequence % 2]

    def _commit(self, entry: JournalEntry, outputs: Sequence[tuple[str, Any]]) -> None:
        entry.previous_digest = self.digest
        value = HEADER + entry.encode()
        writer = self._writer(entry.sequence)
        plain = self.log.plain_writer()
        early = self.mutation == "outputs-before-begin"
        if early:
            for topic, bodies in outputs:
                plain.produce(topic, 0, bodies)
            plain.commit()
        writer.begin()
        self.on_step("begun")
        for topic, bodies in () if early else outputs:
            writer.produce(topic, 0, bodies)
            self.on_step("output produced")
        if self.mutation == "journal-outside-transaction":
            plain.produce(JOURNAL, 0, [value])
            plain.commit()
        else:
            writer.produce(JOURNAL, 0, [value])
        self.on_step("journal produced")
        try:
            writer.commit()
        except OutcomeUnknown:
            if self.mutation == "unknown-treated-as-failed":
                for again in self.writers:
                    again.close()
                    again.init()
                self._commit(entry, outputs)
                return
            if self.mutation != "unknown-treated-as-done":
                raise
            for again in self.writers:
                again.close()
                again.init()
        self.on_step("committed")
        self.sequence, self.digest = entry.sequence, entry.digest
