"""Which instrument a REST snapshot belongs to: it names no symbol.

It belongs to the one whose update ids it continues, and waits until such an update comes. Where ids
leave a choice (USD-M draws them for all symbols together) the levels that earlier updates left
decide, and where there are none its best prices. A snapshot that nothing continues is a dead
letter, ``unplaced_snapshot``: it is another symbol's, or of no use.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from connectors.captures.feeds import Feed
from connectors.captures.frames import SnapshotFrame
from connectors.captures.numbers import BadField
from connectors.captures.snapshots import FUTURES_CHAIN, DepthQueue, continues
from schemas.records import DepthUpdate

WAITING_MAX = 64
TRIES_MAX = 256


class Waiting(msgspec.Struct):
    """A snapshot that has no instrument yet, and its line. ``owners``: instruments that continue
    it, and were not believed so far. ``named``: the instrument and the snapshot as its record,
    where the recording says whose it is: then it waits for its place alone.
    """

    frame: SnapshotFrame
    received: int
    number: int
    file: str
    line: bytes
    owners: set[int] = msgspec.field(default_factory=set)
    tries: int = 0
    named: tuple[Feed, DepthUpdate] | None = None

    @property
    def is_futures(self) -> bool:
        """USD-M snapshots have a time of their own."""
        return self.frame.T is not msgspec.UNSET


class Placing:
    """The snapshots that wait.

    Args:
        queue: depth updates, among which they are put.
        feeds: instruments so far, however they are keyed.
        refuse: takes a snapshot that is none, with the reason.
    """

    def __init__(
        self,
        queue: DepthQueue,
        feeds: Mapping[Any, Feed],
        refuse: Callable[[Waiting, BadField], None],
    ) -> None:
        self._queue = queue
        self._feeds = feeds
        self._refuse = refuse
        self._waiting: list[Waiting] = []

    def add(self, waiting: Waiting) -> None:
        """One snapshot, as it arrives."""
        waiting.owners.update(self._queue.owners(waiting.frame.lastUpdateId, waiting.is_futures))
        self._waiting.append(waiting)
        self._try(waiting)
        if len(self._waiting) > WAITING_MAX:
            self._give_up(self._waiting[0], "64 others wait as well")

    def continued(self, update: DepthUpdate) -> None:
        """An update arrived: is it what a snapshot waits for?"""
        is_futures = bool(update.flags & FUTURES_CHAIN)
        for waiting in [each for each in self._waiting if each.is_futures == is_futures]:
            if continues(update, waiting.frame.lastUpdateId):
                waiting.owners.add(update.instrument)

    def seen(self, feed: Feed) -> None:
        """A frame of this instrument was taken: its price may be known now."""
        number = feed.instrument.instrument
        for waiting in [
            each for each in self._waiting if number in each.owners and each.tries < TRIES_MAX
        ]:
            self._try(waiting)

    def close(self) -> None:
        """No more lines: what is not placed now is a dead letter."""
        for waiting in list(self._waiting):
            self._try(waiting, is_last=True)
        for waiting in list(self._waiting):
            self._give_up(waiting, "no instrument's updates continue it")

    def _give_up(self, waiting: Waiting, why: str) -> None:
        """Nothing continues it: one that is named goes behind what its instrument has so far."""
        if waiting.named is not None:
            self._place(waiting, *waiting.named)
        else:
            self._refuse(waiting, _unplaced(waiting, why))
            self._waiting.remove(waiting)

    def _try(self, waiting: Waiting, is_last: bool = False) -> None:
        """Place it if it is known whose it is."""
        waiting.tries += 1
        if waiting.named is not None:
            feed, record = waiting.named
            if feed.instrument.instrument in waiting.owners:
                self._place(waiting, feed, record)
            return
        found = self._believed(waiting)
        if not found and is_last and not waiting.owners:
            found = self._only_book(waiting)
        if not found:
            return
        best = max(rank for rank, *_ in found)
        owners = [(feed, record) for rank, feed, record in found if rank == best]
        if len(owners) == 1:
            self._place(waiting, *owners[0])
        elif is_last:
            problem = BadField(
                "ambiguous_snapshot",
                f"snapshot {waiting.frame.lastUpdateId} names no symbol and could be any of "
                f"{len(owners)}",
            )
            self._refuse(waiting, problem)
            self._waiting.remove(waiting)

    def _place(self, waiting: Waiting, feed: Feed, record: DepthUpdate) -> None:
        try:
            feed.note_snapshot(record.final_update_id)
            self._queue.place(record, waiting.is_futures)
        except BadField as problem:
            self._refuse(waiting, problem)
        self._waiting.remove(waiting)

    def _believed(self, waiting: Waiting) -> list[tuple[float, Feed, DepthUpdate]]:
        """(rank, instrument, the snapshot as its record) of those that continue it and whose book
        it can be.
        """
        found: list[tuple[float, Feed, DepthUpdate]] = []
        for feed, record in self._records(waiting, waiting.owners):
            agreed, compared = self._queue.agreement(feed.instrument.instrument, record)
            is_sure = not waiting.is_futures and len(waiting.owners) == 1 and not feed.has_price
            if compared and (waiting.is_futures or len(waiting.owners) > 1):
                if 2 * agreed >= compared:
                    found.append((1 + agreed / compared, feed, record))
            elif is_sure or feed.is_near(record):
                found.append((1, feed, record))
        return found

    def _only_book(self, waiting: Waiting) -> list[tuple[float, Feed, DepthUpdate]]:
        """The one instrument of its market, if it has no updates that could say otherwise."""
        numbers = {
            feed.instrument.instrument
            for feed in self._feeds.values()
            if feed.is_futures == waiting.is_futures
        }
        if len(numbers) != 1:
            return []
        return [
            (0, feed, record)
            for feed, record in self._records(waiting, numbers)
            if not feed.updates and feed.is_near(record)
        ]

    def _records(self, waiting: Waiting, numbers: set[int]) -> list[tuple[Feed, DepthUpdate]]:
        """The snapshot as a record of each of these instruments whose precision it keeps."""
        found = []
        for feed in [
            each for each in self._feeds.values() if each.instrument.instrument in numbers
        ]:
            try:
                record = feed.snapshot(waiting.frame, waiting.received)
            except BadField:
                continue
            if record.bids or record.asks:
                found.append((feed, record))
        return found


def _unplaced(waiting: Waiting, why: str) -> BadField:
    return BadField(
        "unplaced_snapshot", f"snapshot {waiting.frame.lastUpdateId} names no symbol, and {why}"
    )
