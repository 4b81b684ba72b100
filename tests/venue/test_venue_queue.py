"""Queue positions and what fills resting orders. Oracle: worked cases (their source named) and the
reference venue, run beside each.
"""

from __future__ import annotations

from typing import Any

import pytest
from venue_harness import (
    BUY,
    SELL,
    KernelVenue,
    cancel,
    delta,
    fills,
    instrument,
    limit,
    market,
    play,
    run,
    short,
    snapshot,
    trade,
)

from schemas.vocabulary import Liquidity, ReportKind
from streams.numeric.queue_position import after_cancellation
from streams.venue import stage


def book(bid_ahead: int = 100) -> Any:
    return snapshot(1, 10, [(100, bid_ahead), (99, 50), (98, 50)], [(102, 60), (103, 60)])


def test_the_base_case_of_a_queue() -> None:
    """Bid 100 ahead, join with 50; sells of 80, 30, 50 give 10 then 40 (the case many engines get
    wrong).
    """
    events = [
        book(),
        limit(2, 1, BUY, 50, 100),
        trade(3, 100, 80, SELL),
        trade(4, 100, 30, SELL),
        trade(5, 100, 50, SELL),
    ]
    assert short(play(events)) == [
        ("ACCEPTED", "NONE", 0, 50),
        ("FILL", 100, 10, 10, 40),
        ("FILL", 100, 40, 50, 0),
    ]


def test_a_second_own_order_waits_behind_the_first_and_the_tape_bounds_both() -> None:
    events = [
        book(),
        limit(2, 1, BUY, 50, 100),
        limit(2, 2, BUY, 30, 100),
        *(trade(3 + i, 100, v, SELL) for i, v in enumerate((80, 30, 50, 5, 100))),
    ]
    reports = play(events)
    assert fills(reports, 1) == [(100, 10), (100, 40)]
    assert fills(reports, 2) == [(100, 10), (100, 5), (100, 15)]


@pytest.mark.parametrize(
    ("volume", "expected"), [(149, [(100, 49)]), (150, [(100, 50)]), (151, [(100, 50)])]
)
def test_a_print_that_exactly_completes_an_order_and_one_less_and_one_more(
    volume: int, expected: list[tuple[int, int]]
) -> None:
    assert (
        fills(play([book(), limit(2, 1, BUY, 50, 100), trade(3, 100, volume, SELL)]), 1) == expected
    )


def test_each_print_brings_its_own_volume_once() -> None:
    """Bid 1 ahead, order 3, two equal sells of 2: fills 1 and 2."""
    events = [book(1), limit(2, 1, BUY, 3, 100), trade(3, 100, 2, SELL), trade(3, 100, 2, SELL)]
    assert fills(play(events), 1) == [(100, 1), (100, 2)]


LARGEST = 2**63 - 1


@pytest.mark.parametrize(
    "prints",
    [[2**62, 2**62 - 2], [2**62, 2**62 - 1], [2**62, 2**62], [LARGEST, LARGEST], [2**62] * 5],
)
@pytest.mark.parametrize("size", [LARGEST, LARGEST - 1, 2**62, 7, 0])
def test_prints_at_a_level_beyond_int64_move_queues_as_in_python_integers(
    prints: list[int], size: int
) -> None:
    """Oracle: the reference venue, whose integers have no end. The level displays the largest size,
    orders join between prints.
    """
    events = [book(LARGEST), limit(2, 1, BUY, 5, 100)]
    for at, volume in enumerate(prints):
        events += [trade(3 + at, 100, volume, SELL), limit(3 + at, 2 + at, BUY, 7, 100)]
    events += [
        delta(20, 11, [(100, size)], []),
        trade(21, 100, 2**61, SELL),
        delta(22, 12, [(100, LARGEST)], []),
        trade(23, 100, 6, SELL),
    ]
    assert len(play(events)) >= len(prints) + 1


@pytest.mark.parametrize(
    ("side", "price", "aggressor", "filled"),
    [
        (BUY, 100, SELL, True),
        (BUY, 100, BUY, False),
        (SELL, 102, BUY, True),
        (SELL, 102, SELL, False),
        (BUY, 100, 0, False),
    ],
)
def test_only_the_opposite_aggressor_hits_a_resting_order(
    side: int, price: int, aggressor: int, filled: bool
) -> None:
    assert (
        bool(
            fills(
                play([book(), limit(2, 1, side, 5, price), trade(3, price, 10_000, aggressor)]), 1
            )
        )
        is filled
    )


def test_a_print_at_a_better_price_than_ours_does_not_reach_us() -> None:
    assert fills(play([book(), limit(2, 1, BUY, 5, 99), trade(3, 100, 10_000, SELL)]), 1) == []


def test_a_print_through_our_prices_fills_the_best_price_first_and_never_more_than_it_printed() -> (
    None
):
    orders = [
        limit(2, 1, BUY, 4, 99),
        limit(2, 2, BUY, 5, 100),
        limit(2, 3, BUY, 6, 99),
        limit(2, 4, BUY, 7, 98),
    ]
    reports = play([book(), *orders, trade(3, 98, 12, SELL)])
    assert [fills(reports, name) for name in (2, 1, 3, 4)] == [[(100, 5)], [(99, 4)], [(99, 3)], []]


def test_after_a_print_through_our_price_nobody_is_ahead_of_us() -> None:
    events = [book(), limit(2, 1, BUY, 5, 100), trade(3, 99, 2, SELL), trade(4, 100, 2, SELL)]
    assert fills(play(events), 1) == [(100, 2), (100, 2)]


def test_what_is_left_of_a_print_through_better_prices_takes_from_the_queue_at_its_own_price() -> (
    None
):
    events = [
        book(),
        limit(2, 1, BUY, 5, 100),
        limit(2, 2, BUY, 5, 99),
        trade(3, 99, 50, SELL),
        trade(4, 99, 6, SELL),
    ]
    reports = play(events)
    assert fills(reports, 1) == [(100, 5)]
    assert fills(reports, 2) == [(99, 1)]  # 50 ahead, 45 left after our better order, then 5 more


@pytest.mark.parametrize(
    ("steps", "ahead"),
    [
        ([], 100),
        ([("size", 120)], 100),  # others joined behind us
        ([("size", 60)], 60),  # 40 cancelled; at most 60 can still be ahead
        ([("size", 120), ("size", 90)], 90),
        ([("print", 30)], 70),
        ([("print", 30), ("size", 70)], 70),  # the update says what the print already said
        ([("print", 30), ("size", 60)], 60),  # 10 more were cancelled
        ([("print", 30), ("size", 90)], 70),  # 20 joined behind us
        ([("print", 30), ("size", 90), ("size", 75)], 70),
        ([("print", 30), ("size", 90), ("size", 65)], 65),
        ([("size", 40), ("print", 40), ("size", 0), ("size", 500)], 0),
        ([("size", 0), ("size", 500)], 0),  # the level emptied and filled again behind us
        ([("print", 100)], 0),
    ],
)
def test_the_risk_averse_queue(steps: list[tuple[str, int]], ahead: int) -> None:
    """Net decrease = previous - new - traded; only a positive one is cancellation, and then queue =
    min(queue, new) (design section 11).

    The quantity ahead is read off by one large print at the end: what it leaves for an order too
    large to fill.
    """
    events = [book(), limit(2, 1, BUY, 100_000, 100)]
    for place, (kind, amount) in enumerate(steps):
        events.append(
            trade(3 + place, 100, amount, SELL)
            if kind == "print"
            else delta(3 + place, 11 + place, [(100, amount)], [], first=11)
        )
    taken = sum(quantity for _, quantity in fills(play(events), 1))
    probe = play([*events, trade(50, 100, 1_000, SELL)])
    assert sum(quantity for _, quantity in fills(probe, 1)) - taken == 1_000 - ahead


@pytest.mark.parametrize(
    ("queue_ahead", "previous", "new", "traded", "expected"),
    [
        (100, 100, 60, 0, 60),
        (100, 100, 60, 40, 100),
        (70, 100, 60, 30, 60),
        (10, 100, 60, 0, 10),
        (100, 100, 130, 0, 100),
        (5, 9, 0, 0, 0),
        (5, 9, 0, 9, 5),
    ],
)
def test_cancellation_arithmetic(
    queue_ahead: int, previous: int, new: int, traded: int, expected: int
) -> None:
    assert after_cancellation(queue_ahead, previous, new, traded) == expected


def test_what_printed_before_we_joined_does_not_hide_a_cancellation() -> None:
    """We join at the displayed 100 after 30 of it printed; the update to 70 is news to our queue:
    at most 70 can be ahead.
    """
    joins = [book(), limit(2, 1, BUY, 5, 100), trade(3, 100, 30, SELL), limit(4, 2, BUY, 9, 100)]
    events = [*joins, delta(5, 11, [(100, 70)], []), trade(6, 100, 76, SELL)]
    assert fills(play(events), 2) == [(100, 1)]


@pytest.mark.parametrize(("ask", "filled"), [(101, False), (100, True), (99, True), (97, True)])
def test_a_book_that_moves_to_or_through_our_price_fills_the_remainder_at_our_limit(
    ask: int, filled: bool
) -> None:
    """An ask displayed at our bid would have traded with us. hftbacktest 2.4 fills on the same
    condition.
    """
    events = [
        book(),
        limit(2, 1, BUY, 5_000, 100),
        delta(3, 11, [(100, 0), (99, 0), (98, 0)], [(ask, 1)]),
    ]
    reports = play(events)
    assert fills(reports, 1) == ([(100, 5_000)] if filled else [])
    assert all(
        report.liquidity == Liquidity.MAKER for report in reports if report.kind == ReportKind.FILL
    )


def test_a_book_that_sweeps_many_levels_fills_each_order_at_its_own_price_best_first() -> None:
    orders = [
        limit(2, 1, SELL, 4, 104),
        limit(2, 2, SELL, 5, 102),
        limit(2, 3, SELL, 6, 103),
        limit(2, 4, SELL, 7, 102),
        limit(2, 5, SELL, 8, 106),
    ]
    reports = play([book(), *orders, delta(3, 11, [(105, 1)], [(102, 0), (103, 0)])])
    assert [
        (report.price, report.quantity) for report in reports if report.kind == ReportKind.FILL
    ] == [(102, 5), (102, 7), (103, 6), (104, 4)]


def test_a_partly_filled_order_gets_only_its_remainder_when_the_book_moves_through() -> None:
    events = [
        book(),
        limit(2, 1, BUY, 50, 100),
        trade(3, 100, 110, SELL),
        delta(4, 11, [(100, 0)], [(99, 1), (98, 3)]),
    ]
    assert fills(play(events), 1) == [(100, 10), (100, 40)]


def test_resting_orders_wait_out_a_stale_book_and_meet_the_new_one() -> None:
    """After a gap what the lost updates say fills nobody; the snapshot shows a smaller level, and
    the queue is at most that.
    """
    gap = [book(), limit(2, 1, BUY, 5, 100), delta(3, 20, [(100, 0)], [(90, 1)])]
    assert fills(
        play([*gap, snapshot(4, 30, [(100, 10)], [(102, 1)]), trade(5, 100, 12, SELL)]), 1
    ) == [(100, 2)]


def test_trades_fill_resting_orders_while_the_book_is_stale() -> None:
    assert fills(
        play([book(), limit(2, 1, BUY, 5, 100), delta(3, 20, [], []), trade(4, 100, 103, SELL)]), 1
    ) == [(100, 3)]


def test_price_time_priority_among_own_orders() -> None:
    prices = [99, 100, 98, 100, 99]
    orders = [limit(2, name, BUY, 1, price) for name, price in enumerate(prices, 1)]
    clear = delta(3, 11, [(100, 0), (99, 0), (98, 0)], [])
    reports = play([book(), *orders, clear, *(trade(4 + i, 98, 1, SELL) for i in range(6))])
    assert [int(report.order_id, 32) for report in reports if report.kind == ReportKind.FILL] == [
        2,
        4,
        1,
        5,
        3,
    ]


def test_a_cancelled_order_leaves_the_queue_of_the_others_as_it_was() -> None:
    events = [
        book(),
        limit(2, 1, BUY, 5, 100),
        limit(2, 2, BUY, 5, 100),
        limit(2, 3, BUY, 5, 100),
        cancel(3, 2),
        trade(4, 100, 107, SELL),
    ]
    reports = play(events)
    assert [fills(reports, name) for name in (1, 2, 3)] == [[(100, 5)], [], [(100, 2)]]


def test_three_partial_fills_add_up_and_each_is_reported_once() -> None:
    events = [
        book(0),
        limit(2, 1, BUY, 9, 100),
        *(trade(3 + i, 100, 2, SELL) for i in range(3)),
        delta(9, 11, [(99, 0), (98, 0)], [(100, 5)]),
    ]
    reports = play(events)
    assert [(r.quantity, r.cumulative_quantity, r.leaves_quantity) for r in reports[1:]] == [
        (2, 2, 7),
        (2, 4, 5),
        (2, 6, 3),
        (3, 9, 0),
    ]
    assert len({report.venue_trade_id for report in reports[1:]}) == 4


def test_the_queue_we_join_is_the_displayed_one_even_where_we_took_from_it() -> None:
    events = [book(), market(2, 1, BUY, 60), limit(3, 2, SELL, 5, 102), trade(4, 102, 63, BUY)]
    assert fills(play(events), 2) == [(102, 3)]


def test_instruments_do_not_touch_each_other() -> None:
    both = [instrument(1), instrument(2)]
    books = [book(), snapshot(1, 10, [(100, 100)], [(102, 60)], number=2)]
    reports = play(
        [
            *books,
            limit(2, 1, BUY, 5, 100),
            limit(2, 2, BUY, 5, 100, number=2),
            trade(3, 100, 500, SELL, number=2),
        ],
        both,
    )
    assert (fills(reports, 1), fills(reports, 2)) == ([], [(100, 5)])


def test_a_deep_walk_and_many_resting_levels_agree_with_the_reference() -> None:
    """Enough watched levels that an update looks its own levels up instead of comparing all."""
    wide = snapshot(
        1, 10, [(1000 - i, 10) for i in range(200)], [(1001 + i, 10) for i in range(200)]
    )
    events = [
        wide,
        *(limit(2, name, BUY, 3, 1000 - name) for name in range(1, 120)),
        market(3, 500, BUY, 900),
    ]
    events += [
        delta(4 + i, 11 + i, [(1000 - 7 * i % 90, i % 9)], [(1001 + 5 * i % 80, i % 8)])
        for i in range(60)
    ]
    events += [trade(100 + i, 1000 - i, 25, SELL) for i in range(100)]
    assert len(play(events)) > 250


def test_the_venue_is_idle_when_nothing_of_ours_is_left() -> None:
    venue = KernelVenue([instrument()], stage.Settings())
    run(
        venue,
        [
            book(),
            limit(2, 1, BUY, 5, 100),
            cancel(3, 1),
            market(4, 2, SELL, 1),
            delta(5, 11, [(100, 7)], []),
        ],
    )
    assert venue.state.working[0] == 0
    assert venue.due() == 2**63 - 1
    assert venue.state.markets[0]["levels"] == 0
