"""What the compiled twins of the order side share: the table of open orders, amounts that fit 64 bits.

A ledger may have a twin: a module ``express.py`` beside its stage with a row of its state (``STATE``), ``lend(ledger, row, ...)`` that copies the
ledger's state into the row or says no, ``take_back`` that copies it back, and compiled steps that do to the row what the ledger's handlers do to its
state in the common case. A step that is not the common case is left to the ledger, before anything was changed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from streams.numeric.borrowing import borrowing_kernel

ORDERS_MAX = 64
"""Open orders; with more the ledgers act."""
REQUESTS_MAX = 4096
"""Orders approved between two times the state is taken back."""
FIELDS = ("high", "low", "side", "reserved_leaves", "worst_price", "fee_bound")
HIGH, LOW, SIDE, RESERVED_LEAVES, WORST_PRICE, FEE_BOUND = range(len(FIELDS))
"""Columns of an order: what risk holds as working, and the money that it holds for it."""
COLUMNS = len(FIELDS)

AMOUNT_MAX = 1 << 60
"""Amounts and their products stay below; beyond, the ledgers act, whose integers have no end."""


def row_type(integers: str, floats: str = "") -> np.dtype[Any]:
    """Dtype of a row of int64 and float64 fields, named with blanks between."""
    return np.dtype([(name, "i8") for name in integers.split()] + [(name, "f8") for name in floats.split()])


def is_small(amount: Any) -> bool:
    """True for an amount of a ledger's state that a row can hold."""
    return isinstance(amount, int) and -AMOUNT_MAX < amount < AMOUNT_MAX


def step_kernel(function: Callable[..., Any]) -> Any:
    """A step of a twin."""
    return borrowing_kernel(function)


@step_kernel
def fits(a: Any, b: Any) -> Any:
    """True if the product is below AMOUNT_MAX."""
    return abs(np.float64(a) * np.float64(b)) < 1.15e18


@step_kernel
def divide_half_even(numerator: Any, denominator: Any) -> Any:
    """``fixed.divide_half_even`` for a denominator above 0."""
    size = abs(numerator)
    quotient = size // denominator
    remainder = size - quotient * denominator
    if 2 * remainder > denominator or (2 * remainder == denominator and quotient & 1):
        quotient += 1
    return quotient if numerator >= 0 else -quotient


@step_kernel
def find(orders: Any, count: Any, high: Any, low: Any) -> Any:
    """Place of the open order with this id, -1 if there is none; the latest is looked at first."""
    for place in range(count - 1, -1, -1):
        if orders[place, LOW] == low and orders[place, HIGH] == high:
            return place
    return -1


@step_kernel
def remove(orders: Any, count: Any, place: Any) -> None:
    """Take an order out; those behind it move up, so that they stay in the order they came."""
    for at in range(place, count - 1):
        for column in range(COLUMNS):
            orders[at, column] = orders[at + 1, column]
