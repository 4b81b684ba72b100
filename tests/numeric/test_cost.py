"""Average cost: the published vectors, a readable table of opens, reduces and flips, and twins in
exact fractions.
"""

from __future__ import annotations

import doctest
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stage_context import StageContext, fill, toy

from schemas.records import Position
from schemas.vocabulary import Side
from streams.numeric import cost as cost_module
from streams.numeric.cost import add, reduce
from streams.numeric.fixed import divide_half_even
from streams.portfolio.stage import Portfolio, Settings

BUY, SELL = int(Side.BUY), int(Side.SELL)


def book(fills: list[tuple[int, int, int]]) -> list[Position]:
    """All Position records of (side, quantity, price) fills on the toy instrument."""
    stage = Portfolio([toy()], Settings())
    context = StageContext()
    for side, quantity, price in fills:
        stage.on_fill(fill(side, quantity, price), context)
    entries: list[Position] = context.take(Position)
    return entries


def test_should_run_the_examples_of_the_cost_page() -> None:
    """Oracle: the reference vector of quant.md 7, written as examples."""
    assert doctest.testmod(cost_module).failed == 0
    assert doctest.testmod(cost_module).attempted >= 10


# Given these fills, then the position, its cost and the realized P&L after each ledger entry.
# Oracle: worked by hand.
SCENARIOS = [
    ("a buy opens a long", [(BUY, 10, 100)], [(10, 1000, 0)]),
    ("a sell opens a short with a negative cost", [(SELL, 10, 100)], [(-10, -1000, 0)]),
    (
        "a second buy adds its own cost",
        [(BUY, 10, 100), (BUY, 10, 110)],
        [(10, 1000, 0), (20, 2100, 0)],
    ),
    (
        "a reduce realizes and keeps the average",
        [(BUY, 10, 100), (SELL, 4, 130)],
        [(10, 1000, 0), (6, 600, 120)],
    ),
    (
        "a reduce is never an add",
        [(SELL, 10, 100), (BUY, 4, 130)],
        [(-10, -1000, 0), (-6, -600, -120)],
    ),
    (
        "a full close leaves nothing behind",
        [(BUY, 3, 7), (BUY, 1, 8), (SELL, 4, 10)],
        [(3, 21, 0), (4, 29, 0), (0, 0, 11)],
    ),
    (
        "a flip from long is two entries",
        [(BUY, 5, 80), (SELL, 10, 90)],
        [(5, 400, 0), (0, 0, 50), (-5, -450, 50)],
    ),
    (
        "a flip from short is two entries",
        [(SELL, 5, 90), (BUY, 8, 80)],
        [(-5, -450, 0), (0, 0, 50), (3, 240, 50)],
    ),
    (
        "the reference vector: +225, then -75, then a flip and +50",
        [(BUY, 10, 100), (BUY, 10, 110), (SELL, 15, 120), (SELL, 10, 90), (BUY, 5, 80)],
        [(10, 1000, 0), (20, 2100, 0), (5, 525, 225), (0, 0, 150), (-5, -450, 150), (0, 0, 200)],
    ),
    (
        "a cost that does not divide keeps its residue",
        [(BUY, 1, 3), (BUY, 2, 4), (SELL, 1, 5)],
        [(1, 3, 0), (3, 11, 0), (2, 7, 1)],
    ),
]


@pytest.mark.parametrize(
    ("name", "fills", "entries"), SCENARIOS, ids=[each[0].replace(" ", "_") for each in SCENARIOS]
)
def test_should_book(
    name: str, fills: list[tuple[int, int, int]], entries: list[tuple[int, int, int]]
) -> None:
    """Oracle: the table above."""
    assert [(each.quantity, each.cost, each.realized) for each in book(fills)] == entries


@given(st.integers(-(10**40), 10**40), st.integers(1, 10**20))
def test_should_round_half_even_as_fractions_do(numerator: int, denominator: int) -> None:
    """Oracle: Python's round of a Fraction, which is half-even."""
    assert divide_half_even(numerator, denominator) == round(Fraction(numerator, denominator))


TIES = [(5, 2, 2), (7, 2, 4), (-5, 2, -2), (-7, 2, -4), (1, 3, 0), (2, 3, 1), (-2, 3, -1)]


@pytest.mark.parametrize(("numerator", "denominator", "quotient"), TIES)
def test_should_round_ties_to_even_on_both_sides_of_zero(
    numerator: int, denominator: int, quotient: int
) -> None:
    """Oracle: by hand; a change of the rounding mode turns one of these red."""
    assert divide_half_even(numerator, denominator) == quotient


FILLS = st.lists(
    st.tuples(st.sampled_from([BUY, SELL]), st.integers(1, 50), st.integers(1, 1000)),
    min_size=1,
    max_size=40,
)


@settings(max_examples=200, deadline=None)
@given(FILLS)
def test_should_mirror_longs_and_shorts_digit_for_digit(fills: list[tuple[int, int, int]]) -> None:
    """Property: with every side flipped, quantity, cost and realized change sign."""
    ours = book(fills)
    mirrored = book(
        [(SELL if side == BUY else BUY, quantity, price) for side, quantity, price in fills]
    )
    assert [(each.quantity, each.cost, each.realized) for each in ours] == [
        (-each.quantity, -each.cost, -each.realized) for each in mirrored
    ]


@settings(max_examples=200, deadline=None)
@given(FILLS)
def test_should_never_leak_basis(fills: list[tuple[int, int, int]]) -> None:
    """Property: realized - cost equals the cash flow of the fills, exactly, after every fill; and a
    flat position costs nothing.
    """
    flow = 0
    stage = Portfolio([toy()], Settings())
    context = StageContext()
    for side, quantity, price in fills:
        flow += quantity * price if side == SELL else -quantity * price
        stage.on_fill(fill(side, quantity, price), context)
        last = context.take(Position)[-1]
        assert last.realized - last.cost == flow
        assert (last.quantity > 0) == (last.cost > 0) and (last.quantity < 0) == (last.cost < 0)


@settings(max_examples=200, deadline=None)
@given(FILLS)
def test_should_stay_within_one_rounding_a_close_of_the_exact_average(
    fills: list[tuple[int, int, int]],
) -> None:
    """Oracle: a brute-force twin in fractions that never rounds: they differ by at most half a unit
    for each partial close.
    """
    held, cost, exact_held, exact_cost, closes = 0, 0, 0, Fraction(0), 0
    for side, quantity, price in fills:
        signed = quantity if side == BUY else -quantity
        while signed:
            if held == 0 or (held > 0) == (signed > 0):
                held, cost, _ = add(held, cost, signed, abs(signed) * price)
                exact_held, exact_cost = exact_held + signed, exact_cost + signed * price
                signed = 0
            else:
                part = min(abs(signed), abs(held)) * (1 if signed > 0 else -1)
                exact_cost -= exact_cost * abs(part) / abs(exact_held)
                exact_held += part
                held, cost, _ = reduce(held, cost, part, abs(part) * price)
                signed -= part
                closes += 1
        assert held == exact_held
        assert abs(cost - exact_cost) <= Fraction(closes, 2)
