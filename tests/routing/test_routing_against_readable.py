"""The compiled routing stage against the readable one: the same records after every event,
whatever comes."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from readable_routing import ReadableRouting
from stage_context import StageContext, approved, built_id, control, report, request, restored

from schemas.records import ControlCommand, ExecutionReport, RiskDecision
from schemas.vocabulary import (
    ControlKind,
    ControlScope,
    DecisionOutcome,
    OrderReason,
    OrderType,
    ReportKind,
    RequestKind,
    RiskCode,
    TimeInForce,
)
from streams.numeric.stage_state import BadState
from streams.routing import records
from streams.routing.stage import Routing, Settings

TINY = {"orders": 1, "trades": 1, "commands": 1, "events": 1, "fills": 1}
MOST = 2**63 - 1
IDS = (built_id(1), "V" * 20, "0" * 19 + "V", "V" + "0" * 19)
ACCOUNTS, STRATEGIES, INSTRUMENTS = (1, -3), (0, 2, (1 << 31) - 1), (1, 4095)

identity = st.sampled_from(IDS)
side = st.sampled_from((1, 2, 1, 1, 0))
number = st.sampled_from((1, 1, 1, 4095))
amount = st.one_of(st.integers(1, 5), st.sampled_from((0, -1, MOST - 1, MOST, -MOST)))
reason = st.sampled_from(OrderReason)
outcome = st.sampled_from((1, 1, 1, 0, *DecisionOutcome))
terms = st.tuples(
    st.sampled_from(OrderType), st.sampled_from(TimeInForce), st.booleans(), amount, amount
)
decision = st.builds(
    lambda order_id, account, strategy, listed, kind, outcome, code, side, terms: RiskDecision(
        order_id, account, strategy, listed, 0, kind, outcome, code, 0, 0, 0, side, *terms
    ),
    identity,
    st.sampled_from(ACCOUNTS),
    st.sampled_from(STRATEGIES),
    number,
    st.sampled_from((RequestKind.NEW, RequestKind.NEW, RequestKind.CANCEL, *RequestKind)),
    outcome,
    st.sampled_from((RiskCode.NONE, RiskCode.KILL_SWITCH, RiskCode.LIQUIDATION)),
    side,
    terms,
)
any_report = st.builds(
    ExecutionReport,
    identity,
    number,
    st.just(0),
    st.integers(0, 9),
    st.sampled_from((ReportKind.FILL, ReportKind.FILL, ReportKind.FILL, *ReportKind)),
    reason,
    st.one_of(st.integers(0, 3), st.sampled_from((-MOST, MOST))),
    side,
    amount,
    amount,
    amount.filter(lambda each: each >= 0),
    amount.filter(lambda each: each >= 0),
    st.integers(0, 2),
    st.integers(1 - 10**38, 10**38 - 1),
)
kill = st.builds(
    lambda kind, scope, account, strategy, number: control(
        kind, scope, account=account, strategy=strategy, number=number
    ),
    st.sampled_from((ControlKind.KILL, ControlKind.KILL, *ControlKind)),
    st.sampled_from(ControlScope),
    st.sampled_from(ACCOUNTS),
    st.sampled_from(STRATEGIES),
    st.sampled_from(INSTRUMENTS),
)
WORDS = (*ReportKind, ReportKind.CANCELLED, ReportKind.CANCELLED)
part = st.one_of(
    st.tuples(st.just("fill"), st.integers(1, 4), st.integers(0, 2)),
    st.tuples(st.just("word"), st.sampled_from(WORDS), st.sampled_from((0, 0, *OrderReason))),
    st.just(("cancel",)),
)


def told(order_id: str, what: Any) -> Any:
    """A record about an order."""
    kind, *rest = what
    if kind == "fill":
        return report(order_id, ReportKind.FILL, rest[0], 7, rest[1])
    if kind == "word":
        return report(order_id, rest[0], reason=int(rest[1]))
    return approved(request(order_id, kind=int(RequestKind.CANCEL)))


story = st.builds(
    lambda order_id, quantity, price, parts: [
        approved(request(order_id, 1, quantity, price)),
        *(told(order_id, each) for each in parts),
    ],
    identity,
    st.integers(1, 5),
    st.integers(0, 3),
    st.lists(part, min_size=1, max_size=6),
)
single = st.one_of(decision, any_report, kill, st.just("restart"), st.builds(told, identity, part))
STEPS = st.lists(st.one_of(story, story, single.map(lambda step: [step])), min_size=8, max_size=20)


def take(stage: Any, record: Any, context: StageContext) -> None:
    """One record to its handler."""
    if isinstance(record, RiskDecision):
        stage.on_risk_decision(record, context)
    elif isinstance(record, ControlCommand):
        stage.on_control_command(record, context)
    else:
        stage.on_execution_report(record, context)


def orders_of(stage: Routing) -> list[Any]:
    return [
        msgspec.structs.astuple(each) for each in (*stage.live_orders(), *stage.closed_orders())
    ]


def orders_in(oracle: ReadableRouting) -> list[Any]:
    return [tuple(vars(each).values()) for each in (*oracle.live.values(), *oracle.closed.values())]


@settings(max_examples=250, deadline=None)
@given(st.sampled_from((1, 2, 5, 64)), STEPS)
def test_the_compiled_stage_does_what_the_readable_one_does(
    capacity: int, steps: list[list[Any]]
) -> None:
    """Oracle: the readable stage: emitted records in their order, and every order it knows, after
    every event. Tables begin with one row; nobody closes an order but the two stages. A stage that
    got the same records without restarts, in tables that never grew, has the same snapshot.
    """
    stage = Routing([], Settings(closed_orders=capacity), dict(TINY))
    other = Routing([], Settings(closed_orders=capacity))
    oracle = ReadableRouting(capacity)
    mine, theirs = StageContext(), StageContext()
    for step in (each for group in steps for each in group):
        if step == "restart":
            restored(stage)
            continue
        mine.clock = theirs.clock = mine.clock + 1
        take(oracle, step, theirs)
        take(stage, step, mine)
        take(other, step, StageContext(mine.clock))
        assert mine.take() == theirs.take()
        assert orders_of(stage) == orders_in(oracle)
        for order_id in IDS:
            assert (stage.order(order_id) is None) == (oracle.find(order_id) is None)
    assert stage.encoded_state() == other.encoded_state()


def test_a_fill_beyond_64_bits_is_an_overfill() -> None:
    """Oracle: the readable stage, whose integers have no end: 1 + (2^63 - 1) is more than the
    order, 1 + (2^63 - 2) is all of it.
    """
    stage, context = Routing([], Settings()), StageContext()
    oracle, theirs = ReadableRouting(9), StageContext()
    for record in (
        approved(request(IDS[0], quantity=MOST)),
        report(IDS[0], ReportKind.FILL, 1, 7, 1),
        report(IDS[0], ReportKind.FILL, MOST, 7, 2),
        report(IDS[0], ReportKind.FILL, MOST - 1, 7, 3),
        report(IDS[1], ReportKind.CANCELLED, cumulative=MOST, leaves=MOST),
    ):
        take(stage, record, context)
        take(oracle, record, theirs)
    assert context.take() == theirs.take()
    assert orders_of(stage) == orders_in(oracle)


def test_an_order_may_have_any_number_of_fills() -> None:
    """No fixed maximum: 5,000 fills of one order, each known when it comes again. Oracle: by
    hand.
    """
    stage, context = Routing([], Settings()), StageContext()
    stage.on_risk_decision(approved(request(IDS[0], quantity=5001)), context)
    for again in (False, True):
        context.take()
        for trade in range(5000):
            stage.on_execution_report(report(IDS[0], ReportKind.FILL, 1, 7, trade), context)
        reasons = {each.reason for each in context.emitted[-1:]}
        assert reasons == {OrderReason.DUPLICATE_FILL if again else OrderReason.NONE}
        assert len(context.emitted) == (5000 if again else 10_000)
    order = stage.order(IDS[0])
    assert order is not None and (order.filled_quantity, len(order.trade_ids)) == (5000, 5000)


def test_a_state_whose_orders_and_fills_do_not_agree_is_refused() -> None:
    """Oracle: the state before, which stays."""
    stage, context = Routing([], Settings()), StageContext()
    stage.on_risk_decision(approved(request(IDS[0], quantity=5)), context)
    stage.on_execution_report(report(IDS[0], ReportKind.FILL, 1, 7, 1), context)
    before = stage.encoded_state()
    header, tables = msgspec.msgpack.decode(before)
    for changed in ([tables[0], tables[1], b""], [tables[0][:-8], *tables[1:]], tables[:2]):
        with pytest.raises(BadState):
            stage.take_state(msgspec.msgpack.encode([header, changed]))
    assert stage.encoded_state() == before


@pytest.mark.parametrize("name", ["ROUTING", "ORDER", "TRADE", "KILL", "OUTPUTS"])
def test_no_record_of_the_state_has_padding(name: str) -> None:
    """Compiled assignment copies padding and NumPy's does not: bytes of a snapshot would differ.
    Oracle: the sum of the fields' sizes.
    """
    dtype = getattr(records, name)
    assert dtype.itemsize == sum(dtype[field].itemsize for field in dtype.names)


SCRIPT = """
import json, sys
sys.path.insert(0, "tests")
sys.path.insert(0, "tests/routing")
from test_routing_against_readable import emitted_of_a_day
from numba import config
assert config.DISABLE_JIT
print(json.dumps(emitted_of_a_day()))
"""


def emitted_of_a_day(seed: int = 5) -> list[str]:
    """What a random day emits, as text, with the snapshot at its end."""
    draw = random.Random(seed)
    stage, context = Routing([], Settings(closed_orders=3), dict(TINY)), StageContext()
    kinds = (*ReportKind, *[ReportKind.FILL] * 8)
    for step in range(250):
        context.clock += 1
        order_id, choice = draw.choice(IDS), draw.random()
        if choice < 0.3:
            wanted = request(order_id, 1, draw.randint(1, 9), draw.randint(0, 2))
            stage.on_risk_decision(approved(wanted), context)
        elif choice < 0.4:
            wanted = request(order_id, kind=int(RequestKind.CANCEL))
            stage.on_risk_decision(approved(wanted), context)
        elif choice < 0.45:
            scope = draw.choice((ControlScope.SYSTEM, ControlScope.INSTRUMENT))
            stage.on_control_command(control(ControlKind.KILL, scope, number=1), context)
        else:
            size, trade = draw.choice((0, 1, 2, 9, MOST)), draw.randint(0, 4)
            word = report(order_id, draw.choice(kinds), size, 3, trade, fee=draw.choice((-1, 5)))
            stage.on_execution_report(word, context)
        if step == 100:
            restored(stage)
    return [*map(repr, context.take()), stage.encoded_state().hex()]


def test_where_nothing_is_compiled_the_stage_gives_the_same() -> None:
    """The same text in plain Python, whose views check every place and store
    (NUMBA_DISABLE_JIT=1). Oracle: each of the two for the other.
    """
    done = subprocess.run(  # noqa: S603
        [sys.executable, "-W", "ignore", "-c", SCRIPT],
        cwd=Path(__file__).resolve().parents[2],
        env={**os.environ, "NUMBA_DISABLE_JIT": "1"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert len(found) > 250
    assert found == emitted_of_a_day()
