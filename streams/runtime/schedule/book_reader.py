"""The order books as strategies read them: behind the input record that they handle.

The books are the venue's, which hold the feed's levels: the upstream pass has its own at the end of
the input batch. A venue that is behind takes the records up to the present one first, as it does
before it takes a command. Strategies in plain Python read by :meth:`BookReader.read`, compiled ones
call the entry by its address.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from schemas.vocabulary import Flag, Side
from streams.numeric.bad_strategy import BadStrategy
from streams.numeric.book import Books, slot_of, top_flags
from streams.numeric.book_queries import best_levels, quantity_at
from streams.numeric.book_reads import (
    BAD_DEPTH,
    BOOK_READ,
    BOOK_SIZE,
    READ_LEVELS,
    READ_SIZE,
    VENUE_FAULT,
)
from streams.numeric.borrowing import borrowing_kernel, inner_kernel
from streams.numeric.stage_records import words
from streams.numeric.table import record_at
from streams.runtime.schedule.loop import (
    CONTROL_LENGTH,
    CURSOR,
    DONE,
    LENGTH,
    LIMIT,
    LIMIT_CLOCK,
    OUTCOME,
)
from streams.runtime.schedule.records import SCHEDULE
from streams.runtime.schedule.runner import LoopRunner
from streams.runtime.tools.pointers import CONTEXT_LENGTH, call_entry, entry_address, view

READER = np.dtype(words("schedule books_place levels most"))
"""Address of the schedule; the place of the books in the venue's context; address and length of the
tables of levels."""
LEVEL_BYTES = 16
BUY, SELL, STALE = np.int64(Side.BUY), np.int64(Side.SELL), np.int64(Flag.STALE)
NEVER_BEFORE = np.int64(-1)
_books_at: Any = Books.at
Levels = tuple[tuple[int, int], ...]


class BookReader:
    """Of one topology.

    Attributes:
        levels: (2 * instruments, levels, 2) price and quantity of what was read last: two tables
            for each instrument. Memory is used where levels were written.

    Args:
        venue: the loop that holds the books.
        schedule: address of the scheduler's record.
    """

    def __init__(self, venue: LoopRunner, schedule: int) -> None:
        self._venue, books = venue, venue.books
        most = books.quantity.shape[1] + books.tail.shape[1]
        self.levels = np.zeros((len(books.quantity), most, 2), np.int64)
        self._header = np.zeros(1, READER)
        self._header["schedule"] = schedule
        self._header["books_place"] = venue.context.places["books__slots"]
        self._header["levels"], self._header["most"] = self.levels.ctypes.data, most
        self._read = np.zeros(1, BOOK_READ)
        self.header: int = self._header.ctypes.data
        self._read_address: int = self._read.ctypes.data

    @property
    def entry(self) -> int:
        """Address of the compiled handler, ``handle(kind, header, given, clock, out)``."""
        return entry_address(handle)

    def read(self, instrument: int, depth: int | None) -> tuple[Levels, Levels, int]:
        """(bids, asks, flags), best first; at most ``depth`` levels a side, all of them for None.
        """
        row = self._read[0]
        row["instrument"], row["depth"] = instrument, depth or 0
        code = handle(READ_LEVELS, self.header, self._read_address, 0, 0)
        if code:
            self.raise_fault(code, f"instrument {instrument}", depth or 0)
        bids, asks = (
            tuple(map(tuple, self.levels[row[f"{side}_place"], : row[f"{side}s"]].tolist()))
            for side in ("bid", "ask")
        )
        return bids, asks, int(row["flags"])

    def raise_fault(self, code: int, who: str, depth: int) -> None:
        """Raise what a code of the handler stands for."""
        if code == BAD_DEPTH:
            what = f"{who} asks for {depth} levels of the book"
            raise BadStrategy(f"{what}; give 1 or more, or 0 for all of them")
        self._venue.raise_fault()
        raise AssertionError("a venue that was up to date delivered a report")


@borrowing_kernel
def handle(kind: Any, header: Any, given: Any, clock: Any, out: Any) -> Any:
    """Fill in a BOOK_READ or a BOOK_SIZE; returns 0 or a code."""
    reader = record_at(header, READER)
    schedule = record_at(reader.schedule, SCHEDULE)
    if not catch_up(schedule):
        return VENUE_FAULT
    packed = view(schedule.venue_packed, (np.int64(CONTEXT_LENGTH),), np.int64)
    books = _books_at(packed, reader.books_place)
    if kind == READ_SIZE:
        read_size(books, record_at(given, BOOK_SIZE))
        return np.int64(0)
    return read_levels(books, reader, record_at(given, BOOK_READ))


@inner_kernel
def catch_up(schedule: Any) -> Any:
    """Have the venue take the records up to the present one; False where it cannot. At the end of
    its input batch it is never behind.
    """
    control = view(schedule.venue_control, (np.int64(CONTROL_LENGTH),), np.int64)
    position = min(schedule.sequence - schedule.before, control[LENGTH])
    if control[CURSOR] >= position:
        return True
    control[LIMIT] = position
    control[LIMIT_CLOCK] = NEVER_BEFORE
    packed = view(schedule.venue_packed, (np.int64(CONTEXT_LENGTH),), np.int64)
    call_entry(schedule.venue_run, packed)
    return control[OUTCOME] == DONE


@inner_kernel
def read_size(books: Any, read: Any) -> None:
    """What one price displays."""
    slot = slot_of(books, read.instrument)
    read.is_synced = np.int64(0)
    if slot >= 0 and books.books[slot].synced != 0:
        read.is_synced = np.int64(1)
        read.quantity = quantity_at(books, slot, read.side, read.price)


@inner_kernel
def read_levels(books: Any, reader: Any, read: Any) -> Any:
    """The levels into the tables of the instrument; 0, or BAD_DEPTH."""
    read.bids = read.asks = 0
    read.flags = STALE
    if read.depth < 0:
        return BAD_DEPTH
    slot = slot_of(books, read.instrument)
    if slot < 0:
        return np.int64(0)
    read.flags = top_flags(books, slot)
    read.bid_place = 2 * slot
    read.ask_place = 2 * slot + 1
    if read.flags & STALE == 0:
        read.bids = write_side(books, slot, BUY, reader, read.bid_place, read.depth)
        read.asks = write_side(books, slot, SELL, reader, read.ask_place, read.depth)
    return np.int64(0)


@inner_kernel
def write_side(books: Any, slot: Any, side: Any, reader: Any, place: Any, depth: Any) -> Any:
    """The levels of a side, at most ``depth`` (0: all), into a table; returns how many."""
    most = min(depth, reader.most) if depth != 0 else reader.most
    table = reader.levels + place * reader.most * LEVEL_BYTES
    return best_levels(books, slot, side, view(table, (most, np.int64(2)), np.int64))
