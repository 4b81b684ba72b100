"""The last mark of an instrument, as the ledgers keep it: the record itself, so that taking one costs a store."""

from __future__ import annotations

from schemas.records import Mark

UNMARKED = Mark(-1, 0, 0, 0, 0, 0, 0, 0, 0, 0)
"""Before the first mark: of no instrument, without prices."""


def is_marked(mark: Mark) -> bool:
    """Whether there was a mark."""
    return mark.instrument >= 0


def double_centre(mark: Mark) -> int:
    """Twice the price around which it lies: the mid; the last trade where one side is empty; 0 where there is neither."""
    bid, ask = mark.bid_price, mark.ask_price
    return bid + ask if bid > 0 and ask > 0 else 2 * mark.last_price
