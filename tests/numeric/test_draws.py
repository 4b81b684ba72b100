"""Draws are functions of their numbers. Oracles: NumPy's own Philox, and chi-square bounds for what
is made of it.
"""

from __future__ import annotations

import numpy as np
import pytest

from schemas.kernel import kernel
from streams.numeric import draws

U = np.uint64


@pytest.mark.parametrize("number", range(50))
def test_philox_equals_numpys(number):
    random = np.random.default_rng(number)
    counter = random.integers(0, 1 << 64, 4, np.uint64)
    key = random.integers(0, 1 << 64, 2, np.uint64)
    if number == 0:
        counter[:], key[:] = 0, 0
    if number == 1:
        counter[:], key[:] = (1 << 64) - 1, (1 << 64) - 1
    peer = np.random.Philox(counter=counter, key=key)
    before = sum(int(word) << 64 * place for place, word in enumerate(counter))
    following = (before + 1) % (1 << 256)  # NumPy counts up before it draws
    words = [U(following >> 64 * place & (1 << 64) - 1) for place in range(4)]
    assert [int(word) for word in draws.philox(*words, *key)] == peer.random_raw(4).tolist()


def test_philox_gives_the_published_vector():
    """Random123 kat_vectors, philox4x64 10, all zero."""
    zero = U(0)
    assert [hex(int(word)) for word in draws.philox(*[zero] * 6)] == [
        "0x16554d9eca36314c", "0xdb20fe9d672d0fdc", "0xd7e772cee186176b", "0x7e68b68aec7ba23b",
    ]  # fmt: skip


@kernel
def many(first, count, limit, values, units):
    for i in range(count):
        values[i] = draws.below(limit, 7, 3, first + i, 0)
        units[i] = draws.uniform(7, 3, first + i, 1)


@pytest.mark.parametrize("limit", [1, 2, 7, 1000, 1 << 62])
def test_draws_are_in_range_and_even(limit):
    values, units = np.zeros(100_000, np.int64), np.zeros(100_000)
    many(0, len(values), limit, values, units)
    assert values.min() >= 0
    assert values.max() < limit
    cells = min(limit, 100)
    counts = np.bincount((values.astype(object) * cells // limit).astype(np.int64), minlength=cells)
    chi_square = ((counts - 1e5 / cells) ** 2 / (1e5 / cells)).sum()
    assert chi_square <= cells + 6 * np.sqrt(2 * cells)
    assert 0 <= units.min() < 1e-3
    assert 1 - 1e-3 < units.max() < 1
    assert abs(units.mean() - 0.5) < 5 / np.sqrt(12e5)


def test_a_draw_does_not_depend_on_the_draws_before_it():
    whole, units = np.zeros(1000, np.int64), np.zeros(1000)
    many(0, 1000, 1 << 40, whole, units)
    part, part_units = np.zeros(10, np.int64), np.zeros(10)
    many(500, 10, 1 << 40, part, part_units)
    assert part.tolist() == whole[500:510].tolist()
    assert part_units.tolist() == units[500:510].tolist()


def test_every_argument_matters():
    base = (1, 2, 3, 4)
    others = [
        tuple(value + (place == changed) for place, value in enumerate(base))
        for changed in range(4)
    ]
    assert len({int(draws.draw(*arguments)) for arguments in [base, *others]}) == 5


def test_negative_numbers_are_keys_too():
    assert int(draws.draw(-1, 0, 0, 0)) == int(draws.philox(*[U(0)] * 4, U((1 << 64) - 1), U(0))[0])
