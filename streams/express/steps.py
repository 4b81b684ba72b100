"""The steps of the express entry: a signal, a mark and a venue's report through the compiled twins, and the records they lead to.

``x`` is the row of the entry itself (``LANE``), ``twins`` the twins' rows, ``made`` the rows of each topic; ``x`` counts them under the same names.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from schemas.vocabulary import DecisionOutcome, OrderType, ReportKind, RequestKind, RiskCode, Side, TimeInForce
from streams.numeric.express import (
    COLUMNS,
    HIGH,
    LOW,
    RESERVED_LEAVES,
    SIDE,
    find,
    remove,
    row_type,
    step_kernel,
)
from streams.numeric.table import table_at
from streams.portfolio import handlers as portfolio
from streams.reporting import handlers as reporting
from streams.risk import express as risk
from streams.routing import handlers as routing
from streams.routing.machine import works_no_more
from streams.routing.records import EVENT, FILL, ORDER
from streams.signals.sizing import handlers as sizing
from streams.signals.sizing import views

BUY, SELL = int(Side.BUY), int(Side.SELL)
NEW = int(RequestKind.NEW)
MARKET = int(OrderType.MARKET)
IOC = int(TimeInForce.IOC)
APPROVED = int(DecisionOutcome.APPROVED)
NO_CODE = int(RiskCode.NONE)
REPORT_FILL = int(ReportKind.FILL)

LANE = row_type(
    "at total signal_topic request_topic mark_topic timer_step timer_clock base records outcome handled limit limit_clock clock sequence "
    "account strategy instrument is_sized is_reported open signals asked marks last_mark "
    "requests decisions reports"
)
"""Where the entry is in the window of events and what it may do; the driver's clock and sequence; whose orders they are and which of the
ledgers there are; how many of everything there are, and the row of the last mark, -1 before the first."""
LEFT, REPORTS, FULL, FAULT, TIMER = range(5)
"""Why the entry returned: the next event is the ledgers'; so are the reports from ``handled`` on;
something is full; a stage is at fault; a timer moved, so that the driver must look at it."""
WAITS = 2
"""What ``on_signal`` returns where the timer of sizing moved."""


class Twins(NamedTuple):
    """A row each; of sizing, routing, portfolio and reporting their own records, and what they write
    to; where ids come from.
    """

    sizing: Any
    sizing_out: Any
    ids: Any
    risk: Any
    routing: Any
    routing_out: Any
    portfolio: Any
    portfolio_out: Any
    reporting: Any


class Made(NamedTuple):
    """Rows of each topic."""

    requests: Any
    decisions: Any
    reports: Any


@step_kernel
def has_room(x: Any, twins: Any, orders: Any, made: Any, reports_most: Any) -> Any:
    """True if there is room for one more request, and for the reports of one call of the venue."""
    if x.open + 1 >= len(orders) or x.requests + 1 > len(made.requests):
        return False
    state, out = twins.routing[0], twins.routing_out[0]
    return x.reports + reports_most <= len(made.reports) and routing.has_room_for(state, 1, reports_most, out)


@step_kernel
def on_mark(x: Any, twins: Any, mark: Any) -> Any:
    """A mark through the ledgers that read it; False if it is theirs."""
    if mark.instrument != twins.risk[0].instrument or not risk.is_enough(twins.risk[0], mark):
        return False
    if x.is_sized != 0:
        sizing.on_mark(twins.sizing[0], mark, x.clock)
    risk.on_mark(twins.risk[0], mark)
    portfolio.on_mark(twins.portfolio[0], mark, x.clock, twins.portfolio_out[0])
    return True


@step_kernel
def on_signal(x: Any, twins: Any, orders: Any, made: Any, signal: Any) -> Any:
    """A signal to the order it asks for: -1 if it is the ledgers', 0 if it asks for none, WAITS if
    it waits and the timer moved, 1 with a command for the venue, the last of its rows.
    """
    if x.is_sized == 0 or signal.strategy != x.strategy or signal.instrument != x.instrument:
        return -1
    s, out, ids, r = twins.sizing[0], twins.sizing_out[0], twins.ids[0], twins.risk[0]
    clock = x.clock
    ids.sequence = x.sequence
    out.requests_used = x.requests
    what, target, signed, code, dropped = views.weigh(s, signal, clock)
    if (
        what == views.AT_FAULT
        or dropped != 0
        or not views.has_room(s, signal, what, signed, dropped, ids, out)
    ):
        s.fault.code = 0
        return -1
    if signed != 0 and not (
        risk.passes(r, signed, clock) and risk.can_pay(r, orders, x.open, signed)
    ):
        return -1
    timer = s.timer
    views.follow(s, signal, what, target, signed, code, dropped, clock, ids, out)
    if signed == 0:
        return WAITS if s.timer != timer else 0
    return _send(x, twins, orders, made, signed)


@step_kernel
def on_request(x: Any, twins: Any, orders: Any, made: Any, request: Any) -> Any:
    """A strategy's own request, of an id that is new: -1 if it is the ledgers', 1 with a command for the venue, the last of its rows."""
    if request.account != x.account or request.strategy != x.strategy or request.instrument != x.instrument or request.kind != NEW:
        return -1
    if request.order_type != MARKET or request.time_in_force != IOC or request.post_only != 0 or request.price != 0 or request.quantity <= 0:
        return -1
    if request.side != BUY and request.side != SELL:
        return -1
    signed = request.quantity if request.side == BUY else -request.quantity
    if routing.find_order(twins.routing[0], request) >= 0:
        return -1
    r = twins.risk[0]
    if not risk.passes(r, signed, x.clock) or not risk.can_pay(r, orders, x.open, signed):
        return -1
    made.requests[x.requests] = request
    return _send(x, twins, orders, made, signed)


@step_kernel
def _send(x: Any, twins: Any, orders: Any, made: Any, signed: Any) -> Any:
    """The request that was just written goes through risk and routing; 1 if that leads to a command."""
    r, state, out = twins.risk[0], twins.routing[0], twins.routing_out[0]
    request, decision = made.requests[x.requests], made.decisions[x.decisions]
    x.requests += 1
    x.decisions += 1
    _enter(orders, x.open, request.order_id_high, request.order_id_low, signed)
    risk.approve(r, orders[x.open], signed, x.clock)
    x.open += 1
    _write_decision(decision, x, request, risk.protection(r, signed))
    before = out.commands_used
    routing.on_risk_decision(state, decision, x.clock, out)
    return out.commands_used - before


@step_kernel
def _enter(orders: Any, place: Any, high: Any, low: Any, signed: Any) -> None:
    """A market order that goes out."""
    for column in range(COLUMNS):
        orders[place, column] = 0
    orders[place, HIGH] = high
    orders[place, LOW] = low
    orders[place, SIDE] = BUY if signed > 0 else SELL
    orders[place, RESERVED_LEAVES] = abs(signed)


@step_kernel
def _write_decision(decision: Any, x: Any, request: Any, protection: Any) -> None:
    """RiskDecision of a market order that goes through, with its protection price."""
    decision.order_id_high = request.order_id_high
    decision.order_id_low = request.order_id_low
    decision.account = request.account
    decision.strategy = request.strategy
    decision.instrument = request.instrument
    decision.event_time = x.clock
    decision.kind = NEW
    decision.outcome = APPROVED
    decision.code = NO_CODE
    decision.failed_checks = 0
    decision.observed_high = 0
    decision.observed_low = 0
    decision.limit_high = 0
    decision.limit_low = 0
    decision.side = request.side
    decision.order_type = MARKET
    decision.time_in_force = IOC
    decision.post_only = 0
    decision.quantity = request.quantity
    decision.price = protection


@step_kernel
def on_report(x: Any, twins: Any, orders: Any, made: Any, report: Any) -> Any:
    """A report through routing and all who read what it leads to; False if it is the ledgers', with nothing changed."""
    state, out = twins.routing[0], twins.routing_out[0]
    place = routing.find_order(state, report)
    is_booked = False
    if report.kind == REPORT_FILL and place >= 0:
        order = table_at(state.orders.rows, ORDER)[place]
        is_booked = routing.refuse_fill(state, place, order, report) == routing.NONE
        if is_booked:
            if not _book(x, twins, order, report):
                return False
            routing.book_fill(state, place, report, x.clock, out)
            _fill(x, twins, orders, report)
    if not is_booked:
        routing.on_execution_report(state, report, x.clock, out)
    _end(x, twins, orders, table_at(out.events, EVENT)[out.events_used - 1])
    made.reports[x.reports] = report
    x.reports += 1
    return True


@step_kernel
def _book(x: Any, twins: Any, order: Any, report: Any) -> Any:
    """Write the Fill, and have portfolio, reporting and sizing book it.

    False if that leaves a fault, the owners see to it; and of a fill that the twin cannot follow.
    """
    if order.strategy != x.strategy or order.instrument != x.instrument or report.fee_high != np.int64(report.fee_low) >> 63:
        return False
    if x.is_reported != 0 and not reporting.has_room(twins.reporting[0]):
        return False
    out = twins.routing_out[0]
    row = table_at(out.fills, FILL)[routing.write_fill(order, report, out)]
    p = twins.portfolio[0]
    portfolio.on_fill(p, row, x.clock, twins.portfolio_out[0])
    if p.fault.code != 0:
        p.fault.code = 0
        return False
    if x.is_reported != 0:
        t = twins.reporting[0]
        reporting.on_fill(t, row)
        if t.fault.code != 0:  # with room, only an amount: the same call in Python ends the run
            t.fault.code = 0
            return False
    if x.is_sized != 0:
        s = twins.sizing[0]
        sizing.on_fill(s, row)
        if s.fault.code != 0:  # the strategy position is there, so only a quantity: as before
            s.fault.code = 0
            return False
    return True


@step_kernel
def _fill(x: Any, twins: Any, orders: Any, report: Any) -> None:
    """Risk reads the Fill, which may be of an order that works no more."""
    r = twins.risk[0]
    quantity = report.quantity
    place = find(orders, x.open, report.order_id_high, report.order_id_low)
    if place >= 0:
        risk.release(r, orders[place], quantity)
    signed = quantity if report.side == BUY else -quantity
    risk.on_fill(r, report.price, signed, np.int64(report.fee_low))


@step_kernel
def _end(x: Any, twins: Any, orders: Any, event: Any) -> None:
    """Sizing and risk read the event: what is left of an order that ended works no more."""
    if event.refused != 0 or not works_no_more(event.status):
        return
    if x.is_sized != 0:
        sizing.on_order_event(twins.sizing[0], event)
    place = find(orders, x.open, event.order_id_high, event.order_id_low)
    if place >= 0:
        order = orders[place]
        risk.release(twins.risk[0], order, order[RESERVED_LEAVES])
        remove(orders, x.open, place)
        x.open -= 1


__all__ = [
    "FAULT", "FULL", "LANE", "LEFT", "REPORTS", "TIMER", "WAITS", "Made", "Twins", "has_room",
    "on_mark", "on_report", "on_request", "on_signal",
]  # fmt: skip
