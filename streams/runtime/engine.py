"""The fused engine: executes slices of merged input through every stage, and holds nothing but state.

No files, no clock, no threads of its own. For each slice:

1. the *ahead* loop runs the kernel stages that have no ledger upstream over the whole slice and leaves events for the ledgers;
2. the driver hands events, timers and the venue's reports to the ledgers in the order
   (record, timers before it first; deadline; stage rank), each consequence drained depth-first;
3. the *stepped* loop (the venue) is advanced only to the position at which a ledger acts next, and to the slice's end.

Step 1 has nothing of steps 2 and 3 upstream: :meth:`Engine.run_ahead` of a slice may run on another thread while :meth:`Engine.run_ledgers` of the
slice before it runs, if what it left is handed over in between (``overlap.py``).
"""

from __future__ import annotations

import struct
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec
import numpy as np

from schemas import records
from schemas.catalogue import topic as topic_of
from schemas.errors import ShrivenError
from streams.numeric.book import depth_of
from streams.numeric.book_copy import take_over
from streams.numeric.identity import EARLY_ORDINAL
from streams.runtime.compiling import announce, second_compiler
from streams.runtime.context import StageContext
from streams.runtime.deliveries import FEW, Deliveries
from streams.runtime.early import EarlyLedgers
from streams.runtime.emitted import Emitted
from streams.runtime.failures import BadEmission, StageFailed, failure, own_frame, placed
from streams.runtime.feed import Feed
from streams.runtime.handed import Handed
from streams.runtime.loop import (
    ACTIVE,
    COMMAND_CLOCK,
    CONTROL_LENGTH,
    CURSOR,
    DELIVERED,
    EVENT,
    LIMIT,
    LIMIT_CLOCK,
    NEVER,
    OUTCOME,
    PRESENT,
    handler_name,
)
from streams.runtime.merge import Slice
from streams.runtime.riding import Riding
from streams.runtime.runner import LoopRunner
from streams.runtime.topology import Topology, is_strategy

Array = np.ndarray[Any, Any]
Handler = Callable[[Any, StageContext], None]
NO_STEP = 2**62
FLUSH_MASK = 511
SHORT_RUN = 16
MIXED_RUN = 256
SKIP_RECORDS = 16_384
READ_EVENT: Callable[[Any, int], tuple[int, int, int, int]] = struct.Struct("=4q").unpack_from  # of EVENT
PACK = msgspec.msgpack.Encoder().encode


class Engine:
    """Executes a topology.

    Args:
        topology: stages and wiring.
        journal_id: 24 bits; goes into every built id, as the shard's 10 bits do.
    """

    def __init__(self, topology: Topology, journal_id: int, shard: int = 0) -> None:
        self.topology = topology
        self.context = StageContext(journal_id, shard, 0, topology.account, topology.artefacts)
        self.consumed = 0
        self.present = 0
        self.ended = False
        self._number = {topic: number for number, topic in enumerate([*topology.feeds, *topology.outputs])}
        self._names = [*topology.feeds, *topology.outputs]
        stamped = {topic: number for topic, number in self._number.items() if topology.ledger_readers(topic)}
        self.ahead = LoopRunner(topology.ahead, topology.feeds, stamped, (), topology.books, topology.salt) if topology.ahead else None
        self.stepped = (
            LoopRunner(
                topology.stepped, topology.feeds, {}, topology.stepped[0].module.OUTPUTS, topology.stepped_books, topology.salt, topology.express
            )
            if topology.stepped
            else None
        )
        self._compile()
        for runner in filter(None, (self.ahead, self.stepped)):
            runner.symbols = {instrument.instrument: instrument.symbol for instrument in topology.instruments}
        by_ledgers = [topic for topic in topology.outputs if self.ahead is None or topic not in self.ahead.rows]
        self._emitted = Emitted(topology.outputs, by_ledgers)
        self._lists = self._emitted.lists
        self.early = self._make_early(StageContext(journal_id, shard, EARLY_ORDINAL, topology.account, topology.artefacts))
        self._riding: Riding | None = None
        if topology.express is not None and self.stepped is not None:
            self._riding = Riding(topology.express, self.stepped, self.early, self._emitted, self._names)
        self._venue_rank = topology.stepped[0].rank if topology.stepped else -1
        self._venue_status: Any = self.stepped.status if self.stepped is not None else np.zeros(CONTROL_LENGTH, np.int64).data
        self._deliveries = Deliveries(self._names, self.early)
        self.ledgers = list(topology.ledgers)
        for stages, context in ((topology.early, self.early.context), (topology.late, self.context)):
            self._serve_strategies([stage.ledger for stage in stages], context)
        self._checks = [stage.ledger.check_state for stage in self.ledgers if hasattr(stage.ledger, "check_state")]
        self._with_timer = [(stage.rank, stage.ledger) for stage in self.ledgers if hasattr(stage.ledger, "on_timer")]
        self._bind()

    def _compile(self) -> None:
        """Compile the loops: from nothing in two processes, see compiling.py. Raises BadKernel."""
        ahead, stepped = self.ahead, self.stepped
        parts = [runner.part for runner in (ahead, stepped) if runner is not None]
        second = None
        if ahead is not None and stepped is not None:
            beside = [part for part in (stepped.part, stepped.express_part) if part is not None]
            second = second_compiler(ahead.part, beside)
            parts = [ahead.part, *beside] if second is not None else parts
        announce(parts)
        try:
            if ahead is not None:
                ahead.compile()
            if stepped is not None:
                if second is not None:
                    second.wait_for(stepped.part[0])
                stepped.compile()
                stepped.second = second
        except BaseException:
            if second is not None:
                second.stop()
            raise

    def _make_early(self, context: StageContext) -> EarlyLedgers:
        """The early ledgers; what they emit is numbered behind the topics."""
        behind = [number for number, topic in enumerate(self._names) if self.topology.late_readers(topic)]
        numbers = {getattr(records, topic_of(topic).record): len(self._names) + place for place, topic in enumerate(self._lists)}
        return EarlyLedgers([stage.ledger for stage in self.topology.early], self._names, behind, numbers, context)

    def _serve_strategies(self, ledgers: Sequence[Any], context: StageContext) -> None:
        """What strategies among these ledgers emit is checked, and their context does for them what they declare."""
        if not any(map(is_strategy, ledgers)):
            return
        for ledger in ledgers:
            if hasattr(ledger, "services_for"):
                context.services = ledger.services_for(context, self)
        services = context.services
        context.check_what_strategies_emit(services.note if services is not None and services.notes_requests else None)

    def stage(self, name: str) -> Any:
        """The ledger of this name, None if there is none."""
        return next((stage.ledger for stage in self.topology.ledgers if stage.name == name), None)

    def line_writer(self, context: StageContext) -> Callable[[Any], None]:
        """What takes a line that a strategy logs: at once, for what it emits before the line has its consequences after it.

        Early ledgers' lines wait with what else they emit: nothing of it has a consequence while they run.
        """
        if context is not self.context:
            return context.emit
        return lambda line: self._sinks[line.__class__](line)

    def read_book(self, instrument: int, depth: int | None) -> tuple[tuple[tuple[int, int], ...], tuple[tuple[int, int], ...], int]:
        """(bids, asks, flags) of an instrument's book behind the present input record, best first; ``depth`` None: all levels.

        The venue's books are read, which are those of the feed: the ahead loop's lie at the end of the slice. A venue that is
        behind takes the records up to the present one, as it does before it takes a command.
        """
        stepped = self.stepped
        if stepped is None or stepped.books is None:
            raise StageFailed("a strategy reads the book in a topology without a venue, which is where it lies")
        position = self.context.sequence - self._base
        if stepped.status[CURSOR] < position and stepped.advance(position, -1) == DELIVERED:
            raise AssertionError("a venue that was up to date delivered a report")
        return depth_of(stepped.books, instrument, depth)

    def _bind(self) -> None:
        """Wire record types and topics to handlers, in stage order."""
        self._handlers: dict[type, tuple[Handler, ...]] = {}
        self._sinks: dict[type, Callable[[Any], None]] = {}
        for topic in self._names:
            record = getattr(records, topic_of(topic).record)
            readers: list[Handler] = [getattr(ledger, handler_name(topic)) for ledger in self.topology.late_readers(topic)]
            if self.stepped is not None and topic in self.stepped.commands:
                readers.append(self._make_command())
            self._handlers[record] = tuple(readers)
            if topic in self._lists:
                self._sinks[record] = self._lists[topic].append
        self._drain = self._make_drain()
        self._by_number = [self._handlers[getattr(records, topic_of(topic).record)] for topic in self._names]
        timed = [ledger for _, ledger in self._with_timer]
        read = [self.topology.late_readers(topic) for topic in (*self._names, *self._lists)]
        self._timed_by_number = [tuple(ledger for ledger in readers if ledger in timed) for readers in read]
        self._runs_by_number = [self._run_readers(topic) for topic in self._names] + [()] * len(self._lists)
        self._runs_taken = [stage.ledger.takes_runs for stage in self.ledgers if hasattr(stage.ledger, "takes_runs")]
        self._by_number += [(self._make_keep(kind), *self._handlers[kind]) for kind in self.early.numbers]

    def _make_drain(self) -> Callable[[], None]:
        """The function that routes everything emitted, depth-first: a closure, for it runs several times an order."""
        context, pending = self.context, self.context.pending
        routes = {kind: (self._sinks.get(kind), handlers) for kind, handlers in self._handlers.items()}

        clear = pending.clear

        def drain() -> None:
            emitted = pending[:]
            clear()
            for record in emitted:
                sink, handlers = routes[record.__class__]
                sink(record)  # type: ignore[misc]
                for handler in handlers:
                    handler(record, context)
                    if pending:
                        drain()

        return drain

    def _run_readers(self, topic: str) -> tuple[Callable[[Sequence[Any], StageContext], None], ...]:
        """What takes many records of the topic at once, if every reader has it."""
        name = f"{handler_name(topic)}_run"
        readers = self.topology.late_readers(topic)
        return tuple(getattr(ledger, name) for ledger in readers) if all(hasattr(ledger, name) for ledger in readers) else ()

    def _takes_runs(self) -> bool:
        """Whether records in a row may be taken at once now: False while a ledger may answer any of them."""
        return all(takes() for takes in self._runs_taken)

    def _make_keep(self, kind: type) -> Handler:
        """A handler that keeps what an early ledger emitted as output."""
        sinks = self._sinks

        def keep(record: Any, context: StageContext) -> None:
            sinks[kind](record)

        return keep

    def watch(self, topic: str, observer: Callable[[Any], None]) -> None:
        """Call the observer with every record a ledger emits to the topic, as it is emitted."""
        kind = getattr(records, topic_of(topic).record)
        keep = self._sinks[kind]
        self._riding = None  # what is done so is not seen record by record

        def both(record: Any) -> None:
            keep(record)
            observer(record)

        self._sinks[kind] = both
        self._drain = self._make_drain()

    def execute(self, piece: Slice, feeds: Sequence[Feed]) -> None:
        """Execute one slice; outputs gather until :meth:`take_parts`.

        Raises:
            StageFailed: a ledger raised.
            CapacityExceeded: a bounded state is full.
        """
        self.run_ahead(piece, feeds)
        self.run_ledgers(piece, feeds, self.ahead)

    def run_ahead(self, piece: Slice, feeds: Sequence[Feed]) -> None:
        """Step 1 of a slice: the kernels with no ledger upstream.

        Raises:
            CapacityExceeded: a bounded state is full.
        """
        ahead = self.ahead
        if ahead is None:
            return
        try:
            ahead.attach(piece, feeds)
            ahead.advance(piece.length, NEVER)
        except ShrivenError as problem:
            problem.text = f"{problem.text}; at {_where(piece, feeds, ahead.status[CURSOR] - 1)}"
            problem.args = (problem.text,)
            raise
        except (Exception, SystemExit) as problem:
            raise failure(problem, _where(piece, feeds, ahead.status[CURSOR] - 1), ahead.status[PRESENT]) from problem

    def run_ledgers(self, piece: Slice, feeds: Sequence[Feed], ahead: LoopRunner | Handed | None) -> None:
        """Steps 2 and 3 of a slice that the ahead loop has run; ``ahead`` holds what it left.

        Raises:
            StageFailed: a ledger raised.
            CapacityExceeded: a bounded state is full.
        """
        self._piece = piece
        self._feeds = feeds
        self._books = ahead.books if ahead is not None else None
        self._length = length = piece.length
        self._clock = piece.clock[:length]
        self._last_clock = int(piece.clock[length - 1]) if length else 0
        self._base = self.consumed
        self._limit = 0
        self._limit_clock = -1
        try:
            if self.stepped is not None:
                self.stepped.attach(piece, feeds)
            self._drive(ahead)
            if self.stepped is not None:
                self.stepped.advance(length, NEVER)
            if piece.ended:
                self._end()
            for check in self._checks:
                check()
        except BadEmission as problem:
            raise placed(problem, self._where_ledgers_are(), self._context.clock) from problem
        except ShrivenError as problem:
            own, record = own_frame(problem)
            problem.text = f"{problem.text}{f' ({own})' if own else ''}{record}; at {self._where_ledgers_are()}"
            problem.args = (problem.text,)
            raise
        except (Exception, SystemExit) as problem:
            raise failure(problem, self._where_ledgers_are(), self._context.clock) from problem
        self.consumed += piece.count
        if length:
            self.present = self._last_clock

    @property
    def _context(self) -> StageContext:
        """Of the ledgers that run."""
        return self.early.context if self.early.is_running else self.context

    def _where_ledgers_are(self) -> str:
        context = self._context
        position = self._piece.count if self.ended else context.sequence - self._base - 1
        return _where(self._piece, self._feeds, position)

    def _is_timer_due(self) -> bool:
        """Whether a ledger's timer may be due in the slice."""
        for _, ledger in self._with_timer:  # noqa: SIM110 (a generator costs more than this)
            if ledger.state.timer <= self._last_clock:
                return True
        return False

    def _next_timer(self) -> tuple[int, int, int, Any]:
        """The earliest ledger timer in the slice: (step, clock, rank, ledger); step NO_STEP if none is due in it."""
        deadline, rank, ledger = NEVER, 0, None
        for stage_rank, stage in self._with_timer:
            if stage.state.timer < deadline:
                deadline, rank, ledger = stage.state.timer, stage_rank, stage
        if ledger is None or not self._length or deadline > self._last_clock:
            return NO_STEP, 0, 0, None
        place = max(int(np.searchsorted(self._clock, deadline)), self._limit)
        if place >= self._length:
            return NO_STEP, 0, 0, None
        return 2 * place, max(deadline, self.context.clock), rank, ledger

    def _drive(self, ahead: LoopRunner | Handed | None) -> None:
        """Hand everything over, a window of events at a time."""
        if not (ahead is not None and ahead.event_count) and not self._venue_status[ACTIVE] and not self._is_timer_due():
            self._skip_ahead()  # nothing here is for a ledger
            return
        self._deliveries.begin(self._feeds, self._base, self._piece.count, ahead)
        done = 0
        if ahead is not None and ahead.event_count <= FEW and not self._venue_status[ACTIVE]:
            done, is_quiet = self._deliver_few(ahead)
            if is_quiet and done == ahead.event_count:
                self._skip_ahead()
                return
        riding, last = self._riding, False
        may_ride = riding is not None and ahead is not None and riding.begin(ahead, self._piece.count)
        while not last:
            last = self._deliveries.next_window(done)
            rides = may_ride and riding is not None and riding.lay_out(self._deliveries)
            if riding is not None and not rides:
                riding.close(self.context)
            self._drive_window(last, riding if rides else None, done)
        if riding is not None:
            riding.close(self.context)

    def _drive_window(self, last: bool, riding: Riding | None, position: int) -> None:
        """Hand the window's events from ``position`` on, ledger timers and reports over in order; after the last window, what is due till the end."""
        context, pending, drain, base, length = self.context, self.context.pending, self._drain, self._base, self._length
        deliveries, by_number, runs_by_number = self._deliveries, self._by_number, self._runs_by_number
        take_one = deliveries.take_one
        steps, clocks, topics = deliveries.steps, deliveries.clocks, deliveries.topics
        total = len(steps)
        status, venue_rank = self._venue_status, self._venue_rank
        advance: Any = self.stepped.advance if self.stepped is not None else None
        delivered: Any = self.stepped.delivered if self.stepped is not None else None
        timed = self._with_timer
        deadline, due = -1, None
        timer_step, timer_clock, timer_rank, timer_ledger = self._next_timer()
        turns, quiet = 0, True
        session: Any = riding.session if riding is not None else None
        while True:
            turns += 1
            if not turns & FLUSH_MASK:
                self._emitted.pack()
            if position == total and not last:
                break
            step = steps[position] if position < total else NO_STEP
            if timer_step < step or (timer_step == step and step < NO_STEP and timer_clock < clocks[position]):
                timer_first = True
                limit, limit_clock = timer_step >> 1, timer_clock - (timer_rank <= venue_rank)
            else:
                timer_first = False
                if position < total:
                    limit, limit_clock = step >> 1, NEVER if step & 1 else clocks[position] - 1
                else:
                    limit, limit_clock = length, NEVER
                    self._skip_ahead()
            if riding is not None:
                if not timer_first and position < total and topics[position] in riding.numbers and session.is_ready(context):
                    now = self._limit, self._limit_clock
                    stop = riding.ride(deliveries, context, position, (timer_step, timer_clock), now, base, self._piece.count)
                    self._limit, self._limit_clock = stop.limit, stop.limit_clock
                    pending.extend(stop.reports)
                    drain()
                    if stop.position > position or stop.is_closed:
                        position, quiet = stop.position, True
                        if stop.has_timers:
                            timer_step, timer_clock, timer_rank, timer_ledger = self._next_timer()
                            deadline = -1
                        continue
                if session.is_open and (position < total or timer_first or last):
                    riding.close(context)
            if status[ACTIVE] and advance(limit, limit_clock) == DELIVERED:
                self._limit = status[CURSOR]
                self._limit_clock = context.clock = status[PRESENT]
                context.sequence = base + self._limit
                pending.extend(delivered())
                drain()
            elif timer_first:
                self._limit, self._limit_clock = limit, limit_clock
                context.clock = timer_clock
                context.sequence = base + limit
                at = timer_ledger.state.timer
                timer_ledger.on_timer(at, context)
                if pending:
                    drain()
                if timer_ledger.state.timer <= at:
                    raise StageFailed(f"the timer of {timer_ledger.NAME} at {at} does not move on; set state.timer to a later time, or to NO_TIMER")
                deadline = -1
            elif position == total:
                break
            else:
                handlers = by_number[topics[position]]
                rest = session.rest if riding is not None else NO_STEP
                if quiet and rest and not status[ACTIVE]:
                    started = position
                    is_run = runs_by_number[topics[position]] and deliveries.run_end(position) >= position + SHORT_RUN and self._takes_runs()
                    position = (self._deliver_at_once if is_run else self._deliver_mixed)(position, timer_step, timer_clock, rest)
                    quiet = position > started + 2
                    if riding is not None:
                        session.rest -= position - started
                else:
                    context.clock = clocks[position]
                    self._place(step, clocks[position])
                    context.sequence = deliveries.sequences[position]
                    record = take_one(topics[position])
                    position += 1
                    quiet = True
                    for handler in handlers:
                        handler(record, context)
                        if pending:
                            quiet = False
                            drain()
            earliest, first = NEVER, None
            for _, ledger in timed:
                if ledger.state.timer < earliest:
                    earliest, first = ledger.state.timer, ledger
            if earliest != deadline or first is not due:
                deadline, due = earliest, first
                timer_step, timer_clock, timer_rank, timer_ledger = self._next_timer()

    def _place(self, step: int, clock: int) -> None:
        """Where the venue must be when a command comes of this event: past the record that led to it, or before a timer's first later one."""
        if step & 1:
            self._limit, self._limit_clock = (step >> 1) + 1, -1
        else:
            self._limit, self._limit_clock = step >> 1, clock - 1

    def _deliver_few(self, ahead: LoopRunner | Handed) -> tuple[int, bool]:
        """Deliver a slice's few events while nothing else is to be done; returns how many, and False if the last had a consequence.

        What one event costs on its way to an order is latency, so it has nothing of what makes thousands cheap.
        """
        if self.early.handlers or self._is_timer_due():
            return 0, False
        context, pending, base, records, by_number = self.context, self.context.pending, self._base, self._piece.count, self._by_number
        record_of = self._deliveries.record_of
        is_quiet = True
        for at in range(1, ahead.event_count + 1):
            step, context.clock, number, row = READ_EVENT(ahead.events, EVENT.itemsize * (at - 1))
            context.sequence = base + min((step + 1) >> 1, records)
            record = record_of(number, row)
            for handler in by_number[number]:
                handler(record, context)
                if pending:
                    is_quiet = False
                    self._place(step, context.clock)
                    self._drain()
            if not is_quiet or self._is_timer_due():
                self._place(step, context.clock)
                return at, False
        return ahead.event_count, True

    def _deliver_at_once(self, position: int, timer_step: int, timer_clock: int, most: int) -> int:
        """Deliver at most so many events of one topic at once, the first by itself, up to the next timer; returns the next position."""
        deliveries, context = self._deliveries, self.context
        steps, clocks, number = deliveries.steps, deliveries.clocks, deliveries.topics[position]
        stop = self._before_timer(position, min(deliveries.run_end(position), position + most), timer_step, timer_clock)
        timers = [ledger.state.timer for _, ledger in self._with_timer]
        records = deliveries.take(number, stop - position)
        context.clock, context.sequence = clocks[position], deliveries.sequences[position]
        for handler in self._by_number[number]:
            handler(records[0], context)
        if stop == position + 1 or context.pending or timers != [ledger.state.timer for _, ledger in self._with_timer]:
            deliveries.give_back(number, stop - position - 1)
            self._place(steps[position], clocks[position])
            self._drain()
            return position + 1
        context.clock, context.sequence = clocks[stop - 1], deliveries.sequences[stop - 1]
        for take in self._runs_by_number[number]:
            take(records[1:], context)
        self._place(steps[stop - 1], clocks[stop - 1])
        return stop

    def _deliver_mixed(self, position: int, timer_step: int, timer_clock: int, most: int) -> int:
        """Deliver at most so many events of any topics while the venue is idle, up to the next timer or consequence; returns the next position."""
        deliveries, context = self._deliveries, self.context
        steps, clocks, topics = deliveries.steps, deliveries.clocks, deliveries.topics
        pending, drain, by_number, timed_by_number = context.pending, self._drain, self._by_number, self._timed_by_number
        found, heads = deliveries.found, deliveries.heads
        stop = self._before_timer(position, min(position + min(most, MIXED_RUN), len(steps)), timer_step, timer_clock)
        timers = {ledger: ledger.state.timer for _, ledger in self._with_timer}
        at = position
        for number, context.clock, context.sequence in zip(  # noqa: B020
            topics[position:stop], clocks[position:stop], deliveries.sequences[position:stop], strict=True
        ):
            head = heads[number]
            heads[number] = head + 1
            record = found[number][head]
            at += 1
            for handler in by_number[number]:
                handler(record, context)
                if pending:
                    self._place(steps[at - 1], clocks[at - 1])
                    stop = 0
                    drain()
            for ledger in timed_by_number[number]:
                if ledger.state.timer != timers[ledger]:
                    stop = 0
            if not stop:
                break
        self._place(steps[at - 1], clocks[at - 1])
        return at

    def _before_timer(self, position: int, end: int, timer_step: int, timer_clock: int) -> int:
        """The first event before ``end`` that comes after the timer; at least one event is before it."""
        if timer_step == NO_STEP:
            return end
        steps, clocks = self._deliveries.steps, self._deliveries.clocks
        stop = bisect_right(steps, timer_step - 1, position, end)
        while stop < end and steps[stop] == timer_step and clocks[stop] <= timer_clock:
            stop += 1
        return max(stop, position + 1)

    def _skip_ahead(self) -> None:
        """A venue that knows no order takes over the books of the ahead loop instead of applying the rest itself.

        Both books, and what printed of them, are a function of the same records: nothing but time depends on whether it does.
        """
        stepped, books, piece = self.stepped, self._books, self._piece
        if stepped is None or books is None or stepped.status[ACTIVE]:
            return
        done, end = stepped.status[CURSOR], piece.count
        state = stepped.stages[0].state
        if end - done < SKIP_RECORDS or stepped.books is None or not stepped.stages[0].module.is_untouched(state):
            return
        own = np.isin(piece.source[done:end], stepped.codes)
        if own.any():
            state.clock[0] = piece.clock[done + int(np.flatnonzero(own)[-1])]
        take_over(stepped.books, books)
        stepped.status[CURSOR] = end
        stepped.status[PRESENT] = int(piece.clock[end - 1])

    def _make_command(self) -> Handler:
        """The function that hands a command to the venue at the present position and clock; an idle venue is caught up first."""
        stepped = self.stepped
        assert stepped is not None
        status, view, packed_context, hand = stepped.status, stepped.command_view, stepped.packed, stepped.commands[self.topology.command_topic]

        def command(record: Any, context: StageContext) -> None:
            status[LIMIT] = self._limit
            status[LIMIT_CLOCK] = self._limit_clock
            status[COMMAND_CLOCK] = context.clock
            packed = PACK(record)
            view[: len(packed)] = packed
            hand(packed_context)
            if status[OUTCOME]:
                stepped.raise_fault()
                raise AssertionError("an idle venue delivered a report")

        return command

    def _end(self) -> None:
        """EndOfInput for the ledgers, strategies first, then in stage order: what they do at the end, the others report."""
        self.ended = True
        self._limit = self._length
        self._limit_clock = NEVER
        self.context.sequence = self._base + self._piece.count
        self.context.clock = int(self._clock[-1])
        for stage in sorted(self.ledgers, key=lambda each: not is_strategy(each.ledger)):
            on_end = getattr(stage.ledger, "on_end", None)
            if on_end is not None:
                on_end(self.context)
                if self.context.pending:
                    self._drain()

    def take_parts(self, ahead: Mapping[str, tuple[Any, int]]) -> list[tuple[str, list[tuple[Any, int]], int]]:
        """(topic, parts, count) of everything emitted since the last call, in catalogue order; empty topics left out. See ``emitted.body_of``.

        Args:
            ahead: (body, count) by topic of what the ahead loop made.

        Raises:
            BadEmission: a ledger emitted what its schema does not allow.
        """
        return self._emitted.take(ahead)


def _where(piece: Slice, feeds: Sequence[Feed], position: int) -> str:
    """The input record at this place of the slice, whose consequences are being executed."""
    if position >= piece.count or not piece.count:
        return "the end of input"
    feed = feeds[int(piece.origin[max(0, position)])]
    return f"{feed.topic} offset {feed.offset_at(int(piece.index[max(0, position)]))}"
