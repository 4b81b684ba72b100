"""EMA cross: the rule, and the kernel against its twin in plain Python.

Oracles: the twin, bit by bit; the definition in Fractions; scenarios worked out by hand.
"""

from __future__ import annotations

import random
import struct
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some
from recordings import plain_instrument, usdm

from schemas.records import Quote, Signal
from schemas.vocabulary import Flag
from streams.aggregation import stage as aggregation
from streams.signals import ema_cross, ema_cross_python, kit
from streams.signals.ema_cross import Settings, alpha

SECOND = 1_000_000_000
START = 1_723_161_240 * SECOND


def quote(at: int, mid2: int, *, time: int | None = None, flags: int = 0, number: int = 1) -> Quote:
    """A quote whose bid + ask is ``mid2``, a second after the one before unless ``time`` says
    otherwise.
    """
    return Quote(
        number,
        START + (at * SECOND if time is None else time),
        at,
        mid2 // 2,
        5,
        mid2 - mid2 // 2,
        6,
        int(flags),
    )


def both(quotes: list[Any], instruments: int = 1, **chosen: Any) -> list[Signal]:
    """Signals of the kernel, after both twins were compared bit by bit on state and decisions at
    every quote.
    """
    table = [plain_instrument(number) for number in range(1, instruments + 1)]
    parameters = Settings(**chosen)
    kernel_context, python_context = kit.TestContext(), kit.TestContext()
    kernel = kit.driver_of(ema_cross, table, parameters, kernel_context)
    python = kit.driver_of(ema_cross_python.EmaCross, table, parameters, python_context)
    for each in quotes:
        kernel_context.clock = python_context.clock = max(kernel_context.clock, each.event_time)
        kernel.deliver(each)
        python.deliver(each)
        row = kernel.state.means[each.instrument - 1]
        twin = python.strategy.state.means[each.instrument]
        assert bits(row["fast"], row["slow"]) == bits(twin.fast, twin.slow)
        assert (row["inputs"], row["direction"], row["quiet_until"]) == (
            twin.inputs,
            twin.direction,
            twin.quiet_until,
        )
    assert kernel_context.emitted == python_context.emitted
    return [item.record for item in kernel_context.emitted]


def bits(*values: float) -> bytes:
    return struct.pack(f"<{len(values)}d", *values)


def directions(mids: list[int], **chosen: Any) -> list[tuple[int, int]]:
    """(place of the quote, direction) of each signal over quotes a second apart."""
    return [
        (signal.sequence, signal.direction)
        for signal in both([quote(at, mid) for at, mid in enumerate(mids)], **chosen)
    ]


def test_it_decides_from_input_number_slow_on() -> None:
    assert directions([100, 101, 102, 103, 104, 105], fast=2, slow=4) == [(3, 1)]


def test_a_falling_market_is_short() -> None:
    assert directions([106, 105, 104, 103, 102], fast=2, slow=3) == [(2, -1)]


def test_equal_means_leave_the_direction_as_it_is() -> None:
    assert directions([100] * 20, fast=2, slow=3) == []


def test_one_signal_per_change() -> None:
    mids = [100, 102, 104, 106, 108, 106, 104, 102, 100, 98, 96, 98, 100, 104, 108, 112]
    assert [direction for _, direction in directions(mids, fast=2, slow=3)] == [1, -1, 1]


def test_a_constant_trend_for_an_hour_gives_one_signal() -> None:
    """SIG-9: a stuck condition is not sent again."""
    assert len(directions(list(range(1000, 4600)), fast=20, slow=50)) == 1


def test_the_means_equal_their_definition() -> None:
    """Oracle: f = f + alpha (x - f) in Fractions over the same alpha, seeded by the first value."""
    dice = random.Random(5)
    mids = [2_000_000 + dice.randrange(-500, 500) for _ in range(60)]
    signals = both([quote(at, mid) for at, mid in enumerate(mids)], fast=3, slow=9)
    fast = slow = Fraction(mids[0])
    exact = {0: (fast, slow)}
    for at, mid in enumerate(mids[1:], 1):
        fast += Fraction(alpha(3)) * (mid - fast)
        slow += Fraction(alpha(9)) * (mid - slow)
        exact[at] = (fast, slow)
    assert len(signals) > 3
    for signal in signals:
        assert signal.fast == pytest.approx(float(exact[signal.sequence][0]), rel=1e-13)
        assert signal.slow == pytest.approx(float(exact[signal.sequence][1]), rel=1e-13)
        assert (signal.direction == 1) == (exact[signal.sequence][0] > exact[signal.sequence][1])


@pytest.mark.parametrize(("fast", "slow"), [(1, 2), (9, 20), (20, 50), (999_999, 1_000_000)])
def test_alpha_is_computed_once_in_python(fast: int, slow: int) -> None:
    assert ema_cross.new_state(
        [plain_instrument()], Settings(fast=fast, slow=slow)
    ).alphas.tolist() == [2 / (fast + 1), 2 / (slow + 1)]


@pytest.mark.parametrize("flag", [Flag.STALE, Flag.STALE | Flag.GAP, Flag.ONE_SIDED])
def test_a_quote_without_a_usable_mid_is_no_input(flag: Flag) -> None:
    clean = [quote(at, mid) for at, mid in enumerate([100, 101, 102, 103])]
    dirty = [*clean[:2], quote(1, 9_999, flags=flag), *clean[2:]]
    assert both(dirty, fast=2, slow=4) == both(clean, fast=2, slow=4)


@pytest.mark.parametrize("flag", [Flag.CROSSED, Flag.SIMULATED, Flag.ESTIMATED_TIME])
def test_a_quote_flagged_otherwise_is_an_input_and_passes_its_flags_on(flag: Flag) -> None:
    (signal,) = both([quote(at, 100 + at, flags=flag) for at in range(4)], fast=2, slow=4)
    assert signal.flags == flag


def test_a_signal_says_why_and_how_much() -> None:
    (signal,) = both([quote(0, 100), quote(1, 104)], fast=1, slow=2, size=250)
    fast, slow = 104.0, 100.0 + alpha(2) * 4.0
    assert signal == Signal(1, START + SECOND, 1, 1, 1, 1.0, 250, fast, slow, 0)


def cooled(times: list[int], mids: list[int], cooldown: int = SECOND) -> list[tuple[int, int]]:
    quotes = [
        quote(at, mid, time=time) for at, (time, mid) in enumerate(zip(times, mids, strict=True))
    ]
    return [
        (signal.event_time - START, signal.direction)
        for signal in both(quotes, fast=1, slow=2, cooldown=cooldown)
    ]


def test_a_change_within_the_cool_down_waits_for_the_first_quote_after_it() -> None:
    times = [0, 10, 20, SECOND + 9, SECOND + 10]
    assert cooled(times, [100, 110, 100, 100, 99]) == [(10, 1), (SECOND + 10, -1)]


def test_a_change_that_is_gone_when_the_cool_down_ends_is_never_sent() -> None:
    times = [0, 10, 20, 30, SECOND + 10, 2 * SECOND]
    assert cooled(times, [100, 110, 100, 120, 130, 140]) == [(10, 1)]


def test_the_cool_down_ends_exactly_at_its_length() -> None:
    assert cooled([0, 10, SECOND + 9], [100, 110, 90]) == [(10, 1)]
    assert cooled([0, 10, SECOND + 10], [100, 110, 90]) == [(10, 1), (SECOND + 10, -1)]


def test_a_cool_down_of_zero_sends_every_change() -> None:
    assert [
        direction for _, direction in cooled([0, 1, 2, 3], [100, 110, 90, 110], cooldown=0)
    ] == [1, -1, 1]


def test_the_cool_down_is_judged_on_the_clock_not_on_the_quotes_time() -> None:
    """A quote whose event time lies behind the clock is decided at the clock."""
    quotes = [
        quote(0, 100, time=0),
        quote(1, 110, time=50),
        quote(2, 90, time=20),
        quote(3, 90, time=SECOND + 49),
        quote(4, 90, time=SECOND + 50),
    ]
    signals = both(quotes, fast=1, slow=2)
    assert [signal.event_time - START for signal in signals] == [50, SECOND + 50]


def test_instruments_have_means_of_their_own() -> None:
    one = [quote(at, 100 + at, number=1) for at in range(6)]
    two = [quote(at, 900 - at, number=2) for at in range(6)]
    mixed = [each for pair in zip(one, two, strict=True) for each in pair]
    assert [(signal.instrument, signal.direction) for signal in both(mixed, 2, fast=2, slow=4)] == [
        (1, 1),
        (2, -1),
    ]


def test_an_instrument_outside_the_table_is_ignored() -> None:
    table = [plain_instrument(1)]
    for stage in (ema_cross, ema_cross_python.EmaCross):
        assert (
            kit.drive(
                stage,
                Settings(fast=1, slow=2),
                [quote(0, 100, number=2), quote(1, 110, number=2)],
                table,
            )
            == []
        )


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize(
    "chosen",
    [
        {"fast": 20, "slow": 50},
        {"fast": 1, "slow": 2, "cooldown": 0},
        {"fast": 5, "slow": 200, "cooldown": 10 * SECOND},
    ],
)
def test_twins_agree_on_every_bit_over_generated_quotes(seed: int, chosen: dict[str, int]) -> None:
    dice = random.Random(seed)
    mid, time, quotes = 12_345_678, 0, []
    for at in range(1500):
        mid += dice.choice([-30, -1, 0, 0, 1, 30])
        time += dice.randrange(SECOND // 2)
        flags = dice.choices(
            [0, int(Flag.STALE), int(Flag.CROSSED), int(Flag.ONE_SIDED)], [90, 3, 3, 4]
        )[0]
        quotes.append(quote(at, mid, time=time, flags=flags))
    assert both(quotes, **chosen)


@settings(max_examples=30, deadline=None)
@given(
    mids=some.lists(some.integers(2, 2**62), min_size=2, max_size=40),
    fast=some.integers(1, 5),
    more=some.integers(1, 5),
)
def test_twins_agree_on_extreme_prices(mids: list[int], fast: int, more: int) -> None:
    both([quote(at, mid) for at, mid in enumerate(mids)], fast=fast, slow=fast + more, cooldown=0)


def test_twins_agree_on_every_bit_over_recorded_quotes(market_data: Path) -> None:
    records, _ = usdm(market_data / "binance" / "usdm" / "btcusdt_20240808.gz")
    published = kit.drive(aggregation, aggregation.Settings(), records, [plain_instrument(tick=10)])
    quotes = [item.record for item in published if isinstance(item.record, Quote)]
    assert len(quotes) > 5_000
    assert len(both(quotes, fast=20, slow=50)) > 50


@pytest.mark.parametrize(
    "wrong",
    [
        {"fast": 0}, {"slow": 0}, {"slow": 1_000_001}, {"size": -1}, {"size": 2**60 + 1},
        {"cooldown": -1}, {"cooldown": 86_400 * SECOND + 1},
        {"fast": 50, "slow": 50}, {"fast": 51, "slow": 50},
    ],
)  # fmt: skip
def test_a_setting_out_of_range_is_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Settings(**wrong)
