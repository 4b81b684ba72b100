# mypy: ignore-errors
"""Rows and bytes of PnL: P&L of an account.

Generated from pnl.avsc by `python -m schemas.generate`; edit that, not this.
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
    read_int,
    read_long,
    write_byte,
    write_decimal,
    write_long,
)

DTYPE = np.dtype(
    [
        ("account", "i4"),
        ("event_time", "i8"),
        ("amount_precision", "i4"),
        ("realized_high", "i8"),
        ("realized_low", "u8"),
        ("unrealized_high", "i8"),
        ("unrealized_low", "u8"),
        ("fees_high", "i8"),
        ("fees_low", "u8"),
        ("cash_high", "i8"),
        ("cash_low", "u8"),
        ("equity_high", "i8"),
        ("equity_low", "u8"),
        ("reason", "u1"),
        ("flags", "i4"),
    ],
    align=True,
)

MAX_BYTES = 122  # of one body, and the slack a writer needs
PACKED_BYTES = 93  # of one msgpack array

# kind, nullable, offset in a row, number of symbols
FIELDS = np.array(
    [
        [0, 0, DTYPE.fields["account"][1], 0],  # account: int
        [1, 0, DTYPE.fields["event_time"][1], 0],  # event_time: long
        [0, 0, DTYPE.fields["amount_precision"][1], 0],  # amount_precision: int
        [6, 0, DTYPE.fields["realized_high"][1], 0],  # realized: decimal
        [6, 1, DTYPE.fields["unrealized_high"][1], 0],  # unrealized: decimal
        [6, 0, DTYPE.fields["fees_high"][1], 0],  # fees: decimal
        [6, 0, DTYPE.fields["cash_high"][1], 0],  # cash: decimal
        [6, 1, DTYPE.fields["equity_high"][1], 0],  # equity: decimal
        [4, 0, DTYPE.fields["reason"][1], 7],  # reason: enum
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
        at = write_long(at, row.account)
        at = write_long(at, row.event_time)
        at = write_long(at, row.amount_precision)
        if row.realized_high == NULL:
            return first - index - 1
        at = write_decimal(at, row.realized_high, row.realized_low)
        if row.unrealized_high == NULL:
            at = write_byte(at, 0)
        else:
            at = write_byte(at, 2)
            at = write_decimal(at, row.unrealized_high, row.unrealized_low)
        if row.fees_high == NULL:
            return first - index - 1
        at = write_decimal(at, row.fees_high, row.fees_low)
        if row.cash_high == NULL:
            return first - index - 1
        at = write_decimal(at, row.cash_high, row.cash_low)
        if row.equity_high == NULL:
            at = write_byte(at, 0)
        else:
            at = write_byte(at, 2)
            at = write_decimal(at, row.equity_high, row.equity_low)
        if row.reason >= 7:
            return first - index - 1
        at = write_byte(at, 2 * row.reason)
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
        row.account, at = read_int(at, stop)
        row.event_time, at = read_long(at, stop)
        row.amount_precision, at = read_int(at, stop)
        row.realized_high, row.realized_low, at = read_decimal(at, stop)
        present, at = read_enum(at, stop, 2)
        if present:
            row.unrealized_high, row.unrealized_low, at = read_decimal(at, stop)
        else:
            row.unrealized_high = NULL
            row.unrealized_low = 0
        row.fees_high, row.fees_low, at = read_decimal(at, stop)
        row.cash_high, row.cash_low, at = read_decimal(at, stop)
        present, at = read_enum(at, stop, 2)
        if present:
            row.equity_high, row.equity_low, at = read_decimal(at, stop)
        else:
            row.equity_high = NULL
            row.equity_low = 0
        row.reason, at = read_enum(at, stop, 7)
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
