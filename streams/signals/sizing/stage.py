"""The sizing stage as the topology names it: a thin shell around the compiled handlers.

It converts a record to its row, calls the handler in ``handlers.py``, and emits the rows that the
handler wrote. No rule stands here.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from schemas.records import Fill, Instrument, Mark, OrderEvent, Signal
from streams.numeric.conversion import reader, writer
from streams.numeric.id_source import IdSource
from streams.numeric.identity import text_of_halves
from streams.numeric.int128 import high, low
from streams.numeric.stage_calls import StageCalls, outputs_at
from streams.numeric.stage_records import place_in
from streams.numeric.stage_shell import StageShell
from streams.signals.sizing import records as r
from streams.signals.sizing.faults import error_of
from streams.signals.sizing.handlers import (
    ENDED,
    ON_FILL,
    ON_INSTRUMENT,
    ON_MARK,
    ON_ORDER_EVENT,
    ON_SIGNAL,
    ON_TIMER,
    handle,
)
from streams.signals.sizing.settings import Settings, configured_size, stake_of
from streams.signals.sizing.state import GROWS, State

_WRITE_SIGNAL = writer("Signal", ("instrument", "strategy", "direction", "strength", "size"))
_WRITE_FILL = writer("Fill", ("order_id", "strategy", "instrument", "side", "quantity"))
_WRITE_EVENT = writer("OrderEvent", ("order_id", "status", "refused"))
_WRITE_MARK = writer("Mark", ("instrument", "bid_price"))
_READ_REQUEST, _READ_DECISION = reader("OrderRequest"), reader("RiskDecision")
_READ_EVENT = reader("RiskEvent", "order_id")
AWAITED = r.SIZING.names.index("awaited")  # type: ignore[union-attr]
"""Words of the header."""
REQUESTS_USED, DECISIONS_USED, EVENTS_USED = (
    r.OUTPUTS.names.index(f"{name}_used")  # type: ignore[union-attr]
    for name in ("requests", "decisions", "events")
)
"""Words of the outputs' record."""
_POSITION = struct.Struct("=16x3q")


class TargetView(NamedTuple):
    """A strategy in an instrument; quantities signed."""

    position: int = 0
    working: int = 0
    target: int = 0


class Sizing(StageShell[State]):
    """Target positions by market orders."""

    NAME = "sizing"
    ENTRY = handle
    INPUTS = ("signals", "orders.events", "fills", "md.marks", "ref.instruments")
    OUTPUTS = ("orders.requests", "orders.decisions", "risk.events")
    STATE_VERSION = 3

    def __init__(
        self,
        instruments: Sequence[Instrument],
        settings: Settings,
        lengths: dict[str, int] | None = None,
    ) -> None:
        self.settings = settings
        super().__init__(State(settings, lengths))
        self._symbols: dict[int, str] = {}
        self._ids = IdSource()
        self._use_ids(self._ids.address)
        self._signal, self._fill, self._event, self._mark, self._specification = (
            np.zeros(1, kind) for kind in (r.SIGNAL, r.FILL, r.EVENT, r.MARK, r.INSTRUMENT)
        )
        self._signal_address, self._fill_address = self._signal.ctypes.data, self._fill.ctypes.data
        self._event_address, self._mark_address = self._event.ctypes.data, self._mark.ctypes.data
        self._words = self.state.header.data.cast("B").cast("q")
        self._out = self.state.outputs.data.cast("B").cast("q")
        for instrument in instruments:
            self._list(instrument)

    # -- handlers

    def on_signal(self, record: Signal, context: Any) -> None:
        """Note the view; trade towards it unless it is weak, early, or in the cooldown."""
        _WRITE_SIGNAL(record, self._signal)
        self._act(ON_SIGNAL, self._signal_address, context)

    def on_timer(self, deadline: int, context: Any) -> None:
        """A cooldown ended: trade the views that waited for it."""
        self._act(ON_TIMER, deadline, context)

    def on_fill(self, record: Fill, context: Any) -> None:
        """Working quantity becomes position."""
        _WRITE_FILL(record, self._fill)
        self._handle(ON_FILL, self._fill_address, 0)

    def on_order_event(self, record: OrderEvent, context: Any) -> None:
        """The end of one of our orders: what is left of it works no more."""
        if ENDED >> record.status & 1:  # two in three are no ends: no row is written of them
            _WRITE_EVENT(record, self._event)
            self._handle(ON_ORDER_EVENT, self._event_address, 0)

    def on_mark(self, record: Mark, context: Any) -> None:
        """The first mark starts the warm-up, and the first bid of an instrument fixes its default
        size.
        """
        if self._words[AWAITED]:
            _WRITE_MARK(record, self._mark)
            self._handle(ON_MARK, self._mark_address, context.clock)

    def on_instrument(self, record: Instrument, context: Any) -> None:
        """A new or changed specification."""
        self._list(record)

    # -- what others read

    def positions(self) -> tuple[tuple[int, int], ...]:
        """(strategy, instrument) of all strategy positions, in the order they came."""
        rows = self.state.used_rows("positions")
        return tuple(zip(rows["strategy"].tolist(), rows["instrument"].tolist(), strict=True))

    def position(self, strategy: int, instrument: int) -> TargetView:
        """Of one of :meth:`positions`; zeros of any other."""
        pairs = self.positions()
        if (strategy, instrument) not in pairs:
            return TargetView()
        at = pairs.index((strategy, instrument)) * r.STRATEGY_POSITION.itemsize
        return TargetView(*_POSITION.unpack_from(self.state.tables["positions"].rows.data, at))

    def working_orders(self) -> tuple[str, ...]:
        """Ids of the orders whose end has not been reported, oldest first."""
        rows = self.state.chained("working")
        pairs = zip(rows["order_id_high"].tolist(), rows["order_id_low"].tolist(), strict=True)
        return tuple(text_of_halves(*halves) for halves in pairs)

    # -- the shell itself

    def _act(self, kind: int, given: int, context: Any) -> None:
        """Call a handler that may make ids and write rows, and emit those."""
        ids = self._ids
        ids.take(context)
        self._handle(kind, given, context.clock)
        out = self._out
        if out[DECISIONS_USED] or out[REQUESTS_USED]:
            ids.give(context)
            self._emit(context.emit)

    def _emit(self, emit: Any) -> None:
        """In the order of emission: a decision, its event, requests."""
        out, tables = self._out, self.state.tables
        if out[DECISIONS_USED]:
            decision = _READ_DECISION(tables["decisions"].rows, 0)
            emit(decision)
            emit(_READ_EVENT(tables["events"].rows, 0, decision.order_id))
            out[DECISIONS_USED] = out[EVENTS_USED] = 0
        rows, count = tables["requests"].rows, out[REQUESTS_USED]
        out[REQUESTS_USED] = 0
        for place in range(count):
            emit(_READ_REQUEST(rows, place * r.REQUEST.itemsize))

    def settle(self, code: int, kind: int, context: Any) -> None:
        """Where a table is full let it grow; raise what any other fault stands for."""
        fault = self.state.take_fault()
        if code not in GROWS:
            raise error_of(int(code), self._symbols, **fault)
        self.state.grow(GROWS[code], fault["value"])

    def calls(self) -> StageCalls:
        """How the scheduler calls the handlers."""
        header, out = self._header_address, self._out_address
        return StageCalls(
            handle,
            header,
            out,
            {
                "signals": ON_SIGNAL,
                "fills": ON_FILL,
                "orders.events": ON_ORDER_EVENT,
                "md.marks": ON_MARK,
            },
            outputs_at(
                r.OUTPUTS,
                out,
                {
                    "orders.decisions": "decisions",
                    "risk.events": "events",
                    "orders.requests": "requests",
                },
            ),
            (header + place_in(r.SIZING, "timer"), ON_TIMER),
            use_ids=self._use_ids,
        )

    def _use_ids(self, address: int) -> None:
        self.state.out["ids"] = address

    def _list(self, instrument: Instrument) -> None:
        """Add or change an instrument."""
        self._symbols[instrument.instrument] = instrument.symbol
        stake = stake_of(self.settings, instrument)
        self._specification[0] = (
            instrument.instrument,
            instrument.lot_size,
            instrument.minimum_quantity,
            instrument.maximum_quantity,
            instrument.multiplier,
            instrument.shortable and self.settings.short,
            configured_size(self.settings, instrument),
            high(instrument.minimum_notional),
            low(instrument.minimum_notional),
            high(stake),
            low(stake),
        )
        self._handle(ON_INSTRUMENT, self._specification.ctypes.data, 0)
