"""Where Avro records end, for any record type: one kernel over the table ``FIELDS`` of a compiled codec (kinds: ``schemas.msgpack``).

Values are passed over and not judged. A walk is several times quicker than decoding, and no decoder is compiled for it.
"""

from __future__ import annotations

from typing import Any

from schemas.kernel import inlined, kernel, unlocked_kernel
from schemas.memory import address_of
from schemas.msgpack import BOOLEAN, DECIMAL, DOUBLE, ID, LEVELS
from schemas.wire import read_long


@inlined
def _pass_long(at: Any, end: Any) -> Any:
    """Address after a long, ``end + 1`` for a malformed one; its value is not computed, for nothing uses it."""
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
def end_of(fields: Any, body: Any, count: Any) -> Any:
    """Position in ``body`` after its first ``count`` records, -index - 1 if record ``index`` does not end inside it."""
    base = address_of(body)
    at = base
    end = base + body.size
    for index in range(count):
        for line in range(fields.shape[0]):
            at = _pass_field(fields[line, 0], fields[line, 1], at, end)
            if at > end:
                return -index - 1
    return at - base
