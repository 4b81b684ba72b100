# mypy: ignore-errors
"""Rows and bytes of Signal: A change of a strategy's view.

Generated from signal.avsc by `python -m schemas.generate`; edit that, not this.
"""

import numpy as np

from schemas import msgpack
from schemas.kernel import unlocked_kernel
from schemas.memory import address_of
from schemas.wire import (
    NO_ROOM,
    read_double,
    read_int,
    read_long,
    write_double,
    write_long,
)

DTYPE = np.dtype(
    [
        ("instrument", "i4"),
        ("event_time", "i8"),
        ("sequence", "i8"),
        ("strategy", "i4"),
        ("direction", "i4"),
        ("strength", "f8"),
        ("size", "i8"),
        ("fast", "f8"),
        ("slow", "f8"),
        ("flags", "i4"),
    ],
    align=True,
)

MAX_BYTES = 82  # of one body, and the slack a writer needs
PACKED_BYTES = 93  # of one msgpack array

# kind, nullable, offset in a row, number of symbols
FIELDS = np.array(
    [
        [0, 0, DTYPE.fields["instrument"][1], 0],  # instrument: int
        [1, 0, DTYPE.fields["event_time"][1], 0],  # event_time: long
        [1, 0, DTYPE.fields["sequence"][1], 0],  # sequence: long
        [0, 0, DTYPE.fields["strategy"][1], 0],  # strategy: int
        [0, 0, DTYPE.fields["direction"][1], 0],  # direction: int
        [2, 0, DTYPE.fields["strength"][1], 0],  # strength: double
        [1, 0, DTYPE.fields["size"][1], 0],  # size: long
        [2, 0, DTYPE.fields["fast"][1], 0],  # fast: double
        [2, 0, DTYPE.fields["slow"][1], 0],  # slow: double
        [0, 0, DTYPE.fields["flags"][1], 0],  # flags: int
    ],
    np.int64,
)


@unlocked_kernel
def encode(rows, first, count, body, position):
    """Write ``rows[first : first + count]`` as Avro from ``body[position]`` -> next position, -index - 1 if row ``index`` has no Avro form.

    NO_ROOM if the rows are not there or the body is shorter than ``count * MAX_BYTES``; nothing is written then.
    """
    if first < 0 or first + count > rows.size or position < 0 or body.size - position < count * MAX_BYTES:
        return NO_ROOM
    base = address_of(body)
    at = base + position
    for index in range(first, first + count):
        row = rows[index]
        at = write_long(at, row.instrument)
        at = write_long(at, row.event_time)
        at = write_long(at, row.sequence)
        at = write_long(at, row.strategy)
        at = write_long(at, row.direction)
        at = write_double(at, row.strength)
        at = write_long(at, row.size)
        at = write_double(at, row.fast)
        at = write_double(at, row.slow)
        at = write_long(at, row.flags)
    return at - base


@unlocked_kernel
def decode(body, position, end, rows, first, count, ends):
    """Read ``count`` records from ``body[position:end]`` into ``rows[first:]`` -> next position, -index - 1 if record ``index`` is malformed.

    ``ends[first + index]`` becomes the position after record ``index``. NO_ROOM if rows, ends or body are too short.
    """
    if first < 0 or first + count > rows.size or first + count > ends.size or position < 0 or end > body.size:
        return NO_ROOM
    base = address_of(body)
    at = base + position
    stop = base + end
    for index in range(first, first + count):
        row = rows[index]
        row.instrument, at = read_int(at, stop)
        row.event_time, at = read_long(at, stop)
        row.sequence, at = read_long(at, stop)
        row.strategy, at = read_int(at, stop)
        row.direction, at = read_int(at, stop)
        row.strength, at = read_double(at, stop)
        row.size, at = read_long(at, stop)
        row.fast, at = read_double(at, stop)
        row.slow, at = read_double(at, stop)
        row.flags, at = read_int(at, stop)
        if at > stop:
            return first - index - 1
        ends[index] = at - base
    return at - base


def rows_to_msgpack(rows, first, count, buffer, position):
    """Write rows as msgpack arrays, ``PACKED_BYTES`` free for each -> next position, or negative if a decimal exceeds 64 bits."""
    return msgpack.write_rows(FIELDS, rows.view(np.uint8), rows.itemsize, first, count, msgpack.NO_LEVELS, buffer, position)


def msgpack_to_body(buffer, position, count, body, body_position):
    """Turn ``count`` msgpack arrays into Avro, ``MAX_BYTES`` free for each -> next position, -index - 1 if record ``index`` does not fit."""
    return msgpack.write_bodies(FIELDS, buffer, position, count, body, body_position)
