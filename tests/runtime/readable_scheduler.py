"""The order of everything, in plain Python: the oracle of ``streams/runtime/schedule``.

It shares with the product the stages' Python handlers, the venue's compiled loop, and the window in
which strategies that read market data only run; nothing of the scheduler's tables or steps (it says
in a row like the scheduler's where it is, for who reads the book). A
record is handed over as a struct, and what a stage emits is delivered by recursion.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from schemas import records
from schemas.catalogue import topic as topic_of
from schemas.codec import codec
from streams.numeric.table import Table
from streams.runtime.failures import StageFailed
from streams.runtime.schedule.loop import (
    ACTIVE,
    COMMAND,
    COMMAND_CLOCK,
    CURSOR,
    DELIVERED,
    DELIVERED_COUNT,
    LIMIT,
    LIMIT_CLOCK,
    NEVER,
    OUTCOME,
    PRESENT,
    handler_name,
)
from streams.runtime.schedule.records import SCHEDULE
from streams.runtime.schedule.windows import Windows


class ReadableScheduler:
    """What ``schedule.driver.Scheduler`` does."""

    def __init__(
        self, topology: Any, names: Any, venue: Any, strategies: Any, emitted: Any, context: Any
    ) -> None:
        self.topology, self.names, self.venue, self.context = topology, names, venue, context
        self.emitted = emitted
        self.windows = Windows(names, strategies)
        self.timed = [stage for stage in topology.late if hasattr(stage.instance, "on_timer")]
        self.observers: dict[str, list[Callable[[Any], None]]] = {}
        self.topic = {getattr(records, topic_of(each).record): each for each in emitted.lists}
        self.limit, self.limit_clock = 0, -1
        self._place = Table(SCHEDULE, 1)
        self.address = self._place.rows.ctypes.data
        if venue is not None:
            row = self._place.rows[0]
            row["venue_run"], row["venue_control"] = venue.entries()[0], venue.control.ctypes.data
            row["venue_packed"] = venue.packed.ctypes.data

    def note_place(self) -> None:
        self._place.rows[0]["sequence"] = self.context.sequence

    def watch(self, topic: str, observer: Callable[[Any], None]) -> None:
        self.observers.setdefault(topic, []).append(observer)

    def flush(self) -> None:
        pass

    def look_again(self) -> None:
        pass

    def is_idle(self, until: int) -> bool:
        return False

    def deliver(self, topic: str, record: Any) -> None:
        """To the readers of a topic, in stage order; what each emits is delivered first."""
        self.note_place()
        for instance in self.topology.late_readers(topic):
            getattr(instance, handler_name(topic))(record, self.context)
            self.drain(None)
        if topic == self.topology.command_topic:
            self.command(record)

    def drain(self, limit: int | None) -> None:
        if limit is not None:
            self.limit, self.limit_clock = limit, NEVER
        emitted = self.context.pending[:]
        self.context.pending.clear()
        for record in emitted:
            self.publish(record)

    def publish(self, record: Any) -> None:
        topic = self.topic[type(record)]
        self.emitted.lists[topic].append(record)
        for observer in self.observers.get(topic, ()):
            observer(record)
        self.deliver(topic, record)

    def command(self, record: Any) -> None:
        coder = codec(topic_of(self.topology.command_topic).record)
        row = coder.decode_rows(coder.encode_records([record]), 1)
        status = self.venue.status
        status[LIMIT], status[LIMIT_CLOCK] = self.limit, self.limit_clock
        status[COMMAND_CLOCK], status[COMMAND] = self.context.clock, row.ctypes.data
        self.venue.commands[self.topology.command_topic](self.venue.packed)
        if status[OUTCOME]:
            self.venue.raise_fault()
            raise AssertionError("an idle venue delivered a report")

    def next_timer(self) -> tuple[int, int, Any]:
        """(place in the slice, clock, stage); the place behind every event if none is due."""
        none = (1 << 60, 0, None)
        if not self.timed or not self.length:
            return none
        stage = min(self.timed, key=lambda each: each.instance.state.timer)  # the first of several
        deadline = stage.instance.state.timer
        place = max(int(np.searchsorted(self.clock, deadline)), self.limit)
        if deadline > self.clock[-1] or place >= self.length:
            return none
        return place, max(deadline, self.context.clock), stage

    def run(self, input_batch: Any, feeds: Sequence[Any], upstream: Any, before: int) -> None:
        self.length, self.clock = input_batch.length, input_batch.clock[: input_batch.length]
        self.limit, self.limit_clock = 0, -1
        self._place.rows[0]["before"] = before
        self.windows.begin(feeds, before, input_batch.count, upstream)
        is_last = False
        while not is_last:
            is_last = self.windows.next_window()
            for step, clock, number, row in self.windows.events.tolist():
                self.until(step, clock, before)
                self.context.clock = clock
                self.context.sequence = before + min((step + 1) >> 1, input_batch.count)
                if step & 1:
                    self.limit, self.limit_clock = (step >> 1) + 1, -1
                else:
                    self.limit, self.limit_clock = step >> 1, clock - 1
                record = self.windows.record(number, row)
                if number < len(self.names):
                    self.deliver(self.names[number], record)
                else:
                    self.publish(record)
        self.until(2 * self.length, NEVER, before)

    def until(self, step: int, clock: int, before: int) -> None:
        """Timers and the venue's reports up to an event."""
        while True:
            place, at, stage = self.next_timer()
            is_timer = (2 * place, at) < (step, clock)
            if is_timer:
                venue_comes_first = (
                    self.venue is None or stage.rank > self.topology.on_demand[0].rank
                )
                limit = place, at if venue_comes_first else at - 1
            else:
                limit = step >> 1, NEVER if step & 1 or clock == NEVER else clock - 1
            if self.reports(*limit, before):
                continue
            if not is_timer:
                return
            self.limit, self.limit_clock = limit
            self.context.clock, self.context.sequence = at, before + place
            deadline = stage.instance.state.timer
            self.note_place()
            stage.instance.on_timer(deadline, self.context)
            self.drain(None)
            if stage.instance.state.timer <= deadline:
                text = f"the timer of {stage.instance.NAME} at {deadline} does not move on"
                raise StageFailed(f"{text}; set state.timer to a later time, or to NO_TIMER")

    def reports(self, limit: int, limit_clock: int, before: int) -> bool:
        """Run the venue; True if it had reports before it was there."""
        venue = self.venue
        if venue is None or not venue.status[ACTIVE]:
            return False
        if venue.advance(limit, limit_clock) != DELIVERED:
            return False
        self.limit = venue.status[CURSOR]
        self.limit_clock = self.context.clock = venue.status[PRESENT]
        self.context.sequence = before + self.limit
        (topic,) = venue.delivered_most
        count = venue.status[DELIVERED_COUNT]
        coder = codec(topic_of(topic).record)
        for record in coder.rows_to_records(venue.rows[topic].copy(), 0, count):
            self.publish(record)
        return True
