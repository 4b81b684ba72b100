# mypy: ignore-errors
"""Rows and bytes of Trade: One trade print of a venue.

Generated from trade.avsc by `python -m schemas.generate`; edit that, not this.
"""

import numpy as np

from schemas import msgpack
from schemas.kernel import unlocked_kernel
from schemas.memory import address_of
from schemas.wire import (
    NO_ROOM,
    read_enum,
    read_int,
    read_long,
    write_byte,
    write_long,
)

DTYPE = np.dtype(
    [
        ("instrument", "i4"),
        ("event_time", "i8"),
        ("receive_time", "i8"),
        ("trade_id", "i8"),
        ("trade_count", "i4"),
        ("price", "i8"),
        ("quantity", "i8"),
        ("aggressor_side", "u1"),
        ("flags", "i4"),
    ],
    align=True,
)

MAX_BYTES = 75  # of one body, and the slack a writer needs
PACKED_BYTES = 84  # of one msgpack array

# kind, nullable, offset in a row, number of symbols
FIELDS = np.array(
    [
        [0, 0, DTYPE.fields["instrument"][1], 0],  # instrument: int
        [1, 0, DTYPE.fields["event_time"][1], 0],  # event_time: long
        [1, 0, DTYPE.fields["receive_time"][1], 0],  # receive_time: long
        [1, 0, DTYPE.fields["trade_id"][1], 0],  # trade_id: long
        [0, 0, DTYPE.fields["trade_count"][1], 0],  # trade_count: int
        [1, 0, DTYPE.fields["price"][1], 0],  # price: long
        [1, 0, DTYPE.fields["quantity"][1], 0],  # quantity: long
        [4, 0, DTYPE.fields["aggressor_side"][1], 3],  # aggressor_side: enum
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
        at = write_long(at, row.receive_time)
        at = write_long(at, row.trade_id)
        at = write_long(at, row.trade_count)
        at = write_long(at, row.price)
        at = write_long(at, row.quantity)
        if row.aggressor_side >= 3:
            return first - index - 1
        at = write_byte(at, 2 * row.aggressor_side)
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
        row.receive_time, at = read_long(at, stop)
        row.trade_id, at = read_long(at, stop)
        row.trade_count, at = read_int(at, stop)
        row.price, at = read_long(at, stop)
        row.quantity, at = read_long(at, stop)
        row.aggressor_side, at = read_enum(at, stop, 3)
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
