"""One input partition of a log that goes on: what has arrived and was not consumed, decoded, with its offsets.

A record that cannot be decoded takes its place in the order like any other, marked bad, and becomes a dead letter with its raw bytes. A schema id
that was not resolved at start is asked of the registry, once. If its schema is a compatible version of the topic's, records of it are rows like
any other, their bytes as our schema has them; so the digest of an input pins what the id meant. If not, that is another matter: such a record
halts the task when its turn comes, for the deployment is at fault and not the record, unless an operator leaves it out.

Times are judged when records arrive. A record dated further ahead of this host's clock than it may be is a dead letter, whatever it says of its own
receipt; the journal says which were, for whoever executes it again. What an operator says now comes before everything else, whatever was said before.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import groupby
from typing import Any

import numpy as np

from schemas.errors import BadData, ShrivenError
from schemas.reasons import BAD_FRAMING, CLOCK_JUMP, GOOD, MALFORMED, SKIPPED, UNRESOLVED
from streams.log.kafka.framing import HEADER_BYTES, BadFraming, FramedValues, schema_id_of
from streams.log.kafka.transport import Chunk, Partition, Reader, TransportFailed
from streams.log.older import OlderSchema
from streams.runtime.canary import is_canary
from streams.runtime.feed import Feed, _grown
from streams.runtime.judging import set_keys
from streams.runtime.live.schema_ids import SchemaIds, UnansweredSchemaId, UnresolvedSchemaId

Array = np.ndarray[Any, Any]
FETCH_RECORDS = 50_000
BUFFERED_RECORDS = 100_000
REFILL_SECONDS = 20.0
HOUR_MS = 3_600_000
NEVER = (1 << 63) - 1
NOT_FRAMED = "the value does not begin with a zero byte and a schema id"
NOW_NS = 300_000_000_000
"""A record of control or reference data whose event time is this near to the time it was written, or to this host's clock when it arrives, is said
now, and not part of a recording."""


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
        schema_ids: which ids of the framing are decoded, and how.
        start_offset: where it begins.
        is_wall: the task runs by the wall clock.

    Attributes:
        skipped: by offset, why an operator leaves the record out.
        ahead: by offset of a record that waits and is dated too far ahead, what this host's clock said when it arrived.
        has_unresolved: a record of a schema that was not resolved has arrived.
    """

    def __init__(
        self, reader: Reader, topic: str, partition: Partition, code: int, schema_ids: SchemaIds, start_offset: int, is_wall: bool = False
    ) -> None:
        self.partition = partition
        self.source = reader
        self.is_awaited = False
        self.is_wall = is_wall
        self.timestamp_ms = 0
        self.skipped: dict[int, str] = {}
        self._now, self._latest = NEVER, NEVER
        self._schema_ids = schema_ids
        self._unjudged: list[Chunk] = []
        self._is_market_open = False
        self.offsets = np.empty(0, np.int64)
        super().__init__(topic, partition[1], code, start_offset, 1 << 62)
        self._is_held = self.is_market_data
        reader.assign({partition: start_offset})

    def _reset(self) -> None:
        super()._reset()
        self.problems: dict[int, str] = {}
        self.ahead: dict[int, int] = {}
        self.has_unresolved = False
        self._said_to = -1

    def seek(self, offset: int, running_maximum: int) -> None:
        """Go on at this offset, as if every record before it had been consumed."""
        super().seek(offset, running_maximum)
        self._unjudged = []
        self.source.assign({self.partition: offset})

    def judged_by(self, judge: Callable[[Feed, int, int], None]) -> None:
        """The instruments are known: decode what was held back until now."""
        self._judge = judge
        self._is_held = False
        waiting, self._unjudged = self._unjudged, []
        for chunk in waiting:
            self._take(chunk)

    def believe(self, now: int, ahead_max: int) -> None:
        """This host's clock says ``now`` (ns): records dated more than ``ahead_max`` after it are not believed, those that wait among them."""
        self._now, self._latest = now, now + ahead_max
        if self.count > self.first and (not self.is_market_data or self.running_maximum > self._latest):
            self._judge_times(self.first)

    def skip(self, offset: int, reason: str) -> None:
        """An operator leaves this record out: it becomes a dead letter in its place. Keys are made anew, as if it had never been good."""
        self.skipped[offset] = reason
        row = self._row_of(offset)
        if row < 0:
            return
        self.status[row] = SKIPPED
        if self.ahead.pop(offset, None) is not None:
            self.problems.pop(offset)
        self._order_anew()

    def mark_ahead(self, offset: int, now: int, ahead_max: int) -> None:
        """The journal says that this record was dated too far ahead of a host's clock, which said ``now``.

        Raises:
            BadData: it is not, is not there, or was bad already.
        """
        row = self._row_of(offset)
        if row < 0 or self.status[row] != GOOD or self._time_of(row) - now <= ahead_max:
            raise BadData(f"the journal was changed: {self.topic} offset {offset} is left out as dated ahead of the clock {now}, which it is not")
        self.status[row] = CLOCK_JUMP
        self._note_ahead(offset, now)
        self._order_anew()

    def _note_ahead(self, offset: int, now: int) -> None:
        self.ahead[offset] = now
        self.problems[offset] = "its event time lay too far ahead of the clock when it arrived"

    def _time_of(self, row: int) -> int:
        return int(self.rows["event_time"][row]) if self.is_columnar else int(self.records[row].event_time)

    def _row_of(self, offset: int) -> int:
        """The row of a record that waits; -1: it does not."""
        assert self.offsets is not None
        at = self.first + int(np.searchsorted(self.offsets[self.first : self.count], offset))
        return at if at < self.count and int(self.offsets[at]) == offset else -1

    def _judge_times(self, first: int) -> None:
        """Mark the good rows from ``first`` on that are dated after the latest time believed."""
        good = self.status[first : self.count] == GOOD
        if self.is_columnar:
            times = self.rows["event_time"][first : self.count]
        else:
            times = np.array([each.event_time if each is not None else 0 for each in self.records[first : self.count]], np.int64)
        wrong = first + np.flatnonzero(good & (times > self._latest))
        if len(wrong):
            assert self.offsets is not None
            self.status[wrong] = CLOCK_JUMP
            for offset in self.offsets[wrong].tolist():
                self._note_ahead(offset, self._now)
            self._order_anew()

    def _order_anew(self) -> None:
        """Keys of the rows that wait, from their statuses."""
        self.running_maximum = self.maximum_consumed
        if self.is_columnar:
            set_keys(self, self.first, self.count)
            return
        for row in range(self.first, self.count):
            if self.status[row] == GOOD and self.offset_at(row) > self._said_to:
                self.running_maximum = max(self.running_maximum, self.records[row].event_time)
            self.keys[row] = self.running_maximum
        self.come_first(self._said_to)

    def come_first(self, to: int) -> None:
        """Everything up to this offset comes before any market data, whatever its time: an operator says something now."""
        assert self.offsets is not None
        self._said_to = max(self._said_to, to)
        stop = self.first + int(np.searchsorted(self.offsets[self.first : self.count], self._said_to, side="right"))
        self.keys[self.first : stop] = 0

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
            TransportFailed: it does not come.
        """
        tries = 0
        while self.source.position(self.partition) < end and self.waiting < BUFFERED_RECORDS:
            tries = 0 if self.fill(0.1) else tries + 1
            if tries > REFILL_SECONDS / 0.1:
                after = self.source.position(self.partition)
                raise TransportFailed(f"{self.topic} ends at offset {end} and nothing comes after {after}; check the broker")

    def refill(self) -> bool:
        """For the repetition of a journal: wait for more, as its records are known to be there."""
        return any(self.fill(0.1) for _ in range(int(REFILL_SECONDS / 0.1)))

    def _take(self, chunk: Chunk) -> None:
        """Decode a chunk behind the rows that are there, and judge it."""
        at = self.count
        self._decode_chunk(chunk)
        if self.skipped:
            self._leave_out(at)
        if not self.is_market_data or self.running_maximum > self._latest:
            self._judge_times(at)
        self._hear_now(chunk)
        self._check_clock(chunk)

    def _decode_chunk(self, chunk: Chunk) -> None:
        values = chunk.values
        if isinstance(values, FramedValues):
            if self._schema_ids.pins(np.unique(values.schema_ids).tolist()) and self._decode_body(values.body, values.ends, chunk.offsets):
                return
            values = list(values)
        first = 0
        for head, run in groupby(values, key=lambda value: value[:HEADER_BYTES]):
            count = len(list(run))
            self._decode_run(head, values[first : first + count], chunk.offsets[first : first + count])
            first += count

    def _decode_run(self, head: bytes, values: Sequence[bytes], offsets: list[int]) -> None:
        """Values that begin alike: all at once or, where not all are whole records, one by one."""
        try:
            older = self._schema_ids.reader(schema_id_of(head))
        except ShrivenError as problem:
            bad = (BAD_FRAMING, NOT_FRAMED) if isinstance(problem, BadFraming) else (UNRESOLVED, problem.text)
            for value, offset in zip(values, offsets, strict=True):
                self._append_bad(value, offset, *bad)
            return
        if self._decode([value[HEADER_BYTES:] for value in values], offsets, older):
            return
        for value, offset in zip(values, offsets, strict=True):
            if not self._decode([value[HEADER_BYTES:]], [offset], older):
                self._append_bad(value, offset, MALFORMED, f"{len(value) - HEADER_BYTES} bytes are no {self.codec.name}")

    def _leave_out(self, first: int) -> None:
        """What operators leave out, among the rows from ``first`` on."""
        assert self.offsets is not None
        found = np.isin(self.offsets[first : self.count], list(self.skipped))
        if found.any():
            self.status[first : self.count][found] = SKIPPED
            self._order_anew()

    def unanswered(self, row: int) -> UnansweredSchemaId | None:
        """What the record in this row ends the task with if nobody could say what its schema id means; None otherwise."""
        return self._schema_ids.unanswered(f"{self.topic}/{self.partition[1]}/{self.offset_at(row)}", schema_id_of(self.body_of(row)))

    def unresolved(self, row: int) -> UnresolvedSchemaId | UnansweredSchemaId:
        """What the record in this row ends the task with."""
        place = f"{self.topic}/{self.partition[1]}/{self.offset_at(row)}"
        return self.unanswered(row) or self._schema_ids.unresolved(place, schema_id_of(self.body_of(row)))

    def _decode(self, bodies: list[bytes], offsets: list[int], older: OlderSchema | None) -> bool:
        """Append the bodies as rows; False, and nothing appended, if they are not all whole records."""
        ends = np.cumsum(np.fromiter(map(len, bodies), np.int64, len(bodies)))
        body = np.frombuffer(b"".join(bodies), np.uint8)
        if older is not None:
            try:
                body, ends = older.convert(body, ends)
            except BadData:
                return False
        return self._decode_body(body, ends, offsets)

    def _decode_body(self, body: Array, ends: Array, offsets: list[int]) -> bool:
        """As :meth:`_decode`, for bodies that lie one behind the other."""
        self._expected_ends = ends
        try:
            self._append(body, len(offsets), offsets[0], np.array(offsets, np.int64))
        except (_Misaligned, BadData):
            return False
        self.read_offset = offsets[-1] + 1
        return True

    def _hear_now(self, chunk: Chunk) -> None:
        """What an operator says now is obeyed now, and does not wait for the market to reach the time of day."""
        if self.is_market_data:
            return
        first = self.count - len(chunk.offsets)
        good = (first + np.flatnonzero(self.status[first : self.count] == GOOD)).tolist()
        said = [row for row in good if abs(self._time_of(row) - self._now) < NOW_NS]
        if good and abs(self._time_of(good[-1]) - chunk.timestamp_ms * 1_000_000) < NOW_NS:
            said.append(good[-1])
        if said:
            self._said_to = max(self._said_to, self.offset_at(max(said)))
            self._order_anew()

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
        self.has_unresolved = self.has_unresolved or status == UNRESOLVED
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
            written = min(chunk.timestamp_ms, self._now // 1_000_000)  # its writer may be wrong about the time
            if written - last > HOUR_MS:
                raise RecordedUnderWallClock(
                    f"{self.topic} offset {chunk.offsets[-1]} has an event time {(written - last) // 1000} s before it was written: "
                    "recorded data under the wall clock would deny every order as stale; run the job with --clock event"
                )

    def detail_of(self, row: int) -> str:
        """What is wrong with the record in this row."""
        offset = self.offset_at(row)
        return self.problems.get(offset) or self.skipped.get(offset) or super().detail_of(row)


class _Misaligned(Exception):
    """Records decode, but do not end where their values do. Never leaves this module."""
