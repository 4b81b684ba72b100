"""A partition of a cluster as the source of a feed: what has arrived of it, with its offsets.

A record that cannot be decoded takes its place in the order like any other, marked bad, and becomes
a dead letter with its raw bytes. A schema id that was not resolved at start is asked of the
registry, once. If its schema is a compatible version of the topic's, records of it are rows like
any other, their bytes as our schema has them; so the digest of an input pins what the id meant. If
not, that is another matter: such a record halts the task when its turn comes, for the deployment is
at fault and not the record, unless an operator leaves it out.

Times are validated when records arrive: see
:meth:`streams.runtime.order.feed.Feed.validate_arrivals`.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import Any

import numpy as np

from schemas.errors import BadData, ShrivenError
from schemas.reasons import BAD_FRAMING, MALFORMED, UNRESOLVED
from streams.log.kafka.framing import HEADER_BYTES, BadFraming, FramedValues, schema_id_of
from streams.log.kafka.transport import Chunk, Partition, Reader
from streams.log.older import OlderSchema
from streams.runtime.live.schema_ids import SchemaIds
from streams.runtime.order.canary import is_canary
from streams.runtime.order.decoded_rows import Misaligned
from streams.runtime.order.feed import BUFFERED_RECORDS, Feed
from streams.runtime.order.source import require_rows

Array = np.ndarray[Any, Any]
FETCH_RECORDS = 50_000
HOUR_MS = 3_600_000
BEYOND = 1 << 62
"""Behind every offset that a journal may name."""
NOT_FRAMED = "the value does not begin with a zero byte and a schema id"


class RecordedUnderWallClock(ShrivenError):
    """Recorded data reaches a job that runs by the wall clock."""

    code = "recorded_under_wall_clock"
    restart_helps = False


class PartitionSource:
    """See the module's head.

    Args:
        reader: of this partition alone; the feed assigns it.
        partition: as it is called on the log.
        schema_ids: which ids of the framing are decoded, and how.
        start_offset: where it begins.
        is_wall: the task runs by the wall clock.
    """

    has_holes = True
    is_bounded = False

    def __init__(
        self,
        reader: Reader,
        partition: Partition,
        schema_ids: SchemaIds,
        start_offset: int,
        is_wall: bool = False,
    ) -> None:
        self.reader = reader
        self.partition = partition
        self.start_offset, self.end_offset = start_offset, BEYOND
        self.is_wall = is_wall
        self.timestamp_ms = 0
        self._schema_ids = schema_ids

    def seek(self, offset: int) -> None:
        """Read on at this offset."""
        self.reader.assign({self.partition: offset})

    def position(self) -> int:
        """Offset of the next record to read; past markers and aborted records that were met."""
        return self.reader.position(self.partition)

    def start(self) -> int:
        """The log-start offset, asked of the log now."""
        return self.reader.start(self.partition)

    def end(self) -> int:
        """The last stable offset, asked of the log now."""
        return self.reader.end(self.partition)

    def is_behind(self) -> bool:
        """True while the log is known, without asking it, to hold records that were not read."""
        return self.reader.is_behind(self.partition)

    def close(self) -> None:
        """Give the connection back."""
        self.reader.close()

    def fill(self, feed: Feed, wait_seconds: float) -> int:
        """Give the feed what has arrived, as far as there is room; returns how many records."""
        room = BUFFERED_RECORDS - feed.waiting
        if room <= 0:
            return 0
        chunk = self.reader.fetch(min(room, FETCH_RECORDS), wait_seconds)
        count = len(chunk.offsets)
        if not count:
            return 0
        self.timestamp_ms = chunk.timestamp_ms
        if feed.is_held:
            is_full = feed.waiting + count >= BUFFERED_RECORDS
            feed.hold(chunk, count, is_full or not all(map(is_canary, chunk.values)))
        else:
            self.decode(feed, chunk)
        return count

    def decode(self, feed: Feed, held: Chunk) -> None:
        """Decode a chunk behind the feed's rows, and validate it.

        Raises:
            RecordedUnderWallClock: it is of a recording, and the job runs by the wall clock.
        """
        first = feed.count
        self._decode_chunk(feed, held)
        feed.validate_arrivals(first, held.timestamp_ms)
        if self.is_wall and feed.is_market_data:
            self._check_clock(feed, first, held)

    def _decode_chunk(self, feed: Feed, chunk: Chunk) -> None:
        values = chunk.values
        if isinstance(values, FramedValues):
            ids = np.unique(values.schema_ids).tolist()
            if self._schema_ids.pins(ids) and self._decode_body(
                feed, values.body, values.ends, chunk.offsets
            ):
                return
            values = list(values)
        first = 0
        for head, run in groupby(values, key=lambda value: value[:HEADER_BYTES]):
            count = len(list(run))
            self._decode_run(
                feed, head, values[first : first + count], chunk.offsets[first : first + count]
            )
            first += count

    def _decode_run(
        self, feed: Feed, head: bytes, values: Sequence[bytes], offsets: list[int]
    ) -> None:
        """Values that begin alike: all at once or, where not all are whole records, one by one."""
        try:
            older = self._schema_ids.reader(schema_id_of(head))
        except ShrivenError as problem:
            bad = (
                (BAD_FRAMING, NOT_FRAMED)
                if isinstance(problem, BadFraming)
                else (UNRESOLVED, problem.text)
            )
            for value, offset in zip(values, offsets, strict=True):
                feed.append_bad(value, offset, *bad)
            return
        if self._decode(feed, [value[HEADER_BYTES:] for value in values], offsets, older):
            return
        for value, offset in zip(values, offsets, strict=True):
            if not self._decode(feed, [value[HEADER_BYTES:]], [offset], older):
                feed.append_bad(
                    value,
                    offset,
                    MALFORMED,
                    f"{len(value) - HEADER_BYTES} bytes are no {feed.codec.name}",
                )

    def _decode(
        self, feed: Feed, bodies: list[bytes], offsets: list[int], older: OlderSchema | None
    ) -> bool:
        """Append the bodies as rows; False, and nothing appended, if they are not all whole
        records.
        """
        ends = np.cumsum(np.fromiter(map(len, bodies), np.int64, len(bodies)))
        body = np.frombuffer(b"".join(bodies), np.uint8)
        if older is not None:
            try:
                body, ends = older.convert(body, ends)
            except BadData:
                return False
        return self._decode_body(feed, body, ends, offsets)

    def _decode_body(self, feed: Feed, body: Array, ends: Array, offsets: list[int]) -> bool:
        """As :meth:`_decode`, for bodies that lie one behind the other. Each record must end where
        its value does.
        """
        try:
            feed.append(body, len(offsets), offsets[0], np.array(offsets, np.int64), lengths=ends)
        except (Misaligned, BadData):
            return False
        return True

    def _check_clock(self, feed: Feed, first: int, chunk: Chunk) -> None:
        """Validated by the chunk's last good record: bad ones and the canary's have no place in
        market time.
        """
        good = np.flatnonzero(feed.status[first : feed.count] == 0)
        if len(good):
            last = int(feed.keys[first + good[-1]]) // 1_000_000
            # its writer may be wrong about the time
            written = min(chunk.timestamp_ms, feed.now // 1_000_000)
            if written - last > HOUR_MS:
                raise RecordedUnderWallClock(
                    f"{feed.topic} offset {chunk.offsets[-1]} has an event time "
                    f"{(written - last) // 1000} s before it was written: recorded data under the "
                    "wall clock would deny every order as stale; run the job with --clock event"
                )

    def require(self, feed: Feed, runs: Array) -> None:
        """The runs must lie next in what arrives; what has not arrived is waited for.

        Raises:
            BadData: the log holds other records there, or none any more.
        """
        require_rows(feed, runs, "the log")

    def schema_problem(self, feed: Feed, row: int) -> ShrivenError | None:
        """What the record in this row ends the task with: its schema is known to nobody, or nobody
        answers.
        """
        place = f"{feed.topic}/{self.partition[1]}/{feed.offset_at(row)}"
        schema_id = schema_id_of(feed.body_of(row))
        return self._schema_ids.unanswered(place, schema_id) or self._schema_ids.unresolved(
            place, schema_id
        )
