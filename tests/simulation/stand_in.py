"""A light execution with the interface of ``streams.runtime.recovery.execution.Execution``, its own
live order, and everything that can go wrong in one.

Its state is a hash over the records in order, so two orders, a lost record or a doubled one give
another state and other outputs from there on. It has timers, a clock made of event times (or the
wall's), two outputs and dead letters: enough to notice whatever a runner may do to its inputs, at a
few microseconds a record. Output bodies are real ones (Quote and Mark, integers only), so that the
runner splits them as ever.
"""

from __future__ import annotations

import hashlib
import struct
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from schemas.codec import codec
from schemas.errors import BadData
from schemas.records import DeadLetter
from streams.log.container import encode_long
from streams.log.kafka.framing import HEADER_BYTES, header
from streams.log.kafka.transport import Log, Partition, Reader
from streams.runtime.journal.batch import Batch, Output
from streams.runtime.journal.journal import InputEntry
from streams.runtime.live.partition import PartitionSource
from streams.runtime.live.schema_ids import SchemaIds
from streams.runtime.live.spec import TaskSpec
from streams.runtime.order.merge import CLOCK, ELEMENT

INPUTS = ("control", "md.trades", "md.depth")
OUTPUTS = ("md.quotes", "md.marks", "pipeline.dlq")
QUOTES, MARKS, DEAD_LETTERS = range(3)
SCHEMA_ID = 7
HEADER = header(SCHEMA_ID)
BODY = struct.Struct(">qIB")
TIMER_NS = 700_000_000
MASK = (1 << 62) - 1
MULTIPLIER = 6364136223846793005
STAGE = "stand-in"


def body(event_time: int, value: int, poison: bool = False) -> bytes:
    """A framed input record."""
    return HEADER + BODY.pack(event_time, value, poison)


class StandInFeed:
    """One input partition: what has arrived and was not consumed. See
    ``streams.runtime.order.feed.Feed``.
    """

    def __init__(
        self, reader: Reader | None, topic: str, partition: Partition, code: int, start_offset: int
    ) -> None:
        self.source: Any = None
        self.topic = topic
        self.partition = partition
        self.code = code
        self.is_market_data = topic.startswith("md.")
        self.is_awaited = False
        self.timestamp_ms = 0
        self.next_offset = start_offset
        self.maximum = 0
        self.maximum_consumed = 0
        self.arrived: deque[tuple[int, int, bytes]] = deque()
        if reader is not None:
            self.source = PartitionSource(
                reader, partition, SchemaIds(topic, [SCHEMA_ID]), start_offset
            )
            self.source.seek(start_offset)

    @property
    def waiting(self) -> int:
        """Records that have arrived and were not consumed."""
        return len(self.arrived)

    @property
    def holds_market_data(self) -> bool:
        """True once something waits."""
        return bool(self.arrived)

    @property
    def is_behind(self) -> bool:
        """True while the log is known to hold records that have not arrived here."""
        return bool(self.source.is_behind())

    def fill(self, wait_seconds: float) -> int:
        """Take what has arrived; returns how many records."""
        chunk = self.source.reader.fetch(1000, wait_seconds)
        for offset, value in zip(chunk.offsets, chunk.values, strict=True):
            self.push(offset, value)
        if chunk.offsets:
            self.timestamp_ms = chunk.timestamp_ms
        return len(chunk.offsets)

    def push(self, offset: int, value: bytes) -> None:
        """A record that arrived; its key is the running maximum of event time."""
        event_time, _, poison = BODY.unpack_from(value, HEADER_BYTES)
        if not poison and event_time > self.maximum:
            self.maximum = event_time
        self.arrived.append((self.maximum, offset, value))

    def seek(self, offset: int, maximum: int) -> None:
        """Go on at this offset, as if everything before had been consumed."""
        self.next_offset, self.maximum, self.maximum_consumed = offset, maximum, maximum
        self.arrived.clear()
        self.source.seek(offset)


class StandInExecution:
    """Batches over :class:`StandInFeed`."""

    def __init__(self, feeds: Sequence[StandInFeed], is_wall: bool = False) -> None:
        self.feeds = list(feeds)
        self.outputs = list(OUTPUTS)
        self.is_wall = is_wall
        self.is_started = True
        self.awaited: StandInFeed | None = None
        self.known: list[Any] = []
        self.state = 1
        self.present = 0
        self.consumed = 0
        self.timers: list[int] = []
        self._quotes: list[bytes] = []
        self._marks: list[bytes] = []
        self._letters: list[DeadLetter] = []

    @property
    def execution(self) -> StandInExecution:
        """It is its own, as ``streams.runtime.live.order.LiveOrder`` has it."""
        return self

    def close(self) -> None:
        """Give the readers back."""
        for feed in self.feeds:
            feed.source.close()

    def now(self) -> int:
        """The clock a stage is given; a mutation reads another."""
        return self.present

    def set_time(self, now: int) -> None:
        """Times are not judged here."""

    def is_ready(self) -> bool:
        """Always."""
        return True

    def next_live(self, wanted: int, clock: int = 0) -> Batch | None:
        """Execute at most ``wanted`` of the records that have arrived, in the live order; None if
        it allows none.
        """
        self.awaited = None
        order: list[tuple[StandInFeed, int, bytes]] = []
        while len(order) < wanted:
            self.awaited = next(
                (feed for feed in self.feeds if not feed.arrived and feed.is_awaited), None
            )
            heads = [feed for feed in self.feeds if feed.arrived]
            if self.awaited is not None or not heads:
                break
            order.append(self._take(min(heads, key=lambda feed: (feed.arrived[0][0], feed.code))))
        if not order and not self.is_wall:
            return None
        return self._execute(order, max(clock, self.present) if self.is_wall else None)

    def repeat_batch(self, elements: Any) -> Batch:
        """Execute in the order a journal's elements give, at its clock.

        Raises:
            BadData: the inputs hold something else than the journal says.
        """
        order: list[tuple[StandInFeed, int, bytes]] = []
        clock = None
        for code, first, last, count in elements.tolist():
            if code == CLOCK:
                clock = first
                continue
            feed = self.feeds[code]
            run = [self._await(feed, first, last) for _ in range(count)]
            if run[0][1] != first or run[-1][1] != last:
                raise BadData(
                    f"input changed: the journal names {count} records of {feed.topic} at {first} "
                    f"to {last}, the log holds others there"
                )
            order += run
        return self._execute(order, clock)

    def _await(self, feed: StandInFeed, first: int, last: int) -> tuple[StandInFeed, int, bytes]:
        tries = 0
        while not feed.arrived:
            tries += 1
            if feed.source is None or tries > 100:
                raise BadData(
                    f"input changed: the journal names {feed.topic} offsets {first} to {last}, the "
                    "log holds no such record any more"
                )
            feed.fill(0.1)
        return self._take(feed)

    def _take(self, feed: StandInFeed) -> tuple[StandInFeed, int, bytes]:
        feed.maximum_consumed, offset, value = feed.arrived.popleft()
        feed.next_offset = offset + 1
        return feed, offset, value

    def _execute(self, order: Sequence[tuple[StandInFeed, int, bytes]], clock: int | None) -> Batch:
        self._quotes, self._marks, self._letters = [], [], []
        runs: list[tuple[int, int, int, int]] = []
        digests: dict[int, Any] = {}
        counts: dict[int, int] = {}
        if clock is not None:
            runs.append((CLOCK, clock, clock, 1))
            self.present = clock
            self._fire()
        for feed, offset, value in order:
            code = feed.code
            if runs and runs[-1][0] == code:
                runs[-1] = (code, runs[-1][1], offset, runs[-1][3] + 1)
            else:
                runs.append((code, offset, offset, 1))
            if code not in digests:
                digests[code] = hashlib.sha256()
            digests[code].update(value[HEADER_BYTES:])
            counts[code] = counts.get(code, 0) + 1
            self._apply(feed, offset, value)
        inputs = [InputEntry(code, counts[code], digests[code].digest()) for code in sorted(counts)]
        outputs = [
            self._output(number, records)
            for number, records in ((QUOTES, self._quotes), (MARKS, self._marks))
            if records
        ]
        if self._letters:
            joined = codec("DeadLetter").encode_records(self._letters)
            outputs.append(
                Output(
                    OUTPUTS[DEAD_LETTERS],
                    joined,
                    len(self._letters),
                    hashlib.sha256(joined).digest(),
                )
            )
        return Batch(np.array(runs, ELEMENT), inputs, outputs, self.present, self.consumed, False)

    @staticmethod
    def _output(number: int, records: list[bytes]) -> Output:
        joined = b"".join(records)
        return Output(OUTPUTS[number], joined, len(records), hashlib.sha256(joined).digest())

    def _fire(self) -> None:
        clock = self.now()
        while self.timers and self.timers[0] <= clock:
            deadline = self.timers.pop(0)
            self.state = (self.state * MULTIPLIER + deadline) & MASK
            self._marks.append(
                b"".join(map(encode_long, (0, deadline, self.consumed, self.state))) + bytes(6)
            )

    def _apply(self, feed: StandInFeed, offset: int, value: bytes) -> None:
        self.consumed += 1
        event_time, number, poison = BODY.unpack_from(value, HEADER_BYTES)
        if poison:
            self._letters.append(
                DeadLetter(
                    "malformed_record", "poison", feed.topic, 0, offset, value[HEADER_BYTES:]
                )
            )
            return
        if feed.is_market_data and not self.is_wall and event_time > self.present:
            self.present = event_time
            self._fire()
        clock = self.now()
        self.state = (
            (self.state ^ (event_time + number * 8 + feed.code)) * MULTIPLIER + clock
        ) & MASK
        if number % 3 == 0:
            self._quotes.append(
                b"".join(map(encode_long, (feed.code, clock, self.consumed, self.state))) + bytes(4)
            )
        if number % 7 == 0:
            self.timers.append(clock + TIMER_NS)

    def state_digests(self) -> list[tuple[str, bytes]]:
        """SHA-256 by stage."""
        return [
            (name, hashlib.sha256(state).digest()) for name, state in self.stage_states().items()
        ]

    def stage_states(self) -> dict[str, bytes]:
        """Canonical state by stage."""
        return {
            STAGE: struct.pack(">QqQ", self.state, self.present, self.consumed)
            + b"".join(struct.pack(">q", each) for each in self.timers)
        }

    def skips(self) -> list[tuple[str, int, str]]:
        """Nothing is left out."""
        return []

    def restore(
        self,
        instruments: Sequence[Any],
        states: Mapping[str, bytes],
        positions: list[list[int]],
        skips: Sequence[tuple[str, int, str]] = (),
    ) -> None:
        """Take up a snapshot."""
        for feed, (offset, maximum) in zip(self.feeds, positions, strict=True):
            feed.seek(offset, maximum)
        state = states[STAGE]
        self.state, self.present, self.consumed = struct.unpack_from(">QqQ", state)
        self.timers = [item[0] for item in struct.iter_unpack(">q", state[24:])]

    def positions(self) -> list[list[int]]:
        """Per feed: next offset and running maximum of event time before it."""
        return [[feed.next_offset, feed.maximum_consumed] for feed in self.feeds]


def make_stand_in(log: Log, spec: TaskSpec, start_offsets: Mapping[str, int]) -> StandInExecution:
    """For ``ShardTask(make=...)``."""
    feeds = [
        StandInFeed(
            log.reader(spec.group), topic, spec.partition_of(topic), code, start_offsets[topic]
        )
        for code, topic in enumerate(spec.inputs)
    ]
    return StandInExecution(feeds, spec.clock == "wall")
