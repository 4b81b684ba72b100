"""The 128-bit integers of compiled code, and the one rounding of money, against Python's
integers."""

from __future__ import annotations

import doctest
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.numeric import int128
from streams.numeric.borrowing import borrowing_kernel
from streams.numeric.fixed import divide_down, divide_half_even
from streams.numeric.int128 import (
    TOP,
    high,
    is_decimal,
    is_exact,
    is_int64,
    join,
    larger,
    low,
    narrow,
    share,
    smaller,
    wide,
)

EDGES = (
    0,
    1,
    -1,
    2**62,
    2**63 - 1,
    -(2**63),
    2**64,
    2**64 - 1,
    10**38 - 1,
    10**38,
    -(10**38),
    TOP,
    TOP - 1,
    -TOP,
)
amount = st.one_of(st.integers(-TOP, TOP), st.sampled_from(EDGES), st.integers(-(10**12), 10**12))
word = st.one_of(st.integers(-(2**63) + 1, 2**63 - 1), st.integers(-100, 100))


@borrowing_kernel
def _store(out: Any, place: Any, value: Any) -> None:
    out[place, 0] = high(value)
    out[place, 1] = np.int64(low(value))


@borrowing_kernel
def _all(a_high: Any, a_low: Any, b_high: Any, b_low: Any, n: Any, out: Any) -> Any:
    """Every operation of two amounts and an int64; returns the comparisons and predicates as
    bits.
    """
    a, b = join(a_high, a_low), join(b_high, b_low)
    total = a
    total += n
    rest = a
    rest -= b
    product = a
    product *= n
    _store(out, 0, a + b)
    _store(out, 1, a - b)
    _store(out, 2, a * b)
    _store(out, 3, -a)
    _store(out, 4, abs(a))
    _store(out, 5, total)
    _store(out, 6, rest)
    _store(out, 7, product)
    _store(out, 8, wide(n) * n)
    _store(out, 9, n - a)
    _store(out, 10, smaller(a, b))
    _store(out, 11, larger(a, b))
    bits = (a < b) | (a <= b) << 1 | (a > b) << 2 | (a >= b) << 3 | (a == b) << 4 | (a != b) << 5
    return bits | (a > n) << 6 | is_decimal(a) << 7 | is_int64(a) << 8 | is_exact(a) << 9


def _cut(value: int) -> int:
    return max(-TOP, min(TOP, value))


@settings(max_examples=400, deadline=None)
@given(amount, amount, word)
def test_should_be_pythons_integers_cut_to_127_bits(a: int, b: int, n: int) -> None:
    """Oracle: Python's integers, sums and products cut to -TOP .. TOP."""
    out = np.zeros((12, 2), np.int64)
    bits = _all(a >> 64, np.uint64(a & (2**64 - 1)), b >> 64, np.uint64(b & (2**64 - 1)), n, out)
    found = [(int(upper) << 64) + (int(lower) & (2**64 - 1)) for upper, lower in out]
    assert found == [
        _cut(each) for each in (a + b, a - b, a * b, -a, abs(a), a + n, a - b, a * n, n * n, n - a)
    ] + [min(a, b), max(a, b)]
    checks = (
        a < b,
        a <= b,
        a > b,
        a >= b,
        a == b,
        a != b,
        a > n,
        abs(a) < 10**38,
        abs(a) < 2**63,
        abs(a) < TOP,
    )
    assert bits == sum(bool(check) << place for place, check in enumerate(checks))
    plain = (is_decimal(a), is_int64(a), is_exact(a), join(high(a), low(a)), wide(a), narrow(a))
    assert plain == (*map(bool, checks[7:]), a, a, a)


@borrowing_kernel
def _share(a_high: Any, a_low: Any, part: Any, whole: Any, out: Any) -> None:
    _store(out, 0, share(join(a_high, a_low), part, whole))


@settings(max_examples=400, deadline=None)
@given(
    st.one_of(st.integers(1 - 10**38, 10**38 - 1), st.integers(-(10**6), 10**6)),
    st.one_of(st.integers(1, 2**63 - 1), st.integers(1, 50)),
    st.data(),
)
def test_should_share_an_amount_half_even_and_exactly(
    a: int, whole: int, data: st.DataObject
) -> None:
    """Oracle: ``fixed.divide_half_even``, of integers without end: the product may have 190
    bits. Ties are drawn, too.
    """
    part = data.draw(
        st.one_of(
            st.integers(0, whole), st.sampled_from(sorted({0, whole, whole // 2, (whole + 1) // 2}))
        )
    )
    out = np.zeros((1, 2), np.int64)
    _share(a >> 64, np.uint64(a & (2**64 - 1)), part, whole, out)
    expected = divide_half_even(a * part, whole)
    assert (
        (int(out[0, 0]) << 64) + (int(out[0, 1]) & (2**64 - 1)) == expected == share(a, part, whole)
    )


@borrowing_kernel
def _divide_down(a_high: Any, a_low: Any, divisor: Any, out: Any) -> None:
    _store(out, 0, divide_down(join(a_high, a_low), divisor))


@settings(max_examples=300, deadline=None)
@given(
    st.one_of(st.integers(1 - 10**38, 10**38 - 1), st.integers(-(10**6), 10**6)),
    st.one_of(st.integers(1, 2**63 - 1), st.integers(1, 50)),
    st.integers(-1, 1),
)
def test_should_divide_down(a: int, divisor: int, near: int) -> None:
    """Oracle: Python's floor division; multiples and their neighbours are drawn, too."""
    for each in (a, a // divisor * divisor + near):
        out = np.zeros((1, 2), np.int64)
        if abs(each) < 10**38:
            _divide_down(each >> 64, np.uint64(each & (2**64 - 1)), divisor, out)
            found = (int(out[0, 0]) << 64) + (int(out[0, 1]) & (2**64 - 1))
            assert found == each // divisor == divide_down(each, divisor)


def test_ties_of_large_amounts_should_go_to_even() -> None:
    """By hand: (2k + 1) / 2 with k even and odd, both signs, and products beyond 127 bits."""
    out = np.zeros((1, 2), np.int64)
    for a in (2**100 + 1, 2**100 + 3, -(2**100) - 1, -(2**100) - 3):
        for whole in (2, 2**62):
            _share(a >> 64, np.uint64(a & (2**64 - 1)), whole // 2, whole, out)
            assert (int(out[0, 0]) << 64) + (int(out[0, 1]) & (2**64 - 1)) == divide_half_even(a, 2)


def test_should_run_the_examples() -> None:
    """Oracle: the examples, worked by hand."""
    assert doctest.testmod(int128).failed == 0
