"""Batches: inputs merged (or repeated from a journal), executed, and everything that came out with its digests. No files are written here.

The task, recovery and verify all run this one class; what differs is where the order comes from and what is done with the result.

A batch is made in two steps: :meth:`Execution.prepare` (inputs decoded, merged and digested; the ahead loop; its outputs encoded and digested) and
:meth:`Execution.finish` (ledgers and venue; their outputs). Nothing of the first depends on the second, so with ``overlaps`` the next batch may be
prepared on another thread while this one is finished; one at a time each, and never two batches ahead.
"""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import numpy as np

from schemas.catalogue import topic as topic_of
from schemas.codec import codec
from schemas.errors import BadData
from schemas.reasons import REASONS, UNSEEN
from schemas.records import DeadLetter
from streams.log.local import LocalLog, TopicReader
from streams.runtime.emitted import body_of, encode_ahead
from streams.runtime.engine import Engine
from streams.runtime.feed import Feed, RecordedFeed
from streams.runtime.handed import Handed
from streams.runtime.inputs import InputDigests
from streams.runtime.journal import InputEntry
from streams.runtime.judging import Judge
from streams.runtime.loop import SKIP
from streams.runtime.merge import Merger, Slice
from streams.runtime.runner import LoopRunner
from streams.runtime.states import restore, stage_states, state_digests
from streams.runtime.topology import Topology
from streams.runtime.validation import require_sound

Array = np.ndarray[Any, Any]
DEAD_LETTERS = "pipeline.dlq"


class Output(msgspec.Struct, frozen=True):
    """What one batch writes to one topic."""

    topic: str
    body: Any
    count: int
    digest: bytes
    parts: Sequence[tuple[int, int]] = ()
    """(records, bytes) of what the body was made of, in order; empty: of one part"""

    def end_of(self, count: int) -> int:
        """Position in the body after its first ``count`` records."""
        at = 0
        for records, size in self.parts or ((self.count, len(self.body)),):
            if count < records:
                found = codec(topic_of(self.topic).record)
                return at + found.end_of(memoryview(self.body)[at : at + size], count)
            count, at = count - records, at + size
        return at


class Batch(msgspec.Struct, frozen=True):
    """One executed batch."""

    elements: Any
    inputs: list[InputEntry]
    outputs: list[Output]
    clock: int
    consumed: int
    ended: bool


class Prepared:
    """A batch before its ledgers.

    Attributes:
        piece, feeds: the slice, and the feeds whose rows it points to.
        elements, inputs, letters: the order, the digests of what was consumed, the dead letters.
        ahead: what the ahead loop left for the ledgers.
        outputs: what the ahead loop made, by topic.
        consumed, clock: behind the batch.
    """

    __slots__ = ("ahead", "clock", "consumed", "elements", "feeds", "inputs", "letters", "outputs", "piece")

    piece: Slice
    feeds: Sequence[Feed]
    elements: Array
    inputs: list[InputEntry]
    letters: list[DeadLetter]
    ahead: LoopRunner | Handed | None
    outputs: dict[str, Output]
    consumed: int
    clock: int


class Execution:
    """A topology over inputs.

    Where they come from is a subclass's: :class:`RecordedExecution`, ``live/execution.py``.

    Args:
        outputs: topics that are written, dead letters last.
        feeds: the inputs, in merge order.
        merger: of the feeds.
    """

    topology: Topology
    engine: Engine
    is_started = True
    known: Sequence[Any] = ()

    @property
    def consumed(self) -> int:
        """Records consumed since genesis."""
        return self.engine.consumed

    @property
    def present(self) -> int:
        """The clock."""
        return self.engine.present

    def stage_states(self) -> dict[str, bytes]:
        """Canonical state by stage."""
        return dict(stage_states(self.engine))

    def skips(self) -> list[tuple[str, int, str]]:
        """None."""
        return []

    def close(self) -> None:
        """Nothing is held."""

    def restore(
        self, instruments: Sequence[Any], states: dict[str, bytes], positions: list[list[int]], skips: Sequence[tuple[str, int, str]] = ()
    ) -> None:
        """Take up a snapshot. Raises StageFailed."""
        restore(self.engine, states)
        self.seek(positions)

    def __init__(self, outputs: Sequence[str], feeds: Sequence[Feed], merger: Merger) -> None:
        self.outputs = list(outputs)
        self.feeds = list(feeds)
        self.merger = merger
        self._piece, self._other_piece = Slice(1 << 12), Slice(1 << 12)
        self._dead_letters = codec("DeadLetter")

    _overlaps = False
    _consumed = _clock = 0

    @property
    def overlaps(self) -> bool:
        """Whether a batch may be prepared while the one before is finished."""
        return self._overlaps

    @overlaps.setter
    def overlaps(self, value: bool) -> None:
        self._overlaps = value
        self._consumed, self._clock = self.engine.consumed, self.engine.present
        for feed in self.feeds:
            feed.keeps_consumed = value

    @property
    def prepared(self) -> int:
        """Input records prepared since genesis."""
        return self._consumed if self._overlaps else self.engine.consumed

    def next_batch(self, wanted: int) -> Batch:
        """Execute the next ``wanted`` input records, fewer at the end of the inputs."""
        return self.finish(self.prepare(wanted))

    def repeat_batch(self, elements: Array) -> Batch:
        """Execute the input records a journal's elements name, in their order."""
        return self.finish(self.prepare_again(elements))

    def prepare(self, wanted: int) -> Prepared:
        """The first step of the next ``wanted`` input records, fewer at the end of the inputs."""
        self._merge(wanted)
        return self._prepare(self._piece)

    def _merge(self, wanted: int) -> None:
        self._next_piece()
        if wanted > len(self._piece.index) - 1:
            self._piece = Slice(wanted)
        self.merger.take(self._piece, wanted, self._clock)

    def merged(self, wanted: int) -> Array:
        """The order of the next ``wanted`` input records, as a journal has it. They are not consumed: :meth:`execute_merged` does that."""
        self._merge(wanted)
        return self.merger.elements(self._piece)

    def execute_merged(self) -> Batch:
        """Execute the records whose order :meth:`merged` gave."""
        return self.finish(self._prepare(self._piece))

    def inputs_of(self, elements: Array) -> list[InputEntry]:
        """Counts and digests of the records a journal's elements name. They are taken off the inputs, and no stage sees them."""
        self.merger.repeat(self._piece, elements, self._clock)
        return self._consume(self._piece)

    def prepare_again(self, elements: Array) -> Prepared:
        """The first step of the input records a journal's elements name, in their order.

        Raises:
            MalformedJournal: they are no order of inputs.
        """
        require_sound(elements, len(self.feeds))
        self._next_piece()
        self.merger.repeat(self._piece, elements, self._clock)
        return self._prepare(self._piece)

    def _next_piece(self) -> None:
        """Where batches overlap, the slice of the one before stays as it is."""
        if self._overlaps:
            self._piece, self._other_piece = self._other_piece, self._piece
        else:
            self._consumed, self._clock = self.engine.consumed, self.engine.present

    def _execute(self) -> Batch:
        """Both steps of the slice that is filled."""
        self._consumed, self._clock = self.engine.consumed, self.engine.present
        return self.finish(self._prepare(self._piece))

    def _prepare(self, piece: Slice) -> Prepared:
        engine, feeds = self.engine, self.feeds
        made = Prepared()
        made.piece = piece
        made.elements = self.merger.elements(piece)
        engine.run_ahead(piece, feeds)
        made.feeds = [copy.copy(feed) for feed in feeds] if self._overlaps else feeds
        made.ahead = engine.ahead
        if self._overlaps and engine.ahead is not None:
            made.ahead = engine.ahead.hand_over(with_books=engine.ahead.books is not None and engine.stepped is not None)
        made.outputs = {topic: _output(topic, count, body) for topic, (body, count) in encode_ahead(made.ahead).items()}
        made.letters = self._letters(piece)
        made.inputs = self._consume(piece)
        self._consumed += piece.count
        if piece.length:
            self._clock = int(piece.clock[piece.length - 1])
        made.consumed, made.clock = self._consumed, self._clock
        return made

    def _consume(self, piece: Slice) -> list[InputEntry]:
        """Take the slice's records off the inputs."""
        counts = np.bincount(piece.origin[: piece.count], minlength=len(self.feeds)).tolist()
        return [InputEntry(feed.code, counts[feed.code], feed.consume(counts[feed.code])) for feed in self.feeds if counts[feed.code]]

    def finish(self, made: Prepared) -> Batch:
        """The second step of a batch."""
        return self.run_order_side(made)()

    def run_order_side(self, made: Prepared) -> Callable[[], Batch]:
        """The second step of a batch but for encoding: its ledgers and the venue. What is returned encodes and digests, on whatever thread."""
        engine = self.engine
        engine.run_order_side(made.piece, made.feeds, made.ahead)
        bodies = {topic: (output.body, output.count) for topic, output in made.outputs.items()}
        parts = engine.take_parts(bodies)
        if isinstance(made.ahead, Handed) and engine.ahead is not None:
            engine.ahead.give_back(made.ahead)
        elements, inputs, letters, ahead, ended = made.elements, made.inputs, made.letters, made.outputs, made.piece.ended
        clock, consumed = engine.present, engine.consumed

        def encoded() -> Batch:
            outputs = [ahead.get(topic) or _output(topic, count, *body_of(found)) for topic, found, count in parts]
            if letters:
                outputs.append(_output(DEAD_LETTERS, len(letters), self._dead_letters.encode_records(letters)))
            return Batch(elements, inputs, outputs, clock, consumed, ended)

        return encoded

    def _letters(self, piece: Slice) -> list[DeadLetter]:
        """Dead letters for the slice's bad records, in order."""
        letters: list[DeadLetter] = []
        skipped = np.flatnonzero(piece.source[: piece.count] == SKIP)
        bad = np.zeros(len(skipped), bool)
        for feed in self.feeds:
            mine = np.flatnonzero(piece.origin[skipped] == feed.code)
            bad[mine] = ~np.isin(feed.status[piece.index[skipped[mine]]], UNSEEN)
        for place in skipped[bad].tolist():
            feed = self.feeds[int(piece.origin[place])]
            row = int(piece.index[place])
            status = int(feed.status[row])
            letters.append(
                DeadLetter(
                    reason=REASONS[status],
                    detail=feed.detail_of(row),
                    origin_topic=feed.topic,
                    origin_partition=feed.partition_number,
                    origin_offset=feed.offset_at(row),
                    payload=feed.body_of(row),
                )
            )
        return letters

    def state_digests(self) -> list[tuple[str, bytes]]:
        """SHA-256 by stage, in stage order."""
        return state_digests(self.engine)

    def positions(self) -> list[list[int]]:
        """Per feed: next offset and running maximum of event time before it."""
        return [[feed.next_offset, feed.maximum_consumed] for feed in self.feeds]

    def seek(self, positions: list[list[int]]) -> None:
        """Go on as if everything before these positions had been consumed; the engine has the state behind them."""
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


class RecordedExecution(Execution):
    """A topology over the inputs of a log folder.

    Args:
        topology: stages and wiring.
        source: log that holds the inputs.
        journal_id: goes into built ids.
        judge: marks bad records.
        end_time: records later than this (ns) stay unread.
    """

    def __init__(
        self, topology: Topology, source: LocalLog, journal_id: int, judge: Judge, end_time: int
    ) -> None:
        self.topology = topology
        self.engine = Engine(topology, journal_id)
        self.read_digests = InputDigests()
        feeds = [
            self._feed(source.reader(topic), topic, code, judge)
            for code, topic in enumerate(topology.feeds)
        ]
        super().__init__([*topology.outputs, DEAD_LETTERS], feeds, Merger(feeds, end_time))

    def _feed(self, reader: TopicReader, topic: str, code: int, judge: Judge) -> Feed:
        """An input whose bytes are digested as they are read."""
        digest = self.read_digests.of(topic, reader, codec(topic_of(topic).record))
        return RecordedFeed(reader, topic, code, judge, digest.read)


def _output(topic: str, count: int, body: Any, parts: Sequence[tuple[int, int]] = ()) -> Output:
    return Output(topic, body, count, hashlib.sha256(body).digest(), parts)
