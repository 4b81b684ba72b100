"""One witness's count of ticks: sent, seen, lost, late, twice."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

REMEMBERED = 1000
"""Ticks seen or lost that are still known by name."""


class Sightings:
    """Counts by key: an offset, or the tick's number.

    Every tick that is sent becomes *seen* or *lost*, and a lost one may become *late*: ``sent =
    seen + lost + waiting`` at any time.

    Args:
        tell: called with ``sent``, ``seen``, ``lost``, ``late`` or ``duplicates``, and the seconds
            it took where it was read.
        bound_seconds: a tick that is not read within this time is lost.
    """

    def __init__(self, tell: Callable[[str, float | None], Any], bound_seconds: float) -> None:
        self.bound_seconds = bound_seconds
        self.counts = dict.fromkeys(("sent", "seen", "lost", "late", "duplicates"), 0)
        self.slowest_seconds = 0.0
        self._tell_of = tell
        self._waiting: dict[int, float] = {}
        self._lost: dict[int, float] = {}
        self._seen: deque[int] = deque(maxlen=REMEMBERED)

    def _report(self, what: str, seconds: float | None = None) -> None:
        self.counts[what] += 1
        self._tell_of(what, seconds)

    def sent(self, key: int, now: float) -> None:
        """The broker has the tick that was written at ``now``, seconds of a clock that never goes
        back.
        """
        self._waiting[key] = now
        self._report("sent")

    def refused(self) -> None:
        """No broker took a tick."""
        self._report("sent")
        self._report("lost")

    def saw(self, first: int, last: int, now: float) -> None:
        """Every key from ``first`` to ``last`` was met."""
        again = sum(first <= key <= last for key in self._seen)
        for _ in range(again):
            self._report("duplicates")
        for found, what in ((self._waiting, "seen"), (self._lost, "late")):
            for key in [key for key in found if first <= key <= last]:
                seconds = now - found.pop(key)
                self.slowest_seconds = max(self.slowest_seconds, seconds)
                self._seen.append(key)
                self._report(what, seconds)

    def expire(self, now: float) -> None:
        """Count as lost what should have been read by now."""
        for key, at in list(self._waiting.items()):
            if now - at > self.bound_seconds:
                self._lost[key] = self._waiting.pop(key)
                self._report("lost")
        while len(self._lost) > REMEMBERED:
            del self._lost[next(iter(self._lost))]

    @property
    def waiting(self) -> int:
        """Ticks under way."""
        return len(self._waiting)
