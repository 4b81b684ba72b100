"""The risk stage as the topology names it: a thin shell around the compiled handlers.

It decides every request, keeps exposure from fills and order events, obeys the operator. A record
becomes its row, the handler in ``handlers.py`` is called, and the rows that it wrote are emitted.
What comes rarely is Python that writes fields of the records: instruments, limits, switches.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from schemas.records import (
    ControlCommand,
    Fill,
    Instrument,
    Mark,
    OrderEvent,
    OrderRequest,
    RiskEvent,
)
from schemas.vocabulary import ControlKind, ControlScope, RiskCode, Severity
from streams.numeric.bounds import TIME_MAX
from streams.numeric.conversion import reader, writer
from streams.numeric.identity import text_of_halves, to_halves
from streams.numeric.int128 import is_decimal
from streams.numeric.stage_calls import StageCalls, outputs_at
from streams.numeric.stage_shell import StageShell
from streams.numeric.stage_state import BadState
from streams.risk import records as r
from streams.risk.codes import CODE_OF_LIMIT
from streams.risk.faults import error_of, too_large
from streams.risk.handlers import (
    ON_FILL,
    ON_INSTRUMENT,
    ON_MARK,
    ON_ORDER_EVENT,
    ON_REQUEST,
    handle,
)
from streams.risk.instruments import INSTRUMENT, SPECIFIED
from streams.risk.kill_switch import command_key
from streams.risk.limits import BadLimit, convert, in_force, put_in_force
from streams.risk.listing import specify
from streams.risk.records import NO_TIMER
from streams.risk.settings import Settings
from streams.risk.state import GROWS, Exposure, State, cash_amount

__all__ = ["BadState", "Exposure", "Risk", "Settings"]

UNKNOWN_CODE = int(RiskCode.UNKNOWN)
KILL_SWITCH = int(RiskCode.KILL_SWITCH)
INFO = int(Severity.INFO)
WARNING = int(Severity.WARNING)
CRITICAL = int(Severity.CRITICAL)
EMERGENCY = int(Severity.EMERGENCY)
KILL = int(ControlKind.KILL)
REARM = int(ControlKind.REARM)
LIMIT = int(ControlKind.LIMIT)
SCOPE_SYSTEM = int(ControlScope.SYSTEM)
SCOPE_ACCOUNT = int(ControlScope.ACCOUNT)
SCOPE_INSTRUMENT = int(ControlScope.INSTRUMENT)
NO_ORDER = "0" * 20

_WRITE_REQUEST = writer("OrderRequest")
_WRITE_FILL = writer(
    "Fill", ("order_id", "strategy", "instrument", "side", "price", "quantity", "fee")
)
_WRITE_EVENT = writer("OrderEvent", ("order_id", "status", "refused"))
_WRITE_MARK = writer(
    "Mark", ("instrument", "bid_price", "ask_price", "last_price", "book_time", "flags")
)
_READ_DECISION, _READ_EVENT = reader("RiskDecision", "order_id"), reader("RiskEvent", "order_id")
_READ_OWN_DECISION, _READ_OWN_EVENT = reader("RiskDecision"), reader("RiskEvent")
DECISIONS_USED, EVENTS_USED, SEQUENCE_USED = (
    r.OUTPUTS.fields[name][1] // 8  # type: ignore[index]
    for name in ("decisions_used", "events_used", "sequence_used")
)
"""Words of the outputs' record."""


class Risk(StageShell[State]):
    """Ordered coded checks, limits, kill switch."""

    NAME = "risk"
    ENTRY = handle
    INPUTS = ("orders.requests", "orders.events", "fills", "md.marks", "control", "ref.instruments")
    OUTPUTS = ("orders.decisions", "risk.events")
    STATE_VERSION = 3

    def __init__(
        self,
        instruments: Sequence[Instrument],
        settings: Settings,
        lengths: dict[str, int] | None = None,
    ) -> None:
        self.settings = settings
        super().__init__(State(lengths))
        self._symbols: dict[int, str] = {}
        self._request, self._event = np.zeros(1, r.ORDER_REQUEST), np.zeros(1, r.ORDER_EVENT)
        self._fill, self._mark = np.zeros(1, r.FILL), np.zeros(1, r.MARK)
        self._specification = np.zeros(1, INSTRUMENT)
        self._request_address, self._event_address = (
            self._request.ctypes.data,
            self._event.ctypes.data,
        )
        self._fill_address, self._mark_address = self._fill.ctypes.data, self._mark.ctypes.data
        self._out_words = self.state.outputs.data.cast("B").cast("q")
        self._set_up([each.price_precision + each.quantity_precision for each in instruments])
        for instrument in instruments:
            self._list(instrument)

    def _set_up(self, precisions: list[int]) -> None:
        """Settings and starting cash into the header."""
        settings, state, precision = self.settings, self.state, max(precisions, default=0)
        header = state.row
        header["account"], header["checks_cash"] = settings.account, settings.cash != ""
        header["trade_from"], header["warmup"] = (
            settings.trade_from,
            min(settings.warmup, TIME_MAX - 1),
        )
        header["closes"], header["recent_max"] = settings.trade_to, settings.recent_orders
        header["opens"] = NO_TIMER if settings.warmup else settings.trade_from
        header["amount_precision"] = precision
        cash = cash_amount(settings.cash, precision) if settings.cash != "" else 0
        if not is_decimal(cash):
            raise too_large(f"the cash of {cash} units of 10^-{precision}")
        state.set_amount("cash", cash)

    # -- requests

    def on_order_request(self, record: OrderRequest, context: Any) -> None:
        """Approve or deny."""
        _WRITE_REQUEST(record, self._request)
        self._handle(ON_REQUEST, self._request_address, context.clock, context)
        tables, used = self.state.tables, self._out_words
        context.emit(_READ_DECISION(tables["decisions"].rows, 0, record.order_id))
        if used[EVENTS_USED]:
            context.emit(_READ_EVENT(tables["events"].rows, 0, record.order_id))
        used[DECISIONS_USED] = used[EVENTS_USED] = used[SEQUENCE_USED] = 0

    # -- exposure

    def on_fill(self, record: Fill, context: Any) -> None:
        """Working quantity becomes position; cash moves for what settles in cash."""
        _WRITE_FILL(record, self._fill)
        self._handle(ON_FILL, self._fill_address, context.clock, context)

    def on_order_event(self, record: OrderEvent, context: Any) -> None:
        """The end of an order releases what is left of it."""
        _WRITE_EVENT(record, self._event)
        self._handle(ON_ORDER_EVENT, self._event_address, context.clock, context)

    def on_mark(self, record: Mark, context: Any) -> None:
        """The reference prices of an instrument from now on; the first starts the warm-up. A
        position may have become too large for its money.
        """
        _WRITE_MARK(record, self._mark)
        if self._handle(ON_MARK, self._mark_address, context.clock, context):
            self._emit_all(context)

    # -- the operator

    def on_control_command(self, record: ControlCommand, context: Any) -> None:
        """KILL, REARM and LIMIT; whatever cannot be obeyed changes nothing and is reported."""
        if record.kind == KILL:
            self._kill(record, context)
        elif record.kind == REARM:
            self._rearm(record, context)
        elif record.kind == LIMIT:
            self._change_limit(record, context)

    def _kill(self, command: ControlCommand, context: Any) -> None:
        killed = self.killed()
        key = command_key(command)
        if key not in killed:
            self.state.put_switches([*killed, key])
        self._report(command, KILL_SWITCH, EMERGENCY, 1, 0, context)

    def _rearm(self, command: ControlCommand, context: Any) -> None:
        killed = self.killed()
        key = command_key(command)
        if command.scope and key in killed:
            killed.remove(key)
            self.state.put_switches(killed)
            self._report(command, KILL_SWITCH, INFO, 0, 0, context)
        else:
            self._report(command, KILL_SWITCH, WARNING, 0, 0, context)

    def _change_limit(self, command: ControlCommand, context: Any) -> None:
        """Convert for every instrument in scope first, then put in force: all or none."""
        name = command.name
        code = CODE_OF_LIMIT.get(name, UNKNOWN_CODE)
        listed = self.state.used_rows("instruments")
        if command.scope == SCOPE_INSTRUMENT:
            chosen = [each for each in listed if each["instrument"] == command.instrument]
        elif command.scope == SCOPE_SYSTEM or (
            command.scope == SCOPE_ACCOUNT and command.account == self.settings.account
        ):
            chosen = list(listed)
        else:
            chosen = []
        try:
            values = [
                convert(
                    name, command.value, int(row["price_precision"]), int(row["quantity_precision"])
                )
                for row in chosen
            ]
        except BadLimit:
            values = []
        if not values:
            self._report(command, code, CRITICAL, 0, 0, context)
            return
        before = in_force(chosen[0], name)
        alone = command.scope == SCOPE_INSTRUMENT
        if not alone:
            self.state.limits[name] = command.value
        for row, value in zip(chosen, values, strict=True):
            put_in_force(row, name, value, alone)
        self._report(command, code, INFO, before, values[0], context)

    def _report(
        self,
        command: ControlCommand,
        code: int,
        severity: int,
        observed: int,
        limit: int,
        context: Any,
    ) -> None:
        context.emit(
            RiskEvent(
                context.clock,
                command.account,
                command.strategy,
                command.instrument,
                NO_ORDER,
                code,
                severity,
                observed,
                limit,
            ),
        )

    # -- reference data

    def on_instrument(self, record: Instrument, context: Any) -> None:
        """A new or changed specification: operator's limits, exposure, the last mark stay."""
        self._list(record)

    def _list(self, instrument: Instrument) -> None:
        self._symbols[instrument.instrument] = instrument.symbol
        state, row = self.state, self._specification[0]
        before = state.row_of(instrument.instrument)
        specify(row, instrument, self.settings, state.limits, before)
        self._handle(ON_INSTRUMENT, self._specification.ctypes.data, 0)
        listed = self.state.row_of(instrument.instrument)
        for name in SPECIFIED:
            listed[name] = row[name]

    # -- what others read, in Python integers

    @property
    def cash(self) -> int:
        """Cash in units of 10^-amount_precision; nothing unless the setting `cash` is given."""
        return self.state.amount("cash")

    @property
    def fees_bound(self) -> int:
        """Worst fees of working orders, in the same unit."""
        return self.state.amount("fees_bound")

    @property
    def halted(self) -> int:
        """RiskCode LIQUIDATION or ACCOUNT_HALTED where orders are denied with it, else 0."""
        return int(self.state.row["halted"])

    def exposure(self, instrument: int) -> Exposure:
        """Position and working orders of an instrument that is listed."""
        return self.state.exposure(instrument)

    def limit(self, instrument: int, name: str) -> int:
        """A limit in force for an instrument that is listed, in its unit; -1 for none."""
        return in_force(self.state.row_of(instrument), name)

    def killed(self) -> list[int]:
        """Keys of the kill switches that are on, in the order they were thrown."""
        return [int(key) for key in self.state.used_rows("switches")["key"]]

    def working_ids(self) -> list[str]:
        """Ids of the orders that work, oldest first."""
        return self._ids("open_orders")

    def recent_ids(self) -> list[str]:
        """Ids approved last, which may not come again, oldest first."""
        return self._ids("recent_ids")

    def _ids(self, chain: str) -> list[str]:
        rows = self.state.chained(chain)
        return [text_of_halves(int(row["order_id_high"]), int(row["order_id_low"])) for row in rows]

    # -- the shell itself

    def settle(self, code: int, kind: int, context: Any) -> None:
        """Let a table grow, give ids; raise what any other fault stands for."""
        fault = self.state.take_fault()
        if code == r.IDS_FEW:
            self._give_ids(fault["value"], context)
        elif code in GROWS:
            self.state.grow(GROWS[code], fault["value"] if code in SAYS_LENGTH else 0)
        else:
            raise error_of(code, self._symbols, **fault)

    def calls(self) -> StageCalls:
        """How the scheduler calls the handlers."""
        header, out = self._header_address, self._out_address
        sequence = outputs_at(r.OUTPUTS, out, {"": "sequence"})[0]
        return StageCalls(
            handle,
            header,
            out,
            {
                "orders.requests": ON_REQUEST,
                "orders.events": ON_ORDER_EVENT,
                "fills": ON_FILL,
                "md.marks": ON_MARK,
            },
            outputs_at(r.OUTPUTS, out, {"orders.decisions": "decisions", "risk.events": "events"}),
            sequence=(sequence.table, sequence.used),
        )

    def _give_ids(self, count: int, context: Any) -> None:
        """Ids for so many orders of risk's own."""
        if count > len(self.state.tables["new_ids"]):
            self.state.grow("new_ids", count)
        rows = self.state.tables["new_ids"].rows
        for place in range(int(self.state.out["new_ids_used"]), count):
            rows[place] = to_halves(context.order_id())
        self.state.out["new_ids_used"] = count

    def _emit_all(self, context: Any) -> None:
        """Emit what was written, in its order."""
        tables, used = self.state.tables, self._out_words
        decisions = events = 0
        for topic in tables["sequence"].rows["topic"][: used[SEQUENCE_USED]].tolist():
            if topic == r.DECISION_TOPIC:
                context.emit(
                    _READ_OWN_DECISION(
                        tables["decisions"].rows, decisions * r.RISK_DECISION.itemsize
                    )
                )
                decisions += 1
            else:
                context.emit(_READ_OWN_EVENT(tables["events"].rows, events * r.RISK_EVENT.itemsize))
                events += 1
        used[DECISIONS_USED] = used[EVENTS_USED] = used[SEQUENCE_USED] = 0


SAYS_LENGTH = (r.WORKING_FULL, r.DECISIONS_FULL, r.EVENTS_FULL, r.SEQUENCE_FULL)
"""Faults whose value is how long the table is to be."""
