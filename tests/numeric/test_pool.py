"""Rows that come and go, and ids remembered last: a dictionary and a deque are the oracles."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from collections import deque
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.numeric.borrowing import borrowing_kernel
from streams.numeric.pool import (
    CHAIN,
    ID_ROW,
    LINKS,
    POOL,
    append,
    can_remember,
    find_row,
    give_row,
    has_room,
    remember,
    take_row,
    unlink,
)
from streams.numeric.pooled_state import PooledState
from streams.numeric.stage_records import FAULT, words
from streams.numeric.stage_state import BadState
from streams.numeric.table import record_at, table_at

CAPACITY = 3
ORDER = np.dtype(words("order_id_high order_id_low quantity") + LINKS)
HEADER = np.dtype(
    [("orders", POOL), ("working", CHAIN), ("recent", POOL), ("ring", CHAIN), ("fault", FAULT)]
)
NO_ROOM = -2
ENTER, LEAVE, REMEMBER, KNOWS = range(4)


@borrowing_kernel
def act(kind: Any, address: Any, high: Any, low: Any, quantity: Any) -> Any:
    """One of the operations; a full table is NO_ROOM."""
    header = record_at(address, HEADER)
    orders, ids = table_at(header.orders.rows, ORDER), table_at(header.recent.rows, ID_ROW)
    if kind == ENTER:
        if not has_room(header.orders, orders):
            return np.int64(NO_ROOM)
        place = take_row(header.orders, orders, high, low)
        orders[place].order_id_high = high
        orders[place].order_id_low = low
        orders[place].quantity = quantity
        append(header.working, orders, place)
        return place
    if kind == LEAVE:
        place = find_row(header.orders, high, low)
        if place >= 0:
            unlink(header.working, orders, place)
            give_row(header.orders, orders, place, high, low)
        return place
    if kind == REMEMBER:
        if not can_remember(header.recent, header.ring, ids, CAPACITY):
            return np.int64(NO_ROOM)
        remember(header.recent, header.ring, ids, CAPACITY, high, low)
        return np.int64(0)
    return find_row(header.recent, high, low)


def key_of_id(row: Any) -> tuple[int, int]:
    return int(row["order_id_high"]), int(row["order_id_low"])


class State(PooledState):
    NAME = "test"
    HEADER = HEADER
    STATE_FIELDS = ()
    ROWS: ClassVar[Any] = {}
    LENGTHS: ClassVar[Any] = {"orders": 1, "recent": 1}
    POOLS: ClassVar[Any] = {"orders": ORDER, "recent": ID_ROW}
    CHAINS: ClassVar[Any] = {"working": "orders", "ring": "recent"}
    KEYS: ClassVar[Any] = {}

    def act(self, kind: int, key: tuple[int, int], quantity: int = 0) -> int:
        while True:
            found = int(act(kind, self.header.ctypes.data, *key, quantity))
            if found != NO_ROOM:
                return found
            self.grow("orders" if kind == ENTER else "recent")


class Oracle:
    def __init__(self) -> None:
        self.orders: dict[tuple[int, int], int] = {}
        self.recent: deque[tuple[int, int]] = deque(maxlen=CAPACITY)


def take_step(state: State, oracle: Oracle, step: tuple[str, tuple[int, int], int]) -> None:
    """One step to both; what each says of the key is compared."""
    what, key, quantity = step
    if what == "restart":
        state.take(state.encoded())
    elif what == "remember":
        is_known = key in oracle.recent
        assert (state.act(KNOWS, key) >= 0) == is_known
        if not is_known:
            state.act(REMEMBER, key)
            oracle.recent.append(key)
    elif what == "enter" and key not in oracle.orders:
        state.act(ENTER, key, quantity)
        oracle.orders[key] = quantity
    else:
        assert (state.act(LEAVE, key) >= 0) == (key in oracle.orders)
        oracle.orders.pop(key, None)


def listed(state: State) -> tuple[list[tuple[tuple[int, int], int]], list[tuple[int, int]]]:
    orders, ids = state.chained("working"), state.chained("ring")
    return [(key_of_id(row), int(row["quantity"])) for row in orders], [*map(key_of_id, ids)]


key = st.tuples(st.sampled_from((0, 7, (1 << 50) - 1)), st.integers(0, 4))
what = st.sampled_from(("enter", "enter", "leave", "remember", "restart"))


@settings(max_examples=120, deadline=None)
@given(st.lists(st.tuples(what, key, st.integers(-(2**63), 2**63 - 1)), max_size=60))
def test_rows_are_those_of_a_dictionary_and_ids_those_of_a_deque(steps: list[Any]) -> None:
    """After every step, in the same order; tables begin with one row. Equal contents have equal
    bytes: those of a state that never had anything else.
    """
    state, oracle = State(), Oracle()
    for step in steps:
        take_step(state, oracle, step)
        assert listed(state) == (list(oracle.orders.items()), list(oracle.recent))
    other = State({"orders": 9, "recent": 5})
    for order, quantity in oracle.orders.items():
        other.act(ENTER, order, quantity)
    for each in oracle.recent:
        other.act(REMEMBER, each)
    assert other.encoded() == state.encoded()


def test_rows_given_back_are_taken_again() -> None:
    """Oracle: 1,000 orders, two at a time, need two rows."""
    state = State({"orders": 2})
    for number in range(1000):
        state.act(ENTER, (1, number))
        if number:
            state.act(LEAVE, (1, number - 1))
    assert (len(state.tables["orders"]), int(state.row["orders"]["used"])) == (2, 2)


def test_bytes_that_are_no_whole_rows_change_nothing() -> None:
    """Oracle: the state before."""
    state = State()
    state.act(ENTER, (1, 2), 3)
    before = state.encoded()
    with pytest.raises(BadState, match="lengths"):
        state.take(before.replace(b"\xc4\x28", b"\xc4\x27", 1)[:-3] + b"\xc4\x01\x00")
    assert state.encoded() == before


def day(seed: int = 3) -> list[Any]:
    """A random day's rows, and its snapshot."""
    draw = random.Random(seed)
    state, oracle = State(), Oracle()
    for _ in range(300):
        kind = draw.choice(("enter", "enter", "leave", "remember", "restart"))
        take_step(state, oracle, (kind, (draw.randint(0, 1), draw.randint(0, 5)), 5))
    return [listed(state), state.encoded().hex()]


SCRIPT = """
import json, sys
sys.path.insert(0, "tests/numeric")
from numba import config
from test_pool import day
assert config.DISABLE_JIT
print(json.dumps(day()))
"""


def test_where_nothing_is_compiled_it_is_the_same() -> None:
    """Views check every place and store there (NUMBA_DISABLE_JIT=1). Oracle: each of the two for
    the other.
    """
    done = subprocess.run(  # noqa: S603
        [sys.executable, "-W", "ignore", "-c", SCRIPT],
        cwd=Path(__file__).resolve().parents[2],
        env={**os.environ, "NUMBA_DISABLE_JIT": "1"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == json.loads(json.dumps(day()))
