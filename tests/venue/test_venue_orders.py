"""What an order does on arrival. Oracle: expected reports written out by hand from the rules; every
case also runs on the reference venue.
"""

from __future__ import annotations

from typing import Any

import pytest
from venue_harness import (
    BUY,
    SELL,
    cancel,
    delta,
    fills,
    instrument,
    limit,
    market,
    play,
    short,
    snapshot,
    trade,
)

from schemas.vocabulary import Liquidity, OrderReason, ReportKind, TimeInForce

IOC = TimeInForce.IOC
BOOK = snapshot(1, 10, [(100, 5), (99, 7), (97, 9)], [(101, 4), (102, 6), (105, 8)])


def reason_of(reports: list[Any]) -> tuple[str, str]:
    return ReportKind(reports[-1].kind).name, OrderReason(reports[-1].reason).name


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        (market(2, 1, BUY, 3), [(101, 3)]),
        (market(2, 1, BUY, 4), [(101, 4)]),
        (market(2, 1, BUY, 5), [(101, 4), (102, 1)]),
        (market(2, 1, BUY, 18), [(101, 4), (102, 6), (105, 8)]),
        (market(2, 1, SELL, 12), [(100, 5), (99, 7)]),
        (market(2, 1, SELL, 30), [(100, 5), (99, 7), (97, 9)]),
        (limit(2, 1, BUY, 20, 103), [(101, 4), (102, 6)]),
        (limit(2, 1, BUY, 20, 102), [(101, 4), (102, 6)]),
        (limit(2, 1, BUY, 2, 105), [(101, 2)]),
        (limit(2, 1, SELL, 20, 99), [(100, 5), (99, 7)]),
        (limit(2, 1, BUY, 20, 100), []),
        (limit(2, 1, BUY, 20, 102, IOC), [(101, 4), (102, 6)]),
        (limit(2, 1, BUY, 3, 100, IOC), []),
    ],
)
def test_should_take_the_best_prices_first_and_trade_at_the_passive_price(
    order: Any, expected: list[tuple[int, int]]
) -> None:
    reports = play([BOOK, order])
    assert fills(reports, 1) == expected
    assert all(
        report.liquidity == Liquidity.TAKER for report in reports if report.kind == ReportKind.FILL
    )


def test_should_accept_then_fill_then_cancel_what_the_known_book_cannot_give() -> None:
    assert short(play([BOOK, market(2, 1, BUY, 20)])) == [
        ("ACCEPTED", "NONE", 0, 20),
        ("FILL", 101, 4, 4, 16),
        ("FILL", 102, 6, 10, 10),
        ("FILL", 105, 8, 18, 2),
        ("CANCELLED", "NO_LIQUIDITY", 18, 0),
    ]


@pytest.mark.parametrize(
    ("order", "expected", "reason"),
    [
        (market(2, 1, BUY, 20, protection=102), [(101, 4), (102, 6)], "PROTECTION_PRICE"),
        (market(2, 1, BUY, 20, protection=104), [(101, 4), (102, 6)], "PROTECTION_PRICE"),
        (market(2, 1, BUY, 20, protection=105), [(101, 4), (102, 6), (105, 8)], "NO_LIQUIDITY"),
        (market(2, 1, BUY, 20, protection=100), [], "PROTECTION_PRICE"),
        (market(2, 1, SELL, 30, protection=98), [(100, 5), (99, 7)], "PROTECTION_PRICE"),
        (market(2, 1, SELL, 12, protection=99), [(100, 5), (99, 7)], ""),
    ],
)
def test_a_market_order_should_take_nothing_beyond_its_protection_price(
    order: Any, expected: list[tuple[int, int]], reason: str
) -> None:
    """Oracle: by hand; the reason tells a book that holds more from one that does not."""
    reports = play([BOOK, order])
    assert fills(reports, 1) == expected
    assert (
        (OrderReason(reports[-1].reason).name == reason)
        if reason
        else reports[-1].kind == ReportKind.FILL
    )


def test_should_cancel_a_market_order_against_an_empty_side() -> None:
    assert short(play([snapshot(1, 1, [], [(101, 1)]), market(2, 1, SELL, 5)])) == [
        ("ACCEPTED", "NONE", 0, 5),
        ("CANCELLED", "NO_LIQUIDITY", 0, 0),
    ]


def test_should_cancel_the_remainder_of_an_immediate_order() -> None:
    reports = play([BOOK, limit(2, 1, BUY, 9, 101, IOC)])
    assert short(reports) == [
        ("ACCEPTED", "NONE", 0, 9),
        ("FILL", 101, 4, 4, 5),
        ("CANCELLED", "IOC_REMAINDER", 4, 0),
    ]


def test_should_rest_what_is_left_of_a_crossing_limit_order_only_after_matching() -> None:
    events = [
        BOOK,
        limit(2, 1, BUY, 9, 101),
        delta(3, 11, [], [(101, 0)]),
        trade(4, 101, 100, SELL),
    ]
    reports = play(events)
    assert short(reports) == [
        ("ACCEPTED", "NONE", 0, 9),
        ("FILL", 101, 4, 4, 5),
        ("FILL", 101, 5, 9, 0),
    ]
    assert [report.liquidity for report in reports] == [
        Liquidity.UNKNOWN,
        Liquidity.TAKER,
        Liquidity.MAKER,
    ]


@pytest.mark.parametrize(
    ("side", "price", "crosses"),
    [(BUY, 101, True), (BUY, 103, True), (BUY, 100, False), (SELL, 100, True), (SELL, 101, False)],
)
def test_should_refuse_a_post_only_order_that_would_take(
    side: int, price: int, crosses: bool
) -> None:
    reports = play([BOOK, limit(2, 1, side, 2, price, post_only=True)])
    expected = (
        [("REJECTED", "POST_ONLY_WOULD_CROSS", 0, 0)] if crosses else [("ACCEPTED", "NONE", 0, 2)]
    )
    assert short(reports) == expected


def test_what_we_took_is_gone_until_the_level_changes_size() -> None:
    """Each taker order sees the displayed size less what we took; another level's change brings
    nothing back, the level's own does.
    """
    events = [
        BOOK,
        market(2, 1, BUY, 3),
        market(3, 2, BUY, 3),
        delta(4, 11, [], [(102, 9), (101, 4)]),
        market(5, 3, BUY, 1),
        delta(6, 12, [], [(101, 5)]),
        market(7, 4, BUY, 6),
    ]
    reports = play(events)
    assert [fills(reports, name) for name in (1, 2, 3, 4)] == [
        [(101, 3)],
        [(101, 1), (102, 2)],
        [(102, 1)],
        [(101, 5), (102, 1)],
    ]


def test_a_post_only_order_may_stand_where_we_took_everything() -> None:
    events = [
        BOOK,
        market(2, 1, BUY, 4),
        limit(3, 2, BUY, 1, 101, post_only=True),
        delta(4, 11, [], [(102, 1)]),
        delta(5, 12, [], [(101, 2)]),
    ]
    assert short(play(events), 2) == [("ACCEPTED", "NONE", 0, 1), ("FILL", 101, 1, 1, 0)]


def test_own_orders_neither_change_the_book_nor_match_each_other() -> None:
    events = [BOOK, limit(2, 1, SELL, 50, 101), market(3, 2, BUY, 5)]
    reports = play(events)
    assert fills(reports, 1) == []
    assert fills(reports, 2) == [(101, 4), (102, 1)]


@pytest.mark.parametrize(
    ("changed", "order"),
    [
        ({"tick_size": 5}, limit(2, 1, BUY, 10, 98)),
        ({"lot_size": 4}, limit(2, 1, BUY, 10, 95)),
        ({"lot_size": 4}, market(2, 1, BUY, 10)),
        ({"minimum_quantity": 11}, limit(2, 1, BUY, 10, 95)),
        ({"maximum_quantity": 9}, limit(2, 1, BUY, 10, 95)),
        ({"minimum_notional": 951}, limit(2, 1, BUY, 10, 95)),
        ({"minimum_notional": 1011}, market(2, 1, BUY, 10)),
        ({"minimum_notional": 1 << 70}, limit(2, 1, BUY, 10, 95)),
        ({}, limit(2, 1, BUY, 0, 95)),
        ({}, limit(2, 1, BUY, -1, 95)),
        ({}, limit(2, 1, BUY, 10, 0)),
        ({}, limit(2, 1, 0, 10, 95)),
        ({}, limit(2, 1, BUY, 10, 95, TimeInForce.UNKNOWN)),
        ({}, limit(2, 1, BUY, 10, 95, IOC, post_only=True)),
        ({}, limit(2, 1, BUY, 10, 95, number=7)),
        ({}, limit(2, 1, BUY, 10, 95, number=-1)),
        ({}, limit(2, 1, BUY, 10, 95, number=1 << 30)),
    ],
)
def test_should_refuse_an_order_against_the_venue_rules(
    changed: dict[str, Any], order: Any
) -> None:
    """Oracle: Binance's PRICE_FILTER, LOT_SIZE and MIN_NOTIONAL rules; one unit less or more is
    fine below.
    """
    assert short(play([BOOK, order], [instrument(**changed)])) == [
        ("REJECTED", "INVALID_ORDER", 0, 0)
    ]


@pytest.mark.parametrize(
    ("changed", "order"),
    [
        ({"tick_size": 5}, limit(2, 1, BUY, 10, 95)),
        ({"lot_size": 4}, limit(2, 1, BUY, 12, 95)),
        ({"minimum_quantity": 10}, limit(2, 1, BUY, 10, 95)),
        ({"maximum_quantity": 10}, limit(2, 1, BUY, 10, 95)),
        ({"minimum_notional": 950}, limit(2, 1, BUY, 10, 95)),
        ({"minimum_notional": 1010}, market(2, 1, BUY, 10)),
    ],
)
def test_should_accept_an_order_at_the_edge_of_a_rule(changed: dict[str, Any], order: Any) -> None:
    assert short(play([BOOK, order], [instrument(**changed)]))[0] == (
        "ACCEPTED",
        "NONE",
        0,
        order[1].quantity,
    )


def test_recorded_levels_off_the_order_steps_can_be_taken() -> None:
    """Tick and lot rules bind orders, not the venue's data."""
    reports = play(
        [snapshot(1, 1, [], [(101, 3), (105, 7)]), market(2, 1, BUY, 8)],
        [instrument(tick_size=5, lot_size=4)],
    )
    assert fills(reports, 1) == [(101, 3), (105, 5)]


def test_should_refuse_orders_without_a_book_and_while_it_is_out_of_sync() -> None:
    events = [
        market(1, 1, BUY, 1),
        (2, BOOK[1]),
        market(3, 2, BUY, 1),
        delta(4, 20, [(99, 1)], []),
        market(5, 3, BUY, 1),
        cancel(6, 3),
    ]
    reports = play(events)
    assert short(reports, 1) == [("REJECTED", "BOOK_NOT_SYNCED", 0, 0)]
    assert short(reports, 2) == [("ACCEPTED", "NONE", 0, 1), ("FILL", 101, 1, 1, 0)]
    assert short(reports, 3) == [
        ("REJECTED", "BOOK_NOT_SYNCED", 0, 0),
        ("CANCEL_REJECTED", "ORDER_CLOSED", 0, 0),
    ]


def test_should_cancel_a_resting_order_once() -> None:
    reports = play(
        [
            BOOK,
            limit(2, 1, BUY, 8, 100),
            trade(3, 100, 9, SELL),
            cancel(4, 1),
            cancel(5, 1),
            trade(6, 100, 99, SELL),
        ]
    )
    assert short(reports) == [
        ("ACCEPTED", "NONE", 0, 8),
        ("FILL", 100, 4, 4, 4),
        ("CANCELLED", "USER_CANCEL", 4, 0),
        ("CANCEL_REJECTED", "ORDER_CLOSED", 0, 0),
    ]


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        ([cancel(2, 1)], ("CANCEL_REJECTED", "UNKNOWN_ORDER")),
        ([market(2, 1, BUY, 1), cancel(3, 1)], ("CANCEL_REJECTED", "ORDER_CLOSED")),
        ([limit(2, 1, BUY, 1, 0), cancel(3, 1)], ("CANCEL_REJECTED", "ORDER_CLOSED")),
        (
            [limit(2, 1, BUY, 1, 100), cancel(3, 1, number=2)],
            ("CANCEL_REJECTED", "WRONG_INSTRUMENT"),
        ),
        ([limit(2, 1, BUY, 1, 100), limit(3, 1, BUY, 1, 100)], ("REJECTED", "DUPLICATE_ORDER")),
        ([market(2, 1, BUY, 1), market(3, 1, BUY, 1)], ("REJECTED", "DUPLICATE_ORDER")),
    ],
)
def test_should_answer_commands_that_cannot_be_carried_out(
    events: list[Any], expected: tuple[str, str]
) -> None:
    assert reason_of(play([BOOK, *events], [instrument(1), instrument(2)])) == expected


def test_should_forget_closed_orders_beyond_the_memory() -> None:
    events = [
        BOOK,
        *(limit(2, name, BUY, 1, 0) for name in range(1, 5)),
        cancel(3, 2),
        cancel(3, 1),
    ]
    reports = play(events, closed_max=3)
    assert [OrderReason(report.reason).name for report in reports[-2:]] == [
        "ORDER_CLOSED",
        "UNKNOWN_ORDER",
    ]


def test_trade_ids_count_up_over_the_venue_and_are_zero_elsewhere() -> None:
    both = [instrument(1), instrument(2)]
    books = [BOOK, snapshot(1, 10, [(100, 5)], [(101, 4)], number=2)]
    reports = play(
        [*books, market(2, 1, BUY, 6), market(3, 2, SELL, 1, number=2), market(4, 3, BUY, 1)], both
    )
    assert [report.venue_trade_id for report in reports] == [0, 1, 2, 0, 3, 0, 4]
