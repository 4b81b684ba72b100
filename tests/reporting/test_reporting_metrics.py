"""Metrics against an independent library, the published 15-return vector and hand-computed vectors.
"""

from __future__ import annotations

import math
import random

import numpy as np
import pytest

import streams.reporting.metrics as metrics
from schemas.vocabulary import NullReason
from streams.reporting.metrics import METRICS, Activity, TripTotals, measure_all

FIFTEEN = [
    0.01,
    -0.02,
    0.015,
    0.005,
    -0.01,
    0.03,
    -0.025,
    0.02,
    0.0,
    0.01,
    -0.005,
    0.012,
    -0.03,
    0.022,
    0.008,
]
YEAR = 365 * 1440


def walk(seed: int, samples: int, start: int = 10**16) -> list[int]:
    """Equity of a seeded random walk, in integer units."""
    generator = random.Random(seed)
    equity, level = [], start
    for _ in range(samples):
        level += int(level * generator.gauss(1e-6, 3e-4))
        equity.append(level)
    return equity


def by_name(
    start: int | None,
    equity: list[int],
    trips: TripTotals | None = None,
    activity: Activity | None = None,
) -> dict[str, metrics.Measure]:
    return {
        each.name: each
        for each in measure_all(start, equity, trips or TripTotals(), activity or Activity(), 10)
    }


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (lambda r: metrics.sharpe(r, 252), 2.514566197220671),
        (lambda r: metrics.volatility(r, 252), 0.2806050605388292),
        (lambda r: metrics.sortino(r, 252), 3.802130339947753),
        (lambda r: metrics.value_at_risk(r), -0.0265),
        (lambda r: metrics.expected_shortfall(r), -0.03),
    ],
    ids=["sharpe", "volatility", "sortino", "value_at_risk", "expected_shortfall"],
)
def test_should_reproduce_the_fifteen_return_vector(function, expected):
    """Oracle: the vector of the quantitative handbook 8.1 (252 periods, ddof 1, risk-free 0)."""
    assert function(FIFTEEN) == pytest.approx(expected, rel=1e-12)


def test_should_compound_the_fifteen_return_vector_to_the_published_annual_return():
    """Oracle: handbook 8.1, CAGR at 252 periods and maximum drawdown including the start."""
    equity, level = [], 10**30
    for value in FIFTEEN:
        level += (
            level * int(value * 1000) // 1000
            if value >= 0
            else -(level * int(-value * 1000 + 0.5) // 1000)
        )
        equity.append(level)
    annual = metrics.annual_return(10**30, equity[-1], 15, 252)
    assert annual == pytest.approx(0.9500697379061993, rel=1e-9)
    assert metrics.maximum_drawdown(10**30, equity) == pytest.approx(-0.03, abs=1e-12)
    assert metrics.calmar(annual, -0.03) == pytest.approx(31.66899, rel=1e-6)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("samples", [1440, 1441, 4000])
def test_should_equal_empyrical_on_random_walks(seed, samples):
    """Oracle: empyrical-reloaded on the same minute returns, annualisation 365 x 1440."""
    empyrical = pytest.importorskip("empyrical")
    start = 10**16
    equity = walk(seed, samples, start)
    found = by_name(start, equity)
    series = np.diff(np.array([start, *equity], dtype=np.float64)) / np.array(
        [start, *equity[:-1]], dtype=np.float64
    )
    expected = {
        "total_return": empyrical.cum_returns_final(series),
        "average_return": series.mean(),
        "annual_return": empyrical.annual_return(series, annualization=YEAR),
        "volatility": empyrical.annual_volatility(series, annualization=YEAR),
        "sharpe": empyrical.sharpe_ratio(series, annualization=YEAR),
        "sortino": empyrical.sortino_ratio(series, annualization=YEAR),
        "calmar": empyrical.calmar_ratio(series, annualization=YEAR),
        "maximum_drawdown": empyrical.max_drawdown(series),
        "var_95": empyrical.value_at_risk(series, 0.05),
        "expected_shortfall": empyrical.conditional_value_at_risk(series, 0.05),
    }
    for name, value in expected.items():
        assert found[name].value == pytest.approx(value, rel=2e-9), name
        assert found[name].samples == samples


STATISTICS = [
    "average_return",
    "annual_return",
    "volatility",
    "sharpe",
    "sortino",
    "calmar",
    "var_95",
    "expected_shortfall",
    "frequency",
]


@pytest.mark.parametrize("samples", [1, 2, 29, 30, 1439])
@pytest.mark.parametrize("name", STATISTICS)
def test_should_be_null_with_a_reason_below_thirty_samples_or_a_day(samples, name):
    """Oracle: the rule itself, each side of the edge is driven (see the next test)."""
    found = by_name(10**16, walk(1, samples))[name]
    assert found.value is None
    assert found.reason == NullReason.TOO_FEW_SAMPLES


@pytest.mark.parametrize("name", STATISTICS)
def test_should_have_a_value_from_one_day_on(name):
    assert by_name(10**16, walk(1, 1440))[name].value is not None


def test_facts_stay_known_however_short_the_sample_is():
    """Oracle: by hand. 100 -> 90 -> 99: return -1 %, drawdown -10 %, two minutes under water."""
    found = by_name(100, [90, 99])
    assert found["total_return"].value == -0.01
    assert found["maximum_drawdown"].value == -0.1
    assert found["maximum_drawdown_duration"].value == 120.0
    assert found["days"].value == 2 / 1440


def test_should_say_no_mark_where_equity_was_never_known():
    found = by_name(None, [])
    for name in ("total_return", "sharpe", "maximum_drawdown", "turnover"):
        assert found[name].value is None
        assert found[name].reason == NullReason.NO_MARK


def test_should_report_every_metric_once_in_the_fixed_order():
    assert [each.name for each in measure_all(100, [100], TripTotals(), Activity(), 0)] == [
        metric.name for metric in METRICS
    ]


@pytest.mark.parametrize(
    ("equity", "expected"),
    [
        ([100, 100], 0),
        ([101, 102, 103], 0),
        ([90], 1),
        ([90, 100], 2),
        ([110, 100, 105, 110, 90, 120], 3),
        ([110, 105, 110, 100, 100, 100], 3),
        ([110, 110, 105], 1),
    ],
)
def test_time_under_water_runs_from_the_last_peak_to_its_recovery_or_the_end(equity, expected):
    """Oracle: counted by hand from the start of 100."""
    assert metrics.maximum_drawdown_duration(100, equity) == expected


def test_time_under_water_equals_a_brute_force_search():
    """Oracle: every pair (last sample at the running peak, first sample level with it or the end).
    """
    generator = random.Random(5)
    for _ in range(300):
        path = [100 + generator.randint(-3, 3) for _ in range(generator.randint(1, 12))]
        levels = [100, *path]
        longest = 0
        for low in range(1, len(levels)):
            peak = max(levels[: low + 1])
            if levels[low] == peak:
                continue
            top = max(at for at in range(low) if levels[at] == peak)
            recovery = next(
                (at for at in range(low, len(levels)) if levels[at] >= peak), len(levels) - 1
            )
            longest = max(longest, recovery - top)
        assert metrics.maximum_drawdown_duration(100, path) == longest


def test_round_trip_metrics_by_hand():
    """Oracle: by hand. Wins 30 and 10, losses -5 and -15, one flat; unit 10^-10."""
    unit = 10**10
    trips = TripTotals(5, 2, 2, 40 * unit, -20 * unit, 30 * unit, -15 * unit, 5 * 90 * 10**9)
    found = by_name(
        1000 * unit,
        [1000 * unit] * 1440,
        trips,
        Activity(10, 5000 * unit, 720 * metrics.MINUTE, 1440 * metrics.MINUTE),
    )
    expected = {
        "trades": 5, "trades_per_day": 5, "frequency": 1825, "win_rate": 0.4, "profit_factor": 2.0,
        "average_win": 20, "average_loss": -10,
        "largest_win": 30, "largest_loss": -15, "holding_period": 90, "volume": 5000, "turnover": 5,
        "exposure": 0.5, "days": 1,
    }  # fmt: skip
    assert {name: found[name].value for name in expected} == expected
    assert found["average_win"].samples == 2
    assert found["win_rate"].samples == 5


@pytest.mark.parametrize(
    "name",
    [
        "profit_factor",
        "win_rate",
        "average_win",
        "average_loss",
        "largest_win",
        "largest_loss",
        "holding_period",
    ],
)
def test_should_be_null_without_a_round_trip(name):
    found = by_name(100, [100])[name]
    assert (found.value, found.reason, found.samples) == (None, NullReason.TOO_FEW_SAMPLES, 0)


@pytest.mark.parametrize(("end", "expected"), [(0, -1.0), (-5, -1.0), (10**40, None)])
def test_annual_return_at_its_limits(end, expected):
    """All lost is -1; a growth beyond a double's range is null, not infinity."""
    assert metrics.annual_return(100, end, 1440) == expected


def test_ruin_makes_return_statistics_null_not_nonsense():
    found = by_name(100, [50, -10, 20] + [20] * 1440)
    assert found["sharpe"].value is None
    assert found["total_return"].value == -0.8
    assert found["maximum_drawdown"].value == pytest.approx(-1.1)


def test_constant_equity_has_no_sharpe():
    found = by_name(100, [100] * 1440)
    assert found["volatility"].value == 0
    assert found["sharpe"].value is None
    assert found["sortino"].value is None
    assert found["calmar"].value is None


def test_sums_do_not_depend_on_vector_widths():
    """Oracle: exact rational arithmetic. numpy's pairwise mean differs from it in the last bits,
    ours is the correctly rounded sum.
    """
    from fractions import Fraction

    series = metrics.minute_returns(10**16, walk(3, 2000))
    assert series is not None
    exact = sum((Fraction(value) for value in series), Fraction(0))
    assert metrics.mean(series) == float(exact) / 2000
    assert math.isclose(metrics.mean(series), float(np.mean(series)), rel_tol=1e-9)


def test_amounts_beyond_64_bits_are_measured_exactly():
    """Oracle: by hand; state keeps such amounts as text."""
    huge = 10**25
    found = by_name(
        huge,
        [huge * 2],
        TripTotals(1, 1, 0, str(huge), 0, str(huge), 0, 0),
        Activity(1, str(huge), 0, 1),
    )
    assert found["total_return"].value == 1.0
    assert found["average_win"].value == 1e15
    assert found["volume"].value == 1e15
