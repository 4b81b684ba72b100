"""The last mark of an instrument as Python stages keep it, and what a mark says of a position.

They keep the record itself, so that taking one costs a store.
"""

from __future__ import annotations

from typing import Any

from schemas.records import Mark
from schemas.vocabulary import Flag
from streams.numeric.shared import shared_step

UNMARKED = Mark(-1, 0, 0, 0, 0, 0, 0, 0, 0, 0)
"""Before the first mark: of no instrument, without prices."""
UNUSABLE = int(Flag.STALE | Flag.GAP)
"""A mark with one of these flags says no price."""


@shared_step
def closing_price(quantity: Any, bid_price: Any, ask_price: Any) -> Any:
    """The price at which a signed quantity could be closed at the touch: longs at the bid, shorts at
    the ask; 0 where that side of the book is empty.
    """
    return bid_price if quantity > 0 else ask_price


def is_marked(mark: Mark) -> bool:
    """Whether there was a mark."""
    return mark.instrument >= 0


def double_centre(mark: Mark) -> int:
    """Twice the price around which it lies: the mid; the last trade where one side is empty; 0 where there is neither."""
    bid, ask = mark.bid_price, mark.ask_price
    return bid + ask if bid > 0 and ask > 0 else 2 * mark.last_price
