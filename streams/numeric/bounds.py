"""How large a number in compiled code may be, and what happens where it would be larger.

Prices, quantities and counts come as int64. A sum of them that can leave int64 is kept in two limbs
(``wide.py``) and published twice: exact in a wide decimal field, and in the older int64 field as
``INT64_MAX`` with the flag OVERFLOW where it does not fit. Amounts beyond the 38 digits of a
decimal are a fault that ends the run with :class:`schemas.errors.AmountTooLarge`. Everything else
stays below 2^63 by the bounds here; ``tests/numeric/test_integer_bounds.py`` evaluates them for
every sum, difference and product of integers in a kernel.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from streams.numeric import wide
from streams.numeric.borrowing import inlined_kernel

INT64_MAX = (1 << 63) - 1
INT32_MAX = (1 << 31) - 1
PRICE_MAX = (1 << 62) - 1
"""Largest size of a price: a sum of two fits int64. A trade beyond is a dead letter, a depth update
beyond is refused by the book.
"""
QUANTITY_MAX = INT64_MAX
"""Largest quantity of a record."""
INPUTS_MAX = 1 << 48
"""Records a journal takes: ids have 48 bits for them."""
COUNT_MAX = 1 << 62
"""Where counts of a venue's trades stop: no feed reaches it, a record that claims two thousand
million trades a line might.
"""
TIME_MAX = 1 << 62
"""Latest event time of a record that reaches a stage (``streams/runtime/order/row_validation.py``).
"""


@inlined_kernel
def saturated(high: Any, low: Any) -> Any:
    """The value of two limbs where it fits int64, else INT64_MAX with its sign."""
    if wide.fits_int64(high, low):
        return np.int64(low)
    return -INT64_MAX if high < 0 else INT64_MAX


@inlined_kernel
def add_count(total: Any, more: Any) -> Any:
    """total + more, a count of at least 0 that stops at COUNT_MAX."""
    return min(total + max(np.int64(more), 0), COUNT_MAX)
