"""How much to order to hold what a strategy wants to hold: the rules of targets, for strategies of
both kinds.

>>> missing_quantity(100, 30, 25, 10), missing_quantity(-100, 30, 0, 7)
(40, -126)
>>> part_of(-1, 500_000_000), part_of(7, 500_000_000), part_of(7, -500_000_000)
(0, 3, -3)
"""

from __future__ import annotations

from typing import Any

from streams.numeric.bounds import INT64_MAX
from streams.numeric.fixed import divide_down
from streams.numeric.int128 import is_int64, narrow, wide
from streams.numeric.mark import UNUSABLE, closing_price
from streams.numeric.shared import shared_step

SHARE_UNIT = 1_000_000_000
"""A share is taken to nine decimals."""
SHARE_MAX = 1_000_000.0
"""A larger one, of either sign, is refused."""


@shared_step
def missing_quantity(target: Any, held: Any, working: Any, lot_size: Any) -> Any:
    """Signed quantity to order: target less position less what open orders may still fill, in whole
    lots, towards zero; at most INT64_MAX.
    """
    missing = wide(target) - held - working
    lots = divide_down(abs(missing), lot_size) * lot_size
    size = narrow(lots) if is_int64(lots) else INT64_MAX - INT64_MAX % lot_size
    return size if missing > 0 else -size


@shared_step
def entry_price(value: Any, mark: Any) -> Any:
    """The price at which a position of this sign is entered, which is where one of the other sign
    is closed: longs at the ask, shorts at the bid; 0 where there is none.
    """
    if mark.flags & UNUSABLE:
        return 0
    return closing_price(-value, mark.bid_price, mark.ask_price)


@shared_step
def quantity_worth(value: Any, price: Any, finer: Any, specification: Any) -> Any:
    """The largest position in whole lots that is worth ``value`` (signed) or less at a price above
    0; wide.

    ``finer``: decimals that an account's amounts have beyond the instrument's. (A quotient rounded
    down may be divided on: floor(floor(v / a) / b) = floor(v / ab).)
    """
    size = divide_down(divide_down(abs(wide(value)), price), specification.multiplier)
    for _ in range(finer):
        size = divide_down(size, 10)
    size = divide_down(size, specification.lot_size) * specification.lot_size
    return size if value > 0 else -size


@shared_step
def is_share(share: Any) -> Any:
    """True if a target may be this share of the equity."""
    return abs(share) <= SHARE_MAX


@shared_step
def part_of(amount: Any, parts: Any) -> Any:
    """``amount * parts / SHARE_UNIT``, towards zero, with the sign of the product; wide."""
    size, count = abs(wide(amount)), abs(parts)
    whole = divide_down(size, SHARE_UNIT)
    rest = size - whole * SHARE_UNIT
    found = whole * count + divide_down(rest * count, SHARE_UNIT)
    return found if (amount > 0) == (parts > 0) else -found
