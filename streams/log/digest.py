"""What a topic's records are, whatever blocks, batches and segments they lie in (design section 7).

Chunk digest = SHA-256(schema fingerprint, first offset as unsigned 64-bit, bodies, count as
unsigned 32-bit), a new chunk every 65,536 records; topic digest = SHA-256(every chunk digest, total
count as unsigned 64-bit); numbers little-endian. The count comes behind the bodies because it is
known only there when records stream by.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from streams.log.reader import Block, TopicReader

CHUNK_RECORDS = 65_536

Ends = np.ndarray[Any, np.dtype[np.int64]]


class TopicDigest:
    """A topic digest that grows with the topic.

    Args:
        fingerprint: 32 bytes, the record schema's.
        first_offset: of the topic's first record.
    """

    def __init__(self, fingerprint: bytes, first_offset: int = 0) -> None:
        self.fingerprint = fingerprint
        self.count = 0
        self.next_offset = first_offset
        self._chunks = hashlib.sha256()
        self._begin()

    def _begin(self) -> None:
        self._chunk = hashlib.sha256(self.fingerprint + self.next_offset.to_bytes(8, "little"))
        self._in_chunk = 0

    def update(
        self, body: Any, count: int, ends: Ends | Callable[[int], int] | None = None
    ) -> None:
        """Add records that follow those before.

        Args:
            body: their bytes.
            count: how many they are.
            ends: end position in ``body`` of each record, or a function that gives the position
                after the first so many; looked at only where a chunk ends inside the body.
        """
        view = memoryview(body).cast("B")
        done, at = 0, 0
        while done < count:
            take = min(count - done, CHUNK_RECORDS - self._in_chunk)
            if done + take == count:
                stop = len(view)
            else:
                if ends is None:
                    raise ValueError("a chunk ends inside this body: the records' ends are needed")
                stop = ends(done + take) if callable(ends) else int(ends[done + take - 1])
            self._chunk.update(view[at:stop])
            done, at = done + take, stop
            self._in_chunk += take
            self.next_offset += take
            if self._in_chunk == CHUNK_RECORDS:
                self._chunks.update(self._chunk_digest())
                self._begin()
        self.count += count

    def _chunk_digest(self) -> bytes:
        chunk = self._chunk.copy()
        chunk.update(self._in_chunk.to_bytes(4, "little"))
        return chunk.digest()

    def digest(self) -> bytes:
        """The topic digest so far, 32 bytes; more may be added after."""
        whole = self._chunks.copy()
        if self._in_chunk:
            whole.update(self._chunk_digest())
        whole.update(self.count.to_bytes(8, "little"))
        return whole.digest()


def add_block(digest: TopicDigest, block: Block, codec: Any) -> TopicDigest:
    """The digest with one block more; go on with what is returned. A topic of an earlier version is
    digested as it is stored, with its schema.
    """
    stored = block.stored
    if stored is None:
        digest.update(block.body, block.count, partial(codec.end_of, block.body))
        return digest
    if digest.count == 0:
        digest = TopicDigest(stored.fingerprint, digest.next_offset)
    digest.update(stored.body, block.count, stored.ends)
    return digest


def digest_so_far(reader: TopicReader, codec: Any) -> TopicDigest:
    """A :class:`TopicDigest` over what the topic holds, to be continued or finished. ``codec`` is
    the record's.
    """
    # with holes: which records, not where they lay
    digest = TopicDigest(codec.fingerprint, 0 if reader.has_holes else reader.start_offset)
    for block in reader.blocks():
        digest = add_block(digest, block, codec)
    return digest


def topic_digest(reader: TopicReader, codec: Any) -> bytes:
    """The digest of a topic, 32 bytes. Raises CorruptBlock where it cannot be read."""
    return digest_so_far(reader, codec).digest()
