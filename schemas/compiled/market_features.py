# mypy: ignore-errors
"""Rows and bytes of MarketFeatures: Microstructure measures of one interval of event time.

Generated from market_features.avsc by `python -m schemas.generate`; edit that, not this.
"""

import numpy as np

from schemas import msgpack
from schemas.kernel import unlocked_kernel
from schemas.memory import address_of
from schemas.wire import (
    NO_ROOM,
    NULL,
    read_decimal,
    read_double,
    read_enum,
    read_int,
    read_long,
    write_byte,
    write_decimal,
    write_double,
    write_long,
)

DTYPE = np.dtype(
    [
        ("instrument", "i4"),
        ("event_time", "i8"),
        ("sequence", "i8"),
        ("interval", "i8"),
        ("spread", "i8"),
        ("imbalance_1", "f8"),
        ("imbalance_3", "f8"),
        ("imbalance_5", "f8"),
        ("imbalance_10", "f8"),
        ("pressure", "f8"),
        ("weighted_mid", "f8"),
        ("order_flow_imbalance", "i8"),
        ("order_flow_events", "i4"),
        ("buy_volume", "i8"),
        ("sell_volume", "i8"),
        ("trade_count", "i4"),
        ("method", "u1"),
        ("flags", "i4"),
        ("order_flow_imbalance_wide_high", "i8"),
        ("order_flow_imbalance_wide_low", "u8"),
        ("buy_volume_wide_high", "i8"),
        ("buy_volume_wide_low", "u8"),
        ("sell_volume_wide_high", "i8"),
        ("sell_volume_wide_low", "u8"),
    ],
    align=True,
)

MAX_BYTES = 208  # of one body, and the slack a writer needs
PACKED_BYTES = 192  # of one msgpack array

# kind, nullable, offset in a row, number of symbols
FIELDS = np.array(
    [
        [0, 0, DTYPE.fields["instrument"][1], 0],  # instrument: int
        [1, 0, DTYPE.fields["event_time"][1], 0],  # event_time: long
        [1, 0, DTYPE.fields["sequence"][1], 0],  # sequence: long
        [1, 0, DTYPE.fields["interval"][1], 0],  # interval: long
        [1, 0, DTYPE.fields["spread"][1], 0],  # spread: long
        [2, 1, DTYPE.fields["imbalance_1"][1], 0],  # imbalance_1: double
        [2, 1, DTYPE.fields["imbalance_3"][1], 0],  # imbalance_3: double
        [2, 1, DTYPE.fields["imbalance_5"][1], 0],  # imbalance_5: double
        [2, 1, DTYPE.fields["imbalance_10"][1], 0],  # imbalance_10: double
        [2, 1, DTYPE.fields["pressure"][1], 0],  # pressure: double
        [2, 1, DTYPE.fields["weighted_mid"][1], 0],  # weighted_mid: double
        [1, 0, DTYPE.fields["order_flow_imbalance"][1], 0],  # order_flow_imbalance: long
        [0, 0, DTYPE.fields["order_flow_events"][1], 0],  # order_flow_events: int
        [1, 0, DTYPE.fields["buy_volume"][1], 0],  # buy_volume: long
        [1, 0, DTYPE.fields["sell_volume"][1], 0],  # sell_volume: long
        [0, 0, DTYPE.fields["trade_count"][1], 0],  # trade_count: int
        [4, 0, DTYPE.fields["method"][1], 4],  # method: enum
        [0, 0, DTYPE.fields["flags"][1], 0],  # flags: int
        [6, 1, DTYPE.fields["order_flow_imbalance_wide_high"][1], 0],  # order_flow_imbalance_wide: decimal
        [6, 1, DTYPE.fields["buy_volume_wide_high"][1], 0],  # buy_volume_wide: decimal
        [6, 1, DTYPE.fields["sell_volume_wide_high"][1], 0],  # sell_volume_wide: decimal
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
        at = write_long(at, row.interval)
        at = write_long(at, row.spread)
        if np.isnan(row.imbalance_1):
            at = write_byte(at, 0)
        else:
            at = write_byte(at, 2)
            at = write_double(at, row.imbalance_1)
        if np.isnan(row.imbalance_3):
            at = write_byte(at, 0)
        else:
            at = write_byte(at, 2)
            at = write_double(at, row.imbalance_3)
        if np.isnan(row.imbalance_5):
            at = write_byte(at, 0)
        else:
            at = write_byte(at, 2)
            at = write_double(at, row.imbalance_5)
        if np.isnan(row.imbalance_10):
            at = write_byte(at, 0)
        else:
            at = write_byte(at, 2)
            at = write_double(at, row.imbalance_10)
        if np.isnan(row.pressure):
            at = write_byte(at, 0)
        else:
            at = write_byte(at, 2)
            at = write_double(at, row.pressure)
        if np.isnan(row.weighted_mid):
            at = write_byte(at, 0)
        else:
            at = write_byte(at, 2)
            at = write_double(at, row.weighted_mid)
        at = write_long(at, row.order_flow_imbalance)
        at = write_long(at, row.order_flow_events)
        at = write_long(at, row.buy_volume)
        at = write_long(at, row.sell_volume)
        at = write_long(at, row.trade_count)
        if row.method >= 4:
            return first - index - 1
        at = write_byte(at, 2 * row.method)
        at = write_long(at, row.flags)
        if row.order_flow_imbalance_wide_high == NULL:
            at = write_byte(at, 0)
        else:
            at = write_byte(at, 2)
            at = write_decimal(at, row.order_flow_imbalance_wide_high, row.order_flow_imbalance_wide_low)
        if row.buy_volume_wide_high == NULL:
            at = write_byte(at, 0)
        else:
            at = write_byte(at, 2)
            at = write_decimal(at, row.buy_volume_wide_high, row.buy_volume_wide_low)
        if row.sell_volume_wide_high == NULL:
            at = write_byte(at, 0)
        else:
            at = write_byte(at, 2)
            at = write_decimal(at, row.sell_volume_wide_high, row.sell_volume_wide_low)
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
        row.interval, at = read_long(at, stop)
        row.spread, at = read_long(at, stop)
        present, at = read_enum(at, stop, 2)
        if present:
            row.imbalance_1, at = read_double(at, stop)
            if np.isnan(row.imbalance_1):
                at = stop + 1
        else:
            row.imbalance_1 = np.nan
        present, at = read_enum(at, stop, 2)
        if present:
            row.imbalance_3, at = read_double(at, stop)
            if np.isnan(row.imbalance_3):
                at = stop + 1
        else:
            row.imbalance_3 = np.nan
        present, at = read_enum(at, stop, 2)
        if present:
            row.imbalance_5, at = read_double(at, stop)
            if np.isnan(row.imbalance_5):
                at = stop + 1
        else:
            row.imbalance_5 = np.nan
        present, at = read_enum(at, stop, 2)
        if present:
            row.imbalance_10, at = read_double(at, stop)
            if np.isnan(row.imbalance_10):
                at = stop + 1
        else:
            row.imbalance_10 = np.nan
        present, at = read_enum(at, stop, 2)
        if present:
            row.pressure, at = read_double(at, stop)
            if np.isnan(row.pressure):
                at = stop + 1
        else:
            row.pressure = np.nan
        present, at = read_enum(at, stop, 2)
        if present:
            row.weighted_mid, at = read_double(at, stop)
            if np.isnan(row.weighted_mid):
                at = stop + 1
        else:
            row.weighted_mid = np.nan
        row.order_flow_imbalance, at = read_long(at, stop)
        row.order_flow_events, at = read_int(at, stop)
        row.buy_volume, at = read_long(at, stop)
        row.sell_volume, at = read_long(at, stop)
        row.trade_count, at = read_int(at, stop)
        row.method, at = read_enum(at, stop, 4)
        row.flags, at = read_int(at, stop)
        present, at = read_enum(at, stop, 2)
        if present:
            row.order_flow_imbalance_wide_high, row.order_flow_imbalance_wide_low, at = read_decimal(at, stop)
        else:
            row.order_flow_imbalance_wide_high = NULL
            row.order_flow_imbalance_wide_low = 0
        present, at = read_enum(at, stop, 2)
        if present:
            row.buy_volume_wide_high, row.buy_volume_wide_low, at = read_decimal(at, stop)
        else:
            row.buy_volume_wide_high = NULL
            row.buy_volume_wide_low = 0
        present, at = read_enum(at, stop, 2)
        if present:
            row.sell_volume_wide_high, row.sell_volume_wide_low, at = read_decimal(at, stop)
        else:
            row.sell_volume_wide_high = NULL
            row.sell_volume_wide_low = 0
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
