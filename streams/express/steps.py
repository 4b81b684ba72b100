"""The steps of the express entry: a signal, a request, a mark and a venue's report through the
compiled stages, and the records they lead to.

``x`` is the row of the entry itself (``LANE``), ``stages`` the stages' records, ``made`` the rows
of topics that the entry writes; ``x`` counts them under the same names.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from schemas.vocabulary import OrderType, ReportKind, RequestKind, Side, TimeInForce
from streams.numeric.borrowing import borrowing_kernel
from streams.numeric.identity import next_id
from streams.numeric.table import table_at
from streams.portfolio import handlers as portfolio
from streams.reporting import handlers as reporting
from streams.risk import booking as risk_booking
from streams.risk import handlers as risk
from streams.risk.records import RISK_DECISION
from streams.routing import handlers as routing
from streams.routing.records import EVENT, FILL, ORDER
from streams.signals.sizing import handlers as sizing
from streams.signals.sizing import views
from streams.signals.sizing.writing import write_request

BUY, SELL = int(Side.BUY), int(Side.SELL)
NEW = int(RequestKind.NEW)
MARKET = int(OrderType.MARKET)
IOC = int(TimeInForce.IOC)
REPORT_FILL = int(ReportKind.FILL)

LANE_FIELDS = (
    "at total signal_topic request_topic mark_topic timer_step timer_clock base records outcome "
    "handled limit limit_clock clock sequence account strategy instrument is_sized is_reported "
    "signals asked marks requests reports"
)
LANE = np.dtype([(name, "i8") for name in LANE_FIELDS.split()])
"""Where the entry is in the window of events and what it may do; the driver's clock and sequence;
whose orders they are and which of the stages there are; how many of everything there are."""
LEFT, REPORTS, FULL, FAULT, TIMER = range(5)
"""Why the entry returned: the next event is Python's; so are the reports from ``handled`` on;
something is full; a stage is at fault; a timer moved, so that the driver must look at it."""
WAITS = 2
"""What ``on_signal`` returns where the timer of sizing moved."""


class Stages(NamedTuple):
    """The records of each stage, and what it writes to; where ids come from."""

    sizing: Any
    sizing_out: Any
    ids: Any
    risk: Any
    risk_out: Any
    routing: Any
    routing_out: Any
    portfolio: Any
    portfolio_out: Any
    reporting: Any


class Made(NamedTuple):
    """Rows of each topic."""

    requests: Any
    reports: Any


@borrowing_kernel
def has_room(x: Any, stages: Any, made: Any, reports_most: Any) -> Any:
    """True if there is room for one more request, and for the reports of one call of the venue."""
    if x.requests + 1 > len(made.requests):
        return False
    state, out = stages.routing[0], stages.routing_out[0]
    return x.reports + reports_most <= len(made.reports) and routing.has_room_for(
        state, 1, reports_most, out
    )


@borrowing_kernel
def is_at_fault(stages: Any) -> Any:
    """True if the end of an order left a fault: Python does the next event, which ends the run."""
    return stages.sizing[0].fault.code != 0 or stages.risk[0].fault.code != 0


@borrowing_kernel
def on_mark(x: Any, stages: Any, mark: Any) -> Any:
    """A mark through the stages that read it; False if it is Python's."""
    if mark.instrument != x.instrument or not risk.take_quiet_mark(stages.risk[0], mark, x.clock):
        return False
    if x.is_sized != 0:
        sizing.on_mark(stages.sizing[0], mark, x.clock)
    portfolio.on_mark(stages.portfolio[0], mark, x.clock, stages.portfolio_out[0])
    return True


@borrowing_kernel
def on_signal(x: Any, stages: Any, made: Any, signal: Any) -> Any:
    """A signal to the order it asks for: -1 if it is Python's, 0 if it asks for none, WAITS if it
    waits and the timer moved, 1 with a command for the venue, the last of its rows.
    """
    if x.is_sized == 0 or signal.strategy != x.strategy or signal.instrument != x.instrument:
        return -1
    s, out, ids = stages.sizing[0], stages.sizing_out[0], stages.ids[0]
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
    if signed != 0 and not _is_approved(x, stages, made, signal, signed):
        return -1
    timer = s.timer
    views.follow(s, signal, what, target, signed, code, dropped, clock, ids, out)
    if signed == 0:
        return WAITS if s.timer != timer else 0
    return _send(x, stages)


@borrowing_kernel
def _is_approved(x: Any, stages: Any, made: Any, signal: Any, signed: Any) -> Any:
    """True if risk approves the order that a signal asks for, which sizing has not sent yet."""
    s, out, ids = stages.sizing[0], stages.sizing_out[0], stages.ids[0]
    last_sequence, ordinal = ids.last_sequence, ids.ordinal
    order_high, order_low = next_id(ids)
    ids.last_sequence, ids.ordinal = last_sequence, ordinal
    write_request(s, signal, signed, order_high, order_low, x.clock, out)
    out.requests_used = x.requests
    return _approve(x, stages, made.requests[x.requests])


@borrowing_kernel
def on_request(x: Any, stages: Any, made: Any, request: Any) -> Any:
    """A strategy's own request: -1 if it is Python's, 1 with a command for the venue, the last of
    its rows.
    """
    if (
        request.account != x.account
        or request.strategy != x.strategy
        or request.instrument != x.instrument
        or request.kind != NEW
    ):
        return -1
    if request.order_type != MARKET or request.time_in_force != IOC or request.post_only != 0:
        return -1
    if routing.find_order(stages.routing[0], request) >= 0 or not _approve(x, stages, request):
        return -1
    made.requests[x.requests] = request
    return _send(x, stages)


@borrowing_kernel
def _approve(x: Any, stages: Any, request: Any) -> Any:
    """True if risk approves, with its decision written; what it denies, or has no room for, is
    Python's, with nothing changed.
    """
    r = stages.risk[0]
    if risk.approve(r, request, x.clock, stages.risk_out[0]) == 0 and r.fault.code == 0:
        return True
    r.fault.code = 0
    return False


@borrowing_kernel
def _send(x: Any, stages: Any) -> Any:
    """The request that was just approved goes through routing; 1 if that leads to a command."""
    state, out, decided = stages.routing[0], stages.routing_out[0], stages.risk_out[0]
    decision = table_at(decided.decisions, RISK_DECISION)[decided.decisions_used - 1]
    x.requests += 1
    before = out.commands_used
    routing.on_risk_decision(state, decision, x.clock, out)
    return out.commands_used - before


@borrowing_kernel
def on_report(x: Any, stages: Any, made: Any, report: Any) -> Any:
    """A report through routing and all who read what it leads to; False if it is Python's, with
    nothing changed.
    """
    if is_at_fault(stages):
        return False
    state, out = stages.routing[0], stages.routing_out[0]
    place = routing.find_order(state, report)
    is_booked = False
    if report.kind == REPORT_FILL and place >= 0:
        order = table_at(state.orders.rows, ORDER)[place]
        is_booked = routing.refuse_fill(state, place, order, report) == routing.NONE
        if is_booked:
            if not _book(x, stages, order, report):
                return False
            routing.book_fill(state, place, report, x.clock, out)
    if not is_booked:
        routing.on_execution_report(state, report, x.clock, out)
    event = table_at(out.events, EVENT)[out.events_used - 1]
    if x.is_sized != 0:
        sizing.on_order_event(stages.sizing[0], event)
    risk.on_order_event(stages.risk[0], event)
    made.reports[x.reports] = report
    x.reports += 1
    return True


@borrowing_kernel
def _book(x: Any, stages: Any, order: Any, report: Any) -> Any:
    """Write the Fill, and have portfolio, reporting, sizing and risk book it.

    False if that leaves a fault, the owners see to it; and of a fill of another strategy. With room
    a fault is an amount or a quantity: the same call in Python ends the run.
    """
    if order.strategy != x.strategy or order.instrument != x.instrument:
        return False
    r = stages.risk[0]
    if x.is_reported != 0 and not reporting.has_room(stages.reporting[0]):
        return False
    if not risk_booking.has_room(r):
        return False
    out = stages.routing_out[0]
    row = table_at(out.fills, FILL)[routing.write_fill(order, report, out)]
    p = stages.portfolio[0]
    portfolio.on_fill(p, row, x.clock, stages.portfolio_out[0])
    if p.fault.code != 0:
        p.fault.code = 0
        return False
    if x.is_reported != 0:
        t = stages.reporting[0]
        reporting.on_fill(t, row)
        if t.fault.code != 0:
            t.fault.code = 0
            return False
    if x.is_sized != 0:
        s = stages.sizing[0]
        sizing.on_fill(s, row)
        if s.fault.code != 0:
            s.fault.code = 0
            return False
    risk_booking.on_fill(r, row)
    if r.fault.code != 0:
        r.fault.code = 0
        return False
    return True


__all__ = [
    "FAULT", "FULL", "LANE", "LEFT", "REPORTS", "TIMER", "WAITS", "Made", "Stages", "has_room",
    "is_at_fault", "on_mark", "on_report", "on_request", "on_signal",
]  # fmt: skip
