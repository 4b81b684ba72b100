"""In the child: what a compiled strategy reads by calls, asked of the host.

In a run such a call goes to the address of another stage's entry
(``streams/numeric/entry_calls.py``), with the address of a record to fill in. Here one entry stands
at that address. It sends the record to the host, whose stages fill it in.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any

import numpy as np

from streams.numeric.book_reads import BOOK_READ, BOOK_SIZE, READ_LEVELS, READ_SIZE
from streams.numeric.portfolio_reads import ACCOUNT_READ, POSITION_READ
from streams.signals.view import ACCOUNT, BOOK, QUEUE

POSITION, WORTH, LEVELS, SIZE = "position record", "account record", "levels", "size"
RECORDS: dict[str, tuple[str, Any, tuple[str, ...]]] = {
    POSITION: (ACCOUNT, POSITION_READ, ("instrument",)),
    WORTH: (ACCOUNT, ACCOUNT_READ, ()),
    LEVELS: (BOOK, BOOK_READ, ("instrument", "depth")),
    SIZE: (QUEUE, BOOK_SIZE, ("instrument", "side", "price")),
}
"""What may be asked: what must be declared for it, the record that the host fills in, and its
fields that ask. Behind that of LEVELS come those of both sides, price and quantity."""
PORTFOLIO, BOOKS = 0, 1
"""What stands for the address of their states."""
ASKED = {
    (PORTFOLIO, 0): POSITION,
    (PORTFOLIO, 1): WORTH,
    (BOOKS, int(READ_LEVELS)): LEVELS,
    (BOOKS, int(READ_SIZE)): SIZE,
}
_INT64 = ctypes.c_int64
_ENTRY = ctypes.CFUNCTYPE(
    ctypes.c_int32, ctypes.POINTER(_INT64), ctypes.c_void_p, *([_INT64] * 5)
)
"""An entry as compiled code calls it: where its value goes, and what it raises, come first; it
returns 0."""


class Entry:
    """The one entry.

    Attributes:
        address: compiled code calls it there.
        levels: those of the books that were read, two tables for each instrument.
        ask: sends a name and a record to the host; returns the record filled in.
    """

    def __init__(self) -> None:
        self._callback = _ENTRY(self._called)
        self.address = int(ctypes.cast(self._callback, ctypes.c_void_p).value or 0)
        self.levels = np.zeros((0, 0, 2), np.int64)
        self.ask: Callable[[str, bytes], bytes] = _nobody
        self._problem: BaseException | None = None

    def places(self) -> dict[str, int]:
        """Where what is asked is found (``strategy_outputs.READS``)."""
        return {
            "portfolio": PORTFOLIO,
            "portfolio_entry": self.address,
            "portfolio_position": 0,
            "portfolio_account": 1,
            "books": BOOKS,
            "books_entry": self.address,
        }

    def raise_problem(self) -> None:
        """Raise what went wrong in a call: nothing can be raised through compiled code."""
        problem, self._problem = self._problem, None
        if problem is not None:
            raise problem

    def _called(self, value: Any, _: Any, kind: int, header: int, given: int, *rest: int) -> int:
        value[0] = 0
        try:
            self._fill(ASKED[header, kind], given)
        except BaseException as problem:  # noqa: BLE001 - raised behind the call
            self._problem = self._problem or problem
            value[0] = 1
        return 0

    def _fill(self, name: str, given: int) -> None:
        dtype = RECORDS[name][1]
        record = (ctypes.c_char * dtype.itemsize).from_address(given)
        found = self.ask(name, record.raw)
        record.raw = found[: dtype.itemsize]
        if name == LEVELS:
            row = np.frombuffer(found, dtype, 1)[0]
            sides = np.frombuffer(found, np.int64, offset=dtype.itemsize).reshape(-1, 2)
            bids, asks = int(row["bids"]), int(row["asks"])
            self.levels[row["bid_place"], :bids] = sides[:bids]
            self.levels[row["ask_place"], :asks] = sides[bids:]


def _nobody(name: str, record: bytes) -> bytes:
    raise RuntimeError(f"nobody is asked for {name} outside of a call")
