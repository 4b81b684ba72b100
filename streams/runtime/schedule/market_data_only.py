"""Strategies that read market data only: run over a window of events before the order side has it.

What such a strategy reads was made before the window is delivered, so when it runs changes nothing;
what it emits takes its place among the window's events, before those who read the same event behind
it. One run over many events costs less than a turn of the scheduler for each.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import length_hint
from typing import Any

import numpy as np

from schemas.catalogue import topic as topic_of
from streams.runtime.schedule.context import StageContext
from streams.runtime.schedule.loop import EVENT, handler_name

Array = np.ndarray[Any, Any]
Handler = Callable[[Any, StageContext], None]


class MarketDataOnly:
    """Runs them.

    Attributes:
        context: theirs; ids made here have ordinals of their own, so they do not depend on when the
            others make theirs.
        is_running: True while a handler runs, and after one raised.
        made: what the last window's run emitted, by number.

    Args:
        order_side_stages: in stage order.
        topics: topic by number, as events have it.
        behind: numbers of topics that other order-side stages read, too.
        numbers: record type -> the number its events shall have.
    """

    def __init__(
        self,
        order_side_stages: Sequence[Any],
        topics: Sequence[str],
        behind: Sequence[int],
        numbers: dict[type, int],
        context: StageContext,
    ) -> None:
        self.context = context
        self.is_running = False
        self.made: dict[int, list[Any]] = {}
        self.numbers = numbers
        written = {
            topic_of(topic).record for instance in order_side_stages for topic in instance.OUTPUTS
        }
        self._own = {kind: number for kind, number in numbers.items() if kind.__name__ in written}
        self.handlers: dict[int, tuple[Handler, ...]] = {}
        for number, topic in enumerate(topics):
            readers = tuple(
                getattr(instance, handler_name(topic))
                for instance in order_side_stages
                if topic in instance.INPUTS
            )
            if readers:
                self.handlers[number] = readers
        self._is_ours, self._is_kept = np.zeros(len(topics), bool), np.ones(len(topics), bool)
        for number in self.handlers:
            self._is_ours[number] = True
            self._is_kept[number] = number in behind

    def run(
        self, events: Array, sequences: Array, records: Callable[[int], Sequence[Any]]
    ) -> Array:
        """Run them over a window; returns its events for the other order-side stages, with those of
        what was emitted, rows counted by number.

        Args:
            events: the window's, in order.
            sequences: input sequence of each.
            records: gives a topic's records of this window.
        """
        self.made = {}
        topics = events["topic"]
        places = np.flatnonzero(self._is_ours[topics])
        if not len(places):
            return events
        found = topics[places]
        emitted: list[Any] = []
        after: list[int] = []
        self.is_running = True
        first = int(found[0])
        handlers = self.handlers[first]
        mine = events["clock"][places].tolist(), sequences[places].tolist()
        if len(handlers) == 1 and (found == first).all():
            self._run_one(handlers[0], records(first), *mine, emitted, after)
        else:
            waiting = {
                number: iter(records(number))
                for number in np.flatnonzero(np.bincount(found)).tolist()
            }
            self._run_many(waiting, found.tolist(), *mine, emitted, after)
        events = self._put_in(events, sequences, places[after], emitted)
        self.is_running = False
        return events

    def _run_one(
        self,
        handler: Handler,
        records: Sequence[Any],
        clocks: list[int],
        sequences: list[int],
        emitted: list[Any],
        after: list[int],
    ) -> None:
        context, pending = self.context, self.context.pending
        total, waiting = len(records) - 1, iter(records)
        for record, context.clock, context.sequence in zip(waiting, clocks, sequences, strict=True):  # noqa: B020
            handler(record, context)
            if pending:
                after.extend([total - length_hint(waiting)] * len(pending))
                emitted.extend(pending)
                pending.clear()

    def _run_many(
        self,
        waiting: dict[int, Any],
        topics: list[int],
        clocks: list[int],
        sequences: list[int],
        emitted: list[Any],
        after: list[int],
    ) -> None:
        context, pending, by_number = self.context, self.context.pending, self.handlers
        for place, (number, context.clock, context.sequence) in enumerate(
            zip(topics, clocks, sequences, strict=True)
        ):  # noqa: B020
            record = next(waiting[number])
            for handler in by_number[number]:
                handler(record, context)
            if pending:
                after.extend([place] * len(pending))
                emitted.extend(pending)
                pending.clear()

    def _put_in(self, events: Array, sequences: Array, places: Array, emitted: list[Any]) -> Array:
        """The events that are left, with the emitted ones where they came of."""
        kept = np.flatnonzero(self._is_kept[events["topic"]])
        left = events[kept]
        if not emitted:
            return left
        new = np.zeros(len(emitted), EVENT)
        new["step"], new["clock"] = events["step"][places], events["clock"][places]
        numbers = self._numbers_of(emitted, new["clock"], sequences[places])
        new["topic"] = numbers
        if numbers.count(numbers[0]) == len(numbers):  # most: one topic
            self.made[numbers[0]] = emitted
            new["row"] = np.arange(len(emitted))
            return np.insert(left, np.searchsorted(kept, places), new)
        for number, record in zip(numbers, emitted, strict=True):
            self.made.setdefault(number, []).append(record)
        for number, records in self.made.items():
            new["row"][new["topic"] == number] = np.arange(len(records))
        return np.insert(left, np.searchsorted(kept, places), new)

    def _numbers_of(self, emitted: list[Any], clocks: Array, sequences: Array) -> list[int]:
        """Number of each record; one of a topic that is not theirs to write is a fault at its
        place.
        """
        numbers, context = self._own, self.context
        try:
            return [numbers[record.__class__] for record in emitted]
        except KeyError:
            for record, context.clock, context.sequence in zip(
                emitted, clocks.tolist(), sequences.tolist(), strict=True
            ):  # noqa: B020
                numbers[record.__class__]
            raise
