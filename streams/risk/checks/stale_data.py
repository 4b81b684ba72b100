"""No order on a market that is not known."""

from __future__ import annotations

from typing import Any

from schemas.vocabulary import RiskCode
from streams.numeric.borrowing import inlined_kernel, inner_kernel
from streams.numeric.int128 import wide
from streams.risk.check import NANOSECONDS, Check, Limit
from streams.risk.prices import UNUSABLE

CHECK = Check(
    RiskCode.STALE_DATA,
    denies=(
        "the last mark is flagged stale, gapped or crossed, or its book is older than the limit"
    ),
    observed="age of the book in ns; the offending flags where it is flagged",
    limit="`mark_age_max`; 0 where it is flagged",
    set_by="`mark_age_max`",
    meaning="market data was too old to trade on",
    governed_by="[risk] mark_age_max",
    limits=(Limit("mark_age_max", 6, NANOSECONDS, default="5000000000"),),
)


@inlined_kernel
def fails(listed: Any, clock: Any) -> Any:
    """The last mark is flagged, or its book is too old."""
    if listed.mark_flags & UNUSABLE:
        return True
    most = listed.mark_age_max
    return listed.is_marked != 0 and most >= 0 and clock - listed.book_time > most


@inner_kernel
def shows(listed: Any, clock: Any) -> Any:
    """The flags; else the age of the book, and how old it may be."""
    flags = listed.mark_flags & UNUSABLE
    if flags:
        return wide(flags), wide(0)
    return wide(clock) - listed.book_time, wide(listed.mark_age_max)
