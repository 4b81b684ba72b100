"""Bulk volume classes and what VPIN is under noise. Oracles: SciPy, every sequence of signs."""

from __future__ import annotations

import math
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some
from scipy import integrate, stats

from streams.numeric.measures import bulk
from streams.numeric.measures.vpin_null import vpin_null_of_bars, vpin_null_of_signs

finite = some.floats(-1e6, 1e6).map(lambda x: round(x, 3))


@settings(max_examples=60, deadline=None)
@given(volume=some.integers(0, 2**63 - 1), change=finite, sigma=some.floats(0, 1e3))
def test_bulk_classes_share_out_a_volume_exactly(volume: int, change: float, sigma: float) -> None:
    share = bulk.bought_share(change, sigma)
    bought = bulk.bulk_bought(volume, share)
    assert 0 <= bought <= volume
    assert bought == volume * share >> 31 or abs(bought - (volume * share >> 31)) <= 1
    if sigma == 0.0:
        assert share == 1 << 30
    elif abs(change / sigma) < 1e300:
        assert share / 2**31 == pytest.approx(stats.norm.cdf(change / sigma), abs=2**-31)


@pytest.mark.parametrize("trades", range(1, 12))
def test_the_null_of_signs_equals_all_sequences(trades: int) -> None:
    every = sum(abs(sum(signs)) for signs in product((-1, 1), repeat=trades))
    assert vpin_null_of_signs(trades) == pytest.approx(every / 2**trades / trades, rel=1e-14)


@pytest.mark.parametrize("trades", [65, 66, 1001])
def test_the_null_of_many_signs_equals_the_closed_form(trades: int) -> None:
    exact = math.comb(trades - 1, (trades - 1) // 2) / 2 ** (trades - 1)
    assert vpin_null_of_signs(trades) == pytest.approx(exact, abs=1e-6)


def irwin_hall(bars: int) -> float:
    """E|u_1 + ... + u_k| / k by the characteristic function, (sin t / t)^k, in SciPy."""
    found, _ = integrate.quad(lambda t: (1 - np.sinc(t / np.pi) ** bars) / t**2, 0, 200, limit=2000)
    return 2 / math.pi * (found + 1 / 200) / bars


@pytest.mark.parametrize("bars", [1, 2, 3, 10, 20, 21, 50])
def test_the_null_of_bulk_bars_equals_another_method(bars: int) -> None:
    assert vpin_null_of_bars(bars) == pytest.approx(
        irwin_hall(bars), abs=3e-6 if bars > 1 else 1e-4
    )


def test_the_null_of_bulk_bars_has_the_values_of_the_handbook() -> None:
    """reference/quant.md 2.3: .50, .33, .146, .065."""
    assert vpin_null_of_bars(1) == 0.5
    assert vpin_null_of_bars(2) == pytest.approx(1 / 3, rel=1e-15)
    assert [round(vpin_null_of_bars(k), 3) for k in (10, 50)] == [0.146, 0.065]


def test_bulk_bars_of_noise_have_the_null_as_their_mean() -> None:
    changes = np.random.Generator(np.random.PCG64(2)).normal(0, 1, (4000, 2))
    shares = [
        [bulk.bulk_bought(1000, bulk.bought_share(each, 1.0)) for each in bucket]
        for bucket in changes.tolist()
    ]
    vpin = np.mean([abs(2 * sum(bought) - 2000) / 2000 for bought in shares])
    assert vpin == pytest.approx(1 / 3, abs=0.012)
