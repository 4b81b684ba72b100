"""The scheduler as the engine has it: input batches in, and what Python does when the loop returns.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from schemas.catalogue import topic as topic_of
from schemas.codec import codec
from schemas.errors import ShrivenError
from streams.numeric.id_source import IdSource
from streams.numeric.table import Table
from streams.runtime.failures import stuck, without_end
from streams.runtime.order.feed import Feed
from streams.runtime.order.merge import InputBatch
from streams.runtime.schedule import records as r
from streams.runtime.schedule.context import StageContext
from streams.runtime.schedule.kept_place import go_back
from streams.runtime.schedule.loop import NEVER
from streams.runtime.schedule.loop import OUTCOME as VENUE_OUTCOME
from streams.runtime.schedule.loop import ROOM as VENUE_ROOM
from streams.runtime.schedule.market_data_only import MarketDataOnly
from streams.runtime.schedule.output_buffer import OutputBuffer
from streams.runtime.schedule.rows import not_allowed, rows_of
from streams.runtime.schedule.runner import LoopRunner
from streams.runtime.schedule.schedule_words import (
    BEFORE,
    CALLED_READER,
    CALLED_ROW,
    CALLED_STAGE,
    CALLED_TOPIC,
    CLOCK,
    CLOCKS,
    CODE,
    DONE,
    EMISSIONS_USED,
    EVENTS,
    FLUSH,
    FRAMES_USED,
    IS_DRAINING,
    IS_LAST,
    LENGTH,
    LIMIT,
    LIMIT_CLOCK,
    LIST,
    OUTCOME,
    POSITION,
    PYTHON_READER,
    PYTHON_TIMER,
    RECORDS,
    ROOM,
    SEQUENCE,
    SETTLE,
    SHORT_LENGTH,
    SHORT_TOPIC,
    STORED,
    STUCK,
    TIMER_VALUE,
    TOTAL,
    VENUE_STOPPED,
    WINDOW,
)  # fmt: skip
from streams.runtime.schedule.scheduler import advance
from streams.runtime.schedule.topology import Topology
from streams.runtime.schedule.upstream_output import UpstreamOutput
from streams.runtime.schedule.windows import Windows
from streams.runtime.schedule.wiring import Wiring
from streams.runtime.tools.pointers import Address

EMISSIONS, FRAMES = 256, 64
"""Rows of these tables at first."""
Feeds = Sequence[Feed]
Upstream = LoopRunner | UpstreamOutput | None
FRAMES_MAX = 1024
"""How deep consequences of consequences may go."""


class Scheduler:
    """Runs one topology's order side over input batches; ``address`` is that of its record, which
    stays.

    Args:
        topology: its stages.
        names: topic by number: inputs, then outputs.
        venue: the venue's loop, None without one.
        strategies: those that read market data only.
        emitted: takes what is emitted.
        context: of the Python stages.
    """

    def __init__(
        self,
        topology: Topology,
        names: Sequence[str],
        venue: LoopRunner | None,
        strategies: MarketDataOnly,
        emitted: OutputBuffer,
        context: StageContext,
    ) -> None:
        self._topology, self._names, self._venue = topology, list(names), venue
        self._strategies, self._emitted, self._context = strategies, emitted, context
        self.windows = Windows(names, strategies)
        self._ids = IdSource()
        self._table = Table(r.SCHEDULE, 1)
        self._row = self._table.rows[0]
        self._words = self._table.rows.view(np.int64).data
        self.address = self._table.rows.ctypes.data
        self._listed: dict[int, list[Any]] = {}
        self._observers: dict[str, list[Callable[[Any], None]]] = {}
        self._upstream_rows: dict[int, Any] = {}
        self._clocks = Address()
        self._lay_out()
        self._wire()

    # -- tables

    def _lay_out(self) -> None:
        self._emissions, self._frames = Table(r.EMISSION, EMISSIONS), Table(r.FRAME, FRAMES)
        row, venue = self._row, self._venue
        row["collected"] = row["timer"] = row["timer_value"] = -1
        row["venue_rank"] = -1
        row["ids"] = self._ids.address
        if venue is not None:
            reports, most = next(iter(venue.delivered_most.items()))
            row["venue_rank"] = self._topology.on_demand[0].rank
            row["venue_run"], row["venue_command"] = venue.entries()
            row["venue_packed"] = venue.packed.ctypes.data
            row["venue_control"] = venue.control.ctypes.data
            row["reports"] = venue.rows[reports].ctypes.data
            row["reports_topic"], row["reports_most"] = self._names.index(reports), most
        self._grow_emissions(4 * int(row["reports_most"]))

    def _wire(self) -> None:
        self._wiring = wiring = Wiring(
            self._topology, self._names, list(self._emitted.lists), self._observers
        )
        wiring.use_ids(self._ids.address)
        for name in ("topics", "stages", "outputs", "readers", "timers"):
            self._row[name] = getattr(wiring, name).address
        self._numbers = wiring.numbers()
        self._upstream_rows.clear()

    def watch(self, topic: str, observer: Callable[[Any], None]) -> None:
        """Call the observer with every record of the topic that the order side makes, before its
        readers have it.
        """
        self.flush()
        self._observers.setdefault(topic, []).append(observer)
        self._wire()

    def _grow_emissions(self, length: int) -> None:
        """Room for so many emissions, and for one more frame."""
        if length > len(self._emissions):
            self._emissions = self._emissions.grown(max(length, 2 * len(self._emissions)))
        if self._words[FRAMES_USED] == len(self._frames):
            if len(self._frames) >= FRAMES_MAX:
                raise without_end(FRAMES_MAX)
            self._frames = self._frames.grown(2 * len(self._frames))
        self._row["emissions"], self._row["frames"] = self._emissions.address, self._frames.address
        self._emission_words = self._emissions.rows.view(np.int64).data
        self._frame_words = self._frames.rows.view(np.int64).data

    # -- input batches

    def is_idle(self, until: int) -> bool:
        """True if no timer is due up to this clock, as the last input batch left them."""
        return bool(self._words[TIMER_VALUE] > until)

    def look_again(self) -> None:
        """States were put in from outside: timers are not as the last input batch left them."""
        self._words[TIMER_VALUE] = -1

    def run(self, input_batch: InputBatch, feeds: Feeds, upstream: Upstream, before: int) -> None:
        """Deliver an input batch; the venue is then where its last command or report was.

        Args:
            before: records consumed before the input batch.

        Raises:
            StageFailed: a Python stage raised.
            ShrivenError: what a compiled stage's fault stands for.
        """
        self._begin(input_batch, feeds, upstream, before)
        try:
            self._loop()
        finally:
            self._enter()

    def _begin(self, batch: InputBatch, feeds: Feeds, upstream: Upstream, before: int) -> None:
        w, context = self._words, self._context
        self.windows.begin(feeds, before, batch.count, upstream)
        w[POSITION] = w[TOTAL] = w[IS_LAST] = w[FRAMES_USED] = w[EMISSIONS_USED] = 0
        w[BEFORE], w[RECORDS], w[LENGTH] = before, batch.count, batch.length
        w[CLOCK], w[SEQUENCE] = context.clock, context.sequence
        w[LIMIT], w[LIMIT_CLOCK], w[TIMER_VALUE] = 0, -1, -1
        w[CLOCKS] = self._clocks.of(batch.clock)
        self._ids.take(context)
        for place, stage in enumerate(self._wiring.timed):
            self._wiring.deadline_words[place] = stage.state.timer
        if upstream is not None:
            for number in self._wiring.read_upstream:
                self._read_rows(number, self.windows.rows_of(self._names[number]))

    def _read_rows(self, number: int, rows: Any) -> None:
        """Rows of the upstream pass, or of an input, that compiled stages read."""
        if rows is None or self._upstream_rows.get(number) is rows:
            return
        self._upstream_rows[number] = rows
        topic = self._wiring.topics.rows[number]
        topic["source"], topic["stride"] = rows.ctypes.data, rows.dtype.itemsize

    def _loop(self) -> None:
        w, address = self._words, self.address
        while True:
            advance(address)
            outcome = w[OUTCOME]
            if outcome == PYTHON_READER:
                self._hand()
            elif outcome == DONE:
                return
            elif outcome == WINDOW:
                self._next_window()
            elif outcome == PYTHON_TIMER:
                self._fire()
            elif outcome == FLUSH:
                self.flush()
            elif outcome == LIST:
                self._list(w[CALLED_TOPIC], w[CALLED_ROW])
            else:
                self._see_to(outcome)

    def _see_to(self, outcome: int) -> None:
        """What comes rarely."""
        w = self._words
        if outcome == ROOM:
            number, length = w[SHORT_TOPIC], w[SHORT_LENGTH]
            if number < 0:
                self._grow_emissions(length)
            else:
                self._wiring.stored[number].grow(length)
        elif outcome == SETTLE:
            stage = self._wiring.compiled[w[CALLED_STAGE]]
            self._enter()
            stage.settle(w[CODE], w[CALLED_READER], self._context)
            self._ids.take(self._context)
        elif outcome == VENUE_STOPPED:
            venue = self._venue
            assert venue is not None
            self._enter()
            if venue.status[VENUE_OUTCOME] == VENUE_ROOM:
                venue.grow()
            else:
                venue.raise_fault()
                raise AssertionError("an idle venue delivered a report")
        elif outcome == STUCK:
            self._enter()
            stage = self._wiring.compiled[w[CALLED_STAGE]]
            raise stuck(stage, w[TIMER_VALUE])

    # -- windows

    def _next_window(self) -> None:
        w, windows = self._words, self.windows
        is_last = windows.next_window()
        if windows.made:
            self._lay_out_made()
        events = windows.events
        w[POSITION], w[TOTAL], w[IS_LAST] = 0, len(events), is_last
        w[EVENTS] = windows.address

    def _lay_out_made(self) -> None:
        """What market-data-only strategies emitted, as rows."""
        self._made_rows: list[Any] = []
        events = self.windows.events
        for number, found in self.windows.made.items():
            topic = self._wiring.topics.rows[number]
            if topic["kind"] != r.MADE:
                continue
            rows, refused = rows_of(found, codec(topic_of(self._names[topic["target"]]).record))
            if refused is not None:  # the error comes where the record is delivered
                self._refused = refused
                places = np.flatnonzero(events["topic"] == number)
                events["topic"][places[len(rows) :]] = self._wiring.refused
            self._made_rows.append(rows)
            topic["source"] = rows.ctypes.data

    # -- Python stages

    def _enter(self) -> None:
        """A Python stage is called: its context has the schedule's time, place and ids."""
        w, context = self._words, self._context
        context.clock, context.sequence = w[CLOCK], w[SEQUENCE]
        self._ids.give(context)

    def _leave(self) -> None:
        """It returned."""
        pending, wiring = self._context.pending, self._wiring
        self._ids.take_made(self._context)
        deadlines = wiring.deadline_words
        for place, stage in enumerate(wiring.timed):
            deadlines[place] = stage.state.timer
        if pending:
            self.emit(pending)
            pending.clear()

    def _hand(self) -> None:
        """A Python stage has a record to take."""
        w = self._words
        record = self._record(w[CALLED_TOPIC], w[CALLED_ROW])
        self._enter()
        self._wiring.functions[w[CALLED_READER]](record, self._context)
        if w[CALLED_TOPIC] in self._wiring.relayed:
            go_back(w, self._ids, self._context)
        self._leave()

    def _fire(self) -> None:
        """The timer of a Python stage is due."""
        stage = self._wiring.timed[self._words[CALLED_READER]]
        self._enter()
        at = stage.state.timer
        stage.on_timer(at, self._context)
        if stage is self._topology.stand_in:
            go_back(self._words, self._ids, self._context)
        self._leave()
        if stage.state.timer <= at:
            raise stuck(stage, at)

    def _record(self, number: int, row: int) -> Any:
        rows = self._wiring.stored.get(number)
        if rows is not None:
            return rows.record(row)
        if number in self._listed:
            return self._listed[number][row]
        return self.windows.record(number, row)

    def _list(self, number: int, row: int) -> None:
        """A record with text in it goes into its topic."""
        if number == self._wiring.refused:
            raise self._refused
        behind = number - len(self._names)
        lists = self._emitted.lists
        name = list(lists)[behind] if behind >= 0 else self._names[number]
        lists[name].append(self._record(number, row))

    def emit(self, emitted: Sequence[Any]) -> None:
        """Records that a Python stage emitted, to be delivered next.

        Raises:
            BadEmission: one is not what its schema allows.
        """
        w, numbers, stored = self._words, self._numbers, self._wiring.stored
        first = w[EMISSIONS_USED]
        end = first + len(emitted)
        if 2 * end > len(self._emission_words) or 4 * w[FRAMES_USED] == len(self._frame_words):
            self._grow_emissions(end)
        words, at = self._emission_words, 2 * first
        for record in emitted:
            number = numbers[record.__class__]
            rows = stored.get(number)
            if rows is not None:
                try:
                    row = rows.append(record)
                except (ShrivenError, struct.error, TypeError, ValueError, OverflowError) as why:
                    raise not_allowed(record, rows.codec, why) from why
            else:
                found = self._listed.setdefault(number, [])
                row = len(found)
                found.append(record)
            words[at], words[at + 1] = number, row
            at += 2
        at, frame = 4 * w[FRAMES_USED], self._frame_words
        frame[at], frame[at + 1], frame[at + 2], frame[at + 3] = first, first, end, -1
        w[EMISSIONS_USED] = end
        w[FRAMES_USED] += 1

    def drain(self, limit: int) -> None:
        """Deliver what the context's stages emitted, and what that leads to, at the context's clock
        and sequence; ``limit``: the place of the input batch up to which the venue must be.
        """
        w, context = self._words, self._context
        w[CLOCK], w[SEQUENCE], w[IS_DRAINING] = context.clock, context.sequence, 1
        w[LIMIT], w[LIMIT_CLOCK] = limit, NEVER
        self._ids.take(context)
        self._leave()
        self._loop()
        w[IS_DRAINING] = 0
        self._enter()

    # -- outputs

    def flush(self) -> None:
        """Encode the rows that were delivered; all of them were."""
        for number, rows in self._wiring.stored.items():
            rows.encode_into(self._emitted.bodies[self._names[number]])
        self._emitted.pack()
        self._listed.clear()
        self._words[STORED] = 0
