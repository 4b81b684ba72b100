"""Measures of microstructure.

Oracles: vectors of reference/quant.md, NumPy and SciPy on the same data, rationals, identities.
"""

from __future__ import annotations

import math
from fractions import Fraction
from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some
from measure_runs import first_row, window_of
from scipy import stats

from streams.numeric.bounds import PRICE_MAX
from streams.numeric.measures import amihud, hawkes, kyle, roll, spreads
from streams.numeric.measures.hasbrouck import hasbrouck_impact
from streams.numeric.measures.microprice import (
    NoMicroprice,
    adjustments,
    microprice,
    microprice_table,
)
from streams.numeric.measures.regression import line_through
from streams.numeric.measures.solving import solve
from streams.numeric.measures.variance_ratio import variance_ratio
from streams.numeric.rolling import window_push

prices = some.integers(1, PRICE_MAX)


@given(sign=some.sampled_from([-1, 1]), price=prices, bid=prices, ask=prices, later=prices)
def test_effective_is_realised_plus_impact(
    sign: int, price: int, bid: int, ask: int, later: int
) -> None:
    effective = spreads.effective_spread(sign, price, bid + ask)
    realised = spreads.realised_spread(sign, price, bid + later)
    assert effective == realised + spreads.price_impact(sign, bid + ask, bid + later)
    assert spreads.effective_spread(-sign, price, bid + ask) == -effective


def test_a_trade_at_the_quote_pays_the_quoted_spread() -> None:
    assert spreads.effective_spread(1, 105, 100 + 105) == spreads.quoted_spread(100, 105) == 5
    assert spreads.effective_spread(-1, 100, 100 + 105) == 5


@settings(max_examples=60, deadline=None)
@given(
    points=some.lists(
        some.tuples(some.integers(-999, 999), some.integers(-999, 999)), min_size=3, max_size=30
    )
)
def test_a_line_equals_exact_rationals(points: list[tuple[int, int]]) -> None:
    window, (xs, ys) = window_of(*map(list, zip(*points, strict=True)))
    slope, error, share = line_through(window, xs, ys)
    n = len(points)
    mean_x = Fraction(sum(x for x, _ in points), n)
    mean_y = Fraction(sum(y for _, y in points), n)
    xx = sum((x - mean_x) ** 2 for x, _ in points)
    xy = sum((x - mean_x) * (y - mean_y) for x, y in points)
    yy = sum((y - mean_y) ** 2 for _, y in points)
    if xx == 0:
        assert math.isnan(slope) and math.isnan(error) and math.isnan(share)
        return
    assert slope == pytest.approx(float(xy / xx), rel=1e-9, abs=1e-9)
    assert error**2 == pytest.approx(float((yy - xy * xy / xx) / (n - 2) / xx), rel=1e-6, abs=1e-6)
    if yy > 0:
        assert share == pytest.approx(float(xy * xy / xx / yy), abs=1e-9)


def test_kyles_lambda_equals_scipy_and_keeps_its_sign() -> None:
    dice = np.random.Generator(np.random.PCG64(3))
    x = dice.normal(0, 50, 80)
    y = -0.02 * x + dice.normal(0, 1, 80)
    windows, volumes, changes = kyle.new_kyle(1, 60)
    full = [
        kyle.kyle_push(first_row(windows), volumes[0], changes[0], *point)
        for point in zip(x, y, strict=True)
    ]
    assert full == [False] * 59 + [True] * 21
    found = kyle.kyle_lambda(first_row(windows), volumes[0], changes[0])
    peer = stats.linregress(x[-60:], y[-60:])
    assert found == pytest.approx((peer.slope, peer.stderr, peer.rvalue**2), rel=1e-10)
    assert found[0] < 0


def test_kyles_model_of_one_period() -> None:
    """Kyle (1985): variance of value 4, noise 10: lambda = 2 / (2 * 10)."""
    dice = np.random.Generator(np.random.PCG64(1985))
    value, noise = dice.normal(0, 2, 60_000), dice.normal(0, 10, 60_000)
    flow = value / 0.2 + noise
    window, (xs, ys) = window_of(flow.tolist(), value.tolist())
    assert line_through(window, xs, ys)[0] == pytest.approx(0.1, abs=0.001)


def test_amihud_by_hand_skips_intervals_without_turnover() -> None:
    found, ratios = amihud.new_amihud(1, 3)
    steps = [(0.01, 1000.0), (0.5, 0.0), (-0.02, 500.0), (0.03, 3000.0)]
    full = [amihud.amihud_push(first_row(found), ratios[0], *step) for step in steps]
    assert full == [False, False, False, True]
    assert amihud.amihud_value(first_row(found), ratios[0]) == pytest.approx(
        (10 + 40 + 10) / 3, rel=1e-12
    )
    assert found[0]["skipped"] == 1
    amihud.amihud_push(first_row(found), ratios[0], 0.01, 1e6)  # drives the oldest out
    assert amihud.amihud_value(first_row(found), ratios[0]) == pytest.approx(
        (40 + 10 + 0.01) / 3, rel=1e-12
    )


BOUNCE = [100, 101, 100, 101, 101, 100, 101, 100, 100, 101, 100, 101]


@pytest.mark.parametrize(
    ("about_means", "spread"), [(0, 1.5491933384829668), (1, 1.632993161855452)]
)
def test_rolls_vector_by_both_estimators(about_means: int, spread: float) -> None:
    """reference/quant.md 2.6."""
    window, (changes,) = window_of([float(b - a) for a, b in pairwise(BOUNCE)])
    assert roll.roll_spread(window, changes, about_means) == pytest.approx(spread, rel=1e-14)


def test_rolls_spread_of_a_simulated_bounce() -> None:
    """Half a spread of .05 about a random walk: .1."""
    dice = np.random.Generator(np.random.PCG64(84))
    mid = np.cumsum(dice.normal(0, 0.02, 60_000))
    price = mid + 0.05 * dice.choice([-1, 1], 60_000)
    window, (changes,) = window_of(np.diff(price).tolist())
    assert roll.roll_spread(window, changes, 1) == pytest.approx(0.1, abs=0.002)


def test_rolls_spread_is_not_defined_for_a_trend() -> None:
    window, (changes,) = window_of([1.0, 2.0, 3.0, 4.0, 5.0])
    assert roll.serial_covariance(window, changes, 1) > 0
    assert math.isnan(roll.roll_spread(window, changes, 1))


def overlapping(returns: Any, q: int) -> float:
    """VR(q) by Lo and MacKinlay's equation 10, in NumPy."""
    n, mean = len(returns), returns.mean()
    sums = np.convolve(returns, np.ones(q), "valid")
    several = ((sums - q * mean) ** 2).sum() / (q * (n - q + 1) * (1 - q / n))
    return float(several / returns.var(ddof=1))


@pytest.mark.parametrize("q", [2, 5, 10])
@pytest.mark.parametrize(("phi", "seed"), [(0.0, 1), (-0.4, 2), (0.3, 3)])
def test_variance_ratio_equals_numpy_and_the_process(q: int, phi: float, seed: int) -> None:
    """AR(1): VR(q) = 1 + 2 sum (1 - k/q) phi^k."""
    shocks = np.random.Generator(np.random.PCG64(seed)).normal(0, 1, 20_000)
    returns = np.empty_like(shocks)
    last = 0.0
    for at, shock in enumerate(shocks):
        returns[at] = last = phi * last + shock
    window, (held,) = window_of(returns.tolist())
    found = variance_ratio(window, held, q)
    assert found == pytest.approx(overlapping(returns, q), rel=1e-9)
    truth = 1 + 2 * sum((1 - k / q) * phi**k for k in range(1, q))
    assert found == pytest.approx(truth, abs=0.08)


def test_variance_ratio_is_null_where_nothing_moved_and_for_an_impossible_lag() -> None:
    window, (held,) = window_of([0.0] * 8)
    assert math.isnan(variance_ratio(window, held, 2))
    window, (held,) = window_of([1.0, 2.0, 4.0, 1.0])
    assert [math.isnan(variance_ratio(window, held, q)) for q in (1, 2, 4)] == [True, False, True]


def events(seed: int, count: int) -> list[tuple[int, int]]:
    dice = np.random.Generator(np.random.PCG64(seed))
    times = np.cumsum(dice.integers(0, 900_000_000, count))
    return [
        (int(time), int(sign))
        for time, sign in zip(times, dice.choice([-1, 1], count), strict=True)
    ]


@pytest.mark.parametrize("seed", range(3))
def test_hawkes_recursion_equals_the_sum_over_all_earlier_events(seed: int) -> None:
    """Events of one time among them: those that came before count in full."""
    mu, same, other, beta = 0.5, 0.6, 0.2, 1.5
    state = first_row(hawkes.new_hawkes(1, mu, same, other, beta))
    past = events(seed, 120)
    past[10] = (past[9][0], -past[9][1])
    for at, (time, sign) in enumerate(past):
        brute = mu + sum(
            (same if earlier == sign else other) * math.exp(-beta * (time - then) / 1e9)
            for then, earlier in past[:at]
        )
        assert hawkes.hawkes_event(state, time, sign) == pytest.approx(brute, rel=1e-12)


def thinned(seed: int, mu: float, alpha: float, beta: float, end: float) -> list[int]:
    """Times of a process by Ogata's thinning, ns."""
    dice = np.random.Generator(np.random.PCG64(seed))
    time, excited, found = 0.0, 0.0, []
    while time < end:
        bound = mu + alpha * excited
        wait = dice.exponential(1 / bound)
        time, excited = time + wait, excited * math.exp(-beta * wait)
        if dice.uniform() * bound < mu + alpha * excited:
            found.append(int(time * 1e9))
            excited += 1.0
    return found


def test_hawkes_likelihood_equals_brute_force_and_prefers_the_truth() -> None:
    """The formula of reference/quant.md 2.7."""
    truth, end = (0.5, 0.8, 1.5), 400.0
    times = thinned(5, *truth, end)

    def likelihood(mu: float, alpha: float, beta: float) -> tuple[float, float]:
        state = first_row(hawkes.new_hawkes(1, mu, alpha, 0.0, beta))
        told = sum(math.log(hawkes.hawkes_event(state, time, 1)) for time in times)
        ages = np.subtract.outer(times, times) / 1e9
        excited = np.where(
            np.tri(len(times), k=-1, dtype=bool), np.exp(-beta * np.maximum(ages, 0)), 0
        )
        brute = np.log(mu + alpha * excited.sum(axis=1)).sum()
        gone = mu * end + alpha / beta * (1 - np.exp(-beta * (end - np.array(times) / 1e9))).sum()
        return told - gone, brute - gone

    best = likelihood(*truth)
    assert best[0] == pytest.approx(best[1], rel=1e-10)
    for wrong in [
        (1.0, 0.8, 1.5),
        (0.25, 0.8, 1.5),
        (0.5, 0.4, 1.5),
        (0.5, 1.2, 1.5),
        (0.5, 0.8, 3.0),
    ]:
        assert likelihood(*wrong)[0] < best[0]


def test_hawkes_refuses_a_process_that_explodes() -> None:
    assert hawkes.check_hawkes(0.5, 0.5, 0.25, 1.0) == 0.75
    for wrong in [
        (0.5, 1.0, 0.5, 1.5),
        (0.0, 0.1, 0.1, 1.0),
        (1.0, -0.1, 0.0, 1.0),
        (1.0, 0.1, 0.1, math.nan),
    ]:
        with pytest.raises(hawkes.UnstableHawkes):
            hawkes.check_hawkes(*wrong)


@pytest.mark.parametrize("seed", range(4))
def test_solve_equals_numpy(seed: int) -> None:
    dice = np.random.Generator(np.random.PCG64(seed))
    matrix, right = dice.normal(0, 1, (7, 7)), dice.normal(0, 1, (7, 2))
    matrix[0, 0] = 0.0  # rows must be exchanged
    peer = np.linalg.solve(matrix, right)
    assert solve(matrix, right, 7)
    assert right == pytest.approx(peer, rel=1e-9)


def test_solve_says_where_there_is_no_one_answer() -> None:
    assert not solve([[1.0, 2.0], [2.0, 4.0]], [[1.0], [2.0]], 2)
    assert not solve([[0.0]], [[1.0]], 1)


def vector_autoregression(seed: int, count: int) -> tuple[Any, Any]:
    """x persists, r answers x by .7 at once and .2 later, and reverts by .3."""
    dice = np.random.Generator(np.random.PCG64(seed))
    u, w = dice.normal(0, 1, count), dice.normal(0, 1, count)
    r, x = np.zeros(count), np.zeros(count)
    for t in range(1, count):
        x[t] = 0.4 * x[t - 1] + w[t]
        r[t] = -0.3 * r[t - 1] + 0.7 * x[t] + 0.2 * x[t - 1] + u[t]
    return r, x


def test_hasbroucks_impact_of_a_known_process() -> None:
    """In the end (.7 + .2) / (1 - .4) / (1 + .3); NumPy's least squares agree."""
    r, x = vector_autoregression(9, 4000)
    window, (rs, xs) = window_of(r.tolist(), x.tolist())
    lags, steps = 2, 40
    scratch = np.zeros((21, 21)), np.zeros((21, 1)), np.zeros((21, 1)), np.zeros((2, steps))
    found = hasbrouck_impact(window, rs, xs, lags, steps, *scratch)
    assert found == pytest.approx(0.9 / 0.6 / 1.3, abs=0.06)
    past = np.column_stack([r[1:-1], r[:-2], x[1:-1], x[:-2]])
    a1, a2, b1, b2, b0 = np.linalg.lstsq(np.column_stack([past, x[2:]]), r[2:], rcond=None)[0]
    c1, c2, d1, d2 = np.linalg.lstsq(past, x[2:], rcond=None)[0]
    answer_x, answer_r = [0.0, 0.0], [0.0, 0.0]
    for t in range(steps):
        shock = (
            c1 * answer_r[-1] + c2 * answer_r[-2] + d1 * answer_x[-1] + d2 * answer_x[-2] + (t == 0)
        )
        moved = (
            a1 * answer_r[-1]
            + a2 * answer_r[-2]
            + b0 * shock
            + b1 * answer_x[-1]
            + b2 * answer_x[-2]
        )
        answer_x.append(shock), answer_r.append(moved)
    assert found == pytest.approx(sum(answer_r), rel=1e-8)


def test_hasbroucks_impact_is_null_where_signs_never_change() -> None:
    window, (rs, xs) = window_of([0.0] * 40, [1.0] * 40)
    scratch = np.zeros((21, 21)), np.zeros((21, 1)), np.zeros((21, 1)), np.zeros((2, 5))
    assert math.isnan(hasbrouck_impact(window, rs, xs, 2, 5, *scratch))


def test_the_published_two_state_microprice() -> None:
    """reference/quant.md 3.2: G1 = -+.0833333, B all .5, so G* = G1."""
    stays = [[0.6, 0.2], [0.2, 0.6]]
    found = adjustments(
        stays, [-0.5 * 0.15 + 0.5 * 0.05, 0.5 * 0.15 - 0.5 * 0.05], [[0.1, 0.1], [0.1, 0.1]]
    )
    assert found == pytest.approx([-1 / 12, 1 / 12], rel=1e-12)


def one_tick_market(seed: int, count: int) -> list[tuple[int, int, int, int]]:
    """A spread of one tick; the mid moves to the thin side."""
    dice = np.random.Generator(np.random.PCG64(seed))
    bid, quotes = 1000, []
    for _ in range(count):
        qb, qa = (int(each) for each in dice.integers(1, 10, 2))
        quotes.append((bid, qb, bid + 1, qa))
        if dice.uniform() < 0.2:
            bid += 1 if dice.uniform() < qb / (qb + qa) else -1
    return quotes


def test_a_table_from_history_predicts_the_next_move_and_is_antisymmetric() -> None:
    table = microprice_table(one_tick_market(4, 12_000), 2, 1, 1)
    assert table[0] == pytest.approx(-table[1], abs=1e-9)
    assert table[1] > 0.02
    thick = microprice(1000, 9, 1001, 1, table, 1, 1)
    assert thick == 1000.5 + table[1]
    assert microprice(1000, 1, 1001, 9, table, 1, 1) == 1000.5 + table[0]
    assert math.isnan(microprice(1000, 1, 1002, 9, table, 1, 1))
    assert math.isnan(microprice(1000, 0, 1001, 9, table, 1, 1))


def test_a_microprice_is_a_martingale() -> None:
    """Next change of the micro-price, on other data: mean 0 from either state."""
    table = microprice_table(one_tick_market(4, 12_000), 2, 1, 1)
    micro = np.array([microprice(*quote, table, 1, 1) for quote in one_tick_market(11, 8_000)])
    high = np.array([quote[1] >= quote[3] for quote in one_tick_market(11, 8_000)])[:-1]
    change = np.diff(micro)
    for of_state in (change[high], change[~high]):
        assert abs(of_state.mean()) < 4 * of_state.std() / math.sqrt(len(of_state))


def test_history_that_misses_a_state_makes_no_table() -> None:
    with pytest.raises(NoMicroprice, match="states never came"):
        microprice_table(one_tick_market(1, 100), 2, 2, 1)
    with pytest.raises(NoMicroprice, match="never moved"):
        adjustments([[1.0]], [0.0], [[0.0]])


def test_nothing_is_said_before_a_window_is_full() -> None:
    window = SimpleNamespace(period=8, count=0, oldest=0)
    values, others = [0.0] * 8, [0.0] * 8
    scratch = np.zeros((21, 21)), np.zeros((21, 1)), np.zeros((21, 1)), np.zeros((2, 5))
    for value in (1.0, -2.0, 3.0, -1.0, 2.0, 5.0, -3.0):
        window_push(window, values, value)
        assert all(map(math.isnan, line_through(window, values, others)))
        assert math.isnan(roll.roll_spread(window, values, 1))
        assert math.isnan(variance_ratio(window, values, 2))
        assert math.isnan(hasbrouck_impact(window, values, others, 1, 5, *scratch))
