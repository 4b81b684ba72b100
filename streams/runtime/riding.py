"""Runs of events that one compiled call does, in a session of the order side
(``streams/express``)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from streams.runtime.context import StageContext
from streams.runtime.deliveries import Deliveries
from streams.runtime.early import EarlyLedgers
from streams.runtime.emitted import Emitted
from streams.runtime.handed import Handed
from streams.runtime.runner import LoopRunner


class Stop(NamedTuple):
    """Where a ride ended: the next event, where the venue must be, its reports that Python is to
    hand over, whether the session was closed, whether timers must be looked at again.
    """

    position: int
    limit: int
    limit_clock: int
    reports: Sequence[Any]
    is_closed: bool
    has_timers: bool


class Riding:
    """Rides of one engine.

    Attributes:
        session: what the entry works on.
        numbers: of the events a ride takes: signals, requests, marks.

    Args:
        stepped: the venue's loop, which has the entry.
        names: topic by number.
    """

    def __init__(self, session: Any, stepped: LoopRunner, early: EarlyLedgers, emitted: Emitted, names: Sequence[str]) -> None:
        self.session = session
        self._stepped = stepped
        self._early = early
        self._emitted = emitted
        of_early = dict(zip(emitted.lists, early.numbers.values(), strict=True))
        self.numbers = [of_early[topic] if topic in of_early else names.index(topic) if topic in names else -1 for topic in session.topics]
        self._of_early = of_early

    def begin(self, ahead: LoopRunner | Handed, records: int) -> bool:
        """A slice of so many records begins; False if it is too small to ride."""
        if records < self.session.records_min:
            return False
        self.session.begin()
        for name, topic in (("signals", "signals"), ("marks", "md.marks")):
            if topic in ahead.rows:
                self._stepped.context.put(f"express_{name}", ahead.rows[topic])
        return True

    def lay_out(self, deliveries: Deliveries) -> bool:
        """Lay the window out for the entry; False if it holds what that cannot take."""
        put, made = self._stepped.context.put, self._early.made
        if made:
            emitted = {topic: made[number] for topic, number in self._of_early.items() if number in made}
            rows = self.session.rows_of(emitted)
            if rows is None:
                return False
            for name, array in rows.items():
                put(f"express_{name}", array)
        put("express_window", deliveries.events)
        return True

    def ride(
        self, deliveries: Deliveries, context: StageContext, position: int, timer: tuple[int, int], limit: tuple[int, int], base: int, records: int
    ) -> Stop:
        """Do a run of events from this position on.

        Args:
            timer: step and clock of the next ledger timer.
            limit: where the venue must be now, index and clock.
            base: records consumed before the slice of so many ``records``.
        """
        session, stepped = self.session, self._stepped
        assert stepped.express is not None
        if not session.has_ridden:
            self._emitted.pack()
        lane = session.lane
        lane["at"], lane["total"] = position, len(deliveries.steps)
        lane["signal_topic"], lane["request_topic"], lane["mark_topic"] = self.numbers
        lane["timer_step"], lane["timer_clock"] = timer
        lane["limit"], lane["limit_clock"] = limit
        lane["base"], lane["records"], lane["clock"], lane["sequence"] = base, records, context.clock, context.sequence
        lane["signals"] = lane["asked"] = lane["marks"] = 0
        if stepped.second is not None:
            stepped.wait_for_express()
        stepped.express(stepped.packed)
        context.clock, context.sequence = int(lane["clock"]), int(lane["sequence"])
        for number, name in zip(self.numbers, ("signals", "asked", "marks"), strict=True):
            count = int(lane[name])
            if name == "signals" and "signals" in self._of_early:
                self._emitted.lists["signals"].extend(deliveries.take(number, count))
            else:
                deliveries.skip(number, count)
        reached, outcome = int(lane["at"]), int(lane["outcome"])
        session.rode(reached - position)
        reports: Sequence[Any] = ()
        if outcome == session.FAULT:
            stepped.raise_fault()
            raise AssertionError("an idle venue delivered a report")
        if outcome == session.REPORTS:
            reports = stepped.delivered()[int(lane["handled"]) :]
        is_closed = outcome in (session.FULL, session.REPORTS)
        if is_closed:
            self.close(context)
        has_timers = is_closed or outcome == session.TIMER
        limit_clock = int(lane["limit_clock"])
        return Stop(reached, int(lane["limit"]), limit_clock, reports, is_closed, has_timers)

    def close(self, context: StageContext) -> None:
        """Close the session; the records made meanwhile get their place in the output."""
        for topic, body, count in self.session.close(context):
            self._emitted.put(topic, body, count)
