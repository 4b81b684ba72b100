"""The guard against a flood of dead letters: a decoder or a feed that is broken halts the task, and
does not empty its input into the dead letters.

Counted by input partition, over records in the order of the partition and never by a clock: it
depends on what is in the log, not on how it was cut into batches. The record that would be one dead
letter too many is not consumed; everything before it is. The journal says how far that is, so the
bound is asked of new batches only: what was committed under another bound is recovered and verified
as it is, and counted on from there.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np

from schemas.errors import WrongUse
from schemas.reasons import GOOD, REASONS, SKIPPED, UNRESOLVED, UNSEEN
from streams.runtime.failures import BeforeBatch
from streams.runtime.order.feed import Feed

Array = np.ndarray[Any, Any]
LETTERS_MAX = 10_000
"""Dead letters whose places are remembered, and the highest limit there is: what is remembered must
not depend on the limit of the day.
"""
IS_LETTER = np.ones(256, bool)
IS_LETTER[[GOOD, *UNSEEN, SKIPPED, UNRESOLVED]] = False
"""By a row's status. What an operator leaves out is no sign of a fault."""


class DeadLetterFlood(BeforeBatch):
    """More dead letters among an input's last records than the limit allows."""

    code = "dead_letter_flood"
    restart_helps = False


class BadFloodLimit(WrongUse):
    """A limit that cannot be counted."""

    code = "bad_flood_limit"


class FloodLimit(msgspec.Struct, frozen=True):
    """At most ``letters`` dead letters among the last ``records`` records of an input partition;
    ``records`` 0: no limit.
    """

    letters: int = 100
    records: int = 10_000

    def __post_init__(self) -> None:
        if self.records and not 0 <= self.letters < min(self.records, LETTERS_MAX + 1):
            raise BadFloodLimit(
                f"a limit of {self.letters} dead letters in {self.records} records is none; give 0 "
                f"to {LETTERS_MAX}, and less than the records"
            )

    def __str__(self) -> str:
        return f"{self.letters}/{self.records}" if self.records else "off"


class FloodGuard:
    """Counts one input partition.

    Attributes:
        seen: records consumed since genesis.
        letters: which of them were dead letters, the last LETTERS_MAX.
    """

    def __init__(self) -> None:
        self.seen = 0
        self.letters: Array = np.empty(0, np.int64)

    def note(self, feed: Feed, count: int) -> None:
        """The feed's next ``count`` rows are consumed."""
        fresh = self._fresh(feed, count)
        if len(fresh):
            self.letters = np.concatenate((self.letters, self.seen + fresh))[-LETTERS_MAX:]
        self.seen += count

    def excess(self, feed: Feed, count: int, limit: FloodLimit) -> int:
        """How many of the feed's next ``count`` rows lie before the one that is a dead letter too
        many; -1 if none is.
        """
        fresh = self._fresh(feed, count)
        if not len(fresh) or not limit.records:
            return -1
        letters = np.concatenate((self.letters, self.seen + fresh))
        first = len(self.letters)
        # letters that have `limit.letters` others before them
        at = np.arange(max(first, limit.letters), len(letters))
        over = np.flatnonzero(letters[at] - letters[at - limit.letters] < limit.records)
        return int(fresh[at[over[0]] - first]) if len(over) else -1

    @staticmethod
    def _fresh(feed: Feed, count: int) -> Array:
        """Which of the feed's next rows are dead letters."""
        status = feed.status[feed.first : feed.first + count]
        return np.flatnonzero(IS_LETTER[status]) if status.any() else np.empty(0, np.int64)

    def state(self) -> list[int]:
        """What a snapshot keeps."""
        return [self.seen, *self.letters.tolist()]

    def restore(self, state: Sequence[int]) -> None:
        """Take up :meth:`state`; nothing, of a snapshot that is older than the guard."""
        if state:
            self.seen, self.letters = state[0], np.array(state[1:], np.int64)


def flood_of(feed: Feed, row: int, limit: FloodLimit) -> DeadLetterFlood:
    """What the record in this row ends the task with."""
    where = f"{feed.topic}/{feed.partition[1]} offset {feed.offset_at(row)}"
    return DeadLetterFlood(
        f"{where} would be dead letter number {limit.letters + 1} among the last {limit.records} "
        f"records of its partition, the limit is {limit.letters} (--dead-letters {limit}); it is "
        f"{REASONS[int(feed.status[row])]}: {feed.detail_of(row)}. Everything before it is "
        "committed, it and what follows are not consumed and not lost. See 'sq dlq list'; repair "
        "the code, or stop the producer that writes them, then start again; where the records "
        "themselves are bad, start with a higher --dead-letters until they are past"
    )
