"""The fast book against the reference on generated streams, at every record, and against itself at
other windows and cut points.

Oracle: reference_book.py (a brute-force twin); for the last tests the property that levels, not
windows, are the state.
"""

from __future__ import annotations

import numpy as np
import pytest
from book_harness import (
    REGIMES,
    FastBook,
    assert_same_levels,
    generate,
    instrument,
    run_fast,
    run_reference,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.errors import BadData, CapacityExceeded
from schemas.vocabulary import Side
from streams.numeric import book

COUNT = 60_000
"""Records a regime; with 9 regimes and about 2 levels a record, over a million levels are compared.
"""


def same(output, expected, rows):
    different = np.flatnonzero((output != expected).any(axis=1))
    assert len(different) == 0, (
        f"first at record {different[0]}: {rows[different[0]]}: {output[different[0]]} is not "
        f"{expected[different[0]]}"
    )


@pytest.mark.parametrize("regime", REGIMES, ids=lambda regime: regime.name)
def test_the_fast_book_agrees_with_the_reference_after_every_record(regime):
    rows, levels = generate(regime, COUNT)
    expected, reference = run_reference(rows, levels)
    output, books = run_fast(rows, levels, 64, regime.tick)
    same(output, expected, rows)
    assert_same_levels(books, reference)


@pytest.mark.parametrize("regime", REGIMES, ids=lambda regime: regime.name)
def test_every_window_gives_the_same_outputs_and_the_same_state(regime):
    rows, levels = generate(regime, 8_000, seed=2)
    expected, reference = run_reference(rows, levels)
    stored = set()
    for bits in range(6, 17):
        output, books = run_fast(rows, levels, 1 << bits, regime.tick)
        same(output, expected, rows)
        stored.add(book.snapshot(books))
    assert_same_levels(books, reference)
    assert len(stored) == 1


def test_the_generated_streams_reach_what_they_are_for():
    """The suite above would be empty talk on streams that never move a window: every result bit
    occurs, and both sides re-centre often.
    """
    results = set()
    for regime in REGIMES:
        rows, levels = generate(regime, 8_000, seed=2)
        output, _ = run_reference(rows, levels)
        results |= {1 << bit for bit in range(6) if (output[:, 0] >> bit & 1).any()}
        touch = output[output[:, 1] >= 2]
        if regime.jump > 1000:
            assert (np.abs(np.diff(touch[:, 4])) > 64 * regime.tick).sum() > 20
    assert results == {1, 2, 4, 8, 16, 32}


@pytest.mark.parametrize("regime", REGIMES, ids=lambda regime: regime.name)
@pytest.mark.parametrize("windows", [(64, 64), (64, 1 << 16), (1 << 16, 64)])
def test_a_snapshot_and_the_records_after_it_equal_the_state_from_the_start(regime, windows):
    rows, levels = generate(regime, 3_000, seed=3)
    expected, _ = run_reference(rows, levels)
    _, whole = run_fast(rows, levels, windows[0], regime.tick)
    for cut in np.random.default_rng(4).integers(0, len(rows) + 1, 6).tolist():
        _, before = run_fast(rows[:cut], levels, windows[0], regime.tick)
        stored = book.snapshot(before)
        after = book.new_books([instrument(1, regime.tick)], window=windows[1])
        book.restore(after, stored)
        assert book.snapshot(after) == stored
        output = np.array([book.apply(after, 0, row, levels) for row in rows[cut:]], np.int64)
        np.testing.assert_array_equal(output, expected[cut:, 0])
        assert book.snapshot(after) == book.snapshot(whole)


def test_restoring_over_a_used_book_leaves_nothing_of_it():
    rows, levels = generate(REGIMES[3], 2_000)
    run_reference(rows, levels)
    _, used = run_fast(rows, levels, 64)
    _, other = run_fast(rows[:100], levels, 64)
    book.restore(used, book.snapshot(other))
    assert book.snapshot(used) == book.snapshot(other)


@pytest.mark.parametrize("damage", [lambda b: b[:-8], lambda b: b[:-3], lambda b: b"",
    lambda b: b + bytes(8), lambda b: b"\1" + b[1:],
                                    lambda b: b[:16] + b"\7" + b[17:],
                                    lambda b: b[:24] + b"\xff" * 8 + b[32:]])  # fmt: skip
def test_damaged_or_foreign_bytes_are_refused(damage):
    rows, levels = generate(REGIMES[0], 200)
    run_reference(rows, levels)
    _, books = run_fast(rows, levels, 64)
    with pytest.raises(BadData):
        book.restore(books, damage(book.snapshot(books)))


# What the tail must survive.

LEVELS = st.lists(st.tuples(st.integers(1, 400), st.integers(0, 5)), max_size=12)


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.lists(st.tuples(LEVELS, LEVELS), max_size=30), st.sampled_from([1, 3, 7]))
def test_any_short_story_ends_in_the_same_book(records, tick):
    """Property: whatever levels come, in whatever order, both books end alike; shrinks to a story a
    person can read.
    """
    from book_harness import DELTA, FIRST, LAST, SNAPSHOT

    from streams.numeric.reference_book import ReferenceBook

    one, two = FastBook(64, tick), ReferenceBook()
    for number, (bids, asks) in enumerate([([], []), *records], start=1):
        kind, flags = (SNAPSHOT, FIRST | LAST) if number == 1 else (DELTA, 0)
        assert one.apply(kind, flags, number, number, -1, number, bids, asks) == two.apply(
            kind, flags, number, number, -1, number, bids, asks
        )
        assert one.top == two.top
    assert one.levels(Side.BUY) == two.levels(Side.BUY)
    assert one.levels(Side.SELL) == two.levels(Side.SELL)


@pytest.mark.parametrize("capacity", [1, 2, 7, 100])
def test_a_tail_filled_to_its_capacity_works_and_one_level_more_is_a_fault(capacity):
    from book_harness import DELTA, FIRST, LAST, SNAPSHOT

    one = FastBook(64, tail_capacity=capacity)
    far = [(100 + index, 1) for index in range(capacity)]
    one.apply(SNAPSHOT, FIRST | LAST, 1, 1, -1, 1, [(100_000, 5), *far], [(100_001, 5)])
    assert one.books.fault.tolist() == [0, 0, 0, 0]
    assert one.levels(Side.BUY) == [(100_000, 5), *reversed(far)]
    assert one.apply(DELTA, 0, 2, 2, -1, 2, [(50, 1)], []) & book.BECAME_STALE
    assert one.books.fault.tolist() == [1, 1, capacity + 1, capacity]
    assert not one.synced


def test_a_window_move_into_a_full_tail_is_a_fault_too():
    from book_harness import DELTA, FIRST, LAST, SNAPSHOT

    one = FastBook(64, tail_capacity=4)
    one.apply(SNAPSHOT, FIRST | LAST, 1, 1, -1, 1, [(1000 + index, 1) for index in range(10)], [])
    assert one.synced
    one.apply(DELTA, 0, 2, 2, -1, 2, [(900_000, 1)], [])
    assert one.books.fault[0] == 1
    assert not one.synced


def test_restoring_into_too_small_a_tail_names_the_setting():
    from book_harness import FIRST, LAST, SNAPSHOT

    large, small = FastBook(64), FastBook(64, tail_capacity=3)
    large.apply(
        SNAPSHOT, FIRST | LAST, 1, 1, -1, 1, [(1000 * index, 1) for index in range(1, 10)], []
    )
    with pytest.raises(CapacityExceeded) as caught:
        book.restore(small.books, book.snapshot(large.books))
    assert (caught.value.setting, caught.value.limit) == ("book.tail_capacity", 3)
