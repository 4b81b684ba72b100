# mypy: ignore-errors
"""Rows and bytes of ExecutionReport: What a venue says about one of our orders.

Generated from execution_report.avsc by `python -m schemas.generate`; edit that, not this.
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
        ("order_id_high", "i8"),
        ("order_id_low", "i8"),
        ("instrument", "i4"),
        ("event_time", "i8"),
        ("venue_time", "i8"),
        ("kind", "u1"),
        ("reason", "u1"),
        ("venue_trade_id", "i8"),
        ("side", "u1"),
        ("price", "i8"),
        ("quantity", "i8"),
        ("cumulative_quantity", "i8"),
        ("leaves_quantity", "i8"),
        ("liquidity", "u1"),
        ("fee_high", "i8"),
        ("fee_low", "u8"),
    ],
    align=True,
)

MAX_BYTES = 129  # of one body, and the slack a writer needs
PACKED_BYTES = 141  # of one msgpack array

# kind, nullable, offset in a row, number of symbols
FIELDS = np.array(
    [
        [5, 0, DTYPE.fields["order_id_high"][1], 0],  # order_id: id
        [0, 0, DTYPE.fields["instrument"][1], 0],  # instrument: int
        [1, 0, DTYPE.fields["event_time"][1], 0],  # event_time: long
        [1, 0, DTYPE.fields["venue_time"][1], 0],  # venue_time: long
        [4, 0, DTYPE.fields["kind"][1], 7],  # kind: enum
        [4, 0, DTYPE.fields["reason"][1], 25],  # reason: enum
        [1, 0, DTYPE.fields["venue_trade_id"][1], 0],  # venue_trade_id: long
        [4, 0, DTYPE.fields["side"][1], 3],  # side: enum
        [1, 0, DTYPE.fields["price"][1], 0],  # price: long
        [1, 0, DTYPE.fields["quantity"][1], 0],  # quantity: long
        [1, 0, DTYPE.fields["cumulative_quantity"][1], 0],  # cumulative_quantity: long
        [1, 0, DTYPE.fields["leaves_quantity"][1], 0],  # leaves_quantity: long
        [4, 0, DTYPE.fields["liquidity"][1], 3],  # liquidity: enum
        [6, 0, DTYPE.fields["fee_high"][1], 0],  # fee: decimal
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
        at = write_id(at, row.order_id_high, row.order_id_low)
        at = write_long(at, row.instrument)
        at = write_long(at, row.event_time)
        at = write_long(at, row.venue_time)
        if row.kind >= 7:
            return first - index - 1
        at = write_byte(at, 2 * row.kind)
        if row.reason >= 25:
            return first - index - 1
        at = write_byte(at, 2 * row.reason)
        at = write_long(at, row.venue_trade_id)
        if row.side >= 3:
            return first - index - 1
        at = write_byte(at, 2 * row.side)
        at = write_long(at, row.price)
        at = write_long(at, row.quantity)
        at = write_long(at, row.cumulative_quantity)
        at = write_long(at, row.leaves_quantity)
        if row.liquidity >= 3:
            return first - index - 1
        at = write_byte(at, 2 * row.liquidity)
        if row.fee_high == NULL:
            return first - index - 1
        at = write_decimal(at, row.fee_high, row.fee_low)
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
        row.order_id_high, row.order_id_low, at = read_id(at, stop)
        row.instrument, at = read_int(at, stop)
        row.event_time, at = read_long(at, stop)
        row.venue_time, at = read_long(at, stop)
        row.kind, at = read_enum(at, stop, 7)
        row.reason, at = read_enum(at, stop, 25)
        row.venue_trade_id, at = read_long(at, stop)
        row.side, at = read_enum(at, stop, 3)
        row.price, at = read_long(at, stop)
        row.quantity, at = read_long(at, stop)
        row.cumulative_quantity, at = read_long(at, stop)
        row.leaves_quantity, at = read_long(at, stop)
        row.liquidity, at = read_enum(at, stop, 3)
        row.fee_high, row.fee_low, at = read_decimal(at, stop)
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
