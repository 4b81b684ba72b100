"""What lies on the log of a run, read along with its journal, and how it differs from what is made
now.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from schemas.catalogue import topic as topic_of
from schemas.codec import codec
from schemas.errors import ShrivenError
from streams.log.container import SYNC_BYTES, encode_long
from streams.log.digest import TopicDigest
from streams.log.local import Block, LocalLog
from streams.runtime.journal.divergence import Difference
from streams.runtime.journal.journal import OutputEntry


class OutputReader:
    """The blocks of one output topic, read along with the journal, and their topic digest so far.

    Attributes:
        next_offset: of the next record; as many were read.
        end_offset: records the topic holds.
    """

    def __init__(self, folder: LocalLog, topic: str) -> None:
        self.topic = topic
        self.next_offset = 0
        self.end_offset = 0
        self._codec = codec(topic_of(topic).record)
        self._digest = TopicDigest(self._codec.fingerprint)
        self._blocks: Iterator[Block] = iter(())
        if topic in folder.topics():
            reader = folder.reader(topic)
            self.end_offset = reader.end_offset
            self._blocks = iter(reader.blocks())

    def take(self, item: OutputEntry) -> tuple[memoryview, str]:
        """Bodies of the block that the journal's entry speaks of, and what of it is not as the
        entry says (empty: nothing).
        """
        first = self.next_offset
        block = next(self._blocks, None)
        if block is None or block.count != item.count:
            found = first + (block.count if block is not None else 0)
            return (
                memoryview(b""),
                f"{self.topic} has a block that ends at offset {found}, the journal says "
                f"{first + item.count}",
            )
        self.next_offset += block.count
        self._digest.update(block.body, block.count, partial(self._codec.end_of, block.body))
        end = (
            block.position
            + len(encode_long(block.count))
            + len(encode_long(len(block.body)))
            + len(block.body)
            + SYNC_BYTES
        )
        if (
            block.checksum != item.checksum
            or end != item.end_position
            or item.previous_offset != -1
        ):
            return (
                block.body.data,
                f"the block of {self.topic} from offset {first} is not the one whose checksum and "
                "end the journal holds",
            )
        return block.body.data, ""

    def require_kept(self, offset: int) -> None:
        """Nothing removes records of a run folder."""

    def facts(self) -> dict[str, int | str]:
        """Count and topic digest of what was read, as a manifest has them."""
        return {"count": self.next_offset, "digest": self._digest.digest().hex()}


def first_difference(
    topic: str, first: int, before: bytes, now: bytes, before_count: int, now_count: int
) -> Difference:
    """The first record in which two bodies differ, with its fields."""
    decoder = codec(topic_of(topic).record)
    try:
        old, new = (
            decoder.decode_records(before, before_count),
            decoder.decode_records(now, now_count),
        )
    except ShrivenError:
        return Difference(
            f"{topic} from offset {first}: the bytes on the log are no records", topic, first
        )
    for number, (a, b) in enumerate(zip(old, new, strict=False)):
        if a != b:
            pairs = [(name, getattr(a, name), getattr(b, name)) for name in a.__struct_fields__]
            differing = [
                (name, f"{name} {was!r} on the log, {now_is!r} now")
                for name, was, now_is in pairs
                if was != now_is
            ]
            text = (
                f"{topic} offset {first + number}: {', '.join(each for _, each in differing[:4])}"
            )
            return Difference(text, topic, first + number, differing[0][0])
    if before_count != now_count:
        record = first + min(before_count, now_count)
        return Difference(
            f"{topic} offset {record}: {before_count} records on the log, {now_count} now",
            topic,
            record,
        )
    return Difference(f"{topic} from offset {first}: same records, other bytes", topic, first)
