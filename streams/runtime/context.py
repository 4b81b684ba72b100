"""What a ledger may know and do besides its record: the clock, emitting, and the next built id."""

from __future__ import annotations

from typing import Any

from streams.numeric.identity import ORDINAL_BITS, order_id


class StageContext:
    """Handed to every ledger call.

    ``clock``: ns. ``sequence``: records consumed since genesis, the present one included. Ids are (journal id 24 bits, shard 10, input
    sequence 48, ordinal 18) in 20 base-32 characters; the ordinal counts ids since the sequence last changed.
    """

    __slots__ = ("clock", "emit", "journal_id", "last_sequence", "ordinal", "pending", "sequence", "shard")

    def __init__(self, journal_id: int, shard: int = 0) -> None:
        self.clock = 0
        self.sequence = 0
        self.pending: list[Any] = []
        self.emit = self.pending.append
        self.journal_id = journal_id
        self.shard = shard
        self.last_sequence = -1
        self.ordinal = 0

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
        return order_id(self.journal_id, self.shard, sequence, ordinal)
