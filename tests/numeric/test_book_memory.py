"""The invariants book_state.py promises, checked on the arrays themselves. Oracle: the picture and
sentences of that module.
"""

from __future__ import annotations

import numpy as np
import pytest
from book_harness import (
    DELTA,
    FIRST,
    LAST,
    REGIMES,
    SNAPSHOT,
    FastBook,
    generate,
    instrument,
    printed_levels,
    run_reference,
    top_of,
)
from hypothesis import given
from hypothesis import strategies as st

from schemas.vocabulary import Side
from streams.numeric import book, tape
from streams.numeric import window as window_module
from streams.numeric.book_copy import take_over, twin


def check(books: book.Books, window: int) -> None:
    """Every promise about slot 0, side by side."""
    for side in (0, 1):
        record = books.books[0][("bids", "asks")[side]]
        sign, tick, count = int(record["sign"]), int(record["tick"]), int(record["tail_count"])
        assert (int(record["row"]), sign) == ((0, 1), (1, -1))[side]
        places = np.flatnonzero(books.quantity[side])
        bits = np.flatnonzero(np.unpackbits(books.occupied[side].view(np.uint8), bitorder="little"))
        assert places.tolist() == bits.tolist(), "a bit per non-zero quantity"
        tail = books.tail[side, :count]
        prices = tail["price"].tolist()
        on_tick = [price for price in prices if price % tick == 0]
        off_tick = [price for price in prices if price % tick]
        assert len(set(prices)) == count
        assert (tail["quantity"] > 0).all()
        assert sorted(books.tail_index[side][books.tail_index[side] > 0].tolist()) == list(
            range(1, count + 1)
        ), "each tail level is hashed once"
        assert (books.printed[side] <= books.quantity[side]).all(), (
            "what is not displayed did not print"
        )
        assert (tail["printed"] <= tail["quantity"]).all()
        assert (
            record["printed_levels"]
            == (books.printed[side] > 0).sum() + (tail["printed"] > 0).sum()
        )
        assert record["off_tick_count"] == len(off_tick)
        assert record["off_tick_best"] == max(off_tick, key=lambda price: sign * price, default=0)
        if len(places) == 0:
            assert record["top"] == -1
            assert not on_tick, "an empty window means no on-tick level"
            continue
        assert record["top"] == places[-1]
        assert record["top"] >= window // 4, "re-centred before the touch nears the lower edge"
        lowest = sign * int(record["first_key"] + places[0]) * tick
        assert all(sign * price < sign * lowest for price in on_tick), (
            "the tail is worse than the window"
        )


@pytest.mark.parametrize("regime", REGIMES, ids=lambda regime: regime.name)
@pytest.mark.parametrize("window", [64, 512])
def test_the_promises_hold_after_every_record(regime, window):
    rows, levels = generate(regime, 700, seed=5)
    run_reference(rows, levels)
    books = book.new_books([instrument(1, regime.tick)], window=window, tail_capacity=1 << 12)
    prints = np.random.default_rng(6)
    seen = 0
    for row in rows:
        book.apply(books, 0, row, levels)
        check(books, window)
        touch = top_of(books)[0] or top_of(books)[2]
        tape.take(
            books,
            0,
            touch + int(prints.integers(-60, 60)) * regime.tick,
            int(prints.integers(1, 5)),
            int(prints.integers(0, 3)),
        )
        check(books, window)
        seen += sum(printed_levels(books))
    assert seen > 100


@pytest.mark.parametrize("regime", REGIMES, ids=lambda regime: regime.name)
def test_books_that_take_over_others_are_those_others_and_go_on_as_they_do(regime):
    """Oracle: the books taken over, by canonical bytes, and the promises above."""
    rows, levels = generate(regime, 900, seed=8)
    run_reference(rows, levels)
    first, second = (
        book.new_books([instrument(1, regime.tick)], window=64, tail_capacity=1 << 12)
        for _ in range(2)
    )
    prints = np.random.default_rng(9)
    for number, row in enumerate(rows):
        book.apply(first, 0, row, levels)
        touch = top_of(first)[0] or top_of(first)[2]
        tape.take(
            first,
            0,
            touch + int(prints.integers(-60, 60)) * regime.tick,
            int(prints.integers(1, 5)),
            int(prints.integers(0, 3)),
        )
        if number % 150 == 100:
            take_over(second, first)
            check(second, 64)
            assert book.snapshot(second) == book.snapshot(first)
            assert second.books.tobytes() == first.books.tobytes()
            copied = twin(first)
            check(copied, 64)
            assert book.snapshot(copied) == book.snapshot(first)
            assert copied.books.tobytes() == first.books.tobytes()
            assert copied.slots.tobytes() == first.slots.tobytes()
            first, second = (copied if number % 300 == 100 else second), first


@given(st.integers(1, 2**62 - 1), st.integers(1, 2**62 - 1), st.integers(-1, 1))
def test_a_price_is_divided_by_its_tick_exactly(price, tick, step):
    """Oracle: Python's integers, also at the multiples of the tick."""
    books = book.new_books([instrument(1, tick)], window=64, tail_capacity=1)
    record = books.books[0]["bids"]
    for each in {price, min(max(1, price // tick * tick + step), 2**62 - 1)}:
        assert (
            window_module.units(each, int(record["tick"]), int(record["reciprocal"]))
            == each // tick
        )


def test_levels_near_the_touch_need_no_tail():
    """A first ask is anchored where it is: 40 levels within the window fit with a tail of one."""
    one = FastBook(64, tail_capacity=1)
    one.apply(
        SNAPSHOT,
        FIRST | LAST,
        1,
        1,
        -1,
        1,
        [(1000 - step, 1) for step in range(40)],
        [(1001 + step, 1) for step in range(40)],
    )
    assert one.books.fault[0] == 0
    assert [int(one.books.books[0][side]["tail_count"]) for side in ("bids", "asks")] == [0, 0]
    assert len(one.levels(Side.SELL)) == 40


def test_a_touch_that_walks_all_the_way_down_keeps_its_neighbours_in_the_window():
    one = FastBook(64)
    one.apply(
        SNAPSHOT, FIRST | LAST, 1, 1, -1, 1, [(price, 1) for price in range(1, 2001)], [(5000, 1)]
    )
    for number, price in enumerate(range(2000, 100, -1), start=2):
        one.apply(DELTA, 0, number, number, -1, number, [(price, 0)], [])
        check(one.books, 64)
    assert one.top == (100, 1, 5000, 1)


def test_memory_of_an_instrument_is_as_stated():
    """2^16 places of 8 bytes for each side, and a bit for each place."""
    books = book.new_books([instrument()])
    assert books.quantity.nbytes == 2 * 8 * (1 << 16)
    assert books.occupied.nbytes == 2 * (1 << 16) // 8
    assert all(array.flags.c_contiguous for array in books)
