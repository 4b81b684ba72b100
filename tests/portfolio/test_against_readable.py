"""The compiled portfolio against the readable one in Python integers: the same records after
every event, whatever comes."""

from __future__ import annotations

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
from readable_portfolio import ReadablePortfolio
from stage_context import StageContext, fill, instrument, mark, perpetual, restored

from schemas.errors import AmountTooLarge
from schemas.records import Instrument
from schemas.vocabulary import Flag, Side
from streams.portfolio import records
from streams.portfolio.stage import QUIET_INTERVALS_MAX, Portfolio, Settings

MINUTE = 60_000_000_000
TINY = {"instruments": 1, "accounts": 1, "holdings": 1, "positions": 2, "pnl": 0}
DECIMAL_LIMIT = 10**38
ACCOUNTS, STRATEGIES = (1, 2, 7, -3), (0, 1, 5, (1 << 20) - 1)
KINDS = {
    1: instrument(1),
    2: perpetual(2),
    3: perpetual(3, multiplier=1000),
    4095: instrument(4095, price_precision=0, quantity_precision=0),
    9: perpetual(9, price_precision=18, quantity_precision=18),
}
EDGES = (1, 2, 3, 7, 10**8, 2**31, 2**62 - 1)

side = st.sampled_from((1, 2))
number = st.sampled_from((1, 2, 3, 4095))
flags = st.sampled_from((0, 0, 0, 0, 0, int(Flag.STALE), int(Flag.GAP), int(Flag.ONE_SIDED)))


def events(quantity: Any, price: Any, fee: Any, touch: Any, listed: Any) -> Any:
    """Fills of any account, and of one strategy that trades most; marks; time; restarts."""
    any_fill = (number, st.sampled_from(ACCOUNTS), st.sampled_from(STRATEGIES), side)
    main_fill = (st.sampled_from((1, 2)), st.just(1), st.just(1), side)
    return st.one_of(
        st.tuples(st.just("fill"), *any_fill, quantity, price, fee),
        st.tuples(st.just("fill"), *main_fill, quantity, price, fee),
        st.tuples(st.just("mark"), number, touch, touch, flags),
        st.tuples(st.just("mark"), number, price, price, st.just(0)),
        st.tuples(st.just("wait"), st.integers(1, 3 * MINUTE)),
        st.tuples(st.just("list"), listed),
        st.just(("restart",)),
    )


CALM = events(
    st.integers(1, 9), st.integers(90, 110), st.integers(-5, 5), st.integers(0, 110), number
)
WILD = events(
    st.one_of(st.integers(1, 10**10), st.sampled_from((*EDGES, 2**63 - 1))),
    st.one_of(st.integers(1, 10**12), st.sampled_from(EDGES)),
    st.one_of(st.integers(-50, 50), st.integers(-(10**38), 10**38)),
    st.one_of(st.just(0), st.integers(1, 10**12), st.sampled_from(EDGES)),
    st.sampled_from(tuple(KINDS)),
)


def sides(value: int) -> int:
    return int(Side.BUY) if value == 1 else int(Side.SELL)


class Twins:
    """Both stages, one clock for both, and what each has emitted."""

    def __init__(self, listed: list[Instrument], interval: int) -> None:
        self.stage = Portfolio(listed, Settings(cash="1000000", pnl_interval=interval), dict(TINY))
        self.oracle = ReadablePortfolio(listed, 1, 1_000_000, interval, QUIET_INTERVALS_MAX)
        self.mine, self.theirs = StageContext(), StageContext()
        self.listed = {each.instrument for each in listed}

    def take(self, step: tuple[Any, ...]) -> None:
        """One event to both."""
        kind, *rest = step
        if kind == "wait":
            self.wait(rest[0])
        elif kind == "restart":
            restored(self.stage)
        elif kind == "list":
            self.listed.add(rest[0])
            self.oracle.on_instrument(KINDS[rest[0]])
            self.stage.on_instrument(KINDS[rest[0]], self.mine)
        elif rest[0] in self.listed and kind == "mark":
            record = mark(rest[1], rest[2], number=rest[0], flags=rest[3])
            self.oracle.on_mark(record, self.theirs)
            self.stage.on_mark(record, self.mine)
        elif rest[0] in self.listed:
            listed, account, strategy, side, size, at, cost = rest
            record = fill(
                sides(side), size, at, cost, number=listed, account=account, strategy=strategy
            )
            self.oracle.on_fill(record, self.theirs)
            self.stage.on_fill(record, self.mine)

    def wait(self, time: int) -> None:
        """The clock moves on; timers fire at their deadlines, twenty at most."""
        now = self.mine.clock + min(time, 20 * self.oracle.interval)
        while self.oracle.timer <= now:
            assert self.stage.state.timer == self.oracle.timer
            deadline = self.oracle.timer
            self.oracle.on_timer(deadline, self.theirs)
            self.stage.on_timer(deadline, self.mine)
        self.mine.clock = self.theirs.clock = now

    def end(self) -> None:
        self.oracle.on_end(self.theirs)
        self.stage.on_end(self.mine)

    def compare(self) -> None:
        """Emitted records, timers, and what the reading interface says."""
        assert self.mine.take() == self.theirs.take()
        stage, oracle = self.stage, self.oracle
        assert (stage.state.timer, stage.amount_precision, stage.accounts()) == (
            oracle.timer,
            oracle.precision,
            tuple(oracle.accounts),
        )
        for account, held in oracle.accounts.items():
            assert stage.cash(account) == held.cash
            assert stage.holdings(account) == tuple(held.holdings)
            assert oracle.value(account, 3) == stage.value(account, 3)
            for (strategy, listed), each in held.holdings.items():
                assert stage.holding(account, strategy, listed) == (
                    each.quantity,
                    each.cost,
                    each.realized,
                    each.fees,
                )


LISTED = st.lists(number, min_size=1, max_size=3, unique=True)
INTERVAL = st.sampled_from((10**6, MINUTE // 4, 7 * MINUTE))


@settings(max_examples=120, deadline=None)
@given(LISTED, INTERVAL, st.lists(CALM, min_size=20, max_size=40))
def test_the_compiled_stage_does_what_the_readable_one_does(
    listed: list[int], interval: int, steps: list[tuple[Any, ...]]
) -> None:
    """Oracle: the readable stage, after every event. Tables begin with one row."""
    assert run(listed, interval, steps).largest < DECIMAL_LIMIT


@settings(max_examples=120, deadline=None)
@given(LISTED, INTERVAL, st.lists(WILD, min_size=3, max_size=25))
def test_amounts_are_exact_to_38_digits_and_a_fault_beyond(
    listed: list[int], interval: int, steps: list[tuple[Any, ...]]
) -> None:
    """Oracle: the readable stage, whose integers have no end."""
    try:
        largest = run(listed, interval, steps).largest
    except Beyond as beyond:
        assert beyond.largest >= DECIMAL_LIMIT
    else:
        assert largest < DECIMAL_LIMIT


class Beyond(Exception):
    """The compiled stage left a fault; ``largest`` is the oracle's largest amount."""

    def __init__(self, largest: int) -> None:
        self.largest = largest


def run(listed: list[int], interval: int, steps: list[tuple[Any, ...]]) -> ReadablePortfolio:
    """All steps and the end, compared after each; the oracle after it all. Raises Beyond."""
    twins = Twins([KINDS[each] for each in listed], interval)
    try:
        for step in steps:
            twins.take(step)
            twins.compare()
        twins.end()
        twins.compare()
    except AmountTooLarge as problem:
        raise Beyond(twins.oracle.largest) from problem
    return twins.oracle


@pytest.mark.parametrize(
    "name", ["FAULT", "PORTFOLIO", "INSTRUMENT", "ACCOUNT", "HOLDING", "SPECIFICATION", "OUTPUTS"]
)
def test_no_record_of_the_state_has_padding(name: str) -> None:
    """Compiled assignment copies padding and NumPy's does not: bytes of a snapshot would differ.
    Oracle: the sum of the fields' sizes.
    """
    dtype = getattr(records, name)
    assert dtype.itemsize == sum(dtype[field].itemsize for field in dtype.names)


SCRIPT = """
import json, random, sys
sys.path.insert(0, "tests")
sys.path.insert(0, "tests/portfolio")
from test_against_readable import emitted_of_a_day
from numba import config
assert bool(config.DISABLE_JIT) == bool(int(sys.argv[1]))
print(json.dumps(emitted_of_a_day()))
"""


def emitted_of_a_day(seed: int = 11) -> list[str]:
    """What a random day emits, as text, with the snapshot at its end."""
    generator = random.Random(seed)
    stage, context = (
        Portfolio(
            [KINDS[2], KINDS[1]], Settings(cash="5000", pnl_interval=MINUTE // 2), dict(TINY)
        ),
        StageContext(),
    )
    for step in range(120):
        listed, account = generator.choice((1, 2)), generator.choice(ACCOUNTS)
        if step == 60:
            stage.on_instrument(KINDS[3], context)
        if generator.random() < 0.5:
            bid = generator.randint(0, 10**6)
            stage.on_mark(
                mark(bid, bid + 5, number=listed, flags=generator.choice((0, 0, int(Flag.GAP)))),
                context,
            )
        else:
            side, size = generator.choice((1, 2)), generator.choice((1, 2, 3, 10**9, 2**62))
            made = fill(
                sides(side),
                size,
                generator.randint(1, 10**6),
                generator.randint(-9, 99),
                number=listed,
                account=account,
                strategy=step % 3,
            )
            stage.on_fill(made, context)
        context.clock += generator.randint(1, MINUTE // 3)
        while stage.state.timer <= context.clock:
            stage.on_timer(stage.state.timer, context)
    stage.on_end(context)
    restored(stage)
    return [*map(repr, context.take()), repr(stage.value(1, 0)), stage.encoded_state().hex()]


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
    assert len(found) > 150
    assert found == emitted_of_a_day()
