"""Indicators: their values, one rule in kernels and in Python, snapshots, warm-up and bad input.

Oracles: the test vectors that Tulip Indicators publishes; polars and pandas over whole columns;
sums in Fractions; ``statistics``, which sums exactly; the compiled steps for the plain ones.
"""

from __future__ import annotations

import math
import statistics
from fractions import Fraction
from typing import Any

import msgspec
import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from streams.numeric import rolling, smoothing
from streams.numeric.periods import BadPeriod
from streams.signals.indicators import Atr, Ema, RankedWindow, Rsi, Vwap, Window


def vector(text: str) -> list[float]:
    return [float(each) for each in text.split()]


HIGH = vector(
    "82.15 81.89 83.03 83.30 83.85 83.90 83.33 84.30 84.84 85.00 85.90 86.58 86.98 88.00 87.87"
)
LOW = vector(
    "81.29 80.64 81.31 82.65 83.07 83.11 82.49 82.30 84.15 84.11 84.03 85.39 85.76 87.17 87.01"
)
CLOSE = vector(
    "81.59 81.06 82.87 83.00 83.61 83.15 82.84 83.99 84.55 84.36 85.53 86.54 86.89 87.77 87.29"
)
quick = settings(deadline=None, max_examples=60)


def over(update: Any, *columns: list[float]) -> list[float]:
    return [update(*row) for row in zip(*columns, strict=True)]


def ready(values: list[float]) -> list[float]:
    """Values from the first that is one; what is before it is nan."""
    found = [value for value in values if value == value]
    assert all(value != value for value in values[: len(values) - len(found)])
    return found


def rounded(values: list[float]) -> list[float]:
    return [round(value, 3) for value in values]


def test_the_vectors_of_tulip_indicators() -> None:
    """Published with the library (tests/untest.txt), period 5."""
    expected = vector(
        "82.426 82.738 83.094 83.318 83.628 83.778 84.254 84.994 85.574 86.218 86.804"
    )
    assert rounded(ready(over(Window(5).update, CLOSE))) == expected
    expected = vector(
        "82.714 82.859 82.853 83.232 83.671 83.901 84.444 85.143 85.725 86.407 86.701"
    )
    assert rounded(ready(over(Ema(5).update, CLOSE))) == expected
    expected = vector("1.116 1.051 1.009 1.207 1.136 1.086 1.243 1.233 1.230 1.206 1.137")
    assert rounded(ready(over(Atr(5).update, HIGH, LOW, CLOSE))) == expected
    expected = vector("72.034 64.927 75.936 79.796 74.713 83.033 87.478 88.755 91.483 78.498")
    assert rounded(ready(over(Rsi(5).update, CLOSE))) == expected
    window, rows = Window(5), []
    for close in CLOSE:
        window.push(close)
        rows.append((*window.bands()[::2], window.spread, window.least, window.greatest))
    lower, upper, spread, least, greatest = ([row[column] for row in rows] for column in range(5))
    assert rounded(ready(spread)) == vector(
        "0.948 0.875 0.280 0.423 0.605 0.671 0.871 0.926 1.019 1.174 0.758"
    )
    assert rounded(ready(lower)) == vector(
        "80.530 80.987 82.533 82.472 82.418 82.435 82.511 83.143 83.536 83.870 85.289"
    )
    assert rounded(ready(upper)) == vector(
        "84.322 84.489 83.655 84.164 84.838 85.121 85.997 86.845 87.612 88.566 88.319"
    )
    assert ready(least) == vector(
        "81.06 81.06 82.84 82.84 82.84 82.84 82.84 83.99 84.36 84.36 85.53"
    )
    assert ready(greatest) == vector(
        "83.61 83.61 83.61 83.99 84.55 84.55 85.53 86.54 86.89 87.77 87.77"
    )


PRICES = some.lists(
    some.one_of(some.integers(-(10**9), 10**9), some.floats(-1e6, 1e6)), min_size=1, max_size=40
)
PERIODS = some.integers(1, 9)


def close_to(found: list[float], expected: list[Any], scale: float) -> bool:
    """Equal but for the rounding of the library; nan and null are one."""
    pairs = zip(found, expected, strict=True)
    return all(
        (x != x and (y is None or y != y)) or math.isclose(x, y, rel_tol=1e-9, abs_tol=1e-7 * scale)
        for x, y in pairs
    )


@quick
@given(PRICES, PERIODS)
def test_means_and_extremes_are_those_of_polars(prices: list[float], period: int) -> None:
    column = pl.Series([float(price) for price in prices])
    scale = max(1.0, *map(abs, prices))
    window, ranked, rows = Window(period), RankedWindow(period), []
    for price in prices:
        window.push(price)
        ranked.push(price)
        rows.append(
            (
                window.mean,
                window.deviation,
                window.spread,
                window.least,
                window.greatest,
                ranked.quantile(0.5),
                ranked.quantile(0.3),
            )
        )
    found = [list(each) for each in zip(*rows, strict=True)]
    batch = [
        column.rolling_mean(period),
        column.rolling_std(period, ddof=1) if period > 1 else pl.Series([None] * len(prices)),
        column.rolling_std(period, ddof=0), column.rolling_min(period), column.rolling_max(period),
        column.rolling_median(period),
        column.rolling_quantile(0.3, interpolation="linear", window_size=period),
    ]  # fmt: skip
    assert [
        close_to(one, other.to_list(), scale) for one, other in zip(found, batch, strict=True)
    ] == [True] * len(batch)
    assert (window.ready, ranked.ready) == (len(prices) >= period,) * 2


@quick
@given(PRICES, PERIODS)
def test_exponential_means_are_those_of_polars(prices: list[float], period: int) -> None:
    expected = (
        pl.Series([float(price) for price in prices]).ewm_mean(span=period, adjust=False).to_list()
    )
    expected[: period - 1] = [None] * min(period - 1, len(prices))
    mean = Ema(period)
    assert close_to(over(mean.update, prices), expected, max(1.0, *map(abs, prices)))
    assert mean.ready == (len(prices) >= period) and (mean.value == mean.mean or not mean.ready)


def wilder_of_pandas(values: list[float], period: int) -> list[float]:
    """The plain mean of the first values stands for them, each later one counts 1 / period."""
    column = pd.Series(
        [math.nan] * (period - 1) + [sum(values[:period]) / period, *values[period:]]
    )
    return list(column.ewm(alpha=1 / period, adjust=False).mean())[: len(values)]


@quick
@given(some.lists(some.integers(1, 10**7), min_size=1, max_size=40), PERIODS)
def test_rsi_and_atr_are_those_of_pandas(prices: list[int], period: int) -> None:
    changes = [later - before for before, later in zip(prices, prices[1:], strict=False)]
    gains, losses = (
        wilder_of_pandas([max(sign * change, 0) for change in changes], period) for sign in (1, -1)
    )
    expected = [math.nan] + [
        100 - 100 / (1 + gain / loss) if loss else 100.0 if gain else 50.0
        for gain, loss in zip(gains, losses, strict=True)
    ]
    expected[1:period] = [math.nan] * len(expected[1:period])
    assert close_to(over(Rsi(period).update, prices), expected, 1.0)
    bars = pd.DataFrame(
        {
            "high": [price + price % 97 for price in prices],
            "low": [price - price % 89 for price in prices],
            "close": prices,
        }
    )
    before = bars["close"].shift()
    spans = pd.concat(
        [bars["high"] - bars["low"], (bars["high"] - before).abs(), (bars["low"] - before).abs()],
        axis=1,
    ).max(axis=1)
    ranges = wilder_of_pandas(list(spans), period)
    ranges[: period - 1] = [math.nan] * len(ranges[: period - 1])
    assert close_to(
        over(Atr(period).update, list(bars["high"]), list(bars["low"]), prices), ranges, 1e3
    )


BIG = 2**62 - 1


@quick
@given(
    some.lists(
        some.tuples(some.integers(0, 2), some.integers(-BIG, BIG), some.integers(1, 2**57)),
        min_size=1,
        max_size=30,
    )
)
def test_a_vwap_is_the_exact_mean_of_its_session(trades: list[tuple[int, int, int]]) -> None:
    """Oracle: Fractions."""
    average, day, sums = Vwap(), None, [0, 0]
    for session, price, quantity in trades:
        sums = (
            [price * quantity, quantity]
            if session != day
            else [sums[0] + price * quantity, sums[1] + quantity]
        )
        day = session
        exact = Fraction(*sums)
        assert abs(Fraction(average.update(session, price, quantity)) - exact) <= 3 * Fraction(
            math.ulp(float(exact))
        )
        assert (average.high << 62) + (average.middle << 31) + average.low == sums[0]


def no_underflow(price: float) -> float:
    """A price, or 0 where its square would be below the smallest double."""
    return price if abs(price) > 1e-150 else 0.0


@quick
@given(
    some.lists(some.floats(-1e9, 1e9).map(no_underflow), min_size=12, max_size=30),
    some.integers(1, 6),
    some.integers(0, 5),
)
def test_a_full_window_does_not_remember_what_came_before(
    prices: list[float], period: int, later: int
) -> None:
    """Oracles: a window that was begun later; ``statistics``, which sums exactly."""
    whole, cut, ranked, ranked_cut = (
        Window(period),
        Window(period),
        RankedWindow(period),
        RankedWindow(period),
    )
    for at, price in enumerate(prices):
        for window in (whole, ranked) if at < later else (whole, ranked, cut, ranked_cut):
            window.push(price)
    assert (whole.mean, whole.spread, whole.bands()) == (cut.mean, cut.spread, cut.bands())
    last = prices[-period:]
    assert ranked.ranking == ranked_cut.ranking == sorted(price + 0.0 for price in last)
    scale = max(map(abs, last))
    assert math.isclose(whole.mean, statistics.fmean(last), abs_tol=1e-14 * scale)
    assert math.isclose(whole.spread, statistics.pstdev(last), rel_tol=1e-9, abs_tol=1e-14 * scale)


def test_a_trade_that_does_not_fit_changes_nothing() -> None:
    average = Vwap()
    average.update(0, 100, 2**61)
    before = msgspec.msgpack.encode(average)
    for price, quantity in ((100, 2**61), (2**62, 1), (-(2**62), 1), (100, 0), (100, -1)):
        assert math.isnan(average.update(0, price, quantity))
    assert msgspec.msgpack.encode(average) == before and average.value == 100.0


def test_conventions_where_nothing_moves_or_only_one_way() -> None:
    assert over(Rsi(2).update, [5.0, 5.0, 5.0])[-1] == 50.0
    assert over(Rsi(2).update, [5.0, 6.0, 7.0])[-1] == 100.0
    assert over(Rsi(2).update, [5.0, 4.0, 3.0])[-1] == 0.0
    ranked = RankedWindow(1)
    ranked.push(3)
    assert (
        math.isnan(ranked.quantile(1.01))
        and math.isnan(ranked.quantile(-0.01))
        and ranked.quantile(1.0) == 3.0
    )


MAKERS = [
    *(Ema, Rsi, Atr, Window, RankedWindow),
    lambda period: smoothing.new_ema(1, period),
    lambda period: smoothing.new_rsi(1, period),
    lambda period: smoothing.new_atr(1, period),
    lambda period: rolling.new_window(1, period),
    lambda period: rolling.new_ranking(1, period),
]


@pytest.mark.parametrize("make", MAKERS)
@pytest.mark.parametrize("period", [0, -1, 1_000_001])
def test_a_period_out_of_range_is_refused_with_the_range(make: Any, period: int) -> None:
    with pytest.raises(BadPeriod, match=rf"from 1 to (1000000|65536), not {period}") as refused:
        make(period)
    assert refused.value.exit_code == 2
