"""What a shard's process is executing, in memory that outlives it: where it died is known even if
it could not say a word.

A page of a file without a name, shared by the process and its member. The process writes the input
records of a batch before it executes them, and clears them after; that is a copy of some bytes, no
system call.
"""

from __future__ import annotations

import mmap
import struct
from collections.abc import Sequence

import msgspec

from streams.runtime.journal.in_flight import Run

PAGE_BYTES = 4096
LENGTH = struct.Struct("<H")


class BlackBox:
    """See the module's head.

    Args:
        descriptor: of a file of this size.
    """

    def __init__(self, descriptor: int) -> None:
        self._page = mmap.mmap(descriptor, PAGE_BYTES)

    def note(self, runs: Sequence[Run]) -> None:
        """These records are executed from now on; none: nothing is."""
        body = msgspec.json.encode(runs)
        self._page[: LENGTH.size] = LENGTH.pack(0)
        if runs and len(body) <= PAGE_BYTES - LENGTH.size:
            self._page[LENGTH.size : LENGTH.size + len(body)] = body
            self._page[: LENGTH.size] = LENGTH.pack(len(body))

    def read(self) -> list[Run]:
        """What was being executed; empty if nothing was."""
        (length,) = LENGTH.unpack(self._page[: LENGTH.size])
        return (
            msgspec.json.decode(self._page[LENGTH.size : LENGTH.size + length], type=list[Run])
            if length
            else []
        )
