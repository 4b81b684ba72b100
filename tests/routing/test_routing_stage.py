"""Routing: submission, fill guards, cancel and its races, kill switch, idempotence, bounded memory.
"""

from __future__ import annotations

import tracemalloc
from typing import Any

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

from schemas.records import Fill, OrderEvent, RiskDecision, VenueCommand
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
    Side,
    TimeInForce,
)
from streams.routing.stage import Routing, Settings

BUY, SELL = int(Side.BUY), int(Side.SELL)
ID = built_id(1)
R, S = OrderReason, OrderStatus


def started(quantity: int = 10, price: int = 100, **changes: int) -> tuple[Routing, StageContext]:
    """A stage with one accepted limit order."""
    routing, context = Routing([toy()], Settings(**changes)), StageContext(5)
    routing.on_risk_decision(approved(request(ID, quantity=quantity, price=price)), context)
    routing.on_execution_report(report(ID, ReportKind.ACCEPTED), context)
    context.take()
    return routing, context


def closed_ids(routing: Routing) -> list[str]:
    return [each.order_id for each in routing.closed_orders()]


def denied(
    order_id: str = ID, code: RiskCode = RiskCode.MAX_QUANTITY, kind: RequestKind = RequestKind.NEW
) -> RiskDecision:
    return RiskDecision(
        order_id,
        1,
        1,
        1,
        0,
        int(kind),
        int(DecisionOutcome.DENIED),
        int(code),
        1 << code,
        0,
        0,
        BUY,
        1,
        2,
        False,
        10,
        0,
    )


TERMS = [
    (OrderType.MARKET, TimeInForce.IOC, 0, False),
    (OrderType.LIMIT, TimeInForce.GTC, 100, False),
    (OrderType.LIMIT, TimeInForce.IOC, 100, False),
    (OrderType.LIMIT, TimeInForce.GTC, 100, True),
]


@pytest.mark.parametrize(
    ("order_type", "time_in_force", "price", "post_only"),
    TERMS,
    ids=["market", "limit", "limit-ioc", "post-only"],
)
def test_should_send_an_approved_order_with_its_terms(
    order_type: int, time_in_force: int, price: int, post_only: bool
) -> None:
    """Oracle: the request's own terms; the command goes out before the event that says so."""
    routing, context = Routing([toy()], Settings()), StageContext(7)
    wanted = request(
        ID,
        SELL,
        3,
        price,
        order_type=int(order_type),
        time_in_force=int(time_in_force),
        post_only=post_only,
    )
    routing.on_risk_decision(approved(wanted), context)
    command, event = context.emitted
    assert command == VenueCommand(
        ID, 1, 7, int(RequestKind.NEW), SELL, order_type, time_in_force, post_only, 3, price
    )
    assert event == OrderEvent(
        ID, 1, 1, 1, 7, int(S.SUBMITTED), int(R.NONE), SELL, 3, price, 0, False
    )


def test_a_market_order_should_be_submitted_accepted_and_filled() -> None:
    """One event a state change; the fill comes before the event that reports it. Oracle: by hand.
    """
    routing, context = Routing([toy()], Settings()), StageContext(7)
    routing.on_risk_decision(approved(request(ID, quantity=10)), context)
    for each in (
        report(ID, ReportKind.ACCEPTED),
        report(ID, ReportKind.FILL, 4, 100, 1, fee=2),
        report(ID, ReportKind.FILL, 6, 101, 2, fee=3),
    ):
        routing.on_execution_report(each, context)
    kinds = [type(each).__name__ for each in context.emitted]
    assert kinds == [
        "VenueCommand",
        "OrderEvent",
        "OrderEvent",
        "Fill",
        "OrderEvent",
        "Fill",
        "OrderEvent",
    ]
    events = [
        (each.status, each.filled_quantity) for each in context.emitted if type(each) is OrderEvent
    ]
    assert events == [(S.SUBMITTED, 0), (S.ACCEPTED, 0), (S.PARTIALLY_FILLED, 4), (S.FILLED, 10)]
    assert [
        (each.quantity, each.price, each.fee) for each in context.emitted if type(each) is Fill
    ] == [(4, 100, 2), (6, 101, 3)]
    assert not routing.live_orders() and closed_ids(routing) == [ID]


@pytest.mark.parametrize(
    ("code", "reason"),
    [(RiskCode.MAX_QUANTITY, R.RISK_DENIED), (RiskCode.KILL_SWITCH, R.KILL_SWITCH)],
)
def test_should_record_a_denied_order_and_send_nothing(code: RiskCode, reason: OrderReason) -> None:
    """Oracle: by hand; its id is spent."""
    routing, context = Routing([toy()], Settings()), StageContext()
    routing.on_risk_decision(denied(code=code), context)
    assert [(each.status, each.reason, each.refused) for each in context.take()] == [
        (S.DENIED, reason, False)
    ]
    routing.on_risk_decision(approved(request(ID)), context)
    assert last_event(context.emitted).reason == R.DUPLICATE_ORDER


# -- guards

GUARDS = [
    ("wrong instrument", {"number": 2}, R.WRONG_INSTRUMENT),
    ("wrong side", {"side": SELL}, R.WRONG_SIDE),
    ("zero quantity", {"quantity": 0}, R.INVALID_FILL),
    ("negative quantity", {"quantity": -1}, R.INVALID_FILL),
    ("zero price", {"price": 0}, R.INVALID_FILL),
    ("negative price", {"price": -5}, R.INVALID_FILL),
    ("trade id seen", {"trade_id": 77}, R.DUPLICATE_FILL),
    ("overfill by one", {"quantity": 8}, R.OVERFILL),
]


@pytest.mark.parametrize(
    ("name", "changes", "reason"), GUARDS, ids=[each[0].replace(" ", "_") for each in GUARDS]
)
def test_a_fill_should_be_refused_for(
    name: str, changes: dict[str, int], reason: OrderReason
) -> None:
    """A vector for each guard (OMS-3): refused by name, no byte of state changed, no Fill. Oracle:
    the table above.
    """
    routing, context = started()
    routing.on_execution_report(report(ID, ReportKind.FILL, 3, 100, 77), context)
    context.take()
    before = state_bytes(routing)
    fields = {"quantity": 2, "price": 100, "trade_id": 78} | changes
    routing.on_execution_report(report(ID, ReportKind.FILL, **fields), context)
    (event,) = context.take()
    assert (event.refused, event.reason, event.status, event.filled_quantity) == (
        True,
        reason,
        S.PARTIALLY_FILLED,
        3,
    )
    assert state_bytes(routing) == before


def test_the_exact_remainder_should_fill() -> None:
    """The edge beside the overfill guard. Oracle: by hand: 3 + 7 = 10."""
    routing, context = started()
    for trade_id, quantity in ((1, 3), (2, 7)):
        routing.on_execution_report(report(ID, ReportKind.FILL, quantity, 100, trade_id), context)
    assert last_event(context.emitted).status == S.FILLED


def test_a_duplicate_should_be_known_after_the_order_closed() -> None:
    """Oracle: by hand: the venue repeats its last report."""
    routing, context = started()
    final = report(ID, ReportKind.FILL, 10, 100, 5)
    routing.on_execution_report(final, context)
    context.take()
    routing.on_execution_report(final, context)
    (event,) = context.take()
    assert (event.refused, event.reason) == (True, R.DUPLICATE_FILL)


@pytest.mark.parametrize(
    "kind",
    [
        ReportKind.ACCEPTED,
        ReportKind.CANCELLED,
        ReportKind.REJECTED,
        ReportKind.CANCEL_REJECTED,
        ReportKind.EXPIRED,
    ],
)
def test_a_report_about_another_instrument_should_be_refused(kind: ReportKind) -> None:
    """Oracle: by hand."""
    routing, context = started()
    before = state_bytes(routing)
    routing.on_execution_report(report(ID, kind, number=2), context)
    assert (
        last_event(context.emitted).reason == R.WRONG_INSTRUMENT and state_bytes(routing) == before
    )


@pytest.mark.parametrize("kind", [each for each in ReportKind if each])
def test_a_report_about_an_unknown_order_should_be_recorded(kind: ReportKind) -> None:
    """Nothing is ignored. Oracle: by hand."""
    routing, context = started()
    routing.on_execution_report(report(built_id(99), kind, 1, 1, 1), context)
    (event,) = context.take()
    assert (event.order_id, event.refused, event.reason, event.status) == (
        built_id(99),
        True,
        R.UNKNOWN_ORDER,
        S.UNKNOWN,
    )


# -- cancel and its races

RACES: dict[str, tuple[list[tuple[Any, ...]], OrderStatus, int]] = {
    "venue confirms": ([("CANCELLED",)], S.CANCELLED, 0),
    "fill wins": ([("FILL", 10), ("CANCEL_REJECTED",)], S.FILLED, 10),
    "partial, then confirms": ([("FILL", 4), ("CANCELLED",)], S.CANCELLED, 4),
    "partial, then fill wins": ([("FILL", 4), ("FILL", 6), ("CANCEL_REJECTED",)], S.FILLED, 10),
    "venue refuses": ([("CANCEL_REJECTED",)], S.ACCEPTED, 0),
    "partial, then refuses": ([("FILL", 4), ("CANCEL_REJECTED",)], S.PARTIALLY_FILLED, 4),
    "expires first": ([("EXPIRED",), ("CANCEL_REJECTED",)], S.EXPIRED, 0),
    "confirms, late partial": ([("CANCELLED",), ("FILL", 4)], S.CANCELLED, 4),
    "confirms, late fills complete it": ([("CANCELLED",), ("FILL", 4), ("FILL", 6)], S.FILLED, 10),
    "expires, late fill": ([("EXPIRED",), ("FILL", 3)], S.EXPIRED, 3),
    "confirms twice": ([("CANCELLED",), ("CANCELLED",)], S.CANCELLED, 0),
    "never answers": ([], S.PENDING_CANCEL, 0),
}


@pytest.mark.parametrize("name", RACES)
def test_the_race_should_end_as_the_venue_says_when_it(name: str) -> None:
    """The race matrix of cancel against fill, partial, reject, expiry and silence (OMS-9). Oracle:
    the venue's last word, column 2 and 3.
    """
    reports, status, filled = RACES[name]
    routing, context = started()
    routing.on_risk_decision(approved(request(ID, kind=int(RequestKind.CANCEL))), context)
    command, event = context.take()
    assert (command.kind, command.quantity) == (RequestKind.CANCEL, 10)
    assert (event.status, event.reason) == (S.PENDING_CANCEL, R.USER_CANCEL)
    for trade_id, each in enumerate(reports):
        quantity = each[1] if len(each) > 1 else 0
        routing.on_execution_report(
            report(ID, ReportKind[each[0]], quantity, 100 if quantity else 0, trade_id), context
        )
    order = routing.order(ID)
    assert order is not None and (order.status, order.filled_quantity) == (status, filled)
    assert sum(each.quantity for each in context.emitted if type(each) is Fill) == filled


def test_a_late_fill_should_be_flagged() -> None:
    """Accepted by rule, and said so. Oracle: by hand."""
    routing, context = started()
    routing.on_execution_report(
        report(ID, ReportKind.CANCELLED, reason=int(R.USER_CANCEL)), context
    )
    routing.on_execution_report(report(ID, ReportKind.FILL, 4, 100, 1), context)
    event = last_event(context.emitted)
    assert (event.status, event.reason, event.refused, event.filled_quantity) == (
        S.CANCELLED,
        R.LATE_FILL,
        False,
        4,
    )


@pytest.mark.parametrize("status", [S.REJECTED, S.DENIED])
def test_an_order_that_never_worked_should_not_fill_late(status: OrderStatus) -> None:
    """Oracle: by hand: a rejected or denied order cannot have traded."""
    routing, context = Routing([toy()], Settings()), StageContext()
    if status == S.DENIED:
        routing.on_risk_decision(denied(), context)
    else:
        routing.on_risk_decision(approved(request(ID, quantity=10)), context)
        routing.on_execution_report(
            report(ID, ReportKind.REJECTED, reason=int(R.INVALID_ORDER)), context
        )
    context.take()
    routing.on_execution_report(report(ID, ReportKind.FILL, 4, 100, 1), context)
    (event,) = context.take()
    assert (event.refused, event.reason, event.status) == (True, R.REFUSED_TRANSITION, status)


def test_a_cancel_before_the_acknowledgement_should_stay_under_way() -> None:
    """Oracle: by hand: submitted, cancel asked, then accepted, then the cancel refused: the order
    works.
    """
    routing, context = Routing([toy()], Settings()), StageContext()
    routing.on_risk_decision(approved(request(ID, quantity=10, price=100)), context)
    routing.on_risk_decision(approved(request(ID, kind=int(RequestKind.CANCEL))), context)
    routing.on_execution_report(report(ID, ReportKind.ACCEPTED), context)
    assert last_event(context.emitted).status == S.PENDING_CANCEL
    routing.on_execution_report(report(ID, ReportKind.CANCEL_REJECTED), context)
    event = last_event(context.emitted)
    assert (event.status, event.reason) == (S.ACCEPTED, R.CANCEL_REJECTED)


def test_a_refused_cancel_may_be_asked_again() -> None:
    """Oracle: by hand: two cancel commands, one at a time."""
    routing, context = started()
    cancel = approved(request(ID, kind=int(RequestKind.CANCEL)))
    routing.on_risk_decision(cancel, context)
    routing.on_risk_decision(cancel, context)
    assert last_event(context.emitted).refused
    routing.on_execution_report(report(ID, ReportKind.CANCEL_REJECTED), context)
    routing.on_risk_decision(cancel, context)
    assert len(context.take(VenueCommand)) == 2


def test_a_cancel_of_an_unknown_order_should_be_refused_by_name() -> None:
    """Oracle: by hand; also where risk denied it."""
    routing, context = Routing([toy()], Settings()), StageContext()
    routing.on_risk_decision(approved(request(ID, kind=int(RequestKind.CANCEL))), context)
    routing.on_risk_decision(denied(code=RiskCode.UNKNOWN_ORDER, kind=RequestKind.CANCEL), context)
    assert [(each.refused, each.reason) for each in context.take()] == [(True, R.UNKNOWN_ORDER)] * 2


@pytest.mark.parametrize(
    "reason",
    [R.IOC_REMAINDER, R.NO_LIQUIDITY, R.POST_ONLY_WOULD_CROSS, R.BOOK_NOT_SYNCED, R.END_OF_INPUT],
)
def test_the_venues_reason_should_be_kept(reason: OrderReason) -> None:
    """Oracle: the report."""
    routing, context = started()
    routing.on_execution_report(report(ID, ReportKind.CANCELLED, reason=int(reason)), context)
    assert last_event(context.emitted).reason == reason


# -- kill switch

KILLS = [
    (ControlScope.SYSTEM, {}, {1, 2, 3, 4}),
    (ControlScope.ACCOUNT, {"account": 2}, {4}),
    (ControlScope.STRATEGY, {"strategy": 2}, {3}),
    (ControlScope.INSTRUMENT, {"number": 2}, {2}),
    (ControlScope.UNKNOWN, {}, {1, 2, 3, 4}),
]


@pytest.mark.parametrize(("scope", "target", "hit"), KILLS, ids=[each[0].name for each in KILLS])
def test_a_kill_should_cancel_the_working_orders_in_its_scope(
    scope: ControlScope, target: dict[str, int], hit: set[int]
) -> None:
    """Oracle: the table; an unreadable scope covers everything."""
    routing, context = Routing([toy(1), toy(2)], Settings()), StageContext()
    for wanted in (
        request(built_id(1), price=5),
        request(built_id(2), price=5, number=2),
        request(built_id(3), price=5, strategy=2),
        request(built_id(4), price=5, account=2),
    ):
        routing.on_risk_decision(approved(wanted), context)
    context.take()
    routing.on_control_command(control(ControlKind.KILL, scope, **target), context)
    commands = [each for each in context.emitted if type(each) is VenueCommand]
    assert [each.order_id for each in commands] == [built_id(number) for number in sorted(hit)]
    assert all(each.kind == RequestKind.CANCEL for each in commands)
    assert {each.reason for each in context.take(OrderEvent)} == {R.KILL_SWITCH}
    routing.on_execution_report(
        report(commands[0].order_id, ReportKind.CANCELLED, number=commands[0].instrument), context
    )
    assert last_event(context.emitted).reason == R.KILL_SWITCH


@pytest.mark.parametrize(
    "kind", [ControlKind.REARM, ControlKind.LIMIT, ControlKind.PARAMETER, ControlKind.UNKNOWN]
)
def test_other_commands_should_leave_orders_alone(kind: ControlKind) -> None:
    """Oracle: by hand."""
    routing, context = started()
    routing.on_control_command(control(kind), context)
    assert not context.emitted


def test_a_second_kill_should_not_send_a_second_cancel() -> None:
    """Oracle: by hand."""
    routing, context = started()
    for _ in range(3):
        routing.on_control_command(control(ControlKind.KILL), context)
    assert len(context.take(VenueCommand)) == 1


# -- idempotence, restart, memory


@pytest.mark.parametrize(
    "step", ["submitted", "accepted", "partial", "pending cancel", "filled", "cancelled", "denied"]
)
def test_submitting_again_should_never_give_a_second_order(step: str) -> None:
    """One intent, one live order, at each step between intent and end, restart included (OMS-11).
    Oracle: the count of NEW commands.
    """
    routing, context = Routing([toy()], Settings()), StageContext()
    decision = approved(request(ID, quantity=10, price=100))
    routing.on_risk_decision(denied() if step == "denied" else decision, context)
    history: dict[str, list[Any]] = {
        "submitted": [],
        "accepted": [ReportKind.ACCEPTED],
        "partial": [ReportKind.ACCEPTED, 4],
        "pending cancel": [ReportKind.ACCEPTED, "cancel"],
        "filled": [ReportKind.ACCEPTED, 10],
        "cancelled": [ReportKind.ACCEPTED, ReportKind.CANCELLED],
        "denied": [],
    }
    for each in history[step]:
        if each == "cancel":
            routing.on_risk_decision(approved(request(ID, kind=int(RequestKind.CANCEL))), context)
        elif isinstance(each, ReportKind):
            routing.on_execution_report(report(ID, each), context)
        else:
            routing.on_execution_report(report(ID, ReportKind.FILL, each, 100, 1), context)
    restored(routing)
    before = state_bytes(routing)
    for _ in range(3):
        routing.on_risk_decision(decision, context)
    assert (
        last_event(context.emitted).reason == R.DUPLICATE_ORDER
        and last_event(context.emitted).refused
    )
    assert state_bytes(routing) == before
    news = [
        each
        for each in context.emitted
        if type(each) is VenueCommand and each.kind == RequestKind.NEW
    ]
    assert len(news) == (0 if step == "denied" else 1)


def one_order(routing: Routing, context: StageContext, number: int) -> None:
    order_id = built_id(number)
    routing.on_risk_decision(approved(request(order_id)), context)
    routing.on_execution_report(report(order_id, ReportKind.ACCEPTED), context)
    routing.on_execution_report(report(order_id, ReportKind.FILL, 1, 100, number), context)
    context.emitted.clear()


def test_closed_orders_should_leave_the_oldest_first() -> None:
    """Oracle: by hand: a ring of three after five orders knows the last three."""
    routing, context = Routing([toy()], Settings(closed_orders=3)), StageContext()
    for number in range(5):
        one_order(routing, context, number)
    assert closed_ids(routing) == [built_id(2), built_id(3), built_id(4)]


def test_a_late_fill_should_not_enter_an_order_twice_in_the_ring() -> None:
    """Oracle: by hand: cancelled, filled late to the end, then two more orders push it out of a
    ring of two.
    """
    routing, context = started(closed_orders=2)
    routing.on_execution_report(report(ID, ReportKind.CANCELLED), context)
    routing.on_execution_report(report(ID, ReportKind.FILL, 10, 100, 1), context)
    assert [(each.order_id, each.status) for each in routing.closed_orders()] == [(ID, S.FILLED)]
    for number in (50, 51):
        one_order(routing, context, number)
    assert closed_ids(routing) == [built_id(50), built_id(51)]


def test_memory_should_stay_flat_however_many_orders_pass() -> None:
    """Oracle: the allocator: the second 20,000 orders add less than 200 kB to what the first 20,000
    left.
    """
    routing, context = Routing([toy()], Settings(closed_orders=256)), StageContext()
    tracemalloc.start()
    for number in range(20_000):
        one_order(routing, context, number)
    first = tracemalloc.get_traced_memory()[0]
    for number in range(20_000, 40_000):
        one_order(routing, context, number)
    second = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert second - first < 200_000
    assert len(closed_ids(routing)) == 256 and not routing.live_orders()
    assert len(routing.state.tables["orders"]) == len(routing.state.tables["trades"]) == 512


@pytest.mark.parametrize("size", [0, 1_000_001])
def test_should_refuse_a_ring_out_of_range(size: int) -> None:
    """The text names the range."""
    with pytest.raises(ValueError, match="between 1 and 1000000"):
        Settings(closed_orders=size)
