"""The routing stage: decisions become venue commands, reports become order events and fills."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from schemas.records import ControlCommand, ExecutionReport, Fill, Instrument, OrderEvent, RiskDecision, VenueCommand
from schemas.vocabulary import ControlKind, ControlScope, DecisionOutcome, OrderReason, OrderStatus, OrderType, ReportKind, RequestKind, RiskCode
from streams.routing.guards import refuse_fill, status_after_fill
from streams.routing.machine import ALLOWED, CLOSED, STATES
from streams.routing.orders import Order, close, find, new_state

LIMIT_ORDER = int(OrderType.LIMIT)
NEW_ORDER = int(RequestKind.NEW)
CANCEL_ORDER = int(RequestKind.CANCEL)
APPROVED = int(DecisionOutcome.APPROVED)
KILLED_BY_RISK = int(RiskCode.KILL_SWITCH)
LIQUIDATED_BY_RISK = int(RiskCode.LIQUIDATION)

NO_STATUS = int(OrderStatus.UNKNOWN)
SUBMITTED = int(OrderStatus.SUBMITTED)
ACCEPTED = int(OrderStatus.ACCEPTED)
PARTIALLY_FILLED = int(OrderStatus.PARTIALLY_FILLED)
PENDING_CANCEL = int(OrderStatus.PENDING_CANCEL)
CANCELLED = int(OrderStatus.CANCELLED)
REJECTED = int(OrderStatus.REJECTED)
EXPIRED = int(OrderStatus.EXPIRED)
DENIED = int(OrderStatus.DENIED)

NO_REASON = int(OrderReason.NONE)
UNKNOWN_REASON = int(OrderReason.UNKNOWN)
RISK_DENIED = int(OrderReason.RISK_DENIED)
USER_CANCEL = int(OrderReason.USER_CANCEL)
KILL_SWITCH = int(OrderReason.KILL_SWITCH)
LIQUIDATION = int(OrderReason.LIQUIDATION)
UNKNOWN_ORDER = int(OrderReason.UNKNOWN_ORDER)
ORDER_CLOSED = int(OrderReason.ORDER_CLOSED)
DUPLICATE_ORDER = int(OrderReason.DUPLICATE_ORDER)
WRONG_INSTRUMENT = int(OrderReason.WRONG_INSTRUMENT)
REFUSED_TRANSITION = int(OrderReason.REFUSED_TRANSITION)
LATE_FILL = int(OrderReason.LATE_FILL)
CANCEL_REJECTED = int(OrderReason.CANCEL_REJECTED)

REPORT_ACCEPTED = int(ReportKind.ACCEPTED)
REPORT_FILL = int(ReportKind.FILL)
REPORT_CANCEL_REJECTED = int(ReportKind.CANCEL_REJECTED)
STATUS_OF_REPORT = {int(ReportKind.REJECTED): REJECTED, int(ReportKind.CANCELLED): CANCELLED, int(ReportKind.EXPIRED): EXPIRED}

KILL = int(ControlKind.KILL)
SCOPE_ACCOUNT = int(ControlScope.ACCOUNT)
SCOPE_STRATEGY = int(ControlScope.STRATEGY)
SCOPE_INSTRUMENT = int(ControlScope.INSTRUMENT)


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How long closed orders are remembered."""

    closed_orders: int = 4096
    """closed orders kept for late fills and repeated ids; the oldest is forgotten first"""

    def __post_init__(self) -> None:
        if not 1 <= self.closed_orders <= 1_000_000:
            raise ValueError(f"closed_orders is {self.closed_orders}; give between 1 and 1000000")


class Routing:
    """Order state machine with guards; the venue's word is final."""

    NAME = "routing"
    INPUTS = ("orders.decisions", "venue.reports", "control")
    OUTPUTS = ("orders.events", "venue.commands", "fills")
    STATE_VERSION = 1

    def __init__(self, instruments: Sequence[Instrument], settings: Settings) -> None:
        self.settings = settings
        self.state = new_state()

    # -- from risk

    def on_risk_decision(self, record: RiskDecision, context: Any) -> None:
        """Send what was approved; record what was denied."""
        if record.kind == CANCEL_ORDER:
            self._cancel(record, context)
            return
        order_id = record.order_id
        clock = context.clock
        state = self.state
        known = state.live.get(order_id) or state.closed.get(order_id)
        if known is not None:
            context.emit(refusal(known, DUPLICATE_ORDER, clock))
            return
        if record.outcome != APPROVED or record.kind != NEW_ORDER:
            self._deny(record, context)
            return
        instrument = record.instrument
        side = record.side
        quantity = record.quantity
        price = record.price
        order_type = record.order_type
        limit = price if order_type == LIMIT_ORDER else 0  # of a market order the price is its protection, which is the venue's to keep
        time_in_force = record.time_in_force
        account = record.account
        strategy = record.strategy
        state.live[order_id] = Order(order_id, account, strategy, instrument, side, order_type, time_in_force, quantity, limit, SUBMITTED)
        context.emit(
            VenueCommand(order_id, instrument, clock, NEW_ORDER, side, order_type, time_in_force, record.post_only, quantity, price),
        )
        context.emit(
            OrderEvent(order_id, account, strategy, instrument, clock, SUBMITTED, NO_REASON, side, quantity, limit, 0, False),
        )

    # -- from the venue

    def on_execution_report(self, record: ExecutionReport, context: Any) -> None:
        """Apply the venue's word to the order it names, or refuse it and say why."""
        state = self.state
        order = state.live.get(record.order_id)
        if order is None:
            order = state.closed.get(record.order_id)
            if order is None:
                context.emit(refusal_of_unknown(record, context.clock))
                return
        kind = record.kind
        if kind == REPORT_FILL:
            self._fill(order, record, context)
        elif record.instrument != order.instrument:
            context.emit(refusal(order, WRONG_INSTRUMENT, context.clock))
        elif kind == REPORT_ACCEPTED:
            self._accept(order, context)
        elif kind == REPORT_CANCEL_REJECTED:
            self._keep(order, context)
        elif kind in STATUS_OF_REPORT:
            self._finish(order, STATUS_OF_REPORT[kind], record.reason, context)
        else:
            context.emit(refused_step(order, context.clock))

    def _fill(self, order: Order, report: ExecutionReport, context: Any) -> None:
        """Book a fill. The Fill goes out before the event, so that whoever adds position and working quantity never counts short."""
        clock = context.clock
        quantity = report.quantity
        status = status_after_fill(order, quantity)
        reason = refuse_fill(order, report, status)
        if reason != NO_REASON:
            context.emit(refusal(order, reason, clock))
            return
        order_id = order.order_id
        account = order.account
        strategy = order.strategy
        instrument = order.instrument
        side = order.side
        late = CLOSED[order.status]
        filled = order.filled_quantity + quantity
        order.status = status
        order.filled_quantity = filled
        order.trade_ids[report.venue_trade_id] = quantity
        context.emit(
            Fill(
                order_id, account, strategy, instrument, report.venue_time, side, report.price, quantity, report.liquidity, report.fee,
                report.venue_trade_id,
            ),
        )  # fmt: skip
        reason = LATE_FILL if late else NO_REASON
        context.emit(
            OrderEvent(order_id, account, strategy, instrument, clock, status, reason, side, order.quantity, order.price, filled, False),
        )
        if CLOSED[status] and not late:
            close(self.state, order, self.settings.closed_orders)

    def _accept(self, order: Order, context: Any) -> None:
        """The venue has the order; a cancel under way stays under way."""
        status = order.status
        later = PENDING_CANCEL if status == PENDING_CANCEL and not order.accepted else ACCEPTED
        if order.accepted or not ALLOWED[status * STATES + later]:
            context.emit(refused_step(order, context.clock))
            return
        order.accepted = True
        order.status = later
        context.emit(event(order, NO_REASON, context.clock))

    def _keep(self, order: Order, context: Any) -> None:
        """The venue refused the cancel: the order works on in the state it had, or had closed before."""
        if order.status != PENDING_CANCEL:
            context.emit(refused_step(order, context.clock))
            return
        order.status = PARTIALLY_FILLED if order.filled_quantity else (ACCEPTED if order.accepted else SUBMITTED)
        order.cancel_reason = 0
        context.emit(event(order, CANCEL_REJECTED, context.clock))

    def _finish(self, order: Order, status: int, reason: int, context: Any) -> None:
        """Rejected, cancelled or expired by the venue; a closed order stays as it was."""
        if CLOSED[order.status] or not ALLOWED[order.status * STATES + status] or (status == REJECTED and order.filled_quantity):
            context.emit(refused_step(order, context.clock))
            return
        if reason in (NO_REASON, UNKNOWN_REASON, USER_CANCEL) and order.cancel_reason:
            reason = order.cancel_reason
        order.status = status
        context.emit(event(order, reason, context.clock))
        close(self.state, order, self.settings.closed_orders)

    # -- cancels and denials

    def on_control_command(self, record: ControlCommand, context: Any) -> None:
        """A kill switch cancels every working order in its scope, oldest first; risk denies the new ones."""
        if record.kind != KILL:
            return
        for order in list(self.state.live.values()):
            if not order.cancel_reason and in_scope(order, record):
                self._ask_to_cancel(order, KILL_SWITCH, context)

    def _cancel(self, decision: RiskDecision, context: Any) -> None:
        """A requested cancel: passed to the venue, unless the order is unknown, closed, or being cancelled already."""
        order = find(self.state, decision.order_id)
        if order is None:
            context.emit(refusal_of_decision(decision, UNKNOWN_ORDER, context.clock))
        elif decision.outcome != APPROVED and not CLOSED[order.status]:
            context.emit(refusal(order, RISK_DENIED, context.clock))
        elif order.cancel_reason or not ALLOWED[order.status * STATES + PENDING_CANCEL]:
            context.emit(refused_step(order, context.clock))
        else:
            self._ask_to_cancel(order, LIQUIDATION if decision.code == LIQUIDATED_BY_RISK else USER_CANCEL, context)

    def _ask_to_cancel(self, order: Order, reason: int, context: Any) -> None:
        order.status = PENDING_CANCEL
        order.cancel_reason = reason
        clock = context.clock
        leaves = order.quantity - order.filled_quantity
        context.emit(
            VenueCommand(
                order.order_id, order.instrument, clock, CANCEL_ORDER, order.side, order.order_type, order.time_in_force, False, leaves, order.price
            ),
        )
        context.emit(event(order, reason, clock))

    def _deny(self, decision: RiskDecision, context: Any) -> None:
        """Risk said no: the order is closed before it lived, and its id is spent."""
        order = Order(
            decision.order_id,
            decision.account,
            decision.strategy,
            decision.instrument,
            decision.side,
            decision.order_type,
            decision.time_in_force,
            decision.quantity,
            decision.price,
            DENIED,
        )
        close(self.state, order, self.settings.closed_orders)
        reason = KILL_SWITCH if decision.code == KILLED_BY_RISK else RISK_DENIED
        context.emit(event(order, reason, context.clock))


def in_scope(order: Order, command: ControlCommand) -> bool:
    """True if the kill switch covers the order. A scope that cannot be read covers everything: a kill switch fails closed."""
    scope = command.scope
    if scope == SCOPE_ACCOUNT:
        return order.account == command.account
    if scope == SCOPE_STRATEGY:
        return order.strategy == command.strategy
    if scope == SCOPE_INSTRUMENT:
        return order.instrument == command.instrument
    return True


def event(order: Order, reason: int, clock: int, refused: bool = False) -> OrderEvent:
    """The order as it stands now, and why."""
    return OrderEvent(
        order.order_id,
        order.account,
        order.strategy,
        order.instrument,
        clock,
        order.status,
        reason,
        order.side,
        order.quantity,
        order.price,
        order.filled_quantity,
        refused,
    )


def refusal(order: Order, reason: int, clock: int) -> OrderEvent:
    """An event that was refused: the state shown is the one it left unchanged."""
    return event(order, reason, clock, True)


def refused_step(order: Order, clock: int) -> OrderEvent:
    """A step the machine does not take from the order's present state."""
    return refusal(order, ORDER_CLOSED if CLOSED[order.status] else REFUSED_TRANSITION, clock)


def refusal_of_unknown(report: ExecutionReport, clock: int) -> OrderEvent:
    """A report about an order this stage does not know, or knows no more; account and strategy 0: nobody's."""
    quantity = report.cumulative_quantity + report.leaves_quantity
    return OrderEvent(
        report.order_id,
        0,
        0,
        report.instrument,
        clock,
        NO_STATUS,
        UNKNOWN_ORDER,
        report.side,
        quantity,
        report.price,
        0,
        True,
    )


def refusal_of_decision(decision: RiskDecision, reason: int, clock: int) -> OrderEvent:
    """A cancel of an order this stage does not know, or knows no more."""
    return OrderEvent(
        decision.order_id,
        decision.account,
        decision.strategy,
        decision.instrument,
        clock,
        NO_STATUS,
        reason,
        decision.side,
        decision.quantity,
        decision.price,
        0,
        True,
    )
