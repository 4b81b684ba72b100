"""Volume-weighted average price since a session began, summed exactly.

price * quantity does not fit 64 bits, and a float sum would depend on its history. So both are cut
into halves of 31 bits, and the sum of products is kept as ``high * 2^62 + middle * 2^31 + low`` in
integers, which kernels and plain Python have alike.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from streams.numeric.shared import shared_step

NAN = math.nan
BITS = 31
LOW_BITS = (1 << BITS) - 1
TOO_LARGE = 1 << 62
"""Prices, quantities and their sum lie below it."""

VWAP = np.dtype([(name, np.int64) for name in ("session", "high", "middle", "low", "volume")])


def new_vwap(rows: int) -> Any:
    """Averages without a trade, one for each instrument."""
    return np.zeros(rows, VWAP)


@shared_step
def vwap_update(vwap: Any, session: Any, price: Any, quantity: Any) -> Any:
    """Take a trade; the average price of its session, in the price's unit.

    Args:
        session: a number that changes when the average starts anew: ``session_day(...)``.
        price, quantity: integers, as records have them. A quantity of 0 or less, and what would
        leave 62 bits, changes nothing; the answer to it is nan.
    """
    if session != vwap.session:
        vwap.session = session
        vwap.high = vwap.middle = vwap.low = vwap.volume = 0
    if (
        quantity <= 0
        or quantity >= TOO_LARGE - vwap.volume
        or price >= TOO_LARGE
        or price <= -TOO_LARGE
    ):
        return NAN
    price_high, price_low = price >> BITS, price & LOW_BITS
    quantity_high, quantity_low = quantity >> BITS, quantity & LOW_BITS
    units = vwap.low + price_low * quantity_low
    crossed = vwap.middle + price_low * quantity_high + (units >> BITS)
    crossed_more = (crossed & LOW_BITS) + price_high * quantity_low
    carried = (crossed >> BITS) + (crossed_more >> BITS)
    vwap.high = vwap.high + price_high * quantity_high + carried
    vwap.middle = crossed_more & LOW_BITS
    vwap.low = units & LOW_BITS
    vwap.volume += quantity
    return vwap_value(vwap)


@shared_step
def vwap_value(vwap: Any) -> Any:
    """The average price, within three units of the last place; nan before the first trade."""
    if vwap.volume == 0:
        return NAN
    total = (float(vwap.high) * 2147483648.0 + float(vwap.middle)) * 2147483648.0 + float(vwap.low)
    return total / float(vwap.volume)
