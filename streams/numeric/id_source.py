"""Where the handlers of a stage get built ids from: the context of the call, as a record."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np

from streams.numeric.identity import ID_SOURCE

_TAKEN = struct.Struct("=6q")
_LAST_SEQUENCE, _ORDINAL = map((ID_SOURCE.names or ()).index, ("last_sequence", "ordinal"))


class IdSource:
    """Owns one ``ID_SOURCE``.

    All stages of a task make ids of one ordinal: before a handler is called the context's is taken,
    and afterwards it is given back.

    Attributes:
        rows: an array of one record.
        address: what kernels take.
    """

    def __init__(self) -> None:
        self.rows = np.zeros(1, ID_SOURCE)
        self.address: int = self.rows.ctypes.data
        self._bytes = self.rows.data.cast("B")
        self._words = self._bytes.cast("q")

    def take(self, context: Any) -> None:
        """Make the context's ids."""
        _TAKEN.pack_into(
            self._bytes,
            0,
            context.journal_id,
            context.shard,
            context.first,
            context.sequence,
            context.last_sequence,
            context.ordinal,
        )

    def take_made(self, context: Any) -> None:
        """Go on behind the ids that the context made; its sequence was taken before."""
        words = self._words
        words[_LAST_SEQUENCE], words[_ORDINAL] = context.last_sequence, context.ordinal

    def give(self, context: Any) -> None:
        """The context goes on behind the ids made."""
        words = self._words
        context.last_sequence, context.ordinal = words[_LAST_SEQUENCE], words[_ORDINAL]
