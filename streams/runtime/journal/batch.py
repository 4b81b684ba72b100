"""A batch: what it consumed, in which order, and what came out, with digests of both."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np

from schemas.catalogue import topic as topic_of
from schemas.codec import codec
from schemas.records import DeadLetter
from streams.runtime.journal.journal import InputEntry
from streams.runtime.order.feed import Feed
from streams.runtime.order.merge import InputBatch
from streams.runtime.schedule.runner import LoopRunner
from streams.runtime.schedule.upstream_output import UpstreamOutput

Array = np.ndarray[Any, Any]


class Output(msgspec.Struct, frozen=True):
    """What one batch writes to one topic."""

    topic: str
    body: Any
    count: int
    digest: bytes
    parts: Sequence[tuple[int, int]] = ()
    """(records, bytes) of what the body was made of, in order; empty: of one part"""

    def end_of(self, count: int) -> int:
        """Position in the body after its first ``count`` records."""
        at = 0
        for records, size in self.parts or ((self.count, len(self.body)),):
            if count < records:
                found = codec(topic_of(self.topic).record)
                return at + found.end_of(memoryview(self.body)[at : at + size], count)
            count, at = count - records, at + size
        return at


class Batch(msgspec.Struct, frozen=True):
    """One executed batch."""

    elements: Any
    inputs: list[InputEntry]
    outputs: list[Output]
    clock: int
    consumed: int
    ended: bool


class Prepared:
    """A batch before its order-side stages.

    Attributes:
        input_batch, feeds: the input batch, and the feeds whose rows it points to.
        elements, inputs, letters: the order, the digests of what was consumed, the dead letters.
        upstream: what the upstream pass left for the order-side stages.
        outputs: what the upstream pass made, by topic.
        consumed, clock: behind the batch.
    """

    __slots__ = (
        "upstream",
        "clock",
        "consumed",
        "elements",
        "feeds",
        "inputs",
        "letters",
        "outputs",
        "input_batch",
    )

    input_batch: InputBatch
    feeds: Sequence[Feed]
    elements: Array
    inputs: list[InputEntry]
    letters: list[DeadLetter]
    upstream: LoopRunner | UpstreamOutput | None
    outputs: dict[str, Output]
    consumed: int
    clock: int


def output_of(topic: str, count: int, body: Any, parts: Sequence[tuple[int, int]] = ()) -> Output:
    """What a batch writes to a topic, with its digest."""
    return Output(topic, body, count, hashlib.sha256(body).digest(), parts)
