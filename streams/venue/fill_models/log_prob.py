"""The log-probability fill model: a cancellation is shared out between those ahead of us and those
behind us, by the logarithms of their quantities.

hftbacktest's ``LogProbQueueModel``, with its positions: after E. Rigtorp, "Estimating order queue
position" (2013), the part of a cancellation that was behind us is
f(behind) / (f(behind) + f(ahead)), with f(x) = ln(1 + x) and quantities in base units. A model with
another probability is a file that defines `probability` and imports the rest (``log_prob_2.py``).

A position is an estimate, so it is a double, made by hftbacktest's operations in its order with a
logarithm of our own (decision 50). What fills is counted in whole lots.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from streams.numeric import elementary
from streams.numeric.borrowing import inlined_kernel, inner_kernel

ORDER_FIELDS: list[tuple[str, str]] = [("front", "f8")]
"""Quantity of others ahead of the order, in base units; below 0 where more of a cancellation is
taken to be ahead than was there."""
MARKET_FIELDS: list[tuple[str, str]] = [("base_unit", "f8"), ("lot", "f8")]
"""Units of quantity in one base unit; the lot in base units."""
SETTINGS_FIELDS: list[tuple[str, str]] = []
PARAMETERS: dict[str, int] = {}
FOLLOWS_REPEATS = True
"""An update with the size as before says that what printed there was replaced behind us."""

LOTS_MAX = 2.0**62


def prepare(settings: Any, market: Any, instrument: Any, parameters: Any) -> None:
    """Quantities are compared in base units, as ln(1 + x) needs them."""
    market["base_unit"] = 10.0**instrument.quantity_precision
    market["lot"] = instrument.lot_size / 10.0**instrument.quantity_precision


@inlined_kernel
def join(state: Any, level: Any, order: Any) -> None:
    """Behind all that is displayed."""
    order.front = np.float64(level.displayed) / state.markets[level.slot].base_unit


@inner_kernel
def print_at(state: Any, level: Any, order: Any, quantity: int, left: int, others: int) -> Any:
    """The print goes to those ahead; what is more than they have fills us, in whole lots."""
    market = state.markets[level.slot]
    order.front -= (np.float64(others) + np.float64(left)) / market.base_unit
    lots = nearest(-order.front / market.lot)
    if lots <= 0:
        return left
    order.front = 0.0
    return 0 if lots > left // market.lot_size else left - lots * market.lot_size


@inlined_kernel
def print_through(state: Any, level: Any, order: Any) -> None:
    """Nobody is ahead any more."""
    order.front = 0.0


@inner_kernel
def size_changed(state: Any, level: Any, order: Any, new: int, traded: int) -> None:
    """A net decrease is cancellation, a part of it ahead of us; at most ``new`` can be."""
    base_unit = state.markets[level.slot].base_unit
    size = np.float64(new) / base_unit
    decrease = level.displayed - new
    if decrease < traded:
        order.front = min(order.front, size)
        return
    cancelled = np.float64(decrease - traded) / base_unit
    behind = np.float64(level.displayed) / base_unit - order.front
    order.front = ahead_after(
        order.front,
        behind,
        cancelled,
        size,
        state.fill_model.probability(state, order.front, behind),
    )


@inlined_kernel
def probability(state: Any, front: float, behind: float) -> Any:
    """Of a cancellation, the part that was behind us; ``front`` is ahead of us."""
    weight = elementary.log(1.0 + behind)
    return ratio(weight, weight + elementary.log(1.0 + front))


@inlined_kernel
def ratio(part: float, whole: float) -> Any:
    """``part`` of ``whole``; all of it where the whole is zero."""
    return part / whole if whole != 0.0 else 1.0


@inlined_kernel
def ahead_after(
    front: float, behind: float, cancelled: float, size: float, is_behind: float
) -> Any:
    """Quantity ahead after ``cancelled`` of the level was, to the part ``is_behind``, behind us.

    What those behind us do not have was ahead. A probability that is no number (the logarithm of
    less than 0, where the position is below -1) puts us last, as there.
    """
    estimate = front - (1.0 - is_behind) * cancelled + min(behind - is_behind * cancelled, 0.0)
    return estimate if estimate < size else size


@inlined_kernel
def nearest(value: float) -> Any:
    """The nearest whole number, halves upwards, at most 2^62."""
    bounded = min(value, LOTS_MAX)
    whole = math.floor(bounded)
    return np.int64(whole) + (1 if bounded - whole >= 0.5 else 0)
