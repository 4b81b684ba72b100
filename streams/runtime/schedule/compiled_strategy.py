"""A compiled strategy on the order side: one that reads what the order side makes, or asks for
orders. The scheduler calls it by address, record by record, in its place among the stages.

Its file is the same as that of a compiled strategy in the upstream pass: arrays in ``State``, and a
function for each topic. The entry that the scheduler calls is written here as text, as a loop is
(``loop.py``): it finds state and outputs in a context of addresses, and calls the function of the
kind it is given.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np

from schemas.catalogue import topic as topic_of
from schemas.checking import strategy_checks
from schemas.codec import codec
from schemas.errors import ShrivenError
from schemas.records import Instrument
from streams.numeric.conversion import row_of
from streams.numeric.deadlines import NO_TIMER
from streams.numeric.id_source import IdSource
from streams.numeric.log_lines import write_line
from streams.numeric.stage_calls import Output, StageCalls
from streams.numeric.state_arrays import StateArrays
from streams.numeric.strategy_outputs import (
    BAD_READ,
    LINES_FULL,
    REQUESTS,
    TIMERS,
    TOO_MANY_ROWS,
    VIEW_FULL,
    StrategyOutputs,
)
from streams.runtime.failures import BadEmission
from streams.runtime.schedule.array_state import bytes_of_arrays, check_length, take_arrays
from streams.runtime.schedule.loop import handler_name
from streams.runtime.schedule.runner import UNCOMPILED, bad_kernel, raise_stage_fault
from streams.runtime.tools.compiling import compile_entry
from streams.runtime.tools.generated import load_module
from streams.runtime.tools.pointers import CONTEXT_LENGTH, Context, entry_address

HEAD = f'''"""The entry of a compiled strategy on the order side, generated."""
import numpy as np
from streams.numeric.borrowing import borrowing_kernel
from streams.numeric.strategy_log import has_room_to_log
from streams.numeric.strategy_outputs import strategy_outputs_type, write_requests
from streams.numeric.strategy_reads import is_wrong
from streams.numeric.replacements import has_room_to_replace
from streams.numeric.strategy_view import has_room_to_ask
from streams.numeric.timers import next_deadline, take_due
from streams.numeric.table import record_at
from streams.runtime.tools.pointers import view
LENGTH = (np.int64({CONTEXT_LENGTH}),)
'''


VIEW, REPLACEMENTS = "strategy-view", "replacements"
ACCOUNT, BOOK, QUEUE = "account", "book", "queue"


class Deadline:
    """What Python reads of the state: its next timer."""

    def __init__(self, arrays: Any) -> None:
        self._arrays = arrays

    @property
    def timer(self) -> int:
        """The next deadline."""
        return int(self._arrays.timer[0])


class CompiledStrategy:
    """The strategy with its state.

    Attributes:
        arrays: the state.
        out: what its functions publish.

    Args:
        module: the strategy's.
        arrays: its state before the first record.
        instruments: errors name them.
        account: that it trades.
        salt: digest of the user's files.
    """

    def __init__(
        self, module: Any, arrays: Any, instruments: Sequence[Instrument], account: int, salt: bytes
    ) -> None:
        self.NAME: str = module.NAME
        self.INPUTS, self.OUTPUTS = tuple(module.INPUTS), tuple(module.OUTPUTS)
        self.STATE_VERSION: int = module.STATE_VERSION
        self.arrays, self.state = arrays, Deadline(arrays)
        self.out = StrategyOutputs(
            self.OUTPUTS, module.RESERVE, account, getattr(module, "STRATEGY", 1),
            len(getattr(module, "TIMERS", ())), getattr(module, "LOGS", ()),
        )  # fmt: skip
        self._is_timed = bool(getattr(module, "TIMERS", ()))
        if self._is_timed:
            arrays.timer[0] = NO_TIMER
        self.READS: tuple[str, ...] = tuple(getattr(module, "READS", ()))
        self._module, self._salt = module, salt
        self._view: Any = None
        self._portfolio: Any = None
        self._replacements: Any = None
        self._write_line: Any = None
        self._books: Any = None
        self._symbols = {each.instrument: each.symbol for each in instruments}
        self._context = Context()
        for name, array in [*arrays._asdict().items(), *self._named_outputs()]:
            self._context.put(name, array)
        self._address = self._context.packed.ctypes.data
        self._ids_place = self._context.places["out__ids"]
        self._ids = IdSource()
        self._tables = np.array([each.address for each in self.out.tables.values()], np.int64)
        self._lay_out_handlers()

    def _named_outputs(self) -> list[tuple[str, Any]]:
        return [(f"out__{name}", array) for name, array in self.out.arrays.items()]

    def _lay_out_handlers(self) -> None:
        """What Python calls: records that are no rows, and the end of input."""
        for kind, topic in enumerate(self.INPUTS):
            setattr(self, handler_name(topic), functools.partial(self._on_record, kind))
        self._timer_kind, self._end_kind = len(self.INPUTS), len(self.INPUTS) + 1
        if hasattr(self._module, "on_timer"):
            self.on_timer = functools.partial(self._act, self._timer_kind)
        if hasattr(self._module, "on_end"):
            self.on_end = functools.partial(self._act, self._end_kind, 0)

    # -- what the scheduler calls

    def calls(self) -> StageCalls:
        """How the scheduler calls it."""
        outputs = [
            Output(topic, self._tables.ctypes.data + 8 * place, self.out.counts[topic].ctypes.data)
            for place, topic in enumerate(self.OUTPUTS)
        ]
        has_timer = hasattr(self._module, "on_timer")
        return StageCalls(
            self.entry,
            self._address,
            self._address,
            {topic: kind for kind, topic in enumerate(self.INPUTS)},
            tuple(outputs),
            (self.arrays.timer.ctypes.data, self._timer_kind) if has_timer else None,
            use_ids=self._use_ids,
        )

    @functools.cached_property
    def entry(self) -> Any:
        """``handle(kind, header, given, clock, out)``, not compiled yet."""
        return load_module(self._text(), self._salt).handle

    def compile(self) -> None:
        """Compile the entry, or load it. Raises BadKernel, with the compiler's reason."""
        try:
            compile_entry(self.entry)
        except UNCOMPILED as problem:
            raise bad_kernel([self._module], problem) from problem

    def settle(self, code: int, kind: int, context: Any) -> None:
        """Let open orders have room; raise what any other fault stands for."""
        if code == VIEW_FULL:
            self._view.reserve_requests(self._module.RESERVE[REQUESTS])
            self._replacements.reserve(self._module.RESERVE[REQUESTS])
            self.out.orders["fault"] = 0
            return
        if code == LINES_FULL:
            self.write_lines()
            self.out.orders["fault"] = 0
            return
        raise_stage_fault(self.NAME, self._module, self.arrays.fault, self._symbols)
        self.out.raise_overrun(self.NAME)
        self._raise_bad_read(context)
        self.out.raise_bad_change(self.NAME)
        self.out.raise_bad_timer(self.NAME, getattr(self._module, "TIMERS", ()))
        self.out.raise_bad_line(self.NAME)
        check = strategy_checks()
        for record in self.out.asked():
            try:
                check[record.__class__](record)
            except ShrivenError as problem:
                text = f"strategy {self.NAME} asked for {record!r:.400}: {problem.text}"
                raise BadEmission(text) from problem

    def read_from(self, stages: Any) -> None:
        """Let the strategy read what its READS names. All is compiled.

        Args:
            stages: finds the other stages by name, and has the reader of the order books.
        """
        places: dict[str, int] = {}
        self._write_line = stages.line_writer(stages.context)
        self._view, self._portfolio = stages.stage(VIEW), stages.stage("portfolio")
        if self._view is not None:
            places["view_at"] = self._view.address
        if BOOK in self.READS or QUEUE in self.READS:
            self._books = stages.books
            places["books"], places["books_entry"] = self._books.header, self._books.entry
            self._context.put("out__levels", self._books.levels)
        if ACCOUNT in self.READS:
            self._replacements = stages.stage(REPLACEMENTS)
            places["replacing_at"] = self._replacements.address
            calls = self._portfolio.calls()
            places["portfolio"], places["portfolio_out"] = calls.header, calls.out
            places["portfolio_entry"] = entry_address(calls.entry)
            places |= {f"portfolio_{name}": kind for name, kind in calls.reads.items()}
        self.out.let_read(self.READS, places)

    def write_lines(self) -> None:
        """Write what was logged since the last call to the topic ``strategy.log``."""
        orders = self.out.orders
        account, strategy = int(orders["account"]), int(orders["strategy"])
        for clock, sequence, text in self.out.lines(self._symbols):
            place = (account, strategy, clock, sequence)
            write_line(self._view, self._write_line, place, text)

    def _raise_bad_read(self, context: Any) -> None:
        """Raise what is wrong with what the strategy read, if that is the fault."""
        reads = self.out.reads
        self.out.raise_bad_read(self.NAME, self.READS, self._symbols)
        if reads["code"]:
            self._portfolio.settle(int(reads["code"]), -1, context)
        if reads["books_code"]:
            wanted = int(reads["book"]["depth"])
            self._books.raise_fault(int(reads["books_code"]), f"strategy {self.NAME}", wanted)

    def _use_ids(self, address: int) -> None:
        self._context.packed[self._ids_place] = address

    # -- what Python calls

    def _on_record(self, kind: int, record: Any, context: Any) -> None:
        row, _ = row_of(record)
        self._act(kind, row.ctypes.data, context)

    def _act(self, kind: int, given: int, context: Any) -> None:
        """Call a function with the context's ids and clock, and emit what it published."""
        before, ids = int(self._context.packed[self._ids_place]), self._ids
        ids.take(context)
        self._use_ids(ids.address)
        while code := self.entry(kind, self._address, given, context.clock, self._address):
            self.settle(code, kind, context)
        self._use_ids(before)
        ids.give(context)
        for record in self.out.records():
            context.emit(record)

    # -- snapshots

    def encoded_state(self) -> bytes:
        """The arrays of the state, one after the other; behind them the timers that are set."""
        return bytes_of_arrays(self._all_arrays())

    def take_state(self, content: bytes) -> None:
        """Become what :meth:`encoded_state` gave. Raises StageFailed if that is another state's."""
        check_length(self.NAME, self._all_arrays(), content)
        take_arrays(self._all_arrays(), content)

    def _all_arrays(self) -> Any:
        return (*self.arrays, *(self.out.arrays[name] for name in TIMERS if self._is_timed))

    # -- the entry's text

    def _text(self) -> str:
        lines = [f"import {self._module.__name__} as strategy"]
        lines += [f"OUT = strategy_outputs_type({self.OUTPUTS!r}).at"]
        lines += [
            f"ROW_{kind} = np.{codec(topic_of(topic).record).dtype!r}"
            for kind, topic in enumerate(self.INPUTS)
        ]
        lines += self._state_types()
        lines += ["@borrowing_kernel", "def handle(kind, header, given, clock, out_address):"]
        lines += [f"    {line}" for line in self._body()]
        return HEAD + "\n".join(lines) + "\n"

    def _state_types(self) -> list[str]:
        if isinstance(self.arrays, StateArrays):
            group = type(self.arrays)
            bound = [f"import {module.__name__}" for module in group.MODULES.values()]
            return [*bound, f"STATE = strategy.{group.EXPRESSION}.at"]
        named = self.arrays._asdict().items()
        kinds = [f"KIND_{name} = np.{array.dtype!r}" for name, array in named]
        return ["STATE = strategy.State", *kinds]

    def _body(self) -> list[str]:
        places = self._context.places
        lines = ["packed = view(header, LENGTH, np.int64)"]
        if isinstance(self.arrays, StateArrays):
            lines.append(f"state = STATE(packed, {places[next(iter(self.arrays._asdict()))]})")
        else:
            named = self.arrays._asdict().items()
            arrays = [self._array(name, array.ndim) for name, array in named]
            lines.append(f"state = STATE({', '.join(arrays)})")
        lines += [
            f"out = OUT(packed, {places[f'out__{next(iter(self.out.arrays))}']})",
            *self._room(),
            "state.clock[0] = clock",
            "out.orders[0].clock = clock",
            "out.orders[0].modified = 0",
            "out.orders[0].logged = 0",
            *self._dispatch(),
            *(["state.timer[0] = next_deadline(out)"] if self._is_timed else []),
            "if state.fault[0] != 0:",
            "    return 1",
            "if is_wrong(out):",
            f"    out.orders[0].fault = {int(BAD_READ)}",
        ]
        for topic in self.OUTPUTS:
            if topic != REQUESTS:
                count = f"out.{topic.replace('.', '_')}_count[0]"
                lines += [f"if {count} > {self._module.RESERVE[topic]}:"]
                lines += [f"    out.orders[0].fault = {int(TOO_MANY_ROWS)}"]
        if REQUESTS in self.OUTPUTS:
            lines += ["if out.orders[0].fault == 0:", "    write_requests(out)"]
        return [*lines, "return out.orders[0].fault"]

    def _room(self) -> list[str]:
        """What must have room before the strategy is called: it cannot be called a second time."""
        full = ["if not has_room_to_log(out):", f"    return {int(LINES_FULL)}"]
        return [*(full if self.out.templates else []), *self._room_to_ask()]

    def _room_to_ask(self) -> list[str]:
        if ACCOUNT not in self.READS or REQUESTS not in self.OUTPUTS:
            return []
        count = self._module.RESERVE[REQUESTS]
        room = f"(has_room_to_ask(out.reads[0].view_at, {count})"
        room += f" and has_room_to_replace(out.reads[0].replacing_at, {count}))"
        fault = f"    out.orders[0].fault = {int(VIEW_FULL)}"
        return [f"if not {room}:", fault, f"    return {int(VIEW_FULL)}"]

    def _array(self, name: str, dimensions: int) -> str:
        place = self._context.places[name]
        sizes = ", ".join(f"packed[{place + 1 + axis}]" for axis in range(dimensions))
        return f"view(packed[{place}], ({sizes},), KIND_{name})"

    def _dispatch(self) -> list[str]:
        lines: list[str] = []
        for kind, topic in enumerate(self.INPUTS):
            lines.append(f"{'elif' if lines else 'if'} kind == {kind}:")
            record = f"record_at(given, ROW_{kind})"
            lines.append(f"    strategy.{handler_name(topic)}(state, {record}, out)")
        if hasattr(self._module, "on_timer"):
            lines += [f"elif kind == {self._timer_kind}:", *self._fire()]
        if hasattr(self._module, "on_end"):
            lines += [f"elif kind == {self._end_kind}:", "    strategy.on_end(state, out)"]
        return lines

    def _fire(self) -> list[str]:
        """The one timer, or each named one that is due."""
        if not self._is_timed:
            return ["    strategy.on_timer(state, given, out)"]
        return [
            "    timer = take_due(out, given)",
            "    while timer >= 0:",
            "        strategy.on_timer(state, timer, out)",
            "        timer = take_due(out, given)",
        ]
