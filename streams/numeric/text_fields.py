"""Lines of separated text to exact integers: numbers, instants, words, a column at a time.

The rule for a decimal stands in ``fixed.parse``. The kernel here takes its plain short form alone
(digits, a point, zeros beyond the precision) and says which rows are left for ``fixed.parse``:
exponents, signs, and whatever is no number.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from streams.numeric.borrowing import borrowing_kernel, inner_kernel

LINE_END, RETURN, SPACE, TAB, QUOTE, POINT, ZERO, NINE = 10, 13, 32, 9, 34, 46, 48, 57
PLUS, MINUS, COLON, LETTER_T, LETTER_Z, LOWER_Z = 43, 45, 58, 84, 90, 122
ROOM = ((1 << 63) - 10) // 10
"""A number up to here takes one more digit and fits int64."""
NOT_QUOTED, INSIDE, CLOSED = 0, 1, 2
"""Where a byte of a field lies; behind a closing quote another one opens it again."""
GOOD, BAD, NO_ZONE = 0, 1, 2
"""What an instant is: read, no time, or a time of day without a zone."""
MINUTE_NS = 60 * 10**9
NO_MINUTES = 1 << 40
"""Minutes east of UTC of a zone that is none."""


@borrowing_kernel
def split_lines(
    text: Any, separator: Any, places: Any, starts: Any, ends: Any, rows: Any, done: Any
) -> None:
    """Whole lines of ``text`` to where their fields lie. A field that begins with a quote may hold
    separators up to the next one; a line ends where it ends.

    Args:
        places: for each column of a line the field it is, or -1.
        starts, ends: by field and line; without blanks and quotes around.
        rows: for each line where it starts and ends, and its columns: 0 for a blank line, -1 for
            one with a byte of 0 in it.
        done: set to the lines read, and to where the next one begins.
    """
    at, line, size = 0, 0, len(text)
    while at < size and line < len(rows):
        rows[line, 0] = begin = at
        column = 0
        is_whole, quoted = True, NOT_QUOTED
        while True:
            is_end = at >= size or text[at] == LINE_END
            if is_end or (text[at] == separator and quoted != INSIDE):
                first, last = trimmed(text, begin, at)
                if column < len(places) and places[column] >= 0:
                    starts[places[column], line] = first
                    ends[places[column], line] = last
                column += 1
                begin = at + 1
                quoted = NOT_QUOTED
                if is_end:
                    break
            elif text[at] == QUOTE and (at == begin or quoted != NOT_QUOTED):
                quoted = CLOSED if quoted == INSIDE else INSIDE
            elif quoted == CLOSED:
                quoted = NOT_QUOTED
            if text[at] == 0:
                is_whole = False
            at += 1
        last = at
        if last > rows[line, 0] and text[last - 1] == RETURN:
            last -= 1
        rows[line, 1] = last
        is_blank = column == 1 and first >= last
        rows[line, 2] = 0 if is_blank else column
        if not is_whole:
            rows[line, 2] = -1
        line += 1
        at += 1
    done[0] = line
    done[1] = min(at, size)


@inner_kernel
def trimmed(text: Any, first: Any, last: Any) -> Any:
    """(first, last) without blanks and quotes around."""
    while first < last and is_around(text[first]):
        first += 1
    while first < last and is_around(text[last - 1]):
        last -= 1
    return first, last


@inner_kernel
def is_around(byte: Any) -> Any:
    """True for a blank, a quote or a line's return."""
    return byte in (SPACE, TAB, QUOTE, RETURN)


@borrowing_kernel
def read_decimals(
    text: Any, starts: Any, ends: Any, precision: Any, values: Any, is_left: Any
) -> None:
    """Decimal text in units of 10^-precision; ``is_left`` where ``fixed.parse`` must say."""
    for row in range(len(starts)):
        value, decimals, seen = np.int64(0), -1, 0
        is_plain = True
        for at in range(starts[row], ends[row]):
            byte = np.int64(text[at])
            if byte == POINT and decimals < 0:
                decimals = 0
                continue
            if byte < ZERO or byte > NINE:
                is_plain = False
                break
            seen += 1
            if decimals >= precision:
                if byte != ZERO:
                    is_plain = False
                    break
                continue
            if value > ROOM:
                is_plain = False
                break
            value = value * 10 + (byte - ZERO)
            if decimals >= 0:
                decimals += 1
        missing = precision - max(decimals, 0)
        is_plain = is_plain and seen > 0
        for _ in range(missing):
            if value > ROOM:
                is_plain = False
                break
            value *= 10
        is_left[row] = not is_plain
        if is_plain:
            values[row] = value


@inner_kernel
def digits_at(text: Any, at: Any, count: Any) -> Any:
    """The number that so many digits make, or -1."""
    found = np.int64(0)
    for place in range(at, at + count):
        byte = np.int64(text[place])
        if byte < ZERO or byte > NINE:
            return -1
        found = found * 10 + (byte - ZERO)
    return found


@inner_kernel
def days_of(year: Any, month: Any, day: Any) -> Any:
    """Days from 1970-01-01 by the Gregorian calendar; far below where there is no such day."""
    is_leap = (year % 4 == 0 and year % 100 != 0) or year % 400 == 0
    longest = 31
    if month == 4 or month == 6 or month == 9 or month == 11:
        longest = 30
    elif month == 2:
        longest = 29 if is_leap else 28
    if year < 1900 or month < 1 or month > 12 or day < 1 or day > longest:
        return -(1 << 40)
    # years that begin in March: the day that a leap year adds is their last
    before = year - 1 if month <= 2 else year
    from_march = (month + 9) % 12
    of_year = (153 * from_march + 2) // 5 + day - 1
    return 365 * before + before // 4 - before // 100 + before // 400 + of_year - 719468


@inner_kernel
def minutes_of_zone(text: Any, at: Any, last: Any) -> Any:
    """Minutes east of UTC of ``Z``, ``+HH:MM``, ``+HHMM``, ``+HH``; NO_MINUTES for another."""
    if last - at == 1 and (text[at] == LETTER_Z or text[at] == LOWER_Z):
        return 0
    size = last - at
    if (size != 6 and size != 5 and size != 3) or (text[at] != PLUS and text[at] != MINUS):
        return NO_MINUTES
    if size == 6 and text[at + 3] != COLON:
        return NO_MINUTES
    hours = digits_at(text, at + 1, 2)
    minutes = 0 if size == 3 else digits_at(text, last - 2, 2)
    if hours < 0 or hours > 18 or minutes < 0 or minutes > 59:
        return NO_MINUTES
    found = hours * 60 + minutes
    return -found if text[at] == MINUS else found


@inner_kernel
def instant(text: Any, first: Any, last: Any, zone: Any, found: Any) -> Any:
    """One time by ISO 8601 into ``found[0]``: ns from 1970; GOOD, BAD or NO_ZONE."""
    if last - first < 16 or text[first + 4] != MINUS or text[first + 7] != MINUS:
        return BAD
    if (text[first + 10] != LETTER_T and text[first + 10] != SPACE) or text[first + 13] != COLON:
        return BAD
    year, month = digits_at(text, first, 4), digits_at(text, first + 5, 2)
    days = days_of(year, month, digits_at(text, first + 8, 2))
    hour, minute = digits_at(text, first + 11, 2), digits_at(text, first + 14, 2)
    second, nanoseconds, at = np.int64(0), np.int64(0), first + 16
    if at + 2 < last and text[at] == COLON:
        second, at = digits_at(text, at + 1, 2), at + 3
        if at < last and text[at] == POINT:
            at, unit = at + 1, 100_000_000
            while at < last and text[at] >= ZERO and text[at] <= NINE:
                digit = np.int64(text[at]) - ZERO
                if unit == 0 and digit > 0:
                    return BAD
                nanoseconds += digit * unit
                unit //= 10
                at += 1
    is_time = hour >= 0 and hour < 24 and minute >= 0 and minute < 60 and second >= 0
    if days < -100_000 or days > 100_000 or not is_time or second > 59:
        return BAD
    if at < last:
        zone = minutes_of_zone(text, at, last)
        if zone == NO_MINUTES:
            return BAD
    elif zone == NO_MINUTES:
        return NO_ZONE
    minutes = days * 1440 + hour * 60 + minute - zone
    found[0] = minutes * MINUTE_NS + second * 1_000_000_000 + nanoseconds
    return GOOD


@borrowing_kernel
def read_instants(text: Any, starts: Any, ends: Any, zone: Any, values: Any, codes: Any) -> None:
    """Times by ISO 8601 in ns from 1970. ``zone``: minutes east of UTC of text without one,
    NO_MINUTES if that is not known.
    """
    for row in range(len(starts)):
        codes[row] = instant(text, starts[row], ends[row], zone, values[row : row + 1])


@borrowing_kernel
def read_words(
    text: Any, starts: Any, ends: Any, words: Any, edges: Any, meanings: Any, values: Any
) -> None:
    """Words of a vocabulary to what they mean, -1 where it has none. Upper and lower case are one.

    Args:
        words: in lower case, one behind the other; ``edges``: where each begins, and the end.
    """
    for row in range(len(starts)):
        values[row] = -1
        size = ends[row] - starts[row]
        for word in range(len(meanings)):
            if edges[word + 1] - edges[word] != size:
                continue
            is_equal = True
            for place in range(size):
                byte = text[starts[row] + place]
                if byte >= 65 and byte <= LETTER_Z:
                    byte += 32
                if byte != words[edges[word] + place]:
                    is_equal = False
                    break
            if is_equal:
                values[row] = meanings[word]
                break
