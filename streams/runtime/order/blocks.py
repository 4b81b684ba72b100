"""The blocks of a log folder's topic as the source of a feed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from schemas.errors import BadData, ShrivenError
from streams.log.local import Block, TopicReader
from streams.runtime.order.feed import Feed
from streams.runtime.order.source import require_rows

Array = np.ndarray[Any, Any]
ADVICE = "; give the recording the run was made from with --input"


class BlockSource:
    """A topic of a log folder, from its start to where it ends now.

    Args:
        reader: the topic's reader.
        on_read: called with each block that is read.
    """

    is_bounded = True
    timestamp_ms = 0

    def __init__(self, reader: TopicReader, on_read: Callable[[Block], None] | None = None) -> None:
        self.partition = reader.topic, 0
        self.start_offset, self.end_offset = reader.start_offset, reader.end_offset
        self.has_holes = reader.has_holes
        self._reader = reader
        self._on_read = on_read
        self.seek(self.start_offset)

    def seek(self, offset: int) -> None:
        """The next block read is the one that holds this offset."""
        self._sought = self._next = offset
        self._blocks: Iterator[Block] | None = None

    def position(self) -> int:
        """Offset behind the last block that was read."""
        return self._next

    def start(self) -> int:
        """Where the topic began when it was opened."""
        return self.start_offset

    def end(self) -> int:
        """Where the topic ended when it was opened."""
        return self.end_offset

    def is_behind(self) -> bool:
        """True while blocks are left."""
        return self._next < self.end_offset

    def fill(self, feed: Feed, wait_seconds: float) -> int:
        """Give the feed the next block; nothing has to be waited for.

        Raises:
            BadData: the topic ends before its index says.
            CorruptBlock: the block is not what was written.
        """
        if not self.is_behind():
            return 0
        if self._blocks is None:
            self._blocks = iter(self._reader.blocks(self._next, self.end_offset))
        block = next(self._blocks, None)
        if block is None:
            where = f"{feed.topic} ends at offset {self._next}, its index says {self.end_offset}"
            raise BadData(f"{where}; run 'sq verify' on the folder")
        if self._on_read is not None:
            self._on_read(block)
        if feed.is_held:
            feed.hold(block, block.count, True)
        else:
            self.decode(feed, block)
        self._next = block.end_offset
        return block.count

    def decode(self, feed: Feed, held: Block) -> None:
        """Decode a block; rows before the offset that was sought count as consumed."""
        offsets = held.offsets
        before = (
            self._sought - held.first_offset
            if offsets is None
            else int(np.searchsorted(offsets, self._sought))
        )
        feed.append(held.body, held.count, held.first_offset, offsets, skip=max(0, before))

    def require(self, feed: Feed, runs: Array) -> None:
        """The runs must follow one another, and end before the topic does.

        Where offsets have no holes, nothing is decoded for it: an exact replay drops the rows of
        a batch before it decodes those of the next one.
        """
        if self.has_holes:
            require_rows(feed, runs, "the input", ADVICE)
            return
        place = feed.next_offset
        for _, first, last, count in runs.tolist():
            if first != place or last - first + 1 != count or last >= self.end_offset:
                raise BadData(
                    f"input changed: the journal names {feed.topic} offsets {first}..{last}, the "
                    f"input ends at {self.end_offset}{ADVICE}"
                )
            place = last + 1

    def schema_problem(self, feed: Feed, row: int) -> ShrivenError | None:
        """None: a folder's records are of the schema that the folder names."""
        return None

    def close(self) -> None:
        """Nothing is held open."""
