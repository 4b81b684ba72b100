"""In the host: what a compiled strategy in another process reads of the stages.

What it reads by address is copied there before each call: its view and its modified orders. What
it reads by calls is answered. What it did to modified orders comes back as records, which are
checked; all else that it did is a consequence of the requests that it publishes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np

from jobs.isolation.asking import LEVELS, POSITION, RECORDS, WORTH
from jobs.isolation.framing import StrategyStopped
from jobs.isolation.images import Change, Mirror
from schemas import records
from schemas.checking import strategy_checks
from schemas.errors import ShrivenError
from streams.numeric.book_reads import READ_LEVELS, READ_SIZE
from streams.numeric.identity import to_halves
from streams.runtime.schedule.book_reader import handle as read_books
from streams.signals.replacing import NAME as REPLACEMENTS
from streams.signals.replacing import Replacement, Waiting
from streams.signals.strategy import GTC, LIMIT, NEW
from streams.signals.view import ACCOUNT, BOOK, QUEUE
from streams.signals.view import NAME as VIEW


class Answers:
    """Of one strategy.

    Args:
        reads: what it declares.
        number: its number; its orders and positions have it.
        requests_most: requests that one call may make.
        stages: finds the other stages by name, and has the reader of the order books.
    """

    def __init__(self, reads: Sequence[str], number: int, requests_most: int, stages: Any) -> None:
        self._reads, self._number, self._most = tuple(reads), number, requests_most
        self._view, self._portfolio = stages.stage(VIEW), stages.stage("portfolio")
        self._replacements = stages.stage(REPLACEMENTS) if ACCOUNT in reads else None
        self._books: Any = stages.books if {BOOK, QUEUE} & set(reads) else None
        self._mirrors = [Mirror(VIEW, self._view.state)]
        if self._replacements is not None:
            self._mirrors.append(Mirror(REPLACEMENTS, self._replacements.state))

    def changes(self) -> list[Change]:
        """What changed of what it reads by address since the last call; all has room for what this
        one may ask for.
        """
        if self._replacements is not None:
            self._view.reserve_requests(self._most)
            self._replacements.reserve(self._most)
        return [change for mirror in self._mirrors for change in mirror.changes()]

    # -- what it reads by calls

    def answer(self, name: str, given: bytes, context: Any) -> bytes:
        """A record that it asks for, filled in. Raises StrategyStopped if it is not its to ask."""
        declared, dtype, fields = RECORDS[name]
        if declared not in self._reads or len(given) != dtype.itemsize:
            raise StrategyStopped("the isolated strategy asked for what no context has")
        asked, rows = np.frombuffer(given, dtype)[0], np.zeros(1, dtype)
        row = rows[0]
        for field in fields:
            row[field] = asked[field]
        if "instrument" in fields and int(row["instrument"]) not in self._view.instruments:
            raise StrategyStopped("the isolated strategy asked for an instrument there is none of")
        if name in (POSITION, WORTH):
            self._ask_portfolio(name, row, rows.ctypes.data, context)
            return rows.tobytes()
        kind = READ_LEVELS if name == LEVELS else READ_SIZE
        self._ask_books(int(kind), row, rows.ctypes.data)
        return rows.tobytes() + (self._levels(row) if name == LEVELS else b"")

    def _ask_portfolio(self, name: str, row: Any, address: int, context: Any) -> None:
        row["account"] = context.account
        if name == POSITION:
            row["strategy"] = self._number
        calls = self._portfolio.calls()
        kind = calls.reads["position" if name == POSITION else "account"]
        code = calls.entry(kind, calls.header, address, context.clock, calls.out)
        if code > 0:
            self._portfolio.settle(int(code), -1, context)

    def _ask_books(self, kind: int, row: Any, address: int) -> None:
        code = read_books(kind, self._books.header, address, 0, 0)
        if code:
            wanted = int(row["depth"]) if "depth" in row.dtype.names else 0
            self._books.raise_fault(int(code), "the isolated strategy", wanted)

    def _levels(self, row: Any) -> bytes:
        sides = (("bid_place", "bids"), ("ask_place", "asks"))
        return b"".join(self._books.levels[row[at], : row[count]].tobytes() for at, count in sides)

    # -- what it did

    def take_replacements(self, content: bytes, context: Any) -> None:
        """The orders that it modifies, as a snapshot has them.

        Raises StrategyStopped: one of them is no order that a strategy may ask for.
        """
        try:
            if self._replacements is None:
                raise ValueError("it does not read its orders")
            waiting = msgspec.msgpack.decode(content, type=Waiting).waiting
            for old_id, new in waiting.items():
                to_halves(old_id)
                self._check(new, context)
        except (msgspec.MsgspecError, ShrivenError, ValueError) as problem:
            what = "the isolated strategy modified an order to what is none"
            raise StrategyStopped(f"{what} ({str(problem)[:200]})") from None
        self._replacements.take_state(msgspec.msgpack.encode(Waiting(waiting=waiting)))

    def _check(self, new: Replacement, context: Any) -> None:
        request = records.OrderRequest(
            new.order_id, context.account, self._number, new.instrument, context.clock, NEW,
            new.side, LIMIT, GTC, new.post_only, new.quantity, new.price,
        )  # fmt: skip
        strategy_checks()[records.OrderRequest](request)
