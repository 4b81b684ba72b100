"""What printed of a level, until its next update. Oracle: a brute-force twin over dictionaries that
walks every level for every print.
"""

from __future__ import annotations

from book_harness import DELTA, FIRST, LAST, SNAPSHOT, FastBook, printed_levels
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.vocabulary import Side
from streams.numeric import book, tape

BUY, SELL, UNKNOWN = int(Side.BUY), int(Side.SELL), int(Side.UNKNOWN)


class PlainTape:
    """Sizes and prints by side and price."""

    def __init__(self) -> None:
        self.sizes: dict[int, dict[int, int]] = {BUY: {}, SELL: {}}
        self.printed: dict[tuple[int, int], int] = {}

    def update(self, side: int, levels: list[tuple[int, int]]) -> None:
        for price, quantity in levels:
            self.printed.pop((side, price), None)
            self.sizes[side].pop(price, None)
            if quantity:
                self.sizes[side][price] = quantity

    def take(self, price: int, quantity: int, aggressor: int) -> None:
        bids, asks = self.sizes[BUY], self.sizes[SELL]
        if asks and price >= min(asks) and aggressor != SELL:
            side, hit = SELL, [at for at in asks if at <= price]
        elif bids and price <= max(bids) and aggressor != BUY:
            side, hit = BUY, [at for at in bids if at >= price]
        else:
            return
        for at in hit:
            size = self.sizes[side][at]
            self.printed[side, at] = (
                min(size, self.printed.get((side, at), 0) + quantity) if at == price else size
            )


PRICES = st.one_of(st.integers(180, 220), st.integers(1, 400))
LEVELS = st.lists(st.tuples(PRICES, st.integers(0, 5)), max_size=8)
UPDATES = st.tuples(st.just("update"), LEVELS, LEVELS)
PRINTS = st.tuples(
    st.just("print"), st.tuples(PRICES, st.integers(1, 4)), st.sampled_from([BUY, SELL, UNKNOWN])
)


@settings(max_examples=200, deadline=None, derandomize=True)
@given(
    st.lists(st.one_of(UPDATES, PRINTS, PRINTS), max_size=40),
    st.sampled_from([1, 3, 7]),
    st.integers(0, 40),
)
def test_the_book_remembers_what_printed_of_each_level_until_its_next_update(story, tick, cut):
    """Whatever levels come and print, in and out of the window, on and off the tick, and across a
    snapshot into another window.
    """
    one, two = FastBook(64, tick), PlainTape()
    one.apply(SNAPSHOT, FIRST | LAST, 1, 1, -1, 1, [], [])
    for number, (kind, first, second) in enumerate(story, start=2):
        if number == cut:
            other = FastBook(512, tick)
            book.restore(other.books, book.snapshot(one.books))
            assert book.snapshot(other.books) == book.snapshot(one.books)
            one = other
        if kind == "update":
            one.apply(DELTA, 0, one.sequence + 1, one.sequence + 1, -1, number, first, second)
            two.update(BUY, first)
            two.update(SELL, second)
        else:
            tape.take(one.books, 0, *first, second)
            two.take(*first, second)
        found = {
            (side, price): int(tape.printed_at(one.books, 0, side, price))
            for side in (BUY, SELL)
            for price, _ in one.levels(side)
            if tape.printed_at(one.books, 0, side, price)
        }
        assert found == two.printed
        assert sum(printed_levels(one.books)) == len(found)
    one.apply(SNAPSHOT, FIRST | LAST, 900, 900, -1, 900, [(200, 3)], [])
    assert sum(printed_levels(one.books)) == 0
    assert tape.printed_at(one.books, 0, BUY, 200) == 0


def test_a_book_out_of_sync_loses_nothing_to_the_tape():
    one = FastBook(64)
    one.apply(SNAPSHOT, FIRST | LAST, 1, 1, -1, 1, [(200, 5)], [(201, 5)])
    one.apply(DELTA, 0, 5, 5, -1, 2, [(200, 4)], [])
    tape.take(one.books, 0, 201, 2, BUY)
    assert printed_levels(one.books) == [0, 0]
