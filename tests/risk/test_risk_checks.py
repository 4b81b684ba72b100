"""The pre-trade checks: a truth table below, at and above every limit, the fixed order, limits in
their units, exposure under any history.
"""

from __future__ import annotations

import math
from fractions import Fraction
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stage_context import (
    Pipeline,
    StageContext,
    built_id,
    control,
    fill,
    instrument,
    mark,
    perpetual,
    report,
    request,
    restored,
    state_bytes,
    toy,
)

from schemas.records import OrderEvent, OrderRequest, RiskDecision, RiskEvent
from schemas.vocabulary import (
    ControlKind,
    ControlScope,
    DecisionOutcome,
    Flag,
    OrderStatus,
    OrderType,
    ReportKind,
    RequestKind,
    RiskCode,
    Severity,
    Side,
    TimeInForce,
)
from streams.numeric import fixed
from streams.risk.codes import CHECKS, CODE_OF_LIMIT, table
from streams.risk.limits import BadLimit, convert
from streams.risk.stage import Risk, Settings
from streams.risk.state import write_amount
from streams.routing.stage import Routing
from streams.routing.stage import Settings as RoutingSettings

BUY, SELL = int(Side.BUY), int(Side.SELL)
C = RiskCode
ID = built_id(7)
SECOND = 1_000_000_000


def decide(
    wanted: OrderRequest,
    last: Any = None,
    clock: int = 0,
    instruments: Any = None,
    position: int = 0,
    **limits: Any,
) -> RiskDecision:
    """The decision of a fresh stage after one mark (100 to 102 unless given) and a starting
    position.
    """
    risk = Risk(instruments or [toy(maximum_quantity=0)], Settings(**limits))
    context = StageContext(clock)
    risk.on_mark(mark(100, 102) if last is None else last, context)
    if position:
        risk.on_fill(fill(BUY if position > 0 else SELL, abs(position), 100), context)
    risk.on_order_request(wanted, context)
    decision: RiskDecision = context.take(RiskDecision)[-1]
    return decision


def buy(quantity: int = 10, price: int = 0, **changes: Any) -> Any:
    return request(ID, BUY, quantity, price, **changes)


def sell(quantity: int = 10, price: int = 0, **changes: Any) -> Any:
    return request(ID, SELL, quantity, price, **changes)


LOT5 = [toy(lot_size=5, tick_size=5)]
SPOT = [toy(shortable=False)]
# request, what differs from a fresh stage, the code (NONE: approved), observed, limit. The mark is
# 100 to 102: twice the mid is 202.
TRUTH: list[tuple[OrderRequest, dict[str, Any], RiskCode, int, int]] = [
    (buy(), {}, C.NONE, 0, 0),
    (sell(), {}, C.NONE, 0, 0),
    (buy(number=9), {}, C.UNKNOWN_INSTRUMENT, 9, 0),
    (buy(account=2), {}, C.FOREIGN_ACCOUNT, 2, 1),
    (buy(account=2), {"account": 2}, C.NONE, 0, 0),
    (buy(0), {}, C.INVALID_QUANTITY, 0, 1),
    (buy(-1), {}, C.INVALID_QUANTITY, -1, 1),
    (buy(7), {"instruments": LOT5}, C.INVALID_QUANTITY, 7, 5),
    (buy(10), {"instruments": LOT5}, C.NONE, 0, 0),
    (request(ID, int(Side.UNKNOWN), 10), {}, C.INVALID_QUANTITY, 10, 1),
    (buy(10, 101), {"instruments": LOT5}, C.INVALID_PRICE, 101, 5),
    (buy(10, 100), {"instruments": LOT5}, C.NONE, 0, 0),
    (buy(10, -100), {}, C.INVALID_PRICE, -100, 1),
    (
        buy(10, 0, order_type=int(OrderType.LIMIT), time_in_force=int(TimeInForce.GTC)),
        {},
        C.INVALID_PRICE,
        0,
        1,
    ),
    (buy(10, 100, order_type=int(OrderType.MARKET)), {}, C.INVALID_PRICE, 100, 1),
    (buy(10, 100, order_type=int(OrderType.UNKNOWN)), {}, C.INVALID_PRICE, 100, 1),
    (buy(10, 100, time_in_force=int(TimeInForce.UNKNOWN)), {}, C.INVALID_PRICE, 100, 1),
    (buy(10, 0, time_in_force=int(TimeInForce.UNKNOWN)), {}, C.INVALID_PRICE, 0, 1),
    (buy(10, 0, post_only=True), {}, C.INVALID_PRICE, 0, 1),
    (buy(10, 100, post_only=True, time_in_force=int(TimeInForce.IOC)), {}, C.INVALID_PRICE, 100, 1),
    (buy(10, 100, post_only=True), {}, C.NONE, 0, 0),
    (buy(10, 100, time_in_force=int(TimeInForce.IOC)), {}, C.NONE, 0, 0),
    # stale data
    (buy(), {"last": mark(100, 102, flags=int(Flag.STALE))}, C.STALE_DATA, 1, 0),
    (buy(), {"last": mark(100, 102, flags=int(Flag.GAP))}, C.STALE_DATA, 2, 0),
    (buy(), {"last": mark(102, 100, flags=int(Flag.CROSSED))}, C.STALE_DATA, 4, 0),
    (buy(), {"last": mark(100, 102, flags=int(Flag.SIMULATED | Flag.LATE))}, C.NONE, 0, 0),
    (buy(), {"clock": 5 * SECOND}, C.NONE, 0, 0),
    (buy(), {"clock": 5 * SECOND + 1}, C.STALE_DATA, 5 * SECOND + 1, 5 * SECOND),
    (buy(), {"clock": 5 * SECOND + 1, "mark_age_max": "off"}, C.NONE, 0, 0),
    (
        buy(),
        {"clock": 6 * SECOND, "last": mark(100, 102, clock=6 * SECOND, book_time=0)},
        C.STALE_DATA,
        6 * SECOND,
        5 * SECOND,
    ),
    # reference price
    (buy(), {"last": mark(100, 0, last=100)}, C.NO_REFERENCE_PRICE, 0, 0),
    (sell(), {"last": mark(100, 0, last=100)}, C.NONE, 0, 0),
    (sell(), {"last": mark(0, 102, last=100)}, C.NO_REFERENCE_PRICE, 0, 0),
    (buy(10, 100), {"last": mark(100, 0, last=0)}, C.NO_REFERENCE_PRICE, 0, 0),
    (buy(10, 100), {"last": mark(100, 0, last=0), "price_collar_bp": "off"}, C.NONE, 0, 0),
    (buy(10, 100), {"last": mark(0, 0, last=100)}, C.NONE, 0, 0),
    # size
    (buy(4), {"min_quantity": "5"}, C.MIN_QUANTITY, 4, 5),
    (buy(5), {"min_quantity": "5"}, C.NONE, 0, 0),
    (buy(4), {"instruments": [toy(minimum_quantity=5)]}, C.MIN_QUANTITY, 4, 5),
    (buy(4), {"instruments": [toy(minimum_quantity=5)], "min_quantity": "off"}, C.NONE, 0, 0),
    (buy(6), {"max_quantity": "5"}, C.MAX_QUANTITY, 6, 5),
    (buy(5), {"max_quantity": "5"}, C.NONE, 0, 0),
    (buy(6), {"instruments": [toy(maximum_quantity=5)]}, C.MAX_QUANTITY, 6, 5),
    (buy(10**15), {"price_collar_bp": "off"}, C.NONE, 0, 0),
    # value: market buys at the ask, sells at the bid; against the maximum a market buy adds the
    # collar of 5 %, rounded up: 102 + 6
    (buy(10), {"min_notional": "1020"}, C.NONE, 0, 0),
    (buy(10), {"min_notional": "1021"}, C.MIN_NOTIONAL, 1020, 1021),
    (sell(10), {"min_notional": "1001"}, C.MIN_NOTIONAL, 1000, 1001),
    (buy(10, 99), {"min_notional": "991"}, C.MIN_NOTIONAL, 990, 991),
    (buy(10), {"max_notional": "1080"}, C.NONE, 0, 0),
    (buy(10), {"max_notional": "1079"}, C.MAX_NOTIONAL, 1080, 1079),
    (buy(10), {"max_notional": "1020", "price_collar_bp": "off"}, C.NONE, 0, 0),
    (buy(10), {"max_notional": "1019", "price_collar_bp": "off"}, C.MAX_NOTIONAL, 1020, 1019),
    (sell(10), {"max_notional": "1000"}, C.NONE, 0, 0),
    (sell(10), {"max_notional": "999"}, C.MAX_NOTIONAL, 1000, 999),
    (buy(10, 99), {"max_notional": "990"}, C.NONE, 0, 0),
    (buy(10, 99), {"max_notional": "989"}, C.MAX_NOTIONAL, 990, 989),
    (
        buy(2**62),
        {"max_notional": str(2**63 - 1), "price_collar_bp": "off"},
        C.MAX_NOTIONAL,
        102 * 2**62,
        2**63 - 1,
    ),
    (
        buy(10),
        {"instruments": [toy(multiplier=3)], "max_notional": "3239"},
        C.MAX_NOTIONAL,
        3240,
        3239,
    ),
    # position, each side by itself; orders that reduce pass
    (buy(10), {"max_position": "10"}, C.NONE, 0, 0),
    (buy(11), {"max_position": "10"}, C.POSITION_LIMIT, 11, 10),
    (sell(10), {"max_position": "10"}, C.NONE, 0, 0),
    (sell(11), {"max_position": "10"}, C.POSITION_LIMIT, 11, 10),
    (buy(1), {"max_position": "10", "position": 10}, C.POSITION_LIMIT, 11, 10),
    (sell(20), {"max_position": "10", "position": 10}, C.NONE, 0, 0),
    (sell(21), {"max_position": "10", "position": 10}, C.POSITION_LIMIT, 11, 10),
    (sell(5), {"max_position": "10", "position": 30}, C.NONE, 0, 0),
    (buy(5), {"max_position": "10", "position": -30}, C.NONE, 0, 0),
    (buy(1), {"max_position": "0"}, C.POSITION_LIMIT, 1, 0),
    # shorts
    (sell(1), {"instruments": SPOT}, C.SHORT_NOT_ALLOWED, -1, 0),
    (sell(10), {"instruments": SPOT, "position": 10}, C.NONE, 0, 0),
    (sell(11), {"instruments": SPOT, "position": 10}, C.SHORT_NOT_ALLOWED, -1, 0),
    (sell(1), {"short": False}, C.SHORT_NOT_ALLOWED, -1, 0),
    (sell(1), {"short": True}, C.NONE, 0, 0),
    # collar: 5 % of 101 is 5.05, so 95.95 to 106.05; 95 and 107 lie outside
    (buy(10, 106), {}, C.NONE, 0, 0),
    (buy(10, 107), {}, C.PRICE_COLLAR, 107, 106),
    (sell(10, 96), {}, C.NONE, 0, 0),
    (sell(10, 95), {}, C.PRICE_COLLAR, 95, 96),
    (buy(10, 107), {"price_collar_bp": "off"}, C.NONE, 0, 0),
    (buy(10, 103), {"price_collar_bp": "100"}, C.PRICE_COLLAR, 103, 102),
    (buy(10, 102), {"price_collar_bp": "100"}, C.NONE, 0, 0),
    (buy(10, 105), {"last": mark(0, 102, last=100)}, C.NONE, 0, 0),
    (buy(10, 106), {"last": mark(0, 102, last=100)}, C.PRICE_COLLAR, 106, 105),
    (buy(10), {"last": mark(50, 150)}, C.PRICE_COLLAR, 150, 105),
    # cash: a market buy of 10 may cost 1080
    (buy(10), {"cash": "1080"}, C.NONE, 0, 0),
    (buy(10), {"cash": "1079"}, C.INSUFFICIENT_CASH, 1080, 1079),
    (buy(10, 100), {"cash": "1000"}, C.NONE, 0, 0),
    # a sale that opens a short may fill at 95 and then be worth 102: the value at the ask, and 7
    # more
    (sell(10), {"cash": "1090"}, C.NONE, 0, 0),
    (sell(10), {"cash": "1089"}, C.INSUFFICIENT_MARGIN, 1090, 1089),
    (sell(10), {"cash": "0", "position": 10}, C.NONE, 0, 0),
    # cancels
    (request(ID, kind=int(RequestKind.CANCEL)), {}, C.UNKNOWN_ORDER, 0, 0),
    (request(ID, kind=int(RequestKind.UNKNOWN)), {}, C.INVALID_QUANTITY, 1, 1),
]


@pytest.mark.parametrize(
    "row", range(len(TRUTH)), ids=[f"{index}-{row[2].name}" for index, row in enumerate(TRUTH)]
)
def test_the_truth_table_should_hold(row: int) -> None:
    """Every check below, at and above its limit. Oracle: TRUTH, worked by hand."""
    wanted, changes, code, observed, limit = TRUTH[row]
    decision = decide(wanted, **changes)
    assert (C(decision.code), decision.observed, decision.limit) == (code, observed, limit)
    assert decision.outcome == (
        DecisionOutcome.APPROVED if code == C.NONE else DecisionOutcome.DENIED
    )
    assert (
        decision.failed_checks == 0
        if code == C.NONE
        else decision.failed_checks & -decision.failed_checks == 1 << code
    )
    assert (decision.side, decision.quantity) == (wanted.side, wanted.quantity)
    assert decision.price == wanted.price or (code == C.NONE and wanted.price == 0)


@pytest.mark.parametrize(
    ("collar", "highest", "lowest"), [("500", 108, 95), ("100", 104, 99), ("off", 108, 95)]
)
def test_an_approved_market_order_should_carry_its_protection_price(
    collar: str, highest: int, lowest: int
) -> None:
    """Oracle: by hand: the ask of 102 and the bid of 100, with the collar; 5 % where there is none.
    Never beyond: up for a sale, up for a buy.
    """
    assert [decide(each, price_collar_bp=collar).price for each in (buy(), sell())] == [
        highest,
        lowest,
    ]


def test_every_code_should_be_met_by_the_truth_table_or_named_here() -> None:
    """No check without a vector."""
    # tests/risk/test_account.py
    of_the_account = {C.OUTSIDE_WINDOW, C.INSUFFICIENT_MARGIN, C.LIQUIDATION, C.ACCOUNT_HALTED}
    elsewhere = {C.UNKNOWN, C.KILL_SWITCH, C.DUPLICATE_ORDER} | of_the_account
    assert {row[2] for row in TRUTH} | elsewhere == set(RiskCode)


def test_should_report_all_failing_checks_and_the_first_in_the_fixed_order() -> None:
    """Oracle: by hand: a foreign account, an off-lot oversized short market order on a stale book.
    """
    decision = decide(
        request(ID, SELL, 107, account=3),
        last=mark(100, 102, flags=int(Flag.STALE)),
        instruments=[toy(lot_size=5, shortable=False)],
        max_quantity="50",
        max_notional="100",
        max_position="20",
    )
    expected = [
        C.FOREIGN_ACCOUNT,
        C.INVALID_QUANTITY,
        C.STALE_DATA,
        C.MAX_QUANTITY,
        C.MAX_NOTIONAL,
        C.POSITION_LIMIT,
        C.SHORT_NOT_ALLOWED,
    ]
    assert [code for code in RiskCode if decision.failed_checks >> code & 1] == expected
    assert (decision.code, decision.observed, decision.limit) == (C.FOREIGN_ACCOUNT, 3, 1)


def test_no_order_should_go_before_the_first_mark() -> None:
    """Fail closed. Oracle: by hand, market and limit."""
    for price in (0, 100):
        risk, context = Risk([toy()], Settings()), StageContext()
        risk.on_order_request(buy(10, price), context)
        assert context.take(RiskDecision)[0].code == C.NO_REFERENCE_PRICE


def test_a_repeated_id_should_be_denied_while_it_works_and_after() -> None:
    """Oracle: by hand; the ring forgets the oldest."""
    risk, context = Risk([toy()], Settings(recent_orders=2)), StageContext()
    risk.on_mark(mark(100, 102), context)
    for order_id, code in (
        (1, C.NONE),
        (1, C.DUPLICATE_ORDER),
        (2, C.NONE),
        (1, C.DUPLICATE_ORDER),
    ):
        risk.on_order_request(request(built_id(order_id)), context)
        assert context.take(RiskDecision)[0].code == code
    end(risk, built_id(1), OrderStatus.FILLED)
    risk.on_order_request(request(built_id(1)), context)
    assert context.take(RiskDecision)[0].code == C.DUPLICATE_ORDER
    end(risk, built_id(2), OrderStatus.FILLED)
    for order_id in (3, 4):
        risk.on_order_request(request(built_id(order_id)), context)
    assert risk.recent_ids() == [built_id(3), built_id(4)]


def test_a_working_order_should_be_known_though_the_ring_forgot_it() -> None:
    """Oracle: by hand: a ring of one, two orders working: the first id is still refused."""
    risk, context = Risk([toy()], Settings(recent_orders=1)), StageContext()
    risk.on_mark(mark(100, 102), context)
    for number in (1, 2, 1):
        risk.on_order_request(request(built_id(number)), context)
    assert [each.code for each in context.take(RiskDecision)] == [C.NONE, C.NONE, C.DUPLICATE_ORDER]


def test_a_fill_beyond_an_order_should_not_make_its_working_quantity_negative() -> None:
    """Oracle: by hand: 10 asked, 12 filled: the position is what was filled, nothing works."""
    risk, context = Risk([toy()], Settings()), StageContext()
    risk.on_mark(mark(100, 102), context)
    risk.on_order_request(buy(10), context)
    risk.on_fill(fill(BUY, 12, 100, order_id=ID), context)
    end(risk, ID, OrderStatus.FILLED)
    assert risk.exposure(1)[:2] == (12, 0)


def end(risk: Risk, order_id: str, status: OrderStatus, refused: bool = False) -> None:
    risk.on_order_event(
        OrderEvent(order_id, 1, 1, 1, 0, int(status), 1, BUY, 10, 0, 0, refused), StageContext()
    )


def test_a_denial_should_warn_with_the_same_figures() -> None:
    """One RiskEvent a denied request (RSK-35's warning). Oracle: the decision."""
    risk, context = Risk([toy()], Settings(max_quantity="5")), StageContext(9)
    risk.on_mark(mark(100, 102, clock=9), context)
    risk.on_order_request(buy(6), context)
    decision, event = context.take()
    assert event == RiskEvent(
        9, 1, 1, 1, ID, decision.code, int(Severity.WARNING), decision.observed, decision.limit
    )


def test_cancels_should_pass_whatever_the_market_or_the_switch_says() -> None:
    """Oracle: by hand: stale book, kill switch on, old mark: the cancel goes through (RSK-18)."""
    risk, context = Risk([toy()], Settings()), StageContext()
    risk.on_mark(mark(100, 102), context)
    risk.on_order_request(buy(10, 100), context)
    risk.on_mark(mark(100, 102, flags=int(Flag.STALE)), context)
    risk.on_control_command(control(ControlKind.KILL), context)
    context.take()
    context.clock = 100 * SECOND
    risk.on_order_request(request(ID, kind=int(RequestKind.CANCEL)), context)
    (decision,) = context.take()
    assert (decision.outcome, decision.code, decision.kind) == (
        DecisionOutcome.APPROVED,
        C.NONE,
        RequestKind.CANCEL,
    )


# -- exposure


def test_working_orders_should_count_on_their_own_side() -> None:
    """Oracle: by hand: a working sell of 5 does not make room for a buy, nor the other way round.
    """
    risk, context = Risk([toy()], Settings(max_position="10")), StageContext()
    risk.on_mark(mark(100, 102), context)
    codes = []
    for number, (side, quantity) in enumerate(
        [(BUY, 6), (SELL, 5), (BUY, 5), (BUY, 4), (SELL, 6), (SELL, 5)]
    ):
        risk.on_order_request(request(built_id(number), side, quantity, 100), context)
        codes.append(context.take(RiskDecision)[0].code)
    assert codes == [C.NONE, C.NONE, C.POSITION_LIMIT, C.NONE, C.POSITION_LIMIT, C.NONE]


@pytest.mark.parametrize(
    "status", [OrderStatus.CANCELLED, OrderStatus.REJECTED, OrderStatus.EXPIRED, OrderStatus.DENIED]
)
def test_the_end_of_an_order_should_release_what_is_left_exactly_once(status: OrderStatus) -> None:
    """Oracle: by hand: 10 asked, 4 filled, 6 released; a second end or a late fill releases nothing
    more.
    """
    risk, context = Risk([toy()], Settings(cash="100000")), StageContext()
    risk.on_mark(mark(100, 102), context)
    risk.on_order_request(buy(10, 100), context)
    assert (risk.exposure(1).working_buy, risk.exposure(1).worth_buy) == (10, 1000)
    risk.on_fill(fill(BUY, 4, 99, 1, order_id=ID), context)
    line = risk.exposure(1)
    assert (line.position, line.working_buy, line.worth_buy, risk.cash) == (
        4,
        6,
        600,
        100000 - 396 - 1,
    )
    end(risk, ID, status, refused=True)
    assert risk.exposure(1).working_buy == 6
    end(risk, ID, status)
    end(risk, ID, status)
    line = risk.exposure(1)
    assert (line.working_buy, line.worth_buy, risk.fees_bound) == (0, 0, 0)
    risk.on_fill(fill(BUY, 2, 99, order_id=ID), context)
    assert risk.exposure(1)[:2] == (6, 0)


ACTION = st.tuples(
    st.sampled_from(["order", "order", "fill", "cancel", "restart"]),
    st.sampled_from([BUY, SELL]),
    st.integers(1, 12),
    st.integers(0, 5),
)


@settings(max_examples=150, deadline=None)
@given(st.lists(ACTION, max_size=60))
def test_no_sequence_of_fills_should_exceed_the_position_limit(
    actions: list[tuple[str, int, int, int]],
) -> None:
    """Property (RSK-7): orders through risk and routing, fills in any order and size, cancels,
    restarts: |position| never exceeds 20.

    Oracle for exposure: the sums over routing's own live orders.
    """
    limit = 20
    risk, routing = (
        Risk([toy()], Settings(max_position=str(limit), short=True)),
        Routing([toy()], RoutingSettings()),
    )
    pipeline = Pipeline([risk, routing])
    pipeline.send(mark(100, 102))
    position = 0
    for number, (action, side, quantity, pick) in enumerate(actions):
        live = routing.live_orders()
        if action == "order":
            pipeline.send(request(built_id(number + 1), side, quantity, 100))
        elif action == "restart":
            restored(risk)
        elif live:
            order = live[pick % len(live)]
            if action == "fill":
                traded = min(quantity, order.quantity - order.filled_quantity)
                position += traded if order.side == BUY else -traded
                pipeline.send(
                    report(order.order_id, ReportKind.FILL, traded, 100, number, order.side)
                )
            else:
                pipeline.send(report(order.order_id, ReportKind.CANCELLED, side=order.side))
        line = risk.exposure(1)
        working = {
            side: sum(
                o.quantity - o.filled_quantity for o in routing.live_orders() if o.side == side
            )
            for side in (BUY, SELL)
        }
        assert (line.position, line.working_buy, line.working_sell) == (
            position,
            working[BUY],
            working[SELL],
        )
        assert set(risk.working_ids()) == {each.order_id for each in routing.live_orders()}
        assert abs(position) <= limit
        assert position + working[BUY] <= limit and position - working[SELL] >= -limit


# -- limits


@pytest.mark.parametrize("name", CODE_OF_LIMIT)
@pytest.mark.parametrize("spec", [instrument(), perpetual()], ids=["spot", "perpetual"])
def test_every_limit_should_survive_the_round_trip(name: str, spec: Any) -> None:
    """Oracle: decimal text from the converted integer is the text given (RSK-2)."""
    text = {"price_collar_bp": "12.5", "mark_age_max": "2500000000"}.get(name, "17.3")
    value = convert(name, text, spec.price_precision, spec.quantity_precision)
    notional = spec.price_precision + spec.quantity_precision
    precision = {
        "price_collar_bp": 2,
        "mark_age_max": 0,
        "min_notional": notional,
        "max_notional": notional,
    }.get(name, spec.quantity_precision)
    assert fixed.format(value, precision) == text


@pytest.mark.parametrize("text", ["", "ten", "-1", "0.000000001", "1e400", "nan", "inf", "1,000"])
def test_a_limit_that_cannot_be_read_should_be_refused(text: str) -> None:
    """A typed error that names the limit; spot quantities have 8 decimals."""
    with pytest.raises(BadLimit, match="max_quantity"):
        convert("max_quantity", text, 2, 8)


@pytest.mark.parametrize("text", ["1", "off"])
def test_an_unknown_limit_should_list_the_known_ones(text: str) -> None:
    """Oracle: by hand. Of the value "off" too, which ended a run when it came through control."""
    with pytest.raises(BadLimit, match="max_position"):
        convert("maximum", text, 2, 8)


def test_a_limit_may_have_more_than_64_bits() -> None:
    """50 million on an instrument of 8 + 8 decimals is 5 x 10^23 units. Oracle: by hand: 1,000 at
    50,000 are the limit, one unit of quantity more is 5 x 10^12 above it; a limit of 39 digits is
    refused.
    """
    fine = [toy(price_precision=8, quantity_precision=8, maximum_quantity=0)]
    free: dict[str, Any] = {
        "instruments": fine,
        "max_notional": "50000000",
        "max_position": "999999999999",
        "price_collar_bp": "off",
    }
    last, price = mark(49_000 * 10**8, 51_000 * 10**8), 50_000 * 10**8
    assert decide(buy(1000 * 10**8, price), last, **free).code == C.NONE
    denied = decide(buy(1000 * 10**8 + 1, price), last, **free)
    assert (denied.code, denied.observed, denied.limit) == (
        C.MAX_NOTIONAL,
        5 * 10**23 + 5 * 10**12,
        5 * 10**23,
    )
    held = decide(
        buy(2**62, price), last, **(free | {"max_notional": "off", "max_position": "46116860184"})
    )
    assert (held.code, held.observed, held.limit) == (C.POSITION_LIMIT, 2**62, 46116860184 * 10**8)
    with pytest.raises(BadLimit, match="38 digits"):
        convert("max_notional", "1" + "0" * 22, 8, 8)


def test_an_order_that_is_too_large_to_be_booked_should_be_denied() -> None:
    """A worth of 39 digits. Oracle: by hand; the figures are cut to the 38 digits of their field.
    """
    vast = [toy(multiplier=10**15, maximum_quantity=0)]
    denied = decide(buy(10**10, 10**13), mark(10**13, 10**13), instruments=vast, cash="92000000000")
    assert (denied.code, denied.observed, denied.limit) == (
        C.INSUFFICIENT_CASH,
        10**38 - 1,
        92 * 10**9,
    )


def test_a_bad_setting_should_refuse_to_start() -> None:
    """Wrong use, exit 2."""
    with pytest.raises(BadLimit):
        Risk([toy()], Settings(max_position="0.5"))
    with pytest.raises(ValueError, match="recent_orders"):
        Settings(recent_orders=0)


def test_an_operator_should_change_a_limit_at_his_log_position() -> None:
    """Oracle: by hand: before, between and after; the change is reported with old and new value."""
    risk, context = Risk([toy()], Settings(max_quantity="5")), StageContext()
    risk.on_mark(mark(100, 102), context)
    codes = []
    for number, value in enumerate(["6", "4", "off"]):
        risk.on_order_request(request(built_id(number), BUY, 6), context)
        codes.append(context.take(RiskDecision)[0].code)
        risk.on_control_command(
            control(ControlKind.LIMIT, ControlScope.SYSTEM, "max_quantity", value), context
        )
        (event,) = context.take()
        assert (event.code, event.severity) == (C.MAX_QUANTITY, Severity.INFO)
    assert codes == [C.MAX_QUANTITY, C.NONE, C.MAX_QUANTITY]
    assert (event.observed, event.limit) == (4, -1)
    risk.on_order_request(request(built_id(9), BUY, 10**6), context)
    assert context.take(RiskDecision)[0].code == C.NONE


BAD_COMMANDS = [
    ("no number", {"name": "max_quantity", "value": "lots"}, C.MAX_QUANTITY),
    ("negative", {"name": "max_position", "value": "-1"}, C.POSITION_LIMIT),
    (
        "off precision for one instrument",
        {"name": "max_position", "value": "0.001"},
        C.POSITION_LIMIT,
    ),
    ("unknown name", {"name": "max_happiness", "value": "1"}, C.UNKNOWN),
    ("empty", {"name": "max_notional", "value": ""}, C.MAX_NOTIONAL),
    (
        "unknown instrument",
        {"name": "max_quantity", "value": "1", "scope": ControlScope.INSTRUMENT, "number": 9},
        C.MAX_QUANTITY,
    ),
    (
        "strategy scope",
        {"name": "max_quantity", "value": "1", "scope": ControlScope.STRATEGY},
        C.MAX_QUANTITY,
    ),
    (
        "foreign account",
        {"name": "max_quantity", "value": "1", "scope": ControlScope.ACCOUNT, "account": 8},
        C.MAX_QUANTITY,
    ),
]


@pytest.mark.parametrize(
    ("name", "fields", "code"),
    BAD_COMMANDS,
    ids=[each[0].replace(" ", "_") for each in BAD_COMMANDS],
)
def test_a_bad_limit_command_should_change_nothing_and_be_reported(
    name: str, fields: dict[str, Any], code: RiskCode
) -> None:
    """All instruments or none, never a crash. Oracle: state bytes equal before and after."""
    risk, context = Risk([perpetual(2), toy(1)], Settings()), StageContext()
    before = state_bytes(risk)
    risk.on_control_command(control(ControlKind.LIMIT, **fields), context)
    (event,) = context.take()
    assert (event.code, event.severity) == (code, Severity.CRITICAL)
    assert state_bytes(risk) == before


def test_a_limit_for_one_instrument_should_leave_the_others() -> None:
    """Oracle: by hand."""
    risk, context = Risk([toy(1), toy(2)], Settings()), StageContext()
    risk.on_control_command(
        control(ControlKind.LIMIT, ControlScope.INSTRUMENT, "max_position", "3", number=2), context
    )
    assert [risk.limit(number, "max_position") for number in (1, 2)] == [-1, 3]


def test_a_new_specification_should_not_undo_the_operator() -> None:
    """Oracle: by hand: limits for all reach an instrument listed later; one for a single instrument
    survives its next specification.
    """
    risk, context = Risk([toy(1)], Settings(max_position="5", max_quantity="7")), StageContext()
    risk.on_control_command(
        control(ControlKind.LIMIT, ControlScope.SYSTEM, "max_position", "3"), context
    )
    risk.on_control_command(
        control(ControlKind.LIMIT, ControlScope.INSTRUMENT, "max_quantity", "2", number=1), context
    )
    restored(risk)
    risk.on_instrument(toy(1, tick_size=2), context)
    risk.on_instrument(toy(2), context)
    limits = [
        [risk.limit(number, name) for name in ("max_position", "max_quantity")] for number in (1, 2)
    ]
    assert limits == [[3, 2], [3, 7]]
    assert risk.state.used_rows("instruments")["tick_size"].tolist() == [2, 1]
    risk.on_control_command(
        control(ControlKind.LIMIT, ControlScope.SYSTEM, "max_quantity", "9"), context
    )
    risk.on_instrument(toy(1), context)
    assert [risk.limit(number, "max_quantity") for number in (1, 2)] == [9, 9]


# -- a twin in real units


def twin(
    wanted: OrderRequest,
    bid: Fraction,
    ask: Fraction,
    position: Fraction,
    working: dict[int, Fraction],
    limits: dict[str, Fraction],
) -> set[RiskCode]:
    """The numeric checks once more, in Fractions of real units instead of scaled integers."""
    quantity, price = Fraction(wanted.quantity, 1000), Fraction(wanted.price, 10)
    buy, market = wanted.side == BUY, wanted.price == 0
    touch = (ask if buy else bid) if market else price
    centre, band = (bid + ask) / 2, limits["price_collar_bp"] / 10_000
    worst = Fraction(math.ceil((touch + touch * band) * 10), 10) if market and buy else touch
    failed = set()
    if quantity < limits["min_quantity"]:
        failed.add(C.MIN_QUANTITY)
    if quantity > limits["max_quantity"]:
        failed.add(C.MAX_QUANTITY)
    if touch * quantity < limits["min_notional"]:
        failed.add(C.MIN_NOTIONAL)
    if worst * quantity > limits["max_notional"]:
        failed.add(C.MAX_NOTIONAL)
    reached = position + working[BUY] + quantity if buy else -(position - working[SELL] - quantity)
    if reached > limits["max_position"]:
        failed.add(C.POSITION_LIMIT)
    if not buy and reached > 0:
        failed.add(C.SHORT_NOT_ALLOWED)
    if abs(touch - centre) > band * centre:
        failed.add(C.PRICE_COLLAR)
    return failed


LIMITS = st.fixed_dictionaries(
    {
        "min_quantity": st.integers(0, 20),
        "max_quantity": st.integers(5, 60),
        "min_notional": st.integers(0, 3000),
        "max_notional": st.integers(1000, 8000),
        "max_position": st.integers(0, 80),
    }
)


@settings(max_examples=300, deadline=None)
@given(
    limits=LIMITS,
    collar=st.sampled_from(["0.5", "12.25", "100", "500"]),
    bid=st.integers(900, 1100),
    spread=st.integers(0, 30),
    held=st.integers(-60, 60),
    working=st.tuples(st.integers(0, 30), st.integers(0, 30)),
    side=st.sampled_from([BUY, SELL]),
    quantity=st.integers(1, 70),
    price=st.one_of(st.just(0), st.integers(850, 1150)),
)
def test_should_agree_with_a_twin_in_real_units(
    limits: dict[str, int],
    collar: str,
    bid: int,
    spread: int,
    held: int,
    working: tuple[int, int],
    side: int,
    quantity: int,
    price: int,
) -> None:
    """Oracle: `twin`, in exact fractions: the same set of failing checks, and the first of it as
    the code.
    """
    texts = {
        name: fixed.format(value, 4 if name.endswith("notional") else 3)
        for name, value in limits.items()
    }
    risk = Risk(
        [perpetual(1, shortable=False)],
        msgspec.convert({"price_collar_bp": collar, **texts}, Settings),
    )
    context = StageContext()
    risk.on_mark(mark(bid, bid + spread), context)
    for name, value in zip(
        ("position", "working_buy", "working_sell"), (held, *working), strict=True
    ):
        write_amount(risk.state.used_rows("instruments")[0], name, value)
    wanted = request(ID, side, quantity, price)
    risk.on_order_request(wanted, context)
    (decision,) = context.take(RiskDecision)
    real = {name: Fraction(text) for name, text in texts.items()} | {
        "price_collar_bp": Fraction(collar)
    }
    expected = twin(
        wanted,
        Fraction(bid, 10),
        Fraction(bid + spread, 10),
        Fraction(held, 1000),
        {BUY: Fraction(working[0], 1000), SELL: Fraction(working[1], 1000)},
        real,
    )
    assert {code for code in RiskCode if decision.failed_checks >> code & 1} == expected
    assert decision.code == min(expected, default=C.NONE)


# -- the published table


def test_the_table_should_name_every_code_once() -> None:
    """Oracle: the vocabulary. Codes that came later have later bits and stand where they are
    checked.
    """
    assert sorted(row.CHECK.code for row in CHECKS) == [
        code for code in RiskCode if code not in (C.UNKNOWN, C.NONE)
    ]


def test_the_published_page_should_be_current() -> None:
    """docs/risk_codes.md is what `python -m streams.risk.codes` prints."""
    assert (Path(__file__).resolve().parents[2] / "docs" / "risk_codes.md").read_text() == table()
