"""Quotes from the book. Oracles: a dictionary book, gaps injected at every position, and scenarios
worked out by hand.
"""

from __future__ import annotations

import random
from typing import Any

import pytest
from aggregation_records import SECOND, START, delta, quotes_of, snapshot, trade

from schemas.records import DepthUpdate, Quote
from schemas.vocabulary import DepthKind, Flag

STALE_AND_GAP = int(Flag.STALE | Flag.GAP)
LAST_OF_SNAPSHOT = int(Flag.LAST_OF_SNAPSHOT)
CROSSED, ONE_SIDED = int(Flag.CROSSED), int(Flag.ONE_SIDED)
SYNCED = snapshot(START, 10, [(100, 5), (99, 7)], [(101, 6), (102, 8)])


def short(quote: Quote) -> tuple[int, ...]:
    return (
        quote.sequence,
        quote.bid_price,
        quote.bid_quantity,
        quote.ask_price,
        quote.ask_quantity,
        quote.flags & ~LAST_OF_SNAPSHOT,
    )


def shorts(*records: Any) -> list[tuple[int, ...]]:
    return [short(quote) for quote in quotes_of(records)]


def test_a_book_that_was_never_in_sync_publishes_nothing() -> None:
    assert (
        shorts(delta(START, 1, 2, [(100, 5)], [(101, 5)]), delta(START + 1, 3, 4, [(100, 6)])) == []
    )


def test_the_snapshot_publishes_the_first_quote() -> None:
    (quote,) = quotes_of([SYNCED])
    assert quote == Quote(1, START, 10, 100, 5, 101, 6, LAST_OF_SNAPSHOT)


@pytest.mark.parametrize(
    ("bids", "asks", "expected"),
    [
        ([(100, 9)], [], (12, 100, 9, 101, 6, 0)),  # best quantity
        ([], [(101, 1)], (12, 100, 5, 101, 1, 0)),
        ([(100, 0)], [], (12, 99, 7, 101, 6, 0)),  # best removed
        ([], [(101, 0)], (12, 100, 5, 102, 8, 0)),
        ([(100, 0), (99, 0)], [], (12, 0, 0, 101, 6, ONE_SIDED)),
        ([], [(101, 0), (102, 0)], (12, 100, 5, 0, 0, ONE_SIDED)),
        ([(101, 3)], [], (12, 101, 3, 101, 6, CROSSED)),  # locked
        ([(103, 3)], [], (12, 103, 3, 101, 6, CROSSED)),
        ([(99, 0)], [(102, 1)], None),  # deeper levels only
        ([(98, 4)], [(103, 4)], None),
        ([(100, 5)], [(101, 6)], None),  # the same quantities again
        ([], [], None),
    ],
)
def test_a_quote_is_published_exactly_when_the_top_changes(
    bids: Any, asks: Any, expected: tuple[int, ...] | None
) -> None:
    quotes = shorts(SYNCED, delta(START + 5, 11, 12, bids, asks))
    assert quotes[1:] == ([expected] if expected else [])


def test_sequence_and_time_are_those_of_the_update() -> None:
    assert quotes_of([SYNCED, delta(START + 5, 11, 19, [(100, 9)])])[1] == Quote(
        1, START + 5, 19, 100, 9, 101, 6, 0
    )


def test_a_gap_publishes_one_stale_quote_with_the_last_values() -> None:
    quotes = quotes_of(
        [
            SYNCED,
            delta(START + 5, 13, 14, [(100, 9)]),
            delta(START + 6, 15, 16, [(100, 1)]),
            delta(START + 7, 30, 31, [(90, 1)]),
        ]
    )
    assert quotes[1:] == [Quote(1, START + 5, 14, 100, 5, 101, 6, STALE_AND_GAP)]


def test_a_stale_quote_keeps_what_was_wrong_with_the_last_values() -> None:
    quotes = shorts(SYNCED, delta(START + 1, 11, 11, [(103, 3)]), delta(START + 2, 20, 20))
    assert quotes[-1] == (20, 103, 3, 101, 6, STALE_AND_GAP | CROSSED)


def test_after_the_next_snapshot_a_fresh_quote_is_published_even_with_the_same_values() -> None:
    again = snapshot(START + 9, 40, [(100, 5)], [(101, 6)])
    assert shorts(SYNCED, delta(START + 5, 13, 14), again)[-1] == (40, 100, 5, 101, 6, 0)


def test_a_second_gap_is_published_again() -> None:
    again = snapshot(START + 9, 40, [(100, 5)], [(101, 6)])
    flags = [
        quote[-1]
        for quote in shorts(SYNCED, delta(START + 5, 13, 14), again, delta(START + 10, 50, 51))
    ]
    assert flags == [0, STALE_AND_GAP, 0, STALE_AND_GAP]


def test_an_old_update_publishes_nothing() -> None:
    assert (
        len(
            shorts(
                SYNCED,
                delta(START + 5, 11, 12, [(100, 9)]),
                delta(START + 6, 11, 12, [(100, 1)]),
                delta(START + 6, 5, 6, [(100, 1)]),
            )
        )
        == 2
    )


@pytest.mark.parametrize("levels", [[(100, -1)], [(-100, 1)], [(0, 1)]])
def test_a_malformed_update_publishes_nothing_and_shows_as_a_gap_at_the_next(levels: Any) -> None:
    quotes = shorts(SYNCED, delta(START + 5, 11, 12, levels), delta(START + 6, 13, 14, [(100, 9)]))
    assert quotes[1:] == [(14, 100, 5, 101, 6, STALE_AND_GAP)]


@pytest.mark.parametrize(
    "flag", [Flag.ESTIMATED_TIME, Flag.SIMULATED, Flag.OFF_TICK, Flag.LATE, Flag.OUT_OF_HOURS]
)
def test_quality_flags_of_the_update_reach_its_quote(flag: Flag) -> None:
    assert shorts(SYNCED, delta(START + 5, 11, 12, [(100, 9)], flags=flag))[1][-1] == flag


def test_a_flag_that_is_not_about_validity_makes_no_quote_by_itself() -> None:
    assert len(shorts(SYNCED, delta(START + 5, 11, 12, [(99, 9)], flags=Flag.SIMULATED))) == 1


def test_snapshot_marks_do_not_leak_into_quotes() -> None:
    assert shorts(SYNCED)[0][-1] == 0


def test_an_empty_book_in_sync_is_one_sided_with_zeros() -> None:
    assert shorts(snapshot(START, 10, [], [])) == [(10, 0, 0, 0, 0, ONE_SIDED)]


def test_a_snapshot_in_chunks_publishes_when_it_is_complete() -> None:
    def chunk(flag: int, bids: Any, asks: Any) -> DepthUpdate:
        return DepthUpdate(1, START, 0, 10, 10, -1, int(DepthKind.SNAPSHOT), flag, bids, asks)

    chunks = [
        chunk(int(Flag.FIRST_OF_SNAPSHOT), [(100, 5)], []),
        chunk(0, [], [(101, 6)]),
        chunk(int(Flag.LAST_OF_SNAPSHOT), [(99, 1)], []),
    ]
    assert shorts(*chunks) == [(10, 100, 5, 101, 6, 0)]


def test_trades_make_no_quotes() -> None:
    assert len(shorts(SYNCED, trade(START + 1), trade(START + 2))) == 1


def test_instruments_do_not_mix() -> None:
    from aggregation_records import run

    other = snapshot(START, 70, [(500, 1)], [(501, 2)], number=2)
    quotes = [
        record
        for record in run([SYNCED, other, delta(START + 1, 71, 71, [(500, 3)], number=2)], 2)
        if isinstance(record, Quote)
    ]
    assert [(quote.instrument, quote.sequence, quote.bid_price) for quote in quotes] == [
        (1, 10, 100),
        (2, 70, 500),
        (2, 71, 500),
    ]


def random_updates(seed: int, count: int) -> list[DepthUpdate]:
    dice = random.Random(seed)
    updates = [
        snapshot(
            START, 100, [(1000 - at, 5) for at in range(20)], [(1001 + at, 5) for at in range(20)]
        )
    ]
    last = 100
    for at in range(count):
        middle = 1000 + dice.randrange(-8, 9)
        bids = [
            (middle - dice.randrange(12), dice.choice([0, 0, dice.randrange(1, 50)]))
            for _ in range(dice.randrange(4))
        ]
        asks = [
            (middle + 1 + dice.randrange(12), dice.choice([0, 0, dice.randrange(1, 50)]))
            for _ in range(dice.randrange(4))
        ]
        step = dice.randrange(1, 5)
        updates.append(delta(START + at * SECOND // 10, last + 1, last + step, bids, asks))
        last += step
    return updates


def twin(updates: list[DepthUpdate], dropped: int = -1) -> list[tuple[int, ...]]:
    """A dictionary book: what quotes must be when update number ``dropped`` is lost and nothing
    resynchronises the book.
    """
    bids: dict[int, int] = {}
    asks: dict[int, int] = {}
    quotes: list[tuple[int, ...]] = []
    for at, update in enumerate(updates):
        if at == dropped:
            continue
        if at == dropped + 1 and dropped >= 0:
            if quotes:
                _, *values, flags = quotes[-1]
                quotes.append((update.final_update_id, *values, flags | STALE_AND_GAP))
            break
        for book, rows in ((bids, update.bids), (asks, update.asks)):
            for price, quantity in rows:
                book[price] = quantity
        bid = max((price for price, quantity in bids.items() if quantity), default=0)
        ask = min((price for price, quantity in asks.items() if quantity), default=0)
        flags = ONE_SIDED if not bid or not ask else CROSSED if bid >= ask else 0
        top = (bid, bids.get(bid, 0), ask, asks.get(ask, 0), flags)
        if not quotes or quotes[-1][1:] != top:
            quotes.append((update.final_update_id, *top))
    return quotes


@pytest.mark.parametrize("seed", range(8))
def test_quotes_equal_a_dictionary_book(seed: int) -> None:
    updates = random_updates(seed, 150)
    assert shorts(*updates) == twin(updates)


@pytest.mark.parametrize("dropped", range(1, 40, 3))
def test_a_gap_at_any_position_ends_in_one_stale_quote(dropped: int) -> None:
    updates = random_updates(5, 40)
    kept = updates[:dropped] + updates[dropped + 1 :]
    assert shorts(*kept) == twin(updates, dropped)


@pytest.mark.parametrize("dropped", range(1, 40, 3))
def test_after_a_gap_and_a_snapshot_quotes_equal_those_without_the_gap(dropped: int) -> None:
    """Oracle: the run that lost nothing; the snapshot holds the book as it stood where the snapshot
    is put.
    """
    updates = random_updates(6, 60)
    resumed = dropped + 5
    bids: dict[int, int] = {}
    asks: dict[int, int] = {}
    for update in updates[:resumed]:
        bids.update(dict(update.bids))
        asks.update(dict(update.asks))
    fresh = snapshot(
        updates[resumed].event_time,
        updates[resumed - 1].final_update_id,
        [level for level in bids.items() if level[1]],
        [level for level in asks.items() if level[1]],
    )
    broken = shorts(*updates[:dropped], *updates[dropped + 1 : resumed], fresh, *updates[resumed:])
    whole = [quote for quote in shorts(*updates) if quote[0] >= updates[resumed].first_update_id]
    assert [quote for quote in broken if quote[0] >= updates[resumed].first_update_id] == whole
    assert sum(1 for quote in broken if quote[-1] & Flag.STALE) == 1


def test_a_quote_made_by_a_snapshot_says_so() -> None:
    """No order moved the book there: order-flow imbalance must not count the jump."""
    quotes = quotes_of([SYNCED, delta(START + 5, 11, 12, [(100, 9)])])
    assert [quote.flags & LAST_OF_SNAPSHOT for quote in quotes] == [LAST_OF_SNAPSHOT, 0]
