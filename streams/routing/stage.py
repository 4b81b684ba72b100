"""The routing stage as the topology names it: a thin shell around the compiled handlers.

It converts a record to its row, calls the handler in ``handlers.py``, and emits the rows that the
handler wrote. No rule stands here.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np

from schemas.records import ControlCommand, ExecutionReport, Instrument, RiskDecision
from schemas.vocabulary import ControlKind
from streams.numeric.conversion import bytes_of, reader, writer
from streams.numeric.identity import text_of_halves, to_halves
from streams.numeric.stage_calls import StageCalls, outputs_at
from streams.numeric.stage_records import place_in
from streams.numeric.stage_shell import StageShell
from streams.routing import records as r
from streams.routing.handlers import ON_DECISION, ON_KILL, ON_REPORT, find_known, handle
from streams.routing.state import GROWS, State

__all__ = ["Order", "Routing", "Settings"]

KILL = int(ControlKind.KILL)


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How long closed orders are remembered."""

    closed_orders: int = 4096
    """closed orders kept for late fills and repeated ids; the oldest is forgotten first"""

    def __post_init__(self) -> None:
        if not 1 <= self.closed_orders <= 1_000_000:
            raise ValueError(f"closed_orders is {self.closed_orders}; give between 1 and 1000000")


class Order(msgspec.Struct, frozen=True):
    """One order as others read it (``records.ORDER``)."""

    order_id: str
    account: int
    strategy: int
    instrument: int
    side: int
    order_type: int
    time_in_force: int
    quantity: int
    price: int
    status: int
    filled_quantity: int
    accepted: bool
    cancel_reason: int
    trade_ids: dict[int, int]
    """quantity of each of its fills by venue trade id"""


TERMS = (
    "account", "strategy", "instrument", "side", "order_type", "time_in_force", "quantity", "price",
    "status", "filled_quantity", "cancel_reason",
)  # fmt: skip
"""Fields of an order that are integers."""
_WRITE_DECISION = writer(
    "RiskDecision",
    (
        "order_id", "account", "strategy", "instrument", "kind", "outcome", "code", "side",
        "order_type", "time_in_force", "post_only", "quantity", "price",
    ),
)  # fmt: skip
_WRITE_REPORT = writer("ExecutionReport")
_READ_COMMAND, _READ_EVENT, _READ_FILL = (
    reader(name, "order_id") for name in ("VenueCommand", "OrderEvent", "Fill")
)
_COMMANDS_USED, _EVENTS_USED, _FILLS_USED = (
    place_in(r.OUTPUTS, name) // 8 for name in ("commands_used", "events_used", "fills_used")
)
"""Words of the outputs' record."""


class Routing(StageShell[State]):
    """Order state machine with guards; the venue's word is final."""

    NAME = "routing"
    ENTRY = handle
    INPUTS = ("orders.decisions", "venue.reports", "control")
    OUTPUTS = ("orders.events", "venue.commands", "fills")
    STATE_VERSION = 2

    def __init__(
        self,
        instruments: Sequence[Instrument],
        settings: Settings,
        lengths: dict[str, int] | None = None,
    ) -> None:
        self.settings = settings
        super().__init__(State(settings.closed_orders, lengths))
        self._decision, self._report = np.zeros(1, r.DECISION), np.zeros(1, r.REPORT)
        self._kill = np.zeros(1, r.KILL)
        self._to_decision, self._to_report = bytes_of(self._decision), bytes_of(self._report)
        self._decision_address = self._decision.ctypes.data
        self._report_address = self._report.ctypes.data
        self._out_words = self.state.outputs.data.cast("B").cast("q")
        self._see_outputs()

    # -- handlers

    def on_risk_decision(self, record: RiskDecision, context: Any) -> None:
        """Send what was approved; record what was denied."""
        _WRITE_DECISION(record, self._to_decision)
        self._handle(ON_DECISION, self._decision_address, context.clock)
        words, order_id = self._out_words, record.order_id
        if words[_COMMANDS_USED]:
            words[_COMMANDS_USED] = 0
            context.emit(_READ_COMMAND(self._commands, 0, order_id))
        words[_EVENTS_USED] = 0
        context.emit(_READ_EVENT(self._events, 0, order_id))

    def on_execution_report(self, record: ExecutionReport, context: Any) -> None:
        """Apply the venue's word to the order it names, or refuse it and say why."""
        _WRITE_REPORT(record, self._to_report)
        self._handle(ON_REPORT, self._report_address, context.clock)
        words, order_id = self._out_words, record.order_id
        if words[_FILLS_USED]:
            words[_FILLS_USED] = 0
            context.emit(_READ_FILL(self._fills, 0, order_id))
        words[_EVENTS_USED] = 0
        context.emit(_READ_EVENT(self._events, 0, order_id))

    def on_control_command(self, record: ControlCommand, context: Any) -> None:
        """A kill switch cancels every working order in its scope, oldest first; risk denies the new
        ones.
        """
        if record.kind != KILL:
            return
        self._kill[0] = (record.scope, record.account, record.strategy, record.instrument)
        self._handle(ON_KILL, self._kill.ctypes.data, context.clock)
        commands, events = self.take_rows("commands"), self.take_rows("events")
        for place, event in enumerate(events):
            order_id = text_of_halves(int(event["order_id_high"]), int(event["order_id_low"]))
            context.emit(_READ_COMMAND(commands, place * r.COMMAND.itemsize, order_id))
            context.emit(_READ_EVENT(events, place * r.EVENT.itemsize, order_id))

    # -- what others read

    def order(self, order_id: str) -> Order | None:
        """An order, live or among the closed ones still known."""
        found = find_known(self._header_address, *to_halves(order_id))
        return self._order_at(found) if found >= 0 else None

    def live_orders(self) -> list[Order]:
        """Orders that work, oldest first."""
        return [self._order_at(int(place)) for place in self.state.places("live")]

    def closed_orders(self) -> list[Order]:
        """Closed orders that are still known, in the order they closed."""
        return [self._order_at(int(place)) for place in self.state.places("closed")]

    def _order_at(self, place: int) -> Order:
        row = self.state.tables["orders"].rows[place]
        trades = self.state.tables["trades"].rows
        terms = {name: int(row[name]) for name in TERMS}
        fills = trades[
            self.state.places_of("trades", row["trades"]["first"], row["trades"]["count"])
        ]
        trade_ids = {int(each["venue_trade_id"]): int(each["quantity"]) for each in fills}
        order_id = text_of_halves(int(row["order_id_high"]), int(row["order_id_low"]))
        is_accepted = bool(row["accepted"])
        return Order(order_id=order_id, accepted=is_accepted, trade_ids=trade_ids, **terms)

    # -- the shell itself

    def take_rows(self, name: str) -> Any:
        """Rows of one of the outputs that were written and not emitted, now taken."""
        count = int(self.state.out[f"{name}_used"])
        self.state.out[f"{name}_used"] = 0
        return self.state.tables[name].rows[:count]

    def settle(self, code: int, kind: int, context: Any) -> None:
        """Let the table that is full grow; there are no other faults."""
        self.grow(GROWS[code], self.state.take_fault()["value"])

    def calls(self) -> StageCalls:
        """How the scheduler calls the handlers."""
        header, out = self._header_address, self._out_address
        names = {"venue.commands": "commands", "fills": "fills", "orders.events": "events"}
        return StageCalls(
            handle,
            header,
            out,
            {"orders.decisions": ON_DECISION, "venue.reports": ON_REPORT},
            outputs_at(r.OUTPUTS, out, names),
        )

    def grow(self, name: str, length: int) -> None:
        """Let a table grow to twice its length, or to a larger one."""
        self.state.grow(name, length)
        self._see_outputs()

    def _see_outputs(self) -> None:
        """The bytes of the outputs' rows, which are others where a table has grown."""
        tables = self.state.tables
        self._commands, self._events, self._fills = (
            bytes_of(tables[name].rows) for name in ("commands", "events", "fills")
        )
