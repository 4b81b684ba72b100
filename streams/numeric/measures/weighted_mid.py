"""The mid weighted by the opposite quantities (MIC-11): nearer to the side that has less.

    weighted mid = (ask * bid quantity + bid * ask quantity) / (bid quantity + ask quantity)
"""

from __future__ import annotations

from typing import Any

from streams.numeric.bounds import INT64_MAX
from streams.numeric.shared import shared_step


@shared_step
def quantity_share(bid: Any, ask: Any) -> Any:
    """bid / (bid + ask) of two quantities above 0, whose sum may leave int64: both lose their
    lowest bit then.
    """
    if bid > INT64_MAX - ask:
        bid >>= 1
        ask >>= 1
    return bid / (bid + ask)


@shared_step
def weighted_mid(bid: Any, bid_quantity: Any, ask: Any, ask_quantity: Any) -> Any:
    """In the unit of the prices, for two quantities above 0."""
    return bid + (ask - bid) * quantity_share(bid_quantity, ask_quantity)
