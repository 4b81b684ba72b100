"""A batch executed again, compared with its journal record: by recovery, verification and a
standby.
"""

from __future__ import annotations

from collections.abc import Sequence

from streams.runtime.journal.batch import Batch
from streams.runtime.journal.divergence import Divergence, Kind
from streams.runtime.journal.journal import InputEntry, JournalEntry
from streams.runtime.recovery.execution import Execution

STATE = "state"
"""The field of a divergence that shows in a stage's state and in no record."""


def compare_inputs(
    inputs: Sequence[InputEntry], entry: JournalEntry, execution: Execution
) -> Divergence | None:
    """Which input of a batch is not what its journal record consumed; None if none is."""
    given = {item.input: item for item in inputs}
    for item in entry.inputs:
        if given.get(item.input) != item:
            topic = execution.feeds[item.input].topic
            text = f"input changed: {topic} no longer holds the bytes that were consumed"
            return Divergence(Kind.INPUT, text, entry.sequence, topic)
    return None


def compare(batch: Batch, entry: JournalEntry, execution: Execution) -> Divergence | None:
    """What of a re-executed batch differs from its journal record; None if nothing does."""
    other = compare_inputs(batch.inputs, entry, execution)
    if other:
        return other

    def diverged(what: str, topic: str = "", field: str = "") -> Divergence:
        text = f"code diverged: {what}"
        return Divergence(Kind.CODE, text, entry.sequence, topic, field=field)

    made = {output.topic: output for output in batch.outputs}
    for written in entry.outputs:
        topic = execution.outputs[written.output]
        output = made.pop(topic, None)
        if output is None or output.digest != written.digest or output.count != written.count:
            now = output.count if output else 0
            return diverged(f"{topic} ({now} records now, {written.count} then)", topic)
    if made:
        topic = next(iter(made))
        return diverged(f"{topic} has records the journal does not know", topic)
    if entry.states:
        states = execution.state_digests()
        if len(states) != len(entry.states):
            return diverged("the state of other stages than now", field=STATE)
        for (name, digest), (_, journaled) in zip(states, entry.states, strict=False):
            if digest != journaled:
                return diverged(f"the state of {name}", field=STATE)
    return None
