"""Named timers of a strategy or of a user's own stage: what its context offers where it wakes on
"timers".
"""

from __future__ import annotations

from typing import Any

from streams.numeric.deadlines import TIMERS_MAX
from streams.signals.declared import TIMERS, BadStrategy, next_of
from streams.signals.exact import exact_int


class NamedTimers:
    """Of one owner; subclasses have its ``_strategy``, its ``_name`` and the ``_context`` that
    knows the clock.
    """

    _strategy: Any
    _context: Any
    _name: str

    def set_timer(self, name: str, at: int) -> None:
        """Wake ``on_timer(name, context)`` at this time (ns UTC), once; another time of the same
        name is forgotten.
        """
        state = self._timed_state("set_timer")
        at = exact_int("at", at)
        if not isinstance(name, str) or at <= self._context.clock:
            what = f"{self._name} sets the timer {name!r} to {at} at {self._context.clock}"
            raise BadStrategy(f"{what}; give a name that is a text, and a time after context.clock")
        state.timers.pop(name, None)
        if len(state.timers) >= TIMERS_MAX:
            raise BadStrategy(f"{self._name} has {TIMERS_MAX} timers set; cancel some of them")
        state.timers[name] = at
        state.timer = next_of(state.timers)

    def cancel_timer(self, name: str) -> None:
        """Forget a timer; nothing happens if it is not set."""
        state = self._timed_state("cancel_timer")
        state.timers.pop(name, None)
        state.timer = next_of(state.timers)

    def _timed_state(self, call: str) -> Any:
        if TIMERS not in type(self._strategy).WAKES:
            wakes = ", ".join(f'"{each}"' for each in (*type(self._strategy).WAKES, "timers"))
            raise BadStrategy(
                f"{self._name} calls context.{call}, but no named timer wakes it; "
                f"write WAKES = ({wakes})"
            )
        return self._strategy.state
