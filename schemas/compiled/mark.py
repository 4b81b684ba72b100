# mypy: ignore-errors
"""Rows and bytes of Mark: Best bid, ask and last trade, conflated by event time.

Generated from mark.avsc by `python -m schemas.generate`; edit that, not this.
"""

import numpy as np

from schemas import msgpack
from schemas.kernel import unlocked_kernel
from schemas.memory import address_of
from schemas.wire import (
    NO_ROOM,
    read_int,
    read_long,
    write_long,
)

DTYPE = np.dtype(
    [
        ("instrument", "i4"),
        ("event_time", "i8"),
        ("sequence", "i8"),
        ("bid_price", "i8"),
        ("bid_quantity", "i8"),
        ("ask_price", "i8"),
        ("ask_quantity", "i8"),
        ("last_price", "i8"),
        ("book_time", "i8"),
        ("flags", "i4"),
    ],
    align=True,
)

MAX_BYTES = 98  # of one body, and the slack a writer needs
PACKED_BYTES = 93  # of one msgpack array

# kind, nullable, offset in a row, number of symbols
FIELDS = np.array(
    [
        [0, 0, DTYPE.fields["instrument"][1], 0],  # instrument: int
        [1, 0, DTYPE.fields["event_time"][1], 0],  # event_time: long
        [1, 0, DTYPE.fields["sequence"][1], 0],  # sequence: long
        [1, 0, DTYPE.fields["bid_price"][1], 0],  # bid_price: long
        [1, 0, DTYPE.fields["bid_quantity"][1], 0],  # bid_quantity: long
        [1, 0, DTYPE.fields["ask_price"][1], 0],  # ask_price: long
        [1, 0, DTYPE.fields["ask_quantity"][1], 0],  # ask_quantity: long
        [1, 0, DTYPE.fields["last_price"][1], 0],  # last_price: long
        [1, 0, DTYPE.fields["book_time"][1], 0],  # book_time: long
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
        at = write_long(at, row.bid_price)
        at = write_long(at, row.bid_quantity)
        at = write_long(at, row.ask_price)
        at = write_long(at, row.ask_quantity)
        at = write_long(at, row.last_price)
        at = write_long(at, row.book_time)
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
        row.bid_price, at = read_long(at, stop)
        row.bid_quantity, at = read_long(at, stop)
        row.ask_price, at = read_long(at, stop)
        row.ask_quantity, at = read_long(at, stop)
        row.last_price, at = read_long(at, stop)
        row.book_time, at = read_long(at, stop)
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
