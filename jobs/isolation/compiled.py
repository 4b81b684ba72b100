"""In the child: a compiled strategy, called as one in plain Python is.

Its machine code is made in the child, of the files that the child read, and stays there. Its state
goes over the pipe as the bytes that a snapshot of a compiled stage has. What a strategy of the
order side asks for comes back as records, under the ids that it would have here.

What it reads by address lies here as copies of the host's records (``images.py``); what it reads by
calls is asked of the host (``asking.py``). Books of the upstream pass are kept here: they take the
host's records of ``md.depth``. What printed of them is not kept, for no strategy can read it.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Sequence
from typing import Any

import numba
import numpy as np

from jobs.isolation.asking import BOOKS, Entry
from jobs.isolation.images import Change, Copy
from schemas import kernel
from schemas.catalogue import TOPICS
from schemas.catalogue import topic as topic_of
from schemas.codec import codec
from schemas.errors import WrongUse
from schemas.records import Instrument
from streams.numeric import book
from streams.numeric.book_reads import BOOK_SIZE
from streams.numeric.book_records import take_records
from streams.numeric.book_state import WINDOW_MIN
from streams.numeric.id_source import IdSource
from streams.numeric.strategy_outputs import REQUESTS, StrategyOutputs
from streams.numeric.timers import next_deadline, take_due
from streams.runtime.schedule.array_state import bytes_of_arrays, check_length, take_arrays
from streams.runtime.schedule.loop import handler_name
from streams.runtime.schedule.topology import acts_on_demand, check_on_demand
from streams.signals import ema_cross
from streams.signals.kit_kernel import KernelDriver
from streams.signals.replacing import NAME as REPLACEMENTS
from streams.signals.replacing import Replacements
from streams.signals.strategy import NO_TIMER, TIMER
from streams.signals.view import ACCOUNT, QUEUE
from streams.signals.view import NAME as VIEW
from streams.signals.view_stage import ViewStage

SIGNALS, DEPTH = "signals", "md.depth"
_TYPE_OF: Any = numba.typeof
Sizes = tuple[int, int]


def is_compiled(content: bytes) -> bool:
    """True for the file of a compiled strategy: it has a function ``new_state``."""
    body = ast.parse(content).body
    return any(isinstance(node, ast.FunctionDef) and node.name == "new_state" for node in body)


def compile_in_memory(contents: Iterable[bytes]) -> None:
    """Prepare this process to compile without files. What the codecs and the compiler load at a
    first use is loaded; nothing is read or kept from now on.

    Args:
        contents: the strategy's files, which say what it may need of ours.
    """
    for topic in filter(_is_given, TOPICS):
        fields = codec(topic_of(topic).record)
        fields.decode_rows(np.zeros(0, np.uint8), 0)
    fields = codec(topic_of(SIGNALS).record)
    fields.rows_to_records(fields.decode_rows(np.zeros(0, np.uint8), 0), 0, 0)
    text = b"".join(contents)
    if b"READS" in text:
        ViewStage((), None)
        Replacements((), None)
    if b"VIEWS" in text or DEPTH.encode() in text:
        take_records(book.new_books((), WINDOW_MIN, 1), *_depth(b"", 0))
    kernel.keep_nothing()
    on_quote = kernel.kernel(ema_cross.on_quote.py_func)
    driver = KernelDriver(ema_cross, [], ema_cross.Settings(), None)
    _compile(on_quote, driver, _row("md.quotes"))


def _depth(content: bytes, count: int) -> Any:
    """(rows, levels) of records of ``md.depth`` as they lie on the log."""
    return codec(topic_of(DEPTH).record).decode_rows(np.frombuffer(content, np.uint8), count)


class CompiledStrategy:
    """What the server takes for a ``Strategy`` class, made of a module.

    Args:
        entry: asks the host what the strategy reads by calls.

    Raises:
        WrongUse: a run refuses the strategy, too.
    """

    def __init__(self, module: Any, entry: Entry) -> None:
        self._module, self._entry = module, entry
        self.is_on_order_side = acts_on_demand(module)
        # a loop has the stage under a name of Python's
        name = str(module.NAME)
        self.NAME = name if self.is_on_order_side else name.replace("-", "_")
        self.Settings = module.Settings
        self.READS: tuple[str, ...] = tuple(getattr(module, "READS", ()))
        self.LOGS = bool(getattr(module, "LOGS", ()))
        self.STRATEGY = int(getattr(module, "STRATEGY", 1))
        foreign = [topic for topic in module.INPUTS if not _is_given(topic)]
        if foreign:
            raise WrongUse(f"it is compiled and reads {', '.join(foreign)}, which has no rows")
        if self.is_on_order_side:
            check_on_demand(module)
        self.keeps_books = not self.is_on_order_side and _takes_books(module)
        asks = REQUESTS in module.OUTPUTS and ACCOUNT in self.READS
        self.requests_most = int(module.RESERVE[REQUESTS]) if asks else 0
        timer = [TIMER] if hasattr(module, "on_timer") else []
        self.WAKES = (*module.INPUTS, *timer)
        if hasattr(module, "on_end"):
            self.on_end = module.on_end

    def __call__(
        self, instruments: Sequence[Instrument], settings: Any, sizes: Sizes
    ) -> CompiledInstance:
        """The strategy over its instruments; ``sizes`` of a book's window and tail."""
        driver = IsolatedDriver(self._module, instruments, settings, sizes, self._entry)
        return CompiledInstance(driver, self.is_on_order_side)


def _takes_books(module: Any) -> bool:
    return "book" in getattr(module, "VIEWS", ()) or DEPTH in module.INPUTS


def _is_given(topic: str) -> bool:
    """True for a topic whose records are rows."""
    return topic in TOPICS and codec(topic_of(topic).record).dtype is not None


class IsolatedDriver(KernelDriver):
    """Its ids are those of the call's context, its lines are the host's to write, and what it reads
    is the host's.
    """

    def __init__(
        self, module: Any, instruments: Sequence[Instrument], settings: Any, sizes: Sizes,
        entry: Entry,
    ) -> None:  # fmt: skip
        self._entry, self._sizes = entry, sizes
        self._copies: list[Copy] = []
        self._replacements: Replacements | None = None
        self._known = b""
        super().__init__(module, instruments, settings, None)
        self.owns_book = True  # the host's records are taken before a call
        self._ids = IdSource()

    def _is_asked(self) -> bool:
        return acts_on_demand(self.stage)

    def _new_books(self, instruments: Sequence[Instrument], window: int) -> Any:
        return book.new_books(instruments, *self._sizes)

    # -- what it reads

    def _let_read(self, outputs: StrategyOutputs) -> None:
        """Let it read copies of the host's records, and ask the host."""
        reads = tuple(getattr(self.stage, "READS", ()))
        if not reads:
            return
        places, self._view = self._entry.places(), ViewStage((), None)
        places["view_at"] = self._view.address
        own = ("books", "books_entry", "asked_at")
        if QUEUE in reads:
            self._size, row = np.zeros(1, BOOK_SIZE), self._view.state.row
            row["books"], row["books_entry"] = BOOKS, self._entry.address
            row["asked_at"] = self._size.ctypes.data
        self._copies.append(Copy(VIEW, self._view.state, own))
        if ACCOUNT in reads:
            self._replacements = Replacements((), None)
            self._replacements.state.row["view_at"] = self._view.address
            places["replacing_at"] = self._replacements.address
            self._copies.append(Copy(REPLACEMENTS, self._replacements.state, ("view_at",)))
        shape = (2 * len(self.symbols), sum(self._sizes), 2)
        self._entry.levels = outputs.arrays["levels"] = np.zeros(shape, np.int64)
        outputs.let_read(reads, places)

    def take_copies(self, changes: Sequence[Change]) -> None:
        """What it reads by address is as the host has it."""
        for copy in self._copies:
            copy.take(changes)
        if self._replacements is not None:
            self._known = self._replacements.encoded_state()

    def new_replacements(self) -> bytes:
        """The orders that it modifies, empty if the last call changed none of them."""
        if self._replacements is None:
            return b""
        found = self._replacements.encoded_state()
        return found if found != self._known else b""

    def _raise_bad_read(self, asks: StrategyOutputs) -> None:
        self._entry.raise_problem()
        super()._raise_bad_read(asks)

    # -- ids and lines

    def take_ids(self, asks: StrategyOutputs) -> None:
        """The context's, as in the process of the stages."""
        asks.orders["account"] = self.context.account
        self._ids.take(self.context)
        asks.arrays["ids"][:] = self._ids.rows

    def give_ids(self, asks: StrategyOutputs) -> None:
        """The context goes on behind those that were made."""
        self._ids.rows[:] = asks.arrays["ids"]
        self._ids.give(self.context)

    def log(self, asks: StrategyOutputs, clock: int, sequence: int, text: str) -> None:
        """The host knows account, clock and sequence of the call."""
        self.context.services.log(text)


class CompiledInstance:
    """A compiled strategy with its state, and a handler for each record it reads."""

    def __init__(self, driver: IsolatedDriver, is_on_order_side: bool) -> None:
        self._driver = driver
        module = driver.stage
        self._name = str(module.NAME)
        if driver.timer < 0:
            driver.state.timer[0] = NO_TIMER
        self.state = Deadline(driver)
        self.take_copies, self.new_replacements = driver.take_copies, driver.new_replacements
        for topic in module.INPUTS:
            name = handler_name(topic)
            levels = [_depth(b"", 0)[1]] if topic == DEPTH else []
            _compile(getattr(module, name), driver, _row(topic), *levels)
            setattr(self, name, self._deliver)
        if hasattr(module, "on_timer"):
            _compile(module.on_timer, driver, 0)
            self.on_timer = self._fire
        if hasattr(module, "on_end"):
            _compile(module.on_end, driver)
            self.on_end = self._end
        if driver.timers:  # none is set: what Python calls of them is compiled
            take_due(driver.out, 0)
            next_deadline(driver.out)
        self._end_driver = driver.end_once if is_on_order_side else driver.end

    def follow(self, bodies: Sequence[bytes]) -> None:
        """The books take records of ``md.depth``."""
        books: Any = self._driver.books
        take_records(books, *_depth(b"".join(bodies), len(bodies)))
        if books.fault[0]:
            raise OverflowError("its books are full")

    def take_books(self, content: bytes) -> None:
        """Take up the books of a snapshot."""
        books: Any = self._driver.books
        book.restore(books, content)

    def _deliver(self, record: Any, context: Any) -> None:
        self._driver.context = context
        self._driver.deliver(record)
        self._raise_fault()

    def _fire(self, deadline: int, context: Any) -> None:
        self._driver.context = context
        self._driver.fire(deadline)
        self._raise_fault()

    def _end(self, context: Any) -> None:
        self._driver.context = context
        self._end_driver()
        self._raise_fault()

    def _raise_fault(self) -> None:
        code, instrument, value, limit = (int(each) for each in self._driver.state.fault)
        if code:
            raise OverflowError(f"fault {code} (instrument {instrument}, {value}, limit {limit})")

    def encoded_state(self) -> bytes:
        """As the compiled stage has it (``runtime/schedule/compiled_strategy.py``)."""
        return bytes_of_arrays(self._driver.arrays())

    def take_state(self, content: bytes) -> None:
        """Take up a state. Raises StageFailed if it is none."""
        check_length(self._name, self._driver.arrays(), content)
        take_arrays(self._driver.arrays(), content)


class Deadline:
    """What the server reads of the state: its next timer, if it has any."""

    def __init__(self, driver: KernelDriver) -> None:
        self._driver = driver

    @property
    def timer(self) -> int:
        """The next deadline."""
        return self._driver.timer if hasattr(self._driver.stage, "on_timer") else NO_TIMER


def _row(topic: str) -> Any:
    """A row of a topic's records."""
    return np.zeros(1, codec(topic_of(topic).record).dtype)[0]


def _compile(handler: Any, driver: KernelDriver, *given: Any) -> None:
    """Compile a handler before its first call, which is bounded in time."""
    books = (driver.books,) if driver.views and driver.asks is None else ()
    handler.compile(tuple(map(_TYPE_OF, (driver.state, *books, *given, driver.out))))
