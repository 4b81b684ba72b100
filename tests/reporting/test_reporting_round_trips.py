"""Round trips against hand vectors and against cash flow on random fills."""

from __future__ import annotations

import random

import pytest

from schemas.records import Fill
from streams.reporting.round_trips import OpenTrip, RoundTrip, book

BUY, SELL = 1, 2


def fill(time: int, side: int, price: int, quantity: int, fee: int = 0) -> Fill:
    return Fill("0" * 20, 1, 1, 1, time, side, price, quantity, 2, fee, time)


def run(fills: list[Fill], multiplier: int = 1) -> tuple[OpenTrip | None, list[RoundTrip]]:
    trip, closed = None, []
    for each in fills:
        trip, done = book(trip, each, multiplier)
        if done is not None:
            closed.append(done)
    return trip, closed


def test_a_long_that_wins_after_fees():
    """Oracle: by hand. 10 x (105 - 100) - 3 - 4 = 43."""
    trip, closed = run([fill(1, BUY, 100, 10, 3), fill(5, SELL, 105, 10, 4)])
    assert trip is None
    assert (
        closed[0].long,
        closed[0].gross,
        closed[0].net,
        closed[0].opened,
        closed[0].closed,
        closed[0].fills,
    ) == (True, 50, 43, 1, 5, 2)


def test_a_short_that_loses():
    """Oracle: by hand. Sold at 100, bought back at 103."""
    _, closed = run([fill(1, SELL, 100, 10), fill(2, BUY, 103, 10, 1)])
    assert (closed[0].long, closed[0].gross, closed[0].net) == (False, -30, -31)


def test_adding_and_reducing_stay_in_one_round_trip():
    """Oracle: by hand. Bought 10 at 100 and 10 at 110, sold 5 at 120 and 15 at 108."""
    trip, closed = run(
        [
            fill(1, BUY, 100, 10),
            fill(2, BUY, 110, 10),
            fill(3, SELL, 120, 5),
            fill(4, SELL, 108, 15),
        ]
    )
    assert trip is None
    assert len(closed) == 1
    assert (closed[0].gross, closed[0].quantity, closed[0].fills) == (
        5 * 120 + 15 * 108 - 2100,
        20,
        4,
    )


def test_a_flip_closes_one_and_opens_the_next_and_splits_the_fee_half_even():
    """Oracle: by hand. Fee 5 on 10 sold, of which 3 close: 1.5 rounds to the even 2, the other 3 go
    to the new trip.
    """
    trip, closed = run([fill(1, BUY, 100, 3), fill(2, SELL, 101, 10, 5)])
    assert (closed[0].gross, closed[0].fees) == (3, 2)
    assert trip is not None
    assert (trip.position, trip.entered, trip.entry_notional, trip.fees, trip.opened) == (
        -7,
        7,
        707,
        3,
        2,
    )


@pytest.mark.parametrize("multiplier", [1, 10])
@pytest.mark.parametrize("seed", range(20))
def test_profits_of_round_trips_and_the_open_one_add_up_to_the_cash_flow(seed, multiplier):
    """Oracle: plain cash flow over all fills; nothing is lost at flips, and fees are conserved."""
    generator = random.Random(seed)
    fills = [
        fill(
            at,
            generator.choice((BUY, SELL)),
            generator.randint(90, 110),
            generator.randint(1, 9),
            generator.randint(-3, 9),
        )
        for at in range(1, 400)
    ]
    trip, closed = run(fills, multiplier)
    flow = sum(
        (each.price if each.side == SELL else -each.price) * each.quantity * multiplier
        for each in fills
    )
    left = 0
    if trip is not None:
        left = int(trip.exit_notional) - int(trip.entry_notional)
        left = left if trip.position > 0 else -left
    assert sum(each.gross for each in closed) + left == flow
    assert sum(each.fees for each in closed) + (int(trip.fees) if trip else 0) == sum(
        each.fee for each in fills
    )
    held = sum(each.quantity if each.side == BUY else -each.quantity for each in fills)
    assert (trip.position if trip else 0) == held


def test_amounts_beyond_64_bits_are_exact():
    """Oracle: Python integers."""
    _, closed = run([fill(1, BUY, 10**15, 10**12), fill(2, SELL, 10**15 + 1, 10**12)])
    assert closed[0].gross == 10**12
    assert closed[0].entry_notional == 10**27
