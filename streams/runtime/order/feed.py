"""One input partition as the runtime sees it: its decoded rows, validated and with their places in
the order.

Where its records come from is its source's (:class:`streams.runtime.order.source.Source`): the
blocks of a log folder, or a partition of a cluster.

What is said about rows from outside changes their place or leaves them out. An operator leaves a
record out (:meth:`Feed.skip`). A record dated further ahead of this host's clock than it may be is
a dead letter, whatever it says of its own receipt (:meth:`Feed.believe`); the journal says which
were, for whoever executes it again (:meth:`Feed.mark_ahead`). What an operator says now comes
before everything else, whatever was said before (:meth:`Feed.come_first`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from schemas.errors import BadData
from schemas.reasons import CLOCK_JUMP, GOOD, SKIPPED, UNRESOLVED
from schemas.shapes import time_field
from streams.runtime.order.decoded_rows import DecodedRows
from streams.runtime.order.row_validation import set_keys
from streams.runtime.order.source import Source

if TYPE_CHECKING:
    from streams.runtime.order.flood import FloodGuard

Array = np.ndarray[Any, Any]
NEVER = (1 << 63) - 1
BUFFERED_RECORDS = 100_000
"""Records that may wait of an input that goes on."""
REFILL_SECONDS = 20.0
POLL_SECONDS = 0.1
NOW_NS = 300_000_000_000
"""A record of control or reference data whose event time is this near to the time it was written,
or to this host's clock when it arrives, is said now, and not part of a recording."""


class Feed(DecodedRows):
    """Decoded head of one input partition; see the module's head.

    Args:
        topic: its name in the catalogue.
        code: place among the inputs, which is the merge rank.
        source: where its records come from; it is sought to its start.
        is_held: market data is not decoded before :meth:`validate_by`; what arrives is held back.
        guard: counts the records consumed and the dead letters among them.

    Attributes:
        partition: topic as it is called on the log, and number.
        offset: where it began, or was sought to. ``end_offset``: records from there on are not
            read.
        is_bounded: its source's end is the end of the input.
        now: ns, this host's clock as it was told last.
        is_awaited: the order must wait for its next records; asked only where the source goes on.
        skipped: by offset, why an operator leaves the record out.
        ahead: by offset of a record that waits and is dated too far ahead, what this host's clock
            said when it arrived.
    """

    def __init__(
        self,
        topic: str,
        code: int,
        source: Source,
        is_held: bool = False,
        guard: FloodGuard | None = None,
    ) -> None:
        super().__init__(topic, source.has_holes, source.start_offset)
        self.code = code
        self.source = source
        self.partition = source.partition
        self.offset = source.start_offset
        self.end_offset = source.end_offset
        self.is_bounded = source.is_bounded
        self.is_held = is_held and self.is_market_data
        self.is_awaited = False
        self.guard = guard
        self.running_maximum = 0
        self.skipped: dict[int, str] = {}
        self._validate: Callable[[Feed, int, int], None] | None = None
        self.now, self._latest = NEVER, NEVER
        self._is_market_open = False
        self._forget()
        source.seek(self.offset)

    def _forget(self) -> None:
        """What was held back, and what was said of rows that wait."""
        self._held: list[Any] = []
        self._held_records = 0
        self.ahead: dict[int, int] = {}
        self._said_to = -1

    def seek(self, offset: int, running_maximum: int) -> None:
        """Go on at this offset, as if every record before it had been consumed."""
        self.offset = offset
        self.running_maximum = running_maximum
        self._clear(offset, running_maximum)
        self._forget()
        self.source.seek(offset)

    # -- what waits, and what is still to come

    @property
    def usable(self) -> int:
        """Rows that may be consumed: those before the end offset."""
        if self.offsets is None:
            return min(self.count, self.end_offset - self.offset_of_zero)
        if not self.count or self.offsets[self.count - 1] < self.end_offset:
            return self.count
        return int(np.searchsorted(self.offsets[: self.count], self.end_offset))

    @property
    def waiting(self) -> int:
        """Records that have arrived and were not consumed."""
        return self.count - self.first + self._held_records

    @property
    def must_wait(self) -> bool:
        """True if the order must not go on while no row of this partition waits: its next record
        may come first.
        """
        return self.source.is_behind() if self.is_bounded else self.is_awaited

    @property
    def is_behind(self) -> bool:
        """True while the log is known to hold records that have not arrived here."""
        return self.source.is_behind()

    @property
    def timestamp_ms(self) -> int:
        """When the last record that arrived was written, by its log; transport only."""
        return self.source.timestamp_ms

    def fill(self, wait_seconds: float) -> int:
        """Take what has arrived; returns how many records."""
        return self.source.fill(self, wait_seconds)

    def read_on(self) -> bool:
        """Decode more if that needs no waiting: of a recording. False if nothing came."""
        return self.is_bounded and self.fill(0) > 0

    def refill(self) -> bool:
        """Decode more of what is known to be there, and wait for it; False if nothing came."""
        tries = 1 if self.is_bounded else int(REFILL_SECONDS / POLL_SECONDS)
        return any(self.fill(POLL_SECONDS) for _ in range(tries))

    # -- held back until the instruments are known

    def hold(self, arrived: Any, records: int, is_market: bool) -> None:
        """Keep what has arrived without decoding it. ``is_market``: stages may be built for it."""
        self._held.append(arrived)
        self._held_records += records
        self._is_market_open = self._is_market_open or is_market

    @property
    def holds_market_data(self) -> bool:
        """True once something waits that stages may be built for: a tick of the canary is no
        market.
        """
        return self.waiting > 0 and (self._is_market_open or not self.is_held)

    def validate_by(self, validator: Callable[[Feed, int, int], None]) -> None:
        """The instruments are known: ``validator(feed, first, stop)`` sets the status of rows, and
        what was held back is decoded.
        """
        self._validate = validator
        self.is_held = False
        held, self._held, self._held_records = self._held, [], 0
        for each in held:
            self.source.decode(self, each)

    # -- rows and their keys

    def append(
        self,
        body: Any,
        count: int,
        first_offset: int,
        offsets: Array | None,
        skip: int = 0,
        lengths: Array | None = None,
    ) -> None:
        """Decode bodies behind the rows that are there, validate them and give them their keys.

        Args:
            skip: the first so many count as consumed.
            offsets, lengths: as :meth:`_decode_bodies`.

        Raises:
            BadData, Misaligned: as :meth:`_decode_bodies`.
        """
        first = self.count
        self._decode_bodies(body, count, first_offset, offsets, lengths)
        if self._validate is not None:
            self._validate(self, first, self.count)
        if skip:
            self.first += skip
            self.offset_of_zero = first_offset
        self.keys[first : first + skip] = self.running_maximum
        if self.is_columnar:
            set_keys(self, first + skip, self.count)
            return
        keys, status = self.keys[first + skip : self.count], self.status[first + skip : self.count]
        times = np.array(
            [record.event_time for record in self.records[first + skip : self.count]], np.int64
        )
        times[status != GOOD] = 0
        keys[:] = np.maximum.accumulate(np.maximum(times, self.running_maximum))
        self.running_maximum = int(self.keys[self.count - 1])

    def append_bad(self, value: bytes, offset: int, status: int, detail: str) -> None:
        """A row for a record that is none, with its raw bytes: it has its place in the order like
        any other.
        """
        self._append_raw(value, offset, status, detail)
        self.keys[self.count - 1] = self.running_maximum

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

    def _row_behind(self, offset: int) -> int:
        """The first row that waits and lies behind this offset."""
        if self.offsets is None:
            return min(max(self.first, offset + 1 - self.offset_of_zero), self.count)
        return self.first + int(
            np.searchsorted(self.offsets[self.first : self.count], offset, side="right")
        )

    def _row_of(self, offset: int) -> int:
        """The row of a record that waits; -1: it does not."""
        row = self._row_behind(offset) - 1
        return row if row >= self.first and self.offset_at(row) == offset else -1

    def detail_of(self, row: int) -> str:
        """What a dead letter says of the record in this row."""
        offset = self.offset_at(row)
        found = self.problems.get(offset) or self.skipped.get(offset)
        return (
            found
            or f"instrument {int(self.rows['instrument'][row])}, event time "
            f"{self.time_of(row)}"
        )

    def first_unresolved(self, count: int) -> int:
        """The first of the next ``count`` rows that is of a schema nobody knows; -1: none is."""
        if not self.has_unresolved:
            return -1
        found = np.flatnonzero(self.status[self.first : self.first + count] == UNRESOLVED)
        return int(found[0]) if len(found) else -1

    def consume(self, count: int) -> bytes:
        """Take ``count`` rows off the head; returns SHA-256 of their bodies."""
        if self.guard is not None:
            self.guard.note(self, count)
        digest = super().consume(count)
        if self.ahead:
            self.ahead = {
                offset: now for offset, now in self.ahead.items() if offset >= self.next_offset
            }
        return digest

    # -- what is said from outside

    def believe(self, now: int, ahead_max: int) -> None:
        """This host's clock says ``now`` (ns): records dated more than ``ahead_max`` after it are
        not believed, those that wait among them.
        """
        self.now, self._latest = now, now + ahead_max
        if self.count > self.first and (
            not self.is_market_data or self.running_maximum > self._latest
        ):
            self._validate_times(self.first)

    def skip(self, offset: int, reason: str) -> None:
        """An operator leaves this record out: it becomes a dead letter in its place. Keys are made
        anew, as if it had never been good.
        """
        self.skipped[offset] = reason
        row = self._row_of(offset)
        if row < 0:
            return
        self.status[row] = SKIPPED
        if self.ahead.pop(offset, None) is not None:
            self.problems.pop(offset)
        self._order_anew()

    def mark_ahead(self, offset: int, now: int, ahead_max: int) -> None:
        """The journal says that this record was dated too far ahead of a host's clock, which said
        ``now``.

        Raises:
            BadData: it is not, is not there, or was bad already.
        """
        row = self._row_of(offset)
        if row < 0 or self.status[row] != GOOD or self.time_of(row) - now <= ahead_max:
            raise BadData(
                f"the journal was changed: {self.topic} offset {offset} is left out as dated ahead "
                f"of the clock {now}, which it is not"
            )
        self.status[row] = CLOCK_JUMP
        self._note_ahead(offset, now)
        self._order_anew()

    def come_first(self, to: int) -> None:
        """Everything up to this offset comes before any market data, whatever its time: an operator
        says something now.
        """
        self._said_to = max(self._said_to, to)
        self.keys[self.first : self._row_behind(self._said_to)] = 0

    def validate_arrivals(self, first: int, written_ms: int) -> None:
        """Apply what was said from outside to the rows from ``first`` on, which have just arrived.

        1. What an operator leaves out is marked.
        2. What is dated too far ahead of this host's clock is marked.
        3. What an operator says now comes first: it does not wait for the market to reach the time
           of day.

        ``written_ms``: when the last of them was written, by its log.
        """
        if self.skipped:
            self._leave_out(first)
        if not self.is_market_data or self.running_maximum > self._latest:
            self._validate_times(first)
        if not self.is_market_data:
            self._hear_now(first, written_ms)

    def _leave_out(self, first: int) -> None:
        rows = [row for row in map(self._row_of, self.skipped) if row >= first]
        if rows:
            self.status[rows] = SKIPPED
            self._order_anew()

    def _validate_times(self, first: int) -> None:
        """Mark the good rows from ``first`` on that are dated after the latest time believed."""
        good = self.status[first : self.count] == GOOD
        if self.is_columnar:
            times = self.rows[time_field(self.rows.dtype.names or ())][first : self.count]
        else:
            times = np.array(
                [
                    each.event_time if each is not None else 0
                    for each in self.records[first : self.count]
                ],
                np.int64,
            )
        wrong = first + np.flatnonzero(good & (times > self._latest))
        if len(wrong):
            self.status[wrong] = CLOCK_JUMP
            for row in wrong.tolist():
                self._note_ahead(self.offset_at(row), self.now)
            self._order_anew()

    def _note_ahead(self, offset: int, now: int) -> None:
        self.ahead[offset] = now
        self.problems[offset] = "its event time lay too far ahead of the clock when it arrived"

    def _hear_now(self, first: int, written_ms: int) -> None:
        good = (first + np.flatnonzero(self.status[first : self.count] == GOOD)).tolist()
        said = [row for row in good if abs(self.time_of(row) - self.now) < NOW_NS]
        if good and abs(self.time_of(good[-1]) - written_ms * 1_000_000) < NOW_NS:
            said.append(good[-1])
        if said:
            self._said_to = max(self._said_to, self.offset_at(max(said)))
            self._order_anew()
