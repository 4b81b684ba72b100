"""128-bit arithmetic of kernels. Oracle: Python's integers and Fraction, on edges and at random."""

from __future__ import annotations

import itertools
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.numeric import wide

I64 = st.one_of(
    st.integers(-(1 << 63), (1 << 63) - 1), st.sampled_from([-(1 << 63), (1 << 63) - 1, -1, 0, 1])
)
I128 = st.one_of(st.integers(-(1 << 127), (1 << 127) - 1), I64, st.integers(-(1 << 66), 1 << 66))
PROPERTY = settings(max_examples=500, deadline=None, derandomize=True)
EDGES = [0, 1, -1, 2, (1 << 31) - 1, 1 << 32, -(1 << 32), (1 << 63) - 1, -(1 << 63), -(1 << 63) + 1]


def limbs(value: int):
    high, low = wide.from_int(value)
    return np.int64(high), np.uint64(low)


def wrapped(value: int) -> int:
    return (value + (1 << 127)) % (1 << 128) - (1 << 127)


def result(pair) -> int:
    high, low = pair
    assert isinstance(high, int)
    assert isinstance(low, int), "a float here means signed and unsigned were mixed"
    return wide.to_int(high, low)


@pytest.mark.parametrize(("a", "b"), list(itertools.product(EDGES, EDGES)))
def test_products_at_the_edges_of_int64(a, b):
    assert result(wide.mul(a, b)) == a * b


@PROPERTY
@given(I64, I64)
def test_any_product_is_exact(a, b):
    assert result(wide.mul(a, b)) == a * b


@PROPERTY
@given(I128, I128)
def test_sums_differences_and_order_are_pythons(a, b):
    assert result(wide.add(*limbs(a), *limbs(b))) == wrapped(a + b)
    assert result(wide.sub(*limbs(a), *limbs(b))) == wrapped(a - b)
    assert result(wide.negate(*limbs(a))) == wrapped(-a)
    assert wide.compare(*limbs(a), *limbs(b)) == (a > b) - (a < b)
    assert wide.compare(*limbs(a), *limbs(a)) == 0


@PROPERTY
@given(I128)
def test_doubles_are_near_and_symmetric(a):
    found = wide.to_float(*limbs(a))
    assert abs(Fraction(found) - a) <= abs(Fraction(a)) / (1 << 51)
    if -(1 << 63) <= a < 1 << 63:
        assert found == float(a)
    elif a != -(1 << 127):
        assert wide.to_float(*limbs(-a)) == -found


@PROPERTY
@given(I128, st.one_of(st.integers(1, (1 << 63) - 1), st.integers(1, 1 << 33)))
def test_any_quotient_rounds_half_even(a, divisor):
    assert result(wide.div_half_even(*limbs(a), divisor)) == round(Fraction(a, divisor))


@PROPERTY
@given(st.integers(-(1 << 60), 1 << 60), st.integers(1, (1 << 62) - 1).map(lambda half: 2 * half))
def test_ties_go_to_the_even_quotient(quotient, divisor):
    a = quotient * divisor + divisor // 2
    assert result(wide.div_half_even(*limbs(a), divisor)) == quotient + (quotient & 1)


@pytest.mark.parametrize(
    "divisor",
    [1, 2, 3, 10, 10**8, (1 << 32) - 1, 1 << 32, (1 << 32) + 1, (1 << 62) + 1, (1 << 63) - 1],
)
@pytest.mark.parametrize(
    "a",
    [
        *EDGES,
        (1 << 64) - 1,
        1 << 64,
        (1 << 127) - 1,
        -(1 << 127),
        (1 << 96) - 1,
        10**38 - 1,
        ((1 << 63) - 1) * ((1 << 63) - 2),
    ],
)
def test_quotients_at_the_edges(a, divisor):
    assert result(wide.div_half_even(*limbs(a), divisor)) == round(Fraction(a, divisor))


@PROPERTY
@given(I64)
def test_widening_and_back(a):
    assert result(wide.widen(a)) == a
    assert wide.fits_int64(*limbs(a))


@pytest.mark.parametrize(
    ("value", "fits"),
    [
        (0, True),
        ((1 << 63) - 1, True),
        (1 << 63, False),
        (-(1 << 63), True),
        (-(1 << 63) - 1, False),
        (1 << 64, False),
        (-(1 << 64), False),
    ],
)
def test_what_fits_in_64_bits(value, fits):
    assert wide.fits_int64(*limbs(value)) == fits


@pytest.mark.parametrize(
    ("value", "fits"),
    [(0, True), (10**38 - 1, True), (10**38, False), (10**38 + 1, False), (1 - 10**38, True),
     (-(10**38), False), (-(1 << 127), False),
     ((1 << 127) - 1, False), (1 << 64, True), (-1, True)],
)  # fmt: skip
def test_what_fits_in_38_digits(value, fits):
    assert wide.fits_decimal(*limbs(value)) == fits


@PROPERTY
@given(I128)
def test_limbs_and_integers_are_inverse(a):
    assert wide.to_int(*wide.from_int(a)) == a


@pytest.mark.parametrize("value", [1 << 127, -(1 << 127) - 1])
def test_values_beyond_128_bits_are_refused(value):
    with pytest.raises(OverflowError):
        wide.from_int(value)


def test_limbs_are_those_of_the_decimal_columns():
    """``x_high`` int64 and ``x_low`` uint64 side by side are the value's 16 little-endian two's
    complement bytes, low limb first.
    """
    for value in (5, -5, 10**37, -(10**37)):
        high, low = wide.from_int(value)
        assert np.array([low], "<u8").tobytes() + np.array(
            [high], "<i8"
        ).tobytes() == value.to_bytes(16, "little", signed=True)
