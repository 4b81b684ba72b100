"""Topic digests of a run's inputs, taken over the bytes as they are read and not from what a
manifest says of them.

A recording is named by the digests of its topics, and a run's identity holds those names. So the
bytes that a run consumes are digested while it reads them, on a thread of their own where there is
a second processor, and compared before the run is closed. Records that are not read (behind
``--to``, before a snapshot that is resumed from) are read for their digest alone.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from streams.log.digest import TopicDigest, add_block
from streams.log.local import Block, TopicReader
from streams.runtime.tools.processors import processors

WAITING_MAX = 64
"""Blocks that may wait for the thread; they are in memory meanwhile."""


class InputDigest:
    """The digest of one topic, grown by blocks in the order they are read.

    Args:
        reader: the topic's reader.
        codec: of its records.
        pool: the thread; None: the caller's.
    """

    def __init__(self, reader: TopicReader, codec: Any, pool: ThreadPoolExecutor | None) -> None:
        self._reader = reader
        self._codec = codec
        self._pool = pool
        self._digest = TopicDigest(
            codec.fingerprint, 0 if reader.has_holes else reader.start_offset
        )
        self._next = reader.start_offset
        self._waiting: deque[Future[None]] = deque()

    def read(self, block: Block) -> None:
        """A block was read; its body is not changed by anybody after."""
        if self._pool is None:
            self._take(block)
            return
        self._waiting.append(self._pool.submit(self._take, block))
        if len(self._waiting) > WAITING_MAX:
            self._waiting.popleft().result()

    def _take(self, block: Block) -> None:
        if block.first_offset > self._next:
            self._read_up_to(block.first_offset)
        self._add(block)

    def _add(self, block: Block) -> None:
        if block.end_offset > self._next:  # else it is read again
            self._digest = add_block(self._digest, block, self._codec)
            self._next = block.end_offset

    def _read_up_to(self, offset: int) -> None:
        for block in self._reader.blocks(self._next, offset):
            self._add(block)

    def finish(self) -> str:
        """The digest of the whole topic, hexadecimal; what was not read is read now.

        Raises:
            CorruptBlock: it cannot be read.
        """
        while self._waiting:
            self._waiting.popleft().result()
        self._read_up_to(self._reader.end_offset)
        return self._digest.digest().hex()


class InputDigests:
    """The digests of all inputs, by topic."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(1, "digest") if processors() > 1 else None
        self._topics: dict[str, InputDigest] = {}

    def of(self, topic: str, reader: TopicReader, codec: Any) -> InputDigest:
        """A new topic's digest."""
        self._topics[topic] = InputDigest(reader, codec, self._pool)
        return self._topics[topic]

    def differing(self, expected: Mapping[str, str]) -> list[str]:
        """Topics that are not what these digests say, sorted; those the mapping does not name are
        not looked at.

        Raises:
            CorruptBlock: a topic cannot be read to its end.
        """
        return sorted(
            topic
            for topic, digest in self._topics.items()
            if topic in expected and digest.finish() != expected[topic]
        )
