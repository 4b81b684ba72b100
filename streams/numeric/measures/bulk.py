"""Bulk volume classification (Easley, Lopez de Prado and O'Hara, RFS 2012; MIC-1).

    bought = volume * F(change / sigma),    sold = volume - bought

F is the standard normal distribution; ``change`` is the price's change between the ends of two
intervals; sigma is the deviation of the changes before this one, never of the whole sample, which
would look ahead. Half is bought where sigma is 0 or not known yet. The share is an integer of
2^-31, rounded once, so what is bought and sold are integers and their sum is the volume.
"""

from __future__ import annotations

import math
from typing import Any

from streams.numeric.normal import normal_cdf
from streams.numeric.shared import shared_step

SHARE_BITS = 31
HALF = 1 << 30
LOW = (1 << SHARE_BITS) - 1


@shared_step
def bought_share(change: Any, sigma: Any) -> Any:
    """F(change / sigma) in units of 2^-31, from 0 to 2^31."""
    if not sigma > 0.0:
        return HALF
    return math.floor(normal_cdf(change / sigma) * 2147483648.0 + 0.5)


@shared_step
def bulk_bought(volume: Any, share: Any) -> Any:
    """What of a volume is bought, rounded down. In two halves: the product would leave int64."""
    return (volume >> SHARE_BITS) * share + (((volume & LOW) * share) >> SHARE_BITS)
