"""Depth updates on their way to the log: a REST snapshot goes before the first update that
continues it.

The snapshot is asked for while updates stream in, and its answer arrives after updates that are
newer than it (reference/exchanges.md 2.3: open the stream, buffer, fetch, then drop what is too
old). So the newest records wait here, ``HELD_UPDATES`` for each of up to 16 instruments, in order
of arrival; a snapshot is put among them where its id belongs, and everything leaves in that order.
Updates older than the snapshot stay in the log before it, where the book's state machine ignores
them: the log keeps what the venue sent.

A snapshot names no symbol. It belongs to the instrument whose update ids it continues
(:meth:`DepthQueue.owners`). Ids of USD-M are drawn for all symbols together, so that one snapshot
can continue several: the updates before it say which, for the snapshot shows what they left.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import msgspec

from connectors.captures.numbers import BadField
from schemas.records import DepthUpdate
from schemas.vocabulary import DepthKind, Flag

HELD_UPDATES = 4096
"""Over 3 minutes of the fastest feed of one instrument."""
HELD_INSTRUMENTS = 16
ESTIMATED_TIME = int(Flag.ESTIMATED_TIME)
FUTURES_CHAIN = int(Flag.FUTURES_CHAIN)
DELTA = int(DepthKind.DELTA)


def continues(update: DepthUpdate, snapshot_id: int) -> bool:
    """True if the update is the first that continues a snapshot, or ends where it stands: nothing
    is missing between the two.
    """
    if update.flags & FUTURES_CHAIN:
        return update.previous_update_id <= snapshot_id <= update.final_update_id
    return update.first_update_id - 1 <= snapshot_id <= update.final_update_id


class DepthQueue:
    """The last depth records before they are written.

    Args:
        write: takes each record that leaves.
    """

    def __init__(self, write: Callable[[DepthUpdate], None]) -> None:
        self._write = write
        self._held: list[DepthUpdate] = []
        self._left: dict[int, int] = {}
        self._time_left: dict[int, int] = {}
        self._seen: set[int] = set()

    def add(self, update: DepthUpdate) -> None:
        """One update, in order of arrival."""
        self._held.append(update)
        self._seen.add(update.instrument)
        bound = HELD_UPDATES * min(len(self._seen), HELD_INSTRUMENTS)
        if len(self._held) >= 2 * bound:
            self._leave(len(self._held) - bound)

    def owners(self, snapshot_id: int, is_futures: bool) -> list[int]:
        """Instruments whose held updates continue a snapshot of this id, in order of arrival."""
        chain = FUTURES_CHAIN if is_futures else 0
        found: dict[int, bool] = {}
        for update in self._held:
            if (
                update.kind == DELTA
                and update.flags & FUTURES_CHAIN == chain
                and continues(update, snapshot_id)
            ):
                found[update.instrument] = True
        return list(found)

    def agreement(self, instrument: int, snapshot: DepthUpdate) -> tuple[int, int]:
        """(levels that are in the snapshot as this instrument's updates before it left them, levels
        compared).

        An update that reaches over the snapshot's id may be in it in part, and levels below those
        it shows are not compared.
        """
        left: list[dict[int, int]] = [{}, {}]
        for update in self._held:
            if update.instrument != instrument or update.kind != DELTA:
                continue
            is_before = update.final_update_id <= snapshot.final_update_id
            if not is_before and update.first_update_id > snapshot.final_update_id:
                continue
            for levels, rows in zip(left, (update.bids, update.asks), strict=True):
                for price, quantity in rows:
                    if is_before:
                        levels[price] = quantity
                    else:
                        levels.pop(price, None)
        agreed = compared = 0
        for levels, rows, sign in ((left[0], snapshot.bids, 1), (left[1], snapshot.asks, -1)):
            shown = dict(rows)
            worst = min((price * sign for price in shown), default=0)
            for price, quantity in levels.items():
                if shown and price * sign >= worst:
                    compared += 1
                    agreed += shown.get(price, 0) == quantity
        return agreed, compared

    def place(self, snapshot: DepthUpdate, is_futures: bool) -> None:
        """Put a snapshot before the first held update of its instrument that continues it (spot u >
        id, USD-M u >= id), else at the end.

        A snapshot without a time of its own gets the running maximum of its instrument's records
        before it, or else the time of the update after it.

        Raises:
            BadField: ``regressing_snapshot``, if an update it should precede has left already.
        """
        final = snapshot.final_update_id
        least = final if is_futures else final + 1
        if self._left.get(snapshot.instrument, -1) >= least:
            raise BadField(
                "regressing_snapshot",
                f"snapshot {final} is older than updates written long before it",
            )
        at = len(self._held)
        for index, update in enumerate(self._held):
            if update.instrument == snapshot.instrument and update.final_update_id >= least:
                at = index
                break
        if snapshot.flags & ESTIMATED_TIME:
            snapshot = msgspec.structs.replace(snapshot, event_time=self._time_at(at, snapshot))
        self._held.insert(at, snapshot)

    def _time_at(self, at: int, snapshot: DepthUpdate) -> int:
        number = snapshot.instrument
        before = max([self._time_left.get(number, 0), *self._times(self._held[:at], number)])
        return before or next(self._times(self._held[at:], number), snapshot.event_time)

    def _times(self, updates: Iterable[DepthUpdate], instrument: int) -> Iterator[int]:
        return (update.event_time for update in updates if update.instrument == instrument)

    def close(self) -> None:
        """Let everything leave."""
        self._leave(len(self._held))

    def _leave(self, count: int) -> None:
        for update in self._held[:count]:
            self._left[update.instrument] = update.final_update_id
            self._time_left[update.instrument] = max(
                self._time_left.get(update.instrument, 0), update.event_time
            )
            self._write(update)
        del self._held[:count]
