"""The order of inputs: a k-way merge of partition heads by event time, and the runs that write that
order down.

Key: (running maximum of event time within the partition, topic rank, partition, offset). Never a
sort: order inside a partition stays.

A recording holds every record from the start. A partition of a cluster goes on: the order is made
of what has arrived, and stops at a partition of which nothing waits here while more is known to lie
on the log. Its caller waits for that, for a bounded time; a partition at its end blocks nothing.
Which order was chosen is in the journal.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from schemas.errors import BadData
from schemas.reasons import NEIGHBOUR
from streams.numeric.borrowing import borrowing_kernel
from streams.runtime.order.feed import Feed
from streams.runtime.tools.pointers import view

Array = np.ndarray[Any, Any]
FIELDS = 7
NEVER = 2**63 - 1
SKIP, END = 254, 255
ELEMENT = np.dtype(
    [("input", "i8"), ("first_offset", "i8"), ("last_offset", "i8"), ("count", "i8")]
)
END_OF_INPUTS, CLOCK, AHEAD = -1, -2, -3
"""Inputs of the elements that are no records: the end of a recording's inputs; a reading of the
wall clock; and, minus the number of its input, a record of this batch that was dated ahead, with
what the host's clock said."""
MERGED, DRY, PAST_END = 0, 1, 2


@borrowing_kernel
def _merge(control: Any, feeds: Any, source: Any, origin: Any, index: Any, clock: Any) -> None:
    """Fill ``source, index, clock`` from ``control[0]`` to ``control[1]``.

    ``feeds``: a row per feed: keys address, status address, length, head, rows left to decode (0 or
    1), is market data, count. ``control``: filled, wanted, present clock, end time; out: outcome,
    dry feed.
    """
    filled, wanted, present, end_time = control[0], control[1], control[2], control[3]
    feed_count = feeds.shape[0]
    outcome, dry = 0, -1
    while filled < wanted:
        chosen = -1
        chosen_key = np.int64(0)
        for f in range(feed_count):
            head = feeds[f, 3]
            if head >= feeds[f, 2]:
                if feeds[f, 4] != 0:
                    outcome, dry = 1, f
                    break
                continue
            key = view(feeds[f, 0], (feeds[f, 2],), np.int64)[head]
            if chosen < 0 or key < chosen_key:
                chosen, chosen_key = f, key
        if outcome != 0 or chosen < 0:
            break
        if chosen_key >= end_time:
            outcome = 2
            break
        head = feeds[chosen, 3]
        status = view(feeds[chosen, 1], (feeds[chosen, 2],), np.uint8)[head]
        good = status == 0
        if (good or status == NEIGHBOUR) and feeds[chosen, 5] != 0 and chosen_key > present:
            present = chosen_key
        origin[filled] = chosen
        source[filled] = chosen if good else SKIP
        index[filled] = head
        clock[filled] = present
        feeds[chosen, 3] = head + 1
        filled += 1
    control[0] = filled
    control[2] = present
    control[4] = outcome
    control[5] = dry


@borrowing_kernel
def _runs(origin: Any, index: Any, count: Any, offsets: Any, elements: Any) -> Any:
    """Write the order as runs of one input; returns their number. ``offsets``: a row per feed:
    offset of row 0; address and length of the list.
    """
    runs = 0
    for i in range(count):
        code = np.int64(origin[i])
        offset = offsets[code, 0] + index[i]
        if offsets[code, 1] != 0:
            offset = view(offsets[code, 1], (offsets[code, 2],), np.int64)[index[i]]
        if runs > 0 and elements[runs - 1].input == code:
            elements[runs - 1].last_offset = offset
            elements[runs - 1].count += 1
        else:
            elements[runs].input = code
            elements[runs].first_offset = offset
            elements[runs].last_offset = offset
            elements[runs].count = 1
            runs += 1
    return runs


class InputBatch:
    """A stretch of merged inputs: ``source`` (feed code, SKIP or END), ``origin`` (feed code),
    ``index`` (row in the feed), ``clock``.
    """

    def __init__(self, capacity: int) -> None:
        self.generation = 0
        self.source = np.zeros(capacity + 1, np.uint8)
        self.origin = np.zeros(capacity + 1, np.uint8)
        self.index = np.zeros(capacity + 1, np.int64)
        self.clock = np.zeros(capacity + 1, np.int64)
        self.count = 0
        self.ended = False
        self.ticked = False

    def count_of(self, feed: Feed) -> int:
        """How many of the feed's rows are in it: those that the feed consumes next."""
        return int(np.count_nonzero(self.origin[: self.count] == feed.code))

    @property
    def length(self) -> int:
        """Entries: the records, and behind them the end of input or a tick of the clock."""
        return self.count + (self.ended or self.ticked)


class Merger:
    """Chooses the order of inputs, or repeats a journal's.

    Args:
        feeds: input partitions in rank order.
        end_time: records whose key is this or later stay unread (ns).
        is_wall: the clock is placed by the runner, and no record moves it.
    """

    def __init__(self, feeds: Sequence[Feed], end_time: int = NEVER, is_wall: bool = False) -> None:
        self.feeds = list(feeds)
        self.end_time = end_time
        self.is_wall = is_wall
        self._table = np.zeros((len(self.feeds), FIELDS), np.int64)
        self._control = np.zeros(8, np.int64)

    def _enter(self, feed: Feed, head: int) -> None:
        row = self._table[feed.code]
        row[0] = feed.keys.ctypes.data
        row[1] = feed.status.ctypes.data
        row[2] = feed.usable
        row[3] = head
        row[4] = feed.must_wait
        row[5] = feed.is_market_data and not self.is_wall

    def take(
        self, target: InputBatch, wanted: int, present: int, first_of: Feed | None = None
    ) -> Feed | None:
        """Fill the input batch with the next ``wanted`` records, or with fewer.

        1. Consumed rows are dropped.
        2. All rows of ``first_of`` come first, whatever their times and however many are wanted.
        3. The records are merged. Where the order meets a feed without rows that it must wait for,
           that
           feed is asked for more: a recording's next block is decoded, a cluster's records are not
           waited for here.
        4. If every input has ended before enough records were found, the end of input comes last.

        Returns:
            The feed at which the order stopped because its next records have not arrived; None if
            the order did not stop.

        Args:
            present: the clock so far.
        """
        for feed in self.feeds:
            feed.compact()
            self._enter(feed, feed.first)
        filled = self._put_first(target, first_of, present) if first_of is not None else 0
        control = self._control
        control[0], control[1], control[2], control[3] = (
            filled,
            max(wanted, filled),
            present,
            self.end_time,
        )
        awaited = self._merge_on(target)
        count = int(control[0])
        is_ended = (
            awaited is None and count < wanted and all(feed.is_bounded for feed in self.feeds)
        )
        self._finish(target, count, is_ended, int(control[2]))
        return awaited

    def _put_first(self, target: InputBatch, feed: Feed, present: int) -> int:
        """All rows of the feed at the beginning of the input batch; returns how many."""
        first, filled = feed.first, feed.count - feed.first
        target.origin[:filled] = feed.code
        target.source[:filled] = np.where(feed.status[first : first + filled] == 0, feed.code, SKIP)
        target.index[:filled] = np.arange(first, first + filled)
        target.clock[:filled] = present
        self._table[feed.code, 3] = first + filled
        return filled

    def _merge_on(self, target: InputBatch) -> Feed | None:
        """Merge until enough is there or nothing is left; the feed at which it stopped, if it did.
        """
        control = self._control
        while True:
            _merge(control, self._table, target.source, target.origin, target.index, target.clock)
            if control[4] != DRY:
                return None
            feed = self.feeds[int(control[5])]
            head = int(self._table[feed.code, 3]) - feed.first
            if not feed.read_on():
                return feed
            # the first block after a seek may begin before the offset sought
            self._enter(feed, feed.first + head)

    def repeat(self, target: InputBatch, elements: Array, present: int) -> None:
        """Fill the input batch in the order a journal's elements give; a negative input is END."""
        for feed in self.feeds:
            feed.compact()
        total = int(elements["count"][elements["input"] >= 0].sum())
        needed = [
            int(elements["count"][elements["input"] == feed.code].sum()) for feed in self.feeds
        ]
        for feed, need in zip(self.feeds, needed, strict=True):
            while feed.count - feed.first < need and feed.refill():
                pass
            self._enter(feed, feed.first)
        if total + 1 > len(target.index):
            larger = InputBatch(total)
            target.generation += 1
            target.source, target.origin, target.index, target.clock = (
                larger.source,
                larger.origin,
                larger.index,
                larger.clock,
            )
        filled = _expand(
            elements, self._table, target.source, target.origin, target.index, target.clock, present
        )
        if filled != total:
            raise BadData(
                f"input changed: the journal names {total} records, the inputs hold {filled} of "
                "them; give the run's own recording"
            )
        self._finish(target, total, bool((elements["input"] < 0).any()), present)

    def tick(self, target: InputBatch, clock: int) -> None:
        """Make the input batch one tick of the clock without a record."""
        target.count = 0
        target.ended, target.ticked = False, True
        target.source[0] = target.origin[0] = SKIP
        target.index[0] = 0
        target.clock[0] = clock

    @staticmethod
    def _finish(target: InputBatch, count: int, ended: bool, present: int) -> None:
        target.count = count
        target.ended, target.ticked = ended, False
        if ended:
            target.source[count] = END
            target.index[count] = 0
            target.clock[count] = target.clock[count - 1] if count else present

    def elements(self, target: InputBatch) -> Array:
        """The input batch's order as its journal record has it.

        First the wall clock's reading, where that is the clock; then which of the records were
        dated ahead; then the records as runs; the end of input last.
        """
        offsets = np.zeros((len(self.feeds), 3), np.int64)
        for feed in self.feeds:
            listed = feed.offsets
            offsets[feed.code] = (
                (feed.offset_of_zero, 0, 0)
                if listed is None
                else (0, listed.ctypes.data, len(listed))
            )
        marks = self._marks(target)
        runs = np.empty(target.count + 1, ELEMENT)
        count = (
            int(_runs(target.origin, target.index, target.count, offsets, runs))
            if target.count
            else 0
        )
        if target.ended:
            runs[count] = (END_OF_INPUTS, 0, 0, 1)
            count += 1
        return np.concatenate((np.array(marks, ELEMENT), runs[:count])) if marks else runs[:count]

    def _marks(self, target: InputBatch) -> list[tuple[int, int, int, int]]:
        """What the journal says of the input batch besides its records."""
        clock = int(target.clock[0])
        marks = [(CLOCK, clock, clock, 1)] if self.is_wall else []
        for feed in self.feeds:
            count = target.count_of(feed) if feed.ahead else 0
            if count:
                last = feed.offset_at(feed.first + count - 1)
                mine = [offset for offset in sorted(feed.ahead) if offset <= last]
                marks += [(AHEAD - feed.code, offset, feed.ahead[offset], 1) for offset in mine]
        return marks


@borrowing_kernel
def _expand(
    elements: Any, feeds: Any, source: Any, origin: Any, index: Any, clock: Any, present: Any
) -> Any:
    """Write the journal's runs out record by record, with the clock computed again; returns how
    many there were room and rows for.
    """
    filled = 0
    for e in range(len(elements)):
        code = elements[e].input
        if code < 0 or code >= len(feeds):
            continue
        keys = view(feeds[code, 0], (feeds[code, 2],), np.int64)
        status = view(feeds[code, 1], (feeds[code, 2],), np.uint8)
        for _ in range(elements[e].count):
            head = feeds[code, 3]
            if head >= feeds[code, 2] or filled >= len(source):
                return filled
            good = status[head] == 0
            if (good or status[head] == NEIGHBOUR) and feeds[code, 5] != 0 and keys[head] > present:
                present = keys[head]
            origin[filled] = code
            source[filled] = code if good else SKIP
            index[filled] = head
            clock[filled] = present
            feeds[code, 3] = head + 1
            filled += 1
    return filled
