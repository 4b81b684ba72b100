"""The invariants book_state.py promises, checked on the arrays themselves. Oracle: the picture and sentences of that module."""

from __future__ import annotations

import numpy as np
import pytest
from book_harness import DELTA, FIRST, LAST, REGIMES, SNAPSHOT, FastBook, generate, instrument, run_reference

from schemas.vocabulary import Side
from streams.numeric import book, tape


def check(books: book.Books, window: int) -> None:
    """Every promise about slot 0, side by side."""
    tick = int(books.tick[0])
    for side, sign in ((0, 1), (1, -1)):
        places = np.flatnonzero(books.quantity[side])
        bits = np.flatnonzero(np.unpackbits(books.occupied[side].view(np.uint8), bitorder="little"))
        assert places.tolist() == bits.tolist(), "a bit per non-zero quantity"
        count = int(books.tail_count[side])
        prices = books.tail_price[side, :count].tolist()
        on_tick = [price for price in prices if price % tick == 0]
        off_tick = [price for price in prices if price % tick]
        assert len(set(prices)) == count
        assert (books.tail_quantity[side, :count] > 0).all()
        assert sorted(books.tail_index[side][books.tail_index[side] > 0].tolist()) == list(range(1, count + 1)), "each tail level is hashed once"
        assert (books.printed[side] <= books.quantity[side]).all(), "what is not displayed did not print"
        assert (books.tail_printed[side, :count] <= books.tail_quantity[side, :count]).all()
        assert books.printed_levels[side] == (books.printed[side] > 0).sum() + (books.tail_printed[side, :count] > 0).sum()
        assert books.off_tick_count[side] == len(off_tick)
        assert books.off_tick_best[side] == max(off_tick, key=lambda price: sign * price, default=0)
        if len(places) == 0:
            assert books.top[side] == -1
            assert not on_tick, "an empty window means no on-tick level"
            continue
        assert books.top[side] == places[-1]
        assert books.top[side] >= window // 4, "re-centred before the touch nears the lower edge"
        lowest = sign * int(books.base[side] + places[0]) * tick
        assert all(sign * price < sign * lowest for price in on_tick), "the tail is worse than the window"


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
        touch = int(books.bid_price[0] or books.ask_price[0])
        tape.take(books, 0, touch + int(prints.integers(-60, 60)) * regime.tick, int(prints.integers(1, 5)), int(prints.integers(0, 3)))
        check(books, window)
        seen += int(books.printed_levels.sum())
    assert seen > 100


def test_levels_near_the_touch_need_no_tail():
    """A first ask is anchored where it is: 40 levels within the window fit with a tail of one."""
    one = FastBook(64, tail_capacity=1)
    one.apply(SNAPSHOT, FIRST | LAST, 1, 1, -1, 1, [(1000 - step, 1) for step in range(40)], [(1001 + step, 1) for step in range(40)])
    assert one.books.fault[0] == 0
    assert one.books.tail_count.tolist() == [0, 0]
    assert len(one.levels(Side.SELL)) == 40


def test_a_touch_that_walks_all_the_way_down_keeps_its_neighbours_in_the_window():
    one = FastBook(64)
    one.apply(SNAPSHOT, FIRST | LAST, 1, 1, -1, 1, [(price, 1) for price in range(1, 2001)], [(5000, 1)])
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
