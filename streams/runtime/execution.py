"""Batches: inputs merged (or repeated from a journal), executed, and everything that came out with its digests. No files are written here.

The task, recovery and verify all run this one class; what differs is where the order comes from and what is done with the result.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import numpy as np

from schemas.codec import codec
from schemas.errors import BadData
from schemas.records import DeadLetter
from streams.log.local import LocalLog
from streams.runtime.engine import Engine
from streams.runtime.feed import Feed
from streams.runtime.journal import InputEntry
from streams.runtime.loop import SKIP
from streams.runtime.merge import Merger, Slice
from streams.runtime.topology import Topology

Array = np.ndarray[Any, Any]
DEAD_LETTERS = "pipeline.dlq"
GOOD, UNKNOWN_INSTRUMENT, CLOCK_JUMP, NOT_SELECTED, BAD_TIME, BAD_FRAMING, MALFORMED, SKIPPED = range(8)
REASONS = {
    UNKNOWN_INSTRUMENT: "unknown_instrument",
    CLOCK_JUMP: "clock_jump",
    BAD_TIME: "bad_time",
    BAD_FRAMING: "bad_framing",
    MALFORMED: "malformed_record",
    SKIPPED: "skipped",
}
LATEST = 1 << 62
"""ns UTC, the year 2116: later times leave no room for deadlines in 64 bits."""
INSTRUMENTS_LIMIT = 4096


class Output(msgspec.Struct, frozen=True):
    """What one batch writes to one topic."""

    topic: str
    body: Any
    count: int
    digest: bytes


class Batch(msgspec.Struct, frozen=True):
    """One executed batch."""

    elements: Any
    inputs: list[InputEntry]
    outputs: list[Output]
    clock: int
    consumed: int
    ended: bool


class Judge:
    """Marks records that must not reach a stage.

    Unknown or unselected instruments, times before 1970 or after 2116, and times far ahead of their own receipt.
    """

    def __init__(self, known: Sequence[int], selected: Sequence[int], clock_jump_max: int) -> None:
        self.table = np.full(INSTRUMENTS_LIMIT, UNKNOWN_INSTRUMENT, np.uint8)
        self.table[list(known)] = NOT_SELECTED
        self.table[list(selected)] = GOOD
        self.clock_jump_max = clock_jump_max

    def __call__(self, feed: Feed, first: int, stop: int) -> None:
        """Set ``feed.status`` for rows ``first`` to ``stop``."""
        if not feed.is_market_data:
            return
        rows = feed.rows[first:stop]
        instruments = rows["instrument"]
        inside = (instruments >= 0) & (instruments < INSTRUMENTS_LIMIT)
        status = np.where(inside, self.table[np.where(inside, instruments, 0)], UNKNOWN_INSTRUMENT).astype(np.uint8)
        event_times, receive_times = rows["event_time"], rows["receive_time"]
        ahead = (receive_times > 0) & (event_times - receive_times > self.clock_jump_max)
        status[(status == GOOD) & ahead] = CLOCK_JUMP
        status[(status == GOOD) & ((event_times < 0) | (event_times > LATEST))] = BAD_TIME
        feed.status[first:stop] = status


class Execution:
    """A topology over an input log.

    Args:
        topology: stages and wiring.
        source: log that holds the inputs.
        journal_id: goes into built ids.
        judge: marks bad records.
        end_time: records later than this (ns) stay unread.
    """

    def __init__(self, topology: Topology, source: LocalLog, journal_id: int, judge: Judge, end_time: int) -> None:
        self.topology = topology
        self.engine = Engine(topology, journal_id)
        self.feeds = [Feed(source.reader(topic), topic, code, judge) for code, topic in enumerate(topology.feeds)]
        self.merger = Merger(self.feeds, end_time)
        self.outputs = [*topology.outputs, DEAD_LETTERS]
        self._piece = Slice(1 << 12)
        self._dead_letters = codec("DeadLetter")

    def next_batch(self, wanted: int) -> Batch:
        """Execute the next ``wanted`` input records, fewer at the end of the inputs."""
        if wanted > len(self._piece.index) - 1:
            self._piece = Slice(wanted)
        self.merger.take(self._piece, wanted, self.engine.present)
        return self._execute()

    def repeat_batch(self, elements: Array) -> Batch:
        """Execute the input records a journal's elements name, in their order."""
        self.merger.repeat(self._piece, elements, self.engine.present)
        return self._execute()

    def _execute(self) -> Batch:
        piece, feeds = self._piece, self.feeds
        elements = self.merger.elements(piece)
        self.engine.execute(piece, feeds)
        taken = self.engine.take_outputs()
        letters = self._letters()
        if letters:
            taken.append((DEAD_LETTERS, self._dead_letters.encode_records(letters), len(letters)))
        outputs = [Output(topic, body, count, hashlib.sha256(body).digest()) for topic, body, count in taken]
        counts = np.bincount(piece.origin[: piece.count], minlength=len(feeds)) if piece.count else np.zeros(len(feeds), np.int64)
        inputs = [InputEntry(feed.code, int(counts[feed.code]), feed.consume(int(counts[feed.code]))) for feed in feeds if counts[feed.code]]
        return Batch(elements, inputs, outputs, self.engine.present, self.engine.consumed, piece.ended)

    def _letters(self) -> list[DeadLetter]:
        """Dead letters for the slice's bad records, in order."""
        piece = self._piece
        letters: list[DeadLetter] = []
        skipped = np.flatnonzero(piece.source[: piece.count] == SKIP)
        bad = np.zeros(len(skipped), bool)
        for feed in self.feeds:
            mine = np.flatnonzero(piece.origin[skipped] == feed.code)
            bad[mine] = feed.status[piece.index[skipped[mine]]] != NOT_SELECTED
        for place in skipped[bad].tolist():
            feed = self.feeds[int(piece.origin[place])]
            row = int(piece.index[place])
            status = int(feed.status[row])
            letters.append(
                DeadLetter(
                    reason=REASONS[status],
                    detail=feed.detail_of(row),
                    origin_topic=feed.topic,
                    origin_partition=0,
                    origin_offset=feed.offset_at(row),
                    payload=feed.body_of(row),
                )
            )
        return letters

    def positions(self) -> list[list[int]]:
        """Per feed: next offset and running maximum of event time before it."""
        return [[feed.next_offset, feed.maximum_consumed] for feed in self.feeds]

    def seek(self, positions: list[list[int]]) -> None:
        """Go on as if everything before these positions had been consumed."""
        for feed, (offset, maximum) in zip(self.feeds, positions, strict=True):
            feed.seek(offset, maximum)

    def check_elements(self, elements: Array) -> None:
        """Refuse elements that do not continue the feeds.

        Raises:
            BadData: the journal names records the input does not hold at this place.
        """
        places = [feed.next_offset for feed in self.feeds]
        for code, first, last, count in zip(*(elements[name].tolist() for name in ("input", "first_offset", "last_offset", "count")), strict=True):
            if code < 0:
                continue
            if code >= len(places) or first != places[code] or last - first + 1 != count or last >= self.feeds[code].end_offset:
                name = self.feeds[code].topic if code < len(places) else f"input {code}"
                raise BadData(
                    f"input changed: the journal names {name} offsets {first}..{last}, the input ends at "
                    f"{self.feeds[code].end_offset if code < len(places) else 0}; give the recording the run was made from with --input"
                )
            places[code] = last + 1


ProgressCallback = Callable[[int, int], None]
