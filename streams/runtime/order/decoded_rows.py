"""The decoded records of one input partition as a table: rows, their levels, and the bytes they
came from.

Rows stay where they are until the table is compacted, so indices into it live as long as a batch.
"""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np

from schemas.catalogue import topic as topic_of
from schemas.codec import NO_LEVELS, codec
from schemas.reasons import UNRESOLVED
from schemas.shapes import time_field

Array = np.ndarray[Any, Any]
ROWS_AT_START = 1 << 15
LEVELS_AT_START = 1 << 17
BYTES_AT_START = 1 << 21
"""Room for most batches: memory counts only where it is written, growing copies it."""


class Misaligned(Exception):
    """Records decode, but do not end where their values do. Never leaves the runtime's inputs."""


def grown(array: Array, used: int, needed: int) -> Array:
    """The array, or a copy at least twice as long, so that ``needed`` more entries fit after
    ``used``.
    """
    if used + needed <= len(array):
        return array
    larger = np.empty(max(2 * len(array), used + needed), array.dtype)
    larger[:used] = array[:used]
    return larger


class DecodedRows:
    """See the module's head.

    ``rows[first:count]`` are decoded and not consumed. Offsets are consecutive (``offsets`` is
    None) or, where a partition has holes, listed row by row. ``keys`` holds the running maximum of
    event time within the partition, ``status`` 0 for a good record. Market data is columnar:
    ``rows`` are its records and ``levels`` their levels. Of another topic ``rows`` are places in
    ``records``.

    ``generation`` grows whenever an array may have been replaced. With ``keeps_consumed`` a shallow
    copy stays valid over one :meth:`compact`.

    Args:
        topic: its name in the catalogue.
        has_holes: offsets rise and need not follow one another.
        offset: of the first record that will be appended, or a lower one.

    Attributes:
        problems: by offset, what is wrong with a record that is no whole record of the topic.
        has_unresolved: a record of a schema that nobody knows was appended.
    """

    keeps_consumed = False

    def __init__(self, topic: str, has_holes: bool, offset: int) -> None:
        self.topic = topic
        self.codec = codec(topic_of(topic).record)
        self.is_market_data = topic.startswith("md.")
        self.is_columnar = self.is_market_data
        self.has_levels = topic_of(topic).record == "DepthUpdate"
        self.generation = 0
        self._has_holes = has_holes
        self._spare: tuple[Array, ...] = ()
        self._clear(offset, 0)

    def _clear(self, offset: int, maximum: int) -> None:
        """No rows, as if every record before the offset had been consumed."""
        self.generation += 1
        self.first = 0
        self.count = 0
        self.offset_of_zero = offset
        self.offsets: Array | None = np.empty(ROWS_AT_START, np.int64) if self._has_holes else None
        self._maximum_before = maximum
        self.level_count = 0
        self.body_length = 0
        self.rows: Array = np.empty(
            ROWS_AT_START, self.codec.dtype if self.is_columnar else np.int64
        )
        self.records: list[Any] = []
        self.levels: Array = (
            np.empty(LEVELS_AT_START, NO_LEVELS.dtype) if self.has_levels else NO_LEVELS
        )
        self.body: Array = np.empty(BYTES_AT_START, np.uint8)
        self.keys: Array = np.empty(ROWS_AT_START, np.int64)
        self.ends: Array = np.empty(ROWS_AT_START, np.int64)
        self.status: Array = np.empty(ROWS_AT_START, np.uint8)
        self.problems: dict[int, str] = {}
        self.has_unresolved = False

    # -- what a row is

    @property
    def next_offset(self) -> int:
        """Offset of the next record to consume, or a lower one after the last that was consumed."""
        if self.offsets is None:
            return self.offset_of_zero + self.first
        return int(self.offsets[self.first - 1]) + 1 if self.first else self.offset_of_zero

    @property
    def maximum_consumed(self) -> int:
        """Running maximum of event time over what was consumed."""
        return int(self.keys[self.first - 1]) if self.first else self._maximum_before

    def offset_at(self, row: int) -> int:
        """Offset of the record in this row."""
        return self.offset_of_zero + row if self.offsets is None else int(self.offsets[row])

    def body_of(self, row: int) -> bytes:
        """The record's bytes as they lie on the log."""
        start = int(self.ends[row - 1]) if row else 0
        return self.body[start : int(self.ends[row])].tobytes()

    def time_of(self, row: int) -> int:
        """Event time of the record in this row."""
        return (
            int(self.rows[time_field(self.rows.dtype.names or ())][row])
            if self.is_columnar
            else int(self.records[row].event_time)
        )

    # -- appending

    def _make_room(self, count: int, length: int) -> None:
        """Room for so many rows more, and so many bytes."""
        self.generation += 1
        if self.offsets is not None:
            self.offsets = grown(self.offsets, self.count, count)
        self.keys = grown(self.keys, self.count, count)
        self.ends = grown(self.ends, self.count, count)
        self.status = grown(self.status, self.count, count)
        self.rows = grown(self.rows, self.count, count)
        self.body = grown(self.body, self.body_length, length)

    def _decode_bodies(
        self, body: Any, count: int, first_offset: int, offsets: Array | None, lengths: Array | None
    ) -> None:
        """Decode bodies behind the rows that are there; they have no keys yet.

        Args:
            offsets: of each; None: they follow one another from ``first_offset``.
            lengths: positions in ``body`` at which the records must end; None: it is not checked.

        Raises:
            BadData: a body is no record; no row was appended.
            Misaligned: a record ends elsewhere; no row was appended.
        """
        length, stop = len(body), self.count + count
        self._make_room(count, length)
        if self.offsets is not None:
            self.offsets[self.count : stop] = (
                np.arange(first_offset, first_offset + count) if offsets is None else offsets
            )
        self.body[self.body_length : self.body_length + length] = body
        self.status[self.count : stop] = 0
        if self.is_columnar:
            if self.has_levels:
                self.levels = grown(self.levels, self.level_count, length // 2 + 1)
            begin, end = self.body_length, self.body_length + length
            self.codec.decode_into(
                self.body,
                begin,
                end,
                self.rows,
                self.count,
                count,
                self.ends,
                self.levels,
                self.level_count,
            )
            self._check_ends(stop, lengths)
            if self.has_levels:
                last = self.rows[stop - 1]
                self.level_count = (
                    int(last["first_level"]) + int(last["bid_count"]) + int(last["ask_count"])
                )
        else:
            records = self.codec.decode_records(body, count)
            self.ends[self.count : stop] = self.codec.record_ends(body, count) + self.body_length
            self._check_ends(stop, lengths)
            self.rows[self.count : stop] = np.arange(self.count, stop)
            self.records.extend(records)
        self.body_length += length
        self.count = stop

    def _check_ends(self, stop: int, lengths: Array | None) -> None:
        if lengths is not None and not np.array_equal(
            self.ends[self.count : stop] - self.body_length, lengths
        ):
            raise Misaligned

    def _append_raw(self, value: bytes, offset: int, status: int, detail: str) -> None:
        """A row for a record that is none, with its raw bytes; it has no key yet."""
        at, length = self.count, len(value)
        self._make_room(1, length)
        self.body[self.body_length : self.body_length + length] = np.frombuffer(value, np.uint8)
        self.body_length += length
        if self.is_columnar:
            self.rows[at] = np.zeros(1, self.rows.dtype)[0]
            if self.has_levels:
                self.rows["first_level"][at] = self.level_count
        else:
            self.rows[at] = at
            self.records.append(None)
        if self.offsets is not None:
            self.offsets[at] = offset
        self.ends[at], self.status[at] = self.body_length, status
        self.problems[offset] = detail
        self.has_unresolved = self.has_unresolved or status == UNRESOLVED
        self.count = at + 1

    # -- consuming

    def consume(self, count: int) -> bytes:
        """Take ``count`` rows off the head; returns SHA-256 of their bodies."""
        start = int(self.ends[self.first - 1]) if self.first else 0
        self.first += count
        stop = int(self.ends[self.first - 1]) if self.first else 0
        return hashlib.sha256(self.body[start:stop].data).digest()

    def compact(self) -> None:
        """Drop consumed rows, once they are more than those that wait; indices taken before are
        void after.

        So no row is moved more than once on the average, however small the input batches. Where
        what was consumed must stay where it is (``keeps_consumed``), arrays change at every input
        batch.
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
        """Go on in the arrays of the last but one time, so that what was consumed stays where it is
        for those who still read it.
        """
        spare = self._spare or tuple(np.empty_like(array) for array in before)
        self._spare = before
        self.generation += 1
        largest = (grown(array, 0, len(now)) for array, now in zip(spare, before, strict=True))
        self.body, self.ends, self.keys, self.status, self.rows, self.levels = largest
