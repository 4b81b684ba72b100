"""The engine: executes slices of merged input through every stage, and holds nothing but state.

No files, no clock, no threads of its own. For each slice:

1. the *upstream pass* runs the compiled stages that read nothing of the order side over the whole
   slice and leaves events;
2. the scheduler (``schedule/``) delivers events, timers and the venue's reports, and what comes of
   them, and runs the venue to where a command comes;
3. the venue is run to the slice's end.

Step 1 has nothing of steps 2 and 3 upstream: :meth:`Engine.run_ahead` of a slice may run on another
thread while :meth:`Engine.run_order_side` of the slice before it runs, if what it left is handed
over in between (``overlap.py``).
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from schemas import records
from schemas.catalogue import topic as topic_of
from schemas.errors import ShrivenError
from streams.numeric.book_copy import take_over
from streams.numeric.identity import EARLY_ORDINAL
from streams.runtime import book_reader
from streams.runtime.book_reader import BookReader, Levels
from streams.runtime.compiled_strategy import BOOK, CompiledStrategy
from streams.runtime.compiling import Part, announce, compile_entry, second_compiler
from streams.runtime.context import StageContext
from streams.runtime.emitted import Emitted
from streams.runtime.failures import BadEmission, StageFailed, failure, own_frame, placed
from streams.runtime.feed import Feed
from streams.runtime.handed import Handed
from streams.runtime.loop import (
    ACTIVE,
    CONTROL_LENGTH,
    CURSOR,
    NEVER,
    PRESENT,
)
from streams.runtime.merge import Slice
from streams.runtime.runner import LoopRunner
from streams.runtime.schedule import scheduler
from streams.runtime.schedule.driver import Scheduler
from streams.runtime.schedule.market_data_only import MarketDataOnly
from streams.runtime.schedule.wiring import compiled_stages, entry_part
from streams.runtime.topology import Topology, is_strategy

Array = np.ndarray[Any, Any]
SKIP_RECORDS = 16_384


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
                topology.stepped, topology.feeds, {}, topology.stepped[0].module.OUTPUTS, topology.stepped_books, topology.salt
            )
            if topology.stepped
            else None
        )
        self._compile()
        for runner in filter(None, (self.ahead, self.stepped)):
            runner.symbols = {instrument.instrument: instrument.symbol for instrument in topology.instruments}
        upstream = () if self.ahead is None else self.ahead.rows
        written = [topic for topic in topology.outputs if topic not in upstream]
        self._emitted = Emitted(topology.outputs, written)
        self._lists = self._emitted.lists
        self.early = self._make_early(
            StageContext(journal_id, shard, EARLY_ORDINAL, topology.account, topology.artefacts)
        )
        self._venue_status: Any = (
            self.stepped.status if self.stepped is not None else np.zeros(CONTROL_LENGTH, np.int64).data
        )
        self.ledgers = list(topology.ledgers)
        for stages, context in ((topology.early, self.early.context), (topology.late, self.context)):
            self._serve_strategies([stage.ledger for stage in stages], context)
        self._checks = [
            stage.ledger.check_state for stage in self.ledgers if hasattr(stage.ledger, "check_state")
        ]
        ledgers = [stage.ledger for stage in self.ledgers]
        self._checks += [each.write_lines for each in ledgers if hasattr(each, "write_lines")]
        self.scheduler = Scheduler(
            topology, self._names, self.stepped, self.early, self._emitted, self.context
        )
        for stage in self.ledgers:
            if hasattr(stage.ledger, "read_from"):
                stage.ledger.read_from(self)

    def _compile(self) -> None:
        """Compile the loops, the stages' entries and the scheduler: from nothing in two processes,
        see compiling.py. Raises BadKernel.
        """
        ahead, stepped = self.ahead, self.stepped
        beside: list[Part] = [stepped.part] if stepped is not None else []
        stages = compiled_stages(self.topology)
        strategies = [stage for stage in stages if isinstance(stage, CompiledStrategy)]
        beside += [entry_part(stage) for stage in stages if stage not in strategies]
        if any(BOOK in getattr(each.ledger, "READS", ()) for each in self.topology.ledgers):
            beside.append((book_reader, ["handle"]))
        beside.append((scheduler, ["advance"]))
        second = second_compiler(ahead.part, beside) if ahead is not None else None
        own = [*([ahead.part] if ahead is not None else []), *map(entry_part, strategies)]
        announce([*own, *([] if second else beside)])
        try:
            if ahead is not None:
                ahead.compile()
            for strategy in strategies:  # a user's module is known to this process alone
                strategy.compile()
            if second is not None:
                second.wait_for(beside[-1][0])
            if stepped is not None:
                stepped.compile()
            for module, names in beside if stepped is None else beside[1:]:
                for name in names:
                    compile_entry(getattr(module, name))
        finally:
            if second is not None:
                second.stop()

    def _make_early(self, context: StageContext) -> MarketDataOnly:
        """The early ledgers; what they emit is numbered behind the topics."""
        behind = [number for number, topic in enumerate(self._names) if self.topology.late_readers(topic)]
        numbers = {getattr(records, topic_of(topic).record): len(self._names) + place for place, topic in enumerate(self._lists)}
        return MarketDataOnly([stage.ledger for stage in self.topology.early], self._names, behind, numbers, context)

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
        lists = {getattr(records, topic_of(topic).record): found for topic, found in self._lists.items()}
        return lambda line: lists[line.__class__].append(line)

    @functools.cached_property
    def books(self) -> BookReader:
        """Reads the order books behind the present input record.

        Raises:
            StageFailed: there is no venue, which is where they lie.
        """
        if self.stepped is None or self.stepped.books is None:
            raise StageFailed("a strategy reads the book in a topology without a venue, which is where it lies")
        return BookReader(self.stepped, self.scheduler.address)

    def read_book(self, instrument: int, depth: int | None) -> tuple[Levels, Levels, int]:
        """(bids, asks, flags) of an instrument's book behind the present input record, best first;
        ``depth`` None: all levels.
        """
        return self.books.read(instrument, depth)

    def watch(self, topic: str, observer: Callable[[Any], None]) -> None:
        """Call the observer with every record that the order side makes of the topic, as it is
        emitted.
        """
        self.scheduler.watch(topic, observer)

    def execute(self, piece: Slice, feeds: Sequence[Feed]) -> None:
        """Execute one slice; outputs gather until :meth:`take_parts`.

        Raises:
            StageFailed: a ledger raised.
            CapacityExceeded: a bounded state is full.
        """
        self.run_ahead(piece, feeds)
        self.run_order_side(piece, feeds, self.ahead)

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

    def run_order_side(self, piece: Slice, feeds: Sequence[Feed], ahead: LoopRunner | Handed | None) -> None:
        """Steps 2 and 3 of a slice that the upstream pass has run; ``ahead`` holds what it left.

        Raises:
            StageFailed: a ledger raised.
            CapacityExceeded: a bounded state is full.
        """
        self._piece = piece
        self._feeds = feeds
        self._books = ahead.books if ahead is not None else None
        self._length = length = piece.length
        self._clock = piece.clock[:length]
        self._base = self.consumed
        try:
            if self.stepped is not None:
                self.stepped.attach(piece, feeds)
            if not self._is_quiet(ahead):
                self.scheduler.run(piece, feeds, ahead, self._base)
            if self.stepped is not None:
                self._skip_ahead()
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
            self.present = int(self._clock[-1])

    def _is_quiet(self, ahead: LoopRunner | Handed | None) -> bool:
        """True if nothing of the slice is for the order side: most single records of a live feed."""
        if (ahead is not None and ahead.event_count) or self._venue_status[ACTIVE]:
            return False
        return self.scheduler.is_idle(int(self._clock[-1]) if self._length else 0)

    @property
    def _context(self) -> StageContext:
        """Of the ledgers that run."""
        return self.early.context if self.early.is_running else self.context

    def _where_ledgers_are(self) -> str:
        context = self._context
        position = self._piece.count if self.ended else context.sequence - self._base - 1
        return _where(self._piece, self._feeds, position)

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

    def _end(self) -> None:
        """EndOfInput for the ledgers, strategies first, then in stage order: what they do at the end, the others report."""
        self.ended = True
        self.context.sequence = self._base + self._piece.count
        self.context.clock = int(self._clock[-1])
        for stage in sorted(self.ledgers, key=lambda each: not is_strategy(each.ledger)):
            on_end = getattr(stage.ledger, "on_end", None)
            if on_end is not None:
                on_end(self.context)
                if self.context.pending:
                    self.scheduler.drain(self._length)

    def take_parts(self, ahead: Mapping[str, tuple[Any, int]]) -> list[tuple[str, list[tuple[Any, int]], int]]:
        """(topic, parts, count) of everything emitted since the last call, in catalogue order; empty topics left out. See ``emitted.body_of``.

        Args:
            ahead: (body, count) by topic of what the ahead loop made.

        Raises:
            BadEmission: a ledger emitted what its schema does not allow.
        """
        self.scheduler.flush()
        return self._emitted.take(ahead)


def _where(piece: Slice, feeds: Sequence[Feed], position: int) -> str:
    """The input record at this place of the slice, whose consequences are being executed."""
    if position >= piece.count or not piece.count:
        return "the end of input"
    feed = feeds[int(piece.origin[max(0, position)])]
    return f"{feed.topic} offset {feed.offset_at(int(piece.index[max(0, position)]))}"
