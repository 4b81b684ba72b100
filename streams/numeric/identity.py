"""Built ids: who made a record, from which input, as which consequence of it; never drawn, so a
replay builds the same ones.

```
journal id 24 bits | shard 10 | input sequence 48 | ordinal 18
= 100 bits = 20 characters of base 32 (0-9 A-V)
```
The alphabet sorts as its values do, so ids sort by journal, shard, input and ordinal, as text and
as numbers. Kernels hold an id as two int64 of 50 bits, the first and last ten characters
(``order_id_high``, ``order_id_low`` of the compiled records).
"""

from __future__ import annotations

import functools
from typing import Any, NamedTuple

import numpy as np

from schemas.errors import BadData, CapacityExceeded
from streams.numeric.borrowing import borrowing_kernel, inner_kernel

ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUV"
LENGTH = 20
HALF_BITS = 50
JOURNAL_BITS, SHARD_BITS, SEQUENCE_BITS, ORDINAL_BITS = 24, 10, 48, 18
EARLY_ORDINAL = 1 << ORDINAL_BITS - 1
"""The upper half of an input's ordinals is for ids made by strategies that read market data only
(``streams/runtime/schedule/market_data_only.py``), the lower half for all others."""
LOW_SEQUENCE_BITS = HALF_BITS - ORDINAL_BITS
"""Bits of the sequence that lie in the low half."""

_CHARACTERS = np.frombuffer(ALPHABET.encode(), np.uint8)
_SHIFTS = np.arange(HALF_BITS - 5, -1, -5, dtype=np.int64)
_TRIPLES = [
    first + second + third for first in ALPHABET for second in ALPHABET for third in ALPHABET
]
LAST_BITS = 30
"""Bits of the last six characters: the ordinal, and the twelve lowest bits of the sequence."""


class BadIdentity(BadData):
    """Text that is no built id."""

    code = "bad_identity"


class Identity(NamedTuple):
    """The parts of a built id."""

    journal_id: int
    shard: int
    sequence: int
    ordinal: int


def order_id(journal_id: int, shard: int, sequence: int, ordinal: int) -> str:
    """The id as 20 characters. Raises CapacityExceeded naming the part that does not fit its bits.
    """
    if (
        (journal_id >> JOURNAL_BITS)
        | (shard >> SHARD_BITS)
        | (sequence >> SEQUENCE_BITS)
        | (ordinal >> ORDINAL_BITS)
    ):
        raise _too_large(journal_id, shard, sequence, ordinal)
    high = (((journal_id << SHARD_BITS) | shard) << (SEQUENCE_BITS - LOW_SEQUENCE_BITS)) | (
        sequence >> LOW_SEQUENCE_BITS
    )
    low = ((sequence << ORDINAL_BITS) | ordinal) & ((1 << HALF_BITS) - 1)
    return _leading_text(high) + _half_text(low)


def first_characters(journal_id: int, shard: int, sequence: int) -> str:
    """The first 14 characters of an id, which 4,096 inputs share; raises as :func:`order_id`."""
    return order_id(journal_id, shard, sequence, 0)[: LENGTH - LAST_BITS // 5]


def last_characters(sequence: int, ordinal: int) -> str:
    """The last 6 characters of an id; the ordinal fits its bits."""
    last = (sequence << ORDINAL_BITS | ordinal) & (1 << LAST_BITS) - 1
    return _TRIPLES[last >> 15] + _TRIPLES[last & 32767]


def parse_id(text: str) -> Identity:
    """The parts of an id; BadIdentity for text that is not 20 characters of 0-9 A-V."""
    high, low = to_halves(text)
    return Identity(*(int(part) for part in unpack(high, low)))


def to_halves(text: str) -> tuple[int, int]:
    """The two 50-bit halves of an id; BadIdentity as parse_id."""
    if len(text) != LENGTH or any(character not in ALPHABET for character in text):
        raise BadIdentity(
            f"{text[:40]!r} is not an id of this system: those are {LENGTH} characters of 0-9 and "
            "A-V"
        )
    return int(text[:10], 32), int(text[10:], 32)


def texts(high: Any, low: Any) -> list[str]:
    """The ids of arrays of halves, int64."""
    digits = np.empty((len(high), LENGTH), np.uint8)
    digits[:, : LENGTH // 2] = high[:, np.newaxis] >> _SHIFTS & 31
    digits[:, LENGTH // 2 :] = low[:, np.newaxis] >> _SHIFTS & 31
    text = _CHARACTERS[digits].tobytes().decode("ascii")
    return [text[start : start + LENGTH] for start in range(0, len(text), LENGTH)]


def text_of_halves(high: int, low: int) -> str:
    """The id of two halves."""
    return _leading_text(high) + _half_text(low)


def _half_text(half: int) -> str:
    return (
        _TRIPLES[half >> 35]
        + _TRIPLES[half >> 20 & 32767]
        + _TRIPLES[half >> 5 & 32767]
        + ALPHABET[half & 31]
    )


_leading_text = functools.lru_cache(maxsize=64)(_half_text)
"""The first half names journal and shard and changes once in 2^32 inputs."""


def _too_large(journal_id: int, shard: int, sequence: int, ordinal: int) -> CapacityExceeded:
    parts = (
        ("identity.journal_id", journal_id, JOURNAL_BITS), ("identity.shard", shard, SHARD_BITS),
        ("identity.sequence", sequence, SEQUENCE_BITS), ("identity.ordinal", ordinal, ORDINAL_BITS),
    )  # fmt: skip
    name, value, bits = next(part for part in parts if part[1] >> part[2])
    return CapacityExceeded(
        name,
        (1 << bits) - 1,
        f"{name} {value} is outside 0 .. {(1 << bits) - 1}; ids have {bits} bits for it",
    )


@borrowing_kernel
def pack(journal_id: Any, shard: Any, sequence: Any, ordinal: Any) -> Any:
    """The halves (high, low) of an id; parts must fit their bits."""
    low_mask = (np.int64(1) << HALF_BITS) - 1
    high = (((journal_id << SHARD_BITS) | shard) << (SEQUENCE_BITS - LOW_SEQUENCE_BITS)) | (
        sequence >> LOW_SEQUENCE_BITS
    )
    return high, ((sequence << ORDINAL_BITS) | ordinal) & low_mask


ID_SOURCE = np.dtype(
    [
        (name, "i8")
        for name in ("journal_id", "shard", "first", "sequence", "last_sequence", "ordinal")
    ]
)
"""What a handler makes ids of (``streams/runtime/schedule/context.py`` says what the names mean);
the last two fields move on."""


@inner_kernel
def has_ids(ids: Any, count: Any) -> Any:
    """True if so many ids can be made of the present input."""
    made = ids.ordinal - ids.first if ids.sequence == ids.last_sequence else np.int64(0)
    return made + count <= EARLY_ORDINAL


@inner_kernel
def next_id(ids: Any) -> Any:
    """The halves (high, low) of the next id; there must be one."""
    if ids.sequence != ids.last_sequence:
        ids.last_sequence = ids.sequence
        ids.ordinal = ids.first
    ordinal = ids.ordinal
    ids.ordinal = ordinal + 1
    return pack(ids.journal_id, ids.shard, ids.sequence, ordinal)


@borrowing_kernel
def unpack(high: Any, low: Any) -> Any:
    """The parts (journal id, shard, sequence, ordinal) of two halves."""
    above = SEQUENCE_BITS - LOW_SEQUENCE_BITS
    sequence = ((high & ((1 << above) - 1)) << LOW_SEQUENCE_BITS) | (low >> ORDINAL_BITS)
    return (
        high >> (above + SHARD_BITS),
        (high >> above) & ((1 << SHARD_BITS) - 1),
        sequence,
        low & ((1 << ORDINAL_BITS) - 1),
    )


@borrowing_kernel
def write_text(high: Any, low: Any, text: Any, position: Any) -> Any:
    """Write an id as 20 ASCII bytes into ``text`` (uint8) at ``position``; returns the position
    after it.
    """
    for place in range(LENGTH):
        half = high if place < 10 else low
        digit = (half >> (45 - 5 * (place % 10))) & 31
        text[position + place] = digit + 48 if digit < 10 else digit + 55
    return position + LENGTH


@borrowing_kernel
def read_text(text: Any, position: Any) -> Any:
    """Halves of the 20 ASCII bytes at ``position`` of ``text`` (uint8); (-1, -1) if one is not in
    0-9 A-V.
    """
    high = low = np.int64(0)
    for place in range(LENGTH):
        character = np.int64(text[position + place])
        digit = character - 48 if character < 58 else character - 55
        if character < 48 or 58 <= character < 65 or digit > 31:
            return np.int64(-1), np.int64(-1)
        if place < 10:
            high = (high << 5) | digit
        else:
            low = (low << 5) | digit
    return high, low
