"""Quote slope (Hasbrouck and Seppi 2001, J. Financial Economics 59; MIC-6): spread and depth of the
touch in one number, what a unit of (the logarithm of) size costs.

    quote slope = (ask - bid) / (ln bid quantity + ln ask quantity)
    log quote slope = (ln ask - ln bid) / (ln bid quantity + ln ask quantity)

Quantities are integers of their smallest unit, so the logarithms are not negative.
"""

from __future__ import annotations

import math
from typing import Any

from streams.numeric.elementary import log
from streams.numeric.shared import shared_step

NAN = math.nan


@shared_step
def log_depth(bid_quantity: Any, ask_quantity: Any) -> Any:
    """ln of both quantities; nan where a side is empty or both quantities are 1."""
    if bid_quantity < 1 or ask_quantity < 1 or (bid_quantity == 1 and ask_quantity == 1):
        return NAN
    return log(float(bid_quantity)) + log(float(ask_quantity))


@shared_step
def quote_slope(bid: Any, ask: Any, of_depth: Any) -> Any:
    """The slope in the price's unit. ``of_depth``: ``log_depth``."""
    return float(ask - bid) / of_depth


@shared_step
def log_quote_slope(bid: Any, ask: Any, of_depth: Any) -> Any:
    """The slope of the prices' logarithms; nan for prices that are not above 0."""
    if bid < 1 or ask < 1:
        return NAN
    return log(float(ask) / float(bid)) / of_depth
