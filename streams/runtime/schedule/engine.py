"""The engine: executes input batches of merged input through every stage, and holds nothing but
state.

No files, no clock, no threads of its own. For each input batch:

1. the *upstream pass* runs the compiled stages that read nothing of the order side over the whole
   input batch and leaves events;
2. the scheduler (``schedule/``) delivers events, timers and the venue's reports, and what comes of
   them, and runs the venue to where a command comes;
3. the venue is run to the input batch's end.

Step 1 has nothing of steps 2 and 3 upstream: :meth:`Engine.run_upstream` of an input batch may run
on another thread while :meth:`Engine.run_order_side` of the input batch before it runs, if what it
left is handed over in between (``overlap.py``).
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
from streams.runtime.failures import BadEmission, StageFailed, failure, own_frame, placed
from streams.runtime.order.feed import Feed
from streams.runtime.order.merge import InputBatch
from streams.runtime.schedule import book_reader, scheduler
from streams.runtime.schedule.book_reader import BookReader, Levels
from streams.runtime.schedule.compiled_strategy import BOOK, QUEUE, CompiledStrategy
from streams.runtime.schedule.context import StageContext
from streams.runtime.schedule.driver import Scheduler
from streams.runtime.schedule.loop import (
    ACTIVE,
    CONTROL_LENGTH,
    CURSOR,
    NEVER,
    PRESENT,
)
from streams.runtime.schedule.market_data_only import MarketDataOnly
from streams.runtime.schedule.output_buffer import OutputBuffer
from streams.runtime.schedule.python_stage import (
    ChecksState,
    HasEnd,
    ReadsStages,
    ServesStrategies,
    WritesLines,
)
from streams.runtime.schedule.runner import LoopRunner
from streams.runtime.schedule.topology import Topology, is_strategy
from streams.runtime.schedule.upstream_output import UpstreamOutput
from streams.runtime.schedule.wiring import compiled_stages, entry_part
from streams.runtime.tools.compiling import Part, announce, compile_entry, second_compiler

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
        self._number = {
            topic: number for number, topic in enumerate([*topology.feeds, *topology.outputs])
        }
        self._names = [*topology.feeds, *topology.outputs, *topology.relayed]
        relayed = {topic: len(self._number) + place for place, topic in enumerate(topology.relayed)}
        stamped = {
            topic: number
            for topic, number in self._number.items()
            if topology.order_side_readers(topic)
        }
        self.upstream = (
            LoopRunner(
                topology.upstream, topology.feeds, stamped, (), topology.books, topology.salt,
                relayed,
            )  # fmt: skip
            if topology.upstream
            else None
        )
        self.on_demand = (
            LoopRunner(
                topology.on_demand,
                topology.feeds,
                {},
                topology.on_demand[0].module.OUTPUTS,
                topology.on_demand_books,
                topology.salt,
            )
            if topology.on_demand
            else None
        )
        self._compile()
        for runner in filter(None, (self.upstream, self.on_demand)):
            runner.symbols = {
                instrument.instrument: instrument.symbol for instrument in topology.instruments
            }
        upstream_topics = () if self.upstream is None else self.upstream.rows
        written = [topic for topic in topology.outputs if topic not in upstream_topics]
        self._emitted = OutputBuffer(topology.outputs, written)
        self._lists = self._emitted.lists
        self.early = self._make_early(
            StageContext(journal_id, shard, EARLY_ORDINAL, topology.account, topology.artefacts)
        )
        self._venue_status: Any = (
            self.on_demand.status
            if self.on_demand is not None
            else np.zeros(CONTROL_LENGTH, np.int64).data
        )
        self.order_side_stages = list(topology.order_side_stages)
        for stages, context in (
            (topology.early, self.early.context),
            (topology.late, self.context),
        ):
            self._serve_strategies([stage.instance for stage in stages], context)
        instances = [stage.instance for stage in self.order_side_stages]
        self._checks = [each.check_state for each in instances if isinstance(each, ChecksState)]
        self._checks += [each.write_lines for each in instances if isinstance(each, WritesLines)]
        self.scheduler = Scheduler(
            topology, self._names, self.on_demand, self.early, self._emitted, self.context
        )
        for each in instances:
            if isinstance(each, ReadsStages):
                each.read_from(self)

    def _compile(self) -> None:
        """Compile the loops, the stages' entries and the scheduler: from nothing in two processes,
        see compiling.py. Raises BadKernel.
        """
        upstream, on_demand = self.upstream, self.on_demand
        beside: list[Part] = [on_demand.part] if on_demand is not None else []
        stages = compiled_stages(self.topology)
        strategies = [stage for stage in stages if isinstance(stage, CompiledStrategy)]
        beside += [entry_part(stage) for stage in stages if stage not in strategies]
        reads = [getattr(each.instance, "READS", ()) for each in self.topology.order_side_stages]
        if any(BOOK in each or QUEUE in each for each in reads):
            beside.append((book_reader, ["handle"]))
        beside.append((scheduler, ["advance"]))
        second = second_compiler(upstream.part, beside) if upstream is not None else None
        own = [*([upstream.part] if upstream is not None else []), *map(entry_part, strategies)]
        announce([*own, *([] if second else beside)])
        try:
            if upstream is not None:
                upstream.compile()
            for strategy in strategies:  # a user's module is known to this process alone
                strategy.compile()
            if second is not None:
                second.wait_for(beside[-1][0])
            if on_demand is not None:
                on_demand.compile()
            for module, names in beside if on_demand is None else beside[1:]:
                for name in names:
                    compile_entry(getattr(module, name))
        finally:
            if second is not None:
                second.stop()

    def _make_early(self, context: StageContext) -> MarketDataOnly:
        """The early order-side stages; what they emit is numbered behind the topics."""
        late = self.topology.late_readers
        behind = [number for topic, number in self._number.items() if late(topic)]
        behind += range(len(self._number), len(self._names))
        numbers = {
            getattr(records, topic_of(topic).record): len(self._names) + place
            for place, topic in enumerate(self._lists)
        }
        return MarketDataOnly(
            [stage.instance for stage in self.topology.early], self._names, behind, numbers, context
        )

    def _serve_strategies(self, order_side_stages: Sequence[Any], context: StageContext) -> None:
        """What strategies among these order-side stages emit is checked, and their context does for
        them what they declare.
        """
        if not any(map(is_strategy, order_side_stages)):
            return
        for instance in order_side_stages:
            if isinstance(instance, ServesStrategies):
                context.services = instance.services_for(context, self)
        services = context.services
        context.check_what_strategies_emit(
            services.note if services is not None and services.notes_requests else None
        )

    def stage(self, name: str) -> Any:
        """The order-side stage of this name, None if there is none."""
        return next(
            (stage.instance for stage in self.topology.order_side_stages if stage.name == name),
            None,
        )

    def line_writer(self, context: StageContext) -> Callable[[Any], None]:
        """What takes a line that a strategy logs: at once, for what it emits before the line has
        its consequences after it.

        Early order-side stages' lines wait with what else they emit: nothing of it has a
        consequence while they run.
        """
        if context is not self.context:
            return context.emit
        lists = {
            getattr(records, topic_of(topic).record): found for topic, found in self._lists.items()
        }
        return lambda line: lists[line.__class__].append(line)

    @functools.cached_property
    def books(self) -> BookReader:
        """Reads the order books behind the present input record.

        Raises:
            StageFailed: there is no venue, which is where they lie.
        """
        if self.on_demand is None or self.on_demand.books is None:
            raise StageFailed(
                "a strategy reads the book in a topology without a venue, which is where it lies"
            )
        return BookReader(self.on_demand, self.scheduler.address)

    def read_book(self, instrument: int, depth: int | None) -> tuple[Levels, Levels, int]:
        """(bids, asks, flags) of an instrument's book behind the present input record, best first;
        ``depth`` None: all levels.
        """
        return self.books.read(instrument, depth)

    def bodies_behind(
        self, topic: str, first: int, last: int | None = None
    ) -> tuple[list[bytes], int]:
        """Bodies of an input's records, as they lie on its log, and how many records of all inputs
        were consumed behind them.

        Args:
            first, last: records consumed before the first one, and with the last one: all that are
                in the present input batch where it is None.
        """
        batch, base, feeds = self._input_batch, self._base, self._feeds
        end = base + batch.count if last is None else min(last, base + batch.count)
        if first >= end or topic not in self.topology.feeds:
            return [], end
        kind = self.topology.feeds.index(topic)
        places = np.flatnonzero(batch.source[first - base : end - base] == kind) + (first - base)
        return [feeds[batch.origin[place]].body_of(batch.index[place]) for place in places], end

    def watch(self, topic: str, observer: Callable[[Any], None]) -> None:
        """Call the observer with every record that the order side makes of the topic, as it is
        emitted.
        """
        self.scheduler.watch(topic, observer)

    def execute(self, input_batch: InputBatch, feeds: Sequence[Feed]) -> None:
        """Execute one input batch; outputs gather until :meth:`take_parts`.

        Raises:
            StageFailed: an order-side stage raised.
            CapacityExceeded: a bounded state is full.
        """
        self.run_upstream(input_batch, feeds)
        self.run_order_side(input_batch, feeds, self.upstream)

    def run_upstream(self, input_batch: InputBatch, feeds: Sequence[Feed]) -> None:
        """Step 1 of an input batch: the kernels with no order-side stage upstream.

        Raises:
            CapacityExceeded: a bounded state is full.
        """
        upstream = self.upstream
        if upstream is None:
            return
        try:
            upstream.attach(input_batch, feeds)
            upstream.advance(input_batch.length, NEVER)
        except ShrivenError as problem:
            problem.text = (
                f"{problem.text}; at {_where(input_batch, feeds, upstream.status[CURSOR] - 1)}"
            )
            problem.args = (problem.text,)
            raise
        except (Exception, SystemExit) as problem:
            raise failure(
                problem,
                _where(input_batch, feeds, upstream.status[CURSOR] - 1),
                upstream.status[PRESENT],
            ) from problem

    def run_order_side(
        self,
        input_batch: InputBatch,
        feeds: Sequence[Feed],
        upstream: LoopRunner | UpstreamOutput | None,
    ) -> None:
        """Steps 2 and 3 of an input batch that the upstream pass has run; ``upstream`` holds what
        it left.

        Raises:
            StageFailed: an order-side stage raised.
            CapacityExceeded: a bounded state is full.
        """
        self._input_batch = input_batch
        self._feeds = feeds
        self._books = upstream.books if upstream is not None else None
        self._length = length = input_batch.length
        self._clock = input_batch.clock[:length]
        self._base = self.consumed
        try:
            if self.on_demand is not None:
                self.on_demand.attach(input_batch, feeds)
            if not self._is_quiet(upstream):
                self.scheduler.run(input_batch, feeds, upstream, self._base)
            if self.on_demand is not None:
                self._skip_ahead()
                self.on_demand.advance(length, NEVER)
            if input_batch.ended:
                self._end()
            for check in self._checks:
                check()
        except BadEmission as problem:
            raise placed(problem, self._where_order_side_is(), self._context.clock) from problem
        except ShrivenError as problem:
            own, record = own_frame(problem)
            problem.text = (
                f"{problem.text}{f' ({own})' if own else ''}{record}; at "
                f"{self._where_order_side_is()}"
            )
            problem.args = (problem.text,)
            raise
        except (Exception, SystemExit) as problem:
            raise failure(problem, self._where_order_side_is(), self._context.clock) from problem
        self.consumed += input_batch.count
        if length:
            self.present = int(self._clock[-1])

    def _is_quiet(self, upstream: LoopRunner | UpstreamOutput | None) -> bool:
        """True if nothing of the input batch is for the order side: most single records of a live
        feed.
        """
        if (upstream is not None and upstream.event_count) or self._venue_status[ACTIVE]:
            return False
        return self.scheduler.is_idle(int(self._clock[-1]) if self._length else 0)

    @property
    def _context(self) -> StageContext:
        """Of the order-side stages that run."""
        return self.early.context if self.early.is_running else self.context

    def _where_order_side_is(self) -> str:
        context = self._context
        position = self._input_batch.count if self.ended else context.sequence - self._base - 1
        return _where(self._input_batch, self._feeds, position)

    def _skip_ahead(self) -> None:
        """A venue that knows no order takes over the books of the upstream pass instead of applying
        the rest itself.

        Both books, and what printed of them, are a function of the same records: nothing but time
        depends on whether it does.
        """
        on_demand, books, input_batch = self.on_demand, self._books, self._input_batch
        if on_demand is None or books is None or on_demand.status[ACTIVE]:
            return
        done, end = on_demand.status[CURSOR], input_batch.count
        state = on_demand.stages[0].state
        if (
            end - done < SKIP_RECORDS
            or on_demand.books is None
            or not on_demand.stages[0].module.is_untouched(state)
        ):
            return
        own = np.isin(input_batch.source[done:end], on_demand.codes)
        if own.any():
            state.clock[0] = input_batch.clock[done + int(np.flatnonzero(own)[-1])]
        take_over(on_demand.books, books)
        on_demand.status[CURSOR] = end
        on_demand.status[PRESENT] = int(input_batch.clock[end - 1])

    def _end(self) -> None:
        """EndOfInput for the order-side stages, strategies first, then in stage order: what they do
        at the end, the others report.
        """
        self.ended = True
        self.context.sequence = self._base + self._input_batch.count
        self.context.clock = int(self._clock[-1])
        for stage in sorted(
            self.order_side_stages, key=lambda each: not is_strategy(each.instance)
        ):
            if isinstance(stage.instance, HasEnd):
                stage.instance.on_end(self.context)
                if self.context.pending:
                    self.scheduler.drain(self._length)

    def take_parts(
        self, upstream: Mapping[str, tuple[Any, int]]
    ) -> list[tuple[str, list[tuple[Any, int]], int]]:
        """(topic, parts, count) of everything emitted since the last call, in catalogue order;
        empty topics left out. See ``output_buffer.body_of``.

        Args:
            upstream: (body, count) by topic of what the upstream pass made.

        Raises:
            BadEmission: an order-side stage emitted what its schema does not allow.
        """
        self.scheduler.flush()
        return self._emitted.take(upstream)


def _where(input_batch: InputBatch, feeds: Sequence[Feed], position: int) -> str:
    """The input record at this place of the input batch, whose consequences are being executed."""
    if position >= input_batch.count or not input_batch.count:
        return "the end of input"
    feed = feeds[int(input_batch.origin[max(0, position)])]
    return f"{feed.topic} offset {feed.offset_at(int(input_batch.index[max(0, position)]))}"
