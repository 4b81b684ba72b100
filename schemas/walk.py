"""Where Avro records end, and a few of their columns, for any record type: one kernel over the
table ``FIELDS`` of a compiled codec.

The kinds of fields are those of ``schemas.msgpack``. Values are passed over and not judged. A walk
is quicker than decoding, and no decoder is compiled for it: each costs a cold start about 1.5 s of
CPU.
"""

from __future__ import annotations

from typing import Any

from schemas.kernel import inlined, kernel, unlocked_kernel
from schemas.memory import address_of
from schemas.msgpack import BOOLEAN, DECIMAL, DOUBLE, ID, LEVELS
from schemas.wire import read_long


@inlined
def _pass_long(at: Any, end: Any) -> Any:
    """Address after a long, ``end + 1`` for a malformed one; its value is not computed, for nothing
    uses it.
    """
    return read_long(at, end)[1]


@kernel
def _pass_levels(at: Any, end: Any) -> Any:
    """Address after an array of (price, quantity)."""
    while at <= end:
        count, at = read_long(at, end)
        if count == 0:
            return at
        if count < 0:
            count = -count
            at = _pass_long(at, end)
        for _ in range(2 * count):
            at = _pass_long(at, end)
            if at > end:
                return at
    return at


@kernel
def _pass_field(kind: Any, nullable: Any, at: Any, end: Any) -> Any:
    """Address after a field, past ``end`` for a malformed one."""
    if kind == LEVELS:
        return _pass_levels(at, end)
    if nullable:
        branch, at = read_long(at, end)
        if branch == 0 or at > end:
            return at
    if kind == BOOLEAN:
        return at + 1
    if kind == DOUBLE:
        return at + 8
    if kind == ID or kind == DECIMAL:  # noqa: SIM109  (a tuple of constants is slower compiled)
        length, at = read_long(at, end)
        return end + 1 if length < 0 or length > end - at else at + length
    return _pass_long(at, end)


@unlocked_kernel
def walk(fields: Any, body: Any, count: Any, places: Any, columns: Any) -> Any:
    """Pass over the first ``count`` records of ``body``.

    Args:
        places: by field, the row of ``columns`` that takes its values, -1: none does. Only fields
            that are an int or a long and not null can be taken.
        columns: (rows, count) int64.

    Returns:
        The position after the last, or -index - 1 if record ``index`` does not end inside ``body``.
    """
    base = address_of(body)
    at = base
    end = base + body.size
    for index in range(count):
        for line in range(fields.shape[0]):
            if places[line] >= 0:
                columns[places[line], index], at = read_long(at, end)
            else:
                at = _pass_field(fields[line, 0], fields[line, 1], at, end)
            if at > end:
                return -index - 1
    return at - base
