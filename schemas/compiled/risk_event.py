# mypy: ignore-errors
"""Rows and bytes of RiskEvent: One failed check or risk state change.

Generated from risk_event.avsc by `python -m schemas.generate`; edit that, not this.
"""

import numpy as np

from schemas import msgpack
from schemas.kernel import unlocked_kernel
from schemas.memory import address_of
from schemas.wire import (
    NO_ROOM,
    NULL,
    read_decimal,
    read_enum,
    read_id,
    read_int,
    read_long,
    write_byte,
    write_decimal,
    write_id,
    write_long,
)

DTYPE = np.dtype(
    [
        ("event_time", "i8"),
        ("account", "i4"),
        ("strategy", "i4"),
        ("instrument", "i4"),
        ("order_id_high", "i8"),
        ("order_id_low", "i8"),
        ("code", "u1"),
        ("severity", "u1"),
        ("observed_high", "i8"),
        ("observed_low", "u8"),
        ("limit_high", "i8"),
        ("limit_low", "u8"),
    ],
    align=True,
)

MAX_BYTES = 92  # of one body, and the slack a writer needs
PACKED_BYTES = 96  # of one msgpack array

# kind, nullable, offset in a row, number of symbols
FIELDS = np.array(
    [
        [1, 0, DTYPE.fields["event_time"][1], 0],  # event_time: long
        [0, 0, DTYPE.fields["account"][1], 0],  # account: int
        [0, 0, DTYPE.fields["strategy"][1], 0],  # strategy: int
        [0, 0, DTYPE.fields["instrument"][1], 0],  # instrument: int
        [5, 0, DTYPE.fields["order_id_high"][1], 0],  # order_id: id
        [4, 0, DTYPE.fields["code"][1], 23],  # code: enum
        [4, 0, DTYPE.fields["severity"][1], 5],  # severity: enum
        [6, 0, DTYPE.fields["observed_high"][1], 0],  # observed: decimal
        [6, 0, DTYPE.fields["limit_high"][1], 0],  # limit: decimal
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
        at = write_long(at, row.event_time)
        at = write_long(at, row.account)
        at = write_long(at, row.strategy)
        at = write_long(at, row.instrument)
        at = write_id(at, row.order_id_high, row.order_id_low)
        if row.code >= 23:
            return first - index - 1
        at = write_byte(at, 2 * row.code)
        if row.severity >= 5:
            return first - index - 1
        at = write_byte(at, 2 * row.severity)
        if row.observed_high == NULL:
            return first - index - 1
        at = write_decimal(at, row.observed_high, row.observed_low)
        if row.limit_high == NULL:
            return first - index - 1
        at = write_decimal(at, row.limit_high, row.limit_low)
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
        row.event_time, at = read_long(at, stop)
        row.account, at = read_int(at, stop)
        row.strategy, at = read_int(at, stop)
        row.instrument, at = read_int(at, stop)
        row.order_id_high, row.order_id_low, at = read_id(at, stop)
        row.code, at = read_enum(at, stop, 23)
        row.severity, at = read_enum(at, stop, 5)
        row.observed_high, row.observed_low, at = read_decimal(at, stop)
        row.limit_high, row.limit_low, at = read_decimal(at, stop)
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
