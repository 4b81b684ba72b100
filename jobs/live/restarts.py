"""Whether and when a shard's process that ended by itself is started again: with back-off, until there were too many ends in a row."""

from __future__ import annotations

BACKOFF_SECONDS = (0.2, 0.5, 1.0, 2.0, 5.0)
CRASHES_MAX = 5
STEADY_SECONDS = 30.0
FATAL = (
    "other_identity",
    "journal_closed",
    "unresolved_schema_id",
    "topic_changed",
    "recorded_under_wall_clock",
    "bad_configuration",
    "diverged",
    "stage_failed",
    "dead_letter_flood",
    "record_too_large",
)
"""Ends that starting again cannot heal."""


class Restarts:
    """Ends by shard. Times are seconds of one monotonic clock.

    Attributes:
        given_up: by shard, what its last process ended by.
    """

    def __init__(self) -> None:
        self.given_up: dict[int, str] = {}
        self._ends: dict[int, list[float]] = {}
        self._due_at: dict[int, float] = {}

    def ended(self, shard: int, cause: str, now: float) -> float | None:
        """A process ended: seconds until the next is started, None if the shard is given up."""
        recent = [at for at in self._ends.get(shard, []) if now - at < STEADY_SECONDS] + [now]
        self._ends[shard] = recent
        if cause in FATAL or len(recent) >= CRASHES_MAX:
            self.given_up[shard] = cause
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
        for each in (self.given_up, self._ends, self._due_at):
            each.pop(shard, None)  # type: ignore[attr-defined]
