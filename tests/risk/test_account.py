"""The money of an account: what orders bind, what positions cost, liquidation, ruin, and the window
of trading.

Oracle of the properties: a brute-force account in Python integers that knows no reservations. It
keeps each fill's flow of money and tries every order in which what works may be filled at its worst
price.
"""

from __future__ import annotations

import itertools
from fractions import Fraction
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stage_context import StageContext, fill, mark, perpetual, request, restored, toy

from schemas.records import OrderEvent, RiskDecision, RiskEvent
from schemas.vocabulary import (
    DecisionOutcome,
    Flag,
    OrderStatus,
    RequestKind,
    RiskCode,
    Severity,
    Side,
)
from streams.portfolio.stage import Portfolio
from streams.portfolio.stage import Settings as PortfolioSettings
from streams.risk.stage import Risk, Settings

BUY, SELL = int(Side.BUY), int(Side.SELL)
APPROVED = int(DecisionOutcome.APPROVED)
NEW, CANCEL = int(RequestKind.NEW), int(RequestKind.CANCEL)
SECOND = 1_000_000_000
UNIT = 100_000_000
SPOT, COIN, PLAIN = 1, 2, 3


def market(short: bool) -> list[Any]:
    """Spot and two perpetuals, of three precisions."""
    return [
        toy(SPOT, symbol="SPOT", price_precision=1, quantity_precision=2, shortable=short),
        perpetual(COIN, symbol="COIN", minimum_notional=0, shortable=short),
        toy(PLAIN, symbol="PLAIN", kind=perpetual().kind, multiplier=3, shortable=short),
    ]


Own = tuple[int | None, int | None]
"""Initial and maintenance margin of every instrument's own, in 1e-8 of the value."""


class Works:
    """An approved order that still works."""

    def __init__(self, decision: RiskDecision) -> None:
        self.decision, self.instrument, self.side = decision, decision.instrument, decision.side
        self.sign = 1 if decision.side == BUY else -1
        self.leaves, self.worst = decision.quantity, decision.price


class World:
    """Risk and portfolio beside the brute-force account: flow of money and position of each
    instrument, in units of 10^-11.
    """

    def __init__(
        self, cash: int, leverage: int, rate: int, short: bool, own: Own = (None, None)
    ) -> None:
        self.instruments = {
            each.instrument: msgspec.structs.replace(
                each, initial_margin=own[0], maintenance_margin=own[1]
            )
            for each in market(short)
        }
        self.initial = max(Fraction(1, leverage), Fraction(own[0] or 0, UNIT))
        self.kept = Fraction(own[1], UNIT) if own[1] else min(self.initial / 2, Fraction(1, 20))
        self.scale = {
            number: 10 ** (11 - each.price_precision - each.quantity_precision)
            for number, each in self.instruments.items()
        }
        self.leverage, self.rate, self.start = leverage, rate, cash * 10**11
        asked = {
            "cash": str(cash),
            "leverage": leverage,
            "taker_rate": rate,
            "mark_age_max": "off",
            "price_collar_bp": "1000",
            "short": short,
        }
        self.risk = Risk(list(self.instruments.values()), Settings(**asked))  # type: ignore[arg-type]
        self.portfolio = Portfolio(
            list(self.instruments.values()), PortfolioSettings(cash=str(cash))
        )
        self.context, self.side = StageContext(), StageContext()
        self.orders: dict[str, Works] = {}
        self.flow, self.position = (
            dict.fromkeys(self.instruments, 0),
            dict.fromkeys(self.instruments, 0),
        )
        self.bid, self.ask = dict.fromkeys(self.instruments, 0), dict.fromkeys(self.instruments, 0)
        self.made = 0

    def unit(self, number: int) -> int:
        return self.instruments[number].multiplier * self.scale[number]

    def cash(self) -> int:
        """What the portfolio says, in the unit of this class."""
        return self.portfolio.cash(1) * 10 ** (11 - self.portfolio.amount_precision)

    def mark(self, number: int, bid: int, spread: int, flags: int) -> None:
        record = mark(bid, bid + spread, self.context.clock, number, flags=flags)
        if not flags:
            self.bid[number], self.ask[number] = bid, bid + spread
        self.risk.on_mark(record, self.context)
        self.portfolio.on_mark(record, self.side)
        self.obey()

    def ask_for(self, number: int, side: int, quantity: int, price: int) -> RiskDecision:
        self.made += 1
        self.risk.on_order_request(
            request(f"{self.made:020}", side, quantity, price, number), self.context
        )
        (decision,) = self.obey()
        return decision

    def obey(self) -> list[RiskDecision]:
        decisions = self.context.take(RiskDecision)
        for decision in decisions:
            if decision.outcome == APPROVED and decision.kind == NEW:
                self.orders[decision.order_id] = Works(decision)
        return list(decisions)

    def fee(self, number: int, price: int, quantity: int) -> int:
        """As the venue: half to even, once a fill."""
        return round(Fraction(price * quantity * self.rate, UNIT))

    def fill(self, order_id: str, quantity: int, better: int) -> None:
        """A fill at the worst price, or better by so much."""
        order = self.orders[order_id]
        number, price = order.instrument, max(order.worst - order.sign * better, 1)
        fee = self.fee(number, price, quantity)
        record = fill(order.side, quantity, price, fee, order_id, number)
        self.risk.on_fill(record, self.context)
        self.portfolio.on_fill(record, self.side)
        self.flow[number] -= (
            order.sign * price * quantity * self.instruments[number].multiplier + fee
        ) * self.scale[number]
        self.position[number] += order.sign * quantity
        order.leaves -= quantity
        if order.leaves == 0:
            self.end(order_id, OrderStatus.FILLED)

    def end(self, order_id: str, status: OrderStatus = OrderStatus.CANCELLED) -> None:
        order = self.orders.pop(order_id)
        event = OrderEvent(
            order_id, 1, 1, order.instrument, 0, int(status), 1, order.side, 0, 0, 0, False
        )
        self.risk.on_order_event(event, self.context)

    def worth(self, number: int, flow: int, position: int) -> int:
        """Flow and what the position brings or costs at the touch; spot that is held counts as
        nothing.
        """
        if position > 0 and number == SPOT:
            return flow
        return flow + position * (self.bid if position > 0 else self.ask)[number] * self.unit(
            number
        )

    def margin(self, number: int, position: int) -> Fraction:
        if position == 0 or (position > 0 and number == SPOT):
            return Fraction(0)
        return (
            abs(position)
            * (self.bid if position > 0 else self.ask)[number]
            * self.unit(number)
            * self.initial
        )

    def most(self, number: int, side: int, price: int, much: tuple[int, int]) -> int:
        """About as much as `much` of the whole account, gains included, would pay for."""
        bid, ask = self.bid[number], self.ask[number]
        worst = price or (-(-ask * 11 // 10) if side == BUY else bid * 9 // 10)
        initial = Fraction(1) if number == SPOT and side == BUY else self.initial
        touch = bid if side == BUY and number != SPOT else ask
        beyond = max(0, worst - touch if side == BUY else touch - worst)
        margin = (min(worst, touch) if side == BUY else max(worst, touch)) * initial
        fee = Fraction(worst * self.rate, UNIT)
        money = self.start + sum(
            self.worth(each, self.flow[each], self.position[each]) for each in self.instruments
        )
        return int(money * much[0] / much[1] / ((margin + beyond + fee) * self.unit(number)))

    def worst_case(self) -> Fraction:
        """Free money in the worst of all ways in which everything that works may be filled, or not,
        at its worst price.
        """
        total = Fraction(self.start)
        for number in self.instruments:
            mine = [order for order in self.orders.values() if order.instrument == number]
            cases = []
            for count in range(len(mine) + 1):
                for chosen in itertools.combinations(mine, count):
                    flow, position = self.flow[number], self.position[number]
                    for order in chosen:
                        fee = self.fee(number, order.worst, order.leaves)
                        flow -= (
                            order.sign
                            * order.worst
                            * order.leaves
                            * self.instruments[number].multiplier
                            + fee
                        ) * self.scale[number]
                        position += order.sign * order.leaves
                    cases.append(self.worth(number, flow, position) - self.margin(number, position))
            total += min(cases)
        return total

    def balance(self) -> tuple[int, Fraction]:
        """(margin balance, maintenance margin), by the definition."""
        balance = self.start + sum(
            self.worth(number, self.flow[number], self.position[number])
            for number in self.instruments
        )
        initial = sum(
            (self.margin(number, self.position[number]) for number in self.instruments), Fraction(0)
        )
        return balance, initial / self.initial * self.kept

    def bears(self, number: int) -> bool:
        return self.position[number] < 0 or (self.position[number] > 0 and number != SPOT)


MUCH = st.sampled_from([(100, 100), (100, 100), (100, 50), (99, 100), (101, 100), (150, 100)])
NUMBERS = st.sampled_from([SPOT, COIN, PLAIN])
STEPS = st.lists(
    st.one_of(
        st.tuples(
            st.just("mark"),
            NUMBERS,
            st.integers(1, 400),
            st.integers(0, 20),
            st.sampled_from([0, 0, 0, int(Flag.GAP)]),
        ),
        st.tuples(
            st.just("ask"),
            NUMBERS,
            st.sampled_from([BUY, SELL]),
            st.integers(1, 400),
            st.one_of(st.just(0), st.integers(80, 120)),
        ),
        st.tuples(
            st.just("most"),
            NUMBERS,
            st.sampled_from([BUY, SELL]),
            st.integers(-2, 2),
            st.sampled_from([0, 0, 100, 105]),
            MUCH,
        ),
        st.tuples(st.just("mark"), NUMBERS, st.integers(80, 120), st.integers(0, 3), st.just(0)),
        st.tuples(st.just("fill"), st.integers(0, 9), st.integers(1, 400), st.integers(0, 30)),
        st.tuples(st.just("fill"), st.integers(0, 9), st.just(10**9), st.integers(0, 3)),
        st.tuples(st.just("end"), st.integers(0, 9)),
    ),
    max_size=40,
)


def run(world: World, steps: list[Any], check: Any) -> None:
    for number in world.instruments:
        world.mark(number, 100, 2, 0)
    for step in steps:
        decision = None
        if step[0] == "mark":
            world.mark(*step[1:])
        elif step[0] in ("ask", "most"):
            number, side, quantity, percent = step[1:5]
            price = max(1, world.bid[number] * percent // 100) if percent else 0
            if step[0] == "most":
                quantity += world.most(number, side, price, step[5])
            decision = world.ask_for(number, side, quantity, price)
        elif world.orders:
            order_id = list(world.orders)[step[1] % len(world.orders)]
            if step[0] == "end":
                world.end(order_id)
            else:
                world.fill(order_id, min(step[2], world.orders[order_id].leaves), step[3])
        check(world, step, decision)


OWN = st.sampled_from(
    [
        (None, None),
        (None, None),
        (50_000_000, None),
        (1_000_000, None),
        (30_000_000, 10_000_000),
        (None, 2_000_000),
    ]
)
RATES = st.sampled_from([0, 10_000, 40_000, 3_000_000, UNIT])


@settings(max_examples=120, deadline=None)
@given(STEPS, st.integers(0, 3000), RATES)
def test_without_shorts_and_leverage_cash_should_never_be_below_zero(
    steps: list[Any], cash: int, rate: int
) -> None:
    """Whatever prices do between marks, however thin the book, on whichever instrument money is
    lost. Oracle: the portfolio's own cash.
    """

    def check(world: World, step: Any, decision: Any) -> None:
        assert world.cash() >= 0
        assert world.risk.cash == world.portfolio.cash(1)
        assert world.risk.halted == 0

    world = World(cash, 1, rate, short=False)
    run(world, steps, check)
    for order_id in list(world.orders):
        world.fill(order_id, world.orders[order_id].leaves, 0)
    assert world.cash() >= 0


@settings(max_examples=150, deadline=None)
@given(STEPS, st.integers(1, 3000), RATES, st.sampled_from([1, 3, 20, 125]), OWN)
def test_what_is_approved_should_be_payable_in_every_order_of_events(
    steps: list[Any], cash: int, rate: int, leverage: int, own: Own
) -> None:
    """An approved order that may open a position leaves the worst case of the brute-force account
    at or above zero. Every breach at a mark starts a liquidation, no sooner; while there is one,
    and after ruin, nothing is approved but what closes positions.
    """

    def check(world: World, step: Any, decision: Any) -> None:
        assert world.risk.cash == world.portfolio.cash(1)
        halted = world.risk.halted
        if decision is not None and decision.outcome == APPROVED:
            assert not halted
            works = world.orders[decision.order_id]
            position = works.sign * world.position[works.instrument]
            working = sum(
                each.leaves
                for each in world.orders.values()
                if (each.instrument, each.side) == (works.instrument, works.side)
            )
            if position + working > max(0, position) and position + working - works.leaves >= 0:
                assert world.worst_case() >= 0
        elif decision is not None and halted:
            assert decision.code == halted
        if step[0] == "mark" and not step[4] and world.bears(step[1]) and not halted:
            balance, maintenance = world.balance()
            assert balance >= maintenance - world.leverage * 10**11 // 10**4

    world = World(cash, leverage, rate, short=True, own=own)
    run(world, steps, check)
    restored(world.risk)
    for order_id in list(world.orders):
        world.end(order_id)
    assert world.risk.fees_bound == 0
    assert all(world.risk.exposure(number)[1:5] == (0,) * 4 for number in world.instruments)


# -- by hand


def stage(instruments: list[Any], **changes: Any) -> tuple[Risk, StageContext]:
    risk, context = (
        Risk(instruments, Settings(**({"mark_age_max": "off"} | changes))),
        StageContext(SECOND),
    )
    for each in instruments:
        risk.on_mark(mark(100, 102, SECOND, each.instrument), context)
    return risk, context


def asked(
    risk: Risk, context: StageContext, side: int, quantity: int, price: int = 0, number: int = 1
) -> RiskDecision:
    risk.on_order_request(request(context.order_id(), side, quantity, price, number), context)
    (decision,) = context.take(RiskDecision)
    return decision


def done(
    risk: Risk, context: StageContext, decision: RiskDecision, price: int, fee: int = 0
) -> None:
    risk.on_fill(
        fill(decision.side, decision.quantity, price, fee, decision.order_id, decision.instrument),
        context,
    )
    event = OrderEvent(
        decision.order_id,
        1,
        1,
        decision.instrument,
        0,
        int(OrderStatus.FILLED),
        1,
        decision.side,
        0,
        0,
        0,
        False,
    )
    risk.on_order_event(event, context)


PERPETUAL = toy(1, kind=perpetual().kind, symbol="TOY")


def test_money_lost_on_a_perpetual_should_not_be_spent_again_on_spot() -> None:
    """The tried case: 1,000, of which 802 were lost, bought 1,000 of spot. Oracle: by hand."""
    risk, context = stage([toy(1), toy(2, kind=perpetual().kind)], cash="1100", leverage=2)
    done(risk, context, asked(risk, context, BUY, 10, 102, 2), 102)
    risk.on_mark(mark(40, 42, SECOND, 2), context)
    assert context.take(RiskEvent) == []
    denied = asked(risk, context, BUY, 6, 100)
    assert (RiskCode(denied.code).name, denied.observed, denied.limit) == (
        "INSUFFICIENT_CASH",
        600,
        1100 - 620 - 200,
    )
    assert asked(risk, context, BUY, 2, 100).outcome == APPROVED


def test_gains_that_are_not_taken_should_buy_nothing() -> None:
    """Oracle: by hand: 5 bought at 100 on 1,000 are worth 750 at 150; were the gain spent, a fall
    would leave cash below zero.
    """
    risk, context = stage([toy(1), toy(2, kind=perpetual().kind)], cash="1000")
    done(risk, context, asked(risk, context, BUY, 5, 102, 2), 100)
    risk.on_mark(mark(150, 152, SECOND, 2), context)
    denied = asked(risk, context, BUY, 3, 100)
    assert (RiskCode(denied.code).name, denied.observed, denied.limit) == (
        "INSUFFICIENT_CASH",
        300,
        1000 - 750,
    )
    assert asked(risk, context, BUY, 2, 100).outcome == APPROVED


@pytest.mark.parametrize(("cash", "code"), [(15, RiskCode.INSUFFICIENT_CASH), (16, RiskCode.NONE)])
def test_the_fee_should_be_that_of_the_worst_fills(cash: int, code: RiskCode) -> None:
    """Oracle: by hand: 10 units at 1 and a rate of 60 %: one fill costs 6, ten fills cost 10, and
    11 are bound.
    """
    risk, context = (
        Risk([toy(1)], Settings(cash=str(cash + 5), taker_rate=60_000_000, price_collar_bp="off")),
        StageContext(),
    )
    risk.on_mark(mark(1, 2), context)
    decision = asked(risk, context, BUY, 10, 1)
    assert decision.code == code
    for unit in range(10 if code == RiskCode.NONE else 0):
        risk.on_fill(fill(BUY, 1, 1, 1, decision.order_id, trade_id=unit), context)
        assert risk.cash - risk.fees_bound - risk.exposure(1).worth_buy >= 0


def test_a_breach_should_cancel_close_and_let_the_account_trade_again() -> None:
    """Oracle: by hand: 10 bought at 102 on 250; at a bid of 80 there are 30 left of a maintenance
    margin of 40.
    """
    risk, context = stage([PERPETUAL], cash="250", leverage=10)
    done(risk, context, asked(risk, context, BUY, 10, 102), 102)
    resting = asked(risk, context, SELL, 1, 104)
    risk.on_mark(mark(82, 83, SECOND), context)
    assert context.take() == []
    risk.on_mark(mark(80, 82, SECOND), context)
    event, cancel, closing = context.take()
    assert (RiskCode(event.code).name, event.severity, event.observed, event.limit) == (
        "LIQUIDATION",
        Severity.EMERGENCY,
        30,
        40,
    )
    assert (cancel.kind, cancel.order_id, cancel.code) == (
        CANCEL,
        resting.order_id,
        RiskCode.LIQUIDATION,
    )
    assert (closing.kind, closing.side, closing.quantity, closing.price, closing.strategy) == (
        NEW,
        SELL,
        9,
        76,
        1,
    )
    risk.on_mark(mark(80, 82, SECOND), context)
    assert context.take() == [], "all is under way"
    assert RiskCode(asked(risk, context, BUY, 1).code).name == "LIQUIDATION"
    risk.on_order_event(
        OrderEvent(
            resting.order_id, 1, 1, 1, 0, int(OrderStatus.CANCELLED), 1, SELL, 1, 104, 0, False
        ),
        context,
    )
    done(risk, context, closing, 80)
    risk.on_mark(mark(80, 82, SECOND), context)
    (last,) = context.take(RiskDecision)
    done(risk, context, last, 80)
    restored(risk)
    risk.on_mark(mark(80, 82, SECOND), context)
    (event,) = context.take(RiskEvent)
    assert (RiskCode(event.code).name, event.severity, event.observed) == (
        "LIQUIDATION",
        Severity.INFO,
        30,
    )
    assert asked(risk, context, BUY, 1).outcome == APPROVED


@pytest.mark.parametrize("kind", ["perpetual", "spot"])
def test_ruin_should_halt_the_account_for_ever(kind: str) -> None:
    """A short meets a price four times as high. Oracle: by hand: sold 10 at 100 on 1,200, worth
    1,200 + 1,000 - 4,020.
    """
    spec = PERPETUAL if kind == "perpetual" else toy(1)
    risk, context = stage([spec], cash="1200")
    done(risk, context, asked(risk, context, SELL, 10), 100)
    risk.on_mark(mark(400, 402, SECOND, flags=int(Flag.GAP)), context)
    assert context.take() == [], "a mark that may not be used decides nothing"
    risk.on_mark(mark(400, 402, SECOND), context)
    breach, ruin, closing = context.take()
    assert [(RiskCode(each.code).name, each.observed, each.limit) for each in (breach, ruin)] == [
        ("LIQUIDATION", -1820, 201), ("ACCOUNT_HALTED", -1820, 0)
    ]  # fmt: skip
    assert (closing.side, closing.quantity, closing.price) == (BUY, 10, 423)
    done(risk, context, closing, 402)
    restored(risk)
    risk.on_mark(mark(10, 12, SECOND), context)
    assert context.take() == []
    denied = asked(risk, context, BUY, 1)
    assert (RiskCode(denied.code).name, denied.observed, denied.limit) == (
        "ACCOUNT_HALTED",
        -1820,
        0,
    )


def test_orders_outside_the_window_should_be_denied_whoever_asks_and_cancels_pass() -> None:
    """Oracle: by hand: from second 20, warm-up of 15 from the first mark at 10, until before 40."""
    risk = Risk(
        [toy()],
        Settings(
            trade_from=20 * SECOND, trade_to=40 * SECOND, warmup=15 * SECOND, mark_age_max="off"
        ),
    )
    context = StageContext(10 * SECOND)
    early = asked(risk, context, BUY, 1)
    assert RiskCode(early.code).name == "OUTSIDE_WINDOW"
    risk.on_mark(mark(100, 102, 10 * SECOND), context)
    restored(risk)
    for clock, code in (
        (25 * SECOND - 1, "OUTSIDE_WINDOW"),
        (25 * SECOND, "NONE"),
        (40 * SECOND - 1, "NONE"),
        (40 * SECOND, "OUTSIDE_WINDOW"),
    ):
        context.clock = clock
        decision = asked(risk, context, BUY, 1, 100)
        edge = 25 * SECOND if clock < 25 * SECOND else 40 * SECOND
        assert (RiskCode(decision.code).name, decision.observed, decision.limit) == (
            code,
            *((clock, edge) if code != "NONE" else (0, 0)),
        )
    order_id = risk.working_ids()[0]
    risk.on_order_request(request(order_id, BUY, kind=CANCEL), context)
    assert context.take(RiskDecision)[0].outcome == APPROVED
