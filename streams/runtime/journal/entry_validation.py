"""What no journal record can say, whatever the inputs and the code are.

A journal is data that somebody else may have written. Its numbers are validated here, once for the
local log and for Kafka, before any of them is used as a place in an array. Whether the inputs hold
these records is validated after that, by the execution.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import numpy as np

from schemas.errors import CorruptLog
from streams.runtime.journal.journal import JournalEntry
from streams.runtime.order.merge import AHEAD, CLOCK, END_OF_INPUTS

Array = np.ndarray[Any, Any]
BATCH_RECORDS_MAX = 1 << 24
OFFSET_LIMIT = 1 << 62
CLOCK_LIMIT = 1 << 62
DIGEST_BYTES = 32


class MalformedJournal(CorruptLog):
    """A journal record that no run can have written."""

    code = "malformed_journal"


def malformed(entry: JournalEntry, inputs: int, outputs: int) -> str:
    """What of a batch record cannot be; empty if nothing.

    Args:
        entry: a record of kind BATCH.
        inputs: how many input partitions the topology has.
        outputs: how many output topics it has, dead letters included.
    """
    named = (
        ("inputs", [item.input for item in entry.inputs], inputs),
        ("outputs", [item.output for item in entry.outputs], outputs),
    )
    for what, numbers, limit in named:
        if len(set(numbers)) != len(numbers) or not all(0 <= number < limit for number in numbers):
            return f"its {what} are not {what} of this run, each once"
    amounts = [(item.count, item.digest) for item in entry.inputs] + [
        (item.count, item.digest) for item in entry.outputs
    ]
    if any(
        not 1 <= count <= BATCH_RECORDS_MAX << 8 or len(digest) != DIGEST_BYTES
        for count, digest in amounts
    ):
        return "a count or a digest of its inputs or outputs cannot be"
    if [number for number, _ in entry.states] != list(range(len(entry.states))) or any(
        len(digest) != DIGEST_BYTES for _, digest in entry.states
    ):
        return "its state digests are not those of stages in their order"
    if not (0 <= entry.clock < CLOCK_LIMIT and 0 <= entry.input_sequence < OFFSET_LIMIT):
        return (
            f"its clock {entry.clock} or its input sequence {entry.input_sequence} is out of range"
        )
    return malformed_elements(entry.elements, inputs)


def malformed_close(entry: JournalEntry, consumed: int, facts: Collection[str] = ()) -> str:
    """What of a Close is not as a task writes it behind so many input records, with these facts;
    empty if nothing.
    """
    if entry.input_sequence != consumed:
        return f"it comes after {entry.input_sequence} records, {consumed} were consumed"
    others = (entry.clock, len(entry.elements), entry.inputs, entry.outputs, entry.states)
    if others != (0, 0, [], [], []) or set(entry.facts) != set(facts):
        return "it says more or less than a Close says"
    return ""


def malformed_elements(elements: Array, inputs: int) -> str:
    """What of an order of inputs cannot be; empty if nothing."""
    wrong = "its elements are no order of inputs"
    code, first, last, count = (
        elements[name] for name in ("input", "first_offset", "last_offset", "count")
    )
    lowest = AHEAD - inputs + 1
    if ((code < lowest) | (code >= inputs)).any():
        return (
            f"{wrong}: one names input {int(code[(code < lowest) | (code >= inputs)][0])}, this "
            f"run has {inputs}"
        )
    records = code >= 0
    end = [(END_OF_INPUTS, 0, 0, 1)]
    is_end = code == END_OF_INPUTS
    if (elements[is_end].tolist() or end) != end or is_end[:-1].any():
        return f"{wrong}: the end of the inputs is not the last"
    clocks = elements[code == CLOCK]
    if (code == CLOCK)[1:].any() or any(
        at != to or amount != 1 or not 0 <= at < CLOCK_LIMIT
        for _, at, to, amount in clocks.tolist()
    ):
        return f"{wrong}: a reading of the clock is not the first, or is out of range"
    ahead = elements[code <= AHEAD]
    if any(
        offset < 0 or not 0 <= at < CLOCK_LIMIT or amount != 1
        for _, offset, at, amount in ahead.tolist()
    ):
        return f"{wrong}: a record dated ahead, or the clock it was ahead of, is out of range"
    bounded = (
        (count >= 1)
        & (count <= BATCH_RECORDS_MAX)
        & (first >= 0)
        & (last >= first)
        & (last < OFFSET_LIMIT)
    )
    if not (bounded | ~records).all():
        return f"{wrong}: a count or an offset is out of range"
    # the bounds above keep this within 64 bits; other elements are masked
    if (records & (last - first + 1 < count)).any():
        return f"{wrong}: a run counts more records than its offsets have room for"
    if sum(count[records].tolist()) > BATCH_RECORDS_MAX:
        return f"{wrong}: it is of more than {BATCH_RECORDS_MAX} records"
    for number in np.unique(code[records]).tolist():
        mine = code == number
        if (first[mine][1:] <= last[mine][:-1]).any():
            return f"{wrong}: offsets of input {number} do not rise"
    return ""


def require_sound(elements: Array, inputs: int) -> None:
    """Refuse an order of inputs that cannot be.

    Raises:
        MalformedJournal: says what of it.
    """
    wrong = malformed_elements(elements, inputs)
    if wrong:
        raise MalformedJournal(
            f"the journal was changed: {wrong}; restore the folder from a copy, or make the run "
            "again"
        )
