"""What VPIN is when there is no information: it depends on how finely a bucket was traded (TOX-3).

Trades signed at random: the buckets' imbalance is |sum of n signs| / n, on average

    C(n - 1, floor((n - 1) / 2)) / 2^(n - 1),    near sqrt(2 / (pi n)) for large n.

Bars classified in bulk, price changes independent and normal: F(z) is uniform, so the imbalance is
|u_1 + ... + u_k| / k with u uniform on (-1, 1): 1/2 for one bar, 1/3 for two, near
sqrt(2 / (3 pi k)).
Exact up to 20 bars by the distribution of Irwin (1927) and Hall (1927), whose terms cancel beyond;
from there on by the expansion sqrt(2 / (3 pi k)) (1 + 1 / (20 k)), within 3e-6.
"""

from __future__ import annotations

import math
from typing import Any

from streams.numeric.shared import shared_step

EXACT_SIGNS, EXACT_BARS = 64, 20
PI = math.pi


@shared_step
def vpin_null_of_signs(trades: Any) -> Any:
    """Of ``trades`` equal trades a bucket, signed at random."""
    if not trades >= 1:
        return math.nan
    if trades > EXACT_SIGNS:
        return math.sqrt(2.0 / (PI * trades)) * (1.0 + (0.25 if trades % 2 else -0.25) / trades)
    n = trades - 1
    share = 1.0
    for i in range(n // 2):
        share = share * (n - i) / (i + 1)
    for _ in range(n):
        share *= 0.5
    return share


@shared_step
def vpin_null_of_bars(bars: Any) -> Any:
    """Of ``bars`` equal bars a bucket, classified in bulk."""
    if not bars >= 1:
        return math.nan
    if bars > EXACT_BARS:
        return math.sqrt(2.0 / (3.0 * PI * bars)) * (1.0 + 0.05 / bars)
    total = 0.0
    chosen = 1.0
    for j in range(bars // 2 + 1):
        left = 0.5 * bars - j
        power = 1.0
        for i in range(bars + 1):
            power = power * left / (i + 1)
        total += chosen * power if j % 2 == 0 else -chosen * power
        chosen = chosen * (bars - j) / (j + 1)
    return 4.0 * total / bars
