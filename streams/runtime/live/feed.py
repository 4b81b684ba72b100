"""One input partition of a log that goes on: what has arrived and was not consumed, decoded, with its offsets.

A record that cannot be decoded takes its place in the order like any other, marked bad, and becomes a dead letter with its raw bytes. A record
of a schema id that was not resolved at start is another matter: it halts the task, for the deployment is at fault and not the record.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from schemas.catalogue import topic as topic_of
from schemas.codec import codec
from schemas.errors import BadData, ShrivenError
from streams.log.kafka.framing import HEADER_BYTES, FramedValues, schema_id_of
from streams.log.kafka.transport import Chunk, Partition, Reader
from streams.runtime.canary import is_canary
from streams.runtime.feed import Feed, _grown
from streams.runtime.judging import BAD_FRAMING, MALFORMED, SKIPPED, set_keys

Array = np.ndarray[Any, Any]
FETCH_RECORDS = 50_000
BUFFERED_RECORDS = 100_000
REFILL_SECONDS = 20.0
HOUR_MS = 3_600_000
NOW_MS = 300_000
"""A record of control or reference data whose event time is this near to the time it was written is said now, and not part of a recording."""


class UnresolvedSchemaId(ShrivenError):
    """A record says it is of a schema that this deployment did not resolve at its start."""

    code = "unresolved_schema_id"
    restart_helps = False


class RecordedUnderWallClock(ShrivenError):
    """Recorded data reaches a job that runs by the wall clock."""

    code = "recorded_under_wall_clock"
    restart_helps = False


class LiveFeed(Feed):
    """See the module's head.

    Args:
        reader: assigned to this partition alone.
        topic: its name in the catalogue.
        partition: as it is called on the log.
        code: place among the inputs.
        schema_ids: ids of the framing that this deployment decodes.
        start_offset: where it begins.
        is_wall: the task runs by the wall clock.
    """

    def __init__(
        self, reader: Reader, topic: str, partition: Partition, code: int, schema_ids: Sequence[int], start_offset: int, is_wall: bool = False
    ) -> None:
        self.topic = topic
        self.partition = partition
        self.code = code
        self.partition_number = partition[1]
        self.source = reader
        self.codec = codec(topic_of(topic).record)
        self.is_market_data = topic.startswith("md.")
        self.is_columnar = self.is_market_data
        self.has_levels = topic_of(topic).record == "DepthUpdate"
        self.is_awaited = False
        self.is_wall = is_wall
        self.timestamp_ms = 0
        self.offset = start_offset
        self.end_offset = 1 << 62
        self.offsets: Array | None = np.empty(0, np.int64)
        self.running_maximum = 0
        self.generation = 0
        self.problems: dict[int, str] = {}
        self.skipped: dict[int, str] = {}
        self._schema_ids = frozenset(schema_ids)
        self._headers = {bytes([0]) + each.to_bytes(4, "big") for each in schema_ids}
        self._judge = None
        self._unjudged: list[Chunk] = []
        self._is_held = self.is_market_data
        self._is_market_open = False
        self._reset()
        reader.assign({partition: start_offset})

    def _reset(self) -> None:
        super()._reset()
        self.problems = {}

    def seek(self, offset: int, running_maximum: int) -> None:
        """Go on at this offset, as if every record before it had been consumed."""
        super().seek(offset, running_maximum)
        self._unjudged = []
        self.source.assign({self.partition: offset})

    def judged_by(self, judge: Callable[[Feed, int, int], None]) -> None:
        """The instruments are known: decode what was held back until now."""
        def judged(feed: Feed, first: int, stop: int) -> None:
            judge(feed, first, stop)
            if self.skipped and feed.offsets is not None:
                feed.status[first:stop][np.isin(feed.offsets[first:stop], sorted(self.skipped))] = SKIPPED

        self._judge = judged
        self._is_held = False
        waiting, self._unjudged = self._unjudged, []
        for chunk in waiting:
            self._take(chunk)

    def skip(self, offset: int, reason: str) -> None:
        """An operator leaves this record out: it becomes a dead letter in its place. Keys are made anew, as if it had never been good."""
        self.skipped[offset] = reason
        assert self.offsets is not None
        left = slice(self.first, self.count)
        at = self.first + int(np.searchsorted(self.offsets[left], offset))
        if at >= self.count or int(self.offsets[at]) != offset:
            return
        self.status[at] = SKIPPED
        self.running_maximum = self.maximum_consumed
        set_keys(self, self.first, self.count)

    @property
    def waiting(self) -> int:
        """Records that have arrived and were not consumed."""
        return self.count - self.first + sum(len(chunk.offsets) for chunk in self._unjudged)

    @property
    def holds_market_data(self) -> bool:
        """True once something waits that stages may be built for: a tick of the canary is no market."""
        return self.waiting > 0 and (self._is_market_open or not self._is_held)

    @property
    def is_exhausted(self) -> bool:
        """True unless something is known to be on its way that the order must wait for."""
        return not self.is_awaited

    @property
    def usable(self) -> int:
        """All rows."""
        return self.count

    @property
    def is_behind(self) -> bool:
        """True while the log is known to hold records that have not arrived here."""
        return self.source.is_behind(self.partition)

    def fill(self, wait_seconds: float) -> int:
        """Take what has arrived; returns how many records."""
        room = BUFFERED_RECORDS - self.waiting
        if room <= 0:
            return 0
        chunk = self.source.fetch(min(room, FETCH_RECORDS), wait_seconds)
        if not chunk.offsets:
            return 0
        self.timestamp_ms = chunk.timestamp_ms
        if self._is_held:
            self._unjudged.append(chunk)
            self._is_market_open = self._is_market_open or self.waiting >= BUFFERED_RECORDS or not all(map(is_canary, chunk.values))
        else:
            self._take(chunk)
        return len(chunk.offsets)

    def fill_to(self, end: int) -> None:
        """Take everything before this offset, an end that was asked of the log, or as much as there is room for.

        Raises:
            BadData: it does not come.
        """
        tries = 0
        while self.source.position(self.partition) < end and self.waiting < BUFFERED_RECORDS:
            tries = 0 if self.fill(0.1) else tries + 1
            if tries > REFILL_SECONDS / 0.1:
                raise BadData(f"{self.topic} ends at offset {end} and nothing comes after {self.source.position(self.partition)}; check the broker")

    def refill(self) -> bool:
        """For the repetition of a journal: wait for more, as its records are known to be there."""
        return any(self.fill(0.1) for _ in range(int(REFILL_SECONDS / 0.1)))

    def _take(self, chunk: Chunk) -> None:
        """Decode a chunk behind the rows that are there."""
        values = chunk.values
        if isinstance(values, FramedValues):
            if self._schema_ids.issuperset(np.unique(values.schema_ids).tolist()) and self._decode_body(values.body, values.ends, chunk.offsets):
                return self._check_clock(chunk)
            values = list(values)
        heads = {value[:HEADER_BYTES] for value in values}
        if heads <= self._headers:
            bodies = [value[HEADER_BYTES:] for value in values]
            if self._decode(bodies, chunk.offsets):
                return self._check_clock(chunk)
        for value, offset in zip(values, chunk.offsets, strict=True):
            if not self._is_framed(value, offset):
                self._append_bad(value, offset, BAD_FRAMING, "the value does not begin with a zero byte and a schema id")
            elif not self._decode([value[HEADER_BYTES:]], [offset]):
                self._append_bad(value, offset, MALFORMED, f"{len(value) - HEADER_BYTES} bytes are no {self.codec.name}")
        return self._check_clock(chunk)

    def _is_framed(self, value: bytes, offset: int) -> bool:
        """True if the value has the framing of an id that was resolved. Raises UnresolvedSchemaId for another."""
        try:
            found = schema_id_of(value)
        except BadData:
            return False
        if found not in self._schema_ids:
            raise UnresolvedSchemaId(
                f"{self.partition[0]}/{self.partition[1]} offset {offset} is of schema id {found}, this deployment resolved "
                f"{', '.join(map(str, sorted(self._schema_ids)))} at its start; nothing was dead-lettered: start code that knows the schema"
            )
        return True

    def _decode(self, bodies: list[bytes], offsets: list[int]) -> bool:
        """Append the bodies as rows; False, and nothing appended, if they are not all whole records."""
        ends = np.cumsum(np.fromiter(map(len, bodies), np.int64, len(bodies)))
        return self._decode_body(np.frombuffer(b"".join(bodies), np.uint8), ends, offsets)

    def _decode_body(self, body: Array, ends: Array, offsets: list[int]) -> bool:
        """As :meth:`_decode`, for bodies that lie one behind the other."""
        self._expected_ends = ends
        try:
            self._append(body, len(offsets), offsets[0], np.array(offsets, np.int64))
        except (_Misaligned, BadData):
            return False
        self.read_offset = offsets[-1] + 1
        return True

    def _append(self, body: Any, count: int, first_offset: int, offsets: Array | None, skip: int = 0) -> None:
        """As every feed; but what an operator says now is obeyed now, and does not wait for the market to reach the time of day."""
        before, at = self.running_maximum, self.count
        super()._append(body, count, first_offset, offsets, skip)
        if not self.is_market_data and abs(int(self.keys[self.count - 1]) // 1_000_000 - self.timestamp_ms) < NOW_MS:
            self.keys[at : self.count] = before
            self.running_maximum = before

    def _check_ends(self, ends: Array) -> None:
        """Every record must end where its value did."""
        if not np.array_equal(ends, self._expected_ends):
            raise _Misaligned

    def _append_bad(self, value: bytes, offset: int, status: int, detail: str) -> None:
        """A row for a record that is none, with its raw bytes."""
        self.generation += 1
        at, length = self.count, len(value)
        self.offsets = _grown(self.offsets, at, 1)  # type: ignore[arg-type]
        self.keys, self.ends = _grown(self.keys, at, 1), _grown(self.ends, at, 1)
        self.status, self.rows = _grown(self.status, at, 1), _grown(self.rows, at, 1)
        self.body = _grown(self.body, self.body_length, length)
        self.body[self.body_length : self.body_length + length] = np.frombuffer(value, np.uint8)
        self.body_length += length
        if self.is_columnar:
            self.rows[at] = np.zeros(1, self.rows.dtype)[0]
            if self.has_levels:
                self.rows["first_level"][at] = self.level_count
        else:
            self.rows[at] = at
            self.records.append(None)
        self.offsets[at], self.keys[at], self.ends[at], self.status[at] = offset, self.running_maximum, self.body_length, status
        self.problems[offset] = detail
        self.count = at + 1
        self.read_offset = offset + 1

    def _check_clock(self, chunk: Chunk) -> None:
        """Judged by the chunk's last good record: bad ones and the canary's have no place in market time."""
        if not self.is_wall or not self.is_market_data:
            return
        at = self.count - len(chunk.offsets)
        good = np.flatnonzero(self.status[at : self.count] == 0)
        if len(good):
            last = int(self.keys[at + good[-1]]) // 1_000_000
            if chunk.timestamp_ms - last > HOUR_MS:
                raise RecordedUnderWallClock(
                    f"{self.topic} offset {chunk.offsets[-1]} has an event time {(chunk.timestamp_ms - last) // 1000} s before it was written: "
                    "recorded data under the wall clock would deny every order as stale; run the job with --clock event"
                )

    def detail_of(self, row: int) -> str:
        """What is wrong with the record in this row."""
        offset = self.offset_at(row)
        return self.problems.get(offset) or self.skipped.get(offset) or super().detail_of(row)


class _Misaligned(Exception):
    """Records decode, but do not end where their values do. Never leaves this module."""
