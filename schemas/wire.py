"""Avro's primitive types in compiled code: the steps that every record codec is made of.

Steps work on plain addresses, not on arrays: an array handed to a step would be reference-counted
at each call, which costs more than the step. A codec takes ``address_of`` its arrays once and keeps
them alive.

Readers take (at, end) and return the value and the address after it. Malformed input poisons the
address: it becomes ``end + 1``, every later read leaves it there, and nothing at or past ``end`` is
read; a codec looks at it once per record. Writers return the next address; each may touch eight
bytes past it, so a buffer keeps ``SLACK`` bytes free behind the last value.

Avro writes an int or long as a zigzag varint: seven bits a byte, lowest first, high bit on all but
the last byte. Both directions treat the first eight bytes as one 64-bit word, so the usual widths
cost no branch that depends on the value.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from schemas.kernel import inlined, kernel
from schemas.memory import (
    load_byte,
    load_double,
    load_word,
    store_byte,
    store_double,
    store_word,
    zeros_above,
    zeros_below,
)

SLACK = 8  # bytes past a value that a writer may touch
MAX_LONG = 10  # bytes of the longest varint
ID_LENGTH = 20
NULL = -(1 << 63)  # null in an int64 column, and in the high half of a decimal
NO_ROOM = -(1 << 62)  # returned by a kernel whose tables or body are too short

_ONE = np.uint64(1)
_CONTINUES = np.uint64(0x8080808080808080)
_GROUPS = np.uint64(0x7F7F7F7F7F7F7F7F)
_7_LOW, _7_HIGH = np.uint64(0x007F007F007F007F), np.uint64(0x7F007F007F007F00)
_14_LOW, _14_HIGH = np.uint64(0x00003FFF00003FFF), np.uint64(0x3FFF00003FFF0000)
_28_LOW, _28_HIGH = np.uint64(0x000000000FFFFFFF), np.uint64(0x0FFFFFFF00000000)
_U1, _U2, _U4, _U7, _U8, _U56 = (np.uint64(bits) for bits in (1, 2, 4, 7, 8, 56))
_U5, _U10, _U16, _U20, _U30, _U32 = (np.uint64(bits) for bits in (5, 10, 16, 20, 30, 32))
_50_BITS, _20_BITS = np.uint64((1 << 50) - 1), np.uint64((1 << 20) - 1)
_10_BITS, _5_BITS = np.uint64(0x000003FF000003FF), np.uint64(0x001F001F001F001F)
_ZEROS = np.uint64(0x3030303030303030)
_TO_HIGH_BIT = np.uint64(0x7676767676767676)
"""Added to a byte below 32, sets its high bit if it is 10 or more: a letter, 7 behind the digits.
"""
_U0, _U127, _U128 = np.uint64(0), np.uint64(127), np.uint64(128)
_U48, _U57, _U65, _U86 = (np.uint64(character) for character in b"09AV")


@inlined
def read_long(at: Any, end: Any) -> Any:
    """Long -> (value int64, next address)."""
    if at + 8 <= end:
        word = load_word(at)
        stops = ~word & _CONTINUES
        if stops != _U0:
            length = (zeros_below(stops) >> 3) + 1
            return value_of(word & (stops ^ (stops - _ONE))), at + length
    return read_long_bytewise(at, end)


@inlined
def value_of(word: Any) -> Any:
    """Value of a varint of at most eight bytes, zeros behind it: drop the high bits, close the
    gaps, undo the zigzag.
    """
    word &= _GROUPS
    word = (word & _7_LOW) | ((word & _7_HIGH) >> _U1)
    word = (word & _14_LOW) | ((word & _14_HIGH) >> _U2)
    word = (word & _28_LOW) | ((word & _28_HIGH) >> _U4)
    return np.int64(word >> _U1) ^ -np.int64(word & _ONE)


@kernel
def read_long_bytewise(at: Any, end: Any) -> Any:
    """As ``read_long``, byte by byte: for varints of nine and ten bytes, and near the end of a body
    where no word can be loaded.
    """
    word = _U0
    shift = 0
    while at < end and shift < 70:
        byte = load_byte(at)
        at += 1
        if shift == 63 and byte > _ONE:
            return np.int64(0), end + 1
        word |= (byte & _U127) << np.uint64(shift)
        shift += 7
        if byte < _U128:
            return np.int64(word >> _U1) ^ -np.int64(word & _ONE), at
    return np.int64(0), end + 1


@inlined
def write_long(at: Any, value: Any) -> Any:
    """Write a long -> next address."""
    value = np.int64(value)
    left = np.uint64(value << 1) ^ np.uint64(value >> 63)
    length = (70 - zeros_above(left | _ONE)) // 7
    word = left & ((_ONE << _U56) - _ONE)
    word = (word & _28_LOW) | ((word << _U4) & _28_HIGH)
    word = (word & _14_LOW) | ((word << _U2) & _14_HIGH)
    word = (word & _7_LOW) | ((word << _U1) & _7_HIGH)
    if length <= 8:
        store_word(at, word | (_CONTINUES & ((_ONE << np.uint64(8 * (length - 1))) - _ONE)))
        return at + length
    store_word(at, word | _CONTINUES)
    left >>= _U56
    if length == 10:
        store_byte(at + 8, left | _U128)
        store_byte(at + 9, left >> _U7)
    else:
        store_byte(at + 8, left)
    return at + length


@inlined
def read_int(at: Any, end: Any) -> Any:
    """Int -> (value int64 within 32 bits, next address)."""
    value, at = read_long(at, end)
    if value < -2147483648 or value > 2147483647:
        return np.int64(0), end + 1
    return value, at


@inlined
def read_enum(at: Any, end: Any, symbols: Any) -> Any:
    """Index of an enum symbol -> (index below ``symbols``, next address)."""
    value, at = read_long(at, end)
    if value < 0 or value >= symbols:
        return np.int64(0), end + 1
    return value, at


@inlined
def read_boolean(at: Any, end: Any) -> Any:
    """Boolean -> (0 or 1, next address)."""
    if at >= end:
        return _U0, end + 1
    value = load_byte(at)
    if value > _ONE:
        return _U0, end + 1
    return value, at + 1


@inlined
def read_double(at: Any, end: Any) -> Any:
    """Double -> (value, next address)."""
    if at + 8 > end:
        return 0.0, end + 1
    return load_double(at), at + 8


@kernel
def read_decimal(at: Any, end: Any) -> Any:
    """Decimal of at most 16 bytes, big-endian two's complement -> (high int64, low uint64, next
    address).
    """
    width, at = read_long(at, end)
    if width < 0 or width > 16 or at + width > end:
        return np.int64(0), _U0, end + 1
    high = _U0
    low = _U0
    if width > 0 and load_byte(at) >= _U128:
        high = ~_U0
        low = ~_U0
    for place in range(at, at + width):
        high = (high << _U8) | (low >> _U56)
        low = (low << _U8) | load_byte(place)
    if np.int64(high) == NULL:
        return np.int64(0), _U0, end + 1
    return np.int64(high), low, at + width


@kernel
def write_decimal(at: Any, high: Any, low: Any) -> Any:
    """Write a decimal in fastavro's width, (bits + 8) // 8 of the magnitude (-128 takes two bytes)
    -> next address.
    """
    top = np.uint64(high)
    low = np.uint64(low)
    size_top = top
    size = low
    if high < 0:
        size = ~low + _ONE
        size_top = ~top
        if size == _U0:
            size_top += _ONE
    if size_top != _U0:
        bits = 128 - zeros_above(size_top)
    elif size != _U0:
        bits = 64 - zeros_above(size)
    else:
        bits = 0
    width = (bits + 8) // 8
    store_byte(at, np.uint64(2 * width))
    for place in range(at + width, at, -1):
        store_byte(place, low)
        low = (low >> _U8) | (top << _U56)
        top = np.uint64(np.int64(top) >> 8)
    return at + 1 + width


@kernel
def read_id(at: Any, end: Any) -> Any:
    """Id of exactly 20 characters of 0-9A-V -> (first ten as int64, last ten as int64, next
    address).
    """
    length, at = read_long(at, end)
    if length != ID_LENGTH or at + ID_LENGTH > end:
        return np.int64(0), np.int64(0), end + 1
    if not is_id(at):
        return np.int64(0), np.int64(0), end + 1
    high = np.int64(0)
    low = np.int64(0)
    for place in range(at, at + 10):
        first = np.int64(load_byte(place))
        second = np.int64(load_byte(place + 10))
        high = (high << 5) | (first - 48 if first < 58 else first - 55)
        low = (low << 5) | (second - 48 if second < 58 else second - 55)
    return high, low, at + ID_LENGTH


@inlined
def is_id(at: Any) -> Any:
    """True if 20 characters of 0-9A-V lie at this address."""
    good = True
    for place in range(at, at + ID_LENGTH):
        character = load_byte(place)
        good &= ((character >= _U48) & (character <= _U57)) | (
            (character >= _U65) & (character <= _U86)
        )
    return good


@kernel
def write_id(at: Any, high: Any, low: Any) -> Any:
    """Write an id: its length and 20 characters, the lowest 50 bits of each half -> next address.
    """
    store_byte(at, np.uint64(2 * ID_LENGTH))
    write_id_characters(at + 1, high, low)
    return at + 1 + ID_LENGTH


@inlined
def write_id_characters(at: Any, high: Any, low: Any) -> Any:
    """Write the 20 characters of an id, the lowest 50 bits of each half; touches four bytes more.
    """
    high, low = np.uint64(high), np.uint64(low)
    store_word(at, _eight_characters(high >> _U10))
    store_word(at + 8, _eight_characters((high << _U30) | ((low & _50_BITS) >> _U20)))
    store_word(at + 16, _eight_characters(low << _U20))


@inlined
def _eight_characters(bits: Any) -> Any:
    """The characters of the lowest 40 bits, five each, the first of them in the lowest byte."""
    word = ((bits >> _U20) & _20_BITS) | ((bits & _20_BITS) << _U32)
    word = ((word >> _U10) & _10_BITS) | ((word & _10_BITS) << _U16)
    word = ((word >> _U5) & _5_BITS) | ((word & _5_BITS) << _U8)
    letters = ((word + _TO_HIGH_BIT) & _CONTINUES) >> _U7
    return word + _ZEROS + letters * _U7


@inlined
def write_byte(at: Any, value: Any) -> Any:
    """Write one byte -> next address."""
    store_byte(at, np.uint64(value))
    return at + 1


@inlined
def write_double(at: Any, value: Any) -> Any:
    """Write a double -> next address."""
    store_double(at, np.float64(value))
    return at + 8


@inlined
def _read_pair(at: Any, end: Any) -> Any:
    """Two longs -> (first, second, next address); a price and a quantity mostly share one word,
    which halves the wait for the next.
    """
    if at + 8 <= end:
        word = load_word(at)
        stops = ~word & _CONTINUES
        second_stop = stops & (stops - _ONE)
        if second_stop != _U0:
            first_mask = stops ^ (stops - _ONE)
            both_mask = second_stop ^ (second_stop - _ONE)
            shift = np.uint64(zeros_below(stops) + 1)
            second = (word & both_mask) >> shift
            return (
                value_of(word & first_mask),
                value_of(second),
                at + (zeros_below(second_stop) >> 3) + 1,
            )
    first, at = read_long(at, end)
    second, at = read_long(at, end)
    return first, second, at


@kernel
def read_levels(at: Any, end: Any, table: Any, table_end: Any) -> Any:
    """Array of (long, long) -> (count, next address); pairs go to address ``table``, 16 bytes each;
    count -1 if they pass ``table_end``.

    An array is a list of blocks that ends with an empty one. A block with a negative count states
    its size in bytes too.
    """
    total = 0
    while True:
        count, at = read_long(at, end)
        if count == 0 or at > end:
            return total, at
        size = np.int64(-1)
        if count < 0:
            count = -count
            size, at = read_long(at, end)
            if size < 0:
                return total, end + 1
        if count < 0 or count > (end - at) // 2:
            return total, end + 1
        if count > (table_end - table) // 16:
            return -1, end + 1
        start = at
        for _ in range(count):
            price, quantity, at = _read_pair(at, end)
            store_word(table, np.uint64(price))
            store_word(table + 8, np.uint64(quantity))
            table += 16
        total += count
        if at > end or (size >= 0 and at - start != size):
            return total, end + 1


@kernel
def most_levels(body: Any) -> Any:
    """How many levels a body can hold at most: each takes two longs, and a long has one byte below
    128.
    """
    last_bytes = 0
    for place in range(body.size):
        last_bytes += body[place] < 128
    return last_bytes // 2


@kernel
def write_levels(at: Any, table: Any, first: Any, count: Any) -> Any:
    """Write the pairs ``first`` to ``first + count`` of the table at address ``table`` as one array
    -> next address.
    """
    if count > 0:
        at = write_long(at, count)
        source = table + 16 * first
        for _ in range(count):
            at = write_long(at, np.int64(load_word(source)))
            at = write_long(at, np.int64(load_word(source + 8)))
            source += 16
    store_byte(at, _U0)
    return at + 1
