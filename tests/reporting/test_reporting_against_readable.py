"""The compiled reporting stage against the readable one in Python integers, after every record."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from readable_reporting import ReadableReporting, facts
from stage_context import fill, instrument, perpetual, restored

from schemas.errors import AmountTooLarge
from schemas.records import PnL
from schemas.vocabulary import Flag, NullReason, Side
from streams.reporting.account import Account
from streams.reporting.stage import Reporting, Settings

MINUTE = 60_000_000_000
TINY = {"instruments": 1, "accounts": 1, "trips": 1, "samples": 0}
DECIMAL_LIMIT = 10**38
KINDS = {
    1: instrument(1),
    2: perpetual(2),
    3: perpetual(3, multiplier=1000),
    9: perpetual(9, price_precision=18, quantity_precision=18),
}
EDGES = (1, 2, 10**8, 2**62 - 1, 2**63 - 1)

side = st.sampled_from((int(Side.BUY), int(Side.SELL)))
number = st.sampled_from((1, 2, 3))
wait = st.integers(0, 3 * MINUTE)


def events(quantity: Any, price: Any, fee: Any, amount: Any, listed: Any) -> Any:
    """Fills of several accounts and strategies, P&L with and without a value, new instruments."""
    known, unknown = st.tuples(amount, amount), st.tuples(st.none(), st.none())
    flags = st.sampled_from((0, 0, int(Flag.PARTIAL)))
    account = st.sampled_from((1, 1, 2, -3))
    return st.one_of(
        st.tuples(
            st.just("fill"), wait, number, account, st.integers(0, 2), side, quantity, price, fee
        ),
        st.tuples(
            st.just("fill"), wait, st.just(2), st.just(1), st.just(1), side, quantity, price, fee
        ),
        st.tuples(
            st.just("pnl"), wait, account, amount, st.one_of(known, known, unknown), amount, flags
        ),
        st.tuples(st.just("list"), listed),
        st.just(("restart",)),
    )


CALM = events(
    st.integers(1, 5),
    st.integers(90, 110),
    st.integers(-5, 5),
    st.integers(-(10**9), 10**9),
    number,
)
WILD = events(
    st.one_of(st.integers(1, 10**10), st.sampled_from(EDGES)),
    st.one_of(st.integers(1, 10**12), st.sampled_from(EDGES)),
    st.one_of(st.integers(-50, 50), st.integers(1 - 10**38, 10**38 - 1)),
    st.one_of(st.integers(-(10**9), 10**9), st.integers(1 - 10**38, 10**38 - 1)),
    st.sampled_from(tuple(KINDS)),
)


class Twins:
    """Both stages and one clock."""

    def __init__(self, listed: list[int], warmup: int) -> None:
        found = [KINDS[each] for each in listed]
        self.stage = Reporting(found, Settings(warmup=warmup), dict(TINY))
        self.oracle = ReadableReporting(found, 0, warmup)
        self.listed, self.clock = set(listed), 7

    def take(self, step: tuple[Any, ...]) -> None:
        """One event to both."""
        kind, *rest = step
        if kind == "restart":
            restored(self.stage)
        elif kind == "list":
            self.listed.add(rest[0])
            self.oracle.on_instrument(KINDS[rest[0]])
            self.stage.on_instrument(KINDS[rest[0]], None)
        elif kind == "pnl":
            self.clock += rest[0]
            _, account, realized, (unrealized, equity), fees, flags = rest
            record = PnL(
                account, self.clock, self.oracle.precision, realized, unrealized, fees, 0, equity,
                int(NullReason.NONE), flags,
            )  # fmt: skip
            self.oracle.on_pnl(record)
            self.stage.on_pnl(record, None)
        elif rest[1] in self.listed:
            self.clock += rest[0]
            _, listed, account, strategy, taken, size, at, cost = rest
            record = fill(taken, size, at, cost, number=listed, account=account, strategy=strategy)
            record = replace(record, event_time=self.clock)
            self.oracle.on_fill(record)
            self.stage.on_fill(record, None)

    def compare(self) -> None:
        """All sums, samples and open trips."""
        stage, oracle = self.stage, self.oracle
        assert (stage.amount_precision, stage.accounts()) == (
            oracle.precision,
            tuple(oracle.accounts),
        )
        assert stage.window(5).began == oracle.began
        for account, theirs in oracle.accounts.items():
            assert said(stage.account(account)) == facts(theirs)
            rows = stage.state.used_rows("trips")
            rows = rows[(rows["account"] == account) & (rows["position"] != 0)]
            mine = {(int(row["strategy"]), int(row["instrument"])): row for row in rows}
            assert mine.keys() == theirs.trips.keys()
            for key, trip in theirs.trips.items():
                row = mine[key]
                found = [int(row[name]) for name in ("opened", "position", "entered", "fills")]
                assert found == [trip.opened, trip.position, trip.entered, trip.fills]
                amounts = [
                    (int(row[f"{name}_high"]) << 64) + int(row[f"{name}_low"]) for name in TRIP
                ]
                assert amounts == [trip.entry, trip.exit, trip.fees]


TRIP = ("entry_notional", "exit_notional", "fees")


def said(account: Account) -> dict[str, Any]:
    """An account of the stage under the oracle's names."""
    equity, totals, activity = account.equity, account.totals, account.activity
    found = {name: getattr(totals, name) for name in totals.__struct_fields__}
    found |= {name: getattr(activity, name) for name in ("fills", "volume", "exposed")}
    found |= {name: getattr(equity, name) for name in equity.__struct_fields__}
    found["precision"] = found.pop("amount_precision")
    return found | {"exposed_since": account.exposed_since}


def run(listed: list[int], warmup: int, steps: list[tuple[Any, ...]]) -> tuple[bool, int]:
    """Whether the stage took all of it, and the oracle's largest amount."""
    twins = Twins(listed, warmup)
    try:
        for step in steps:
            twins.take(step)
            twins.compare()
    except AmountTooLarge:
        return False, twins.oracle.largest
    return True, twins.oracle.largest


LISTED = st.lists(number, min_size=1, max_size=3, unique=True)
WARMUP = st.sampled_from((0, 90 * 10**9))


@settings(max_examples=120, deadline=None)
@given(LISTED, WARMUP, st.lists(CALM, min_size=15, max_size=40))
def test_the_compiled_reporting_does_what_the_readable_one_does(
    listed: list[int], warmup: int, steps: list[tuple[Any, ...]]
) -> None:
    """Oracle: the readable stage, after every event. Tables begin with one row."""
    is_taken, largest = run(listed, warmup, steps)
    assert is_taken and largest < DECIMAL_LIMIT


@settings(max_examples=120, deadline=None)
@given(LISTED, WARMUP, st.lists(WILD, min_size=3, max_size=25))
def test_sums_are_exact_to_38_digits_and_a_fault_beyond(
    listed: list[int], warmup: int, steps: list[tuple[Any, ...]]
) -> None:
    """Oracle: the readable stage, whose integers have no end."""
    is_taken, largest = run(listed, warmup, steps)
    assert is_taken == (largest < DECIMAL_LIMIT)


SCRIPT = """
import json, sys
sys.path[:0] = ["tests", "tests/reporting"]
from numba import config
from test_reporting_against_readable import state_of_a_day
assert config.DISABLE_JIT
print(json.dumps(state_of_a_day()))
"""


def state_of_a_day() -> str:
    """The snapshot after a random day, which fills every table anew from one row."""
    generator = random.Random(5)
    found = [KINDS[1], KINDS[2]]
    stage, clock = Reporting(found, Settings(warmup=MINUTE), dict(TINY)), 1
    for step in range(150):
        clock += generator.randint(0, MINUTE)
        if generator.random() < 0.3:
            equity = generator.choice((None, 10**25 + step))
            unrealized = None if equity is None else step
            flags = int(Flag.PARTIAL) if step < 20 else 0
            stage.on_pnl(
                PnL(1 + step % 3, clock, 10, step, unrealized, 7, 0, equity, 1, flags), None
            )
        else:
            size = generator.choice((1, 2, 3, 2**40))
            made = fill(1 + step % 2, size, 100 + step, step - 70, number=1 + step // 2 % 2)
            stage.on_fill(replace(made, event_time=clock, strategy=step % 3), None)
    stage.on_instrument(KINDS[3], None)
    restored(stage)
    return stage.encoded_state().hex()


def test_where_nothing_is_compiled_the_reporting_stage_gives_the_same() -> None:
    """Each of the two for the other: plain Python checks every place and every store."""
    root = Path(__file__).resolve().parents[2]
    command = [sys.executable, "-W", "ignore", "-c", SCRIPT]
    environment = {**os.environ, "NUMBA_DISABLE_JIT": "1"}
    done = subprocess.run(
        command, cwd=root, env=environment, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == state_of_a_day()
