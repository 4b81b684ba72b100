"""The doorway between compiled code and Python structs: msgpack arrays to rows' values and to Avro
bodies.

msgspec reads and writes a struct as a msgpack array at about 10 ns a field, far below what building
it from NumPy values costs. The two kernels here serve every fixed-width record: they walk a table
``FIELDS`` with a line per field (kind, nullable, offset in a row, number of symbols or offset of
``first_level``), whose kinds are numbered below.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from schemas.kernel import inlined, kernel, unlocked_kernel
from schemas.memory import (
    address_of,
    as_double,
    load_byte,
    load_double,
    load_int,
    load_word,
    store_byte,
    store_word,
    swapped,
)
from schemas.wire import (
    ID_LENGTH,
    NULL,
    is_id,
    write_byte,
    write_decimal,
    write_double,
    write_id_characters,
    write_long,
)

INT, LONG, DOUBLE, BOOLEAN, ENUM, ID, DECIMAL, LEVELS = range(8)
NO_LEVELS = np.zeros(0, np.int64)

_NIL, _FALSE, _TRUE = 0xC0, 0xC2, 0xC3
_DOUBLE, _UNSIGNED_64, _SIGNED_64 = 0xCB, 0xCF, 0xD3
_SHORT_TEXT, _ARRAY_16, _ARRAY_32 = 0xA0, 0xDC, 0xDD
_U0, _U1 = np.uint64(0), np.uint64(1)


@inlined
def _put(at: Any, tag: Any, word: Any) -> Any:
    """Write a tag and eight bytes -> next address."""
    store_byte(at, np.uint64(tag))
    store_word(at + 1, swapped(word))
    return at + 9


@inlined
def _put_length(at: Any, length: Any) -> Any:
    """Write the header of an array -> next address."""
    if length < 16:
        return write_byte(at, 0x90 + length)
    width = 2 if length < 65536 else 4
    at = write_byte(at, _ARRAY_16 if width == 2 else _ARRAY_32)
    for place in range(width):
        at = write_byte(at, (length >> (8 * (width - 1 - place))) & 255)
    return at


@kernel
def write_rows(
    fields: Any,
    memory: Any,
    itemsize: Any,
    first: Any,
    count: Any,
    levels: Any,
    buffer: Any,
    position: Any,
) -> Any:
    """Write rows as msgpack arrays -> next position, or -index - 1 if a decimal of row ``index``
    exceeds 64 bits.

    ``memory`` are the rows' bytes, ``levels`` the table of levels as plain int64 (price, quantity,
    price, ...).
    """
    base = address_of(buffer)
    rows = address_of(memory)
    at = base + position
    for index in range(first, first + count):
        row = rows + index * itemsize
        level = np.int64(-1)
        at = _put_length(at, fields.shape[0])
        for line in range(fields.shape[0]):
            kind = fields[line, 0]
            place = row + fields[line, 2]
            if kind == INT:
                at = _put(at, _SIGNED_64, np.uint64(np.int64(load_int(place))))
            elif kind == LONG:
                word = load_word(place)
                if fields[line, 1] and np.int64(word) == NULL:
                    at = write_byte(at, _NIL)
                else:
                    at = _put(at, _SIGNED_64, word)
            elif kind == DOUBLE:
                if fields[line, 1] and np.isnan(load_double(place)):
                    at = write_byte(at, _NIL)
                else:
                    at = _put(at, _DOUBLE, load_word(place))
            elif kind == BOOLEAN:
                at = write_byte(at, _TRUE if load_byte(place) != _U0 else _FALSE)
            elif kind == ENUM:
                at = _put(at, _SIGNED_64, load_byte(place))
            elif kind == ID:
                at = write_byte(at, _SHORT_TEXT + ID_LENGTH)
                write_id_characters(at, np.int64(load_word(place)), np.int64(load_word(place + 8)))
                at += ID_LENGTH
            elif kind == DECIMAL:
                high = np.int64(load_word(place))
                low = load_word(place + 8)
                if fields[line, 1] and high == NULL:
                    at = write_byte(at, _NIL)
                elif high == np.int64(low) >> 63:
                    at = _put(at, _SIGNED_64, low)
                elif high == 0:
                    at = _put(at, _UNSIGNED_64, low)
                else:
                    return first - index - 1
            else:
                if level < 0:
                    level = np.int64(load_word(row + fields[line, 3]))
                length = np.int64(load_int(place))
                at = _put_length(at, length)
                for entry in range(2 * level, 2 * (level + length), 2):
                    at = write_byte(at, 0x92)
                    at = _put(at, _SIGNED_64, np.uint64(levels[entry]))
                    at = _put(at, _SIGNED_64, np.uint64(levels[entry + 1]))
                level += length
    return at - base


@kernel
def _take(at: Any) -> Any:
    """Integer -> (high, low, next address) as two's complement of 128 bits; address 0 if it is not
    an integer.
    """
    tag = np.int64(load_byte(at))
    if tag < 0x80:
        return np.int64(0), np.uint64(tag), at + 1
    if tag >= 0xE0:
        return np.int64(-1), np.uint64(tag - 256), at + 1
    if tag < 0xCC or tag > _SIGNED_64:
        return np.int64(0), _U0, np.int64(0)
    signed = tag >= 0xD0
    width = 1 << ((tag - 0xCC) & 3)
    low = _U0
    for place in range(at + 1, at + 1 + width):
        low = (low << np.uint64(8)) | load_byte(place)
    if not signed:
        return np.int64(0), low, at + 1 + width
    unused = 64 - 8 * width
    value = np.int64(low << np.uint64(unused)) >> unused
    return value >> 63, np.uint64(value), at + 1 + width


@kernel
def _take_length(at: Any) -> Any:
    """Header of an array -> (length, next address); address 0 if it is none."""
    tag = np.int64(load_byte(at))
    if 0x90 <= tag < 0xA0:
        return tag - 0x90, at + 1
    if tag != _ARRAY_16 and tag != _ARRAY_32:
        return np.int64(0), np.int64(0)
    width = 2 if tag == _ARRAY_16 else 4
    length = np.int64(0)
    for place in range(at + 1, at + 1 + width):
        length = (length << 8) | np.int64(load_byte(place))
    return length, at + 1 + width


@kernel
def _levels_to_body(at: Any, out: Any) -> Any:
    """Array of (price, quantity) arrays to Avro -> (next address, next address of the body);
    address 0 if a value does not fit.
    """
    length, at = _take_length(at)
    if at != 0 and length > 0:
        out = write_long(out, length)
        for _ in range(length):
            pair, at = _take_length(at)
            if at == 0 or pair != 2:
                return np.int64(0), out
            for _ in range(2):
                high, low, at = _take(at)
                if at == 0 or high != np.int64(low) >> 63:
                    return np.int64(0), out
                out = write_long(out, np.int64(low))
    return at, write_byte(out, 0)


@kernel
def _field_to_body(kind: Any, nullable: Any, symbols: Any, at: Any, out: Any) -> Any:
    """One field to Avro -> (next address, next address of the body); address 0 if the value does
    not fit the field.
    """
    if kind == LEVELS:
        return _levels_to_body(at, out)
    tag = np.int64(load_byte(at))
    if nullable:
        if tag == _NIL:
            return at + 1, write_byte(out, 0)
        out = write_byte(out, 2)
    if kind == BOOLEAN:
        if tag != _FALSE and tag != _TRUE:
            return np.int64(0), out
        return at + 1, write_byte(out, tag - _FALSE)
    if kind == ID:
        if tag != _SHORT_TEXT + ID_LENGTH or not is_id(at + 1):
            return np.int64(0), out
        out = write_byte(out, 2 * ID_LENGTH)
        for place in range(1, ID_LENGTH + 1):
            store_byte(out + place - 1, load_byte(at + place))
        return at + 1 + ID_LENGTH, out + ID_LENGTH
    if kind == DOUBLE and tag == _DOUBLE:
        number = as_double(swapped(load_word(at + 1)))
        if nullable and np.isnan(number):
            return np.int64(0), out
        return at + 9, write_double(out, number)
    high, low, at = _take(at)
    if at == 0:
        return at, out
    if kind == DECIMAL:
        return at, write_decimal(out, high, low)
    value = np.int64(low)
    if high != value >> 63 or kind == DOUBLE:
        return np.int64(0), out
    if kind == INT and (value < -2147483648 or value > 2147483647):
        return np.int64(0), out
    if kind == ENUM and (value < 0 or value >= symbols):
        return np.int64(0), out
    return at, write_long(out, value)


@unlocked_kernel
def write_bodies(
    fields: Any, buffer: Any, position: Any, count: Any, body: Any, body_position: Any
) -> Any:
    """Turn ``count`` msgpack arrays into Avro -> next position in ``body``, or -index - 1 if a
    value of record ``index`` does not fit.

    The buffer is msgspec's own output, well formed; the values in it are whatever the structs held,
    and each is checked against its field.
    """
    base = address_of(body)
    at = address_of(buffer) + position
    out = base + body_position
    for index in range(count):
        length, at = _take_length(at)
        if at == 0 or length != fields.shape[0]:
            return -index - 1
        for line in range(fields.shape[0]):
            at, out = _field_to_body(fields[line, 0], fields[line, 1], fields[line, 3], at, out)
            if at == 0:
                return -index - 1
    return out - base
