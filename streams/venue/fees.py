"""Fees: exact integers, rounded half to even once per fill."""

from __future__ import annotations

from typing import Any

from streams.numeric import wide
from streams.numeric.borrowing import inlined_kernel

RATE_SCALE = 100_000_000
"""Fee rates are integers in units of 1e-8 of the notional: one basis point is 10_000."""
_SPLIT = 2 * RATE_SCALE


@inlined_kernel
def fee(price: int, quantity: int, rate: int) -> Any:
    """price * quantity * rate / 1e8 rounded half to even, as two limbs (high, low) in units
    10^-(price_precision + quantity_precision).

    ``price`` > 0, ``quantity`` > 0, ``|rate|`` <= 1e8; a negative rate gives a rebate, a negative
    fee. The product of all three can exceed 128 bits, so the price is split: with price = 2e8 * a +
    b the fee is 2 * a * rate * quantity, an even integer, plus b * rate * quantity / 1e8; rounding
    the second half to even rounds the sum half to even.
    """
    whole_high, whole_low = wide.mul(2 * (price // _SPLIT) * rate, quantity)
    part_high, part_low = wide.mul(price % _SPLIT * rate, quantity)
    rounded_high, rounded_low = wide.div_half_even(part_high, part_low, RATE_SCALE)
    return wide.add(whole_high, whole_low, rounded_high, rounded_low)
