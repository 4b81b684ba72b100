"""What a world runs: the feeds it is given, the runner's life in a process, and the uninterrupted
run that judges it.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from schemas.catalogue import topic as topic_of
from schemas.version import VERSION
from streams.log.kafka.transport import Partition
from streams.runtime.journal.journal import BATCH, JOURNAL, JournalEntry
from streams.runtime.journal.snapshot import TOPIC as SNAPSHOTS
from streams.runtime.live.shard import ShardTask
from streams.runtime.live.spec import Bounds, TaskSpec
from streams.runtime.live.stored import split
from streams.runtime.order.merge import ELEMENT
from tests.simulation.broker import SimulatedBroker
from tests.simulation.checker import Batched, Violation, start_offsets
from tests.simulation.clock import MILLISECOND, SECOND, START
from tests.simulation.log import SimulatedLog
from tests.simulation.mutations import mutate
from tests.simulation.process import Process
from tests.simulation.retention import deletable
from tests.simulation.stand_in import (
    HEADER,
    INPUTS,
    OUTPUTS,
    SCHEMA_ID,
    StandInExecution,
    StandInFeed,
    body,
    make_stand_in,
)
from tests.simulation.world import Feed, Subject

WAIT_SECONDS = 0.1


def draw_feeds(source: random.Random, partitions: Sequence[Partition]) -> list[Feed]:
    """10 to 60 records in bursts, over the inputs: plain, in transactions, in aborted ones; event
    times go back now and then; some are poison.
    """
    feeds: list[Feed] = []
    total = source.randint(10, 60)
    number, moment = 0, START
    while number < total:
        values = []
        for _ in range(source.randint(1, 6)):
            moment += source.randint(0, 80) * MILLISECOND
            number += 1
            values.append(
                body(
                    moment - source.choice((0, 0, 0, 5, 300)) * MILLISECOND,
                    number,
                    source.random() < 0.05,
                )
            )
        outcome = source.choice(("plain", "plain", "plain", "commit", "abort"))
        wait = int(source.choice((0, 0.001, 0.02, 0.15)) * SECOND)
        feeds.append(
            Feed(
                wait,
                source.choice(partitions),
                values,
                outcome,
                int(source.choice((0.001, 0.05, 0.5)) * SECOND),
            )
        )
    return feeds


class LiveSubject:
    """The real runner over the stand-in execution, as it is or broken by a mutation; the clock is
    event time or the wall's.

    ``together``: so many processes start at once in the beginning. With ``follows``, processes are
    standbys for a while before they take over, some of them beside a living owner.
    """

    together = 1

    def __init__(
        self,
        mutation: str = "",
        clock: str = "event",
        start: str = "earliest",
        follows: bool = False,
    ) -> None:
        self.mutation = mutation
        self.follows = follows
        self.start = start
        self.clock = clock
        self.inputs: Sequence[Partition] = [(topic, 0) for topic in INPUTS]
        self.outputs: Sequence[Partition] = [(self.spec().name(topic), 0) for topic in OUTPUTS]
        self.journal: Partition = (JOURNAL, 0)
        self.others: Sequence[Partition] = [(SNAPSHOTS, 0)]
        self.has_previous_offsets = True

    def spec(
        self, records: int = 16, state_digest_records: int = 8, linger_seconds: float = 0.0
    ) -> TaskSpec:
        """Names and bounds; batch bounds and snapshot distance may differ from one process to the
        next.
        """
        return TaskSpec(
            topology="pipeline",
            shard=0,
            environment="",
            inputs=list(INPUTS),
            outputs=list(OUTPUTS),
            published=list(OUTPUTS),
            schema_ids=dict.fromkeys((*INPUTS, *OUTPUTS, JOURNAL, SNAPSHOTS), SCHEMA_ID),
            facts={
                "journal_id": 1,
                "identity": {"subject": "stand-in"},
                "code": "stand-in",
                "sources": {},
                "version": VERSION,
            },
            clock=self.clock,
            start=self.start,
            state_digest_records=state_digest_records,
            bounds=Bounds(records=records, linger_seconds=linger_seconds),
        )

    def feed(self, source: random.Random) -> list[Feed]:
        """Drawn."""
        return draw_feeds(source, self.inputs)

    def run(self, process: Process, log: SimulatedLog) -> None:
        """Follow if that is asked for; take over, recover, batches until told to drain."""
        kind, make = mutate(self.mutation, process, ShardTask, make_stand_in)
        draw = process.random.choice
        spec = self.specified(process, log)
        task = kind(log, spec, make, process.clock_ns, process.monotonic, process.step)
        for _ in range(draw((0, 3, 20, 60)) if self.follows else 0):
            repeated = task.follow(WAIT_SECONDS)
            process.around.faults["batches that a standby executed"] += repeated
        process.around.faults["promotions of a standby"] += task.recovery.is_begun
        task.prepare()
        while not process.draining:
            self.between(process, task)
            task.step(WAIT_SECONDS)
        self.finish(process, task)
        task.close()

    def between(self, process: Process, task: ShardTask) -> None:
        """Before each step: nothing."""

    def finish(self, process: Process, task: ShardTask) -> None:
        """The end of a process that was told to drain."""
        task.drain()

    forges = False

    def forge(self, broker: SimulatedBroker, source: random.Random) -> bool:
        """Nobody writes what only the runner may write."""
        return False

    def specified(self, process: Process, log: SimulatedLog) -> TaskSpec:
        """What a process runs: bounds drawn."""
        draw = process.random.choice
        return self.spec(draw((1, 3, 16)), draw((4, 16, 1000)), draw((0.0, 0.0, 0.03)))

    def judge(self, broker: SimulatedBroker) -> list[Violation]:
        """Nothing besides what the checker says."""
        return []

    def deletable(self, broker: SimulatedBroker) -> dict[Partition, int]:
        """How far retention may go without taking what a recovery from the last good snapshot
        needs.
        """
        return deletable(broker, self.journal, (SNAPSHOTS, 0), self.inputs)

    def reexecute(
        self, broker: SimulatedBroker, entries: Sequence[JournalEntry]
    ) -> tuple[list[Batched], str]:
        """Batch by batch, and all of it as one batch."""
        return reexecute(broker, entries, self.inputs, self.clock == "wall")


def reexecute(
    broker: SimulatedBroker,
    entries: Sequence[JournalEntry],
    inputs: Sequence[Partition],
    is_wall: bool,
) -> tuple[list[Batched], str]:
    """One uninterrupted stand-in execution over the journal's order, batch by batch; and, under an
    event clock, one that knows no batches.
    """
    starts = start_offsets(entries, inputs)
    piecewise, whole = (_uninterrupted(broker, starts, is_wall) for _ in range(2))
    batches: list[Batched] = []
    runs: list[tuple[int, int, int, int]] = []
    for entry in entries:
        if entry.kind != BATCH:
            continue
        batch = piecewise.repeat_batch(entry.elements)
        runs += entry.elements.tolist()
        finding = ""
        if batch.inputs != entry.inputs:
            finding = "input changed: the journal's input digests are of other bytes"
        made = {output.topic: (output.count, output.digest) for output in batch.outputs}
        journaled = {
            OUTPUTS[output.output]: (output.count, output.digest) for output in entry.outputs
        }
        if made != journaled:
            finding = (
                finding
                or f"outputs are {sorted(journaled)}, an uninterrupted run gives {sorted(made)} or "
                "other bytes"
            )
        journaled_end, own_end = (entry.clock, entry.input_sequence), (batch.clock, batch.consumed)
        if journaled_end != own_end:
            finding = (
                finding
                or f"(clock, records) is {journaled_end}, an uninterrupted run has {own_end}"
            )
        if entry.states and [digest for _, digest in entry.states] != [
            digest for _, digest in piecewise.state_digests()
        ]:
            finding = finding or "the state is another one than an uninterrupted run has here"
        batches.append(
            Batched({output.topic: _framed(output) for output in batch.outputs}, finding)
        )
    if is_wall:
        return batches, ""
    total = whole.repeat_batch(np.array(runs, ELEMENT))
    if whole.stage_states() != piecewise.stage_states():
        return batches, "a run that knows no batches ends in another state"
    joined = {
        topic: [value for batch in batches for value in batch.outputs.get(topic, ())]
        for topic in OUTPUTS
    }
    if any(joined[output.topic] != _framed(output) for output in total.outputs):
        return batches, "a run that knows no batches writes other records"
    return batches, ""


def _uninterrupted(
    broker: SimulatedBroker, starts: Mapping[Partition, int], is_wall: bool
) -> StandInExecution:
    feeds = [
        StandInFeed(None, topic, key, code, starts[key])
        for code, (topic, key) in enumerate(zip(INPUTS, starts, strict=True))
    ]
    for feed in feeds:
        for record in broker.committed(*feed.partition):
            assert record.value is not None
            if record.offset >= feed.next_offset:
                feed.push(record.offset, record.value)
    return StandInExecution(feeds, is_wall)


def _framed(output: Any) -> list[bytes]:
    return [
        HEADER + each for each in split(output.body, output.count, topic_of(output.topic).record)
    ]


def _claiming(mutation: str) -> Subject:
    from tests.simulation.claiming import ClaimingSubject

    return ClaimingSubject(mutation)


def _proving(mutation: str) -> Subject:
    from tests.simulation.proving import ProvingSubject

    return ProvingSubject(mutation)


def _stepping(mutation: str) -> Subject:
    from tests.simulation.stepping import SteppingSubject

    return SteppingSubject(mutation)


def _pipeline(mutation: str) -> Subject:
    from tests.simulation.pipeline import PipelineSubject  # compiles every kernel

    return PipelineSubject(mutation)


def _reading(mutation: str) -> Subject:
    from tests.simulation.pipeline import OBSERVER, PipelineSubject

    return PipelineSubject(mutation, OBSERVER)


def _acting(mutation: str) -> Subject:
    from tests.simulation.pipeline import TRADER, PipelineSubject

    return PipelineSubject(mutation, TRADER)


def _compiled(mutation: str) -> Subject:
    from tests.simulation.pipeline import BUSY_KERNEL, PipelineSubject

    return PipelineSubject(mutation, BUSY_KERNEL)


SUBJECTS: dict[str, Callable[[str], Subject]] = {
    "event": LiveSubject,
    "wall": lambda mutation: LiveSubject(mutation, "wall"),
    "end": lambda mutation: LiveSubject(mutation, "wall", "end"),
    "standby": lambda mutation: LiveSubject(mutation, follows=True),
    "claims": _claiming,
    "proof": _proving,
    "clocks": _stepping,
    "pipeline": _pipeline,
    "reading": _reading,
    "acting": _acting,
    "compiled": _compiled,
}
"""By name: what makes a subject out of a mutation's name (empty: none)."""
