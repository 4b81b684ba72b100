"""Named timers of a compiled strategy: what its handlers call.

    TIMERS = ("rebalance", "flatten")                # beside INPUTS
    REBALANCE, FLATTEN = range(2)
    set_timer(out, REBALANCE, state.clock[0] + 1_000_000_000)

``on_timer(state, timer, out)`` is called once at that time, with the number of the timer. Those of
one instant come in the order in which they were set.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from streams.numeric.borrowing import inner_kernel
from streams.numeric.stage_records import words

NO_TIMER = np.int64(2**63 - 1)
NONE = np.int64(-1)
TIMER = np.dtype(words("at turn"))
"""A timer: when it is due, and which of all that were set it was."""
_WHOLE = np.int64(0)
"""``_WHOLE | x`` is x, and does not compile for a float."""


@inner_kernel
def set_timer(out: Any, timer: Any, at: Any) -> None:
    """Wake ``on_timer`` at this time (ns UTC, after the clock), once; another time that was set for
    this timer is forgotten.
    """
    orders = out.orders[0]
    if timer < 0 or timer >= out.timers.shape[0] or at <= orders.clock:
        orders.timer_fault = 1
        orders.timer, orders.timer_at = timer, at
        return
    out.timers[timer].at = _WHOLE | at
    out.timers[timer].turn = orders.turns
    orders.turns += 1


@inner_kernel
def cancel_timer(out: Any, timer: Any) -> None:
    """Forget a timer; nothing happens if it is not set."""
    if 0 <= timer < out.timers.shape[0]:
        out.timers[timer].at = NO_TIMER


# -- what the entry of the strategy calls


@inner_kernel
def next_deadline(out: Any) -> Any:
    """When the next timer is due, NO_TIMER without one."""
    earliest = NO_TIMER
    for place in range(out.timers.shape[0]):
        earliest = min(earliest, out.timers[place].at)
    return earliest


@inner_kernel
def take_due(out: Any, deadline: Any) -> Any:
    """The number of the next timer that is due, which then is not set any more; -1 without one."""
    found = NONE
    for place in range(out.timers.shape[0]):
        timer = out.timers[place]
        if timer.at > deadline:
            continue
        if found < 0 or timer.at < out.timers[found].at or (
            timer.at == out.timers[found].at and timer.turn < out.timers[found].turn
        ):  # fmt: skip
            found = np.int64(place)
    if found >= 0:
        out.timers[found].at = NO_TIMER
    return found
