"""What is true of a consumer's lag, from a ledger that the producer and the consumer of a benchmark
keep themselves.

It knows nothing of offsets' ends, markers or exporters: only when which record became visible, and
when the consumer had moved where. Each of these happened between a call and its answer; ``at``
takes the answer's time, ``during`` everything that may have been true in a span.
"""

from __future__ import annotations

import bisect
import threading
from collections.abc import Iterator
from typing import NamedTuple


class Truth(NamedTuple):
    """``records`` waiting; ``seconds`` the age of the first of them (0: none waits); None where
    records that were not read are gone.
    """

    records: int | None
    seconds: float | None


class Event(NamedTuple):
    """A position, or a log start, that came about between ``called`` and ``answered``."""

    called: float
    answered: float
    offset: int


START = Event(0.0, 0.0, 0)


class Ledger:
    """Events of one partition and one group, in wall-clock seconds."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.offsets: list[int] = []
        self.produced: list[float] = []
        self.visible_called: list[float] = []
        self.visible_answered: list[float] = []
        self.moves: list[Event] = [START]
        self.removals: list[Event] = [START]

    def wrote(
        self, offsets: list[int], produced: list[float], called: float, answered: float
    ) -> None:
        """Records, in offset order, that readers of committed records see since some time between
        ``called`` and ``answered``.
        """
        with self.lock:
            self.offsets += offsets
            self.produced += produced
            self.visible_called += [called] * len(offsets)
            self.visible_answered += [answered] * len(offsets)

    def at(self, instant: float) -> Truth:
        """What is true at this instant."""
        with self.lock:
            end = bisect.bisect_right(self.visible_answered, instant)
            return self._truth(
                _latest(self.moves, instant), _latest(self.removals, instant), end, instant
            )

    def during(self, began: float, ended: float) -> list[Truth]:
        """What may have been true in this span, ages as of its end."""
        with self.lock:
            ends = {
                bisect.bisect_right(self.visible_answered, began),
                bisect.bisect_right(self.visible_called, ended),
            }
            starts = list(_possible(self.removals, began, ended))
            return [
                self._truth(move, start, end, ended)
                for move in _possible(self.moves, began, ended)
                for start in starts
                for end in ends
            ]

    def _truth(self, position: int, log_start: int, end: int, instant: float) -> Truth:
        if position < log_start:
            return Truth(None, None)
        first = bisect.bisect_left(self.offsets, position)
        return (
            Truth(end - first, max(0.0, instant - self.produced[first]))
            if first < end
            else Truth(0, 0.0)
        )


def _latest(events: list[Event], instant: float) -> int:
    return events[bisect.bisect_right(events, instant, key=lambda event: event.answered) - 1].offset


def _possible(events: list[Event], began: float, ended: float) -> Iterator[int]:
    for at, event in enumerate(events):
        replaced = events[at + 1].answered if at + 1 < len(events) else ended
        if event.called <= ended and replaced >= began:
            yield event.offset
