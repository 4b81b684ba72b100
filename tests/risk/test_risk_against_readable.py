"""The compiled risk stage against the readable one in Python integers: the same records after every
event, whatever comes."""

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
from readable_money import TooLarge
from readable_risk import Risk as ReadableRisk
from stage_context import (
    StageContext,
    built_id,
    control,
    fill,
    instrument,
    mark,
    perpetual,
    request,
    restored,
    toy,
)

from schemas.errors import AmountTooLarge
from schemas.records import OrderEvent
from schemas.vocabulary import ControlKind, ControlScope, Flag, OrderStatus, RequestKind, Side
from streams.risk import instruments, records
from streams.risk.codes import CODE_OF_LIMIT
from streams.risk.limits import BadLimit
from streams.risk.stage import Exposure, Risk, Settings

TINY = {
    "instruments": 1, "holdings": 0, "switches": 0, "working": 1, "recent": 1,
    "decisions": 1, "events": 1, "sequence": 2, "new_ids": 0,
}  # fmt: skip
PLAIN = perpetual().kind
KINDS = {
    1: toy(1),
    2: toy(2, kind=PLAIN, multiplier=3),
    3: perpetual(3, minimum_notional=0, initial_margin=20_000_000),
    4: toy(4, shortable=False, lot_size=2, tick_size=2, maximum_quantity=0),
    5: toy(5, kind=PLAIN, price_precision=9, quantity_precision=9, maximum_quantity=0),
    6: perpetual(6, multiplier=10**12, maximum_quantity=0, minimum_notional=0),
    4095: instrument(4095),
}
EDGES = (1, 2, 3, 7, 10**8, 2**31, 2**62 - 1)
ENDS = (OrderStatus.FILLED, OrderStatus.CANCELLED, OrderStatus.REJECTED, OrderStatus.EXPIRED)
NUMBERS = st.sampled_from((1, 2, 3, 4))
SIDES = st.sampled_from((1, 2))
FLAGS = st.sampled_from((0, 0, 0, 0, 0, int(Flag.STALE), int(Flag.GAP), int(Flag.ONE_SIDED)))
PICK = st.integers(0, 9)
SCOPES = st.sampled_from(tuple(ControlScope))


def events(number: Any, quantity: Any, price: Any, touch: Any, listed: Any, limit: Any) -> Any:
    """Requests good and bad, what comes of them, marks, the operator, time, restarts."""
    odd = st.integers(0, 200)
    command = st.sampled_from((ControlKind.KILL, ControlKind.REARM, ControlKind.REARM))
    return st.one_of(
        st.tuples(st.just("ask"), number, SIDES, quantity, st.just(0), st.integers(3, 200)),
        st.tuples(st.just("ask"), number, SIDES, quantity, price, odd),
        st.tuples(st.just("ask"), number, SIDES, quantity, touch, odd),
        st.tuples(st.just("again"), PICK),
        st.tuples(st.just("cancel"), PICK),
        st.tuples(st.just("fill"), PICK, quantity, price, st.integers(-3, 9), st.integers(1, 2)),
        st.tuples(st.just("whole"), PICK, price, st.integers(-3, 9)),
        st.tuples(st.just("stray"), number, SIDES, quantity, price, st.integers(1, 3)),
        st.tuples(st.just("end"), PICK, st.sampled_from(tuple(OrderStatus)), st.booleans()),
        st.tuples(st.just("end"), PICK, st.sampled_from(ENDS), st.just(False)),
        st.tuples(st.just("mark"), number, touch, touch, FLAGS),
        st.tuples(st.just("mark"), number, price, price, st.just(0)),
        st.tuples(st.just("switch"), command, SCOPES, st.integers(1, 3)),
        st.tuples(st.just("limit"), st.sampled_from((*CODE_OF_LIMIT, "none")), SCOPES, limit),
        st.tuples(st.just("list"), listed),
        st.tuples(st.just("wait"), st.integers(0, 5)),
        st.just(("restart",)),
    )


CALM = events(
    NUMBERS,
    st.integers(1, 30),
    st.integers(90, 110),
    st.integers(0, 120),
    NUMBERS,
    st.sampled_from(("off", "5", "100", "20000", "-1", "x")),
)
WILD = events(
    st.sampled_from(tuple(KINDS)),
    st.one_of(st.integers(1, 10**10), st.sampled_from((*EDGES, -5, 0, 2**63 - 1))),
    st.one_of(st.integers(1, 10**12), st.sampled_from(EDGES)),
    st.one_of(st.just(0), st.integers(1, 10**12), st.sampled_from(EDGES)),
    st.sampled_from(tuple(KINDS)),
    st.sampled_from(("off", "5", "9" * 20, "9" * 38, str(2**63 - 1))),
)
RULES = st.fixed_dictionaries(
    {
        "leverage": st.sampled_from((1, 3, 20)),
        "taker_rate": st.sampled_from((0, 40_000, 3_000_000, 10**8)),
        "recent_orders": st.sampled_from((1, 3)),
        "short": st.booleans(),
        "warmup": st.sampled_from((0, 0, 2)),
        "trade_to": st.sampled_from((40, 2**63 - 1)),
        "price_collar_bp": st.sampled_from(("500", "off", "2.5")),
        "mark_age_max": st.sampled_from(("off", "3")),
        "max_position": st.sampled_from(("", "40")),
        "max_notional": st.sampled_from(("", "2000")),
    }
)


class Twins:
    """Both stages, one clock for both, and what each has emitted."""

    def __init__(self, listed: list[int], cash: int | None, rules: dict[str, Any]) -> None:
        text = "" if cash is None else str(cash)
        given = msgspec.convert({"cash": text, **rules}, Settings)
        kinds = [KINDS[each] for each in listed]
        self.stage = Risk(kinds, given, dict(TINY))
        self.oracle = ReadableRisk(kinds, given, cash)
        self.mine, self.theirs = StageContext(), StageContext()
        self.asked: list[Any] = []

    def take(self, step: tuple[Any, ...]) -> None:
        """One event to both. Raises TooLarge, BadLimit where both say so."""
        kind, *rest = step
        if kind == "wait":
            self.mine.clock += rest[0]
            self.theirs.clock += rest[0]
        elif kind == "restart":
            restored(self.stage)
        elif kind == "list":
            self.both("on_instrument", KINDS[rest[0]])
        elif kind == "mark":
            number, bid, ask, flags = rest
            last = (bid + ask) // 2
            self.both("on_mark", mark(bid, ask, self.mine.clock, number, last, flags))
        elif kind == "switch":
            what, scope, number = rest
            self.both("on_control_command", switch(what, scope, number))
        elif kind == "limit":
            name, scope, value = rest
            self.both("on_control_command", switch(ControlKind.LIMIT, scope, 1, name, value))
        elif kind == "stray":
            number, side, size, price, strategy = rest
            made = fill(side, abs(size) or 1, price, 1, number=number, strategy=strategy)
            self.both("on_fill", made)
        elif kind == "ask":
            self.ask(*rest)
        elif self.asked:
            self.follow(kind, *rest)

    def ask(self, number: int, side: int, size: int, price: int, odd: int) -> None:
        """A request, of which few are malformed."""
        changes: dict[str, Any] = {"strategy": 1 + odd % 2}
        if odd < 3:
            changes["order_type"] = odd
        elif odd < 6:
            changes["time_in_force"] = odd - 3
        elif odd < 9:
            changes["post_only"] = True
        elif odd < 11:
            changes["account"] = 2
        elif odd < 13:
            changes["kind"] = 0
        record = request(built_id(len(self.asked) + 100), side, size, price, number, **changes)
        self.asked.append(record)
        self.both("on_order_request", record)

    def follow(self, kind: str, pick: int, *rest: Any) -> None:
        """What comes of an order: one of those that work, or of all that were asked for."""
        working = list(self.oracle.state.orders)
        ids = working if working and pick < 7 else [each.order_id for each in self.asked]
        order_id = ids[-1 - pick % len(ids)]
        record = next((each for each in self.asked if each.order_id == order_id), self.asked[-1])
        if kind == "again":
            self.both("on_order_request", record)
        elif kind == "cancel":
            made = msgspec.structs.replace(record, kind=int(RequestKind.CANCEL))
            self.both("on_order_request", made)
        elif kind == "end":
            status, refused = rest
            event = OrderEvent(order_id, 1, 1, 1, 0, int(status), 1, 1, 0, 0, 0, refused)
            self.both("on_order_event", event)
        else:
            held = self.oracle.state.orders.get(order_id)
            number = record.instrument if held is None else held.instrument
            side = record.side if held is None else (Side.BUY if held.buy else Side.SELL)
            size = (held.leaves if held is not None else 0) or 1
            price, fee, strategy = rest[-2], rest[-1], record.strategy
            if kind == "fill":
                size, price, fee, strategy = abs(rest[0]) or 1, rest[1], rest[2], rest[3]
            self.both(
                "on_fill", fill(int(side), size, price, fee, order_id, number, strategy=strategy)
            )

    def both(self, handler: str, record: Any) -> None:
        """The same record to both.

        A specification that leads to a limit which does not fit it and to amounts that are too
        large is refused for either.
        """
        errors: tuple[type[Exception], ...] = (AmountTooLarge,)
        try:
            getattr(self.oracle, handler)(record, self.theirs)
        except (TooLarge, BadLimit) as error:
            if isinstance(error, BadLimit):
                errors = (BadLimit,)
            elif handler == "on_instrument":
                errors = (AmountTooLarge, BadLimit)
            with pytest.raises(errors):
                getattr(self.stage, handler)(record, self.mine)
            raise
        getattr(self.stage, handler)(record, self.mine)

    def compare(self) -> None:
        """Emitted records, and what the reading interface says."""
        assert self.mine.take() == self.theirs.take()
        stage, state = self.stage, self.oracle.state
        assert (stage.cash, stage.fees_bound, stage.halted) == (
            state.cash, state.fees_bound, state.halted,
        )  # fmt: skip
        assert stage.working_ids() == list(state.orders)
        assert stage.recent_ids() == list(state.recent)
        assert len(stage.killed()) == len(state.killed)
        assert int(stage.state.row["negative_ages"]) == state.negative_ages
        for number, line in state.lines.items():
            expected = [getattr(line, name) for name in Exposure._fields]
            assert list(stage.exposure(number)) == expected
            assert [stage.limit(number, name) for name in CODE_OF_LIMIT] == [
                getattr(line, name) for name in CODE_OF_LIMIT
            ]


def switch(kind: Any, scope: Any, number: int, name: str = "", value: str = "") -> Any:
    return control(kind, scope, name, value, number, number, number)


LISTED = st.lists(NUMBERS, min_size=1, max_size=3, unique=True)
CASH = st.sampled_from((None, 100, 3000, 10**6, 10**10))


def run(
    listed: list[int], cash: int | None, rules: dict[str, Any], steps: list[tuple[Any, ...]]
) -> Twins:
    """All steps, compared after each. Raises TooLarge, BadLimit."""
    twins = Twins(listed, cash, rules)
    for step in [("mark", number, 100, 102, 0) for number in listed] + steps:
        twins.take(step)
        twins.compare()
    return twins


@settings(max_examples=150, deadline=None)
@given(LISTED, CASH, RULES, st.lists(CALM, min_size=20, max_size=60))
def test_the_compiled_stage_does_what_the_readable_one_does(
    listed: list[int], cash: int | None, rules: dict[str, Any], steps: list[tuple[Any, ...]]
) -> None:
    """Oracle: the readable stage, after every event. Tables begin with one row."""
    run(listed, cash, rules, steps)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.sampled_from(tuple(KINDS)), min_size=1, max_size=4, unique=True), CASH, RULES,
       st.lists(WILD, min_size=5, max_size=40))  # fmt: skip
def test_amounts_are_exact_to_38_digits_and_a_fault_beyond(
    listed: list[int], cash: int | None, rules: dict[str, Any], steps: list[tuple[Any, ...]]
) -> None:
    """Oracle: the readable stage, whose integers have no end; a fault exactly where it says so."""
    try:
        run(listed, cash, rules, steps)
    except (TooLarge, BadLimit):
        return


@pytest.mark.parametrize(
    "name",
    [
        "RISK",
        "INSTRUMENT",
        "HOLDING",
        "WORKING",
        "SWITCH",
        "BOUND",
        "NEW_ID",
        "OUTPUTS",
        "SEQUENCE",
    ],
)
def test_no_record_of_the_state_has_padding(name: str) -> None:
    """Compiled assignment copies padding and NumPy's does not: bytes of a snapshot would differ.
    Oracle: the sum of the fields' sizes.
    """
    dtype = getattr(instruments if name == "INSTRUMENT" else records, name)
    assert dtype.itemsize == sum(dtype[field].itemsize for field in dtype.names)


SCRIPT = """
import json, sys
sys.path[:0] = ["tests", "tests/risk"]
from test_risk_against_readable import emitted_of_a_day
from numba import config
assert config.DISABLE_JIT
print(json.dumps(emitted_of_a_day()))
"""


def emitted_of_a_day(seed: int = 7) -> list[str]:
    """What a random day emits, as text, with the snapshot at its end."""
    generator = random.Random(seed)
    rules = {"leverage": 20, "taker_rate": 40_000, "recent_orders": 3, "mark_age_max": "off"}
    twins = Twins([2, 1], 900, rules)
    found: list[str] = []
    for step in range(160):
        number, pick = generator.choice((1, 2, 3)), generator.randrange(10)
        price = generator.randint(95, 105)
        kinds: list[tuple[Any, ...]] = [
            ("ask", number, pick % 2 + 1, 1 + generator.randrange(40), 0, 100 + pick),
            ("ask", number, pick % 2 + 1, 1 + generator.randrange(40), price, 100 + pick),
            ("ask", number, 1, 2**62, price, generator.randrange(20)),
            ("whole", pick, price, 1),
            ("fill", pick, 3, price, 1, 1 + pick % 2),
            ("mark", number, price + pick // 9 * 60, price + 1 + pick // 9 * 60, 0),
            ("cancel", pick),
            ("end", pick, generator.choice(ENDS), False),
        ]
        twins.take(generator.choice(kinds) if step != 60 else ("list", 3))
        twins.take(("restart",) if step == 100 else ("wait", 1))
        found += map(repr, twins.mine.take())
        twins.theirs.take()
    return [*found, twins.stage.encoded_state().hex()]


def test_where_nothing_is_compiled_the_stage_gives_the_same() -> None:
    """The same text in plain Python, whose views check every place and store
    (NUMBA_DISABLE_JIT=1). Oracle: each of the two for the other.
    """
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run(  # noqa: S603
        [sys.executable, "-W", "ignore", "-c", SCRIPT],
        cwd=root,
        env={**os.environ, "NUMBA_DISABLE_JIT": "1"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert len(found) > 100
    assert any("code=21" in each or "code=22" in each for each in found), "no liquidation"
    assert found == emitted_of_a_day()
