"""A compiled loop with the arrays it works on: inputs, states, outputs."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import numpy as np
from numba.core.errors import NumbaError

from schemas import msgpack as msgpack_rows
from schemas.catalogue import topic as topic_of
from schemas.codec import NO_LEVELS, codec
from schemas.errors import AmountFault, CapacityExceeded, WrongUse
from schemas.shapes import snake
from streams.numeric.book_copy import take_over
from streams.runtime.compiling import Part, SecondCompiler
from streams.runtime.feed import Feed
from streams.runtime.generated import load_module
from streams.runtime.handed import Handed
from streams.runtime.loop import (
    CONTROL_LENGTH,
    CURSOR,
    DELIVERED,
    DELIVERED_COUNT,
    DONE,
    EVENT,
    EVENT_COUNT,
    LENGTH,
    LIMIT,
    LIMIT_CLOCK,
    OUTCOME,
    PACKED,
    PACKED_HEADER,
    ROOM,
    RUN,
    KernelStage,
    LoopText,
    handler_name,
)
from streams.runtime.merge import Slice
from streams.runtime.pointers import Context, entry_address

Array = np.ndarray[Any, Any]
ROWS_AT_START = 4096
ROWS_MAX = 1 << 21
BOOK_FAULTS = {1: "book.tail_capacity"}


def _name(topic: str) -> str:
    return topic.replace(".", "_")


def _full(setting: str, instrument: int, value: int, limit: int) -> str:
    """What to raise, as the configuration's file has it: ``tail_capacity`` at its top, ``orders_max`` under ``[venue]``."""
    table, _, name = setting.rpartition(".")
    where = name if table in ("", "book") else f"[{table}] {name}"
    return f"{setting} is full at {limit} (instrument {instrument}, value {value}); raise {where} in the file of --config and use --fresh"


class BadKernel(WrongUse):
    """A kernel stage that the compiler refuses."""

    code = "bad_kernel"


class LoopRunner:
    """Runs kernel stages over slices of merged input. To be compiled once, before it is used.

    Attributes:
        symbols: of the instruments, by id; errors name them.

    Args:
        stages: in stage order.
        feeds: external topics in merge order.
        numbers: topics whose rows become events for ledgers, with their numbers.
        delivered: topics whose rows end a call at once.
        books: the stages' books, or None.
        salt: digest of code the loop's text does not name (a user's file).
        express: what does runs of events without the ledgers, in an entry beside this loop; None: nothing.
    """

    def __init__(
        self,
        stages: Sequence[KernelStage],
        feeds: Sequence[str],
        numbers: dict[str, int],
        delivered: Sequence[str],
        books: Any,
        salt: bytes,
        express: Any = None,
    ) -> None:
        self.stages = list(stages)
        self.books = books
        self.symbols: dict[int, str] = {}
        self.context = Context()
        self.control = np.zeros(CONTROL_LENGTH, np.int64)
        self.events = np.zeros(ROWS_AT_START, EVENT)
        text = LoopText(self.stages, feeds, numbers, delivered, books is not None)
        self._needs, self._events_needed = text.rows_needed()
        self.codes = [code for code, topic in enumerate(feeds) if text.consumers(topic)]
        self.used_feeds = [topic for topic in feeds if text.consumers(topic)]
        self.rows: dict[str, Array] = {}
        self.counts: dict[str, Array] = {}
        put = self.context.put
        dtypes: dict[str, np.dtype[Any]] = {}

        def enter(name: str, array: Array) -> None:
            dtypes[name] = array.dtype
            put(name, array)

        enter("control", self.control)
        enter("source", np.zeros(0, np.uint8))
        enter("index", np.zeros(0, np.int64))
        enter("clock", np.zeros(0, np.int64))
        enter("events", self.events)
        for topic in self.used_feeds:
            enter(f"feed_{_name(topic)}", np.zeros(0, codec(topic_of(topic).record).dtype))
            if topic_of(topic).record == "DepthUpdate":
                enter(f"levels_{_name(topic)}", NO_LEVELS)
        for topic in text.commands:
            compiled = importlib.import_module(f"schemas.compiled.{snake(topic_of(topic).record)}")
            packed = np.zeros(compiled.PACKED_BYTES + 64, np.uint8)
            self.command_view = packed.data
            enter(f"command_{_name(topic)}", np.zeros(1, compiled.DTYPE))
            enter("command_packed", packed)
            enter("command_fields", compiled.FIELDS)
            enter("command_body", np.zeros(compiled.MAX_BYTES + 64, np.uint8))
            enter("command_ends", np.zeros(1, np.int64))
        if books is not None:
            for field, array in books._asdict().items():
                enter(f"books__{field}", array)
        for stage in self.stages:
            for field, array in stage.state._asdict().items():
                enter(f"{stage.name}__{field}", array)
        for topic in text.outputs:
            self.rows[topic] = np.zeros(ROWS_AT_START + 2 * self._needs[topic], codec(topic_of(topic).record).dtype)
            self.counts[topic] = np.zeros(1, np.int64)
            enter(f"rows_{_name(topic)}", self.rows[topic])
            enter(f"count_{_name(topic)}", self.counts[topic])
        for topic in text.delivered:
            self._deliver_through(topic, enter)
        module = load_module(text.write(self.context.places, self.context.dimensions, dtypes), salt)
        self.part: Part = (module, ["run", *map(handler_name, text.commands)])
        self._run = module.run
        self.commands = {topic: getattr(module, handler_name(topic)) for topic in text.commands}
        self.express = None  # compiled when first called, or by compile_express: many runs never do
        self.express_part: Part | None = None
        self.second: SecondCompiler | None = None
        if express is not None:
            enter("express_window", np.zeros(0, EVENT))
            for name, array in express.arrays.items():
                enter(name, array)
            entry = text.write_entry(self.context.places, self.context.dimensions, dtypes, express)
            riding = load_module(entry, salt)
            self.express, self.express_part = riding.express, (riding, ["express"])
        self.packed = self.context.packed
        self.status = self.control.data
        self._attached: Slice | None = None
        self._attached_key = -1
        self._spare: list[Handed] = []

    def compile(self) -> None:
        """Compile the loop and its command entries by an empty slice: a kernel that does not compile is refused before anything is written.

        Raises:
            BadKernel: with the compiler's reason.
        """
        try:
            self.advance(0, -1)
            self.control[RUN] = entry_address(self._run)
            for command in self.commands.values():
                command.compile(self._run.signatures[0])
        except (NumbaError, LookupError, TypeError, AttributeError) as problem:  # Numba lets a KeyError of an unknown field out
            lines = [line.strip() for line in f"{type(problem).__name__}: {problem}".splitlines() if line.strip()]
            what = [line for line in lines if not line.startswith(("Failed in", "During", "File ", "TypingError: Failed", "def run("))]
            where = [line.rstrip(":") for line in lines if line.startswith("File ") and "sq_loop_" not in line]
            names = ", ".join(stage.module.__name__ for stage in self.stages)
            raise BadKernel(f"the kernels of {names} do not compile: {' '.join([*what[:2], *where[:1]])}; correct the kernel") from problem

    def compile_express(self) -> None:
        """Compile the entry that does runs of events without the ledgers, if there is one."""
        self.wait_for_express()
        if self.express is not None:
            self.express.compile(self._run.signatures[0])

    def wait_for_express(self) -> None:
        """Wait for the second process, if one compiles the entry."""
        if self.second is not None and self.express_part is not None:
            self.second.wait_for(self.express_part[0])
            self.second.stop()
        self.second = None

    def refresh(self) -> None:
        """Say anew whether anything is under way: the stages' states were put in from outside."""
        self.status[CURSOR] = self.status[LENGTH] = 0
        self.advance(0, -1)

    def _deliver_through(self, topic: str, enter: Callable[[str, Array], None]) -> None:
        """Enter what the loop needs to pack the topic's rows: their bytes, their fields, a buffer."""
        compiled = importlib.import_module(f"schemas.compiled.{snake(topic_of(topic).record)}")
        rows = self.rows[topic]
        self.packed_rows = np.zeros(PACKED_HEADER + len(rows) * compiled.PACKED_BYTES + 64, np.uint8)
        enter(f"bytes_{_name(topic)}", rows.view(np.uint8))
        enter(f"fields_{_name(topic)}", compiled.FIELDS)
        enter("no_levels", msgpack_rows.NO_LEVELS)
        enter("packed_rows", self.packed_rows)
        self.packed_view = self.packed_rows.data
        self._delivered_codec = codec(topic_of(topic).record)
        self._delivered_topic = topic
        self._unpack = msgspec.msgpack.Decoder(list[self._delivered_codec.record]).decode  # type: ignore[name-defined]

    def delivered(self) -> list[Any]:
        """Records of the rows the last call delivered."""
        status = self.status
        end = status[PACKED]
        if end < 0:
            return list(self._delivered_codec.rows_to_records(self.rows[self._delivered_topic], 0, status[DELIVERED_COUNT]))
        return self._unpack(self.packed_view[:end])  # type: ignore[no-any-return]

    def attach(self, piece: Slice, feeds: Sequence[Feed]) -> None:
        """Point the loop at a slice and at the feeds' rows; the cursor goes to its start."""
        self.status[CURSOR] = 0
        self.status[LENGTH] = piece.length
        self.status[EVENT_COUNT] = 0
        key = piece.generation
        for feed in feeds:
            key += feed.generation
        if key == self._attached_key and piece is self._attached:
            return
        self._attached_key, self._attached = key, piece
        put = self.context.put
        put("source", piece.source)
        put("index", piece.index)
        put("clock", piece.clock)
        for feed in feeds:
            if feed.topic in self.used_feeds:
                put(f"feed_{_name(feed.topic)}", feed.rows)
                if feed.has_levels:
                    put(f"levels_{_name(feed.topic)}", feed.levels)

    def advance(self, limit: int, limit_clock: int) -> int:
        """Process records before ``limit`` and the timers due before it up to ``limit_clock``; returns DONE or DELIVERED.

        Raises:
            CapacityExceeded: a stage's bounded state is full; the error names the setting.
            AmountTooLarge: an amount left the 38 digits of a decimal; the error names instrument and record.
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
                self._grow()
            else:
                self.raise_fault()

    def _grow(self) -> None:
        most = ROWS_MAX + 16 * self.status[LENGTH]
        for topic, rows in self.rows.items():
            if int(self.counts[topic][0]) + 2 * self._needs[topic] > len(rows):
                if len(rows) > most:
                    instrument = int(rows[int(self.counts[topic][0]) - 1]["instrument"])
                    name = self.symbols.get(instrument, f"instrument {instrument}")
                    cause = f"one record of {name} asks for too many, such as a trade over too many buckets or a gap over too many bars"
                    settings = f"[toxicity] bucket_volumes = {{ {name} = ... }} or [aggregation] intervals"
                    text = f"{topic} holds more than {most} records of one batch: {cause}; raise {settings}, or leave the record out"
                    raise CapacityExceeded(f"records of {topic} in a batch", most, text)
                larger = np.zeros(2 * len(rows) + 2 * self._needs[topic], rows.dtype)
                larger[: len(rows)] = rows
                self.rows[topic] = larger
                self.context.put(f"rows_{_name(topic)}", larger)
                if f"bytes_{_name(topic)}" in self.context.places:
                    raise AssertionError(f"{topic} is delivered row by row and cannot outgrow its rows")
        if int(self.control[EVENT_COUNT]) + 2 * self._events_needed > len(self.events):
            events = np.zeros(2 * len(self.events) + 2 * self._events_needed, EVENT)
            events[: len(self.events)] = self.events
            self.events = events
            self.context.put("events", events)

    @property
    def event_count(self) -> int:
        """Deliveries to ledgers that the present slice has led to."""
        return int(self.status[EVENT_COUNT])

    def count_of(self, topic: str) -> int:
        """Rows of the topic written since they were last forgotten."""
        return int(self.counts[topic][0])

    def hand_over(self, with_books: bool) -> Handed:
        """What the slice led to; the loop goes on with other arrays, those of a slice that was given back if there is one."""
        counts = {topic: self.count_of(topic) for topic in self.counts}
        spare = self._spare.pop() if self._spare else None
        handed = Handed(self.rows, counts, self.events, self.event_count, spare.books if spare else None)
        if with_books:
            if handed.books is None:
                handed.books = self.books.copy()
            else:
                take_over(handed.books, self.books)
        self.rows = spare.rows if spare else {topic: np.zeros_like(rows) for topic, rows in self.rows.items()}
        self.events = spare.events if spare else np.zeros_like(self.events)
        for topic, rows in self.rows.items():
            self.context.put(f"rows_{_name(topic)}", rows)
        self.context.put("events", self.events)
        self.clear_rows()
        return handed

    def give_back(self, handed: Handed) -> None:
        """The slice's ledgers are done with it."""
        self._spare.append(handed)

    def raise_fault(self) -> None:
        """Raise the typed error for the fault a stage has left in its state, if there is one."""
        for stage in self.stages:
            code, instrument, value, limit = (int(x) for x in stage.state.fault)
            if code:
                setting = getattr(stage.module, "FAULTS", {}).get(code, f"{stage.name} fault {code}")
                if isinstance(setting, AmountFault):
                    raise setting.error(f"{self.symbols.get(instrument, 'unknown')} (instrument {instrument})", value, limit)
                raise CapacityExceeded(setting, limit, _full(setting, instrument, value, limit))
        if self.books is not None and int(self.books.fault[0]):
            code, instrument, value, limit = (int(x) for x in self.books.fault)
            setting = BOOK_FAULTS.get(code, f"book fault {code}")
            raise CapacityExceeded(setting, limit, _full(setting, instrument, value, limit))

    def clear_rows(self) -> None:
        """Forget the rows that were written; call after they were encoded."""
        for count in self.counts.values():
            count[0] = 0
