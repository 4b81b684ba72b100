"""Synchronisation of an L2 book with a venue's numbered updates: which record may touch the book,
and when the book may be believed.

```
            first chunk                last chunk               delta that continues it
UNSYNCED ---------------> LOADING --------------------> AWAITING ----------------------> SYNCED
   ^                         |                              |                               |
   +---- foreign chunk ------+<------------- gap -----------+<------------ gap -------------+
```
The book may be published in AWAITING (it is the venue's own snapshot) and SYNCED. A snapshot is
taken in every phase: importers put it in the stream before the deltas that continue it, so the
newest one in the stream is the truth. ``last`` is the final update id of the book.

Rules for deltas (Binance, as corrected on 2025-11-12; U first, u final, pu previous update id of
the record):

| feed | ignored, already in the book | continues a snapshot | continues a delta | anything else |
|---|---|---|---|---|
| spot | u <= last | U <= last + 1 <= u | U <= last + 1 <= u | gap |
| futures | u < last; after a delta also u == last | U <= last <= u, or pu == last | pu == last | gap |

Traps: the spot handbook's literal "last inside [U; u]" never syncs, for the first delta has U ==
last + 1; on futures U never equals the previous u + 1, so only pu tells a gap; the futures record
with u == last is kept, it is the one the next record's pu names. After a gap all deltas are ignored
until the next snapshot: resuming on a lucky id would keep levels that changed unseen.
"""

from __future__ import annotations

from typing import Any

from schemas.vocabulary import DepthKind, Flag
from streams.numeric.borrowing import inner_kernel

UNSYNCED = 0
LOADING = 1
AWAITING = 2
SYNCED = 3

IGNORE = 0
"""Leave the book alone: the record is old, or the book waits for a snapshot."""
APPLY = 1
"""Apply the levels."""
RESET = 2
"""Clear the book, then apply the levels: a snapshot begins."""
GAP = 3
"""Updates are missing: the book is stale."""
REFUSE = 4
"""The record is malformed: it changes nothing, and the next one will show the gap."""
DROP = 5
"""A snapshot broke off inside: clear the book."""

DELTA = int(DepthKind.DELTA)
SNAPSHOT = int(DepthKind.SNAPSHOT)
FIRST_OF_SNAPSHOT = int(Flag.FIRST_OF_SNAPSHOT)
LAST_OF_SNAPSHOT = int(Flag.LAST_OF_SNAPSHOT)
FUTURES_CHAIN = int(Flag.FUTURES_CHAIN)


@inner_kernel
def step(
    phase: Any, last: Any, kind: Any, flags: Any, first: Any, final: Any, previous: Any
) -> Any:
    """Validator one record: ``(verdict, phase after it)``. Pure; all arguments are integers,
    ``last`` counts only from LOADING on.
    """
    if first > final or final < 0:
        return REFUSE, phase
    if kind == SNAPSHOT:
        loaded = AWAITING if flags & LAST_OF_SNAPSHOT else LOADING
        if flags & FIRST_OF_SNAPSHOT:
            return RESET, loaded
        if phase != LOADING:
            return IGNORE, phase
        return (APPLY, loaded) if final == last else (DROP, UNSYNCED)
    if kind != DELTA:
        return REFUSE, phase
    if phase < AWAITING:
        return IGNORE, phase
    if flags & FUTURES_CHAIN:
        return _futures(phase, last, first, final, previous)
    if final <= last:
        return IGNORE, phase
    return (APPLY, SYNCED) if first <= last + 1 else (GAP, UNSYNCED)


@inner_kernel
def _futures(phase: Any, last: Any, first: Any, final: Any, previous: Any) -> Any:
    if final < last:
        return IGNORE, phase
    if previous == last or (phase == AWAITING and first <= last):
        return APPLY, SYNCED
    return (IGNORE, phase) if final == last else (GAP, UNSYNCED)
