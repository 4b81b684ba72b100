# mypy: ignore-errors
"""Rows and bytes of DepthUpdate: One order-book update of a venue: a delta, or a chunk of a snapshot.

Generated from depth_update.avsc by `python -m schemas.generate`; edit that, not this.
"""

import numpy as np

from schemas import msgpack
from schemas.kernel import unlocked_kernel
from schemas.memory import address_of
from schemas.wire import (
    NO_ROOM,
    read_enum,
    read_int,
    read_levels,
    read_long,
    write_byte,
    write_levels,
    write_long,
)

DTYPE = np.dtype(
    [
        ("instrument", "i4"),
        ("event_time", "i8"),
        ("receive_time", "i8"),
        ("first_update_id", "i8"),
        ("final_update_id", "i8"),
        ("previous_update_id", "i8"),
        ("kind", "u1"),
        ("flags", "i4"),
        ("first_level", "i8"),
        ("bid_count", "i4"),
        ("ask_count", "i4"),
    ],
    align=True,
)

MAX_BYTES = 110  # of one body without its levels, and the slack a writer needs
PACKED_BYTES = 85  # of one msgpack array without its levels

LEVEL = np.dtype([("price", "i8"), ("quantity", "i8")], align=True)
LEVEL_MAX_BYTES = 20
LEVEL_PACKED_BYTES = 19

# kind, nullable, offset in a row, number of symbols, or offset of first_level
FIELDS = np.array(
    [
        [0, 0, DTYPE.fields["instrument"][1], 0],  # instrument: int
        [1, 0, DTYPE.fields["event_time"][1], 0],  # event_time: long
        [1, 0, DTYPE.fields["receive_time"][1], 0],  # receive_time: long
        [1, 0, DTYPE.fields["first_update_id"][1], 0],  # first_update_id: long
        [1, 0, DTYPE.fields["final_update_id"][1], 0],  # final_update_id: long
        [1, 0, DTYPE.fields["previous_update_id"][1], 0],  # previous_update_id: long
        [4, 0, DTYPE.fields["kind"][1], 3],  # kind: enum
        [0, 0, DTYPE.fields["flags"][1], 0],  # flags: int
        [7, 0, DTYPE.fields["bid_count"][1], DTYPE.fields["first_level"][1]],  # bids: levels
        [7, 0, DTYPE.fields["ask_count"][1], DTYPE.fields["first_level"][1]],  # asks: levels
    ],
    np.int64,
)


@unlocked_kernel
def encode(rows, first, count, levels, body, position):
    """Write ``rows[first : first + count]`` and their levels as Avro from ``body[position]`` -> next position, or -index - 1.

    Negative: row ``index`` has no Avro form. NO_ROOM if the rows are not there or the body is shorter than ``count * MAX_BYTES`` and
    ``LEVEL_MAX_BYTES`` a level; nothing is written then.
    """
    if first < 0 or first + count > rows.size or position < 0:
        return NO_ROOM
    total = 0
    for index in range(first, first + count):
        row = rows[index]
        used = np.int64(row.bid_count) + np.int64(row.ask_count)
        if row.bid_count < 0 or row.ask_count < 0 or row.first_level < 0 or row.first_level > levels.size - used:
            return first - index - 1
        total += used
    if body.size - position < count * MAX_BYTES + total * LEVEL_MAX_BYTES:
        return NO_ROOM
    base = address_of(body)
    table = address_of(levels)
    at = base + position
    for index in range(first, first + count):
        row = rows[index]
        level = row.first_level
        at = write_long(at, row.instrument)
        at = write_long(at, row.event_time)
        at = write_long(at, row.receive_time)
        at = write_long(at, row.first_update_id)
        at = write_long(at, row.final_update_id)
        at = write_long(at, row.previous_update_id)
        if row.kind >= 3:
            return first - index - 1
        at = write_byte(at, 2 * row.kind)
        at = write_long(at, row.flags)
        at = write_levels(at, table, level, row.bid_count)
        level += row.bid_count
        at = write_levels(at, table, level, row.ask_count)
        level += row.ask_count
    return at - base


@unlocked_kernel
def decode(body, position, end, rows, first, count, ends, levels, level):
    """Read ``count`` records from ``body[position:end]`` into ``rows[first:]``, their levels into ``levels[level:]``, bids then asks.

    Returns the next position, -index - 1 if record ``index`` is malformed, NO_ROOM if a table is too short: ``most_levels`` says how
    many levels always suffice. ``ends[first + index]`` becomes the position after record ``index``.
    """
    if first < 0 or first + count > rows.size or first + count > ends.size or position < 0 or end > body.size:
        return NO_ROOM
    if level < 0 or level > levels.size:
        return NO_ROOM
    base = address_of(body)
    table = address_of(levels)
    table_end = table + 16 * levels.size
    at = base + position
    stop = base + end
    for index in range(first, first + count):
        row = rows[index]
        row.first_level = level
        row.instrument, at = read_int(at, stop)
        row.event_time, at = read_long(at, stop)
        row.receive_time, at = read_long(at, stop)
        row.first_update_id, at = read_long(at, stop)
        row.final_update_id, at = read_long(at, stop)
        row.previous_update_id, at = read_long(at, stop)
        row.kind, at = read_enum(at, stop, 3)
        row.flags, at = read_int(at, stop)
        row.bid_count, at = read_levels(at, stop, table + 16 * level, table_end)
        level += row.bid_count
        row.ask_count, at = read_levels(at, stop, table + 16 * level, table_end)
        level += row.ask_count
        if at > stop:
            return NO_ROOM if row.bid_count < 0 or row.ask_count < 0 else first - index - 1
        ends[index] = at - base
    return at - base


def rows_to_msgpack(rows, levels, first, count, buffer, position):
    """Write rows as msgpack arrays, ``PACKED_BYTES`` and ``LEVEL_PACKED_BYTES`` a level free -> next position, or negative."""
    table = levels.view(np.int64)
    return msgpack.write_rows(FIELDS, rows.view(np.uint8), rows.itemsize, first, count, table, buffer, position)


def msgpack_to_body(buffer, position, count, body, body_position):
    """Turn ``count`` msgpack arrays into Avro, ``MAX_BYTES`` and ``LEVEL_MAX_BYTES`` a level free -> next position, or -index - 1."""
    return msgpack.write_bodies(FIELDS, buffer, position, count, body, body_position)
