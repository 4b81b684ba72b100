"""In the child: a compiled strategy, called as one in plain Python is.

Its machine code is made in the child, of the files that the child read, and stays there. Its state
goes over the pipe as the bytes that a snapshot of a compiled stage has (``runtime/states.py``). A
timer, an end of the input and a view of the book are the loop's in which it is compiled otherwise:
a strategy that has one of them is not isolated.
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
from streams.numeric.outputs import outputs_type
from streams.signals import ema_cross
from streams.signals.kit_kernel import KernelDriver
from streams.signals.strategy import NO_TIMER, WAKE_OF_TOPIC, WAKE_TOPICS

SIGNALS = "signals"
DEPTH = "md.depth"
_TYPE_OF: Any = numba.typeof


def is_compiled(content: bytes) -> bool:
    """True for the file of a compiled strategy: it has a function ``new_state``."""
    body = ast.parse(content).body
    return any(isinstance(node, ast.FunctionDef) and node.name == "new_state" for node in body)


def compile_in_memory() -> None:
    """Prepare this process to compile without files. What the codecs and the compiler load at a
    first use is loaded; nothing is read or kept from now on.
    """
    topics = [topic for topic, _ in WAKE_TOPICS.values() if topic.startswith("md.")]
    for topic in [*topics, SIGNALS]:
        fields = codec(topic_of(topic).record)
        rows = fields.decode_rows(np.zeros(0, np.uint8), 0)
        if topic == SIGNALS:
            fields.rows_to_records(rows, 0, 0)
    kernel.keep_nothing()
    on_quote = kernel.kernel(ema_cross.on_quote.py_func)
    _compile(on_quote, ema_cross.new_state([], ema_cross.Settings()), "md.quotes", (SIGNALS,))


class CompiledStrategy:
    """What the server takes for a ``Strategy`` class, made of a module.

    Raises:
        WrongUse: the strategy has what cannot be given here.
    """

    READS: tuple[str, ...] = ()
    LOGS = False
    STRATEGY = 1

    def __init__(self, module: Any) -> None:
        self._module = module
        self.NAME = str(module.NAME).replace("-", "_")
        self.Settings = module.Settings
        own = [name for name in ("on_timer", "on_end", "VIEWS") if hasattr(module, name)]
        own += [name for name in ("READS", "LOGS") if getattr(module, name, ())]
        own += [DEPTH] if DEPTH in module.INPUTS else []
        own += [topic for topic in module.OUTPUTS if topic != SIGNALS]
        own += [topic for topic in module.INPUTS if not _is_given(topic)]
        if own:
            what = f"it is compiled and has {', '.join(own)}, which only the loop of a run gives it"
            raise WrongUse(f"{what}; read it, run it with 'sq backtest' if you trust it, and verify again")
        self.WAKES = tuple(WAKE_OF_TOPIC[topic] for topic in module.INPUTS)

    def __call__(self, instruments: Sequence[Instrument], settings: Any) -> CompiledInstance:
        """The strategy over its instruments."""
        return CompiledInstance(self._module, instruments, settings)


def _is_given(topic: str) -> bool:
    """True for a topic whose records are handed to the child; those of the order side are handed to
    a compiled stage by the scheduler alone.
    """
    return topic in WAKE_OF_TOPIC and topic_of(topic).kind != "order"


class CompiledInstance:
    """A compiled strategy with its state, and a handler for each record it reads."""

    def __init__(self, module: Any, instruments: Sequence[Instrument], settings: Any) -> None:
        self._driver = KernelDriver(module, instruments, settings, None)
        self.state = _NoTimer()
        for topic in module.INPUTS:
            name = WAKE_TOPICS[WAKE_OF_TOPIC[topic]][1]
            _compile(getattr(module, name), self._driver.state, topic, module.OUTPUTS)
            setattr(self, name, self._deliver)

    def _deliver(self, record: Any, context: Any) -> None:
        self._driver.context = context
        self._driver.deliver(record)
        code, instrument, value, limit = (int(each) for each in self._driver.state.fault)
        if code:
            raise OverflowError(f"fault {code} (instrument {instrument}, {value}, limit {limit})")

    def encoded_state(self) -> bytes:
        """The arrays of the state, one after the other."""
        return b"".join(np.ascontiguousarray(array).tobytes() for array in self._driver.state)

    def take_state(self, content: bytes) -> None:
        """Take up a state. Raises ValueError if it is none."""
        sizes = [array.nbytes for array in self._driver.state]
        if len(content) != sum(sizes):
            raise ValueError(f"a state of {len(content)} bytes, not {sum(sizes)}")
        position = 0
        for array, size in zip(self._driver.state, sizes, strict=True):
            part = np.frombuffer(content, array.dtype, array.size, position)
            array[...] = part.reshape(array.shape)
            position += size


class _NoTimer:
    """What the server reads of a state."""

    timer = NO_TIMER


def _compile(handler: Any, state: Any, topic: str, outputs: Sequence[str]) -> None:
    """Compile a handler before its first call, which is bounded in time."""
    row = np.zeros(1, codec(topic_of(topic).record).dtype)[0]
    tables = [
        (np.zeros(1, codec(topic_of(name).record).dtype), np.zeros(1, np.int64))
        for name in outputs
    ]
    out = outputs_type(tuple(outputs))(*tables)
    handler.compile(tuple(map(_TYPE_OF, (state, row, out))))
