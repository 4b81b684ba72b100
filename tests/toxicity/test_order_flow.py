"""Order-flow imbalance (MIC-8). Oracles: the vector ofi_toy of reference/quant_vectors.json,
additivity, the sign flip under a side swap.
"""

from __future__ import annotations

import random
from typing import Any

import pytest

from schemas.vocabulary import Flag, Side
from tests.toxicity.toxicity_records import features_of, quote, toxicity_of, trade

# reference/quant_vectors.json, ofi_toy: (bid, bid quantity, ask, ask quantity) and e_n of each
# change
TOY = [
    (100, 10, 101, 8), (100, 15, 101, 8), (100, 15, 101, 5), (100, 15, 102, 20), (101, 4, 102, 20),
    (101, 4, 102, 12), (100, 15, 102, 12), (99, 30, 100, 7), (99, 30, 100, 7),
]  # fmt: skip
EVENTS = [5, 3, 5, 4, 8, -4, -22, 0]


def flow(tops: list[Any]) -> int:
    (features,) = features_of([quote(at, *top) for at, top in enumerate(tops)])
    assert features.order_flow_events == len(tops) - 1
    return features.order_flow_imbalance


@pytest.mark.parametrize("at", range(len(EVENTS)))
def test_published_vector_event_by_event(at: int) -> None:
    assert flow(TOY[at : at + 2]) == EVENTS[at]


def test_published_vector_as_a_sum() -> None:
    assert flow(TOY) == sum(EVENTS)


def formula(before: tuple[int, ...], now: tuple[int, ...]) -> int:
    """e_n as printed in the paper."""
    (b0, qb0, a0, qa0), (b1, qb1, a1, qa1) = before, now
    return (b1 >= b0) * qb1 - (b1 <= b0) * qb0 - (a1 <= a0) * qa1 + (a1 >= a0) * qa0


def random_tops(seed: int, count: int = 60) -> list[tuple[int, int, int, int]]:
    dice = random.Random(seed)
    tops = []
    for _ in range(count):
        bid = 1000 + dice.randrange(-3, 4)
        tops.append((bid, dice.randrange(1, 20), bid + dice.randrange(1, 4), dice.randrange(1, 20)))
    return tops


@pytest.mark.parametrize("seed", range(6))
def test_random_quotes_equal_the_formula(seed: int) -> None:
    tops = random_tops(seed)
    assert flow(tops) == sum(
        formula(before, now) for before, now in zip(tops, tops[1:], strict=False)
    )


@pytest.mark.parametrize("seed", range(6))
def test_swapping_the_sides_flips_the_sign(seed: int) -> None:
    tops = random_tops(seed)
    swapped = [
        (5000 - ask, ask_quantity, 5000 - bid, bid_quantity)
        for bid, bid_quantity, ask, ask_quantity in tops
    ]
    assert flow(swapped) == -flow(tops)


@pytest.mark.parametrize("cut", [1, 20, 58])
def test_flow_is_additive(cut: int) -> None:
    tops = random_tops(3)
    assert flow(tops[: cut + 1]) + flow(tops[cut:]) == flow(tops)


def test_constant_prices_give_the_change_of_quantities() -> None:
    """Property in reference/quant.md 2.4: with constant best prices OFI = change of bid quantity -
    change of ask quantity.
    """
    dice = random.Random(1)
    tops = [(100, dice.randrange(1, 50), 101, dice.randrange(1, 50)) for _ in range(40)]
    assert flow(tops) == (tops[-1][1] - tops[0][1]) - (tops[-1][3] - tops[0][3])


def test_an_emptied_ask_side_counts_as_an_ask_above_every_price() -> None:
    assert flow([(100, 10, 101, 8), (100, 10, 0, 0), (100, 10, 105, 3)]) == 8 - 3


def test_an_emptied_bid_side_counts_as_a_bid_below_every_price() -> None:
    assert flow([(100, 10, 101, 8), (0, 0, 101, 8), (95, 4, 101, 8)]) == -10 + 4


def test_no_event_spans_a_stale_stretch() -> None:
    quotes = [
        quote(0, 100, 10, 101, 8),
        quote(1, 100, 10, 101, 8, flags=Flag.STALE | Flag.GAP),
        quote(2, 90, 50, 95, 1),
        quote(3, 90, 55, 95, 1),
    ]
    (features,) = features_of(quotes)
    assert (features.order_flow_imbalance, features.order_flow_events) == (5, 1)
    assert features.flags & Flag.STALE


def test_the_bucket_takes_the_flow_since_the_bucket_before() -> None:
    records = [
        quote(0, *TOY[0]),
        quote(1, *TOY[1]),
        trade(2, 101, 10, Side.BUY),
        quote(3, *TOY[2]),
        quote(4, *TOY[3]),
        trade(5, 101, 25, Side.BUY),
    ]
    assert [
        bucket.order_flow_imbalance for bucket in toxicity_of(records, bucket_volume="0.010")
    ] == [5, 3 + 5, 0]
