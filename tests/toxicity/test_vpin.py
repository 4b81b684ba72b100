"""VPIN (TOX-2). Oracles: a brute-force twin that deals volume out unit by unit, the closed forms of
reference/quant.md 2.3, a recording.
"""

from __future__ import annotations

import math
import random
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some
from recordings import plain_instrument, usdm

from schemas.records import Toxicity, Trade
from schemas.vocabulary import Flag, NullReason, Side, SignMethod, ToxicityRegime
from streams.signals import kit
from streams.toxicity import stage
from streams.toxicity.state import BadBucket, Settings, bucket_size, new_state
from tests.toxicity.toxicity_records import quote, run, toxicity_of, trade


def unit_by_unit(trades: list[Trade], size: int, window: int) -> list[tuple[Any, ...]]:
    """The twin: every unit of volume in a list, cut into buckets. (buy, sell, prints, imbalance
    sum, vpin) per full bucket.
    """
    units = [
        (at, each.aggressor_side) for at, each in enumerate(trades) for _ in range(each.quantity)
    ]
    buckets: list[tuple[Any, ...]] = []
    imbalances: list[int] = []
    for first in range(0, len(units) - size + 1, size):
        part = units[first : first + size]
        buy = sum(1 for _, side in part if side == Side.BUY)
        sell = sum(1 for _, side in part if side == Side.SELL)
        imbalances.append(abs(buy - sell))
        total = sum(imbalances[-window:])
        vpin = total / (window * size) if len(imbalances) >= window else None
        buckets.append((buy, sell, len({at for at, _ in part}), total, vpin))
    return buckets


def short(bucket: Toxicity) -> tuple[Any, ...]:
    return (
        bucket.buy_volume,
        bucket.sell_volume,
        bucket.trade_count,
        bucket.imbalance_sum,
        bucket.vpin,
    )


def random_trades(
    seed: int, count: int, largest: int, sides: tuple[Side, ...] = (Side.BUY, Side.SELL)
) -> list[Trade]:
    dice = random.Random(seed)
    return [trade(at, 100, dice.randrange(1, largest), dice.choice(sides)) for at in range(count)]


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(
    ("size", "window", "largest"), [(10, 5, 4), (10, 5, 40), (7, 1, 30), (1, 3, 5), (100, 4, 30)]
)
def test_buckets_equal_a_twin_that_deals_volume_out_unit_by_unit(
    seed: int, size: int, window: int, largest: int
) -> None:
    trades = random_trades(seed, 200, largest)
    buckets = toxicity_of(trades, bucket_volume=f"0.{size:03d}", window=window)
    assert [short(bucket) for bucket in buckets] == unit_by_unit(trades, size, window)
    assert [bucket.bucket for bucket in buckets] == list(range(len(buckets)))
    assert all(
        bucket.buy_volume + bucket.sell_volume == bucket.bucket_size == size for bucket in buckets
    )


@settings(max_examples=40, deadline=None)
@given(
    quantities=some.lists(
        some.tuples(some.integers(1, 300), some.booleans()), min_size=1, max_size=30
    ),
    size=some.integers(1, 50),
    window=some.integers(1, 6),
)
def test_any_sizes_equal_the_twin(
    quantities: list[tuple[int, bool]], size: int, window: int
) -> None:
    trades = [
        trade(at, 100, quantity, Side.BUY if buy else Side.SELL)
        for at, (quantity, buy) in enumerate(quantities)
    ]
    buckets = toxicity_of(trades, bucket_volume=f"0.{size:03d}", window=window)
    assert [short(bucket) for bucket in buckets] == unit_by_unit(trades, size, window)


def test_a_print_over_many_buckets_fills_them_all_before_the_next_record() -> None:
    """One call may publish eight buckets; the rest stays pending and goes on at the same clock."""
    records = [trade(5, 100, 1005, Side.BUY), trade(6, 100, 5, Side.SELL)]
    table = [plain_instrument()]
    emitted = kit.drive(stage, stage.Settings(bucket_volume="0.010", window=2), records, table)
    buckets = [item for item in emitted if isinstance(item.record, Toxicity)]
    assert len(buckets) == 101
    assert [item.at for item in buckets] == [0] * 100 + [1]
    assert {item.record.event_time for item in buckets[:100]} == {records[0].event_time}
    assert (buckets[-1].record.buy_volume, buckets[-1].record.sell_volume) == (5, 5)


def test_one_sided_flow_gives_one() -> None:
    buckets = toxicity_of(
        [trade(at, 100, 3, Side.SELL) for at in range(40)], bucket_volume="0.010", window=5
    )
    assert {bucket.vpin for bucket in buckets[4:]} == {1.0}


def test_balanced_flow_gives_zero() -> None:
    trades = [trade(at, 100, 5, Side.BUY if at % 2 else Side.SELL) for at in range(40)]
    assert {bucket.vpin for bucket in toxicity_of(trades, bucket_volume="0.010", window=5)[4:]} == {
        0.0
    }


def test_random_signs_come_close_to_the_closed_form() -> None:
    """True iid signs, 100 unit trades a bucket: sqrt(2 / (pi 100)) = .0798 (quant.md 2.3, oracle B;
    simulated .0792 there).
    """
    dice = random.Random(7)
    trades = [trade(at, 100, 1, dice.choice([Side.BUY, Side.SELL])) for at in range(20_000)]
    buckets = toxicity_of(trades, bucket_volume="0.100", window=200)
    assert len(buckets) == 200
    last = buckets[-1]
    assert last.vpin is not None and last.vpin_null is not None and last.vpin_excess is not None
    assert abs(last.vpin - 0.0798) < 0.008
    assert last.vpin_null == pytest.approx(math.sqrt(2 / (math.pi * 100)), abs=1e-12)
    assert last.vpin_excess == last.vpin - last.vpin_null


def test_the_null_uses_the_prints_seen_in_the_window() -> None:
    trades = [trade(at, 100, 5, Side.BUY) for at in range(8)]  # two prints a bucket
    last = toxicity_of(trades, bucket_volume="0.010", window=4)[-1]
    assert last.vpin_null == pytest.approx(math.sqrt(2 / (math.pi * 2)), abs=1e-12)


@pytest.mark.parametrize("seed", range(3))
def test_the_null_forgets_the_prints_of_buckets_that_left_the_window(seed: int) -> None:
    """Oracle: sqrt(2 / (pi n)) with n the mean number of prints over the last buckets of the twin.
    """
    trades = random_trades(seed, 300, 30)
    prints = [bucket[2] for bucket in unit_by_unit(trades, 20, 5)]
    for at, bucket in enumerate(toxicity_of(trades, bucket_volume="0.020", window=5)):
        if at >= 4:
            mean = sum(prints[at - 4 : at + 1]) / 5
            assert bucket.vpin_null == pytest.approx(math.sqrt(2 / (math.pi * mean)), rel=1e-12)


def test_vpin_is_null_with_a_reason_until_the_window_is_full() -> None:
    buckets = toxicity_of(
        [trade(at, 100, 10, Side.BUY) for at in range(5)], bucket_volume="0.010", window=4
    )
    assert [bucket.vpin is None for bucket in buckets] == [True, True, True, False, False]
    assert [bucket.vpin_null is None for bucket in buckets] == [True, True, True, False, False]
    assert [bucket.reason for bucket in buckets] == [NullReason.WARMING_UP] * 3 + [
        NullReason.NONE
    ] * 2
    assert {bucket.regime for bucket in buckets} == {ToxicityRegime.UNKNOWN}


def test_unsigned_volume_fills_its_bucket_and_counts_on_neither_side() -> None:
    (bucket,) = toxicity_of(
        [trade(0, 100, 4, Side.UNKNOWN), trade(1, 100, 6, Side.BUY)], bucket_volume="0.010"
    )
    assert (bucket.buy_volume, bucket.sell_volume, bucket.bucket_size, bucket.imbalance_sum) == (
        6,
        0,
        10,
        6,
    )


def test_the_open_bucket_is_not_published_at_the_end() -> None:
    assert toxicity_of([trade(0, 100, 9, Side.BUY)], bucket_volume="0.010") == []


def test_a_bucket_records_how_its_trades_were_signed() -> None:
    trades = [trade(0, 10, 10, Side.BUY), trade(1, 11, 10, Side.UNKNOWN)]
    assert [bucket.method for bucket in toxicity_of(trades, bucket_volume="0.010")] == [
        SignMethod.EXCHANGE_FLAG,
        SignMethod.TICK_RULE,
    ]


@pytest.mark.parametrize("flag", [Flag.LATE, Flag.SIMULATED, Flag.OFF_TICK, Flag.AMENDED])
def test_quality_flags_of_a_trade_reach_every_bucket_it_fills_and_no_other(flag: Flag) -> None:
    trades = [trade(0, 100, 10), trade(1, 100, 15, flags=flag), trade(2, 100, 5), trade(3, 100, 10)]
    assert [bucket.flags for bucket in toxicity_of(trades, bucket_volume="0.010")] == [
        0,
        flag,
        flag,
        0,
    ]


def test_a_bucket_filled_while_the_book_was_stale_says_so() -> None:
    stale = quote(1, 100, 5, 101, 5, flags=Flag.STALE | Flag.GAP)
    fresh = quote(3, 100, 5, 101, 5)
    records = [
        quote(0, 100, 5, 101, 5),
        trade(0, 100, 10),
        stale,
        trade(2, 100, 10),
        trade(2, 100, 10),
        fresh,
        trade(4, 100, 10),
        trade(5, 100, 10),
    ]
    flags = [
        bucket.flags & int(Flag.STALE) for bucket in toxicity_of(records, bucket_volume="0.010")
    ]
    assert flags == [0, 1, 1, 1, 0]


def test_instruments_have_buckets_of_their_own() -> None:
    records = [trade(0, 100, 10, number=1), trade(1, 100, 5, number=2), trade(2, 100, 6, number=2)]
    buckets = toxicity_of(records, 2, bucket_volume="0.010")
    assert [(bucket.instrument, bucket.bucket) for bucket in buckets] == [(1, 0), (2, 0)]


def test_bucket_sizes_come_from_settings_in_base_units() -> None:
    table = [plain_instrument(1), plain_instrument(2), plain_instrument(3, quantity_precision=8)]
    chosen = Settings(bucket_volume="2.5", bucket_volumes={"TEST2": "0.004"})
    assert new_state(table, chosen).flows["bucket_size"].tolist() == [2500, 4, 250_000_000]


def of_size(maximum: int, lot: int, precision: int) -> Any:
    return msgspec.structs.replace(
        plain_instrument(quantity_precision=precision), maximum_quantity=maximum, lot_size=lot
    )


@pytest.mark.parametrize(
    ("maximum", "lot", "precision", "expected"),
    [
        (9000 * 10**8, 1000, 8, 10 * 10**8),  # bitcoin, spot: ten coins
        # PEPEUSDT: 45 million coins, a two thousandth of its largest order
        (90 * 10**17, 10**8, 8, 45 * 10**14),
        (10**8, 1, 0, 50_000),  # 1000SATSUSDT
        (0, 25, 0, 25),  # an index future without a largest order: a lot
        (0, 1, 17, 2**62 // 50),  # ten units of it would not fit the window: what does
    ],
)
def test_the_default_bucket_comes_from_the_instrument(
    maximum: int, lot: int, precision: int, expected: int
) -> None:
    """The rule of decision 21, by hand."""
    assert bucket_size(of_size(maximum, lot, precision), Settings()) == expected


@pytest.mark.parametrize(
    "text", ["0", "-1", "0.0001", "x", "9223372036854775807", "92233720368547758"]
)
@pytest.mark.parametrize("by_symbol", [False, True])
def test_a_bucket_volume_that_does_not_fit_the_instrument_is_refused(
    text: str, by_symbol: bool
) -> None:
    chosen = Settings(bucket_volumes={"TEST1": text}) if by_symbol else Settings(bucket_volume=text)
    name = "bucket_volumes" if by_symbol else "bucket_volume"
    with pytest.raises(BadBucket, match=rf"\[toxicity\] {name} of TEST1 is '{text}'"):
        bucket_size(plain_instrument(), chosen)


@pytest.mark.parametrize(
    "wrong",
    [
        {"window": 0},
        {"window": 10_001},
        {"feature_interval": 0},
        {"feature_interval": 86_400 * 10**9 + 1},
    ],
)
def test_a_setting_out_of_range_is_refused_with_its_range(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Settings(**wrong)


def test_a_recording_equals_a_brute_force_over_its_exchange_flags(market_data: Path) -> None:
    """TOX-2: recorded trades with exchange flags; buckets of 5 BTC, dealt out by the twin in units
    of 0.001 BTC.
    """
    records, _ = usdm(market_data / "binance" / "usdm" / "btcusdt_20240808.gz")
    trades = [record for record in records if isinstance(record, Trade)][:8000]
    buckets = [
        record
        for record in run(trades, bucket_volume="5", window=20)
        if isinstance(record, Toxicity)
    ]
    assert len(buckets) > 100
    assert [short(bucket) for bucket in buckets] == unit_by_unit(trades, 5000, 20)
