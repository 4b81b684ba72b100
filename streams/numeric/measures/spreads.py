"""Spreads and impact of a trade, in integers of the price's unit (MIC-5).

With the aggressor's sign s, the trade's price p and the mid m = (bid + ask) / 2, which comes
doubled as bid + ask so that no half is rounded:

    effective = 2 s (p - m)    realised(tau) = 2 s (p - m(tau))    impact(tau) = 2 s (m(tau) - m)

so effective = realised + impact, exactly, for prices of 0 and more. The markout of the aggressor
is -realised: what a position taken at p gained twice over when the mid was m(tau) (Huang and
Stoll 1996, J. Financial Economics 41).
"""

from __future__ import annotations

from typing import Any

from streams.numeric.shared import shared_step


@shared_step
def quoted_spread(bid: Any, ask: Any) -> Any:
    """The spread that is quoted."""
    return ask - bid


@shared_step
def effective_spread(sign: Any, price: Any, doubled_mid: Any) -> Any:
    """What crossing cost against the mid when it traded, both ways."""
    return sign * (2 * price - doubled_mid)


@shared_step
def realised_spread(sign: Any, price: Any, doubled_mid_later: Any) -> Any:
    """What of it the passive side kept until later."""
    return sign * (2 * price - doubled_mid_later)


@shared_step
def price_impact(sign: Any, doubled_mid: Any, doubled_mid_later: Any) -> Any:
    """What of it the passive side lost to the move of the mid."""
    return sign * (doubled_mid_later - doubled_mid)
