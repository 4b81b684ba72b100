"""The compiled sizing against the readable one in Python integers: the same records after every
event, whatever comes."""

from __future__ import annotations

import contextlib
import json
import os
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from readable_sizing import Beyond, ReadableSizing
from sizing_twins import KINDS, SECOND, TINY, run
from stage_context import fill, mark, perpetual, restored, signal, toy

from schemas.errors import CapacityExceeded
from schemas.records import OrderEvent
from schemas.vocabulary import OrderStatus, Side
from streams.numeric.identity import EARLY_ORDINAL
from streams.runtime.schedule.context import StageContext
from streams.signals.sizing import Settings, Sizing, records

LARGE = 2**63 - 1
STRATEGIES = (1, 1, 1, 0, (1 << 31) - 1, -7)
STATUSES = tuple(int(each) for each in OrderStatus)

strategy = st.sampled_from(STRATEGIES)
direction = st.sampled_from((1, -1, 0))
side = st.sampled_from((int(Side.BUY), int(Side.SELL)))
place = st.sampled_from((0, 0, 1, 3))
strength = st.one_of(
    st.sampled_from((1.0, 1.0, 0.6, 0.59999, 0.0, 2.0, 7.5, float("inf"), float("nan"))),
    st.floats(0.6, 2.0),
)


def events(number: Any, size: Any, quantity: Any, price: Any) -> Any:
    """Views; fills and ends of working orders, of others too; marks; time; restarts."""
    any_view = st.tuples(st.just("view"), number, strategy, direction, strength, size)
    plain = st.tuples(st.just("view"), st.just(1), st.just(1), direction, st.just(1.0), size)
    sized = st.tuples(
        st.just("view"), st.just(1), st.just(1), direction, strength, st.sampled_from((5, 8, 11))
    )
    moved = st.tuples(st.just("view"), number, st.just(1), direction, st.just(1.0), st.just(0))
    known = st.tuples(st.just("fill"), place, quantity)
    other = st.tuples(st.just("other fill"), place, number, strategy, side, quantity)
    cancelled = st.just(int(OrderStatus.CANCELLED))
    return st.one_of(
        plain,
        sized,
        moved,
        any_view,
        known,
        other,
        st.tuples(st.just("end"), place, st.sampled_from(STATUSES), st.booleans()),
        st.tuples(st.just("end"), place, cancelled, st.just(False)),
        st.tuples(st.just("mark"), number, price),
        st.tuples(st.just("wait"), st.sampled_from((1, SECOND, 2 * SECOND, 3 * SECOND))),
        st.tuples(st.just("wait"), st.integers(1, 4 * SECOND)),
        st.tuples(st.just("list"), st.sampled_from(tuple(KINDS))),
        st.just(("restart",)),
    )


CALM = events(
    st.sampled_from((1, 2, 3)),
    st.sampled_from((0, 0, 3, 17, -2)),
    st.integers(1, 30),
    st.sampled_from((0, 1, 7, 90)),
)
EDGES = (0, 1, 2**61, 2**62, LARGE - 1, LARGE)
WILD = events(
    st.sampled_from(tuple(KINDS)),
    st.one_of(st.sampled_from((*EDGES, -LARGE)), st.integers(0, LARGE)),
    st.one_of(st.sampled_from(EDGES), st.integers(1, LARGE)),
    st.sampled_from((0, 1, 10**9, 2**62 - 1)),
)
CHANGES = st.fixed_dictionaries(
    {
        "cooldown": st.sampled_from((0, 3 * SECOND, 3 * SECOND, 2**70)),
        "warmup": st.sampled_from((0, 0, 2 * SECOND)),
        "trade_from": st.sampled_from((0, 0, SECOND)),
        "short": st.sampled_from((True, True, False)),
        "size": st.sampled_from(("", "", "12")),
        "cash": st.sampled_from(("", "1000", "90000000000")),
        "threshold": st.sampled_from((0.6, 0.0)),
        "strength_max": st.sampled_from((2.0, 1000.0)),
    }
)


LISTED = st.lists(st.sampled_from((2, 3)), max_size=2, unique=True).map(lambda more: [1, *more])


@settings(max_examples=150, deadline=None)
@given(LISTED, CHANGES, st.lists(CALM, min_size=20, max_size=50))
def test_the_compiled_stage_does_what_the_readable_one_does(
    listed: list[int], changes: dict[str, Any], steps: list[Any]
) -> None:
    """Oracle: the readable stage, after every event. Tables begin with one row or none; the
    snapshot is that of a stage with room, which was never restarted.
    """
    twins = run(listed, changes, steps)
    assert twins.stage.encoded_state() == twins.roomy.encoded_state()


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.sampled_from(tuple(KINDS)), min_size=1, max_size=3, unique=True),
    CHANGES,
    st.lists(WILD, min_size=3, max_size=25),
)
def test_quantities_are_exact_to_64_bits_and_a_fault_beyond(
    listed: list[int], changes: dict[str, Any], steps: list[Any]
) -> None:
    """Oracle: the readable stage, whose integers have no end; a fault changes nothing."""
    with contextlib.suppress(Beyond):
        run(listed, changes, steps)


@pytest.mark.parametrize("seed", range(8))
def test_long_days_give_the_same(seed: int) -> None:
    """As above over 1,500 events, most of them of one strategy that trades, waits, is denied and is
    filled; what a day must hold is counted. Oracle: the readable stage.
    """
    draw = random.Random(seed)
    changes = {
        "cooldown": (3 * SECOND, SECOND, 0, 5)[seed % 4],
        "warmup": (0, 60 * SECOND)[seed % 2],
        "trade_from": (60 * SECOND, 0)[seed % 2],
        "short": seed % 3 > 0,
        "cash": ("", "9000")[seed % 2],
    }
    twins = run([1, 3], changes, [daily(draw, seed) for _ in range(1500)])
    assert twins.requests > 100 and twins.drops > 50
    assert twins.fired > 30 or changes["cooldown"] < SECOND


def daily(draw: random.Random, seed: int) -> tuple[Any, ...]:
    """One event of a long day."""
    number, strategy = draw.choice((1, 1, 1, 2, 3)), draw.choice((1, 1, 1, 1, 0, -7))
    side = draw.choice((int(Side.BUY), int(Side.SELL)))
    strength = draw.choice((1.0, 1.0, 0.5999, 0.6, draw.uniform(0.6, 2.5)))
    view = ("view", number, strategy, draw.choice((1, 1, -1, 0)), strength)
    kind = draw.random()
    if kind < 0.4:
        return *view, draw.choice((0, 0, 7, 23, 40, -3, 2))
    if kind < 0.6:
        return "fill", draw.choice((0, 0, 1)), draw.choice((100, draw.randint(1, 30)))
    if kind < 0.64:
        return "other fill", draw.randint(0, 5), number, strategy, side, draw.randint(1, 30)
    if kind < 0.78:
        status = draw.choice((int(OrderStatus.FILLED), draw.choice(STATUSES)))
        return "end", draw.choice((0, 0, 1)), status, draw.random() < 0.2
    if kind < 0.82:
        return "mark", number, draw.choice((0, 1, 7, 90))
    if kind < 0.97:
        return "wait", draw.choice((1, SECOND // 2, SECOND, draw.randint(1, 4 * SECOND)))
    return ("restart",) if kind < 0.99 else ("list", draw.choice((1, 2, 3)))


def test_what_leaves_64_bits_is_a_fault_wherever_it_is_summed() -> None:
    """As above, over many short days of large quantities alone. Oracle: the readable stage."""
    draw = random.Random(3)
    beyond = 0
    for _ in range(150):
        steps = [huge(draw) for _ in range(12)]
        try:
            run([1, 9, 4095], {"cooldown": draw.choice((0, 5))}, steps)
        except Beyond:
            beyond += 1
    assert 50 < beyond < 140


def huge(draw: random.Random) -> tuple[Any, ...]:
    """One event of such a day."""
    number, size = draw.choice((1, 1, 1, 9, 4095)), draw.choice((*EDGES[2:], 2**60, 2**61 - 1))
    kind = draw.random()
    if kind < 0.6:
        strength = draw.choice((1.0, 1.0, 1.0, 1.0, 1.7))
        return "view", number, 1, draw.choice((1, -1, 0)), strength, size
    if kind < 0.7:
        return "other fill", draw.randint(0, 2), number, 1, draw.choice((1, 2)), size
    if kind < 0.8:
        return "fill", 0, size
    return ("wait", 10) if kind < 0.9 else ("end", 0, int(OrderStatus.CANCELLED), False)


def test_the_default_size_is_exact() -> None:
    """Random instruments, cash and first bids: the order of a full view has the default size.
    Oracle: the readable stage's formula, in Python integers.
    """
    draw = random.Random(7)
    seen = set()
    for _ in range(400):
        lot = draw.choice((1, 1, 3, 8, 10**5))
        limits = {
            "lot_size": lot,
            "minimum_quantity": draw.choice((0, 1, draw.randint(1, 10**7))),
            "maximum_quantity": draw.choice((0, draw.randint(lot, 10**9))),
            "minimum_notional": draw.choice((0, draw.randint(1, 10**12), draw.randint(1, 10**37))),
            "multiplier": draw.choice((1, 1, 100, 2**40)),
        }
        price = draw.choice((1, draw.randint(1, 10**6), draw.randint(1, 2**62 - 1)))
        precisions = {"price_precision": draw.choice((0, 8)), "quantity_precision": 8}
        listed = perpetual(1, **limits, **precisions)
        chosen = Settings(cash=draw.choice(("", "7", "90000000000")))
        stage, context = Sizing([listed], chosen), StageContext(1)
        oracle = ReadableSizing([listed], chosen)
        for each in (stage, oracle):
            each.on_mark(mark(price, price + 1), context)  # type: ignore[attr-defined]
        stage.on_signal(signal(1), context)
        assert [each.quantity for each in context.pending] == [oracle.lines[1].size]
        seen.add(oracle.lines[1].size)
    assert len(seen) > 150


def test_more_ids_than_an_input_has_are_refused() -> None:
    """Oracle: the bound of ids; nothing was sent or noted of the view that asked for one more."""
    stage, context = Sizing([toy()], Settings(size="10")), StageContext(1)
    context.sequence = context.last_sequence = 5
    context.ordinal = EARLY_ORDINAL - 1
    stage.on_signal(signal(1), context)
    assert len(context.pending) == 1 and context.ordinal == EARLY_ORDINAL
    with pytest.raises(CapacityExceeded, match="131,072 ids on one input"):
        stage.on_signal(signal(-1), context)
    assert len(context.pending) == 1 and stage.position(1, 1).target == 10


@pytest.mark.parametrize("name", ["SIZING", "INSTRUMENT", "STRATEGY_POSITION", "ORDER", "OUTPUTS"])
def test_no_record_of_the_state_has_padding(name: str) -> None:
    """Compiled assignment copies padding and NumPy's does not: bytes of a snapshot would differ.
    Oracle: the sum of the fields' sizes.
    """
    dtype = getattr(records, name)
    assert dtype.itemsize == sum(dtype[field].itemsize for field in dtype.names)


SCRIPT = """
import json, sys
sys.path.insert(0, "tests")
sys.path.insert(0, "tests/signals")
from test_sizing_against_readable import emitted_of_a_day
from numba import config
assert bool(config.DISABLE_JIT) == bool(int(sys.argv[1]))
print(json.dumps(emitted_of_a_day()))
"""


def emitted_of_a_day(seed: int = 11) -> list[str]:
    """What a random day emits, as text, with the snapshot at its end."""
    draw = random.Random(seed)
    stage = Sizing([KINDS[3], KINDS[1]], Settings(cash="5000", cooldown=SECOND), dict(TINY))
    context = StageContext(5)
    for step in range(250):
        context.sequence += 1
        working, number = stage.working_orders(), draw.choice((1, 2, 3))
        if step == 60:
            stage.on_instrument(KINDS[2], context)
        if step == 120:
            restored(stage)
        if draw.random() < 0.6 and (number, step) > (2, 0) or step > 60:
            strength = draw.choice((1.0, 0.5, 1.234567891, 1.9))
            number = number if step > 60 else draw.choice((1, 3))
            size = draw.choice((0, 0, 5, 10**6, -3))
            record = signal(draw.choice((1, -1, 0)), size, strength, number, step % 3)
            stage.on_signal(record, context)
        stage.on_mark(mark(draw.randint(0, 3), 9, number=number), context)
        if working and draw.random() < 0.7:
            order_id, status = draw.choice(working), draw.choice(STATUSES)
            made = fill(draw.choice((1, 2)), draw.randint(1, 9), 5, order_id=order_id, number=1)
            stage.on_fill(made, context)
            event = OrderEvent(order_id, 1, 1, 1, 0, status, 0, 1, 1, 0, 0, draw.random() < 0.1)
            stage.on_order_event(event, context)
        context.clock += draw.randint(1, SECOND)
        while stage.state.timer <= context.clock:
            stage.on_timer(stage.state.timer, context)
    return [*map(repr, context.pending), stage.encoded_state().hex()]


def test_where_nothing_is_compiled_the_stage_gives_the_same() -> None:
    """The same text in plain Python, whose views check every place and store
    (NUMBA_DISABLE_JIT=1). Oracle: each of the two for the other.
    """
    root = Path(__file__).resolve().parents[2]
    environment = {**os.environ, "NUMBA_DISABLE_JIT": "1"}
    done = subprocess.run(  # noqa: S603
        [sys.executable, "-W", "ignore", "-c", SCRIPT, "1"],
        cwd=root,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert len(found) > 100
    assert found == emitted_of_a_day()
