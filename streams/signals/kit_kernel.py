"""Calls the functions of a kernel stage from Python, one record at a time: for tests and for
``kit.run``, not for speed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from schemas.catalogue import topic
from schemas.codec import codec
from schemas.errors import WrongUse
from schemas.records import DepthUpdate, Instrument
from schemas.shapes import snake
from streams.numeric import book
from streams.numeric.conversion import row_of
from streams.numeric.deadlines import NO_TIMER
from streams.numeric.log_lines import write_line
from streams.numeric.outputs import outputs_type
from streams.numeric.strategy_outputs import REQUESTS, TIMERS, TOO_MANY_ROWS, StrategyOutputs
from streams.numeric.timers import next_deadline, take_due


class KernelDriver:
    """One kernel stage with its state, outputs and (for a stage that views it) the order book.

    ``context`` has ``clock`` and ``emit(record)``; emitted rows become records at once.
    Aggregation, which owns the book, updates it itself; for every other stage that views it, depth
    updates are applied before they are delivered.
    """

    def __init__(
        self,
        stage: Any,
        instruments: Sequence[Instrument],
        settings: Any,
        context: Any,
        window: int = 1 << 12,
    ) -> None:
        self.stage = stage
        self.context, self.logged = context, 0
        self.symbols = {each.instrument: each.symbol for each in instruments}
        self.state = stage.new_state(instruments, settings)
        self.views = "book" in getattr(stage, "VIEWS", ()) or "md.depth" in stage.INPUTS
        self.owns_book = stage.NAME == "aggregation"
        self.books = self._new_books(instruments, window) if self.views else None
        self.names = [topic(name).record for name in stage.OUTPUTS]
        self.timers: tuple[str, ...] = tuple(getattr(stage, "TIMERS", ()))
        if self.timers:
            self.state.timer[0] = NO_TIMER
        self.asks = self._asks() if self._is_asked() else None
        self.out = self.asks.group() if self.asks is not None else self._plain_outputs()
        self.handlers = {
            topic(name).record: getattr(stage, f"on_{snake(topic(name).record)}")
            for name in stage.INPUTS
        }

    def _is_asked(self) -> bool:
        """True if its ``out`` is that of a strategy of the order side."""
        logs = getattr(self.stage, "LOGS", ())
        reads = getattr(self.stage, "READS", ())
        return bool(REQUESTS in self.stage.OUTPUTS or self.timers or logs or reads)

    def _new_books(self, instruments: Sequence[Instrument], window: int) -> Any:
        return book.new_books(instruments, window=window)

    def _asks(self) -> StrategyOutputs:
        stage, account = self.stage, getattr(self.context, "account", 1)
        number = getattr(stage, "STRATEGY", 1)
        logs = getattr(stage, "LOGS", ())
        outputs = StrategyOutputs(
            stage.OUTPUTS, stage.RESERVE, account, number, len(self.timers), logs
        )
        self._let_read(outputs)
        return outputs

    def _let_read(self, outputs: StrategyOutputs) -> None:
        """Let it read what its READS names. Raises WrongUse: nobody answers here."""
        if getattr(self.stage, "READS", ()):
            what = f"{self.stage.NAME} is compiled and has READS, which the stages of a run answer"
            raise WrongUse(f"{what}; test it by a backtest, or its twin in plain Python here")

    def _plain_outputs(self) -> Any:
        stage = self.stage
        rows = [
            np.zeros(stage.RESERVE[name], codec(topic(name).record).dtype) for name in stage.OUTPUTS
        ]
        return outputs_type(stage.OUTPUTS)(*((each, np.zeros(1, np.int64)) for each in rows))

    @property
    def timer(self) -> int:
        """The next deadline."""
        return int(self.state.timer[0])

    def deliver(self, record: Any) -> None:
        """One record, if the stage reads it."""
        name = type(record).__name__
        if isinstance(record, DepthUpdate):
            if self.views:
                self._deliver_depth(record)
        elif name in self.handlers:
            self._call(self.handlers[name], row_of(record)[0][0])

    def fire(self, deadline: int) -> None:
        """One timer, or each named one that is due, in one call."""
        if not self.timers:
            self._call(self.stage.on_timer, deadline)
            return
        assert self.asks is not None
        self._begin(self.asks)
        while (timer := take_due(self.out, deadline)) >= 0:
            self.stage.on_timer(self.state, timer, self.out)
        self._finish(self.asks)

    def end(self) -> None:
        """The end of the input, as often as the stage asks for it."""
        if not hasattr(self.stage, "on_end"):
            return
        self.end_once()
        while self.state.timer[0] <= self.context.clock:
            self._call(self.stage.on_end)

    def end_once(self) -> None:
        """The end of the input, once, as a strategy of the order side is told of it."""
        self._call(self.stage.on_end)

    def arrays(self) -> Any:
        """The state's, behind them those of named timers that are set: what a snapshot has."""
        timers = [self.asks.arrays[name] for name in TIMERS] if self.asks and self.timers else []
        return (*self.state, *timers)

    def _deliver_depth(self, record: DepthUpdate) -> None:
        rows, levels = row_of(record)
        if not self.owns_book:
            book.apply(self.books, book.slot_of(self.books, record.instrument), rows[0], levels)
        if "DepthUpdate" in self.handlers:
            self._call(self.handlers["DepthUpdate"], rows[0], levels)

    def _call(self, function: Any, *arguments: Any) -> None:
        before = (self.books,) if self.views else ()
        if self.asks is not None:
            self._begin(self.asks)
            function(self.state, *arguments, self.out)
            self._finish(self.asks)
            return
        self.state.clock[0] = self.context.clock
        function(self.state, *before, *arguments, self.out)
        for name, (rows, count) in zip(self.names, self.out, strict=True):
            if count[0]:
                for record in codec(name).rows_to_records(rows, 0, int(count[0])):
                    self.context.emit(record)
                count[0] = 0

    # -- of a strategy of the order side

    def _begin(self, asks: StrategyOutputs) -> None:
        """A call begins at the context's clock."""
        self.state.clock[0] = asks.orders["clock"] = self.context.clock
        self.take_ids(asks)

    def _finish(self, asks: StrategyOutputs) -> None:
        """Emit what the call published, or raise what is wrong with it."""
        for name in asks.topics:
            if name != REQUESTS and asks.counts[name][0] > self.stage.RESERVE[name]:
                asks.orders["fault"] = TOO_MANY_ROWS
        self._raise_bad_read(asks)
        asks.raise_overrun(self.stage.NAME)
        asks.raise_bad_timer(self.stage.NAME, self.timers)
        asks.raise_bad_line(self.stage.NAME)
        asks.orders["logged"] = asks.orders["modified"] = 0
        if self.timers:
            self.state.timer[0] = next_deadline(self.out)
        self.give_ids(asks)
        for record in asks.published():
            self.context.emit(record)
        for clock, sequence, text in asks.lines(self.symbols):
            self.log(asks, clock, sequence, text)

    def _raise_bad_read(self, asks: StrategyOutputs) -> None:
        """Raise what is wrong with what the call read, or changed of what it reads."""
        asks.raise_bad_read(self.stage.NAME, getattr(self.stage, "READS", ()), self.symbols)
        asks.raise_bad_change(self.stage.NAME)

    def take_ids(self, asks: StrategyOutputs) -> None:
        """Ids are built of the record's place."""
        asks.arrays["ids"]["sequence"] = self.context.sequence

    def give_ids(self, asks: StrategyOutputs) -> None:
        """The next call's ids are of another record."""

    def log(self, asks: StrategyOutputs, clock: int, sequence: int, text: str) -> None:
        """Emit a line that the strategy logged."""
        account, strategy = int(asks.orders["account"]), int(asks.orders["strategy"])
        write_line(self, self.context.emit, (account, strategy, clock, sequence), text)
