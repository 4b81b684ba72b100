"""What strategies ask of the order books, as a record: the runtime's entry fills it, which has the
books at the present record (``streams/runtime/schedule/book_reader.py``).
"""

from __future__ import annotations

import numpy as np

from streams.numeric.stage_records import words

BOOK_READ = np.dtype(words("instrument depth bid_place ask_place bids asks flags"))
"""One book; the first two fields say which, and how many levels of a side (0: all of them). The
levels are the first ``bids`` rows of table ``bid_place`` of the reader's levels, and the first
``asks`` of ``ask_place``, best first: price and quantity. Out of sync there are none."""

BOOK_SIZE = np.dtype(words("instrument side price quantity is_synced"))
"""What is displayed at one price; the first three fields say where."""

READ_LEVELS, READ_SIZE = map(np.int64, range(2))
"""The kinds of the reader's handlers: those that fill a BOOK_READ, a BOOK_SIZE."""
VENUE_FAULT, BAD_DEPTH = map(np.int64, (1, 2))
"""Codes: the books could not be brought to the present record; fewer levels than none are wanted.
"""
