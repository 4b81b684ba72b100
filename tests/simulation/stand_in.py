"""A light execution with the interface of ``streams.runtime.execution.Execution`` and everything that can go wrong in one.

Its state is a hash over the records in order, so two orders, a lost record or a doubled one give another state and other outputs from there
on. It has timers, a clock made of event times, two outputs and dead letters: enough to notice whatever a runner may do to its inputs, at a
few microseconds a record.
"""

from __future__ import annotations

import hashlib
import struct
from collections import deque
from collections.abc import Sequence
from typing import Any

import numpy as np

from schemas.errors import BadData
from streams.log.kafka.framing import header
from streams.runtime.execution import Batch, Output
from streams.runtime.journal import InputEntry
from streams.runtime.merge import ELEMENT

INPUTS = ("control", "md.trades", "md.depth")
OUTPUTS = ("md.bars", "orders.events", "pipeline.dlq")
BARS, EVENTS, DEAD_LETTERS = range(3)
HEADER = header(7)
BODY = struct.Struct(">qIB")
EMITTED = struct.Struct(">QQQ")
LETTER = struct.Struct(">BQ")
TIMER_NS = 700_000_000
MASK = (1 << 64) - 1
MULTIPLIER = 6364136223846793005


def body(event_time: int, value: int, poison: bool = False) -> bytes:
    """A framed input record."""
    return HEADER + BODY.pack(event_time, value, poison)


class StandInFeed:
    """One input partition: what was fetched and not consumed yet."""

    def __init__(self, topic: str, code: int) -> None:
        self.topic = topic
        self.code = code
        self.next_offset = 0
        self.maximum = 0
        self.maximum_consumed = 0
        self.waiting: deque[tuple[int, int, bytes]] = deque()

    def push(self, offset: int, value: bytes) -> None:
        """A fetched record; its key is the running maximum of event time."""
        event_time, _, poison = BODY.unpack_from(value, len(HEADER))
        if not poison:
            self.maximum = max(self.maximum, event_time)
        self.waiting.append((self.maximum, offset, value))


class StandInExecution:
    """Batches over :class:`StandInFeed`; see ``streams.runtime.execution``."""

    def __init__(self) -> None:
        self.feeds = [StandInFeed(topic, code) for code, topic in enumerate(INPUTS)]
        self.outputs = list(OUTPUTS)
        self.state = 1
        self.clock = 0
        self.consumed = 0
        self.timers: list[int] = []
        self._emitted: list[list[bytes]] = []

    def now(self) -> int:
        """The stage's clock; a mutation reads another."""
        return self.clock

    def next_batch(self, wanted: int) -> Batch:
        """Execute at most ``wanted`` of the records that have arrived, in merge order."""
        order: list[tuple[StandInFeed, int, bytes]] = []
        while len(order) < wanted:
            heads = [feed for feed in self.feeds if feed.waiting]
            if not heads:
                break
            feed = min(heads, key=lambda item: (item.waiting[0][0], item.code))
            order.append((feed, *self._take(feed)))
        return self._execute(order)

    def repeat_batch(self, elements: Any) -> Batch:
        """Execute in the order a journal's elements give."""
        order: list[tuple[StandInFeed, int, bytes]] = []
        for code, first, last, count in elements.tolist():
            feed = self.feeds[code]
            for number in range(count):
                if not feed.waiting:
                    raise BadData(f"input changed: {feed.topic} has no record for the journal's run {first}..{last}")
                offset, value = self._take(feed)
                if (number == 0 and offset != first) or (number == count - 1 and offset != last):
                    raise BadData(f"input changed: {feed.topic} offset {offset} where the journal has the run {first}..{last} of {count}")
                order.append((feed, offset, value))
        return self._execute(order)

    def _take(self, feed: StandInFeed) -> tuple[int, bytes]:
        feed.maximum_consumed, offset, value = feed.waiting.popleft()
        feed.next_offset = offset + 1
        return offset, value

    def _execute(self, order: Sequence[tuple[StandInFeed, int, bytes]]) -> Batch:
        self._emitted = [[] for _ in OUTPUTS]
        runs: list[list[int]] = []
        digests: dict[int, Any] = {}
        counts: dict[int, int] = {}
        for feed, offset, value in order:
            code = feed.code
            if runs and runs[-1][0] == code:
                runs[-1][2] = offset
                runs[-1][3] += 1
            else:
                runs.append([code, offset, offset, 1])
            if code not in digests:
                digests[code] = hashlib.sha256()
            digests[code].update(value)
            counts[code] = counts.get(code, 0) + 1
            self._apply(code, offset, value)
        elements = np.array([tuple(run) for run in runs], ELEMENT)
        inputs = [InputEntry(code, counts[code], digests[code].digest()) for code in sorted(counts)]
        outputs = []
        for topic, emitted in zip(OUTPUTS, self._emitted, strict=True):
            if emitted:
                joined = b"".join(emitted)
                outputs.append(Output(topic, emitted, len(emitted), hashlib.sha256(joined).digest()))
        return Batch(elements, inputs, outputs, self.clock, self.consumed, False)

    def _apply(self, code: int, offset: int, value: bytes) -> None:
        self.consumed += 1
        event_time, number, poison = BODY.unpack_from(value, len(HEADER))
        if poison:
            self._emitted[DEAD_LETTERS].append(HEADER + LETTER.pack(code, offset) + value)
            return
        if code and event_time > self.clock:
            self.clock = event_time
        clock = self.now()
        while self.timers and self.timers[0] <= clock:
            deadline = self.timers.pop(0)
            self.state = (self.state * MULTIPLIER + deadline) & MASK
            self._emitted[BARS].append(HEADER + EMITTED.pack(deadline, self.state, self.consumed))
        self.state = ((self.state ^ (event_time + number * 8 + code)) * MULTIPLIER + clock) & MASK
        if number % 3 == 0:
            self._emitted[EVENTS].append(HEADER + EMITTED.pack(self.consumed, self.state, clock))
        if number % 7 == 0:
            self.timers.append(clock + TIMER_NS)

    def state_bytes(self) -> bytes:
        """The whole state."""
        return struct.pack(">QqQ", self.state, self.clock, self.consumed) + b"".join(struct.pack(">q", deadline) for deadline in self.timers)

    def restore(self, state: bytes) -> None:
        """Go on from :meth:`state_bytes`."""
        self.state, self.clock, self.consumed = struct.unpack_from(">QqQ", state)
        self.timers = [item[0] for item in struct.iter_unpack(">q", state[24:])]

    def positions(self) -> list[list[int]]:
        """Per feed: next offset and running maximum of event time before it."""
        return [[feed.next_offset, feed.maximum_consumed] for feed in self.feeds]

    def seek(self, positions: list[list[int]]) -> None:
        """Go on as if everything before had been consumed."""
        for feed, (offset, maximum) in zip(self.feeds, positions, strict=True):
            feed.next_offset, feed.maximum, feed.maximum_consumed = offset, maximum, maximum
            feed.waiting.clear()
