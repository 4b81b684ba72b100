"""Average cost of one position: open, add, reduce, flip (reference/quant.md 7).

A position is a signed quantity and its *exact signed total cost*: positive for longs, negative for
shorts, never an average price. A reduce releases ``round_half_even(cost * closed / held)``, rounded
once; what stays keeps the residue, so nothing leaks out of the basis: the cost released over the
whole life of a position is the cost put in. Long and short are mirror images, digit for digit.

The reference vector, average cost (+225, then -75; FIFO would say +250, -100; both total +150):

>>> quantity, cost, gain = add(0, 0, 10, 10 * 100)                   # buy 10 @ 100
>>> quantity, cost, gain = add(quantity, cost, 10, 10 * 110)         # buy 10 @ 110
>>> quantity, cost
(20, 2100)
>>> quantity, cost, gain = reduce(quantity, cost, -15, 15 * 120)     # sell 15 @ 120
>>> quantity, cost, gain
(5, 525, 225)
>>> reduce(quantity, cost, -5, 5 * 90)                               # sell 5 @ 90
(0, 0, -75)

A flip is two entries: close all, then open the rest at the fill price. Long 5 @ 80, sell 10 @ 90:

>>> reduce(5, 400, -5, 5 * 90)                                       # the first entry closes
(0, 0, 50)
>>> add(0, 0, -5, 5 * 90)                                            # the second opens short 5 @ 90
(-5, -450, 0)
>>> reduce(-5, -450, 5, 5 * 80)  # covered at 80: a short gains when the price falls
(0, 0, 50)

Python stages call the functions with Python's integers, compiled stages with wide ones
(``int128.py``), whose callers check that what comes out has at most 38 digits.

A cost that does not divide: 10 lots cost 101; each third keeps its residue and the last one takes
what is left.

>>> reduce(3, 10, -1, 5)                                             # 10/3 rounds to 3
(2, 7, 2)
>>> reduce(2, 7, -1, 5)                                              # 7/2 rounds half to even: 4
(1, 3, 1)
>>> reduce(1, 3, -1, 5)
(0, 0, 2)
"""

from __future__ import annotations

from typing import Any

from streams.numeric.int128 import share, wide
from streams.numeric.shared import shared_step


@shared_step
def add(held: int, cost: int, signed_quantity: int, notional: int) -> tuple[int, int, int]:
    """(quantity, cost, realized) after opening or increasing: `signed_quantity` has the sign of
    `held`, `notional` is positive.
    """
    return (
        held + signed_quantity,
        cost + notional if signed_quantity > 0 else cost - notional,
        wide(0),
    )


@shared_step
def reduce(held: int, cost: int, signed_quantity: int, notional: int) -> tuple[int, int, int]:
    """(quantity, cost, realized) after closing part or all: `signed_quantity` is opposite to `held`
    and not larger.
    """
    if signed_quantity + held == 0:
        released = cost
    else:
        released = share(cost, abs(signed_quantity), abs(held))
    proceeds = notional if signed_quantity < 0 else -notional
    return held + signed_quantity, cost - released, proceeds - released


@shared_step
def average_price(cost: Any, held: Any, multiplier: Any) -> Any:
    """Price at which a position was entered on average, rounded half to even; 0 for a flat one.
    ``held * multiplier`` fits int64.

    >>> average_price(-225, -2, 1), average_price(225, 2, 1), average_price(0, 0, 1)
    (112, 112, 0)
    """
    if held == 0:
        return wide(0)
    return share(cost if held > 0 else -cost, 1, abs(held) * multiplier)
