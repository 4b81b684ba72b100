"""A batch executed again, compared with its journal record: by recovery, verification and a standby."""

from __future__ import annotations

from collections.abc import Sequence

from streams.runtime.execution import Batch, Execution
from streams.runtime.journal import InputEntry, JournalEntry


def compare_inputs(inputs: Sequence[InputEntry], entry: JournalEntry, execution: Execution) -> str:
    """Which input of a batch is not what its journal record consumed; empty if none is."""
    given = {item.input: item for item in inputs}
    for item in entry.inputs:
        if given.get(item.input) != item:
            return f"input changed: {execution.feeds[item.input].topic} no longer holds the bytes that were consumed"
    return ""


def compare(batch: Batch, entry: JournalEntry, execution: Execution) -> str:
    """What of a re-executed batch differs from its journal record; empty if nothing does."""
    other = compare_inputs(batch.inputs, entry, execution)
    if other:
        return other
    made = {output.topic: output for output in batch.outputs}
    for written in entry.outputs:
        topic = execution.outputs[written.output]
        output = made.pop(topic, None)
        if output is None or output.digest != written.digest or output.count != written.count:
            return f"code diverged: {topic} ({output.count if output else 0} records now, {written.count} then)"
    if made:
        return f"code diverged: {next(iter(made))} has records the journal does not know"
    if entry.states:
        states = execution.state_digests()
        if len(states) != len(entry.states):
            return "code diverged: the state of other stages than now"
        for (name, digest), (_, journaled) in zip(states, entry.states, strict=False):
            if digest != journaled:
                return f"code diverged: the state of {name}"
    return ""
