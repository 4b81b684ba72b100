"""What handlers emitted: into its topic, then to the readers of the topic, depth first."""

from __future__ import annotations

from typing import Any

import numpy as np

from streams.numeric.borrowing import inlined_kernel, inner_kernel
from streams.numeric.entry_calls import call_stage
from streams.numeric.rows import copy_row
from streams.numeric.table import LENGTH_BYTES, record_at, table_at
from streams.runtime.schedule.loop import (
    COMMAND,
    COMMAND_CLOCK,
    CONTROL_LENGTH,
    LIMIT,
    LIMIT_CLOCK,
    OUTCOME,
)
from streams.runtime.schedule.loop import DONE as VENUE_DONE
from streams.runtime.schedule.records import (
    EMISSION,
    FRAME,
    GO,
    LIST,
    LISTED,
    OUTPUT,
    PYTHON,
    PYTHON_READER,
    READER,
    ROOM,
    SETTLE,
    STAGE,
    STORED,
    TOPIC,
    VENUE,
    VENUE_STOPPED,
    WORD,
)
from streams.runtime.tools.pointers import CONTEXT_LENGTH, call_entry, view

NONE = np.int64(-1)
WORD_BYTES = 8


@inlined_kernel
def word_at(address: Any) -> Any:
    """The int64 at an address."""
    return record_at(address, WORD).value


@inner_kernel
def deliver(s: Any) -> Any:
    """One step of delivering what the last handler emitted: into its topic, or to one reader."""
    frame = table_at(s.frames, FRAME)[s.frames_used - 1]
    if frame.next == frame.end:
        s.emissions_used = frame.first
        s.frames_used -= 1
        return GO
    emission = table_at(s.emissions, EMISSION)[frame.next]
    topic = table_at(s.topics, TOPIC)[emission.topic]
    if frame.reader < 0:
        frame.reader = 0
        if topic.kind == STORED:
            put_in_order(s, topic, emission.row)
        elif topic.kind == LISTED:
            s.called_topic = emission.topic
            s.called_row = emission.row
            return LIST
    if frame.reader == topic.readers:
        frame.next += 1
        frame.reader = NONE
        return GO
    return hand(s, frame, emission, topic)


@inner_kernel
def put_in_order(s: Any, topic: Any, row: Any) -> None:
    """The row is the topic's next record. Its table is long enough, as that of the rows is."""
    place = topic.ordered
    record_at(topic.order + place * WORD_BYTES, WORD).value = row
    if row != place:
        topic.is_disordered = 1
    topic.ordered = place + 1
    s.stored += 1


@inner_kernel
def hand(s: Any, frame: Any, emission: Any, topic: Any) -> Any:
    """Hand the record to the reader whose turn it is."""
    reader = table_at(s.readers, READER)[topic.first_reader + frame.reader]
    if reader.stage == PYTHON:
        frame.reader += 1
        s.called_reader = reader.kind
        s.called_topic = emission.topic
        s.called_row = emission.row
        return PYTHON_READER
    first = topic.rows if topic.kind == STORED else topic.source
    address = first + emission.row * topic.stride
    if reader.stage == VENUE:
        outcome = command(s, address)
        if outcome == GO:
            frame.reader += 1
        return outcome
    code = call(s, reader.stage, reader.kind, address)
    if code > 0:
        return SETTLE
    frame.reader += 1
    return collect(s)


@inner_kernel
def call(s: Any, place: Any, kind: Any, given: Any) -> Any:
    """Call a stage; its code, above 0 for a fault with which Python is to deal."""
    stage = table_at(s.stages, STAGE)[place]
    code = call_stage(stage.entry, kind, stage.header, given, s.clock, stage.out)
    if code > 0:
        s.called_stage = place
        s.called_reader = kind
        s.code = code
    else:
        s.collected = place
    return code


@inner_kernel
def collect(s: Any) -> Any:
    """Take the rows that the called stage wrote into their topics, and make a frame of them."""
    stage = table_at(s.stages, STAGE)[s.collected]
    count = np.int64(0)
    for place in range(stage.first_output, stage.first_output + stage.outputs):
        output = table_at(s.outputs, OUTPUT)[place]
        used = word_at(output.used)
        topic = table_at(s.topics, TOPIC)[output.topic]
        if topic.used + used > topic.length:
            return short_of(s, output.topic, topic.used + used)
        output.taken = 0
        count += used
    if count > 0:
        emissions = table_at(s.emissions, EMISSION)
        if s.emissions_used + count > len(emissions):
            return short_of(s, NONE, s.emissions_used + count)
        if s.frames_used == len(table_at(s.frames, FRAME)):
            return short_of(s, NONE, s.emissions_used + count)
        take_rows(s, stage)
        push_frame(s, count)
    s.collected = NONE
    return GO


@inner_kernel
def take_rows(s: Any, stage: Any) -> None:
    """The stage's rows, in the order they were written; the stage has none any more."""
    first = stage.first_output
    if stage.sequence != 0:
        sequence = table_at(word_at(stage.sequence), WORD)
        for place in range(word_at(stage.sequence_used)):
            take_row(s, first + sequence[place].value)
        record_at(stage.sequence_used, WORD).value = 0
    for place in range(first, first + stage.outputs):
        output = table_at(s.outputs, OUTPUT)[place]
        while output.taken < word_at(output.used):
            take_row(s, place)
        record_at(output.used, WORD).value = 0


@inner_kernel
def take_row(s: Any, place: Any) -> None:
    """The next row of an output into its topic, and among the emissions."""
    output = table_at(s.outputs, OUTPUT)[place]
    topic = table_at(s.topics, TOPIC)[output.topic]
    source = word_at(output.table) + LENGTH_BYTES + output.taken * topic.stride
    copy_row(source, topic.rows + topic.used * topic.stride, topic.stride)
    output.taken += 1
    add_emission(s, output.topic, topic.used)
    topic.used += 1


@inner_kernel
def add_emission(s: Any, topic: Any, row: Any) -> None:
    """One more record that is to be delivered; there must be room."""
    emission = table_at(s.emissions, EMISSION)[s.emissions_used]
    emission.topic = topic
    emission.row = row
    s.emissions_used += 1


@inner_kernel
def push_frame(s: Any, count: Any) -> None:
    """The last ``count`` emissions are delivered next; there must be room."""
    frame = table_at(s.frames, FRAME)[s.frames_used]
    frame.first = s.emissions_used - count
    frame.next = frame.first
    frame.end = s.emissions_used
    frame.reader = NONE
    s.frames_used += 1


@inner_kernel
def short_of(s: Any, topic: Any, length: Any) -> Any:
    """A topic, or the emissions (-1), must have room for so many rows; nothing was changed."""
    s.short_topic = topic
    s.short_length = length
    return ROOM


@inner_kernel
def command(s: Any, address: Any) -> Any:
    """A command to the venue at the present place and clock; an idle venue catches up first."""
    control = view(s.venue_control, (np.int64(CONTROL_LENGTH),), np.int64)
    control[LIMIT] = s.limit
    control[LIMIT_CLOCK] = s.limit_clock
    control[COMMAND_CLOCK] = s.clock
    control[COMMAND] = address
    call_entry(s.venue_command, view(s.venue_packed, (np.int64(CONTEXT_LENGTH),), np.int64))
    return GO if control[OUTCOME] == VENUE_DONE else VENUE_STOPPED
