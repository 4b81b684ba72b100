"""Depth updates on their way to the log: a REST snapshot goes before the first update that continues it.

The snapshot is asked for while updates stream in, and its answer arrives after updates that are newer than it (reference/exchanges.md 2.3:
open the stream, buffer, fetch, then drop what is too old). So the newest ``HELD_UPDATES`` records wait here, in order of arrival over all
instruments; a snapshot is put among them where its id belongs, and everything leaves in that order. Updates older than the snapshot stay in
the log before it, where the book's state machine ignores them: the log keeps what the venue sent.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from connectors.captures.numbers import BadField
from schemas.records import DepthUpdate
from schemas.vocabulary import Flag

HELD_UPDATES = 4096
"""Over 3 minutes of the fastest feed of one instrument."""
ESTIMATED_TIME = int(Flag.ESTIMATED_TIME)


class DepthQueue:
    """The last depth records before they are written.

    Args:
        write: takes each record that leaves.
    """

    def __init__(self, write: Callable[[DepthUpdate], None]) -> None:
        self._write = write
        self._held: list[DepthUpdate] = []
        self._left: dict[int, int] = {}
        self._time_left = 0

    def add(self, update: DepthUpdate) -> None:
        """One update, in order of arrival."""
        self._held.append(update)
        if len(self._held) >= 2 * HELD_UPDATES:
            self._leave(HELD_UPDATES)

    def place(self, snapshot: DepthUpdate, is_futures: bool) -> None:
        """Put a snapshot before the first held update of its instrument that continues it (spot u > id, USD-M u >= id), else at the end.

        A snapshot without a time of its own gets the running maximum of the records before it, or else the time of the update after it.

        Raises:
            BadField: ``regressing_snapshot``, if an update it should precede has left already.
        """
        final = snapshot.final_update_id
        least = final if is_futures else final + 1
        if self._left.get(snapshot.instrument, -1) >= least:
            raise BadField("regressing_snapshot", f"snapshot {final} is older than updates written long before it")
        at = len(self._held)
        for index, update in enumerate(self._held):
            if update.instrument == snapshot.instrument and update.final_update_id >= least:
                at = index
                break
        if snapshot.flags & ESTIMATED_TIME:
            snapshot = msgspec.structs.replace(snapshot, event_time=self._time_at(at, snapshot.event_time))
        self._held.insert(at, snapshot)

    def _time_at(self, at: int, fallback: int) -> int:
        before = max([self._time_left, *(update.event_time for update in self._held[:at])])
        if before:
            return before
        return self._held[at].event_time if at < len(self._held) else fallback

    def close(self) -> None:
        """Let everything leave."""
        self._leave(len(self._held))

    def _leave(self, count: int) -> None:
        for update in self._held[:count]:
            self._left[update.instrument] = update.final_update_id
            self._time_left = max(self._time_left, update.event_time)
            self._write(update)
        del self._held[:count]
