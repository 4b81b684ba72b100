"""Reading a topic: whole blocks in offset order, each checked, at most one in memory; seeks by
binary search.
"""

from __future__ import annotations

import bisect
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from schemas.catalogue import topic as topic_of
from schemas.errors import WrongUse
from schemas.shapes import shapes
from streams.log.errors import CorruptBlock
from streams.log.index import DamagedEntry
from streams.log.older import Stored
from streams.log.runs import Offsets
from streams.log.segment import Bytes, Segment, segments_of


@dataclass(frozen=True, slots=True)
class Block:
    """One block as it lies on the log.

    Attributes:
        first_offset: offset of its first record.
        count: records.
        body: the records' bytes, uint8, in memory of its own.
        checksum: XXH3-128 of the body, 16 bytes.
        segment: path of its file.
        position: byte position of the block in that file.
        offsets: of every record, int64; None where they follow one another from ``first_offset``.
        stored: what lies in the file where an earlier version wrote it, whose checksum it is then;
            None where ``body`` does.
    """

    first_offset: int
    count: int
    body: Bytes
    checksum: bytes
    segment: str
    position: int
    offsets: Offsets | None = None
    stored: Stored | None = None

    @property
    def end_offset(self) -> int:
        """Offset after its last record."""
        return self.first_offset + self.count if self.offsets is None else int(self.offsets[-1]) + 1

    def offset_of(self, number: int) -> int:
        """Offset of the block's record ``number``."""
        return self.first_offset + number if self.offsets is None else int(self.offsets[number])


class TopicReader:
    """A topic up to where it ended when the reader was made, or at the last :meth:`refresh`.

    Attributes:
        topic: its name.
        start_offset, end_offset: first offset, and the offset after the last whole block.
        time_max: running maximum of event time at the end, 0 if the writer gave none.
        fault: damage behind the last whole block, which a read to the end raises; a torn tail is
            none, unless the folder is closed.
        has_holes: True if the topic was pulled from Kafka: offsets rise and need not follow one
            another.
    """

    def __init__(self, folder: Path, topic: str, is_closed: bool = False) -> None:
        self.topic = topic
        self.has_holes = False
        self._is_closed = is_closed
        self._folder = folder
        self.index_reads = 0
        self.refresh()

    def refresh(self) -> None:
        """See what was appended since."""
        self._paths = segments_of(self._folder)
        self._firsts = [int(path.stem) for path in self._paths]
        self.start_offset = self._firsts[0] if self._firsts else 0
        self.end_offset, self.time_max = self.start_offset, 0
        self.fault: CorruptBlock | None = None
        for path in reversed(self._paths):
            try:
                with Segment(path, self.topic) as segment:
                    self.end_offset, self.time_max, self.has_holes = (
                        segment.end_offset,
                        segment.time_max,
                        segment.has_holes,
                    )
                    self.index_reads += segment.index.reads
                    if segment.fault is not None and (self._is_closed or not segment.fault.is_torn):
                        self.fault = CorruptBlock(
                            str(path), segment.fault.position, self.end_offset, segment.fault.what
                        )
                break
            except EOFError:  # a segment being created: its header is not whole
                self._paths.pop()
                self._firsts.pop()

    @property
    def count(self) -> int:
        """Records in the topic. Where offsets have holes this reads every index entry."""
        if not self.has_holes:
            return self.end_offset - self.start_offset
        total = 0
        for number in range(len(self._paths)):
            with self._open(number) as segment:
                total += sum(segment.entry(block).records for block in range(len(segment.index)))
        return total

    def _open(self, number: int) -> Segment:
        try:
            return Segment(self._paths[number], self.topic)
        except EOFError:
            raise CorruptBlock(
                str(self._paths[number]), 0, self._firsts[number], "the file ends inside its header"
            ) from None

    def blocks(
        self, first_offset: int | None = None, end_offset: int | None = None
    ) -> Iterator[Block]:
        """Every block that reaches into ``[first_offset, end_offset)``, whole: the caller slices
        the first and the last.

        Holes in the offsets of a pulled topic are passed over; blocks say which offsets their
        records have.

        Raises:
            WrongUse: ``first_offset`` lies before the topic's start.
            CorruptBlock: at the first block that is not what was written, or where offsets are
                missing.
        """
        first = self.start_offset if first_offset is None else first_offset
        end = self.end_offset if end_offset is None else min(end_offset, self.end_offset)
        if first < self.start_offset and self._paths:
            raise WrongUse(
                f"{self.topic} begins at offset {self.start_offset}, not {first}; read from there"
            )
        expected = first
        number = max(0, bisect.bisect_right(self._firsts, first) - 1)
        is_first = True
        while expected < end and number < len(self._paths):
            with self._open(number) as segment:
                block_number = 0
                if is_first:
                    block_number, expected = self._start(segment, first)
                elif segment.first_offset != expected:
                    raise _gap(segment, expected, segment.first_offset)
                is_first = False
                while expected < end and block_number < len(segment.index):
                    entry, body = segment.body(block_number)
                    if entry.previous_end_offset != expected:
                        raise _gap(segment, expected, entry.previous_end_offset)
                    if entry.first_offset >= end:  # the rest of the range is a hole
                        return
                    offsets = segment.offsets(entry)
                    stored = None
                    if segment.older is not None:
                        body, stored = segment.older.read(body, entry.records)
                    yield Block(
                        entry.first_offset,
                        entry.records,
                        body,
                        entry.checksum,
                        str(segment.path),
                        entry.position,
                        offsets,
                        stored,
                    )
                    expected = entry.end_offset
                    block_number += 1
                self.index_reads += segment.index.reads
                if expected < end and segment.fault is not None:
                    raise CorruptBlock(
                        str(segment.path), segment.fault.position, expected, segment.fault.what
                    )
            number += 1
        if expected < end:
            raise CorruptBlock(
                str(self._folder), 0, expected, f"records up to offset {end} are missing"
            )
        if self.fault is not None and (end_offset is None or end_offset > end):
            raise self.fault

    def _start(self, segment: Segment, offset: int) -> tuple[int, int]:
        """(number, first offset) of the block to begin with so as to read ``offset``."""
        try:
            number = segment.index.block_of(offset)
        except DamagedEntry as damage:
            raise segment.damaged(damage) from None
        return number, segment.entry(number - 1).end_offset if number else segment.first_offset

    def offset_at_time(self, time: int) -> int:
        """Offset of the first record whose event time is at or after ``time`` (ns UTC); the end
        offset if there is none.

        Binary search over segments and blocks by running maximum, then the block it reaches is
        decoded.

        Raises:
            WrongUse: its records have no event time, or the topic was written without times.
            CorruptBlock: see :meth:`blocks`.
        """
        if time <= 0 or self.end_offset == self.start_offset:
            return self.start_offset
        if not self._has_times():
            raise WrongUse(f"{self.topic} holds no event times to look for; read from an offset")
        low, high = 0, len(self._paths) - 1
        while low < high:
            middle = (low + high) // 2
            with self._open(middle) as segment:
                is_reached = segment.time_max >= time
                self.index_reads += segment.index.reads
            low, high = (low, middle) if is_reached else (middle + 1, high)
        with self._open(low) as segment:
            try:
                number = segment.index.block_at_time(time)
            except DamagedEntry as damage:
                raise segment.damaged(damage) from None
            self.index_reads += segment.index.reads
            start = (
                segment.entry(number).first_offset
                if number < len(segment.index)
                else self.end_offset
            )
        # the first one, unless the writer gave a bound above the running maximum
        for block in self.blocks(start):
            reached = np.flatnonzero(event_times(self.topic, block.body, block.count) >= time)
            if len(reached):
                return block.offset_of(int(reached[0]))
        return self.end_offset

    def _has_times(self) -> bool:
        """True if records have one and the writer gave times: the index's first and last entries
        hold one.
        """
        if not any(
            field.name == "event_time" for field in shapes()[topic_of(self.topic).record].fields
        ):
            return False
        with self._open(0) as segment:
            return self.time_max > 0 and len(segment.index) > 0 and segment.entry(0).time_max > 0


def _gap(segment: Segment, expected: int, found: int) -> CorruptBlock:
    return CorruptBlock(
        str(segment.path), 0, expected, f"offset {expected} should come next and {found} does"
    )


def event_times(topic: str, body: Any, count: int) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Event times of a block's records, ns UTC; all 0 if the record has none."""
    from schemas.codec import codec  # compiled code: loaded only where a block is decoded

    record_codec = codec(topic_of(topic).record)
    if record_codec.dtype is not None and "event_time" in record_codec.dtype.names:
        return np.ascontiguousarray(record_codec.decode_with_ends(body, count)[0]["event_time"])
    records = record_codec.decode_records(body, count)
    return np.fromiter((getattr(record, "event_time", 0) for record in records), np.int64, count)
