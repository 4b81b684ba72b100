"""The steps of the express entry: a signal, a mark and a venue's report through the compiled twins, and the records they lead to.

``x`` is the row of the entry itself (``LANE``), ``twins`` the twins' rows, ``made`` the rows of each topic; ``x`` counts them under the same names.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from schemas.vocabulary import DecisionOutcome, OrderReason, OrderStatus, OrderType, ReportKind, RequestKind, RiskCode, Side, TimeInForce
from streams.numeric.express import (
    ACCEPTED,
    FILLED,
    FIRST_TRADE,
    HIGH,
    LOW,
    ORDER_TYPE,
    PRICE,
    QUANTITY,
    RESERVED_LEAVES,
    SIDE,
    STATUS,
    TIME_IN_FORCE,
    copy,
    find,
    remove,
    row_type,
    step_kernel,
)
from streams.portfolio import handlers as portfolio
from streams.reporting import handlers as reporting
from streams.risk import express as risk
from streams.routing import express as routing
from streams.signals.sizing import handlers as sizing
from streams.signals.sizing import views

BUY, SELL = int(Side.BUY), int(Side.SELL)
NEW = int(RequestKind.NEW)
MARKET = int(OrderType.MARKET)
IOC = int(TimeInForce.IOC)
APPROVED = int(DecisionOutcome.APPROVED)
NO_CODE = int(RiskCode.NONE)
NO_REASON = int(OrderReason.NONE)
SUBMITTED = int(OrderStatus.SUBMITTED)
IS_ACCEPTED = int(OrderStatus.ACCEPTED)
REPORT_ACCEPTED = int(ReportKind.ACCEPTED)
REPORT_FILL = int(ReportKind.FILL)

LANE = row_type(
    "at total signal_topic request_topic mark_topic timer_step timer_clock base records outcome handled limit limit_clock clock sequence "
    "account strategy instrument is_sized is_reported open closed signals asked marks last_mark "
    "requests decisions commands events reports fills"
)
"""Where the entry is in the window of events and what it may do; the driver's clock and sequence; whose orders they are and which of the
ledgers there are; how many of everything there are, and the row of the last mark, -1 before the first."""
LEFT, REPORTS, FULL, FAULT, TIMER = range(5)
"""Why the entry returned: the next event is the ledgers'; so are the reports from ``handled`` on;
something is full; a stage is at fault; a timer moved, so that the driver must look at it."""
WAITS = 2
"""What ``on_signal`` returns where the timer of sizing moved."""


class Twins(NamedTuple):
    """A row each; of sizing, portfolio and reporting their own records, and what they write to;
    where ids come from.
    """

    sizing: Any
    sizing_out: Any
    ids: Any
    risk: Any
    portfolio: Any
    portfolio_out: Any
    reporting: Any


class Made(NamedTuple):
    """Rows of each topic."""

    requests: Any
    decisions: Any
    commands: Any
    events: Any
    reports: Any
    fills: Any


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
    _send(x, r, orders, made, signed)
    return 1


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
    r = twins.risk[0]
    if not risk.passes(r, signed, x.clock) or not risk.can_pay(r, orders, x.open, signed):
        return -1
    made.requests[x.requests] = request
    _send(x, r, orders, made, signed)
    return 1


@step_kernel
def _send(x: Any, r: Any, orders: Any, made: Any, signed: Any) -> None:
    """The request that was just written goes through risk and routing."""
    request = made.requests[x.requests]
    x.requests += 1
    _enter(orders, x.open, request.order_id_high, request.order_id_low, signed)
    risk.approve(r, orders[x.open], signed, x.clock)
    x.open += 1
    _write_decision(made, x, request, risk.protection(r, signed))
    _write_event(made.events[x.events], x, orders, x.open - 1, x.clock, SUBMITTED)
    x.events += 1


@step_kernel
def _enter(orders: Any, place: Any, high: Any, low: Any, signed: Any) -> None:
    """A market order that routing has just sent."""
    for column in range(FIRST_TRADE):
        orders[place, column] = 0
    orders[place, HIGH] = high
    orders[place, LOW] = low
    orders[place, SIDE] = BUY if signed > 0 else SELL
    orders[place, ORDER_TYPE] = MARKET
    orders[place, TIME_IN_FORCE] = IOC
    orders[place, QUANTITY] = abs(signed)
    orders[place, PRICE] = 0
    orders[place, STATUS] = SUBMITTED
    orders[place, RESERVED_LEAVES] = abs(signed)


@step_kernel
def _write_decision(made: Any, x: Any, request: Any, protection: Any) -> None:
    """RiskDecision and VenueCommand of a market order that goes through, with its protection price."""
    decision = made.decisions[x.decisions]
    command = made.commands[x.commands]
    x.decisions += 1
    x.commands += 1
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
    command.order_id_high = request.order_id_high
    command.order_id_low = request.order_id_low
    command.instrument = request.instrument
    command.event_time = x.clock
    command.kind = NEW
    command.side = request.side
    command.order_type = MARKET
    command.time_in_force = IOC
    command.post_only = 0
    command.quantity = request.quantity
    command.price = protection


@step_kernel
def _write_event(row: Any, x: Any, orders: Any, place: Any, clock: Any, status: Any) -> None:
    """OrderEvent: the order as it stands."""
    row.order_id_high = orders[place, HIGH]
    row.order_id_low = orders[place, LOW]
    row.account = x.account
    row.strategy = x.strategy
    row.instrument = x.instrument
    row.event_time = clock
    row.status = status
    row.reason = NO_REASON
    row.side = orders[place, SIDE]
    row.quantity = orders[place, QUANTITY]
    row.price = orders[place, PRICE]
    row.filled_quantity = orders[place, FILLED]
    row.refused = 0


@step_kernel
def on_report(x: Any, twins: Any, orders: Any, closed: Any, made: Any, report: Any) -> Any:
    """A report through routing and, if it is a fill, all who read fills; False if it is the ledgers', with nothing changed."""
    place = find(orders, x.open, report.order_id_high, report.order_id_low)
    if place < 0 or report.instrument != x.instrument:
        return False
    order = orders[place]
    clock = x.clock
    if report.kind == REPORT_ACCEPTED:
        if not routing.can_accept(order):
            return False
        order[ACCEPTED] = 1
        order[STATUS] = IS_ACCEPTED
        _write_event(made.events[x.events], x, orders, place, clock, IS_ACCEPTED)
        x.events += 1
    elif report.kind == REPORT_FILL:
        fee = np.int64(report.fee_low)
        if report.fee_high != fee >> 63 or not routing.can_fill(order, report):
            return False
        if x.is_reported != 0 and not reporting.has_room(twins.reporting[0]):
            return False
        if not _book(x, twins, order, made.fills[x.fills], report):
            return False
        _fill(x, twins, orders, place, closed, made, report, fee)
    else:
        return False
    made.reports[x.reports] = report
    x.reports += 1
    return True


@step_kernel
def _book(x: Any, twins: Any, order: Any, row: Any, report: Any) -> Any:
    """Write the Fill, and have portfolio, reporting and sizing book it.

    False if that leaves a fault: the owners see to it.
    """
    row.order_id_high = order[HIGH]
    row.order_id_low = order[LOW]
    row.account = x.account
    row.strategy = x.strategy
    row.instrument = x.instrument
    row.event_time = report.venue_time
    row.side = order[SIDE]
    row.price = report.price
    row.quantity = report.quantity
    row.liquidity = report.liquidity
    row.fee_high = report.fee_high
    row.fee_low = report.fee_low
    row.venue_trade_id = report.venue_trade_id
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
def _fill(x: Any, twins: Any, orders: Any, place: Any, closed: Any, made: Any, report: Any, fee: Any) -> None:
    """Routing books it; risk reads the Fill, then sizing and risk the event."""
    r = twins.risk[0]
    order = orders[place]
    clock, price, quantity = x.clock, report.price, report.quantity
    signed = quantity if order[SIDE] == BUY else -quantity
    is_last = routing.fill(order, report)
    x.fills += 1
    risk.release(r, order, quantity)
    risk.on_fill(r, price, signed, fee)
    _write_event(made.events[x.events], x, orders, place, clock, order[STATUS])
    x.events += 1
    if is_last:
        if x.is_sized != 0:
            sizing.on_order_event(twins.sizing[0], made.events[x.events - 1])
        risk.release(r, order, order[RESERVED_LEAVES])
        copy(order, closed[x.closed])
        x.closed += 1
        remove(orders, x.open, place)
        x.open -= 1


__all__ = [
    "FAULT", "FULL", "LANE", "LEFT", "REPORTS", "TIMER", "WAITS", "Made", "Twins", "on_mark",
    "on_report", "on_request", "on_signal",
]  # fmt: skip
