"""A compiled loop with the arrays it works on: inputs, states, outputs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numba.core.errors import NumbaError

from schemas.catalogue import topic as topic_of
from schemas.codec import NO_LEVELS, codec
from schemas.errors import AmountFault, CapacityExceeded, WrongUse
from schemas.sources import PACKAGES
from streams.numeric.book_copy import take_over, twin
from streams.runtime.order.feed import Feed
from streams.runtime.order.merge import InputBatch
from streams.runtime.schedule.loop import (
    CONTROL_LENGTH,
    CURSOR,
    DELIVERED,
    DONE,
    EVENT,
    EVENT_COUNT,
    LENGTH,
    LIMIT,
    LIMIT_CLOCK,
    OUTCOME,
    ROOM,
    RUN,
    KernelStage,
    LoopText,
    handler_name,
)
from streams.runtime.schedule.upstream_output import UpstreamOutput
from streams.runtime.tools.compiling import Part
from streams.runtime.tools.generated import load_module
from streams.runtime.tools.pointers import Context, entry_address

Array = np.ndarray[Any, Any]
ROWS_AT_START = 4096
ROWS_MAX = 1 << 21
BOOK_FAULTS = {1: "book.tail_capacity"}


def _name(topic: str) -> str:
    return topic.replace(".", "_")


def _blank(array: Array) -> Array:
    """Zeros of the same shape, in memory that is touched when it is written: ``zeros_like`` touches
    all of it.
    """
    return np.zeros(array.shape, array.dtype)


def _full(setting: str, instrument: int, value: int, limit: int) -> str:
    """What to raise, as the configuration's file has it: ``tail_capacity`` at its top,
    ``orders_max`` under ``[venue]``.
    """
    table, _, name = setting.rpartition(".")
    where = name if table in ("", "book") else f"[{table}] {name}"
    return (
        f"{setting} is full at {limit} (instrument {instrument}, value {value}); raise {where} "
        "in the file of --config and use --fresh"
    )


def raise_stage_fault(name: str, module: Any, fault: Any, symbols: Mapping[int, str]) -> None:
    """Raise the typed error for the fault that a stage has left, if there is one.

    Args:
        symbols: of the instruments, by id.
    """
    code, instrument, value, limit = (int(x) for x in fault)
    if not code:
        return
    setting = getattr(module, "FAULTS", {}).get(code, f"{name} fault {code}")
    if isinstance(setting, AmountFault):
        entity = f"{symbols.get(instrument, 'unknown')} (instrument {instrument})"
        raise setting.error(entity, value, limit)
    raise CapacityExceeded(setting, limit, _full(setting, instrument, value, limit))


def has_users(stages: Sequence[KernelStage]) -> bool:
    """True if one of the stages is a user's module."""
    return any(stage.module.__name__.partition(".")[0] not in PACKAGES for stage in stages)


class BadKernel(WrongUse):
    """A compiled stage that the compiler refuses."""

    code = "bad_kernel"


UNCOMPILED = (NumbaError, LookupError, TypeError, AttributeError)
"""What the compiler raises; Numba lets a KeyError of an unknown field out."""


def bad_kernel(modules: Sequence[Any], problem: Exception) -> BadKernel:
    """The error for stages that the compiler refuses, with the compiler's reason."""
    text = f"{type(problem).__name__}: {problem}"
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    wrapped = ("Failed in", "During", "File ", "TypingError: Failed", "def run(", "def handle(")
    what = [line for line in lines if not line.startswith(wrapped)]
    named = [line.rstrip(":") for line in lines if line.startswith("File ")]
    where = [line for line in named if "sq_loop_" not in line]
    names = ", ".join(module.__name__ for module in modules)
    files = [f"{Path(module.__file__).name}\"" for module in modules]
    own = [line for line in where if any(file in line for file in files)]
    reason = " ".join([*what[:2], *(own or where)[:1]])
    return BadKernel(f"the kernels of {names} do not compile: {reason}; correct the kernel")


class LoopRunner:
    """Runs compiled stages over input batches of merged input. To be compiled once, before it is
    used.

    Attributes:
        symbols: of the instruments, by id; errors name them.

    Args:
        stages: in stage order.
        feeds: external topics in merge order.
        numbers: topics whose rows become events for order-side stages, with their numbers.
        delivered: topics whose rows end a call at once.
        books: the stages' books, or None.
        salt: digest of a user's files, which the loop's text does not name; it counts where one of
            the stages is a user's.
        relayed: topics whose rows become events once more, see ``LoopText``.
    """

    def __init__(
        self,
        stages: Sequence[KernelStage],
        feeds: Sequence[str],
        numbers: dict[str, int],
        delivered: Sequence[str],
        books: Any,
        salt: bytes,
        relayed: dict[str, int] | None = None,
    ) -> None:
        self.stages = list(stages)
        self.books = books
        self.symbols: dict[int, str] = {}
        self.context = Context()
        self.control = np.zeros(CONTROL_LENGTH, np.int64)
        self.events = np.zeros(ROWS_AT_START, EVENT)
        text = LoopText(self.stages, feeds, numbers, delivered, books is not None, relayed)
        self._needs, self._events_needed = text.rows_needed()
        self.codes = [code for code, topic in enumerate(feeds) if text.consumers(topic)]
        self.used_feeds = [topic for topic in feeds if text.consumers(topic)]
        self.rows: dict[str, Array] = {}
        self.counts: dict[str, Array] = {}
        dtypes: dict[str, np.dtype[Any]] = {}

        def enter(name: str, array: Array) -> None:
            dtypes[name] = array.dtype
            self.context.put(name, array)

        enter("control", self.control)
        enter("source", np.zeros(0, np.uint8))
        enter("index", np.zeros(0, np.int64))
        enter("clock", np.zeros(0, np.int64))
        enter("events", self.events)
        for topic in self.used_feeds:
            enter(f"feed_{_name(topic)}", np.zeros(0, codec(topic_of(topic).record).dtype))
            if topic_of(topic).record == "DepthUpdate":
                enter(f"levels_{_name(topic)}", NO_LEVELS)
        if books is not None:
            for field, array in books._asdict().items():
                enter(f"books__{field}", array)
        for stage in self.stages:
            for field, array in stage.state._asdict().items():
                enter(f"{stage.name}__{field}", array)
        for topic in text.outputs:
            room = ROWS_AT_START + 2 * self._needs[topic]
            self.rows[topic] = np.zeros(room, codec(topic_of(topic).record).dtype)
            self.counts[topic] = np.zeros(1, np.int64)
            enter(f"rows_{_name(topic)}", self.rows[topic])
            enter(f"count_{_name(topic)}", self.counts[topic])
        written = text.write(self.context.places, self.context.dimensions, dtypes)
        module = load_module(written, salt if has_users(self.stages) else b"")
        self.part: Part = (module, ["run", *map(handler_name, text.commands)])
        self._run = module.run
        self.commands = {topic: getattr(module, handler_name(topic)) for topic in text.commands}
        self.delivered_most = {topic: self._needs[topic] for topic in text.delivered}
        self.packed = self.context.packed
        self.status = self.control.data
        self._attached: InputBatch | None = None
        self._attached_key = -1
        self._spare: list[UpstreamOutput] = []

    def compile(self) -> None:
        """Compile the loop and its command entries by an empty input batch: a kernel that does not
        compile is refused before anything is written.

        Raises:
            BadKernel: with the compiler's reason.
        """
        try:
            self.advance(0, -1)
            self.control[RUN] = entry_address(self._run)
            for command in self.commands.values():
                command.compile(self._run.signatures[0])
        except UNCOMPILED as problem:
            raise bad_kernel([stage.module for stage in self.stages], problem) from problem

    def refresh(self) -> None:
        """Say anew whether anything is under way: the stages' states were put in from outside."""
        self.status[CURSOR] = self.status[LENGTH] = 0
        self.advance(0, -1)

    def attach(self, input_batch: InputBatch, feeds: Sequence[Feed]) -> None:
        """Point the loop at an input batch and at the feeds' rows; the cursor goes to its start."""
        self.status[CURSOR] = 0
        self.status[LENGTH] = input_batch.length
        self.status[EVENT_COUNT] = 0
        key = input_batch.generation
        for feed in feeds:
            key += feed.generation
        if key == self._attached_key and input_batch is self._attached:
            return
        self._attached_key, self._attached = key, input_batch
        put = self.context.put
        put("source", input_batch.source)
        put("index", input_batch.index)
        put("clock", input_batch.clock)
        for feed in feeds:
            if feed.topic in self.used_feeds:
                put(f"feed_{_name(feed.topic)}", feed.rows)
                if feed.has_levels:
                    put(f"levels_{_name(feed.topic)}", feed.levels)

    def advance(self, limit: int, limit_clock: int) -> int:
        """Process records before ``limit`` and the timers due before it up to ``limit_clock``;
        returns DONE or DELIVERED.

        Raises:
            CapacityExceeded: a stage's bounded state is full; the error names the setting.
            AmountTooLarge: an amount left the 38 digits of a decimal; the error names instrument
                and record.
        """
        status, run, packed = self.status, self._run, self.packed
        status[LIMIT] = limit
        status[LIMIT_CLOCK] = limit_clock
        while True:
            run(packed)
            outcome: int = status[OUTCOME]
            if outcome in (DONE, DELIVERED):
                return outcome
            if outcome == ROOM:
                self.grow()
            else:
                self.raise_fault()

    def entries(self) -> tuple[int, int]:
        """Addresses of the loop and of its entry for a command."""
        (command,) = self.commands.values()
        return entry_address(self._run), entry_address(command)

    def grow(self) -> None:
        """Room for more rows and events."""
        most = ROWS_MAX + 16 * self.status[LENGTH]
        for topic, rows in self.rows.items():
            if int(self.counts[topic][0]) + 2 * self._needs[topic] > len(rows):
                if len(rows) > most:
                    instrument = int(rows[int(self.counts[topic][0]) - 1]["instrument"])
                    name = self.symbols.get(instrument, f"instrument {instrument}")
                    cause = (
                        f"one record of {name} asks for too many, such as a trade over too "
                        "many buckets or a gap over too many bars"
                    )
                    settings = (
                        f"[toxicity] bucket_volumes = {{ {name} = ... }} or [aggregation] intervals"
                    )
                    text = (
                        f"{topic} holds more than {most} records of one batch: {cause}; raise "
                        f"{settings}, or leave the record out"
                    )
                    raise CapacityExceeded(f"records of {topic} in a batch", most, text)
                larger = np.zeros(2 * len(rows) + 2 * self._needs[topic], rows.dtype)
                larger[: len(rows)] = rows
                self.rows[topic] = larger
                self.context.put(f"rows_{_name(topic)}", larger)
                if topic in self.delivered_most:
                    raise AssertionError(
                        f"{topic} is delivered row by row and cannot outgrow its rows"
                    )
        if int(self.control[EVENT_COUNT]) + 2 * self._events_needed > len(self.events):
            events = np.zeros(2 * len(self.events) + 2 * self._events_needed, EVENT)
            events[: len(self.events)] = self.events
            self.events = events
            self.context.put("events", events)

    @property
    def event_count(self) -> int:
        """Deliveries to order-side stages that the present input batch has led to."""
        return int(self.status[EVENT_COUNT])

    def count_of(self, topic: str) -> int:
        """Rows of the topic written since they were last forgotten."""
        return int(self.counts[topic][0])

    def hand_over(self, with_books: bool) -> UpstreamOutput:
        """What the input batch led to; the loop goes on with other arrays, those of an input batch
        that was given back if there is one.
        """
        counts = {topic: self.count_of(topic) for topic in self.counts}
        spare = self._spare.pop() if self._spare else None
        output = UpstreamOutput(
            self.rows, counts, self.events, self.event_count, spare.books if spare else None
        )
        if with_books:
            if output.books is None:
                output.books = twin(self.books)
            else:
                take_over(output.books, self.books)
        self.rows = (
            spare.rows if spare else {topic: _blank(rows) for topic, rows in self.rows.items()}
        )
        self.events = spare.events if spare else _blank(self.events)
        for topic, rows in self.rows.items():
            self.context.put(f"rows_{_name(topic)}", rows)
        self.context.put("events", self.events)
        self.clear_rows()
        return output

    def give_back(self, output: UpstreamOutput) -> None:
        """The input batch's order-side stages are done with it."""
        self._spare.append(output)

    def raise_fault(self) -> None:
        """Raise the typed error for the fault a stage has left in its state, if there is one."""
        for stage in self.stages:
            raise_stage_fault(stage.name, stage.module, stage.state.fault, self.symbols)
        if self.books is not None and int(self.books.fault[0]):
            code, instrument, value, limit = (int(x) for x in self.books.fault)
            setting = BOOK_FAULTS.get(code, f"book fault {code}")
            raise CapacityExceeded(setting, limit, _full(setting, instrument, value, limit))

    def clear_rows(self) -> None:
        """Forget the rows that were written; call after they were encoded."""
        for count in self.counts.values():
            count[0] = 0
