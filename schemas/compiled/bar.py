# mypy: ignore-errors
"""Rows and bytes of Bar: A bar: interval closed left, open right.

Generated from bar.avsc by `python -m schemas.generate`; edit that, not this.
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
        ("instrument", "i4"),
        ("kind", "u1"),
        ("interval", "i8"),
        ("open_time", "i8"),
        ("close_time", "i8"),
        ("version", "i4"),
        ("open", "i8"),
        ("high", "i8"),
        ("low", "i8"),
        ("close", "i8"),
        ("volume", "i8"),
        ("quote_volume_high", "i8"),
        ("quote_volume_low", "u8"),
        ("trade_count", "i8"),
        ("taker_buy_volume", "i8"),
        ("taker_buy_quote_volume_high", "i8"),
        ("taker_buy_quote_volume_low", "u8"),
        ("flags", "i4"),
        ("volume_wide_high", "i8"),
        ("volume_wide_low", "u8"),
        ("taker_buy_volume_wide_high", "i8"),
        ("taker_buy_volume_wide_low", "u8"),
    ],
    align=True,
)

MAX_BYTES = 195  # of one body, and the slack a writer needs
PACKED_BYTES = 165  # of one msgpack array

# kind, nullable, offset in a row, number of symbols
FIELDS = np.array(
    [
        [0, 0, DTYPE.fields["instrument"][1], 0],  # instrument: int
        [4, 0, DTYPE.fields["kind"][1], 2],  # kind: enum
        [1, 0, DTYPE.fields["interval"][1], 0],  # interval: long
        [1, 0, DTYPE.fields["open_time"][1], 0],  # open_time: long
        [1, 0, DTYPE.fields["close_time"][1], 0],  # close_time: long
        [0, 0, DTYPE.fields["version"][1], 0],  # version: int
        [1, 0, DTYPE.fields["open"][1], 0],  # open: long
        [1, 0, DTYPE.fields["high"][1], 0],  # high: long
        [1, 0, DTYPE.fields["low"][1], 0],  # low: long
        [1, 0, DTYPE.fields["close"][1], 0],  # close: long
        [1, 0, DTYPE.fields["volume"][1], 0],  # volume: long
        [6, 0, DTYPE.fields["quote_volume_high"][1], 0],  # quote_volume: decimal
        [1, 0, DTYPE.fields["trade_count"][1], 0],  # trade_count: long
        [1, 0, DTYPE.fields["taker_buy_volume"][1], 0],  # taker_buy_volume: long
        [6, 0, DTYPE.fields["taker_buy_quote_volume_high"][1], 0],  # taker_buy_quote_volume: decimal
        [0, 0, DTYPE.fields["flags"][1], 0],  # flags: int
        [6, 1, DTYPE.fields["volume_wide_high"][1], 0],  # volume_wide: decimal
        [6, 1, DTYPE.fields["taker_buy_volume_wide_high"][1], 0],  # taker_buy_volume_wide: decimal
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
        if row.kind >= 2:
            return first - index - 1
        at = write_byte(at, 2 * row.kind)
        at = write_long(at, row.interval)
        at = write_long(at, row.open_time)
        at = write_long(at, row.close_time)
        at = write_long(at, row.version)
        at = write_long(at, row.open)
        at = write_long(at, row.high)
        at = write_long(at, row.low)
        at = write_long(at, row.close)
        at = write_long(at, row.volume)
        if row.quote_volume_high == NULL:
            return first - index - 1
        at = write_decimal(at, row.quote_volume_high, row.quote_volume_low)
        at = write_long(at, row.trade_count)
        at = write_long(at, row.taker_buy_volume)
        if row.taker_buy_quote_volume_high == NULL:
            return first - index - 1
        at = write_decimal(at, row.taker_buy_quote_volume_high, row.taker_buy_quote_volume_low)
        at = write_long(at, row.flags)
        if row.volume_wide_high == NULL:
            at = write_byte(at, 0)
        else:
            at = write_byte(at, 2)
            at = write_decimal(at, row.volume_wide_high, row.volume_wide_low)
        if row.taker_buy_volume_wide_high == NULL:
            at = write_byte(at, 0)
        else:
            at = write_byte(at, 2)
            at = write_decimal(at, row.taker_buy_volume_wide_high, row.taker_buy_volume_wide_low)
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
        row.kind, at = read_enum(at, stop, 2)
        row.interval, at = read_long(at, stop)
        row.open_time, at = read_long(at, stop)
        row.close_time, at = read_long(at, stop)
        row.version, at = read_int(at, stop)
        row.open, at = read_long(at, stop)
        row.high, at = read_long(at, stop)
        row.low, at = read_long(at, stop)
        row.close, at = read_long(at, stop)
        row.volume, at = read_long(at, stop)
        row.quote_volume_high, row.quote_volume_low, at = read_decimal(at, stop)
        row.trade_count, at = read_long(at, stop)
        row.taker_buy_volume, at = read_long(at, stop)
        row.taker_buy_quote_volume_high, row.taker_buy_quote_volume_low, at = read_decimal(at, stop)
        row.flags, at = read_int(at, stop)
        present, at = read_enum(at, stop, 2)
        if present:
            row.volume_wide_high, row.volume_wide_low, at = read_decimal(at, stop)
        else:
            row.volume_wide_high = NULL
            row.volume_wide_low = 0
        present, at = read_enum(at, stop, 2)
        if present:
            row.taker_buy_volume_wide_high, row.taker_buy_volume_wide_low, at = read_decimal(at, stop)
        else:
            row.taker_buy_volume_wide_high = NULL
            row.taker_buy_volume_wide_low = 0
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
