"""The second log-probability fill model: as ``log_prob``, but the part of a cancellation that was
behind us is f(behind) / f(behind + ahead), which is more.

hftbacktest's ``LogProbQueueModel2``.
"""

from __future__ import annotations

from typing import Any

from streams.numeric import elementary
from streams.numeric.borrowing import inlined_kernel
from streams.venue.fill_models.log_prob import (
    FOLLOWS_REPEATS,
    MARKET_FIELDS,
    ORDER_FIELDS,
    PARAMETERS,
    SETTINGS_FIELDS,
    join,
    prepare,
    print_at,
    print_through,
    ratio,
    size_changed,
)

__all__ = [
    "FOLLOWS_REPEATS",
    "MARKET_FIELDS",
    "ORDER_FIELDS",
    "PARAMETERS",
    "SETTINGS_FIELDS",
    "join",
    "prepare",
    "print_at",
    "print_through",
    "probability",
    "size_changed",
]


@inlined_kernel
def probability(state: Any, front: float, behind: float) -> Any:
    """Of a cancellation, the part that was behind us; ``front`` is ahead of us."""
    return ratio(elementary.log(1.0 + behind), elementary.log(1.0 + (behind + front)))
