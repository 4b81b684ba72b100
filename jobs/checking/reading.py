"""A topic's blocks on their way to the checks: decoded, digested, and counted for the progress."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from schemas.catalogue import topic as topic_of
from schemas.codec import NO_LEVELS, codec
from schemas.errors import BadData
from streams.log.digest import TopicDigest, add_block
from streams.log.reader import Block, TopicReader

Array = np.ndarray[Any, Any]
ROWS, BYTES = 16_384, 4 << 20
"""Small blocks are decoded together until they are so many records, or bytes."""


class Progress:
    """Records read of all there are."""

    def __init__(self, total: int, update: Callable[[int, int], None]) -> None:
        self._done, self._total, self._update = 0, total, update

    def add(self, count: int) -> None:
        """So many more."""
        self._done += count
        self._update(self._done, self._total)


class TopicReading:
    """One topic, read once from its beginning to its end.

    Attributes:
        count: records read. problem: why it could not be read further, empty if it could.
        time: running maximum of event time in the rows read, ns.
        is_read: True at the end.
    """

    def __init__(self, reader: TopicReader, progress: Progress) -> None:
        self.topic = reader.topic
        self.count = 0
        self.problem = ""
        self.time = 0
        self.is_read = False
        self.next_offset = reader.start_offset
        self._codec = codec(topic_of(reader.topic).record)
        first = 0 if reader.has_holes else reader.start_offset
        self._digest = TopicDigest(self._codec.fingerprint, first)
        self._blocks = reader.blocks()
        self._progress = progress
        self._taken = 0

    @property
    def digest(self) -> str:
        """Of the records read, in hex; the topic's, once all are."""
        return self._digest.digest().hex()

    def _next(self) -> Block | None:
        # said when they were checked: else what is compiled first would be taken for slow reading
        if self._taken:
            self._progress.add(self._taken)
        self._taken = 0
        try:
            block = next(self._blocks, None)
        except BadData as problem:
            self.problem, block = problem.text, None
        if block is None:
            self.is_read = True
            return None
        self._digest = add_block(self._digest, block, self._codec)
        self.count += block.count
        self.next_offset = block.end_offset
        self._taken = block.count
        return block

    def skim(self) -> None:
        """Read the rest for its digest alone."""
        while self._next() is not None:
            pass

    def records(self) -> Iterator[Any]:
        """Records of a topic without rows."""
        while (block := self._next()) is not None:
            yield from self._codec.decode_records(block.body, block.count)

    def rows(self) -> tuple[Array, Array, Array] | None:
        """(rows, levels, offsets) of the next blocks, as many as make a good number of rows; None
        at the end.
        """
        blocks: list[Block] = []
        records = size = 0
        while records < ROWS and size < BYTES and (block := self._next()) is not None:
            blocks.append(block)
            records += block.count
            size += len(block.body)
        if not blocks:
            return None
        body = blocks[0].body if len(blocks) == 1 else np.concatenate([b.body for b in blocks])
        try:
            found = self._codec.decode_rows(body, records)
        except BadData as problem:
            self.problem, self.is_read = problem.text, True
            return None
        rows, levels = found if self._codec.has_levels else (found, NO_LEVELS)
        if "event_time" in rows.dtype.names and len(rows):
            self.time = max(self.time, int(rows["event_time"].max()))
        return rows, levels, np.concatenate([_offsets(block) for block in blocks])


def _offsets(block: Block) -> Array:
    if block.offsets is not None:
        return np.asarray(block.offsets, np.int64)
    return np.arange(block.first_offset, block.end_offset, dtype=np.int64)


def slots_of(checks: Any, instruments: Array) -> Array:
    """Row of the checks of each instrument id."""
    unknown = len(checks.streams) - 1
    known = (instruments >= 0) & (instruments < len(checks.slots))
    return np.where(known, checks.slots[np.where(known, instruments, 0)], unknown)
