"""What a ledger may know and do besides its record: the clock, emitting, and the next built id."""

from __future__ import annotations

from typing import Any

DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUV"
_PAIRS = [a + b for a in DIGITS for b in DIGITS]
ORDINAL_BITS = 18


class StageContext:
    """Handed to every ledger call.

    ``clock``: ns. ``sequence``: records consumed since genesis, the present one included. Ids are (journal id 24 bits, shard 10, input
    sequence 48, ordinal 18) in 20 base-32 characters; the ordinal counts ids since the sequence last changed.
    """

    __slots__ = ("_high", "_high_of", "clock", "emit", "journal_id", "last_sequence", "ordinal", "pending", "sequence", "shard")

    def __init__(self, journal_id: int, shard: int = 0) -> None:
        self.clock = 0
        self.sequence = 0
        self.pending: list[Any] = []
        self.emit = self.pending.append
        self.journal_id = journal_id
        self.shard = shard
        self.last_sequence = -1
        self.ordinal = 0
        self._high_of = -1
        self._high = ""

    def order_id(self) -> str:
        """The next id."""
        sequence = self.sequence
        if sequence != self.last_sequence:
            self.last_sequence = sequence
            self.ordinal = 0
        ordinal = self.ordinal
        if ordinal >> ORDINAL_BITS:
            raise OverflowError("more than 262,144 ids on one input record")
        self.ordinal = ordinal + 1
        upper = sequence >> 12
        if upper != self._high_of:  # the first 14 characters change once in 4,096 records
            self._high_of = upper
            self._high = _base32(self.journal_id << 26 | self.shard << 16 | sequence >> 32) + _base32(upper << 30 & 0x3FFFFFFFFFFFF)[:4]
        low = (sequence & 0xFFF) << ORDINAL_BITS | ordinal
        return self._high + _PAIRS[low >> 20] + _PAIRS[low >> 10 & 1023] + _PAIRS[low & 1023]


def _base32(value: int) -> str:
    return "".join(_PAIRS[value >> shift & 1023] for shift in (40, 30, 20, 10, 0))
