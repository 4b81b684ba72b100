# mypy: ignore-errors
"""Rows and bytes of Position: Position of an account in an instrument after a fill.

Generated from position.avsc by `python -m schemas.generate`; edit that, not this.
"""

import numpy as np

from schemas import msgpack
from schemas.kernel import unlocked_kernel
from schemas.memory import address_of
from schemas.wire import (
    NO_ROOM,
    NULL,
    read_decimal,
    read_id,
    read_int,
    read_long,
    write_decimal,
    write_id,
    write_long,
)

DTYPE = np.dtype(
    [
        ("account", "i4"),
        ("strategy", "i4"),
        ("instrument", "i4"),
        ("event_time", "i8"),
        ("order_id_high", "i8"),
        ("order_id_low", "i8"),
        ("quantity", "i8"),
        ("cost_high", "i8"),
        ("cost_low", "u8"),
        ("realized_high", "i8"),
        ("realized_low", "u8"),
        ("fees_high", "i8"),
        ("fees_low", "u8"),
    ],
    align=True,
)

MAX_BYTES = 115  # of one body, and the slack a writer needs
PACKED_BYTES = 96  # of one msgpack array

# kind, nullable, offset in a row, number of symbols
FIELDS = np.array(
    [
        [0, 0, DTYPE.fields["account"][1], 0],  # account: int
        [0, 0, DTYPE.fields["strategy"][1], 0],  # strategy: int
        [0, 0, DTYPE.fields["instrument"][1], 0],  # instrument: int
        [1, 0, DTYPE.fields["event_time"][1], 0],  # event_time: long
        [5, 0, DTYPE.fields["order_id_high"][1], 0],  # order_id: id
        [1, 0, DTYPE.fields["quantity"][1], 0],  # quantity: long
        [6, 0, DTYPE.fields["cost_high"][1], 0],  # cost: decimal
        [6, 0, DTYPE.fields["realized_high"][1], 0],  # realized: decimal
        [6, 0, DTYPE.fields["fees_high"][1], 0],  # fees: decimal
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
        at = write_long(at, row.account)
        at = write_long(at, row.strategy)
        at = write_long(at, row.instrument)
        at = write_long(at, row.event_time)
        at = write_id(at, row.order_id_high, row.order_id_low)
        at = write_long(at, row.quantity)
        if row.cost_high == NULL:
            return first - index - 1
        at = write_decimal(at, row.cost_high, row.cost_low)
        if row.realized_high == NULL:
            return first - index - 1
        at = write_decimal(at, row.realized_high, row.realized_low)
        if row.fees_high == NULL:
            return first - index - 1
        at = write_decimal(at, row.fees_high, row.fees_low)
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
        row.account, at = read_int(at, stop)
        row.strategy, at = read_int(at, stop)
        row.instrument, at = read_int(at, stop)
        row.event_time, at = read_long(at, stop)
        row.order_id_high, row.order_id_low, at = read_id(at, stop)
        row.quantity, at = read_long(at, stop)
        row.cost_high, row.cost_low, at = read_decimal(at, stop)
        row.realized_high, row.realized_low, at = read_decimal(at, stop)
        row.fees_high, row.fees_low, at = read_decimal(at, stop)
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
