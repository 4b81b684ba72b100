"""What every L2 book does, whichever way it is built: one suite for the reference and for the fast
book at several windows.

Oracle: the venue's own rules (exchanges.md 2.3, quant.md 1.2) written as small scenes with their
results.
"""

from __future__ import annotations

import pytest
from book_harness import DELTA, FIRST, FUTURES, LAST, SNAPSHOT, FastBook, instrument

from schemas.errors import CapacityExceeded, WrongUse
from schemas.vocabulary import Flag, Side
from streams.numeric import book as fast
from streams.numeric.book import (
    APPLIED,
    BECAME_STALE,
    BECAME_SYNCED,
    IGNORED,
    MALFORMED,
    TOP_CHANGED,
)
from streams.numeric.bounds import PRICE_MAX, QUANTITY_MAX
from streams.numeric.reference_book import ReferenceBook

BUY, SELL = int(Side.BUY), int(Side.SELL)
BOOKS = {
    "reference": ReferenceBook,
    "window 64": lambda: FastBook(64),
    "window 64, tick 5": lambda: FastBook(64, tick=5),
    "window 65536": lambda: FastBook(1 << 16),
}


@pytest.fixture(params=BOOKS.values(), ids=BOOKS.keys())
def book(request):
    """An empty book; the scenes use multiples of 5, so that a tick of 5 is on its grid, and 1003,
    so that it is not always.
    """
    return request.param()


def snapshot(book, bids, asks, last=100, flags=FIRST | LAST):
    return book.apply(SNAPSHOT, flags, last, last, -1, 1, bids, asks)


def delta(book, bids=(), asks=(), final=None, first=None):
    """The next spot update, unless said otherwise."""
    final = book.sequence + 1 if final is None else final
    return book.apply(
        DELTA, 0, final if first is None else first, final, -1, 2, list(bids), list(asks)
    )


@pytest.fixture
def synced(book):
    """Bids 1000 x 3, 995 x 2, 500 x 9; asks 1010 x 4, 1015 x 1, 9000 x 8; last update id 100."""
    snapshot(book, [(1000, 3), (995, 2), (500, 9)], [(1010, 4), (1015, 1), (9000, 8)])
    return book


def test_a_new_book_shows_nothing_and_waits(book):
    assert (book.synced, book.sequence, book.top) == (False, 0, (0, 0, 0, 0))
    assert delta(book, [(1000, 1)], final=5) == IGNORED
    assert book.levels(BUY) == []


def test_a_snapshot_syncs_the_book_and_shows_its_top(book):
    assert (
        snapshot(book, [(1000, 3), (995, 2)], [(1010, 4)]) == APPLIED | TOP_CHANGED | BECAME_SYNCED
    )
    assert (book.synced, book.sequence, book.top) == (True, 100, (1000, 3, 1010, 4))


def test_an_empty_snapshot_syncs_an_empty_book(book):
    assert snapshot(book, [], []) == APPLIED | BECAME_SYNCED
    assert book.top == (0, 0, 0, 0)


# Truth table of one delta on the scene above: bids, asks -> result, top after it.
DELTAS = {
    "add behind the best": ([(990, 7)], [], APPLIED, (1000, 3, 1010, 4)),
    "add a better bid": ([(1005, 7)], [], APPLIED | TOP_CHANGED, (1005, 7, 1010, 4)),
    "add a better ask": ([], [(1005, 7)], APPLIED | TOP_CHANGED, (1000, 3, 1005, 7)),
    "replace the best quantity, not add to it": ([(1000, 1)], [], APPLIED | TOP_CHANGED, (1000, 1,
    1010, 4)),
    "repeat the best quantity": ([(1000, 3)], [], APPLIED, (1000, 3, 1010, 4)),
    "delete the best bid": ([(1000, 0)], [], APPLIED | TOP_CHANGED, (995, 2, 1010, 4)),
    "delete the best ask": ([], [(1010, 0)], APPLIED | TOP_CHANGED, (1000, 3, 1015, 1)),
    "delete bids up to a far one": ([(1000, 0), (995, 0)], [], APPLIED | TOP_CHANGED, (500, 9, 1010,
    4)),
    "delete asks up to a far one": ([], [(1010, 0), (1015, 0)], APPLIED | TOP_CHANGED, (1000, 3,
    9000, 8)),
    "delete an unknown level": ([(940, 0)], [(1100, 0)], APPLIED, (1000, 3, 1010, 4)),
    "delete an unknown level better than the best": ([(1005, 0)], [(1005, 0)], APPLIED, (1000, 3,
    1010, 4)),
    "delete unknown levels far outside": ([(5, 0), (400_000, 0)], [(5, 0), (400_000, 0)], APPLIED,
    (1000, 3, 1010, 4)),
    "empty one side": ([(1000, 0), (995, 0), (500, 0)], [], APPLIED | TOP_CHANGED, (0, 0, 1010, 4)),
    "no levels at all": ([], [], APPLIED, (1000, 3, 1010, 4)),
    "set and delete within one record": ([(1005, 7), (1005, 0)], [], APPLIED, (1000, 3, 1010, 4)),
    "delete and set within one record": ([(1000, 0), (1000, 6)], [], APPLIED | TOP_CHANGED, (1000,
    6, 1010, 4)),
    "the last of several values counts": ([(1000, 1), (1000, 2)], [], APPLIED | TOP_CHANGED, (1000,
    2, 1010, 4)),
    "far jump up": ([(500_000, 1)], [], APPLIED | TOP_CHANGED, (500_000, 1, 1010, 4)),
    "far jump down": ([], [(5, 1)], APPLIED | TOP_CHANGED, (1000, 3, 5, 1)),
    "a crossed book is kept as the venue sent it": ([(1020, 2)], [], APPLIED | TOP_CHANGED, (1020,
    2, 1010, 4)),
    "a locked book is kept": ([(1010, 2)], [], APPLIED | TOP_CHANGED, (1010, 2, 1010, 4)),
    "a bid off the tick becomes the best": ([(1003, 2)], [], APPLIED | TOP_CHANGED, (1003, 2, 1010,
    4)),
    "an ask off the tick becomes the best": ([], [(1007, 2)], APPLIED | TOP_CHANGED, (1000, 3, 1007,
    2)),
    "a level off the tick behind the best": ([(997, 2)], [], APPLIED, (1000, 3, 1010, 4)),
    "the lowest price": ([(1, 2)], [(1, 2)], APPLIED | TOP_CHANGED, (1000, 3, 1, 2)),
    "the highest price and quantity": ([(PRICE_MAX, QUANTITY_MAX)], [], APPLIED | TOP_CHANGED,
    (PRICE_MAX, QUANTITY_MAX, 1010, 4)),
    "a price whose double leaves int64": ([], [(PRICE_MAX + 1, 1)], MALFORMED, (1000, 3, 1010, 4)),
    "the highest int64 as a price": ([((1 << 63) - 1, 1)], [], MALFORMED, (1000, 3, 1010, 4)),
    "a negative quantity": ([(1005, 1), (1000, -1)], [], MALFORMED, (1000, 3, 1010, 4)),
    "a negative price": ([], [(1005, 1), (-5, 1)], MALFORMED, (1000, 3, 1010, 4)),
    "price zero": ([(0, 1)], [], MALFORMED, (1000, 3, 1010, 4)),
    "the lowest int64 as a price": ([(-(1 << 63), 1)], [], MALFORMED, (1000, 3, 1010, 4)),
}  # fmt: skip


@pytest.mark.parametrize(("bids", "asks", "result", "top"), DELTAS.values(), ids=DELTAS.keys())
def test_a_delta_does_what_the_table_says(synced, bids, asks, result, top):
    assert delta(synced, bids, asks) == result
    assert synced.top == top


def test_a_refused_record_changes_nothing_and_the_next_one_shows_the_gap(synced):
    before = [synced.levels(BUY), synced.levels(SELL), synced.sequence, synced.time]
    assert delta(synced, [(990, 5), (1000, -1)]) == MALFORMED
    assert [synced.levels(BUY), synced.levels(SELL), synced.sequence, synced.time] == before
    assert delta(synced, [(990, 5)], final=102) == BECAME_STALE


def test_off_tick_levels_come_and_go_at_the_top(synced):
    delta(synced, [(1003, 2), (1004, 1), (1001, 5)])
    assert synced.top[:2] == (1004, 1)
    delta(synced, [(1004, 0)])
    assert synced.top[:2] == (1003, 2)
    delta(synced, [(1003, 6)])
    assert synced.top[:2] == (1003, 6)
    delta(synced, [(1003, 0), (1000, 0)])
    assert synced.top[:2] == (1001, 5)
    delta(synced, [(1001, 0)])
    assert synced.top[:2] == (995, 2)


def test_levels_are_listed_best_first(synced):
    delta(synced, [(700, 1), (1003, 1)], [(9005, 2), (1012, 3)])
    assert synced.levels(BUY) == [(1003, 1), (1000, 3), (995, 2), (700, 1), (500, 9)]
    assert synced.levels(SELL) == [(1010, 4), (1012, 3), (1015, 1), (9000, 8), (9005, 2)]


def test_quantity_is_known_at_every_price(synced):
    assert [
        synced.quantity_at(BUY, price) for price in (1000, 996, 995, 500, 5, 1010, 400_000, 0, -5)
    ] == [3, 0, 2, 9, 0, 0, 0, 0, 0]
    assert [synced.quantity_at(SELL, price) for price in (1010, 1011, 9000, 1000)] == [4, 0, 8, 0]


@pytest.mark.parametrize(
    ("side", "price", "following"),
    [(BUY, 0, 1000), (BUY, 1000, 995), (BUY, 998, 995), (BUY, 995, 500), (BUY, 500, 0), (BUY,
     400_000, 1000), (BUY, 1, 0),
     (SELL, 0, 1010), (SELL, 1010, 1015), (SELL, 1013, 1015), (SELL, 1015, 9000), (SELL, 9000, 0),
     (SELL, 5, 1010), (SELL, 400_000, 0)],
)  # fmt: skip
def test_the_next_worse_level_is_found_from_any_price(synced, side, price, following):
    assert synced.next_level(side, price) == following


def test_a_gap_freezes_the_book_until_a_snapshot(synced):
    assert delta(synced, [(1005, 1)], final=102) == BECAME_STALE
    assert (synced.synced, synced.top, synced.sequence) == (False, (1000, 3, 1010, 4), 100)
    assert delta(synced, [(1005, 1)], final=101) == IGNORED
    assert (
        snapshot(synced, [(900, 1)], [(905, 1)], last=110) == APPLIED | TOP_CHANGED | BECAME_SYNCED
    )
    assert synced.levels(BUY) == [(900, 1)]
    assert delta(synced, [(900, 2)], final=111) == APPLIED | TOP_CHANGED


def test_a_snapshot_in_chunks_is_shown_only_when_complete(synced):
    assert (
        snapshot(synced, [(900, 1)], [], last=200, flags=FIRST)
        == APPLIED | TOP_CHANGED | BECAME_STALE
    )
    assert (synced.synced, synced.top) == (False, (0, 0, 0, 0))
    assert snapshot(synced, [], [(910, 2)], last=200, flags=0) == APPLIED
    assert delta(synced, [(905, 1)], final=201) == IGNORED
    assert (
        snapshot(synced, [(890, 4)], [], last=200, flags=LAST)
        == APPLIED | TOP_CHANGED | BECAME_SYNCED
    )
    assert (synced.top, synced.levels(BUY)) == ((900, 1, 910, 2), [(900, 1), (890, 4)])


def test_a_chunk_of_another_snapshot_breaks_the_load_off(synced):
    snapshot(synced, [(900, 1)], [], last=200, flags=FIRST)
    assert snapshot(synced, [(800, 1)], [], last=201, flags=LAST) == 0
    assert (synced.synced, synced.levels(BUY)) == (False, [])
    assert delta(synced, [(900, 2)], final=201) == IGNORED


def test_a_chunk_without_its_beginning_is_ignored(synced):
    assert snapshot(synced, [(900, 1)], [], last=200, flags=LAST) == IGNORED
    assert synced.top == (1000, 3, 1010, 4)


def test_a_snapshot_over_a_synced_book_replaces_it_without_a_stale_moment(synced):
    assert snapshot(synced, [(900, 1)], [(905, 2)], last=300) == APPLIED | TOP_CHANGED
    assert (synced.levels(BUY), synced.levels(SELL), synced.sequence) == (
        [(900, 1)],
        [(905, 2)],
        300,
    )


def test_clearing_forgets_everything(synced):
    synced.clear()
    assert (synced.synced, synced.sequence, synced.time, synced.top) == (False, 0, 0, (0, 0, 0, 0))
    assert synced.levels(BUY) == synced.levels(SELL) == []
    assert delta(synced, [(1000, 1)], final=101) == IGNORED


def test_a_futures_book_follows_the_previous_id(book):
    book.apply(SNAPSHOT, FIRST | LAST | FUTURES, 100, 100, -1, 1, [(1000, 3)], [(1010, 4)])
    assert book.apply(DELTA, FUTURES, 90, 99, 89, 2, [(1000, 9)], []) == IGNORED
    assert book.apply(DELTA, FUTURES, 95, 105, 94, 2, [(1000, 5)], []) == APPLIED | TOP_CHANGED
    assert book.apply(DELTA, FUTURES, 110, 120, 105, 2, [(1000, 6)], []) == APPLIED | TOP_CHANGED
    assert book.apply(DELTA, FUTURES, 121, 130, 119, 2, [(1000, 7)], []) == BECAME_STALE


# Below: what only the fast book can be asked.


def test_top_flags_say_stale_one_sided_and_crossed():
    def flags(bids, asks):
        one = FastBook()
        snapshot(one, bids, asks)
        return int(fast.top_flags(one.books, 0))

    assert flags([(1000, 1)], [(1005, 1)]) == 0
    assert flags([(1005, 1)], [(1005, 1)]) == flags([(1010, 1)], [(1005, 1)]) == Flag.CROSSED
    assert flags([(1000, 1)], []) == flags([], [(5, 1)]) == Flag.ONE_SIDED
    assert int(fast.top_flags(FastBook().books, 0)) == Flag.STALE | Flag.ONE_SIDED


def test_books_of_several_instruments_do_not_touch_each_other():
    books = fast.new_books([instrument(7), instrument(4095, 5), instrument(0)], window=64)
    one = FastBook()
    one.books = books
    assert [int(fast.slot_of(books, number)) for number in (7, 4095, 0, 1, -1, 4096, 1 << 40)] == [
        0,
        1,
        2,
        -1,
        -1,
        -1,
        -1,
    ]
    snapshot(one, [(1000, 3)], [(1010, 4)])
    assert books.books["synced"].tolist() == [1, 0, 0]
    assert [len(fast.levels_of(books, slot, BUY)) for slot in range(3)] == [1, 0, 0]


@pytest.mark.parametrize("slot", [-1, 1, 4096])
def test_a_record_for_an_unknown_slot_is_refused(slot):
    from book_harness import pack

    rows, levels = pack([(SNAPSHOT, FIRST | LAST, 1, 1, -1, [(5, 1)], [])])
    assert fast.apply(FastBook().books, slot, rows[0], levels) == MALFORMED


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("first_level", -1),
        ("first_level", 1),
        ("bid_count", -1),
        ("ask_count", -1),
        ("ask_count", 9),
    ],
)
def test_a_record_whose_levels_are_not_there_is_refused(field, value):
    from book_harness import pack

    rows, levels = pack([(SNAPSHOT, FIRST | LAST, 1, 1, -1, [(5, 1)], [(6, 1)])])
    rows[0][field] = value
    assert fast.apply(FastBook().books, 0, rows[0], levels) == MALFORMED


@pytest.mark.parametrize(
    ("instruments", "options", "error"),
    [([instrument(4096)], {}, CapacityExceeded), ([instrument(-1)], {}, WrongUse), ([instrument(3),
     instrument(3)], {}, WrongUse),
     ([instrument(3, 0)], {}, WrongUse), ([instrument()], {"window": 32}, WrongUse),
     ([instrument()], {"window": 100}, WrongUse),
     ([instrument()], {"tail_capacity": 0}, WrongUse)],
)  # fmt: skip
def test_impossible_books_are_refused_by_name(instruments, options, error):
    with pytest.raises(error):
        fast.new_books(instruments, **options)
