"""What lies between a process and the brokers: every call passes here before and after its effect,
and may never come back.
"""

from __future__ import annotations

import random
from enum import Enum

from tests.simulation.clock import MILLISECOND, VirtualClock


class CrashNow(BaseException):
    """SIGKILL: not an Exception, so nothing of ours catches it; and a dead process's calls reach
    nobody.
    """


class Fate(Enum):
    """What becomes of an EndTxn and its answer."""

    ANSWERED = "answered"
    REQUEST_LOST = "commit request lost"
    ANSWER_LOST = "commit answer lost"
    LATE = "commit lands late"


class Network:
    """A network without faults: the base of the scheduler's. Calls cost virtual time and that is
    all.

    Args:
        clock: virtual time.
        seed: of its choices.
    """

    def __init__(self, clock: VirtualClock, seed: int = 0) -> None:
        self.clock = clock
        self.random = random.Random(seed)
        self.moment = 0
        """Counts calls: orders events of one virtual instant."""

    def before(self, call: str) -> None:
        """Called before a request has its effect; raises what the caller is to see."""
        self.moment += 1
        self.clock.advance_to(self.clock.now + MILLISECOND // 4)

    def after(self, call: str) -> None:
        """Called after the effect, before the caller knows of it."""

    def fate(self) -> Fate:
        """Of the next commit."""
        return Fate.ANSWERED

    def late(self) -> int:
        """ns a late EndTxn takes."""
        return 0

    def fetch_limit(self) -> int:
        """Records of one partition a fetch brings this time; 0: the fetch is delayed."""
        return 1 << 30

    def sends_at_once(self) -> bool:
        """True if produced records travel now, False if they wait for the commit's flush, as a
        client's queue does.
        """
        return True

    def wait_until(self, moment: int) -> None:
        """Block until then, or until something changed at the brokers."""
        self.clock.advance_to(moment)
