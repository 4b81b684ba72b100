"""The scheduler: what happens next, compiled, for every kind of record and every stage.

The order, which is the product's promise and stands nowhere else:

1. What a handler emitted is delivered before anything else happens, depth first: each record goes
   into its topic, then to the topic's readers in stage order, and what a reader emits is delivered
   before the next reader has the record.
2. Of what comes next, the earliest goes first: an upstream event (an input record or what the
   upstream pass made of it), or a timer. Timers due before a record come before it; of timers due
   at one time the first in stage order.
3. Before either, the venue runs up to there. It stops at the first moment at which it has reports,
   which are delivered (1), and so on.

Records are rows in tables; an entry of a stage is called by its address. The scheduler returns with
an outcome where Python must do something (``records.py``), and goes on where it was when it is
called again: all it knows lies in its records. Before a handler is called nothing of what it will
do is done; a handler that leaves a fault has changed nothing and is called again.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from streams.numeric.borrowing import inlined_kernel, inner_kernel, unlocked_borrowing_kernel
from streams.numeric.identity import ID_SOURCE
from streams.numeric.rows import copy_row
from streams.numeric.table import record_at, table_at
from streams.runtime.schedule.emissions import (
    NONE,
    WORD_BYTES,
    add_emission,
    call,
    collect,
    deliver,
    push_frame,
    short_of,
    word_at,
)
from streams.runtime.schedule.loop import (
    ACTIVE,
    CONTROL_LENGTH,
    CURSOR,
    DELIVERED,
    DELIVERED_COUNT,
    EVENT,
    LIMIT,
    LIMIT_CLOCK,
    OUTCOME,
    PRESENT,
)
from streams.runtime.schedule.loop import DONE as VENUE_DONE
from streams.runtime.schedule.records import (
    DONE,
    FLUSH,
    GO,
    MADE,
    NO_STEP,
    NO_TIMER,
    PYTHON,
    PYTHON_TIMER,
    RELAYED,
    SCHEDULE,
    SETTLE,
    STUCK,
    TIMER,
    TOPIC,
    VENUE_STOPPED,
    WINDOW,
    WORD,
)
from streams.runtime.tools.pointers import CONTEXT_LENGTH, call_entry, view

FLUSH_ROWS = 2048
"""Rows stored until they are encoded: so many stay in the processor's cache."""
EVENT_BYTES = EVENT.itemsize


@unlocked_borrowing_kernel
def advance(address: Any) -> None:
    """Go on until Python is needed; ``address`` is that of the SCHEDULE."""
    s = record_at(address, SCHEDULE)
    outcome = GO
    if s.collected >= 0:
        outcome = collect(s)
    while outcome == GO:
        if s.frames_used > 0:
            outcome = deliver(s)
        elif s.is_draining != 0:
            outcome = DONE
        else:
            outcome = next_step(s)
    s.outcome = outcome


# -- what comes next


@inner_kernel
def next_step(s: Any) -> Any:
    """The venue up to the next event or timer, then that: everything emitted is delivered."""
    if s.stored > FLUSH_ROWS:
        return FLUSH
    find_timer(s)
    step, due = NO_STEP, np.int64(0)
    if s.position < s.total:
        event = event_at(s)
        step, due = event.step, event.clock
    elif s.is_last == 0:
        return WINDOW
    is_timer = s.timer_step < step or (
        s.timer_step == step and step < NO_STEP and s.timer_clock < due
    )
    if is_timer:
        limit = s.timer_step >> 1
        limit_clock = s.timer_clock
        if table_at(s.timers, TIMER)[s.timer].rank <= s.venue_rank:
            limit_clock -= 1
    elif s.position < s.total:
        limit = step >> 1
        limit_clock = NO_TIMER if step & 1 else due - 1
    else:
        limit, limit_clock = s.length, NO_TIMER
    outcome = run_venue(s, limit, limit_clock)
    if outcome != GO or s.frames_used > 0:
        return outcome
    if is_timer:
        return fire(s, limit, limit_clock)
    if s.position == s.total:
        return DONE
    return deliver_event(s, step, due)


@inlined_kernel
def event_at(s: Any) -> Any:
    """The next event of the window."""
    return record_at(s.events + s.position * EVENT_BYTES, EVENT)


@inner_kernel
def deliver_event(s: Any, step: Any, due: Any) -> Any:
    """The next event to the readers of its topic. A command that comes of it reaches a venue that
    has taken the record which led to it, or that is before a timer's first later one.
    """
    event = event_at(s)
    number, row = event.topic, event.row
    topic = table_at(s.topics, TOPIC)[number]
    if topic.kind == MADE:
        target = table_at(s.topics, TOPIC)[topic.target]
        if target.used == target.length:
            return short_of(s, topic.target, target.used + 1)
        copy_row(
            topic.source + row * topic.stride,
            target.rows + target.used * topic.stride,
            topic.stride,
        )
        number, row = topic.target, target.used
        target.used = row + 1
    elif topic.kind == RELAYED:
        keep_place(s)
    s.clock = due
    if step & 1:
        s.limit, s.limit_clock = (step >> 1) + 1, NONE
    else:
        s.limit, s.limit_clock = step >> 1, due - 1
    set_sequence(s, min((step + 1) >> 1, s.records))
    s.position += 1
    add_emission(s, number, row)
    push_frame(s, np.int64(1))
    return GO


@inlined_kernel
def set_sequence(s: Any, records: Any) -> None:
    """So many records of the input batch are consumed, as ids and Python stages have it."""
    s.sequence = s.before + records
    record_at(s.ids, ID_SOURCE).sequence = s.sequence


@inlined_kernel
def keep_place(s: Any) -> None:
    """Where the order side is: it goes back there if nothing comes of the call that follows."""
    s.kept_clock = s.clock
    s.kept_sequence = s.sequence
    s.kept_limit = s.limit
    s.kept_limit_clock = s.limit_clock


# -- timers


@inner_kernel
def find_timer(s: Any) -> None:
    """The earliest timer that is due in the input batch; of several the first in stage order."""
    timers = table_at(s.timers, TIMER)
    first, earliest = NONE, NO_TIMER
    for place in range(len(timers)):
        deadline = word_at(timers[place].deadline)
        if deadline < earliest:
            first, earliest = np.int64(place), deadline
    if first == s.timer and earliest == s.timer_value:
        return
    s.timer = first
    s.timer_value = earliest
    s.timer_step = NO_STEP
    if first >= 0 and s.length > 0 and earliest <= clock_at(s, s.length - 1):
        place = max(first_at(s, earliest), s.limit)
        if place < s.length:
            s.timer_step = 2 * place
            s.timer_clock = max(earliest, s.clock)


@inlined_kernel
def clock_at(s: Any, place: Any) -> Any:
    """The clock at a place of the input batch."""
    return record_at(s.clocks + place * WORD_BYTES, WORD).value


@inner_kernel
def first_at(s: Any, deadline: Any) -> Any:
    """The first place of the input batch whose clock is not before the deadline."""
    low, high = np.int64(0), s.length
    while low < high:
        middle = (low + high) >> 1
        if clock_at(s, middle) < deadline:
            low = middle + 1
        else:
            high = middle
    return low


@inner_kernel
def fire(s: Any, limit: Any, limit_clock: Any) -> Any:
    """The timer is due."""
    timer = table_at(s.timers, TIMER)[s.timer]
    deadline = s.timer_value
    if timer.stage == PYTHON:
        keep_place(s)
    s.limit = limit
    s.limit_clock = limit_clock
    s.clock = s.timer_clock
    set_sequence(s, limit)
    if timer.stage == PYTHON:
        s.timer_value = NONE  # looked at again
        s.called_reader = timer.kind
        return PYTHON_TIMER
    if call(s, timer.stage, timer.kind, deadline) > 0:
        return SETTLE
    if word_at(timer.deadline) <= deadline:
        s.called_stage = timer.stage
        return STUCK
    s.timer_value = NONE  # looked at again
    return collect(s)


# -- the venue


@inner_kernel
def run_venue(s: Any, limit: Any, limit_clock: Any) -> Any:
    """The venue up to a place and a clock if anything is under way there, or to its next reports,
    which are then what was emitted.
    """
    if s.venue_run == 0:
        return GO
    control = view(s.venue_control, (np.int64(CONTROL_LENGTH),), np.int64)
    if control[ACTIVE] == 0:
        return GO
    topic = table_at(s.topics, TOPIC)[s.reports_topic]
    if topic.used + s.reports_most > topic.length:
        return short_of(s, s.reports_topic, topic.used + s.reports_most)
    control[LIMIT] = limit
    control[LIMIT_CLOCK] = limit_clock
    call_entry(s.venue_run, view(s.venue_packed, (np.int64(CONTEXT_LENGTH),), np.int64))
    if control[OUTCOME] == VENUE_DONE:
        return GO
    if control[OUTCOME] != DELIVERED:
        return VENUE_STOPPED
    s.limit = control[CURSOR]
    s.limit_clock = control[PRESENT]
    s.clock = control[PRESENT]
    set_sequence(s, s.limit)
    count = control[DELIVERED_COUNT]
    for place in range(count):
        copy_row(
            s.reports + place * topic.stride,
            topic.rows + topic.used * topic.stride,
            topic.stride,
        )
        add_emission(s, s.reports_topic, topic.used)
        topic.used += 1
    push_frame(s, count)
    return GO


__all__ = ["advance"]
