"""The whole order side on a toy venue: sizing, risk, routing, portfolio, as the runtime delivers
records.
"""

from __future__ import annotations

import random

import pytest
from stage_context import (
    Pipeline,
    ToyVenue,
    control,
    instrument,
    mark,
    restored,
    signal,
    state_bytes,
    toy,
)

from schemas.records import (
    Fill,
    OrderEvent,
    OrderRequest,
    PnL,
    Position,
    RiskDecision,
    RiskEvent,
    VenueCommand,
)
from schemas.vocabulary import ControlKind, OrderReason, OrderStatus, RiskCode
from streams.portfolio.stage import Portfolio
from streams.portfolio.stage import Settings as PortfolioSettings
from streams.risk.stage import Risk
from streams.risk.stage import Settings as RiskSettings
from streams.routing.stage import Routing
from streams.routing.stage import Settings as RoutingSettings
from streams.signals.sizing import Settings as SizingSettings
from streams.signals.sizing import Sizing

SECOND = 1_000_000_000


def desk(spec: object = None, **risk: object) -> Pipeline:
    instruments = [spec or toy()]
    stages = [
        Sizing(instruments, SizingSettings(size="10")),  # type: ignore[arg-type]
        Risk(instruments, RiskSettings(**risk)),  # type: ignore[arg-type]
        Routing(instruments, RoutingSettings()),  # type: ignore[arg-type]
        ToyVenue(price=100),
        Portfolio(instruments, PortfolioSettings(cash="100000")),  # type: ignore[arg-type]
    ]
    pipeline = Pipeline(stages)
    pipeline.send(mark(99, 101))
    return pipeline


def test_a_signal_should_become_a_position_in_eleven_records() -> None:
    """Oracle: by hand: the chain of one market order, in order."""
    pipeline = desk()
    pipeline.send(signal(1))
    # behind the mark and the opening P&L
    chain = [type(each).__name__ for each in pipeline.records[2:]]
    assert chain == ["Signal", "OrderRequest", "RiskDecision", "VenueCommand", "OrderEvent"] + [
        "ExecutionReport",
        "OrderEvent",
        "ExecutionReport",
        "Fill",
        "Position",
        "OrderEvent",
    ]
    assert [each.status for each in pipeline.of(OrderEvent)] == [
        OrderStatus.SUBMITTED,
        OrderStatus.ACCEPTED,
        OrderStatus.FILLED,
    ]
    assert pipeline.of(Position)[-1].quantity == 10


@pytest.mark.parametrize("seed", range(5))
def test_every_stage_should_agree_on_the_position(seed: int) -> None:
    """Property over random views: position of sizing = risk = portfolio = sum of the fills; every
    request has one decision and one end.
    """
    generator = random.Random(seed)
    pipeline = desk(max_position="15")
    for step in range(300):
        pipeline.at(step * SECOND)
        pipeline.send(mark(99, 101, clock=step * SECOND))
        pipeline.send(
            signal(generator.choice([-1, 0, 1]), strength=generator.choice([0.5, 1.0, 1.7]))
        )
        if generator.random() < 0.1:
            for stage in pipeline.stages:
                restored(stage)
    sizing, risk, routing, _, portfolio = pipeline.stages
    fills = sum(each.quantity if each.side == 1 else -each.quantity for each in pipeline.of(Fill))
    assert (
        sizing.position(1, 1).position
        == risk.exposure(1).position
        == portfolio.holding(1, 1, 1).quantity
        == fills
    )
    assert (
        not routing.live_orders() and not risk.working_ids() and not sizing.working_orders()
    )
    requests, decisions = pipeline.of(OrderRequest), pipeline.of(RiskDecision)
    assert [each.order_id for each in requests] == [each.order_id for each in decisions]
    ends = [
        each
        for each in pipeline.of(OrderEvent)
        if each.status in (OrderStatus.FILLED, OrderStatus.DENIED)
    ]
    assert sorted(each.order_id for each in ends) == sorted(each.order_id for each in requests)
    assert any(each.code == RiskCode.POSITION_LIMIT for each in decisions)
    for pnl in pipeline.of(PnL):
        assert pnl.realized + pnl.unrealized - pnl.fees == pnl.equity - 100_000


def test_a_kill_should_stop_trading_until_rearmed() -> None:
    """Oracle: by hand."""
    pipeline = desk()
    pipeline.send(signal(1))
    pipeline.send(control(ControlKind.KILL))
    pipeline.send(signal(-1))
    assert len(pipeline.of(VenueCommand)) == 1
    event = pipeline.of(OrderEvent)[-1]
    assert (event.status, event.reason) == (OrderStatus.DENIED, OrderReason.KILL_SWITCH)
    pipeline.send(control(ControlKind.REARM))
    pipeline.send(signal(-1))
    assert pipeline.of(Position)[-1].quantity == -10
    assert [each.code for each in pipeline.of(RiskEvent)] == [RiskCode.KILL_SWITCH] * 3


def test_spot_should_go_long_and_flat_but_never_short() -> None:
    """Oracle: by hand: a real spot instrument is not shortable: views +1, -1, -1, +1."""
    pipeline = desk(toy(shortable=False))
    for direction in (1, -1, -1, 1):
        pipeline.send(signal(direction))
    assert [each.quantity for each in pipeline.of(Position)] == [10, 0, 10]
    assert [(RiskCode(each.code).name, each.observed) for each in pipeline.of(RiskEvent)] == [
        ("SHORT_NOT_ALLOWED", -10)
    ] * 2


def test_the_same_inputs_should_give_the_same_bytes() -> None:
    """Determinism. Oracle: a second run, record by record and state by state."""
    runs = []
    for _ in range(2):
        pipeline = desk(max_position="15")
        for direction in (1, -1, 0, 1, -1):
            pipeline.send(signal(direction))
        runs.append((pipeline.records, [state_bytes(each) for each in pipeline.stages]))
    assert runs[0] == runs[1]


def test_the_readme_scenario_in_real_units() -> None:
    """Oracle: by hand on spot BTC: buy 0.001 at 60,000.00: 60 USDT leave cash, in units of 10^-10.
    """
    spec = instrument()
    pipeline = Pipeline(
        [
            Sizing([spec], SizingSettings(size="0.001")),
            Risk([spec], RiskSettings(cash="1000")),
            Routing([spec], RoutingSettings()),
            ToyVenue(price=60_000_00),
            Portfolio([spec], PortfolioSettings(cash="1000")),
        ]
    )
    pipeline.send(mark(60_000_00, 60_000_01))
    pipeline.send(signal(1))
    pipeline.end()
    (_, pnl) = pipeline.of(PnL)
    assert (pnl.amount_precision, pnl.cash, pnl.unrealized, pnl.fees) == (
        10,
        940 * 10**10 - 1,
        0,
        1,
    )
    assert pnl.equity == 1000 * 10**10 - 1
