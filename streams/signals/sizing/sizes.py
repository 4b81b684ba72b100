"""How large a position is wanted: the default size, the smallest one, and a size times a strength.

Steps for kernels and plain Python; ``listed`` is an instrument's row.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from streams.numeric.bounds import QUANTITY_MAX
from streams.numeric.int128 import join, narrow, quotient, quotient_up, wide
from streams.numeric.shared import shared_step

STRENGTH_UNIT = 1_000_000_000


@shared_step
def scaled(size: Any, strength: Any) -> Any:
    """size x strength rounded down, as a wide integer; the strength, at most 1000, is taken to 9
    decimals: 10 x 0.6 is 6, although the float 0.6 lies just below.

    The product is made of parts that fit 64 bits, so that nothing wide is divided.
    """
    billionths = int(np.rint(strength * STRENGTH_UNIT))  # half to even, as Python's round
    whole, part = billionths // STRENGTH_UNIT, billionths % STRENGTH_UNIT
    units, rest = size // STRENGTH_UNIT, size % STRENGTH_UNIT
    return wide(size) * whole + wide(units) * part + rest * part // STRENGTH_UNIT


@shared_step
def smallest_size(listed: Any, price: Any) -> Any:
    """The smallest size safely tradable, as a wide integer: the minimum quantity and, at `price`,
    twice the minimum notional, rounded up to the lot.

    Twice, so that the position can still be closed after the price has halved.
    """
    size = wide(max(listed.minimum_quantity, listed.lot_size))
    if price > 0:
        notional = join(listed.minimum_notional_high, listed.minimum_notional_low)
        whole = quotient(notional, price)
        twice = whole * 2 + quotient_up((notional - whole * price) * 2, price)
        needed = quotient_up(twice, listed.multiplier)
        if needed > size:
            size = needed
    return quotient_up(size, listed.lot_size) * listed.lot_size


@shared_step
def default_size(listed: Any, price: Any) -> Any:
    """What `stake` buys at `price`, rounded down to the lot, between the smallest size and the
    instrument's largest order; int64.
    """
    stake = join(listed.stake_high, listed.stake_low)
    size = quotient(quotient(stake, price), listed.multiplier)
    size = quotient(size, listed.lot_size) * listed.lot_size
    smallest = smallest_size(listed, price)
    if smallest > size:
        size = smallest
    if listed.maximum_quantity > 0 and size > listed.maximum_quantity:
        size = wide(listed.maximum_quantity - listed.maximum_quantity % listed.lot_size)
    return within_64_bits(size, listed.lot_size)


@shared_step
def within_64_bits(size: Any, lot_size: Any) -> Any:
    """A multiple of the lot as int64, at most the largest there is."""
    if size > QUANTITY_MAX:
        return QUANTITY_MAX - QUANTITY_MAX % lot_size
    return narrow(size)
