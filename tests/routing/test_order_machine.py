"""The order state machine: the published table pair by pair, against the stage itself, and random
histories against a model.
"""

from __future__ import annotations

import doctest
import random
from pathlib import Path

import pytest
from stage_context import (
    StageContext,
    approved,
    built_id,
    control,
    last_event,
    report,
    request,
    restored,
    state_bytes,
    toy,
)

from schemas.records import ExecutionReport, Fill, OrderEvent, VenueCommand
from schemas.vocabulary import ControlKind, OrderReason, OrderStatus, ReportKind, RequestKind
from streams.routing import machine
from streams.routing.machine import LATER, TRANSITIONS, is_allowed
from streams.routing.stage import Routing, Settings

S = OrderStatus
ID = built_id(1)
STATES = list(OrderStatus)

# The full machine as the order management literature has it, for market and limit orders, written a
# second time: a row per state, the states that may follow. Oracle of the pair tests below.
EXPECTED = {
    S.UNKNOWN: "",
    S.NEW: "PENDING_RISK",
    S.PENDING_RISK: "APPROVED DENIED",
    S.APPROVED: "SUBMITTED",
    S.SUBMITTED: "ACCEPTED PARTIALLY_FILLED FILLED PENDING_CANCEL CANCELLED REJECTED EXPIRED",
    S.ACCEPTED: "PARTIALLY_FILLED FILLED PENDING_CANCEL CANCELLED EXPIRED",
    S.TRIGGERED: "",
    S.PARTIALLY_FILLED: "PARTIALLY_FILLED FILLED PENDING_CANCEL CANCELLED EXPIRED",
    S.FILLED: "",
    S.PENDING_CANCEL: "PENDING_CANCEL SUBMITTED ACCEPTED PARTIALLY_FILLED FILLED CANCELLED "
    "REJECTED EXPIRED",
    S.CANCELLED: "CANCELLED FILLED",
    S.PENDING_REPLACE: "",
    S.REPLACED: "",
    S.REJECTED: "",
    S.EXPIRED: "EXPIRED FILLED",
    S.DENIED: "",
    S.IN_DOUBT: "",
}


@pytest.mark.parametrize("now", STATES, ids=lambda each: each.name)
def test_the_published_table_should_allow_exactly_the_expected_pairs(now: OrderStatus) -> None:
    """Exhaustive over all pairs of states. Oracle: EXPECTED."""
    assert {later.name for later in STATES if is_allowed(now, later)} == set(EXPECTED[now].split())


def test_the_full_machine_should_have_every_state_and_no_pair_twice() -> None:
    """No state that nothing ever enters, once the later pairs are built; no pair both allowed and
    later.
    """
    entered = {later for table in (TRANSITIONS, LATER) for row in table.values() for later in row}
    assert entered == set(STATES) - {S.UNKNOWN, S.NEW}
    assert all(not set(TRANSITIONS[now]) & set(later) for now, later in LATER.items())
    assert set(TRANSITIONS) == set(STATES) - {S.UNKNOWN}
    assert doctest.testmod(machine).failed == 0


def test_the_published_page_should_be_current() -> None:
    """docs/order_machine.md is what `python -m streams.routing.machine` prints."""
    assert (
        Path(__file__).resolve().parents[2] / "docs" / "order_machine.md"
    ).read_text() == machine.table()


def order_in(status: OrderStatus, filled: int = 0) -> tuple[Routing, StageContext]:
    """A stage that holds one order of 10 in this state."""
    routing, context = Routing([toy()], Settings()), StageContext()
    routing.on_risk_decision(approved(request(ID, quantity=10, price=100)), context)
    if machine.CLOSED[status]:
        routing.on_execution_report(report(ID, ReportKind.CANCELLED), context)
    row = routing.state.tables["orders"].rows[0]
    row["status"], row["filled_quantity"] = status, filled
    if status == S.PENDING_CANCEL:
        row["cancel_reason"] = OrderReason.USER_CANCEL
    return routing, StageContext()


# What makes an order step to a state: each event the stage can receive, and the state it leads to.
EVENTS = {
    "accept": (report(ID, ReportKind.ACCEPTED), S.ACCEPTED),
    "reject": (report(ID, ReportKind.REJECTED), S.REJECTED),
    "cancelled": (report(ID, ReportKind.CANCELLED), S.CANCELLED),
    "expire": (report(ID, ReportKind.EXPIRED), S.EXPIRED),
    "partial": (report(ID, ReportKind.FILL, 4, 100, 1), S.PARTIALLY_FILLED),
    "fill": (report(ID, ReportKind.FILL, 10, 100, 1), S.FILLED),
    "cancel": (approved(request(ID, kind=int(RequestKind.CANCEL))), S.PENDING_CANCEL),
}
# Events whose outcome is not the plain target: a cancel under way or a close survives them. (state,
# event) -> state after.
STAYS = {
    (S.PENDING_CANCEL, "accept"): S.PENDING_CANCEL,
    (S.PENDING_CANCEL, "partial"): S.PENDING_CANCEL,
    (S.CANCELLED, "partial"): S.CANCELLED,
    (S.EXPIRED, "partial"): S.EXPIRED,
    (S.PENDING_CANCEL, "cancel"): None,  # a second cancel is refused, not sent again
    (S.CANCELLED, "cancelled"): None,
    (S.EXPIRED, "expire"): None,
}


@pytest.mark.parametrize("event", EVENTS)
@pytest.mark.parametrize(
    "now",
    [each for each in STATES if each not in (S.UNKNOWN, S.FILLED)],
    ids=lambda each: each.name,
)
def test_should_take_an_allowed_step_and_refuse_every_other_by_name(
    now: OrderStatus, event: str
) -> None:
    """Exhaustive: every state by every event. A refused event changes no byte of state, books
    nothing and is recorded. Oracle: EXPECTED.
    """
    record, target = EVENTS[event]
    after = STAYS.get((now, event), target if target.name in EXPECTED[now].split() else None)
    routing, context = order_in(now)
    before = state_bytes(routing)
    if event == "cancel":
        routing.on_risk_decision(record, context)  # type: ignore[arg-type]
    else:
        routing.on_execution_report(record, context)  # type: ignore[arg-type]
    last = last_event(context.emitted)
    if after is None:
        assert (
            last.refused
            and last.status == now
            and last.reason in (OrderReason.REFUSED_TRANSITION, OrderReason.ORDER_CLOSED)
        )
        assert len(context.emitted) == 1 and state_bytes(routing) == before
    else:
        assert not last.refused and last.status == after
        assert state_bytes(routing) != before


@pytest.mark.parametrize("event", [each for each in EVENTS if each not in ("partial", "fill")])
def test_a_filled_order_should_refuse_everything_by_name(event: str) -> None:
    """Oracle: EXPECTED: nothing follows FILLED."""
    record, _ = EVENTS[event]
    routing, context = order_in(S.FILLED, 10)
    before = state_bytes(routing)
    if event == "cancel":
        routing.on_risk_decision(record, context)  # type: ignore[arg-type]
    else:
        routing.on_execution_report(record, context)  # type: ignore[arg-type]
    assert last_event(context.emitted).reason == OrderReason.ORDER_CLOSED
    assert state_bytes(routing) == before


def test_a_report_of_unknown_kind_should_be_refused_by_name() -> None:
    """Nothing is ignored."""
    routing, context = order_in(S.ACCEPTED)
    routing.on_execution_report(report(ID, ReportKind.UNKNOWN), context)
    assert last_event(context.emitted).reason == OrderReason.REFUSED_TRANSITION


class Model:
    """A plain model of one order's venue truth: what a venue that never errs has done to it."""

    def __init__(self, quantity: int) -> None:
        self.quantity, self.filled, self.open, self.end = quantity, 0, True, S.SUBMITTED


@pytest.mark.parametrize("seed", range(20))
def test_random_histories_should_end_as_the_venue_says(seed: int) -> None:
    """Model-based: random reports, cancels, kills, duplicates and late reports over several orders,
    a restart now and then.

    Oracle: the venue's own books. What it filled is what we booked, once; an order the venue closed
    is closed.
    """
    generator = random.Random(seed)
    routing, context = Routing([toy()], Settings(closed_orders=64)), StageContext()
    models: dict[str, Model] = {}
    sent: list[ExecutionReport] = []
    trade = 0
    for step in range(400):
        choice = generator.random()
        if choice < 0.15 or not models:
            order_id = built_id(1000 + step)
            models[order_id] = Model(generator.randint(1, 20))
            routing.on_risk_decision(
                approved(request(order_id, quantity=models[order_id].quantity, price=100)), context
            )
            continue
        order_id = generator.choice(list(models)[-20:])
        model = models[order_id]
        if choice < 0.25:
            routing.on_risk_decision(
                approved(request(order_id, kind=int(RequestKind.CANCEL))), context
            )
        elif choice < 0.27:
            routing.on_control_command(control(ControlKind.KILL), context)
        elif choice < 0.35 and sent:
            # the same report again
            routing.on_execution_report(generator.choice(sent[-20:]), context)
        elif choice < 0.40:
            restored(routing)
        elif choice < 0.75 and model.open and model.filled < model.quantity:
            trade += 1
            quantity = generator.randint(1, model.quantity - model.filled)
            model.filled += quantity
            sent.append(report(order_id, ReportKind.FILL, quantity, 100, trade))
            routing.on_execution_report(sent[-1], context)
            if model.filled == model.quantity:
                model.open, model.end = False, S.FILLED
        elif model.open:
            model.open, model.end = False, S.CANCELLED
            routing.on_execution_report(report(order_id, ReportKind.CANCELLED), context)
    booked: dict[str, int] = {}
    for each in context.emitted:
        if type(each) is Fill:
            booked[each.order_id] = booked.get(each.order_id, 0) + each.quantity
    assert booked == {order_id: model.filled for order_id, model in models.items() if model.filled}
    assert {each.order_id for each in routing.live_orders()} == {
        order_id for order_id, model in models.items() if model.open
    }
    for order in routing.closed_orders():
        assert order.status == models[order.order_id].end
    statuses: dict[str, int] = {}
    for each in context.emitted:
        if type(each) is OrderEvent and not each.refused:
            before = statuses.get(each.order_id, int(S.APPROVED))
            assert is_allowed(before, each.status), (before, each)
            statuses[each.order_id] = each.status
    news = [
        each.order_id
        for each in context.emitted
        if type(each) is VenueCommand and each.kind == RequestKind.NEW
    ]
    assert len(news) == len(set(news)) == len(models)
