"""One input partition as the runtime sees it: decoded rows ahead of what was consumed, and the bytes they came from."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from schemas.catalogue import topic as topic_of
from schemas.codec import NO_LEVELS, codec
from schemas.errors import BadData
from schemas.reasons import GOOD
from streams.log.local import Block, TopicReader
from streams.runtime.judging import set_keys

Array = np.ndarray[Any, Any]
ROWS_AT_START = 1 << 15
LEVELS_AT_START = 1 << 17
BYTES_AT_START = 1 << 21
"""Room for most batches: memory counts only where it is written, growing copies it."""


def _grown(array: Array, used: int, needed: int) -> Array:
    """The array, or a copy at least twice as long, so that ``needed`` more entries fit after ``used``."""
    if used + needed <= len(array):
        return array
    larger = np.empty(max(2 * len(array), used + needed), array.dtype)
    larger[:used] = array[:used]
    return larger


class Feed:
    """Decoded head of one input partition.

    Offsets are consecutive (``offsets`` is None) or, where transactions left holes, listed row by
    row. ``rows[first:count]`` are decoded and not consumed; ``keys`` holds the running maximum of
    event time within the partition, ``status`` 0 for a good record. Rows stay where they are until
    :meth:`compact`, so indices into them live as long as a batch. ``generation`` grows whenever an
    array may have been replaced. With ``keeps_consumed`` a shallow copy stays valid over one
    :meth:`compact`.

    Where records come from is a subclass's: :class:`RecordedFeed`, ``live/feed.py``.

    Args:
        topic: its name in the catalogue.
        partition_number: of the topic.
        code: place among the inputs, which is the merge rank.
        start_offset, end_offset: what is read.
        judge: marks bad rows: ``judge(feed, first, stop)`` sets the status of these rows.
    """

    keeps_consumed = False
    timestamp_ms = 0
    offsets: Array | None = None

    def __init__(
        self,
        topic: str,
        partition_number: int,
        code: int,
        start_offset: int,
        end_offset: int,
        judge: Callable[[Feed, int, int], None] | None = None,
    ) -> None:
        self.topic = topic
        self.code = code
        self.partition_number = partition_number
        self.codec = codec(topic_of(topic).record)
        self.is_market_data = topic.startswith("md.")
        self.is_columnar = self.is_market_data
        self.has_levels = topic_of(topic).record == "DepthUpdate"
        self._judge = judge
        self.offset = start_offset
        self.end_offset = end_offset
        self.running_maximum = 0
        self.generation = 0
        self._spare: tuple[Array, ...] = ()
        self._reset()

    # -- what a subclass says

    @property
    def is_exhausted(self) -> bool:
        """True if the order need not wait for this partition: nothing comes, or nobody knows of
        it.
        """
        raise NotImplementedError

    @property
    def usable(self) -> int:
        """Rows that may be consumed."""
        raise NotImplementedError

    def refill(self) -> bool:
        """Decode more behind the rows that are there; False if nothing came."""
        raise NotImplementedError

    # -- rows

    def _reset(self) -> None:
        self.generation += 1
        self.first = 0
        self.count = 0
        self.offset_of_zero = self.offset
        self.read_offset = self.offset
        if self.offsets is not None:
            self.offsets = np.empty(ROWS_AT_START, np.int64)
        self.level_count = 0
        self.body_length = 0
        self.rows: Array = np.empty(ROWS_AT_START, self.codec.dtype if self.is_columnar else np.int64)
        self.records: list[Any] = []
        self.levels: Array = np.empty(LEVELS_AT_START, NO_LEVELS.dtype) if self.has_levels else NO_LEVELS
        self.body: Array = np.empty(BYTES_AT_START, np.uint8)
        self.keys: Array = np.empty(ROWS_AT_START, np.int64)
        self.ends: Array = np.empty(ROWS_AT_START, np.int64)
        self.status: Array = np.empty(ROWS_AT_START, np.uint8)

    def seek(self, offset: int, running_maximum: int) -> None:
        """Go on at this offset, as if every record before it had been consumed."""
        self.offset = offset
        self.running_maximum = running_maximum
        self._maximum_before = running_maximum
        self._reset()

    @property
    def next_offset(self) -> int:
        """Offset of the next record to consume, or a lower one after the last that was consumed."""
        if self.offsets is None:
            return self.offset_of_zero + self.first
        return int(self.offsets[self.first - 1]) + 1 if self.first else self.offset_of_zero

    def offset_at(self, row: int) -> int:
        """Offset of the record in this row."""
        return self.offset_of_zero + row if self.offsets is None else int(self.offsets[row])

    def _append(self, body: Any, count: int, first_offset: int, offsets: Array | None, skip: int = 0) -> None:
        """Decode bodies behind the rows that are there; the first ``skip`` count as consumed."""
        self.generation += 1
        length = len(body)
        stop = self.count + count
        if offsets is not None and self.offsets is None:
            self.offsets = np.arange(self.offset_of_zero, self.offset_of_zero + len(self.keys))
        if self.offsets is not None:
            self.offsets = _grown(self.offsets, self.count, count)
            self.offsets[self.count : stop] = np.arange(first_offset, first_offset + count) if offsets is None else offsets
        self.keys = _grown(self.keys, self.count, count)
        self.ends = _grown(self.ends, self.count, count)
        self.status = _grown(self.status, self.count, count)
        self.rows = _grown(self.rows, self.count, count)
        self.body = _grown(self.body, self.body_length, length)
        self.body[self.body_length : self.body_length + length] = body
        self.status[self.count : stop] = 0
        keys = self.keys[self.count : stop]
        if self.is_columnar:
            if self.has_levels:
                self.levels = _grown(self.levels, self.level_count, length // 2 + 1)
            begin, end = self.body_length, self.body_length + length
            self.codec.decode_into(self.body, begin, end, self.rows, self.count, count, self.ends, self.levels, self.level_count)
            self._check_ends(self.ends[self.count : stop] - self.body_length)
            if self.has_levels:
                last = self.rows[stop - 1]
                self.level_count = int(last["first_level"]) + int(last["bid_count"]) + int(last["ask_count"])
        else:
            records = self.codec.decode_records(body, count)
            self.ends[self.count : stop] = self.codec.record_ends(body, count) + self.body_length
            self._check_ends(self.ends[self.count : stop] - self.body_length)
            self.rows[self.count : stop] = np.arange(self.count, stop)
            self.records.extend(records)
            keys[:] = [record.event_time for record in records]
        self.body_length += length
        first, self.count = self.count, stop
        if self._judge is not None:
            self._judge(self, first, stop)
        if skip:
            self.first += skip
            self.offset_of_zero = first_offset
        keys[:skip] = self.running_maximum
        if self.is_columnar:
            set_keys(self, first + skip, stop)
        else:
            keys[self.status[first:stop] != GOOD] = 0
            keys[skip:] = np.maximum.accumulate(np.maximum(keys[skip:], self.running_maximum))
            self.running_maximum = int(keys[-1])

    def _check_ends(self, ends: Array) -> None:
        """Refuse a block before it counts; a block of the local log has its own checksum."""

    def detail_of(self, row: int) -> str:
        """What a dead letter says of the record in this row."""
        return f"instrument {int(self.rows['instrument'][row])}, event time {int(self.rows['event_time'][row])}"

    def consume(self, count: int) -> bytes:
        """Take ``count`` rows off the head; returns SHA-256 of their bodies."""
        start = int(self.ends[self.first - 1]) if self.first else 0
        self.first += count
        stop = int(self.ends[self.first - 1]) if self.first else 0
        return hashlib.sha256(self.body[start:stop].data).digest()

    def body_of(self, row: int) -> bytes:
        """The record's bytes as they lie on the log."""
        start = int(self.ends[row - 1]) if row else 0
        return self.body[start : int(self.ends[row])].tobytes()

    @property
    def maximum_consumed(self) -> int:
        """Running maximum of event time over what was consumed."""
        return int(self.keys[self.first - 1]) if self.first else self._maximum_before

    _maximum_before = 0

    def compact(self) -> None:
        """Drop consumed rows, once they are more than those that wait; indices taken before are void after.

        So no row is moved more than once on the average, however small the slices. Where what was consumed must stay where it is
        (``keeps_consumed``), arrays change at every slice.
        """
        if not self.first or not (self.keeps_consumed or self.first > self.count - self.first):
            return
        self._maximum_before = int(self.keys[self.first - 1])
        before = (self.body, self.ends, self.keys, self.status, self.rows, self.levels)
        if self.keeps_consumed:
            self._take_spare(before)
        body, ends, keys, status, rows, levels = before
        kept = slice(self.first, self.count)
        start = int(ends[self.first - 1])
        length = self.count - self.first
        body_length = self.body_length - start
        self.body[:body_length] = body[start : self.body_length]
        self.ends[:length] = ends[kept] - start
        self.keys[:length] = keys[kept]
        self.status[:length] = status[kept]
        if self.is_columnar:
            self.rows[:length] = rows[kept]
            if self.has_levels:
                dropped = int(self.rows["first_level"][0]) if length else self.level_count
                self.levels[: self.level_count - dropped] = levels[dropped : self.level_count]
                self.rows["first_level"][:length] -= dropped
                self.level_count -= dropped
        else:
            self.records = self.records[kept]
        self.body_length = body_length
        if self.offsets is None:
            self.offset_of_zero += self.first
        else:
            self.offset_of_zero = int(self.offsets[self.first - 1]) + 1
            self.offsets = self.offsets.copy() if self.keeps_consumed else self.offsets
            self.offsets[:length] = self.offsets[kept]
        self.count = length
        self.first = 0

    def _take_spare(self, before: tuple[Array, ...]) -> None:
        """Go on in the arrays of the last but one time, so that what was consumed stays where it is for those who still read it."""
        spare = self._spare or tuple(np.empty_like(array) for array in before)
        self._spare = before
        self.generation += 1
        grown = (_grown(array, 0, len(now)) for array, now in zip(spare, before, strict=True))
        self.body, self.ends, self.keys, self.status, self.rows, self.levels = grown


class RecordedFeed(Feed):
    """A topic of a log folder, from its start to where it ends now.

    Args:
        reader: the topic's reader.
        topic, code, judge: as :class:`Feed`.
        on_read: called with each block that is read.
    """

    def __init__(
        self,
        reader: TopicReader,
        topic: str,
        code: int,
        judge: Callable[[Feed, int, int], None] | None = None,
        on_read: Callable[[Block], None] | None = None,
    ) -> None:
        self.reader = reader
        self._on_read = on_read
        super().__init__(topic, 0, code, reader.start_offset, reader.end_offset, judge)

    def _reset(self) -> None:
        super()._reset()
        self._blocks: Iterator[Block] | None = None

    @property
    def is_exhausted(self) -> bool:
        """True if nothing is left to decode."""
        return self.read_offset >= self.end_offset

    @property
    def usable(self) -> int:
        """Rows that may be consumed: those before the end offset."""
        if self.offsets is None:
            return min(self.count, self.end_offset - self.offset_of_zero)
        return int(np.searchsorted(self.offsets[: self.count], self.end_offset))

    def refill(self) -> bool:
        """Decode the next block behind the rows that are there; False at the end of the topic."""
        if self.is_exhausted:
            return False
        start = self.read_offset
        if self._blocks is None:
            self._blocks = iter(self.reader.blocks(start, self.end_offset))
        block = next(self._blocks, None)
        if block is None:
            raise BadData(f"{self.topic} ends at offset {start}, its index says {self.end_offset}; run 'sq verify' on the folder")
        if self._on_read is not None:
            self._on_read(block)
        offsets: Array | None = getattr(block, "offsets", None)
        skip = start - block.first_offset if offsets is None else int(np.searchsorted(offsets, start))
        self._append(block.body, block.count, block.first_offset, offsets, max(0, skip))
        self.read_offset = block.end_offset
        return True
