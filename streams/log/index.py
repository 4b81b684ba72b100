"""The index beside a segment: one entry per block, found by binary search, never trusted alone.

Every entry carries a check over its own bytes, so a damaged index is told from a damaged block; the
reader compares every entry it uses with the block's own header, sync marker and checksum.

A topic pulled from Kafka keeps its offsets, which have holes (transaction markers, aborted
records). Its entries are longer: they also say how large the hole before the block is, and where in
the ``.runs`` file beside the index the block's own runs of offsets lie (see
:mod:`streams.log.runs`). So a block that is missing is told from a hole.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Callable, Iterator
from typing import NamedTuple

import xxhash

_BODY = struct.Struct("<qqqqq16s")
_BODY_WITH_HOLES = struct.Struct("<qqqqq16sqqqqQ")
_CHECK = struct.Struct("<Q")
ENTRY_BYTES = _BODY.size + _CHECK.size
HOLES_ENTRY_BYTES = _BODY_WITH_HOLES.size + _CHECK.size
PAGE_ENTRIES = 64


class Entry(NamedTuple):
    """Where a block lies and what it holds.

    Attributes:
        first_offset: offset of its first record.
        records: how many.
        position: byte position of the block in the segment.
        length: bytes of the whole block, framing included.
        time_max: running maximum of event time after the block, ns UTC; 0 where the topic has none.
        checksum: XXH3-128 of the body.
        hole: offsets without a record between the block before and this one; 0 in an ordinary
            topic, as are all below.
        span: offset after the last record minus the first; 0 where no hole lies inside the block.
        runs_begin: number of the block's first run in the ``.runs`` file.
        runs: how many runs lie there; 0 where no hole lies inside the block.
        runs_checksum: XXH3-64 of their bytes.
    """

    first_offset: int
    records: int
    position: int
    length: int
    time_max: int
    checksum: bytes
    hole: int = 0
    span: int = 0
    runs_begin: int = 0
    runs: int = 0
    runs_checksum: int = 0

    @property
    def end_offset(self) -> int:
        """Offset after the block's last record."""
        return self.first_offset + (self.span or self.records)

    @property
    def previous_end_offset(self) -> int:
        """Offset after the last record of the block before."""
        return self.first_offset - self.hole

    @property
    def runs_end(self) -> int:
        """Number of the run after the block's last one."""
        return self.runs_begin + self.runs

    @property
    def end_position(self) -> int:
        """Byte position after the block."""
        return self.position + self.length

    def pack(self, has_holes: bool = False) -> bytes:
        """The entry's bytes, own check last: 64, or 104 in a topic with holes."""
        body = _BODY_WITH_HOLES.pack(*self) if has_holes else _BODY.pack(*self[:6])
        return body + _CHECK.pack(xxhash.xxh3_64_intdigest(body))


def unpack(buffer: bytes) -> Entry | None:
    """The entry in 64 or 104 bytes, or None if its own check fails."""
    layout = {ENTRY_BYTES: _BODY, HOLES_ENTRY_BYTES: _BODY_WITH_HOLES}.get(len(buffer))
    if (
        layout is None
        or _CHECK.pack(xxhash.xxh3_64_intdigest(buffer[: layout.size])) != buffer[layout.size :]
    ):
        return None
    return Entry(*layout.unpack(buffer[: layout.size]))


class DamagedEntry(Exception):
    """Entry ``number`` of an index fails its own check. Never leaves this package."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


class Index:
    """Entries of one segment: those on disk, then those found by reading blocks the index does not
    have yet.

    Memory: one page of 64 entries, and the entries not on disk.

    Args:
        descriptor: of the index file, or -1 if there is none.
        on_disk: entries to take from it.
        entry_bytes: length of each.
    """

    def __init__(self, descriptor: int, on_disk: int, entry_bytes: int = ENTRY_BYTES) -> None:
        self._entry_bytes = entry_bytes
        self.on_disk = on_disk
        self.found: list[Entry] = []
        self.reads = 0
        self._descriptor = descriptor
        self._page = -1
        self._bytes = b""

    def __len__(self) -> int:
        return self.on_disk + len(self.found)

    def __getitem__(self, number: int) -> Entry:
        if number < 0:
            number += len(self)
        if number >= self.on_disk:
            return self.found[number - self.on_disk]
        page, place = divmod(number, PAGE_ENTRIES)
        if page != self._page:
            size = PAGE_ENTRIES * self._entry_bytes
            self._bytes = os.pread(self._descriptor, size, page * size)
            self._page = page
            self.reads += 1
        entry = unpack(self._bytes[place * self._entry_bytes : (place + 1) * self._entry_bytes])
        if entry is None:
            raise DamagedEntry(number)
        return entry

    def __iter__(self) -> Iterator[Entry]:
        return (self[number] for number in range(len(self)))

    def forget_page(self) -> None:
        """Read the next entry from disk again: the file has grown or was cut."""
        self._page = -1

    def _first(self, is_reached: Callable[[Entry], bool]) -> int:
        low, high = 0, len(self)
        while low < high:
            middle = (low + high) // 2
            if is_reached(self[middle]):
                high = middle
            else:
                low = middle + 1
        return low

    def block_of(self, offset: int) -> int:
        """Number of the first block that ends after ``offset``; ``len(self)`` if none does."""
        return self._first(lambda entry: entry.end_offset > offset)

    def block_at_time(self, time: int) -> int:
        """Number of the first block whose running maximum of event time reaches ``time``;
        ``len(self)`` if none does.
        """
        return self._first(lambda entry: entry.time_max >= time)
