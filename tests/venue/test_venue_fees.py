"""Fees are exact. Oracle: Python's fractions, whose ``round`` is half to even, and vectors worked
by hand.
"""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from venue_harness import BUY, SELL, limit, market, play, snapshot, trade

from schemas.vocabulary import Liquidity
from streams.venue.fees import fee


def whole(price: int, quantity: int, rate: int) -> int:
    high, low = fee(price, quantity, rate)
    return (int(high) << 64) + int(low)


@pytest.mark.parametrize(
    ("price", "quantity", "rate", "expected"),
    [
        (6_000_000, 1_000, 10_000, 600_000),  # 60000.00 x 0.001000 at 1 bp
        (1, 1, 50_000_000, 0),  # 0.5 -> 0
        (3, 1, 50_000_000, 2),  # 1.5 -> 2
        (5, 1, 50_000_000, 2),  # 2.5 -> 2
        (1, 1, -50_000_000, 0),  # -0.5 -> 0
        (3, 1, -50_000_000, -2),  # -1.5 -> -2
        (5, 1, -50_000_000, -2),  # -2.5 -> -2
        (1, 1, 50_000_001, 1),
        (1, 1, 49_999_999, 0),
        # 100000000.5: the split of the price must not lose the parity
        (200_000_001, 1, 50_000_000, 100_000_000),
        (200_000_003, 1, 50_000_000, 100_000_002),
        (7, 9, 0, 0),
        (2**63 - 1, 2**63 - 1, 100_000_000, (2**63 - 1) ** 2),
        (2**63 - 1, 2**63 - 1, -100_000_000, -((2**63 - 1) ** 2)),
    ],
)
def test_fee_vectors(price: int, quantity: int, rate: int, expected: int) -> None:
    assert whole(price, quantity, rate) == expected


@settings(max_examples=400, deadline=None)
@given(st.integers(1, 2**63 - 1), st.integers(1, 2**63 - 1), st.integers(-(10**8), 10**8))
@example(2 * 10**8 + 1, 1, 5 * 10**7)
def test_the_fee_equals_the_exact_fraction_rounded_half_to_even(
    price: int, quantity: int, rate: int
) -> None:
    assert whole(price, quantity, rate) == round(Fraction(price * quantity * rate, 10**8))


@settings(max_examples=200, deadline=None)
@given(st.integers(1, 2**40), st.integers(1, 2**20), st.integers(0, 10**6))
def test_a_rebate_is_the_negative_of_the_fee(price: int, quantity: int, rate: int) -> None:
    assert whole(price, quantity, -rate) == -whole(price, quantity, rate)


def test_taker_and_maker_pay_their_own_rates_and_only_fills_have_a_fee() -> None:
    events = [
        snapshot(1, 1, [(100_000, 5)], [(101_000, 4)]),
        limit(2, 1, SELL, 2, 100_500),
        market(3, 2, BUY, 3),
        trade(4, 100_500, 2, BUY),
    ]
    reports = play(events, maker_rate=-2_500, taker_rate=40_000)
    by_liquidity = {report.liquidity: report.fee for report in reports}
    assert by_liquidity[Liquidity.TAKER] == round(Fraction(101_000 * 3 * 40_000, 10**8))
    assert by_liquidity[Liquidity.MAKER] == round(Fraction(100_500 * 2 * -2_500, 10**8)) == -5
    assert by_liquidity[Liquidity.UNKNOWN] == 0


def test_a_fee_beyond_64_bits_arrives_whole() -> None:
    size = 10**15
    book = snapshot(1, 1, [], [(10**14, size)])
    reports = play(
        [book, market(2, 1, BUY, size - size % 7)],
        maker_rate=0,
        taker_rate=99_999_999,
        orders_max=4,
    )
    # beyond the instrument's maximum quantity: refused
    assert any(report.quantity for report in reports) is False
    fills = [
        report
        for report in play([book, market(2, 1, BUY, 10**12)], taker_rate=99_999_999)
        if report.quantity
    ]
    assert fills[0].fee == round(Fraction(10**26 * 99_999_999, 10**8)) > 2**64
