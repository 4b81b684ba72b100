"""The loop that fuses compiled stages: written from the topology as Python text, compiled once,
cached by content.

The text calls the stages' functions in stage order and drains the consequences of every call
depth-first, nested statically, so there is no dispatch at run time. One loop runs the whole input
batch ahead (aggregation, toxicity, a kernel strategy); another, with the venue alone, is stepped to
the positions at which an order-side stage acts. Both are made here.

Before each call the loop checks that every output has room for all that the call and its
consequences may append; if not it returns ``ROOM`` with nothing consumed, the owner grows the
arrays and calls again.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np

from schemas.catalogue import topic as topic_of
from schemas.shapes import snake
from streams.numeric.state_arrays import StateArrays
from streams.runtime.order.merge import END

_text_of = functools.lru_cache(maxsize=256)(repr)
"""Of a record type; NumPy takes 0.1 ms to write a long one."""
DONE, ROOM, DELIVERED, FAULT = 0, 1, 2, 3
(
    CURSOR,
    LIMIT,
    LIMIT_CLOCK,
    LENGTH,
    PRESENT,
    EVENT_COUNT,
    OUTCOME,
    COMMAND,
    DELIVERED_COUNT,
    ACTIVE,
    COMMAND_CLOCK,
    RUN,
) = range(12)
CONTROL_LENGTH = 12
NEVER = 2**63 - 1
EVENT = np.dtype([("step", "i8"), ("clock", "i8"), ("topic", "i8"), ("row", "i8")])
"""One delivery to an order-side stage: twice the input batch index (+1 for the record itself, +0
for a timer before it), clock, topic number, row.
"""


class KernelStage(msgspec.Struct, frozen=True):
    """A compiled stage with its state, as a loop runs it."""

    name: str
    rank: int
    module: Any
    state: Any

    def consumes(self, topic: str) -> bool:
        """True if the stage reads the topic."""
        return topic in self.module.INPUTS

    @property
    def takes_books(self) -> bool:
        """True if the stage's functions take the books as second argument."""
        return "book" in getattr(self.module, "VIEWS", ()) or "md.depth" in self.module.INPUTS


def handler_name(topic: str) -> str:
    """Name of the function that takes the topic's record: ``md.depth`` -> ``on_depth_update``."""
    return f"on_{snake(topic_of(topic).record)}"


def _identifier(topic: str) -> str:
    return topic.replace(".", "_")


class LoopText:
    """Writes one loop.

    Args:
        stages: compiled stages in stage order.
        feeds: external topics in merge order; a feed's place is its source code.
        numbers: topic -> number, for topics whose rows order-side stages consume (stamped as
            events).
        delivered: topics whose rows end the call at once (the venue's reports).
        has_books: whether a set of books is part of the context.
        relayed: topic -> number, for topics whose rows are stamped once more where a stage behind
            these would have been called.
    """

    def __init__(
        self,
        stages: Sequence[KernelStage],
        feeds: Sequence[str],
        numbers: dict[str, int],
        delivered: Sequence[str],
        has_books: bool,
        relayed: dict[str, int] | None = None,
    ) -> None:
        self.stages = list(stages)
        self.feeds = list(feeds)
        self.numbers = numbers
        self.relayed = relayed or {}
        self.delivered = list(delivered)
        # one that is stepped is called for every order
        self.decorator = "borrowing_kernel" if delivered else "unlocked_borrowing_kernel"
        self.has_books = has_books
        self.commands = [
            topic
            for stage in self.stages
            for topic in stage.module.INPUTS
            if topic_of(topic).kind == "order" and topic not in feeds
        ]
        self.outputs = [topic for stage in self.stages for topic in stage.module.OUTPUTS]
        self.lines: list[str] = []

    def consumers(self, topic: str) -> list[KernelStage]:
        """Stages of this loop that read the topic, in stage order."""
        return [stage for stage in self.stages if stage.consumes(topic)]

    def rows_needed(self) -> tuple[dict[str, int], int]:
        """The most rows per output topic, and events, that one record or one timer can cause."""

        def of_call(stage: KernelStage, times: int, need: dict[str, int]) -> None:
            for topic in stage.module.OUTPUTS:
                rows = times * stage.module.RESERVE[topic]
                need[topic] = need.get(topic, 0) + rows
                for consumer in self.consumers(topic):
                    of_call(consumer, rows, need)

        entries: list[dict[str, int]] = []
        for topic in self.feeds:
            need: dict[str, int] = {}
            for stage in self.consumers(topic):
                of_call(stage, 1, need)
            entries.append(need)
        everything: dict[str, int] = {}
        for stage in self.stages:
            alone: dict[str, int] = {}
            of_call(stage, 1, alone)
            entries.append(alone)
            of_call(stage, 1, everything)
        entries.append(everything)
        rows = {topic: max(entry.get(topic, 0) for entry in entries) for topic in self.outputs}
        stamps = {topic: (topic in self.numbers) + (topic in self.relayed) for topic in rows}
        stamped = sum(count * stamps[topic] for topic, count in rows.items())
        return rows, 1 + bool(self.relayed) + stamped

    def write(
        self, places: dict[str, int], dimensions: dict[str, int], dtypes: dict[str, np.dtype[Any]]
    ) -> str:
        """The module's text, for arrays that lie in the context at ``places``."""
        self.lines = []
        self._header(dtypes)
        self._put(0, f"@{self.decorator}")
        self._put(0, "def run(packed):")
        self._arrays(places, dimensions)
        self._body()
        for topic in self.commands:
            self._command(places, dimensions, topic)
        return "\n".join(self.lines) + "\n"

    def _put(self, depth: int, line: str) -> None:
        self.lines.append("    " * depth + line)

    def _header(self, dtypes: dict[str, np.dtype[Any]]) -> None:
        put = self._put
        put(0, '"""A fused loop, generated from a topology."""')
        put(0, "import numpy as np")
        put(0, "from streams.numeric.borrowing import borrowing_kernel, unlocked_borrowing_kernel")
        put(0, "from streams.numeric.outputs import outputs_type")
        put(0, "from streams.runtime.tools.pointers import call_entry, view")
        if self.has_books:
            put(0, "from streams.numeric.book import Books")
            put(0, "books_at = Books.at")
        for topic in self.commands:
            put(0, "from streams.numeric.table import record_at")
            put(
                0,
                f"from schemas.compiled.{snake(topic_of(topic).record)} import DTYPE as "
                f"{_identifier(topic)}_DTYPE",
            )
        for stage in self.stages:
            put(0, f"import {stage.module.__name__} as {stage.name}_module")
            group = type(stage.state) if isinstance(stage.state, StateArrays) else None
            for bound in group.MODULES.values() if group else ():
                put(0, f"import {bound.__name__}")  # it is compiled in: the cache is keyed by it
            expression = f"{group.EXPRESSION}.at" if group else "State"
            put(0, f"{stage.name}_State = {stage.name}_module.{expression}")
            for name in [handler_name(t) for t in stage.module.INPUTS] + ["on_timer", "on_end"]:
                if hasattr(stage.module, name):
                    put(0, f"{stage.name}_{name} = {stage.name}_module.{name}")
            put(0, f"{stage.name}_Out = outputs_type({tuple(stage.module.OUTPUTS)!r}).at")
        kinds: dict[str, str] = {}
        for dtype in dtypes.values():
            kinds.setdefault(_text_of(dtype), f"DTYPE_{len(kinds)}")
        self._kinds = {name: kinds[_text_of(dtype)] for name, dtype in dtypes.items()}
        for text, name in kinds.items():
            put(0, f"{name} = np.{text}" if text.startswith("dtype") else f"{name} = {text}")

    def _arrays(self, places: dict[str, int], dimensions: dict[str, int]) -> None:
        put = self._put
        groups = {"books"} | {
            stage.name for stage in self.stages if isinstance(stage.state, StateArrays)
        }
        first = {
            name.split("__")[0]: place for name, place in reversed(places.items()) if "__" in name
        }
        for name, place in places.items():
            if name.split("__")[0] in groups:
                continue
            sizes = ", ".join(f"packed[{place + 1 + axis}]" for axis in range(dimensions[name]))
            shape = f"({sizes},)" if dimensions[name] == 1 else f"({sizes})"
            put(1, f"{name} = view(packed[{place}], {shape}, {self._kinds[name]})")
        if self.has_books:
            put(1, f"books = books_at(packed, {first['books']})")
        for stage in self.stages:
            names = [name for name in places if name.startswith(f"{stage.name}__")]
            arrays = f"packed, {first[stage.name]}" if stage.name in groups else ", ".join(names)
            put(1, f"{stage.name} = {stage.name}_State({arrays})")
            rows = (
                places[f"rows_{_identifier(stage.module.OUTPUTS[0])}"]
                if stage.module.OUTPUTS
                else 0
            )  # its other rows and counts follow
            put(1, f"{stage.name}_out = {stage.name}_Out(packed, {rows})")

    def _command(self, places: dict[str, int], dimensions: dict[str, int], topic: str) -> None:
        """An entry that advances to the limit, then hands the record at an address to the stage
        that reads it, at the clock it acts at.
        """
        put = self._put
        put(0, "@borrowing_kernel")
        put(0, f"def {handler_name(topic)}(packed):")
        self._arrays(places, dimensions)
        put(1, f"control[{OUTCOME}] = {DONE}")
        put(1, f"if control[{CURSOR}] < control[{LIMIT}]:")
        put(2, f"call_entry(control[{RUN}], packed)")
        put(2, f"if control[{OUTCOME}] != {DONE}:")
        put(3, "return")
        put(1, f"if control[{PRESENT}] < control[{COMMAND_CLOCK}]:")
        put(2, f"control[{PRESENT}] = control[{COMMAND_CLOCK}]")
        put(1, f"present = control[{PRESENT}]")
        put(1, f"command = record_at(control[{COMMAND}], {_identifier(topic)}_DTYPE)")
        for stage in self.consumers(topic):
            books = "books, " if self.has_books else ""
            put(1, f"{stage.name}.clock[0] = present")
            put(
                1,
                f"{stage.name}_{handler_name(topic)}({stage.name}, {books}command, "
                f"{stage.name}_out)",
            )
        self._status()

    def _status(self) -> None:
        """Tell the owner whether anything is under way, and whether a stage is at fault."""
        put = self._put
        busy = [f"{stage.name}.timer[0] != {NEVER}" for stage in self.stages]
        busy += [
            f"{stage.name}.working[0] != 0"
            for stage in self.stages
            if hasattr(stage.state, "working")
        ]
        put(1, f"control[{ACTIVE}] = 1 if {' or '.join(busy)} else 0")
        put(1, f"if {self._faults()}:")
        put(2, f"control[{OUTCOME}] = {FAULT}")

    def _faults(self) -> str:
        return " or ".join(
            [f"{stage.name}.fault[0] != 0" for stage in self.stages]
            + (["books.fault[0] != 0"] if self.has_books else [])
        )

    def _deliver(self) -> None:
        """Delivered rows are counted in the control and free from then on: whoever runs the loop
        reads them first.
        """
        put = self._put
        for topic in self.delivered:
            put(1, f"if outcome == {DELIVERED}:")
            put(2, f"control[{DELIVERED_COUNT}] = count_{_identifier(topic)}[0]")
            put(2, f"count_{_identifier(topic)}[0] = 0")

    def _call(self, depth: int, stage: KernelStage, function: str, arguments: str) -> None:
        books = "books, " if self.has_books and stage.takes_books else ""
        self._put(depth, f"{stage.name}.clock[0] = present")
        self._put(
            depth, f"{stage.name}_{function}({stage.name}, {books}{arguments}{stage.name}_out)"
        )
        self._consequences(depth, stage)

    def _end(self, depth: int) -> None:
        """The end of the input: it is met again until each stage that ends in parts, whose timer
        stands at the clock while more is left, is done; then the others end.
        """
        ending = [stage for stage in self.stages if hasattr(stage.module, "on_end")]
        in_parts = [stage for stage in ending if getattr(stage.module, "ENDS_IN_PARTS", False)]
        for stage in in_parts:
            self._call(depth, stage, "on_end", "")
            self._put(depth, f"if {stage.name}.timer[0] > present:")
            depth += 1
        for stage in ending:
            if stage not in in_parts:
                self._call(depth, stage, "on_end", "")
        self._put(depth, "cursor += 1")

    def _consequences(self, depth: int, stage: KernelStage) -> None:
        put = self._put
        for topic in stage.module.OUTPUTS:
            name = _identifier(topic)
            consumers = self.consumers(topic)
            if not self._is_heard(topic, consumers):
                continue
            put(depth, f"while seen_{name} < count_{name}[0]:")
            put(depth + 1, f"row_{name} = seen_{name}")
            put(depth + 1, f"seen_{name} += 1")
            if topic in self.numbers:
                self._stamp(depth + 1, self.numbers[topic], f"row_{name}")
            for consumer in consumers:
                self._call(depth + 1, consumer, handler_name(topic), f"rows_{name}[row_{name}], ")
            if topic in self.relayed:
                self._stamp(depth + 1, self.relayed[topic], f"row_{name}")

    def _is_heard(self, topic: str, consumers: Sequence[KernelStage]) -> bool:
        """True if somebody has the topic's records: these stages, or the order side."""
        return bool(consumers) or topic in self.numbers or topic in self.relayed

    def _stamp(self, depth: int, number: int, row: str) -> None:
        put = self._put
        put(depth, "events[event_count].step = step")
        put(depth, "events[event_count].clock = present")
        put(depth, f"events[event_count].topic = {number}")
        put(depth, f"events[event_count].row = {row}")
        put(depth, "event_count += 1")

    def _body(self) -> None:
        put = self._put
        needs, events_needed = self.rows_needed()
        for topic in self.outputs:
            put(1, f"seen_{_identifier(topic)} = count_{_identifier(topic)}[0]")
        put(1, f"cursor = control[{CURSOR}]")
        put(1, f"limit = control[{LIMIT}]")
        put(1, f"length = control[{LENGTH}]")
        put(1, f"present = control[{PRESENT}]")
        put(1, f"event_count = control[{EVENT_COUNT}]")
        put(1, "outcome = 0")
        full = [
            f"count_{_identifier(t)}[0] + {n} > len(rows_{_identifier(t)})"
            for t, n in needs.items()
        ]
        full.append(f"event_count + {events_needed} > len(events)")
        stops = " or ".join(f"count_{_identifier(t)}[0] > 0" for t in self.delivered)
        faults = self._faults()

        def check_after(depth: int) -> None:
            put(depth, f"if {faults}:")
            put(depth + 1, f"outcome = {FAULT}")
            if stops:
                put(depth, f"elif {stops}:")
                put(depth + 1, f"outcome = {DELIVERED}")

        put(1, "while True:")
        put(2, "bound = np.int64(-1)")
        put(2, "if cursor > limit:")
        put(3, "pass  # a command had the record at the limit processed already: its timers wait")
        put(2, "elif cursor < length:")
        put(3, "bound = clock[cursor]")
        put(3, f"if cursor >= limit and control[{LIMIT_CLOCK}] < bound:")
        put(4, f"bound = control[{LIMIT_CLOCK}]")
        put(2, f"elif length > 0 and source[length - 1] == {END}:")
        put(3, "bound = clock[length - 1]")
        put(2, "while True:")
        put(3, f"due = {self.stages[0].name}.timer[0]")
        for stage in self.stages[1:]:
            put(3, f"if {stage.name}.timer[0] < due:")
            put(4, f"due = {stage.name}.timer[0]")
        put(3, "if due > bound:")
        put(4, "break")
        put(3, f"if {' or '.join(full)}:")
        put(4, f"outcome = {ROOM}")
        put(4, "break")
        put(3, "if due > present:")
        put(4, "present = due")
        put(3, "step = 2 * cursor")
        first = "if"
        for stage in self.stages:
            put(3, f"{first} {stage.name}.timer[0] == due:")
            if hasattr(stage.module, "on_timer"):
                self._call(4, stage, "on_timer", "due, ")
            else:
                put(4, f"{stage.name}.timer[0] = {NEVER}")
            first = "elif"
        check_after(3)
        put(3, "if outcome != 0:")
        put(4, "break")
        put(2, "if outcome != 0 or cursor >= limit:")
        put(3, "break")
        put(2, f"if {' or '.join(full)}:")
        put(3, f"outcome = {ROOM}")
        put(3, "break")
        put(2, "present = clock[cursor]")
        put(2, "kind = source[cursor]")
        put(2, "row = index[cursor]")
        put(2, "step = 2 * cursor + 1")
        first = "if"
        for code, topic in enumerate(self.feeds):
            consumers = self.consumers(topic)
            if not self._is_heard(topic, consumers):
                continue
            put(2, f"{first} kind == {code}:")
            first = "elif"
            name = _identifier(topic)
            levels = f", levels_{name}" if topic_of(topic).record == "DepthUpdate" else ""
            for stage in consumers:
                self._call(3, stage, handler_name(topic), f"feed_{name}[row]{levels}, ")
            if topic in self.relayed:
                self._stamp(3, self.relayed[topic], "row")
            if topic in self.numbers:
                self._stamp(3, self.numbers[topic], "row")
        put(2, f"{first} kind == {END}:")
        self._end(3)
        put(2, f"if kind != {END}:")
        put(3, "cursor += 1")
        check_after(2)
        put(2, "if outcome != 0:")
        put(3, "break")
        self._deliver()
        put(1, f"control[{CURSOR}] = cursor")
        put(1, f"control[{PRESENT}] = present")
        put(1, f"control[{EVENT_COUNT}] = event_count")
        put(1, f"control[{OUTCOME}] = outcome")
        self._status()
