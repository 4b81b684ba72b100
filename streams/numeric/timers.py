"""Named timers of a compiled strategy: what its handlers call.

    TIMERS = ("rebalance", "flatten")                # beside INPUTS
    REBALANCE = 0
    set_timer(out, REBALANCE, state.clock[0] + 1_000_000_000)

``on_timer(state, timer, out)`` is then called once at that time, with the number of the timer.
Those of one instant come in the order in which they were set.

The timers that are set lie in that order in ``out.timer_numbers`` and ``out.timer_times``.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from streams.numeric.borrowing import inner_kernel
from streams.numeric.deadlines import earliest, first_due
from streams.numeric.strategy_outputs import BAD_TIMER, WHOLE, refuse

# -- what handlers call


@inner_kernel
def set_timer(out: Any, timer: Any, at: Any) -> None:
    """Wake ``on_timer`` at this time (ns UTC, after the clock), once; another time that was set for
    this timer is forgotten.
    """
    number, time = WHOLE | timer, WHOLE | at
    if number < 0 or number >= len(out.timer_numbers) or time <= out.orders[0].clock:
        refuse(out, BAD_TIMER, number, time)
        return
    _forget(out, number)
    count = out.timer_count[0]
    out.timer_numbers[count] = number
    out.timer_times[count] = time
    out.timer_count[0] = count + 1


@inner_kernel
def cancel_timer(out: Any, timer: Any) -> None:
    """Forget a timer; nothing happens if it is not set."""
    _forget(out, WHOLE | timer)


@inner_kernel
def _forget(out: Any, number: Any) -> None:
    """Those behind it move up; what is not in use is 0."""
    numbers, times, count = out.timer_numbers, out.timer_times, out.timer_count[0]
    kept = 0
    for place in range(count):
        if numbers[place] != number:
            numbers[kept] = numbers[place]
            times[kept] = times[place]
            kept += 1
    for place in range(kept, count):
        numbers[place] = 0
        times[place] = 0
    out.timer_count[0] = kept


# -- what the entry of the strategy calls


@inner_kernel
def next_deadline(out: Any) -> Any:
    """When the next timer is due, NO_TIMER without one."""
    return earliest(out.timer_times, out.timer_count[0])


@inner_kernel
def take_due(out: Any, deadline: Any) -> Any:
    """The number of the timer that wakes next, which then is not set any more; -1 without one."""
    place = first_due(out.timer_times, out.timer_count[0], deadline)
    if place < 0:
        return np.int64(-1)
    number = out.timer_numbers[place]
    _forget(out, number)
    return number
