"""Feature records: what happened in the interval, and the book at its end. Oracles: MIC-2's
formulas in Fractions, scenarios by hand.
"""

from __future__ import annotations

import random
from fractions import Fraction
from typing import Any

import pytest

from schemas.records import MarketFeatures, Toxicity
from schemas.vocabulary import Flag, Side, SignMethod
from tests.toxicity.toxicity_records import SECOND, START, features_of, quote, run, snapshot, trade

PARTIAL, STALE = int(Flag.PARTIAL), int(Flag.STALE)
BIDS = [
    (100, 5),
    (99, 7),
    (98, 1),
    (97, 9),
    (96, 2),
    (95, 3),
    (94, 4),
    (93, 8),
    (92, 6),
    (91, 10),
    (90, 1000),
]
ASKS = [
    (102, 6),
    (103, 2),
    (104, 8),
    (105, 1),
    (106, 3),
    (107, 5),
    (108, 9),
    (109, 4),
    (110, 7),
    (111, 2),
    (112, 2000),
]


def measured(bids: list[tuple[int, int]], asks: list[tuple[int, int]]) -> MarketFeatures:
    (features,) = features_of([snapshot(0, bids, asks), trade(1, 100), trade(SECOND, 100)])[:1]
    return features


def exact(
    bids: list[tuple[int, int]],
    asks: list[tuple[int, int]],
    levels: int,
    weights: tuple[int, ...] = (1,) * 10,
) -> Fraction:
    bid = sum(
        weight * quantity
        for weight, (_, quantity) in zip(weights, sorted(bids, reverse=True)[:levels], strict=False)
    )
    ask = sum(
        weight * quantity
        for weight, (_, quantity) in zip(weights, sorted(asks)[:levels], strict=False)
    )
    return Fraction(bid - ask, bid + ask)


def check(
    features: MarketFeatures, bids: list[tuple[int, int]], asks: list[tuple[int, int]]
) -> None:
    for levels in (1, 3, 5, 10):
        assert getattr(features, f"imbalance_{levels}") == float(exact(bids, asks, levels))
    assert features.pressure == float(exact(bids, asks, 4, (4, 3, 2, 1)))


def test_imbalances_and_pressure_equal_their_formulas() -> None:
    check(measured(BIDS, ASKS), BIDS, ASKS)


@pytest.mark.parametrize("seed", range(8))
def test_random_books_equal_the_formulas(seed: int) -> None:
    dice = random.Random(seed)
    bids = [
        (100 - dice.randrange(80), dice.randrange(1, 10**9)) for _ in range(dice.randrange(1, 30))
    ]
    asks = [
        (101 + dice.randrange(80), dice.randrange(1, 10**9)) for _ in range(dice.randrange(1, 30))
    ]
    bids, asks = list(dict(bids).items()), list(dict(asks).items())
    check(measured(bids, asks), bids, asks)


LARGEST = 2**63 - 1
HUGE_BOOKS = {
    "ten levels at the bound": ([LARGEST] * 10, [LARGEST] * 10),
    "the case of PEPEUSDT": ([1_200_000_000_000_000_000] * 10, [800_000_000_000_000_000] * 10),
    "sums on both sides of int64": ([LARGEST - 1, 1, 1], [2**62, 2**62 - 1, 1, 3]),
    "one side huge": ([LARGEST] * 10, [1] * 10),
}


@pytest.mark.parametrize("book", HUGE_BOOKS)
def test_sums_of_a_huge_book_do_not_wrap(book: str) -> None:
    """Oracle: Fractions of Python integers; where a sum leaves int64 the last bits of the quotient
    may differ.
    """
    bids = [(100 - at, quantity) for at, quantity in enumerate(HUGE_BOOKS[book][0])]
    asks = [(101 + at, quantity) for at, quantity in enumerate(HUGE_BOOKS[book][1])]
    features = measured(bids, asks)
    for levels in (1, 3, 5, 10):
        assert getattr(features, f"imbalance_{levels}") == pytest.approx(
            float(exact(bids, asks, levels)), rel=1e-15, abs=0
        )
    assert features.pressure == pytest.approx(
        float(exact(bids, asks, 4, (4, 3, 2, 1))), rel=1e-15, abs=0
    )
    middle = float(Fraction(100 * asks[0][1] + 101 * bids[0][1], asks[0][1] + bids[0][1]))
    assert features.weighted_mid == pytest.approx(middle, rel=1e-15)


@pytest.mark.parametrize(
    "quantities", [[LARGEST], [LARGEST, 1], [2**62] * 4, [2**62] * 6, [LARGEST] * 9]
)
def test_flow_of_an_interval_is_exact_beyond_int64(quantities: list[int]) -> None:
    """Volumes and order-flow imbalance, buying and selling. Oracle: Python integers. A bid that
    rises adds its quantity, one that falls takes it.
    """
    trades = [
        trade(at, 100, each, Side.BUY if at % 2 else Side.SELL)
        for at, each in enumerate(quantities, 1)
    ]
    for sign in (1, -1):
        quotes = [
            quote(at, 100 + sign * at, each, 200, 5) for at, each in enumerate([1, *quantities, 1])
        ]
        published = run([*quotes, *trades, trade(SECOND, 100, 1)], bucket_volume="90000000000000")
        features = next(record for record in published if isinstance(record, MarketFeatures))
        bucket = next(record for record in published if isinstance(record, Toxicity))
        assert bucket.order_flow_imbalance_wide == features.order_flow_imbalance_wide
        assert bucket.order_flow_imbalance == features.order_flow_imbalance
        flow = sum(quantities) + 1 if sign == 1 else -sum(quantities) - 1
        bought, sold = sum(quantities[::2]), sum(quantities[1::2])
        assert (
            features.buy_volume_wide,
            features.sell_volume_wide,
            features.order_flow_imbalance_wide,
        ) == (bought, sold, flow)
        assert (features.buy_volume, features.sell_volume) == (
            min(bought, LARGEST),
            min(sold, LARGEST),
        )
        fits = -LARGEST - 1 <= flow <= LARGEST
        assert features.order_flow_imbalance == (flow if fits else sign * LARGEST)
        assert bool(features.flags & int(Flag.OVERFLOW)) == (
            max(bought, sold) > LARGEST or not fits
        )
        assert bool(bucket.flags & int(Flag.OVERFLOW)) == (not fits)


def test_counts_of_an_interval_stop_at_their_field() -> None:
    features = features_of([*(trade(1, 100, 1, count=2**31 - 1) for _ in range(3)), trade(SECOND)])[
        0
    ]
    assert (features.trade_count, features.flags & int(Flag.OVERFLOW)) == (
        2**31 - 1,
        int(Flag.OVERFLOW),
    )


@pytest.mark.parametrize("seed", range(4))
def test_swapping_the_sides_changes_the_sign_of_every_imbalance(seed: int) -> None:
    dice = random.Random(seed)
    bids = [(100 - at, dice.randrange(1, 100)) for at in range(12)]
    asks = [(101 + at, dice.randrange(1, 100)) for at in range(12)]
    one = measured(bids, asks)
    other = measured(
        [(201 - price, quantity) for price, quantity in asks],
        [(201 - price, quantity) for price, quantity in bids],
    )
    for name in ("imbalance_1", "imbalance_3", "imbalance_5", "imbalance_10", "pressure"):
        assert getattr(one, name) == -getattr(other, name)
        assert -1 <= getattr(one, name) <= 1


def test_weighted_mid_and_spread() -> None:
    """(bid * ask quantity + ask * bid quantity) / (sum): 100 and 5, 102 and 6 give 100 + 2 * 5/11.
    """
    features = measured(BIDS, ASKS)
    assert features.spread == 2
    assert features.weighted_mid == pytest.approx(float(Fraction(100 * 6 + 102 * 5, 11)), rel=1e-15)


@pytest.mark.parametrize(("bids", "asks"), [([], ASKS), (BIDS, []), ([], [])])
def test_a_one_sided_book_gives_nulls(bids: Any, asks: Any) -> None:
    features = measured(bids, asks)
    names = (
        "imbalance_1",
        "imbalance_3",
        "imbalance_5",
        "imbalance_10",
        "pressure",
        "weighted_mid",
    )
    assert [getattr(features, name) for name in names] == [None] * 6
    assert features.spread == 0


def test_a_book_that_is_not_in_sync_gives_nulls_and_says_stale() -> None:
    (features,) = features_of([trade(1, 100), trade(2 * SECOND, 100)])[:1]
    assert features.imbalance_1 is None and features.weighted_mid is None
    assert features.flags == STALE


def test_flow_of_the_interval() -> None:
    records = [
        snapshot(0, BIDS, ASKS, last=77),
        quote(0, 100, 5, 102, 6),
        trade(1, 102, 4, Side.BUY),
        trade(2, 100, 3, Side.SELL, count=5),
        quote(3, 100, 9, 102, 6),
        trade(4, 102, 2, Side.BUY),
        trade(SECOND, 100, 50, Side.SELL),
    ]
    features = features_of(records)[0]
    assert (features.buy_volume, features.sell_volume, features.trade_count) == (6, 3, 7)
    assert (features.order_flow_imbalance, features.order_flow_events, features.sequence) == (
        4,
        1,
        77,
    )
    assert (features.event_time, features.interval, features.method) == (
        START + SECOND,
        SECOND,
        SignMethod.EXCHANGE_FLAG,
    )


def test_each_interval_starts_from_zero_and_nothing_is_lost() -> None:
    dice = random.Random(3)
    trades, time = [], 0
    for _ in range(300):
        time += dice.randrange(SECOND // 3)
        trades.append(trade(time, 100, dice.randrange(1, 9), dice.choice([Side.BUY, Side.SELL])))
    features = features_of(trades)
    for each in features:
        until = each.event_time + 1 if each.flags & PARTIAL else each.event_time
        since = (until - 1) // SECOND * SECOND
        inside = [one for one in trades if since <= one.event_time < until]
        assert each.trade_count == len(inside)
        assert each.buy_volume == sum(
            one.quantity for one in inside if one.aggressor_side == Side.BUY
        )
    assert sum(each.buy_volume + each.sell_volume for each in features) == sum(
        one.quantity for one in trades
    )


def test_silence_publishes_nothing() -> None:
    times = [
        each.event_time - START
        for each in features_of([trade(1), trade(10 * SECOND), trade(20 * SECOND)])
    ]
    assert times == [SECOND, 11 * SECOND, 20 * SECOND]


def test_the_unfinished_interval_is_partial_at_the_end() -> None:
    features = features_of([trade(1), trade(SECOND + 5)])
    assert [each.flags & PARTIAL for each in features] == [0, PARTIAL]


@pytest.mark.parametrize("flag", [Flag.CROSSED, Flag.ONE_SIDED, Flag.STALE, Flag.SIMULATED])
def test_quality_flags_of_a_quote_reach_the_interval(flag: Flag) -> None:
    features = features_of(
        [snapshot(0, BIDS, ASKS), quote(1, 100, 5, 102, 6, flags=flag), trade(SECOND)]
    )
    assert features[0].flags & flag


def test_validity_flags_last_as_long_as_the_quote_stands() -> None:
    records = [
        snapshot(0, BIDS, ASKS),
        quote(1, 103, 5, 102, 6, flags=Flag.CROSSED),
        trade(SECOND + 1),
        quote(2 * SECOND + 1, 100, 5, 102, 6),
        trade(3 * SECOND + 1),
        trade(4 * SECOND + 1),
    ]
    assert [each.flags & int(Flag.CROSSED) for each in features_of(records)][:4] == [4, 4, 4, 0]


def test_more_features_than_one_call_may_publish_all_come_at_the_same_deadline() -> None:
    records = [trade(1, 100, number, number=number) for number in range(1, 21)]
    features = features_of([*records, trade(SECOND, 100)], 20)
    assert [(each.instrument, each.buy_volume) for each in features[:20]] == [
        (number, number) for number in range(1, 21)
    ]


@pytest.mark.parametrize("interval", [SECOND // 10, 5 * SECOND])
def test_the_interval_is_a_setting(interval: int) -> None:
    features = features_of([trade(1), trade(60 * SECOND)], feature_interval=interval)
    assert (features[0].event_time, features[0].interval) == (START + interval, interval)


def test_a_pending_print_does_not_disturb_the_features() -> None:
    records = [trade(1, 100, 1000, Side.BUY), trade(SECOND, 100, 1, Side.SELL)]
    published = run(records, bucket_volume="0.010")
    features = [record for record in published if isinstance(record, MarketFeatures)]
    assert [(each.event_time - START, each.buy_volume) for each in features] == [
        (SECOND, 1000),
        (SECOND, 0),
    ]
