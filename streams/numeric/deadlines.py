"""Which of several timers wakes next: the rule of named timers, for owners of both kinds.

>>> first_due([5, 3, 3], 3, 4), first_due([5, 3, 3], 3, 2), earliest([5, 3, 3], 3)
(1, -1, 3)
"""

from __future__ import annotations

from typing import Any

from streams.numeric.shared import shared_step

NO_TIMER = 2**63 - 1
TIMERS_MAX = 1_024
"""Named timers that one owner may have set."""


@shared_step
def first_due(times: Any, count: Any, deadline: Any) -> Any:
    """Place of the timer that wakes next: the earliest that is due, of one time the one that was
    set first; -1 without one.

    Args:
        times: when each wakes, in the order in which they were set.
    """
    found = -1
    for place in range(count):
        if times[place] <= deadline and (found < 0 or times[place] < times[found]):
            found = place
    return found


@shared_step
def earliest(times: Any, count: Any) -> Any:
    """When the next timer is due, NO_TIMER without one."""
    place = first_due(times, count, NO_TIMER)
    return times[place] if place >= 0 else NO_TIMER
