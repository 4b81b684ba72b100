"""Writing what risk emits: rows of decisions and events, and the order of both."""

from __future__ import annotations

from typing import Any

from streams.numeric.borrowing import inner_kernel
from streams.numeric.int128 import high, low
from streams.numeric.stage_records import NO_ENTITY, set_fault
from streams.numeric.table import table_at
from streams.risk.records import (
    DECISION_TOPIC,
    DECISIONS_FULL,
    EVENT_TOPIC,
    EVENTS_FULL,
    RISK_DECISION,
    RISK_EVENT,
    SEQUENCE,
    SEQUENCE_FULL,
)


@inner_kernel
def write_room(risk: Any, out: Any, decisions: Any, events: Any) -> Any:
    """True if so many more of each can be written, else a fault is left that says how long the
    table is to be.
    """
    need = out.decisions_used + decisions
    rows = len(table_at(out.decisions, RISK_DECISION))
    if need > rows:
        set_fault(risk, DECISIONS_FULL, NO_ENTITY, need, rows)
        return False
    need = out.events_used + events
    rows = len(table_at(out.events, RISK_EVENT))
    if need > rows:
        set_fault(risk, EVENTS_FULL, NO_ENTITY, need, rows)
        return False
    need = out.sequence_used + decisions + events
    rows = len(table_at(out.sequence, SEQUENCE))
    if need > rows:
        set_fault(risk, SEQUENCE_FULL, NO_ENTITY, need, rows)
        return False
    return True


@inner_kernel
def _note(out: Any, topic: Any) -> None:
    table_at(out.sequence, SEQUENCE)[out.sequence_used].topic = topic
    out.sequence_used += 1


@inner_kernel
def new_decision(out: Any) -> Any:
    """The place of one more decision's row. There must be room."""
    _note(out, DECISION_TOPIC)
    place = out.decisions_used
    out.decisions_used = place + 1
    return place


@inner_kernel
def new_event(out: Any) -> Any:
    """The place of one more event's row. There must be room."""
    _note(out, EVENT_TOPIC)
    place = out.events_used
    out.events_used = place + 1
    return place


@inner_kernel
def set_figures(row: Any, observed: Any, limit: Any) -> None:
    """Write the figures of a decision or an event."""
    row.observed_high = high(observed)
    row.observed_low = low(observed)
    row.limit_high = high(limit)
    row.limit_low = low(limit)


@inner_kernel
def set_terms(
    row: Any,
    side: Any,
    order_type: Any,
    time_in_force: Any,
    post_only: Any,
    quantity: Any,
    price: Any,
) -> None:
    """Write the terms of the order that a decision is on."""
    row.side = side
    row.order_type = order_type
    row.time_in_force = time_in_force
    row.post_only = post_only
    row.quantity = quantity
    row.price = price


@inner_kernel
def decide(
    out: Any,
    request: Any,
    clock: Any,
    outcome: Any,
    code: Any,
    failed: Any,
    observed: Any,
    limit: Any,
    price: Any,
) -> None:
    """The decision on a request, carrying the request's terms with this price."""
    row = table_at(out.decisions, RISK_DECISION)[new_decision(out)]
    row.order_id_high = request.order_id_high
    row.order_id_low = request.order_id_low
    row.account = request.account
    row.strategy = request.strategy
    row.instrument = request.instrument
    row.event_time = clock
    row.kind = request.kind
    row.outcome = outcome
    row.code = code
    row.failed_checks = failed
    set_figures(row, observed, limit)
    set_terms(
        row,
        request.side,
        request.order_type,
        request.time_in_force,
        request.post_only,
        request.quantity,
        price,
    )


@inner_kernel
def warn(
    out: Any, request: Any, clock: Any, code: Any, severity: Any, observed: Any, limit: Any
) -> None:
    """The event of a request that was denied."""
    row = table_at(out.events, RISK_EVENT)[new_event(out)]
    row.event_time = clock
    row.account = request.account
    row.strategy = request.strategy
    row.instrument = request.instrument
    row.order_id_high = request.order_id_high
    row.order_id_low = request.order_id_low
    row.code = code
    row.severity = severity
    set_figures(row, observed, limit)
