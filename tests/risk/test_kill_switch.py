"""The kill switch: scopes, latch, restart, re-arm, and what it does to orders on the way."""

from __future__ import annotations

import itertools

import pytest
from stage_context import (
    Pipeline,
    StageContext,
    built_id,
    control,
    mark,
    request,
    restored,
    state_bytes,
    toy,
)

from schemas.records import RiskDecision, RiskEvent, VenueCommand
from schemas.vocabulary import ControlKind, ControlScope, RequestKind, RiskCode, Severity
from streams.risk.kill_switch import switch_key
from streams.risk.stage import Risk, Settings
from streams.routing.stage import Routing
from streams.routing.stage import Settings as RoutingSettings

SCOPES = {
    ControlScope.SYSTEM: {},
    ControlScope.ACCOUNT: {"account": 1},
    ControlScope.STRATEGY: {"strategy": 2},
    ControlScope.INSTRUMENT: {"number": 2},
}


def armed() -> tuple[Risk, StageContext]:
    risk, context = Risk([toy(1), toy(2)], Settings()), StageContext()
    for number in (1, 2):
        risk.on_mark(mark(100, 102, number=number), context)
    return risk, context


IDS = itertools.count(1)


def code(risk: Risk, context: StageContext, **terms: int) -> int:
    context.take()
    risk.on_order_request(request(built_id(next(IDS)), **terms), context)  # type: ignore[arg-type]
    decision: RiskDecision = context.take(RiskDecision)[0]
    return decision.code


@pytest.mark.parametrize("scope", SCOPES, ids=lambda each: each.name)
def test_should_block_exactly_its_scope(scope: ControlScope) -> None:
    """Every order of (strategy 1, 2) by (instrument 1, 2). Oracle: the scope's own words."""
    risk, context = armed()
    risk.on_control_command(control(ControlKind.KILL, scope, **SCOPES[scope]), context)  # type: ignore[arg-type]
    for strategy, number in itertools.product((1, 2), (1, 2)):
        hit = {
            ControlScope.SYSTEM: True,
            ControlScope.ACCOUNT: True,
            ControlScope.STRATEGY: strategy == 2,
            ControlScope.INSTRUMENT: number == 2,
        }[scope]
        assert code(risk, context, strategy=strategy, number=number) == (
            RiskCode.KILL_SWITCH if hit else RiskCode.NONE
        )


@pytest.mark.parametrize("scope", SCOPES, ids=lambda each: each.name)
def test_should_stay_on_through_time_and_restart_until_the_same_scope_is_rearmed(
    scope: ControlScope,
) -> None:
    """Latched (RSK-4). Oracle: by hand: a day later, after a restart, after a re-arm of every other
    scope.
    """
    risk, context = armed()
    risk.on_control_command(control(ControlKind.KILL, scope, **SCOPES[scope]), context)  # type: ignore[arg-type]
    restored(risk)
    for other in SCOPES:
        if other != scope:
            risk.on_control_command(control(ControlKind.REARM, other, **SCOPES[other]), context)  # type: ignore[arg-type]
    context.clock = 86_400 * 10**9
    for number in (1, 2):
        risk.on_mark(mark(100, 102, clock=context.clock, number=number), context)
    assert code(risk, context, strategy=2, number=2) == RiskCode.KILL_SWITCH
    risk.on_control_command(control(ControlKind.REARM, scope, **SCOPES[scope]), context)  # type: ignore[arg-type]
    assert code(risk, context, strategy=2, number=2) == RiskCode.NONE


def test_every_command_should_leave_a_trace() -> None:
    """Oracle: by hand: kill (emergency), a re-arm of nothing (warning), the re-arm (information).
    """
    risk, context = armed()
    risk.on_control_command(control(ControlKind.KILL), context)
    risk.on_control_command(control(ControlKind.REARM, ControlScope.STRATEGY, strategy=9), context)
    risk.on_control_command(control(ControlKind.REARM), context)
    assert [each.severity for each in context.take(RiskEvent)] == [
        Severity.EMERGENCY,
        Severity.WARNING,
        Severity.INFO,
    ]
    assert risk.killed() == []


def test_a_kill_whose_scope_cannot_be_read_should_stop_everything_and_its_rearm_nothing() -> None:
    """Fail closed. Oracle: by hand."""
    risk, context = armed()
    risk.on_control_command(control(ControlKind.KILL, ControlScope.UNKNOWN), context)
    assert code(risk, context) == RiskCode.KILL_SWITCH
    risk.on_control_command(control(ControlKind.REARM, ControlScope.UNKNOWN), context)
    assert code(risk, context) == RiskCode.KILL_SWITCH
    risk.on_control_command(control(ControlKind.REARM, ControlScope.SYSTEM), context)
    assert code(risk, context) == RiskCode.NONE


def test_throwing_a_switch_twice_should_need_one_rearm() -> None:
    """Oracle: state bytes after one kill."""
    once, twice = armed(), armed()
    once[0].on_control_command(control(ControlKind.KILL), once[1])
    for _ in range(2):
        twice[0].on_control_command(control(ControlKind.KILL), twice[1])
    assert state_bytes(once[0]) == state_bytes(twice[0])


def test_switches_of_different_scopes_should_never_share_a_key() -> None:
    """Property over small and large numbers."""
    keys = [
        switch_key(scope, number) for scope in range(1, 5) for number in (0, 1, 4095, 2**31 - 1)
    ]
    assert len(set(keys)) == len(keys)
    risk, context = armed()  # of account 1
    risk.on_control_command(control(ControlKind.KILL, ControlScope.ACCOUNT, account=2), context)
    assert risk.killed() == [switch_key(int(ControlScope.ACCOUNT), 2)]
    assert code(risk, context, strategy=2, number=2) == RiskCode.NONE


def test_the_record_that_blocks_should_also_cancel() -> None:
    """Risk denies and routing cancels on the same record. Oracle: by hand."""
    pipeline = Pipeline([Risk([toy()], Settings()), Routing([toy()], RoutingSettings())])
    pipeline.send(mark(100, 102))
    pipeline.send(request(built_id(1), price=99))
    pipeline.send(control(ControlKind.KILL))
    pipeline.send(request(built_id(2), price=99))
    commands = [(each.order_id, each.kind) for each in pipeline.of(VenueCommand)]
    assert commands == [(built_id(1), RequestKind.NEW), (built_id(1), RequestKind.CANCEL)]
