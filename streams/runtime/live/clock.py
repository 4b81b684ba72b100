"""The time of day as a task believes it: the host's wall clock, unless that has stepped far ahead
by itself.

The journal's clock never goes back, so that a step forward, once believed, would be kept for ever.
Between two readings the host's monotonic clock says how much time has passed; a wall clock that is
ahead of that by more than a bound is believed only if records that arrive were written at about
that time too. After a sleep of the host they are, after a fault they are not. A clock that steps
back is harmless and is not refused.
"""

from __future__ import annotations

from collections.abc import Callable


class SteadyClock:
    """See the module's head.

    Args:
        wall_ns: ns UTC of the host.
        monotonic: seconds.
        step_max: ns, the most that it may step forward unasked.

    Attributes:
        complaint: what is wrong with the wall clock; empty: it is believed.
    """

    def __init__(
        self, wall_ns: Callable[[], int], monotonic: Callable[[], float], step_max: int
    ) -> None:
        self._wall_ns = wall_ns
        self._monotonic = monotonic
        self._step_max = step_max
        self._anchor: tuple[int, float] | None = None
        self.complaint = ""

    def start(self, at: int) -> None:
        """The journal's clock was ``at`` when it was last written.

        0: it has no time yet, and a later step is measured from the clock as it is now.
        """
        self._anchor = at or self._wall_ns(), self._monotonic()

    def read(self, written: int) -> int:
        """ns UTC. ``written``: ns at which the latest record was written by its writer's clock; 0:
        none has arrived.
        """
        wall, now = self._wall_ns(), self._monotonic()
        if self._anchor is None:
            self._anchor = written or wall, now
        own = self._anchor[0] + int((now - self._anchor[1]) * 1e9)
        if wall > max(own, written) + self._step_max:
            self.complaint = (
                f"the wall clock of this host is {(wall - own) // 10**9} s ahead; it "
                "is not believed until records say so too"
            )
            return own
        self.complaint = ""
        if wall > own - self._step_max:
            self._anchor = wall, now
        return wall
