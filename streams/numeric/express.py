"""What the compiled twins of the order side share: the table of open orders, the log of closed ones, amounts that fit 64 bits.

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
TRADES_MAX = 32
"""Fills of one order; with more the ledgers act."""
CLOSED_MAX = 4096
"""Orders ended, or approved, between two times the state is taken back."""
FIELDS = (
    "high", "low", "side", "order_type", "time_in_force", "quantity", "price", "status", "filled", "accepted",
    "reserved_leaves", "worst_price", "fee_bound", "trades",
)  # fmt: skip
HIGH, LOW, SIDE, ORDER_TYPE, TIME_IN_FORCE, QUANTITY, PRICE, STATUS, FILLED, ACCEPTED = range(10)
RESERVED_LEAVES, WORST_PRICE, FEE_BOUND, TRADES = range(10, len(FIELDS))
"""Columns of an order: what routing knows of it; what risk holds as working; the money that risk holds for it; its number of fills."""
FIRST_TRADE = len(FIELDS)
COLUMNS = FIRST_TRADE + 2 * TRADES_MAX
"""After them (venue trade id, quantity) of each fill."""

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
def copy(order: Any, target: Any) -> None:
    """Copy an order and its fills; what lies behind them in its row means nothing."""
    for column in range(FIRST_TRADE + 2 * order[TRADES]):
        target[column] = order[column]


@step_kernel
def remove(orders: Any, count: Any, place: Any) -> None:
    """Take an order out; those behind it move up, so that they stay in the order they came."""
    for at in range(place, count - 1):
        copy(orders[at + 1], orders[at])
