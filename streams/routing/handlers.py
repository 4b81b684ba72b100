"""The handlers of routing: what each record does to its orders, and what goes out.

Every handler takes the state's header, what it handles, the clock and where its rows go. It checks
every capacity before its first store and leaves a fault where a table is full: nothing was changed
then. The scheduler, or the shell in ``stage.py``, lets the table grow and calls again. Order of
what goes out: see ``records.OUTPUTS``.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from schemas.vocabulary import (
    ControlScope,
    DecisionOutcome,
    OrderReason,
    OrderStatus,
    ReportKind,
    RiskCode,
)
from streams.numeric.borrowing import borrowing_kernel, inner_kernel
from streams.numeric.pool import append, find_row, has_room
from streams.numeric.stage_records import NO_ENTITY, NOTHING, set_fault
from streams.numeric.table import record_at, table_at
from streams.routing.guards import NONE, WRONG_INSTRUMENT, refuse_fill, status_after_fill
from streams.routing.machine import may_step, works_no_more
from streams.routing.orders import (
    LIMIT_ORDER,
    add_trade,
    can_enter,
    close_order,
    enter_order,
    find_order,
    forget_oldest,
)
from streams.routing.records import (
    COMMAND,
    COMMANDS_FULL,
    DECISION,
    EVENT,
    EVENTS_FULL,
    FILL,
    FILLS_FULL,
    KILL,
    ORDER,
    ORDERS_FULL,
    OUTPUTS,
    REPORT,
    ROUTING,
    TRADE,
    TRADES_FULL,
)
from streams.routing.writing import (
    CANCEL_ORDER,
    NEW_ORDER,
    NO,
    YES,
    quantity_of,
    refuse_step,
    refuse_unknown,
    write_cancel,
    write_event,
    write_fill,
    write_new,
)

APPROVED = np.int64(DecisionOutcome.APPROVED)
KILLED_BY_RISK = np.int64(RiskCode.KILL_SWITCH)
LIQUIDATED_BY_RISK = np.int64(RiskCode.LIQUIDATION)

SUBMITTED, ACCEPTED, PARTIALLY_FILLED, PENDING_CANCEL, CANCELLED, REJECTED, EXPIRED, DENIED = (
    np.int64(OrderStatus[name])
    for name in (
        "SUBMITTED", "ACCEPTED", "PARTIALLY_FILLED", "PENDING_CANCEL", "CANCELLED", "REJECTED",
        "EXPIRED", "DENIED",
    )
)  # fmt: skip
UNKNOWN_REASON = np.int64(OrderReason.UNKNOWN)
RISK_DENIED = np.int64(OrderReason.RISK_DENIED)
USER_CANCEL = np.int64(OrderReason.USER_CANCEL)
KILL_SWITCH = np.int64(OrderReason.KILL_SWITCH)
LIQUIDATION = np.int64(OrderReason.LIQUIDATION)
DUPLICATE_ORDER = np.int64(OrderReason.DUPLICATE_ORDER)
LATE_FILL = np.int64(OrderReason.LATE_FILL)
CANCEL_REJECTED = np.int64(OrderReason.CANCEL_REJECTED)

REPORT_ACCEPTED, REPORT_REJECTED, REPORT_FILL, REPORT_CANCELLED, REPORT_CANCEL_REJECTED = (
    np.int64(ReportKind[name])
    for name in ("ACCEPTED", "REJECTED", "FILL", "CANCELLED", "CANCEL_REJECTED")
)
REPORT_EXPIRED = np.int64(ReportKind.EXPIRED)
SCOPE_ACCOUNT = np.int64(ControlScope.ACCOUNT)
SCOPE_STRATEGY = np.int64(ControlScope.STRATEGY)
SCOPE_INSTRUMENT = np.int64(ControlScope.INSTRUMENT)

ON_DECISION, ON_REPORT, ON_KILL = range(3)
ONE = np.int64(1)


@inner_kernel
def has_space(routing: Any, commands: Any, events: Any, out: Any) -> Any:
    """Whether so many commands and events can be written; False with a fault left if not."""
    if out.commands_used + commands > len(table_at(out.commands, COMMAND)):
        set_fault(routing, COMMANDS_FULL, NO_ENTITY, out.commands_used + commands, NOTHING)
    elif out.events_used + events > len(table_at(out.events, EVENT)):
        set_fault(routing, EVENTS_FULL, NO_ENTITY, out.events_used + events, NOTHING)
    else:
        return True
    return False


# -- from risk


@inner_kernel
def on_risk_decision(routing: Any, decision: Any, clock: Any, out: Any) -> None:
    """Send what was approved, or its cancel; record what was denied."""
    if not has_space(routing, ONE, ONE, out):
        return
    orders = table_at(routing.orders.rows, ORDER)
    place = find_order(routing, decision)
    is_denied = decision.outcome != APPROVED or decision.kind != NEW_ORDER
    if decision.kind == CANCEL_ORDER:
        if place < 0:
            refuse_unknown(
                decision, decision.account, decision.strategy, decision.quantity, clock, out
            )
        else:
            _cancel(orders[place], decision, clock, out)
    elif place >= 0:
        write_event(orders[place], DUPLICATE_ORDER, clock, YES, out)
    elif not can_enter(routing, orders, is_denied):
        set_fault(routing, ORDERS_FULL, NO_ENTITY, NOTHING, len(orders))
    elif is_denied:
        _deny(routing, orders, decision, clock, out)
    else:
        limit = np.int64(decision.price) if decision.order_type == LIMIT_ORDER else NOTHING
        place = enter_order(routing, orders, decision, SUBMITTED, limit)
        append(routing.live, orders, place)
        write_new(decision, clock, out)
        write_event(orders[place], NONE, clock, NO, out)


@inner_kernel
def _cancel(order: Any, decision: Any, clock: Any, out: Any) -> None:
    """A requested cancel: passed to the venue, unless the order is closed or being cancelled."""
    if decision.outcome != APPROVED and not works_no_more(order.status):
        write_event(order, RISK_DENIED, clock, YES, out)
    elif order.cancel_reason != 0 or not may_step(order.status, PENDING_CANCEL):
        refuse_step(order, clock, out)
    else:
        is_liquidated = decision.code == LIQUIDATED_BY_RISK
        _ask_to_cancel(order, LIQUIDATION if is_liquidated else USER_CANCEL, clock, out)


@inner_kernel
def _ask_to_cancel(order: Any, reason: Any, clock: Any, out: Any) -> None:
    order.status = PENDING_CANCEL
    order.cancel_reason = reason
    write_cancel(order, clock, out)
    write_event(order, reason, clock, NO, out)


@inner_kernel
def _deny(routing: Any, orders: Any, decision: Any, clock: Any, out: Any) -> None:
    """Risk said no: the order is closed before it lived, and its id is spent."""
    forget_oldest(routing, orders)
    place = enter_order(routing, orders, decision, DENIED, decision.price)
    append(routing.closed, orders, place)
    reason = KILL_SWITCH if decision.code == KILLED_BY_RISK else RISK_DENIED
    write_event(orders[place], reason, clock, NO, out)


# -- from the venue


@inner_kernel
def can_take_report(routing: Any, report: Any, out: Any) -> Any:
    """Whether there is room for all that a report may lead to; False with a fault left if not."""
    if not has_space(routing, NOTHING, ONE, out):
        return False
    if report.kind == REPORT_FILL:
        trades = table_at(routing.trades.rows, TRADE)
        if not has_room(routing.trades, trades):
            set_fault(routing, TRADES_FULL, NO_ENTITY, NOTHING, len(trades))
            return False
        if out.fills_used == len(table_at(out.fills, FILL)):
            set_fault(routing, FILLS_FULL, NO_ENTITY, NOTHING, out.fills_used)
            return False
    return True


@inner_kernel
def on_execution_report(routing: Any, report: Any, clock: Any, out: Any) -> None:
    """Apply the venue's word to the order it names, or refuse it and say why."""
    if not can_take_report(routing, report, out):
        return
    orders = table_at(routing.orders.rows, ORDER)
    place = find_order(routing, report)
    if place < 0:  # account and strategy 0: nobody's
        refuse_unknown(report, NOTHING, NOTHING, quantity_of(report), clock, out)
        return
    order = orders[place]
    kind = np.int64(report.kind)
    if kind == REPORT_FILL:
        reason = refuse_fill(routing, place, order, report)
        if reason != NONE:
            write_event(order, reason, clock, YES, out)
        else:
            write_fill(order, report, out)
            book_fill(routing, place, report, clock, out)
    elif report.instrument != order.instrument:
        write_event(order, WRONG_INSTRUMENT, clock, YES, out)
    elif kind == REPORT_ACCEPTED:
        _accept(order, clock, out)
    elif kind == REPORT_CANCEL_REJECTED:
        _keep(order, clock, out)
    elif kind == REPORT_REJECTED:
        _finish(routing, orders, place, REJECTED, np.int64(report.reason), clock, out)
    elif kind == REPORT_CANCELLED:
        _finish(routing, orders, place, CANCELLED, np.int64(report.reason), clock, out)
    elif kind == REPORT_EXPIRED:
        _finish(routing, orders, place, EXPIRED, np.int64(report.reason), clock, out)
    else:
        refuse_step(order, clock, out)


@inner_kernel
def book_fill(routing: Any, place: Any, report: Any, clock: Any, out: Any) -> None:
    """Book a fill that the guards let pass and that is written into the next row of fills.

    The Fill goes out before the event, so that whoever adds position and working quantity never
    counts short.
    """
    orders = table_at(routing.orders.rows, ORDER)
    order = orders[place]
    out.fills_used += 1
    is_late = works_no_more(order.status)
    order.status = status_after_fill(order, report.quantity)
    order.filled_quantity += report.quantity
    add_trade(routing, order, place, report)
    write_event(order, LATE_FILL if is_late else NONE, clock, NO, out)
    if works_no_more(order.status) and not is_late:
        close_order(routing, orders, place)


@inner_kernel
def _accept(order: Any, clock: Any, out: Any) -> None:
    """The venue has the order; a cancel under way stays under way."""
    is_cancelling = order.status == PENDING_CANCEL and order.accepted == 0
    later = PENDING_CANCEL if is_cancelling else ACCEPTED
    if order.accepted != 0 or not may_step(order.status, later):
        refuse_step(order, clock, out)
        return
    order.accepted = 1
    order.status = later
    write_event(order, NONE, clock, NO, out)


@inner_kernel
def _keep(order: Any, clock: Any, out: Any) -> None:
    """The venue refused the cancel: the order works on in the state it had, or had closed before.
    """
    if order.status != PENDING_CANCEL:
        refuse_step(order, clock, out)
        return
    if order.filled_quantity != 0:
        order.status = PARTIALLY_FILLED
    else:
        order.status = ACCEPTED if order.accepted != 0 else SUBMITTED
    order.cancel_reason = 0
    write_event(order, CANCEL_REJECTED, clock, NO, out)


@inner_kernel
def _finish(
    routing: Any, orders: Any, place: Any, status: Any, reason: Any, clock: Any, out: Any
) -> None:
    """Rejected, cancelled or expired by the venue; a closed order stays as it was."""
    order = orders[place]
    is_traded = status == REJECTED and order.filled_quantity != 0
    if works_no_more(order.status) or not may_step(order.status, status) or is_traded:
        refuse_step(order, clock, out)
        return
    if order.cancel_reason != 0 and (reason in (NONE, UNKNOWN_REASON, USER_CANCEL)):
        reason = order.cancel_reason
    order.status = status
    write_event(order, reason, clock, NO, out)
    close_order(routing, orders, place)


# -- from the operator


@inner_kernel
def on_kill(routing: Any, kill: Any, clock: Any, out: Any) -> None:
    """A kill switch cancels every working order in its scope, oldest first; risk denies new ones.
    """
    orders = table_at(routing.orders.rows, ORDER)
    count = NOTHING
    place = routing.live.first
    while place >= 0:
        if orders[place].cancel_reason == 0 and _is_in_scope(orders[place], kill):
            count += 1
        place = orders[place].next_row
    if not has_space(routing, count, count, out):
        return
    place = routing.live.first
    while place >= 0:
        if orders[place].cancel_reason == 0 and _is_in_scope(orders[place], kill):
            _ask_to_cancel(orders[place], KILL_SWITCH, clock, out)
        place = orders[place].next_row


@inner_kernel
def _is_in_scope(order: Any, kill: Any) -> Any:
    """True if the kill switch covers the order. A scope that cannot be read covers everything: a
    kill switch fails closed.
    """
    if kill.scope == SCOPE_ACCOUNT:
        return order.account == kill.account
    if kill.scope == SCOPE_STRATEGY:
        return order.strategy == kill.strategy
    if kill.scope == SCOPE_INSTRUMENT:
        return order.instrument == kill.instrument
    return True


@borrowing_kernel
def find_known(routing_address: Any, high: Any, low: Any) -> Any:
    """For Python: place of the order with this id, -1 if it is not known."""
    return find_row(record_at(routing_address, ROUTING).orders, high, low)


@borrowing_kernel
def handle(
    kind: Any, routing_address: Any, record_address: Any, clock: Any, out_address: Any
) -> Any:
    """The one entry for Python: calls the handler of this kind on what lies at the addresses;
    returns the fault's code.
    """
    routing = record_at(routing_address, ROUTING)
    out = record_at(out_address, OUTPUTS)
    if kind == ON_DECISION:
        on_risk_decision(routing, record_at(record_address, DECISION), clock, out)
    elif kind == ON_REPORT:
        on_execution_report(routing, record_at(record_address, REPORT), clock, out)
    else:
        on_kill(routing, record_at(record_address, KILL), clock, out)
    return routing.fault.code


__all__ = [
    "ON_DECISION",
    "ON_KILL",
    "ON_REPORT",
    "find_known",
    "handle",
    "on_execution_report",
    "on_kill",
    "on_risk_decision",
]
