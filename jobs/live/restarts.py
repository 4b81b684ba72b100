"""Whether and when a shard's process that ended by itself is started again: with back-off, until
there were too many ends in a row.

Ends are in a row if they lie within ``STEADY_SECONDS``, or if each died at records that the one
before died at, however long it took to get there.
"""

from __future__ import annotations

import signal
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from streams.runtime.journal.in_flight import Run

BACKOFF_SECONDS = (0.0, 0.5, 1.0, 2.0, 5.0)
CRASHES_MAX = 5
STEADY_SECONDS = 30.0


class End(NamedTuple):
    """How a process ended.

    Attributes:
        cause: the error's code, or the signal or exit code in words.
        restart_helps, bars_owning: of the error's type (``schemas/errors.py``).
    """

    cause: str
    restart_helps: bool = True
    bars_owning: bool = False

    @classmethod
    def of(cls, failure: Mapping[str, Any], code: int) -> End:
        """Of a process that said this failure (empty: none) and ended with this exit code, negative
        for a signal.
        """
        if not failure:
            return cls(
                f"exit code {code}" if code >= 0 else f"killed by {signal.Signals(-code).name}"
            )
        return cls(
            failure["code"], failure.get("restart_helps", True), failure.get("bars_owning", False)
        )


class Restarts:
    """Ends by shard. Times are seconds of one monotonic clock.

    Attributes:
        given_up: by shard, how its last process ended.
        suspects: by shard, the records that its last process died at.
    """

    def __init__(self) -> None:
        self.given_up: dict[int, End] = {}
        self.suspects: dict[int, Sequence[Run]] = {}
        self._ends: dict[int, list[float]] = {}
        self._due_at: dict[int, float] = {}

    def ended(self, shard: int, end: End, now: float, died_at: Sequence[Run] = ()) -> float | None:
        """A process ended: seconds until the next is started, None if the shard is given up."""
        is_same = _meet(self.suspects.get(shard, ()), died_at)
        self.suspects[shard] = died_at
        recent = [
            at for at in self._ends.get(shard, []) if is_same or now - at < STEADY_SECONDS
        ] + [now]
        self._ends[shard] = recent
        if not end.restart_helps or len(recent) >= CRASHES_MAX:
            self.given_up[shard] = end
            return None
        pause = BACKOFF_SECONDS[min(len(recent) - 1, len(BACKOFF_SECONDS) - 1)]
        self._due_at[shard] = now + pause
        return pause

    def due(self, now: float) -> list[int]:
        """Shards whose pause is over; each is named once."""
        found = [shard for shard, at in self._due_at.items() if now >= at]
        for shard in found:
            del self._due_at[shard]
        return found

    def is_pausing(self, shard: int) -> bool:
        """True between an end and the next start."""
        return shard in self._due_at

    def forget(self, shard: int) -> None:
        """The shard begins anew."""
        for each in (self.given_up, self.suspects, self._ends, self._due_at):
            each.pop(shard, None)  # type: ignore[attr-defined]


def _meet(before: Sequence[Run], after: Sequence[Run]) -> bool:
    """True if a record is in both."""
    return any(
        one[:2] == other[:2]
        and one.first_offset <= other.last_offset
        and other.first_offset <= one.last_offset
        for one in before
        for other in after
    )


def named(runs: Sequence[Run]) -> str:
    """The records in words; one alone as ``sq skip`` takes it."""
    return ", ".join(
        f"{run.topic}/{run.partition}/{run.first_offset}"
        + (f" to {run.last_offset}" if run.records > 1 else "")
        for run in runs
    )
