"""Batches: inputs merged (or repeated from a journal), executed, and everything that came out with
its digests. No files are written here.

The task, recovery and verify all run this one class, over a recording and over a cluster; what
differs is where the order comes from and what is done with the result. The plain merge of a
recording is made here; which records of a live topology come next is ``live/order.py``.

A batch is made in two steps: :meth:`Execution.prepare` (inputs decoded, merged and digested; the
upstream pass; its outputs encoded and digested) and :meth:`Execution.finish` (order-side stages and
venue; their outputs). Nothing of the first depends on the second, so with ``overlaps`` the next
batch may be prepared on another thread while this one is finished; one at a time each, and never
two batches ahead.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from schemas.codec import codec
from schemas.errors import BadData, ShrivenError
from schemas.reasons import GOOD
from schemas.records import Instrument
from streams.runtime.journal.batch import Batch, Prepared, output_of
from streams.runtime.journal.entry_validation import require_sound
from streams.runtime.journal.in_flight import InFlightMarker, runs_of
from streams.runtime.journal.input_digests import InputDigests
from streams.runtime.journal.journal import InputEntry
from streams.runtime.order.dead_letters import DEAD_LETTERS, dead_letters
from streams.runtime.order.feed import Feed
from streams.runtime.order.merge import AHEAD, CLOCK, ELEMENT, END_OF_INPUTS, InputBatch, Merger
from streams.runtime.order.row_validation import INSTRUMENTS_LIMIT, Validator
from streams.runtime.order.skip import obey
from streams.runtime.schedule.engine import Engine
from streams.runtime.schedule.output_buffer import body_of, encode_upstream
from streams.runtime.schedule.states import restore, stage_states, state_digests
from streams.runtime.schedule.topology import Topology
from streams.runtime.schedule.upstream_output import UpstreamOutput

Array = np.ndarray[Any, Any]
CONTROL, REFERENCE = "control", "ref.instruments"
NO_ELEMENTS = np.zeros(0, ELEMENT)


class NotStarted(ShrivenError):
    """A state was asked of stages that are not built yet."""

    code = "not_started"


class Execution:
    """A topology over inputs: of a recording, or of a cluster.

    The stages are built by :meth:`start`, over the instruments that are known then, for good: of a
    recording at once, of a live topology at its first batch, whose order begins with them. So a
    live job can be started on an empty cluster, and what it was built from is in its journal.

    Args:
        build: makes the topology over these instruments.
        outputs: topics that are written, dead letters last.
        merger: of the inputs.
        journal_id, shard: go into built ids.
        clock_jump_max, has_neighbours: see Validator.
        name: of the topology whose operators leave records out; empty: nobody does, of a recording.
        read_digests: of the inputs, as they are read; of a recording.

    Attributes:
        known: the instruments that the stages were built over, and those that were not selected.
        input_batch: the input batch that is executed next.
        in_flight_marker: see :data:`streams.runtime.journal.in_flight.InFlightMarker`.
    """

    topology: Topology
    engine: Engine

    def __init__(
        self,
        build: Callable[[Sequence[Instrument]], Topology],
        outputs: Sequence[str],
        merger: Merger,
        journal_id: int,
        shard: int = 0,
        clock_jump_max: int = 0,
        has_neighbours: bool = False,
        name: str = "",
        read_digests: InputDigests | None = None,
    ) -> None:
        self.build = build
        self.outputs = list(outputs)
        self.merger = merger
        self.feeds = merger.feeds
        self.journal_id = journal_id
        self.shard = shard
        self.clock_jump_max = clock_jump_max
        self.has_neighbours = has_neighbours
        self.name = name
        self.read_digests = read_digests or InputDigests()
        self.is_started = False
        self.known: list[Instrument] = []
        self.in_flight_marker: InFlightMarker | None = None
        self.input_batch, self._other_input_batch = InputBatch(1 << 12), InputBatch(1 << 12)
        self.reference = next((feed for feed in self.feeds if feed.topic == REFERENCE), None)
        self.control = next((feed for feed in self.feeds if feed.topic == CONTROL and name), None)
        self._overlaps = False
        self._consumed = self._clock = 0

    def start(self, instruments: Sequence[Instrument]) -> None:
        """Build the stages over these instruments, and validate market data by them from here on.
        """
        found = {
            each.instrument: each
            for each in instruments
            if 0 <= each.instrument < INSTRUMENTS_LIMIT
        }
        self.known = [found[key] for key in sorted(found)]
        self.topology = self.build(self.known)
        self.engine = Engine(self.topology, self.journal_id, self.shard)
        selected = [each.instrument for each in self.topology.instruments]
        validator = Validator(sorted(found), selected, self.clock_jump_max, self.has_neighbours)
        for feed in self.feeds:
            if feed.is_market_data:
                feed.validate_by(validator)
        self.is_started = True

    def start_over(self, count: int) -> None:
        """Build the stages over the instruments among the next so many records of reference data.
        """
        feed = self.reference
        assert feed is not None
        rows = range(feed.first, feed.first + count)
        self.start([feed.records[row] for row in rows if feed.status[row] == GOOD])

    @property
    def is_wall(self) -> bool:
        """The clock is handed in, and no record moves it."""
        return self.merger.is_wall

    @property
    def consumed(self) -> int:
        """Records consumed since genesis."""
        return self.engine.consumed if self.is_started else 0

    @property
    def present(self) -> int:
        """The clock."""
        return self.engine.present if self.is_started else 0

    @property
    def overlaps(self) -> bool:
        """Whether a batch may be prepared while the one before is finished."""
        return self._overlaps

    @overlaps.setter
    def overlaps(self, value: bool) -> None:
        self._overlaps = value
        self._consumed, self._clock = self.consumed, self.present
        for feed in self.feeds:
            feed.keeps_consumed = value

    @property
    def prepared(self) -> int:
        """Input records prepared since genesis."""
        return self._consumed if self._overlaps else self.consumed

    def close(self) -> None:
        """Give the inputs' connections back."""
        for feed in self.feeds:
            feed.source.close()

    # -- the order

    def next_batch(self, wanted: int) -> Batch:
        """Execute the next ``wanted`` input records, fewer at the end of the inputs."""
        return self.finish(self.prepare(wanted))

    def prepare(self, wanted: int) -> Prepared:
        """The first step of the next ``wanted`` input records, fewer at the end of the inputs."""
        self.merge(wanted)
        return self._prepare(self.input_batch)

    def merge(self, wanted: int, present: int = 0, first_of: Feed | None = None) -> Feed | None:
        """Fill the input batch with the next ``wanted`` records in merge order, which are not
        consumed.

        Args, Returns: as :meth:`Merger.take`; the clock is at least ``present``.
        """
        self._next_input_batch()
        if wanted > len(self.input_batch.index) - 1:
            self.input_batch = InputBatch(wanted)
        return self.merger.take(self.input_batch, wanted, max(self._clock, present), first_of)

    def merged(self, wanted: int) -> Array:
        """The order of the next ``wanted`` input records, as a journal has it. They are not
        consumed: :meth:`execute_merged` does that.
        """
        self.merge(wanted)
        return self.merger.elements(self.input_batch)

    def execute_merged(self) -> Batch:
        """Execute the input batch that is filled."""
        if self.in_flight_marker is None:
            return self.finish(self._prepare(self.input_batch))
        self.in_flight_marker(runs_of(self.input_batch, self.feeds))
        batch = self.finish(self._prepare(self.input_batch))
        self.in_flight_marker(())
        return batch

    def _next_input_batch(self) -> None:
        """Where batches overlap, the input batch of the one before stays as it is."""
        if self._overlaps:
            self.input_batch, self._other_input_batch = self._other_input_batch, self.input_batch
        else:
            self._consumed, self._clock = self.consumed, self.present

    # -- a journal's order

    def repeat_batch(self, elements: Array) -> Batch:
        """Execute the input records that a journal's elements name, in their order, at its clock.

        Raises:
            MalformedJournal: they are no order of inputs.
            BadData: the inputs hold something else.
        """
        if not len(elements):
            return Batch(NO_ELEMENTS, [], [], self.present, self.consumed, False)
        self._repeat(elements)
        return self.execute_merged()

    def prepare_again(self, elements: Array) -> Prepared:
        """The first step of the input records that a journal's elements name. Raises as
        :meth:`repeat_batch`.
        """
        self._repeat(elements)
        return self._prepare(self.input_batch)

    def _repeat(self, elements: Array) -> None:
        """Fill the input batch in the order of a journal's elements.

        1. What operators say in the batch is heard first: it leaves out records of the same batch.
        2. Stages that are not built yet are built over the instruments that the batch begins with.
        3. The inputs must hold next what the elements name.
        4. What the owner did not believe, as dated ahead, is not believed now.
        5. The order is that of the elements; without records it is a tick of the clock.
        6. A record that only the registry could tell how to read ends the task while that is away.
        """
        require_sound(elements, len(self.feeds))
        order, marks = (
            elements[elements["input"] >= END_OF_INPUTS],
            elements[elements["input"] <= AHEAD],
        )
        heard = [self.control, None if self.is_started else self.reference]
        self._hear(order, marks)
        if not self.is_started:
            self._start_leading(order, marks)
        self.check_elements(order)
        for feed in self.feeds:
            if feed not in heard:
                self._mark_ahead(feed, marks)
        self._next_input_batch()
        present = max([self._clock, *elements["first_offset"][elements["input"] == CLOCK].tolist()])
        if len(order):
            self.merger.repeat(self.input_batch, order, present)
        else:
            self.merger.tick(self.input_batch, present)
        self._check_answered()

    def _hear(self, order: Array, marks: Array) -> None:
        if self.control is None:
            return
        mine = order[order["input"] == self.control.code]
        if len(mine):
            self.check_elements(mine)
            self._mark_ahead(self.control, marks)
            obey(self.control, int(mine["count"].sum()), self.feeds, self.name)

    def _start_leading(self, order: Array, marks: Array) -> None:
        """Build the stages over the instruments that a journal's first batch begins with. Raises
        BadData if it begins with something else.
        """
        feed = self.reference
        if feed is None or not len(order) or int(order["input"][0]) != feed.code:
            raise BadData(
                "the first batch of the journal does not begin with the instruments; the journal "
                "is not one of this version"
            )
        self.check_elements(order[:1])
        self._mark_ahead(feed, marks)
        self.start_over(int(order["count"][0]))

    def check_elements(self, elements: Array) -> None:
        """Refuse elements that are not what the inputs hold next.

        Raises:
            BadData: names the input and the offsets.
        """
        for code in np.unique(elements["input"][elements["input"] >= 0]).tolist():
            if code >= len(self.feeds):
                raise BadData(
                    f"input changed: the journal names input {code}, this topology has "
                    f"{len(self.feeds)}"
                )
            feed = self.feeds[code]
            feed.source.require(feed, elements[elements["input"] == code])

    def _mark_ahead(self, feed: Feed, marks: Array) -> None:
        """Raises BadData where a record that the owner did not believe could have been believed."""
        for _, offset, now, _ in marks[marks["input"] == AHEAD - feed.code].tolist():
            feed.mark_ahead(offset, now, self.clock_jump_max)

    def _check_answered(self) -> None:
        for feed in self.feeds:
            row = (
                feed.first_unresolved(self.input_batch.count_of(feed))
                if feed.has_unresolved
                else -1
            )
            problem = feed.source.schema_problem(feed, feed.first + row) if row >= 0 else None
            if problem is not None and problem.restart_helps:
                raise problem

    def inputs_of(self, elements: Array) -> list[InputEntry]:
        """Counts and digests of the records a journal's elements name. They are taken off the
        inputs, and no stage sees them.
        """
        self.merger.repeat(self.input_batch, elements, self._clock)
        return self._consume(self.input_batch)

    # -- the two steps

    def _prepare(self, input_batch: InputBatch) -> Prepared:
        engine, feeds = self.engine, self.feeds
        made = Prepared()
        made.input_batch = input_batch
        made.elements = self.merger.elements(input_batch)
        engine.run_upstream(input_batch, feeds)
        made.feeds = [copy.copy(feed) for feed in feeds] if self._overlaps else feeds
        made.upstream = engine.upstream
        if self._overlaps and engine.upstream is not None:
            made.upstream = engine.upstream.hand_over(
                with_books=engine.upstream.books is not None and engine.on_demand is not None
            )
        made.outputs = {
            topic: output_of(topic, count, body)
            for topic, (body, count) in encode_upstream(made.upstream).items()
        }
        made.letters = dead_letters(input_batch, feeds)
        made.inputs = self._consume(input_batch)
        self._consumed += input_batch.count
        if input_batch.length:
            self._clock = int(input_batch.clock[input_batch.length - 1])
        made.consumed, made.clock = self._consumed, self._clock
        return made

    def _consume(self, input_batch: InputBatch) -> list[InputEntry]:
        """Take the input batch's records off the inputs."""
        counts = np.bincount(
            input_batch.origin[: input_batch.count], minlength=len(self.feeds)
        ).tolist()
        return [
            InputEntry(feed.code, counts[feed.code], feed.consume(counts[feed.code]))
            for feed in self.feeds
            if counts[feed.code]
        ]

    def finish(self, made: Prepared) -> Batch:
        """The second step of a batch."""
        return self.run_order_side(made)()

    def run_order_side(self, made: Prepared) -> Callable[[], Batch]:
        """The second step of a batch but for encoding: its order-side stages and the venue. What is
        returned encodes and digests, on whatever thread.
        """
        engine = self.engine
        engine.run_order_side(made.input_batch, made.feeds, made.upstream)
        bodies = {topic: (output.body, output.count) for topic, output in made.outputs.items()}
        parts = engine.take_parts(bodies)
        if isinstance(made.upstream, UpstreamOutput) and engine.upstream is not None:
            engine.upstream.give_back(made.upstream)
        elements, inputs, letters, upstream, ended = (
            made.elements,
            made.inputs,
            made.letters,
            made.outputs,
            made.input_batch.ended,
        )
        clock, consumed = engine.present, engine.consumed

        def encoded() -> Batch:
            outputs = [
                upstream.get(topic) or output_of(topic, count, *body_of(found))
                for topic, found, count in parts
            ]
            if letters:
                outputs.append(
                    output_of(
                        DEAD_LETTERS, len(letters), codec("DeadLetter").encode_records(letters)
                    )
                )
            return Batch(elements, inputs, outputs, clock, consumed, ended)

        return encoded

    # -- the state

    def stage_states(self) -> dict[str, bytes]:
        """Canonical state by stage. Raises NotStarted."""
        if not self.is_started:
            raise NotStarted("nothing was consumed yet: there is no state")
        return dict(stage_states(self.engine))

    def state_digests(self) -> list[tuple[str, bytes]]:
        """SHA-256 by stage, in stage order."""
        return state_digests(self.engine)

    def skips(self) -> list[tuple[str, int, str]]:
        """(topic, offset, why) of the records that operators left out."""
        return [
            (feed.topic, offset, why) for feed in self.feeds for offset, why in feed.skipped.items()
        ]

    def positions(self) -> list[list[int]]:
        """Per feed: next offset, running maximum of event time before it, and what its flood guard
        counted, if it has one.
        """
        guarded = [feed.guard.state() if feed.guard is not None else [] for feed in self.feeds]
        return [
            [feed.next_offset, feed.maximum_consumed, *counted]
            for feed, counted in zip(self.feeds, guarded, strict=True)
        ]

    def seek(self, positions: list[list[int]]) -> None:
        """Go on as if everything before these positions had been consumed; the engine has the state
        behind them.
        """
        for feed, (offset, maximum, *counted) in zip(self.feeds, positions, strict=True):
            feed.seek(offset, maximum)
            if feed.guard is not None:
                feed.guard.restore(counted)

    def restore(
        self,
        instruments: Sequence[Instrument],
        states: dict[str, bytes],
        positions: list[list[int]],
        skips: Sequence[tuple[str, int, str]] = (),
    ) -> None:
        """Take up a snapshot: the stages over its instruments, their states, the inputs' positions,
        what was left out.

        Raises:
            StageFailed: a state is not of the type its stage declares; stages that were built
                before are as they were.
        """
        if not self.is_started:
            self.start(instruments)
        restore(self.engine, states)
        self.seek(positions)
        for topic, offset, why in skips:
            for feed in self.feeds:
                if feed.topic == topic:
                    feed.skipped[offset] = why
