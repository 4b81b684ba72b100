"""What a world runs: the feeds it is given, the runner's life in a process, and the uninterrupted run that judges it."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

import numpy as np

from streams.log.kafka.transport import Partition
from streams.runtime.journal import BATCH, JournalEntry
from streams.runtime.merge import ELEMENT
from tests.simulation.broker import SimulatedBroker
from tests.simulation.checker import Batched
from tests.simulation.clock import MILLISECOND, SECOND, START
from tests.simulation.log import SimulatedLog
from tests.simulation.process import Process
from tests.simulation.small_runner import JOURNAL, SmallTask
from tests.simulation.stand_in import INPUTS, OUTPUTS, StandInExecution, body
from tests.simulation.world import Feed, Subject

WAIT_SECONDS = 0.1


def draw_feeds(source: random.Random, partitions: Sequence[Partition]) -> list[Feed]:
    """10 to 60 records in bursts, over the inputs: plain, in transactions, in aborted ones; event times go back now and then; some are poison."""
    feeds: list[Feed] = []
    total = source.randint(10, 60)
    number, moment = 0, START
    while number < total:
        values = []
        for _ in range(source.randint(1, 6)):
            moment += source.randint(0, 80) * MILLISECOND
            number += 1
            values.append(body(moment - source.choice((0, 0, 0, 5, 300)) * MILLISECOND, number, source.random() < 0.05))
        outcome = source.choice(("plain", "plain", "plain", "commit", "abort"))
        wait = int(source.choice((0, 0.001, 0.02, 0.3)) * SECOND)
        feeds.append(Feed(wait, source.choice(partitions), values, outcome, int(source.choice((0.001, 0.05, 0.5)) * SECOND)))
    return feeds


class SmallSubject:
    """The runner of ``small_runner.py`` over the stand-in execution, as it is or broken by a mutation."""

    def __init__(self, mutation: str = "") -> None:
        self.mutation = mutation
        self.inputs: Sequence[Partition] = [(topic, 0) for topic in INPUTS]
        self.outputs: Sequence[Partition] = [(topic, 0) for topic in OUTPUTS]
        self.journal: Partition = (JOURNAL, 0)
        self.others: Sequence[Partition] = []
        self.has_previous_offsets = False

    def feed(self, source: random.Random) -> list[Feed]:
        """Drawn."""
        return draw_feeds(source, self.inputs)

    def run(self, process: Process, log: SimulatedLog) -> None:
        """Take over, recover, batches for ever."""
        task = SmallTask(log, process.clock_ns, process.step, self.mutation, process.name, process.memory, process.random.choice((1, 3, 16)))
        task.prepare()
        while True:
            task.step(WAIT_SECONDS)

    def reexecute(self, broker: SimulatedBroker, entries: Sequence[JournalEntry]) -> tuple[list[Batched], str]:
        """Batch by batch, and all of it as one batch."""
        return reexecute(broker, entries, self.inputs)


def reexecute(broker: SimulatedBroker, entries: Sequence[JournalEntry], inputs: Sequence[Partition]) -> tuple[list[Batched], str]:
    """One uninterrupted stand-in execution over the journal's order, batch by batch; and a second one that knows no batches."""
    piecewise, whole = StandInExecution(), StandInExecution()
    for execution in (piecewise, whole):
        for feed, key in zip(execution.feeds, inputs, strict=True):
            for record in broker.committed(*key):
                assert record.value is not None
                feed.push(record.offset, record.value)
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
        journaled = {OUTPUTS[output.output]: (output.count, output.digest) for output in entry.outputs}
        if made != journaled:
            finding = finding or f"outputs are {sorted(journaled)}, an uninterrupted run gives {sorted(made)} or other bytes"
        if batch.clock != entry.clock or batch.consumed != entry.input_sequence:
            journaled_end, own_end = (entry.clock, entry.input_sequence), (batch.clock, batch.consumed)
            finding = finding or f"(clock, records) is {journaled_end}, an uninterrupted run has {own_end}"
        batches.append(Batched({output.topic: list(output.body) for output in batch.outputs}, finding))
    total = whole.repeat_batch(np.array([tuple(run) for run in runs], ELEMENT))
    if whole.state_bytes() != piecewise.state_bytes():
        return batches, "a run that knows no batches ends in another state"
    joined = {topic: [value for batch in batches for value in batch.outputs.get(topic, ())] for topic in OUTPUTS}
    if any(joined[output.topic] != list(output.body) for output in total.outputs):
        return batches, "a run that knows no batches writes other records"
    return batches, ""


SUBJECTS: dict[str, Callable[[str], Subject]] = {"small": SmallSubject}
"""By name: what makes a subject out of a mutation's name (empty: none)."""
