"""The tables behind the venue. Oracle: a Python dict, and counts that must return to nothing."""

from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from venue_harness import (
    BUY,
    SELL,
    KernelVenue,
    cancel,
    delta,
    instrument,
    limit,
    market,
    run,
    snapshot,
)

from streams.numeric import index
from streams.numeric.identity import pack
from streams.venue import stage

KEYS = st.tuples(st.integers(0, 9), st.integers(0, 3))


@settings(max_examples=150, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from(["put", "remove"]), KEYS, st.integers(0, 2**40)), max_size=120
    )
)
def test_the_index_is_a_dict(steps: list[tuple[str, tuple[int, int], int]]) -> None:
    """Few keys in a small table: long runs, wrap-around, deletions inside a run."""
    table = index.new_index(40)
    expected: dict[tuple[int, int], int] = {}
    for step, key, value in steps:
        if step == "put":
            index.put(table, *key, value)
            expected[key] = value
        elif key in expected:
            index.remove(table, *key)
            del expected[key]
    for first in range(10):
        for second in range(4):
            assert index.find(table, first, second) == expected.get((first, second), -1)
    assert np.count_nonzero(table["value_plus_one"]) == len(expected)


def test_the_index_holds_half_full_tables_of_large_and_negative_keys() -> None:
    generator = random.Random(3)
    table = index.new_index(1000)
    expected: dict[tuple[int, int], int] = {}
    for _ in range(20_000):
        if len(expected) == 1000 or expected and generator.random() < 0.45:
            key = generator.choice(list(expected))
            index.remove(table, *key)
            del expected[key]
        else:
            key = (generator.randint(-(2**63), 2**63 - 1), generator.randint(-5, 2**50))
            expected[key] = generator.randint(0, 2**40)
            index.put(table, *key, expected[key])
    assert all(index.find(table, *key) == value for key, value in expected.items())
    assert np.count_nonzero(table["value_plus_one"]) == len(expected)


IDS = st.tuples(st.integers(0, 40), st.integers(0, 2))


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.booleans(), IDS), max_size=200), st.integers(0, 2**30))
def test_the_index_is_a_dict_of_the_ids_of_neighbouring_inputs(
    steps: list[tuple[bool, tuple[int, int]]], first: int
) -> None:
    """Keys that have their runs side by side come and go."""
    table = index.new_index(123)
    expected: dict[tuple[int, int], int] = {}
    for place, (is_new, (sequence, ordinal)) in enumerate(steps):
        high, low = pack(1, 0, first + sequence, ordinal)
        if is_new:
            index.put(table, high, low, place)
            expected[high, low] = place
        elif (high, low) in expected:
            index.remove(table, high, low)
            del expected[high, low]
    assert all(index.find(table, *key) == value for key, value in expected.items())
    assert np.count_nonzero(table["value_plus_one"]) == len(expected)


def test_orders_of_neighbouring_inputs_lie_side_by_side() -> None:
    """However long the table: sixteen inputs are one stretch of slots."""
    table = index.new_index(100_000)
    for sequence in range(4096, 4096 + index.NEIGHBOURS):
        index.put(table, *pack(7, 3, sequence, 1), sequence)
    used = np.flatnonzero(table["value_plus_one"])
    assert int(used[-1] - used[0]) == index.NEIGHBOURS - 1
    assert table["value_plus_one"][used].tolist() == [4097 + each for each in range(16)]


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 1000, 4096])
def test_the_index_has_at_least_twice_as_many_places_as_keys(size: int) -> None:
    places = len(index.new_index(size))
    assert places >= 2 * size
    assert places & (places - 1) == 0


def test_thousands_of_orders_use_as_many_slots_as_rest_at_one_time() -> None:
    """Orders come and go ten at a time through tables of twelve: no slot is lost, whatever the
    order of leaving.
    """
    generator = random.Random(5)
    venue = KernelVenue([instrument()], stage.Settings(orders_max=12, levels_max=16, closed_max=32))
    run(venue, [snapshot(1, 1, [(1000, 5)], [(1010, 5)])])
    name = 0
    for turn in range(60):
        names = list(range(name + 1, name + 11))
        name += 10
        run(venue, [limit(2 + turn, n, BUY, 1, 900 + generator.randint(0, 5)) for n in names])
        generator.shuffle(names)
        run(venue, [cancel(2 + turn, n) for n in names])
        counters = venue.state.counters[0]
        assert (
            counters["orders"],
            counters["levels"],
            venue.state.working[0],
            venue.state.fault[0],
        ) == (0, 0, 0, 0)
    assert venue.state.counters[0]["order_unused"] == 10
    assert (venue.state.markets[0]["best_bid"], venue.state.markets[0]["first_level"]) == (-1, -1)


def test_levels_we_took_from_are_released_when_they_change_size() -> None:
    venue = KernelVenue([instrument()], stage.Settings())
    run(
        venue,
        [
            snapshot(1, 1, [(99, 5), (98, 5)], [(101, 5), (102, 5)]),
            market(2, 1, BUY, 7),
            market(2, 2, SELL, 1),
        ],
    )
    assert (venue.state.markets[0]["levels"], venue.state.markets[0]["reduced_levels"]) == (3, 3)
    run(venue, [delta(3, 2, [(99, 5)], [(101, 0), (102, 6)])])
    assert (venue.state.markets[0]["levels"], venue.state.markets[0]["reduced_levels"]) == (1, 1)
    run(venue, [delta(4, 3, [(99, 4)], [])])
    assert (venue.state.markets[0]["levels"], venue.state.markets[0]["reduced_levels"]) == (0, 0)


def test_state_arrays_hold_no_padding_that_is_not_zero() -> None:
    """Snapshots are the bytes of these arrays; padding inside a row must not carry what lay in
    memory.
    """
    venue = KernelVenue(
        [instrument()],
        stage.Settings(orders_max=8, reports_max=8, commands_max=8, levels_max=8, closed_max=8),
    )
    run(
        venue,
        [
            snapshot(1, 1, [(99, 5)], [(101, 5)]),
            limit(2, 1, BUY, 3, 99),
            limit(2, 2, SELL, 3, 105),
            market(3, 3, BUY, 1),
        ],
    )
    for array in venue.state:
        assert array.flags.c_contiguous
        if array.dtype.names:
            clean = np.zeros(array.shape, array.dtype)  # zeros_like leaves padding as it finds it
            for field in array.dtype.names:
                clean[field] = array[field]
            assert clean.tobytes() == array.tobytes(), array.dtype
