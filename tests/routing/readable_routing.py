"""Routing in plain Python, as it was before its state became records: the oracle of the compiled
stage.

Nothing of the compiled stage is imported but the published table of transitions, which
``test_order_machine.py`` compares with one written a second time.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from schemas.records import (
    ControlCommand,
    ExecutionReport,
    Fill,
    OrderEvent,
    RiskDecision,
    VenueCommand,
)
from schemas.vocabulary import (
    ControlKind,
    ControlScope,
    DecisionOutcome,
    OrderReason,
    OrderStatus,
    OrderType,
    ReportKind,
    RequestKind,
    RiskCode,
)
from streams.routing.machine import TRANSITIONS

R, S = OrderReason, OrderStatus
ENDS = {
    ReportKind.REJECTED: S.REJECTED,
    ReportKind.CANCELLED: S.CANCELLED,
    ReportKind.EXPIRED: S.EXPIRED,
}
CLOSED = (S.FILLED, S.CANCELLED, S.REJECTED, S.EXPIRED, S.DENIED)
INT64_MAX = 2**63 - 1


@dataclass
class Order:
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
    filled: int = 0
    accepted: bool = False
    cancel_reason: int = 0
    trade_ids: dict[int, int] = field(default_factory=dict)


class ReadableRouting:
    """Order state machine with guards; the venue's word is final."""

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self.live: dict[str, Order] = {}
        self.closed: dict[str, Order] = {}

    def close(self, order: Order) -> None:
        self.live.pop(order.order_id, None)
        if len(self.closed) == self.capacity:
            del self.closed[next(iter(self.closed))]
        self.closed[order.order_id] = order

    def find(self, order_id: str) -> Order | None:
        return self.live.get(order_id) or self.closed.get(order_id)

    def on_risk_decision(self, record: RiskDecision, context: Any) -> None:
        if record.kind == RequestKind.CANCEL:
            self.cancel(record, context)
            return
        known = self.find(record.order_id)
        if known is not None:
            context.emit(event(known, R.DUPLICATE_ORDER, context, True))
            return
        order = Order(
            record.order_id,
            record.account,
            record.strategy,
            record.instrument,
            record.side,
            record.order_type,
            record.time_in_force,
            record.quantity,
            record.price,
            S.SUBMITTED,
        )
        if record.outcome != DecisionOutcome.APPROVED or record.kind != RequestKind.NEW:
            order.status = S.DENIED
            self.close(order)
            killed = record.code == RiskCode.KILL_SWITCH
            context.emit(event(order, R.KILL_SWITCH if killed else R.RISK_DENIED, context))
            return
        if record.order_type != OrderType.LIMIT:
            order.price = 0
        self.live[record.order_id] = order
        terms = (record.time_in_force, record.post_only, record.quantity, record.price)
        context.emit(
            VenueCommand(
                record.order_id,
                record.instrument,
                context.clock,
                RequestKind.NEW,
                record.side,
                record.order_type,
                *terms,
            )
        )
        context.emit(event(order, R.NONE, context))

    def on_execution_report(self, record: ExecutionReport, context: Any) -> None:
        order = self.find(record.order_id)
        if order is None:
            quantity = min(record.cumulative_quantity + record.leaves_quantity, INT64_MAX)
            context.emit(refusal_of_unknown(record, 0, 0, quantity, context))
        elif record.kind == ReportKind.FILL:
            self.fill(order, record, context)
        elif record.instrument != order.instrument:
            context.emit(event(order, R.WRONG_INSTRUMENT, context, True))
        elif record.kind == ReportKind.ACCEPTED:
            self.accept(order, context)
        elif record.kind == ReportKind.CANCEL_REJECTED:
            self.keep(order, context)
        elif record.kind in ENDS:
            self.finish(order, ENDS[ReportKind(record.kind)], record.reason, context)
        else:
            context.emit(refused_step(order, context))

    def fill(self, order: Order, report: ExecutionReport, context: Any) -> None:
        filled = order.filled + report.quantity
        status = S.FILLED if filled == order.quantity else S.PARTIALLY_FILLED
        if status != S.FILLED and (order.status == S.PENDING_CANCEL or order.status in CLOSED):
            status = S(order.status)
        if report.instrument != order.instrument:
            reason = R.WRONG_INSTRUMENT
        elif report.side != order.side:
            reason = R.WRONG_SIDE
        elif report.quantity <= 0 or report.price <= 0:
            reason = R.INVALID_FILL
        elif report.venue_trade_id in order.trade_ids:
            reason = R.DUPLICATE_FILL
        elif filled > order.quantity:
            reason = R.OVERFILL
        elif not may_step(order, status):
            reason = R.REFUSED_TRANSITION
        else:
            reason = R.NONE
        if reason != R.NONE:
            context.emit(event(order, reason, context, True))
            return
        late = order.status in CLOSED
        order.status, order.filled = status, filled
        order.trade_ids[report.venue_trade_id] = report.quantity
        context.emit(
            Fill(
                order.order_id,
                order.account,
                order.strategy,
                order.instrument,
                report.venue_time,
                order.side,
                report.price,
                report.quantity,
                report.liquidity,
                report.fee,
                report.venue_trade_id,
            )
        )
        context.emit(event(order, R.LATE_FILL if late else R.NONE, context))
        if status in CLOSED and not late:
            self.close(order)

    def accept(self, order: Order, context: Any) -> None:
        cancelling = order.status == S.PENDING_CANCEL and not order.accepted
        later = S.PENDING_CANCEL if cancelling else S.ACCEPTED
        if order.accepted or not may_step(order, later):
            context.emit(refused_step(order, context))
            return
        order.accepted, order.status = True, later
        context.emit(event(order, R.NONE, context))

    def keep(self, order: Order, context: Any) -> None:
        if order.status != S.PENDING_CANCEL:
            context.emit(refused_step(order, context))
            return
        working = S.ACCEPTED if order.accepted else S.SUBMITTED
        order.status = S.PARTIALLY_FILLED if order.filled else working
        order.cancel_reason = 0
        context.emit(event(order, R.CANCEL_REJECTED, context))

    def finish(self, order: Order, status: OrderStatus, reason: int, context: Any) -> None:
        traded = status == S.REJECTED and order.filled
        if order.status in CLOSED or not may_step(order, status) or traded:
            context.emit(refused_step(order, context))
            return
        if reason in (R.NONE, R.UNKNOWN, R.USER_CANCEL) and order.cancel_reason:
            reason = order.cancel_reason
        order.status = status
        context.emit(event(order, reason, context))
        self.close(order)

    def on_control_command(self, record: ControlCommand, context: Any) -> None:
        if record.kind != ControlKind.KILL:
            return
        for order in self.live.values():
            if not order.cancel_reason and in_scope(order, record):
                ask_to_cancel(order, R.KILL_SWITCH, context)

    def cancel(self, decision: RiskDecision, context: Any) -> None:
        order = self.find(decision.order_id)
        if order is None:
            quantity = decision.quantity
            context.emit(
                refusal_of_unknown(
                    decision, decision.account, decision.strategy, quantity, context
                )
            )
        elif decision.outcome != DecisionOutcome.APPROVED and order.status not in CLOSED:
            context.emit(event(order, R.RISK_DENIED, context, True))
        elif order.cancel_reason or not may_step(order, S.PENDING_CANCEL):
            context.emit(refused_step(order, context))
        else:
            liquidated = decision.code == RiskCode.LIQUIDATION
            ask_to_cancel(order, R.LIQUIDATION if liquidated else R.USER_CANCEL, context)


def may_step(order: Order, later: OrderStatus) -> bool:
    return later in TRANSITIONS.get(OrderStatus(order.status), ())


def in_scope(order: Order, command: ControlCommand) -> bool:
    if command.scope == ControlScope.ACCOUNT:
        return order.account == command.account
    if command.scope == ControlScope.STRATEGY:
        return order.strategy == command.strategy
    if command.scope == ControlScope.INSTRUMENT:
        return order.instrument == command.instrument
    return True


def ask_to_cancel(order: Order, reason: int, context: Any) -> None:
    order.status, order.cancel_reason = S.PENDING_CANCEL, reason
    context.emit(
        VenueCommand(
            order.order_id,
            order.instrument,
            context.clock,
            RequestKind.CANCEL,
            order.side,
            order.order_type,
            order.time_in_force,
            False,
            order.quantity - order.filled,
            order.price,
        )
    )
    context.emit(event(order, reason, context))


def event(order: Order, reason: int, context: Any, refused: bool = False) -> OrderEvent:
    return OrderEvent(
        order.order_id,
        order.account,
        order.strategy,
        order.instrument,
        context.clock,
        order.status,
        reason,
        order.side,
        order.quantity,
        order.price,
        order.filled,
        refused,
    )


def refused_step(order: Order, context: Any) -> OrderEvent:
    reason = R.ORDER_CLOSED if order.status in CLOSED else R.REFUSED_TRANSITION
    return event(order, reason, context, True)


def refusal_of_unknown(
    record: Any, account: int, strategy: int, quantity: int, context: Any
) -> OrderEvent:
    return OrderEvent(
        record.order_id,
        account,
        strategy,
        record.instrument,
        context.clock,
        S.UNKNOWN,
        R.UNKNOWN_ORDER,
        record.side,
        quantity,
        record.price,
        0,
        True,
    )
