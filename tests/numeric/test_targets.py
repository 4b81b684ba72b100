"""The rules of targets: exact in plain Python (oracle: fractions), and the same in a kernel."""

from __future__ import annotations

from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st

from schemas.kernel import kernel
from streams.numeric.bounds import INT64_MAX
from streams.numeric.int128 import high, join, low
from streams.numeric.targets import SHARE_UNIT, missing_quantity, part_of, quantity_worth

WORD = st.integers(-INT64_MAX, INT64_MAX)
LOT = st.one_of(st.integers(1, 1_000), st.integers(1, INT64_MAX))
AMOUNT = st.one_of(st.integers(-(10**12), 10**12), st.integers(-(10**37), 10**37))


class Specification(NamedTuple):
    lot_size: int
    multiplier: int


@kernel
def compiled_missing(target_high: int, target_low: int, held: int, working: int, lot: int) -> Any:
    return missing_quantity(join(target_high, target_low), held, working, lot)


@kernel
def compiled_worth(
    value_high: int, value_low: int, price: int, finer: int, specification: Specification
) -> Any:
    found = quantity_worth(join(value_high, value_low), price, finer, specification)
    return high(found), low(found)


@kernel
def compiled_part(amount_high: int, amount_low: int, parts: int) -> Any:
    found = part_of(join(amount_high, amount_low), parts)
    return high(found), low(found)


def limbs(value: int) -> tuple[Any, Any]:
    return np.int64(high(value)), np.uint64(low(value))


def towards_zero(value: Fraction) -> int:
    return int(value)  # a Fraction's is


@settings(max_examples=300, deadline=None)
@given(AMOUNT, WORD, WORD, LOT)
@example(10**37, -INT64_MAX, -INT64_MAX, 7)
def test_what_is_missing_is_of_whole_lots_towards_zero(
    target: int, held: int, working: int, lot: int
) -> None:
    missing = towards_zero(Fraction(target - held - working, lot)) * lot
    most = INT64_MAX // lot * lot
    expected = max(-most, min(most, missing))
    assert missing_quantity(target, held, working, lot) == expected
    assert compiled_missing(*limbs(target), held, working, lot) == expected


@settings(max_examples=300, deadline=None)
@given(AMOUNT, st.integers(1, INT64_MAX), st.integers(1, 1_000), st.integers(0, 10), LOT)
def test_a_quantity_is_worth_the_value_or_less(
    value: int, price: int, multiplier: int, finer: int, lot: int
) -> None:
    known = Specification(lot, multiplier)
    expected = towards_zero(Fraction(value, price * multiplier * 10**finer * lot)) * lot
    assert quantity_worth(value, price, finer, known) == expected
    assert join(*compiled_worth(*limbs(value), price, finer, known)) == expected


@settings(max_examples=300, deadline=None)
@given(
    st.one_of(st.integers(-(10**12), 10**12), st.integers(-(10**30), 10**30)),
    st.one_of(st.integers(-SHARE_UNIT, SHARE_UNIT), st.integers(-(10**15), 10**15)),
)
def test_a_part_is_towards_zero(amount: int, parts: int) -> None:
    expected = towards_zero(Fraction(amount * parts, SHARE_UNIT))
    assert part_of(amount, parts) == expected
    assert join(*compiled_part(*limbs(amount), parts)) == expected
