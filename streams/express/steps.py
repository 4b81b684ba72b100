"""The steps of the express entry: a signal, a mark and a venue's report through the compiled twins, and the records they lead to.

``x`` is the row of the entry itself (``LANE``), ``twins`` the twins' rows, ``made`` the rows of each topic; ``x`` counts them under the same names.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from schemas.vocabulary import DecisionOutcome, OrderReason, OrderStatus, OrderType, ReportKind, RequestKind, RiskCode, Side, TimeInForce
from streams.numeric.express import (
    ACCEPTED,
    COLUMNS,
    FILLED,
    HIGH,
    LOW,
    ORDER_TYPE,
    PRICE,
    QUANTITY,
    RESERVED_LEAVES,
    SIDE,
    STATUS,
    TIME_IN_FORCE,
    WANTED_LEAVES,
    find,
    remove,
    row_type,
    step_kernel,
)
from streams.numeric.identity import ORDINAL_BITS, pack
from streams.portfolio import express as portfolio
from streams.reporting import express as reporting
from streams.risk import express as risk
from streams.routing import express as routing
from streams.signals import express as sizing

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
    "at total first signal_topic mark_topic timer_step timer_clock base records outcome handled limit limit_clock clock sequence last_sequence "
    "ordinal journal_id shard open closed signals marks requests decisions commands events reports fills positions"
)
"""Where the entry is in the window of events and what it may do; the driver's clock, sequence and ordinal; how many of everything there are."""
LEFT, REPORTS, FULL, FAULT = range(4)
"""Why the entry returned: the next event is the ledgers'; so are the reports from ``handled`` on; something is full; a stage is at fault."""


class Twins(NamedTuple):
    """A row each."""

    sizing: Any
    risk: Any
    portfolio: Any
    reporting: Any


class Made(NamedTuple):
    """Rows of each topic."""

    requests: Any
    decisions: Any
    commands: Any
    events: Any
    reports: Any
    fills: Any
    positions: Any


@step_kernel
def on_mark(twins: Any, mark: Any) -> Any:
    """A mark through the ledgers that read it; False if it is theirs."""
    if mark.instrument != twins.risk[0].instrument:
        return False
    risk.on_mark(twins.risk[0], mark)
    portfolio.on_mark(twins.portfolio[0], mark)
    return True


@step_kernel
def on_signal(x: Any, twins: Any, orders: Any, made: Any, signal: Any) -> Any:
    """A signal to the order it asks for: -1 if it is the ledgers', 0 if it asks for none, 1 with a command for the venue, the last of its rows."""
    clock = x.clock
    s, r = twins.sizing[0], twins.risk[0]
    if x.ordinal >> ORDINAL_BITS:
        return -1
    what, target, signed = sizing.weigh(s, signal, clock)
    if what == sizing.LEAVE or (what == sizing.ORDERED and not risk.passes(r, signed, clock)):
        return -1
    if what == sizing.IGNORED:
        return 0
    s.target = target
    if what == sizing.NOTED:
        return 0
    s.working += signed
    s.traded_at = clock
    risk.approve(r, signed, clock)
    if x.sequence != x.last_sequence:
        x.last_sequence = x.sequence
        x.ordinal = 0
    high, low = pack(x.journal_id, x.shard, x.sequence, x.ordinal)
    x.ordinal += 1
    _enter(orders, x.open, high, low, signed)
    x.open += 1
    _write_request(made, x, s, high, low, clock, signed)
    _write_event(made.events[x.events], x, s, orders, x.open - 1, clock, SUBMITTED)
    x.events += 1
    return 1


@step_kernel
def _enter(orders: Any, place: Any, high: Any, low: Any, signed: Any) -> None:
    """A market order that routing has just sent."""
    for column in range(COLUMNS):
        orders[place, column] = 0
    orders[place, HIGH] = high
    orders[place, LOW] = low
    orders[place, SIDE] = BUY if signed > 0 else SELL
    orders[place, ORDER_TYPE] = MARKET
    orders[place, TIME_IN_FORCE] = IOC
    orders[place, QUANTITY] = abs(signed)
    orders[place, PRICE] = 0
    orders[place, STATUS] = SUBMITTED
    orders[place, WANTED_LEAVES] = signed
    orders[place, RESERVED_LEAVES] = abs(signed)


@step_kernel
def _write_request(made: Any, x: Any, s: Any, high: Any, low: Any, clock: Any, signed: Any) -> None:
    """OrderRequest, RiskDecision, VenueCommand of a market order that goes through."""
    side = BUY if signed > 0 else SELL
    request = made.requests[x.requests]
    decision = made.decisions[x.decisions]
    command = made.commands[x.commands]
    x.requests += 1
    x.decisions += 1
    x.commands += 1
    request.order_id_high = high
    request.order_id_low = low
    request.account = s.account
    request.strategy = s.strategy
    request.instrument = s.instrument
    request.event_time = clock
    request.kind = NEW
    request.side = side
    request.order_type = MARKET
    request.time_in_force = IOC
    request.post_only = 0
    request.quantity = abs(signed)
    request.price = 0
    decision.order_id_high = high
    decision.order_id_low = low
    decision.account = s.account
    decision.strategy = s.strategy
    decision.instrument = s.instrument
    decision.event_time = clock
    decision.kind = NEW
    decision.outcome = APPROVED
    decision.code = NO_CODE
    decision.failed_checks = 0
    decision.observed_high = 0
    decision.observed_low = 0
    decision.limit_high = 0
    decision.limit_low = 0
    decision.side = side
    decision.order_type = MARKET
    decision.time_in_force = IOC
    decision.post_only = 0
    decision.quantity = abs(signed)
    decision.price = 0
    command.order_id_high = high
    command.order_id_low = low
    command.instrument = s.instrument
    command.event_time = clock
    command.kind = NEW
    command.side = side
    command.order_type = MARKET
    command.time_in_force = IOC
    command.post_only = 0
    command.quantity = abs(signed)
    command.price = 0


@step_kernel
def _write_event(row: Any, x: Any, s: Any, orders: Any, place: Any, clock: Any, status: Any) -> None:
    """OrderEvent: the order as it stands."""
    row.order_id_high = orders[place, HIGH]
    row.order_id_low = orders[place, LOW]
    row.account = s.account
    row.strategy = s.strategy
    row.instrument = s.instrument
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
    s = twins.sizing[0]
    if place < 0 or report.instrument != s.instrument:
        return False
    order = orders[place]
    clock = x.clock
    if report.kind == REPORT_ACCEPTED:
        if not routing.can_accept(order):
            return False
        order[ACCEPTED] = 1
        order[STATUS] = IS_ACCEPTED
        _write_event(made.events[x.events], x, s, orders, place, clock, IS_ACCEPTED)
        x.events += 1
    elif report.kind == REPORT_FILL:
        fee = np.int64(report.fee_low)
        if report.fee_high != fee >> 63 or not routing.can_fill(order, report):
            return False
        price, quantity = report.price, report.quantity
        if not portfolio.can_book(twins.portfolio[0], price, quantity, fee) or not reporting.can_take(twins.reporting[0], price, quantity, fee):
            return False
        _fill(x, twins, orders, place, closed, made, report, fee)
    else:
        return False
    made.reports[x.reports] = report
    x.reports += 1
    return True


@step_kernel
def _fill(x: Any, twins: Any, orders: Any, place: Any, closed: Any, made: Any, report: Any, fee: Any) -> None:
    """Routing books it; sizing, risk, portfolio and reporting read the Fill, then sizing and risk the event."""
    s, r = twins.sizing[0], twins.risk[0]
    order = orders[place]
    clock, price, quantity = x.clock, report.price, report.quantity
    high, low = order[HIGH], order[LOW]
    signed = quantity if order[SIDE] == BUY else -quantity
    is_last = routing.fill(order, report)
    row = made.fills[x.fills]
    x.fills += 1
    row.order_id_high = high
    row.order_id_low = low
    row.account = s.account
    row.strategy = s.strategy
    row.instrument = s.instrument
    row.event_time = clock
    row.side = order[SIDE]
    row.price = price
    row.quantity = quantity
    row.liquidity = report.liquidity
    row.fee_high = report.fee_high
    row.fee_low = report.fee_low
    row.venue_trade_id = report.venue_trade_id
    sizing.on_fill(s, order, signed)
    risk.release(r, order, quantity)
    r.position += signed
    x.positions = portfolio.on_fill(twins.portfolio[0], price, signed, fee, clock, high, low, made.positions, x.positions)
    reporting.on_fill(twins.reporting[0], price, signed, fee, clock)
    _write_event(made.events[x.events], x, s, orders, place, clock, order[STATUS])
    x.events += 1
    if is_last:
        sizing.on_order_end(s, order)
        risk.release(r, order, order[RESERVED_LEAVES])
        for column in range(COLUMNS):
            closed[x.closed, column] = orders[place, column]
        x.closed += 1
        remove(orders, x.open, place)
        x.open -= 1


__all__ = ["FAULT", "FULL", "LANE", "LEFT", "ORDINAL_BITS", "REPORTS", "Made", "Twins", "on_mark", "on_report", "on_signal"]
