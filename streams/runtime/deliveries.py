"""What the ahead loop and early ledgers leave for the others, as typed records, a window at a time: a few thousand stay in the processor's cache."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from typing import Any

import numpy as np

from schemas.catalogue import topic as topic_of
from schemas.codec import codec
from streams.runtime.early import EarlyLedgers
from streams.runtime.feed import Feed
from streams.runtime.handed import Handed
from streams.runtime.loop import EVENT
from streams.runtime.runner import LoopRunner

Array = np.ndarray[Any, Any]
WINDOW = 4096
FEW = 16


class Deliveries:
    """The events of one slice, window by window.

    ``events`` are those of the present window; ``steps, clocks, topics, sequences`` are lists of it, one entry per
    delivery; records are taken topic by topic, in order: ``found`` holds those of the window by topic number, ``heads`` how many were taken.

    Args:
        names: topic by number; behind them come the numbers of what early ledgers emit.
        early: ledgers that are run over each window before it is delivered.
    """

    def __init__(self, names: Sequence[str], early: EarlyLedgers) -> None:
        self._early = early
        self.ahead: LoopRunner | Handed | None = None
        self.names = list(names)
        self.steps: list[int] = []
        self.clocks: list[int] = []
        self.topics: list[int] = []
        self.sequences: list[int] = []
        self._run_ends: list[int] = []
        self._codecs = [codec(topic_of(name).record) for name in self.names]
        numbers = len(self.names) + len(early.numbers)
        self.found: list[list[Any]] = [[] for _ in range(numbers)]
        self.heads = [0] * numbers
        self.events = np.zeros(0, EVENT)
        self._loaded = self._count = self._base = self._records = 0

    def begin(self, feeds: Sequence[Feed], base: int, count: int, ahead: LoopRunner | Handed | None) -> None:
        """Start on the slice of ``count`` records; ``base`` is the number of records consumed before it, ``ahead`` what the ahead loop left."""
        self.ahead = ahead
        self._feeds = feeds
        self._base = base
        self._records = count
        self._loaded = 0
        self._count = self.ahead.event_count if self.ahead is not None else 0

    def next_window(self, done: int) -> bool:
        """Load the next window, empty if nothing is left; True if it is the last one. Its first ``done`` events were delivered already."""
        first, last = self._loaded, min(self._loaded + WINDOW, self._count)
        self._loaded = last
        if first == last:
            self.steps, self.clocks, self.topics, self.sequences = [], [], [], []
            self.events, self._early.made = self.events[:0], {}
            return True
        events = self.ahead.events[first:last]  # type: ignore[union-attr]
        read: dict[int, Any] = {}
        if self._early.handlers:

            def records(number: int) -> Any:
                found = read[number] = self._records_of(self.names[number], events["row"][events["topic"] == number])
                return found

            events = self._early.run(events, self._sequences_of(events), records)
            read.update(self._early.made)
        self.events = events
        if len(events) <= FEW:
            self._load_few(events.tolist(), read, done)
        else:
            self._load(events, read)
        for number in self.topics[:done]:
            self.heads[number] += 1
        return last == self._count

    def _sequences_of(self, events: Array) -> Array:
        return np.minimum((events["step"] + 1) >> 1, self._records) + self._base  # type: ignore[no-any-return]  # the end of input is no record

    def run_end(self, position: int) -> int:
        """Where the run of one topic that holds this position ends."""
        return self._run_ends[bisect_right(self._run_ends, position)]

    def take(self, number: int, count: int) -> list[Any]:
        """The topic's next records; give back what was not delivered with :meth:`give_back`."""
        at = self.heads[number]
        self.heads[number] = at + count
        return self.found[number][at : at + count]

    def take_one(self, number: int) -> Any:
        """The topic's next record."""
        at = self.heads[number]
        self.heads[number] = at + 1
        return self.found[number][at]

    def skip(self, number: int, count: int) -> None:
        """The topic's next records were delivered otherwise."""
        self.heads[number] += count

    def give_back(self, number: int, count: int) -> None:
        """The last ``count`` records taken were not delivered."""
        self.heads[number] -= count

    def _load(self, events: Array, read: dict[int, Any]) -> None:
        topics, rows = events["topic"], events["row"]
        self.steps = events["step"].tolist()
        self.clocks = events["clock"].tolist()
        self.topics = topics.tolist()
        self.sequences = self._sequences_of(events).tolist()
        self._run_ends = [*(np.flatnonzero(topics[1:] != topics[:-1]) + 1).tolist(), len(self.topics)]
        for number in np.flatnonzero(np.bincount(topics)).tolist():
            self.found[number] = read[number] if number in read else self._records_of(self.names[number], rows[topics == number])
            self.heads[number] = 0

    def _load_few(self, events: list[tuple[int, int, int, int]], read: dict[int, Any], done: int) -> None:
        """The same for a handful of events, without arrays, and without records of those delivered already."""
        self.steps = [event[0] for event in events]
        self.clocks = [event[1] for event in events]
        self.topics = topics = [event[2] for event in events]
        self.sequences = [min((event[0] + 1) >> 1, self._records) + self._base for event in events]
        self._run_ends = [at for at in range(1, len(topics)) if topics[at] != topics[at - 1]] + [len(topics)]
        for number in topics:
            self.found[number] = read.get(number) or []
            self.heads[number] = 0
        for place, (_, _, number, row) in enumerate(events):
            if number not in read:
                self.found[number].append(None if place < done else self.record_of(number, row))

    def record_of(self, number: int, row: int) -> Any:
        """The record of one event, for those who do not load a window."""
        topic = self.names[number]
        rows = self.ahead.rows.get(topic)  # type: ignore[union-attr]
        if rows is not None:
            return self._codecs[number].row_to_record(rows, row)
        return self._records_of(topic, [row])[0]

    def _records_of(self, topic: str, rows: Any) -> list[Any]:
        """Records of a topic's rows (ascending): of the ahead loop's output, or of an input."""
        ahead = self.ahead
        assert ahead is not None
        if topic in ahead.rows:  # every row of such a topic is delivered, so they lie side by side
            return list(codec(topic_of(topic).record).rows_to_records(ahead.rows[topic], int(rows[0]), len(rows)))
        feed = next(feed for feed in self._feeds if feed.topic == topic)
        if not feed.is_columnar:
            return [feed.records[row] for row in rows]
        if feed.has_levels:
            return list(feed.codec.decode_records(b"".join(feed.body_of(int(row)) for row in rows), len(rows)))
        return list(feed.codec.rows_to_records(feed.rows[np.asarray(rows)], 0, len(rows)))
