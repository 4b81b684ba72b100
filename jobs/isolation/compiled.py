"""In the child: a compiled strategy, called as one in plain Python is.

Its machine code is made in the child, of the files that the child read, and stays there. Its state
goes over the pipe as the bytes that a snapshot of a compiled stage has. What a strategy of the
order side asks for comes back as records, under the ids that it would have here.

What is answered by address in a run is not given in the child: a strategy with READS or a view of
the book is not isolated.
"""

from __future__ import annotations

import ast
from collections.abc import Sequence
from typing import Any

import numba
import numpy as np

from schemas import kernel
from schemas.catalogue import topic as topic_of
from schemas.codec import codec
from schemas.errors import WrongUse
from schemas.records import Instrument
from streams.numeric.id_source import IdSource
from streams.numeric.strategy_outputs import StrategyOutputs
from streams.runtime.schedule.array_state import bytes_of_arrays, check_length, take_arrays
from streams.runtime.schedule.topology import acts_on_demand
from streams.signals import ema_cross
from streams.signals.kit_kernel import KernelDriver
from streams.signals.strategy import NO_TIMER, TIMER, WAKE_OF_TOPIC, WAKE_TOPICS

SIGNALS = "signals"
_TYPE_OF: Any = numba.typeof


def is_compiled(content: bytes) -> bool:
    """True for the file of a compiled strategy: it has a function ``new_state``."""
    body = ast.parse(content).body
    return any(isinstance(node, ast.FunctionDef) and node.name == "new_state" for node in body)


def compile_in_memory() -> None:
    """Prepare this process to compile without files. What the codecs and the compiler load at a
    first use is loaded; nothing is read or kept from now on.
    """
    for topic in filter(_is_given, WAKE_OF_TOPIC):
        fields = codec(topic_of(topic).record)
        fields.decode_rows(np.zeros(0, np.uint8), 0)
    fields = codec(topic_of(SIGNALS).record)
    fields.rows_to_records(fields.decode_rows(np.zeros(0, np.uint8), 0), 0, 0)
    kernel.keep_nothing()
    on_quote = kernel.kernel(ema_cross.on_quote.py_func)
    driver = KernelDriver(ema_cross, [], ema_cross.Settings(), None)
    _compile(on_quote, driver, _row("md.quotes"))


class CompiledStrategy:
    """What the server takes for a ``Strategy`` class, made of a module.

    Raises:
        WrongUse: the strategy has what cannot be given here.
    """

    READS: tuple[str, ...] = ()

    def __init__(self, module: Any) -> None:
        self._module = module
        self.NAME = str(module.NAME).replace("-", "_")
        self.Settings = module.Settings
        self.LOGS = bool(getattr(module, "LOGS", ()))
        self.STRATEGY = int(getattr(module, "STRATEGY", 1))
        self.is_on_order_side = acts_on_demand(module)
        own = [name for name in ("READS", "VIEWS") if getattr(module, name, ())]
        own += [topic for topic in module.INPUTS if not _is_given(topic)]
        if own:
            what = f"it is compiled and has {', '.join(own)}, which only a run gives it"
            advice = "read it, run it with 'sq backtest' if you trust it, and verify again"
            raise WrongUse(f"{what}; {advice}")
        timer = [TIMER] if hasattr(module, "on_timer") else []
        self.WAKES = (*(WAKE_OF_TOPIC[topic] for topic in module.INPUTS), *timer)
        if hasattr(module, "on_end"):
            self.on_end = module.on_end

    def __call__(self, instruments: Sequence[Instrument], settings: Any) -> CompiledInstance:
        """The strategy over its instruments."""
        return CompiledInstance(self._module, instruments, settings, self.is_on_order_side)


def _is_given(topic: str) -> bool:
    """True for a topic whose records are rows of a fixed width."""
    if topic not in WAKE_OF_TOPIC:
        return False
    fields = codec(topic_of(topic).record)
    return fields.dtype is not None and not fields.has_levels


class IsolatedDriver(KernelDriver):
    """Its ids are those of the call's context, and its lines are the host's to write."""

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self._ids = IdSource()

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

    def __init__(
        self,
        module: Any,
        instruments: Sequence[Instrument],
        settings: Any,
        is_on_order_side: bool,
    ) -> None:
        self._driver = driver = IsolatedDriver(module, instruments, settings, None)
        self._name = str(module.NAME)
        if driver.timer < 0:
            driver.state.timer[0] = NO_TIMER
        self.state = Deadline(driver)
        for topic in module.INPUTS:
            name = WAKE_TOPICS[WAKE_OF_TOPIC[topic]][1]
            _compile(getattr(module, name), driver, _row(topic))
            setattr(self, name, self._deliver)
        if hasattr(module, "on_timer"):
            _compile(module.on_timer, driver, 0)
            self.on_timer = self._fire
        if hasattr(module, "on_end"):
            _compile(module.on_end, driver)
            self.on_end = self._end
        self._end_driver = driver.end_once if is_on_order_side else driver.end

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
    handler.compile(tuple(map(_TYPE_OF, (driver.state, *given, driver.out))))
