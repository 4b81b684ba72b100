"""What a mark says: of a position, and of the prices around it."""

from __future__ import annotations

from typing import Any

from schemas.vocabulary import Flag
from streams.numeric.shared import shared_step

UNUSABLE = int(Flag.STALE | Flag.GAP)
"""A mark with one of these flags says no price."""


@shared_step
def closing_price(quantity: Any, bid_price: Any, ask_price: Any) -> Any:
    """The price at which a signed quantity could be closed at the touch: longs at the bid, shorts
    at the ask; 0 where that side of the book is empty.
    """
    return bid_price if quantity > 0 else ask_price


@shared_step
def double_centre(mark: Any) -> Any:
    """Twice the price around which a mark lies: the mid; the last trade where one side is empty; 0
    where there is neither.
    """
    if mark.bid_price > 0 and mark.ask_price > 0:
        return mark.bid_price + mark.ask_price
    return 2 * mark.last_price
