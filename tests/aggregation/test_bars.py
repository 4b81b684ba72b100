"""Time bars. Oracles: a brute-force grouping of the trades in Python integers, conservation of
volume, and scenarios worked out by hand.
"""

from __future__ import annotations

import itertools
import random
from typing import Any

import msgspec
import pytest
from aggregation_records import MINUTE, SECOND, START, bars_of, delta, driver, trade
from hypothesis import given, settings
from hypothesis import strategies as some

from schemas.records import Bar, Trade
from schemas.vocabulary import BarKind, Flag, Side
from streams.aggregation.stage import COUNTERS, Settings
from streams.aggregation.state import MONDAY, WEEK

PARTIAL, SYNTHETIC, LATE, AMENDED, OVERFLOW = (
    int(flag) for flag in (Flag.PARTIAL, Flag.SYNTHETIC, Flag.LATE, Flag.AMENDED, Flag.OVERFLOW)
)


def grouped(trades: list[Trade], interval: int) -> dict[int, tuple[Any, ...]]:
    """The brute-force twin: (open, high, low, close, volume, quote volume, count, taker volume,
    taker quote volume) by open time.
    """
    groups: dict[int, list[Trade]] = {}
    for each in trades:
        groups.setdefault(each.event_time // interval * interval, []).append(each)
    found = {}
    for open_time, group in groups.items():
        group.sort(key=lambda each: (each.event_time, each.trade_id))
        buys = [each for each in group if each.aggressor_side == Side.BUY]
        prices = [each.price for each in group]
        found[open_time] = (
            prices[0], max(prices), min(prices), prices[-1], sum(each.quantity for each in group),
            sum(each.price * each.quantity for each in group),
            sum(each.trade_count for each in group), sum(each.quantity for each in buys),
            sum(each.price * each.quantity for each in buys),
        )  # fmt: skip
    return found


def values(bar: Bar) -> tuple[Any, ...]:
    return (
        bar.open, bar.high, bar.low, bar.close, bar.volume, bar.quote_volume, bar.trade_count,
        bar.taker_buy_volume, bar.taker_buy_quote_volume
    )  # fmt: skip


def latest(bars: list[Bar]) -> dict[int, Bar]:
    """The bars as a consumer holds them: the highest version of each, fragments (version 0) set
    aside.
    """
    held: dict[int, Bar] = {}
    for bar in bars:
        if bar.version > 0:
            assert bar.open_time not in held or bar.version == held[bar.open_time].version + 1
            held[bar.open_time] = bar
    return held


def random_trades(
    seed: int, count: int, step: int, price: int = 6_000_000, quantity: int = 10**6
) -> list[Trade]:
    dice = random.Random(seed)
    time, trades = START, []
    for identity in range(1, count + 1):
        time += dice.randrange(step)
        price = max(1, price + dice.randrange(-50, 51))
        side = dice.choice([Side.BUY, Side.SELL])
        trades.append(
            Trade(
                1,
                time,
                0,
                identity,
                dice.choice([1, 1, 3]),
                price,
                dice.randrange(1, quantity),
                int(side),
                0,
            )
        )
    return trades


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("interval", [SECOND, 15 * SECOND, MINUTE])
def test_bars_equal_a_brute_force_grouping(seed: int, interval: int) -> None:
    trades = random_trades(seed, 400, SECOND)
    bars = bars_of(trades, intervals=(interval,))
    assert {bar.open_time: values(bar) for bar in bars} == grouped(trades, interval)
    assert all(
        bar.version == 1 and bar.kind == BarKind.TIME and bar.close_time == bar.open_time + interval
        for bar in bars
    )
    assert [bar.open_time for bar in bars] == sorted(bar.open_time for bar in bars)


def test_several_intervals_at_once_are_each_right_and_roll_up() -> None:
    """Property: minute bars are the sums of their second bars."""
    trades = random_trades(9, 500, SECOND)
    bars = bars_of(trades, intervals=(SECOND, MINUTE))
    for interval in (SECOND, MINUTE):
        assert {bar.open_time: values(bar) for bar in bars if bar.interval == interval} == grouped(
            trades, interval
        )
    seconds = [bar for bar in bars if bar.interval == SECOND]
    for bar in bars:
        if bar.interval == MINUTE:
            inside = [each for each in seconds if bar.open_time <= each.open_time < bar.close_time]
            assert (bar.volume, bar.quote_volume) == (
                sum(each.volume for each in inside),
                sum(each.quote_volume for each in inside),
            )


def test_quote_volume_is_exact_far_beyond_64_bits() -> None:
    trades = [
        trade(START + at, 2**61 + at, 2**60 + 3 * at, side=Side.BUY if at % 2 else Side.SELL)
        for at in range(1, 6)
    ]
    (bar,) = bars_of(trades)
    assert bar.quote_volume == sum(each.price * each.quantity for each in trades) > 2**120
    assert bar.taker_buy_quote_volume == sum(each.price * each.quantity for each in trades[::2])


LARGEST = 2**63 - 1
DAY = 86_400 * SECOND


@pytest.mark.parametrize(
    "quantities",
    [
        [LARGEST],  # the bound of the old fields, not past it
        [LARGEST - 1, 1],
        [LARGEST, 1],  # one past it
        [2**62, 2**62],  # a wrapped sum would be the lowest int64,
        [2**62] * 4,  # or 0: an empty bar,
        [2**62] * 6 + [5],  # or positive
        # twelve trades of 12 thousand million coins, as PEPEUSDT has them
        [1_200_000_000_000_000_000] * 12,
    ],
)
@pytest.mark.parametrize("fill_empty", [False, True])
def test_volumes_are_exact_beyond_int64(quantities: list[int], fill_empty: bool) -> None:
    """Oracle: sums of Python integers. Bars of a minute and of a day are there, the day's open one
    PARTIAL at the end of input.
    """
    trades = [
        trade(START + at, 100, each, side=Side.SELL if at % 2 else Side.BUY)
        for at, each in enumerate(quantities)
    ]
    bars = bars_of(
        [*trades, delta(START + MINUTE, 1, 1)], intervals=(MINUTE, DAY), fill_empty=fill_empty
    )
    total, bought = sum(quantities), sum(quantities[::2])
    minute, day = [bar for bar in bars if bar.trade_count]
    assert (
        (minute.interval, day.interval) == (MINUTE, DAY)
        and day.flags & PARTIAL
        and not minute.flags & (PARTIAL | SYNTHETIC)
    )
    for bar in (minute, day):
        assert (bar.volume_wide, bar.taker_buy_volume_wide, bar.trade_count) == (
            total,
            bought,
            len(quantities),
        )
        assert (bar.volume, bar.taker_buy_volume) == (min(total, LARGEST), min(bought, LARGEST))
        assert bool(bar.flags & OVERFLOW) == (total > LARGEST)
        assert bar.quote_volume == 100 * total


def test_an_amended_bar_of_a_huge_volume_keeps_its_trades() -> None:
    """A late trade found a bar whose volume had wrapped to 0, and began it anew."""
    trades = [trade(START + at, 100 + at, 2**62) for at in range(4)]
    *_, amended = bars_of([*trades, trade(START + MINUTE, 1), trade(START + 5, 50, 7)])[:2]
    assert (amended.open, amended.high, amended.low, amended.close) == (100, 103, 50, 50)
    assert (amended.volume_wide, amended.version, amended.flags & AMENDED) == (
        4 * 2**62 + 7,
        2,
        AMENDED,
    )


def test_a_count_of_trades_stops_before_it_wraps() -> None:
    """Bound: 2^62, which takes 2^31 records that claim 2^31 trades each; reached here from a state
    just below it.
    """
    context_driver, context = driver()
    context_driver.deliver(trade(START, 100))
    context_driver.state.bars["trade_count"] = 2**62 - 2
    for count in (1, 2, 2**31 - 1):
        context_driver.deliver(msgspec.structs.replace(trade(START + 1, 100), trade_count=count))
    context_driver.end()
    (bar,) = [item.record for item in context.emitted if isinstance(item.record, Bar)]
    assert (bar.trade_count, bar.flags & OVERFLOW) == (2**62, OVERFLOW)


@pytest.mark.parametrize("beyond", [0, 1, -1])
def test_a_quote_volume_of_38_digits_fits_and_one_more_is_a_fault(beyond: int) -> None:
    """Oracle: Python integers. 11 * 9e36 + (10^18 - 1)(10^18 + 1) is 10^38 - 1, the largest amount
    of a decimal.
    """
    context_driver, _ = driver()
    pairs = [(10**18, 9 * 10**18)] * 11 + [(10**18 - 1, 10**18 + 1)]
    if beyond == -1:  # as many digits below zero
        pairs = [(-price, quantity) for price, quantity in [*pairs, (1, 1)]]
    for at, (price, quantity) in enumerate(pairs):
        context_driver.deliver(trade(START + at, price, quantity, identity=at + 1))
    if beyond == 1:
        context_driver.deliver(trade(START + 20, 1, 1, identity=99))
    total = abs(sum(price * quantity for price, quantity in pairs)) + (beyond == 1)
    faulty = [1, 1, START, 99 if beyond == 1 else len(pairs)]
    assert context_driver.state.fault.tolist() == (faulty if total >= 10**38 else [0, 0, 0, 0])


def test_a_negative_price_gives_a_negative_quote_volume() -> None:
    """Oil futures traded below zero on 2020-04-20."""
    (bar,) = bars_of([trade(START + 1, -3763, 1000), trade(START + 2, -1, 1)])
    assert (bar.low, bar.high, bar.quote_volume) == (-3763, -1, -3763001)


@pytest.mark.parametrize("offset", [1, SECOND, 30 * SECOND, MINUTE - 1])
def test_a_first_bar_that_began_before_the_data_is_partial(offset: int) -> None:
    first, second = bars_of(
        [trade(START + offset), trade(START + MINUTE), delta(START + 2 * MINUTE, 1, 1)]
    )
    assert (first.open_time, first.flags, second.flags) == (START, PARTIAL, 0)


def test_a_start_exactly_on_the_boundary_gives_a_full_first_bar() -> None:
    """SCN-50: nautilus_trader#2605 lost this bar."""
    bars = bars_of([trade(START), trade(START + MINUTE)])
    assert [(bar.open_time, bar.flags) for bar in bars] == [(START, 0), (START + MINUTE, PARTIAL)]


def test_depth_seen_before_the_interval_makes_the_first_bar_full() -> None:
    bars = bars_of([delta(START - 1, 1, 1), trade(START + SECOND), delta(START + MINUTE, 2, 2)])
    assert [(bar.open_time, bar.flags) for bar in bars] == [(START, 0)]


def test_a_bar_closes_without_another_trade() -> None:
    context_driver, context = driver()
    context.clock = START
    context_driver.deliver(trade(START))
    assert context_driver.timer == START + SECOND  # the mark comes first
    context.clock = START + SECOND
    context_driver.fire(START + SECOND)
    assert context_driver.timer == START + MINUTE
    context.clock = START + MINUTE
    context_driver.fire(START + MINUTE)
    assert [type(item.record).__name__ for item in context.emitted] == ["Mark", "Bar"]


def test_the_open_bar_is_partial_at_the_end_and_a_complete_one_is_not() -> None:
    bars = bars_of(
        [
            trade(START),
            trade(START + MINUTE - 1),
            trade(START + MINUTE),
            delta(START + 2 * MINUTE - 1, 1, 1),
        ]
    )
    assert [(bar.open_time, bar.flags) for bar in bars] == [(START, 0), (START + MINUTE, PARTIAL)]


def test_a_bar_whose_end_is_the_end_of_the_input_is_complete() -> None:
    bars = bars_of([trade(START), delta(START + MINUTE, 1, 1)])
    assert [(bar.open_time, bar.flags) for bar in bars] == [(START, 0)]


def test_no_trades_no_bar() -> None:
    bars = bars_of([trade(START), trade(START + 5 * MINUTE)])
    assert [bar.open_time for bar in bars] == [START, START + 5 * MINUTE]


def test_fill_empty_makes_flat_synthetic_bars_through_a_long_silence() -> None:
    bars = bars_of(
        [
            trade(START, 100),
            trade(START + 1, 105),
            trade(START + 4 * MINUTE, 90),
            delta(START + 6 * MINUTE, 1, 1),
        ],
        fill_empty=True,
    )
    assert [(bar.open_time - START) // MINUTE for bar in bars] == [0, 1, 2, 3, 4, 5]
    assert [bar.flags for bar in bars] == [0, SYNTHETIC, SYNTHETIC, SYNTHETIC, 0, SYNTHETIC]
    for bar, close in ((bars[1], 105), (bars[3], 105), (bars[5], 90)):
        assert values(bar) == (close, close, close, close, 0, 0, 0, 0, 0)


def test_fill_empty_makes_nothing_before_the_first_trade() -> None:
    bars = bars_of(
        [delta(START - 10 * MINUTE, 1, 1), trade(START), delta(START + MINUTE, 2, 2)],
        fill_empty=True,
    )
    assert [(bar.open_time, bar.flags) for bar in bars] == [(START, 0)]


def test_fill_empty_publishes_no_bar_for_the_unfinished_empty_interval() -> None:
    bars = bars_of([trade(START), delta(START + MINUTE + 1, 1, 1)], fill_empty=True)
    assert [bar.open_time for bar in bars] == [START]


def test_trades_out_of_order_inside_the_interval_give_the_same_bar() -> None:
    """Oracle: the brute-force grouping in order of (event time, trade id); first and last time are
    each shared by two trades.
    """
    trades = [
        trade(START + at // 2, 100 + price, 1, identity=at + 1)
        for at, price in enumerate([5, 1, 9, 7])
    ]
    for order in itertools.permutations(trades):
        assert {bar.open_time: values(bar) for bar in bars_of(list(order))} == grouped(
            trades, MINUTE
        )


def test_a_late_trade_amends_its_bar_with_the_next_version() -> None:
    bars = bars_of(
        [
            trade(START, 100, 2),
            trade(START + MINUTE, 101),
            trade(START + 59 * SECOND, 200, 3),
            delta(START + 2 * MINUTE, 1, 1),
        ]
    )
    assert [(bar.open_time, bar.version, bar.flags) for bar in bars] == [
        (START, 1, 0),
        (START, 2, AMENDED),
        (START + MINUTE, 1, 0),
    ]
    assert values(bars[1]) == (100, 200, 100, 200, 5, 800, 2, 5, 800)


def test_a_late_first_trade_of_an_interval_becomes_the_open() -> None:
    bars = bars_of([trade(START + 10, 100), trade(START + MINUTE, 101), trade(START + 5, 90)])
    assert [(bar.version, bar.open, bar.close) for bar in bars if bar.open_time == START] == [
        (1, 100, 100),
        (2, 90, 100),
    ]


def test_a_late_trade_of_an_interval_without_a_bar_makes_the_bar() -> None:
    bars = bars_of([trade(START), trade(START + 2 * MINUTE), trade(START + MINUTE, 77)])
    late = [bar for bar in bars if bar.open_time == START + MINUTE]
    assert [(bar.version, bar.flags, bar.close) for bar in late] == [(1, LATE, 77)]


def test_a_bar_made_late_can_be_amended_in_turn() -> None:
    bars = bars_of(
        [
            trade(START),
            trade(START + 2 * MINUTE),
            trade(START + MINUTE, 77),
            trade(START + MINUTE + 1, 78),
        ]
    )
    assert [(bar.version, bar.close) for bar in bars if bar.open_time == START + MINUTE] == [
        (1, 77),
        (2, 78),
    ]


def test_a_late_trade_turns_a_synthetic_bar_into_a_real_one() -> None:
    bars = bars_of(
        [trade(START), trade(START + 2 * MINUTE), trade(START + MINUTE, 77)], fill_empty=True
    )
    middle = [bar for bar in bars if bar.open_time == START + MINUTE]
    assert [(bar.version, bar.flags, bar.volume) for bar in middle] == [
        (1, SYNTHETIC, 0),
        (2, AMENDED, 1),
    ]


def test_a_trade_older_than_the_kept_bars_is_published_as_a_fragment_and_counted() -> None:
    context_driver, context = driver(kept_bars=2)
    for at in range(5):
        context.clock = START + at * MINUTE
        while context_driver.timer <= context.clock:
            context_driver.fire(context_driver.timer)
        context_driver.deliver(trade(START + at * MINUTE))
    context.emitted.clear()
    context_driver.deliver(trade(START + SECOND, 123, 4))
    (bar,) = [item.record for item in context.emitted]
    assert (bar.open_time, bar.version, bar.flags, values(bar)) == (
        START,
        0,
        LATE | PARTIAL,
        (123, 123, 123, 123, 4, 492, 1, 4, 492),
    )
    assert {name: int(context_driver.state.header[name][0]) for name in COUNTERS} == {
        "late_trades": 1, "amended_bars": 0, "fragments": 1, "refused_trades": 0
    }  # fmt: skip


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("fill", [False, True])
def test_late_trades_within_the_kept_bars_end_in_the_bars_of_the_sorted_trades(
    seed: int, fill: bool
) -> None:
    """Oracle: the brute-force grouping; a consumer that keeps the highest version holds exactly it.
    """
    trades = random_trades(seed, 300, 20 * SECOND)
    dice = random.Random(seed)
    shuffled = sorted(trades, key=lambda each: each.event_time + dice.randrange(3 * MINUTE))
    held = latest(bars_of(shuffled, kept_bars=8, fill_empty=fill))
    assert {open_time: values(bar) for open_time, bar in held.items() if bar.volume} == grouped(
        trades, MINUTE
    )


@settings(max_examples=40, deadline=None)
@given(
    times=some.lists(some.integers(0, 20 * 60), min_size=1, max_size=60),
    kept=some.integers(1, 4),
    fill=some.booleans(),
    interval=some.sampled_from([SECOND, 30 * SECOND, MINUTE]),
)
def test_no_volume_is_ever_lost_or_doubled(
    times: list[int], kept: int, fill: bool, interval: int
) -> None:
    """Property (AGG-18): highest versions and fragments together hold every trade once, in whatever
    order trades come.
    """
    trades = [
        trade(START + second * SECOND, 100 + at, 1 + at, identity=at + 1)
        for at, second in enumerate(times)
    ]
    bars = bars_of(trades, kept_bars=kept, fill_empty=fill, intervals=(interval,))
    fragments = [bar for bar in bars if bar.version == 0]
    held = list(latest(bars).values())
    assert sum(bar.volume for bar in held + fragments) == sum(each.quantity for each in trades)
    assert sum(bar.quote_volume for bar in held + fragments) == sum(
        each.price * each.quantity for each in trades
    )
    for bar in bars:
        assert bar.open_time % interval == 0
        assert bar.close_time == bar.open_time + interval
        assert bar.low <= min(bar.open, bar.close) <= max(bar.open, bar.close) <= bar.high


def test_a_trade_ahead_of_the_clock_closes_the_bar_before_it() -> None:
    """A wall clock may run behind the venue: the trade opens its own interval, and what is still to
    come for the old one amends it.
    """
    context_driver, context = driver()
    context.clock = START + 59 * SECOND
    context_driver.deliver(trade(START + 58 * SECOND, 100))
    context_driver.deliver(trade(START + MINUTE + 1, 101))
    context_driver.deliver(trade(START + 59 * SECOND, 102))
    bars = [item.record for item in context.emitted]
    assert [(bar.open_time, bar.version, bar.close) for bar in bars] == [
        (START, 1, 100),
        (START, 2, 102),
    ]


def test_a_gap_skipped_by_a_trade_ahead_of_the_clock_is_filled_before_the_next_record() -> None:
    context_driver, context = driver(fill_empty=True)
    context.clock = START
    context_driver.deliver(trade(START, 100))
    context_driver.deliver(trade(START + 30 * MINUTE, 110))
    while context_driver.timer <= context.clock:
        context_driver.fire(context_driver.timer)
    bars = [item.record for item in context.emitted]
    assert [(bar.open_time - START) // MINUTE for bar in bars] == list(range(30))
    assert [bar.flags for bar in bars] == [0] + [SYNTHETIC] * 29
    assert {bar.close for bar in bars} == {100}


def test_more_bars_than_one_call_may_publish_all_close_at_the_same_deadline() -> None:
    instruments = 20
    records = [
        trade(START, 100 + number, number, number=number) for number in range(1, instruments + 1)
    ]
    bars = bars_of([*records, trade(START + MINUTE)], instruments)
    assert [(bar.instrument, bar.volume) for bar in bars[:-1]] == [
        (number, number) for number in range(1, instruments + 1)
    ]


def test_more_open_bars_than_one_call_may_publish_all_come_at_the_end() -> None:
    records = [trade(START, 100, number, number=number) for number in range(1, 21)]
    bars = bars_of(records, 20, intervals=(MINUTE, 2 * MINUTE))
    assert sorted((bar.instrument, bar.interval) for bar in bars) == [
        (number, width) for number in range(1, 21) for width in (MINUTE, 2 * MINUTE)
    ]
    assert all(bar.flags == PARTIAL for bar in bars)


def test_weekly_bars_start_on_a_monday() -> None:
    """2024-08-08 was a Thursday; its week began on Monday 2024-08-05."""
    (bar,) = bars_of([trade(START)], intervals=(WEEK,))
    assert bar.open_time == 1_722_816_000 * SECOND
    assert (bar.open_time - MONDAY) % WEEK == 0


@pytest.mark.parametrize(
    "flag", [Flag.LATE, Flag.SIMULATED, Flag.OFF_TICK, Flag.ESTIMATED_TIME, Flag.OUT_OF_HOURS]
)
def test_quality_flags_of_a_trade_reach_its_bar_and_no_other(flag: Flag) -> None:
    bars = bars_of(
        [
            trade(START),
            trade(START + 1, flags=flag),
            trade(START + MINUTE),
            delta(START + 2 * MINUTE, 1, 1),
        ]
    )
    assert [bar.flags for bar in bars] == [int(flag), 0]


@pytest.mark.parametrize("quantity", [0, -5])
def test_a_trade_without_quantity_is_refused_and_counted(quantity: int) -> None:
    context_driver, context = driver()
    context.clock = START
    context_driver.deliver(trade(START, 100, quantity))
    assert context.emitted == []
    assert context_driver.state.header["refused_trades"][0] == 1
    assert context_driver.timer == 2**63 - 1


@pytest.mark.parametrize(
    "wrong",
    [
        {"intervals": (0,)},
        {"intervals": (999_999,)},
        {"intervals": (WEEK + 1,)},
        {"intervals": (MINUTE, SECOND)},
        {"intervals": (MINUTE, MINUTE)},
        {"intervals": tuple(SECOND * at for at in range(1, 10))},
        {"kept_bars": 0},
        {"kept_bars": 1025},
        {"mark_interval": 0},
        {"mark_interval": 86_400 * SECOND + 1},
    ],
)
def test_a_setting_out_of_range_is_refused_with_its_range(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Settings(**wrong)


def test_without_intervals_there_are_no_bars() -> None:
    assert bars_of([trade(START), trade(START + MINUTE)], intervals=()) == []
